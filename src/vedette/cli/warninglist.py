"""``vedette warninglist``: the lists of what is probably no threat, and what they do."""

from __future__ import annotations

import click
import msgspec

from vedette.cli.common import hub, settings, with_output
from vedette.cli.output import Output
from vedette.guard.warninglists import Index
from vedette.pipeline.checking_lists import check_values, count_members
from vedette.pipeline.fetching_lists import Fetched
from vedette.pipeline.keeping_lists import update_lists
from vedette.pipeline.warninglists import open_index, place_of, unmet

_NO_LISTS = "there are no warning lists; fetch them with: vedette warninglist update"


@click.group()
def warninglist() -> None:
    """Look after MISP's warning lists: what is popular, harmless or shared by many."""


@warninglist.command("list")
@with_output
def list_command(out: Output) -> None:
    """Show the lists in force, what each does, and how many of our indicators are on it.

    DROP: an indicator that is itself on the list is taken off the sensors. LABEL: it is only told.
    """
    with hub() as opened:
        place = place_of(opened.settings)
        index = open_index(opened.settings)
        counts = count_members(opened, index)
        unknown = unmet(opened.settings, index)
    rows = [
        {
            "name": info.name,
            "title": info.title,
            "type": info.kind.value,
            "entries": info.entries,
            "unusable": info.unusable,
            "version": info.version,
            "does": _does(index, number),
            "why": rule.why if (rule := index.curation.rule(number)) else "",
            "itself": counts.itself[info.name],
            "around": counts.around[info.name],
        }
        for number, info in enumerate(index.lists)
    ]
    shown = ("name", "type", "entries", "version", "does", "itself", "around")
    heads = ("list", "type", "entries", "version", "does", "our members", "ours below or within")
    if rows:
        out.table(heads, [[row[column] for column in shown] for row in rows])
        out.say(
            f"{len(rows)} lists with {sum(i.entries for i in index.lists):,} entries"
            f" from {place.directory}"
        )
    else:
        out.warn(_NO_LISTS)
    for name, reason in index.broken.items():
        out.bad(f"{name} cannot be read: {reason}")
    for setting, pattern in unknown if rows else ():
        out.warn(f"[guard] {setting}: no list is named '{pattern}', so it changes nothing")
    out.result(
        {
            "place": place.what,
            "directory": str(place.directory or ""),
            "lists": rows,
            "broken": index.broken,
        }
    )


def _does(index: Index, number: int) -> str:
    rule = index.curation.rule(number)
    if rule is None:
        return "label"
    if rule.publisher:
        return "drop if another ranking agrees"
    return "drop the well-known" if rule.only else "drop"


@warninglist.command()
@click.option(
    "--from",
    "place",
    metavar="DIRECTORY|package|SOURCE",
    default="package",
    show_default=True,
    help="A directory of lists, the installed package pymispwarninglists, or a MISP source.",
)
@with_output
def update(out: Output, place: str) -> None:
    """Fetch warning lists into the state directory; one that cannot be read changes nothing.

    `vedette run` fetches them again from the same place every day.
    """
    with hub() as opened, out.progress("reading lists"):
        found = update_lists(opened, place)
        index = open_index(opened.settings)
        force = place_of(opened.settings)
    _say(out, found)
    if force.what != "state":
        out.warn(f"in force are those of {force.what}: {force.directory}")
    out.say(f"{len(index.lists)} lists with {sum(i.entries for i in index.lists):,} entries")
    if found.changed:
        out.say("What is on the sensors changes with the next build: vedette bundle build")
    out.result(found)


def _say(out: Output, found: Fetched) -> None:
    changed = [one for one in found.changed if one.before >= 0]
    out.good(
        f"{len(found.changed) - len(changed)} new, {len(changed)} changed,"
        f" {found.unchanged} as before"
    )
    for one in found.changed:
        if one.shrank:
            out.warn(f"{one.name} shrank from {one.before:,} to {one.after:,} entries")
    for name, reason in found.broken.items():
        out.bad(f"{name} was not taken: {reason}")
    if found.absent:
        out.warn(f"not there, and kept: {', '.join(found.absent)}")


@warninglist.command()
@click.argument("values", nargs=-1, required=True, metavar="VALUE...")
@with_output
def check(out: Output, values: tuple[str, ...]) -> None:
    """Show the lists that each VALUE is on (any spelling), and what follows for an indicator."""
    index = open_index(settings())
    if not index.lists:
        out.warn(_NO_LISTS)
    checked = check_values(index, values)
    for one in checked:
        if not one.key:
            out.bad(f"{one.value}: {one.rejected}")
            continue
        out.say(f"{one.key.type.value} {one.key.value}: {one.follows}", style="bold")
        rows = [
            (
                hit.list,
                "itself" if hit.itself else "above or around",
                hit.member,
                "drop" if hit.curated and hit.itself else "label",
            )
            for hit in one.hits
        ]
        if rows:
            out.table(("list", "the value is", "member", "does"), rows)
    out.result(
        [
            {**msgspec.structs.asdict(one), "hits": [hit._asdict() for hit in one.hits]}
            | {"key": one.key._asdict() if one.key else None}
            for one in checked
        ]
    )
