"""``vedette source``: where indicators come from."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from vedette.cli.common import error_document, hub, with_output
from vedette.cli.output import Output, moment
from vedette.cli.source_options import (
    connection_options,
    filter_options,
    list_options,
    rate_limit_option,
    saving_options,
)
from vedette.cli.source_presets import AddGroup, add_preset, presets_command
from vedette.cli.source_rules import rules
from vedette.cli.source_saving import located, save, split
from vedette.cli.source_set import set_command
from vedette.cli.source_show import show, show_preview, without_secrets_of
from vedette.cli.source_stix import add_stix, add_taxii
from vedette.errors import VedetteError
from vedette.model import IndicatorType
from vedette.pipeline import importing
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import preview, pull, source_of
from vedette.store import PullSummary


@click.group()
def source() -> None:
    """Add, test, list and pull the places that indicators come from."""


@source.group(cls=AddGroup)
def add() -> None:
    """Add a source; its first pull happens with `source pull` or `run`.

    A well-known public feed: vedette source add NAME --preset PRESET (see `source presets`).
    """


add.add_command(add_preset)
add.add_command(add_stix)
add.add_command(add_taxii)
source.add_command(presets_command)
source.add_command(rules)
source.add_command(set_command(add))
source.add_command(show)


@add.command("misp")
@click.argument("url")
@click.option("--key-file", required=True, metavar="FILE", help="File with the API key.")
@connection_options
@filter_options
@click.option("--page-size", type=int, help="Attributes in one answer (default 20000).")
@click.option("--unpublished", type=click.Choice(["keep", "drop"]), help="Events being edited.")
@click.option("--unpublished-grace", metavar="AGE", help="How long they are kept (default 7d).")
@click.option("--missing-grace", metavar="AGE", help="The same for events no longer shown.")
@click.option("--reconcile", metavar="AGE", help="How often to read everything (default 1d).")
@rate_limit_option
@click.option("--decay/--no-decay", default=None, help="Ask for MISP's decay scores.")
@click.option("--zmq", metavar="URL", help="MISP's ZeroMQ publisher: pull when it says so.")
@saving_options
@with_output
def add_misp(out: Output, url: str, key_file: str, **options: Any) -> None:
    """Add a MISP server; a user with a read-only key is enough."""
    saving, filters, rest = split(options)
    save(out, "misp", {"url": url, "key_file": key_file, "filters": filters, **rest}, saving)


@add.command("misp-feed")
@click.argument("location")
@connection_options
@filter_options
@saving_options
@with_output
def add_misp_feed(out: Output, location: str, **options: Any) -> None:
    """Add a MISP feed: a directory, an archive (tar, zip), one event's file, or an http(s) URL."""
    saving, filters, rest = split(options)
    settings = {"location": located(location), "filters": filters, **rest}
    save(out, "misp-feed", settings, saving)


@add.command("list")
@click.argument("location")
@click.option(
    "--type",
    "kind",
    required=True,
    type=click.Choice([member.value for member in IndicatorType]),
    help="What the values are, where the format does not say.",
)
@list_options
@connection_options
@saving_options
@with_output
def add_list(out: Output, location: str, kind: str, **options: Any) -> None:
    """Add a list: a file or an http(s) URL, plain, .gz or .zst, in any usual format."""
    saving, _, rest = split(options)
    save(out, "list", {"location": located(location), "type": kind, **rest}, saving)


@source.command()
@click.argument("name")
@with_output
def test(out: Output, name: str) -> None:
    """Read a source and count what would come, per type, after filters; save nothing."""
    with hub() as opened:
        built = source_of(opened.store.source(name))
    with out.progress(f"reading {name}") as ticker:
        found = preview(built, tick=ticker.tick)
    show_preview(out, found)


@source.command("pull")
@click.argument("names", nargs=-1)
@click.option("--accept", is_flag=True, help="Let it shrink or grow as it did.")
@with_output
def pull_command(out: Output, names: tuple[str, ...], *, accept: bool) -> None:
    """Pull sources into the store (all of them without NAMES)."""
    done: list[PullSummary] = []
    failed: list[dict[str, Any]] = []
    code = 0
    with hub() as opened:
        for name in names or [record.name for record in opened.store.sources()]:
            try:
                done.append(_pull_one(out, opened, name, accept=accept))
            except VedetteError as error:
                failed.append({"source": name, **error_document(error)})
                code = code or error.exit_code
                out.bad(f"{name}: {error}")
                if error.hint:
                    out.say(f"       {error.hint}")
        if not (done or failed):
            out.warn("there are no sources; see: vedette source add --help")
    out.result({"pulls": done, "failed": failed})
    if failed:
        click.get_current_context().exit(code)


def _pull_one(out: Output, opened: Hub, name: str, *, accept: bool) -> PullSummary:
    with out.progress(f"pulling {name}") as ticker:
        summary = pull(opened, name, accept=accept, tick=ticker.tick)
    out.good(
        f"{name}: {summary.entries:,} entries"
        f" (+{summary.added:,} -{summary.removed:,}),"
        f" {sum(summary.rejected.values()):,} rejected,"
        f" {sum(summary.skipped.values()):,} left out,"
        f" {len(summary.broken):,} broken"
    )
    if not summary.entries:
        out.warn(f"{name}: nothing usable came; see: vedette source show {name}")
    return summary


@source.command("list")
@with_output
def list_command(out: Output) -> None:
    """List all sources with their last pull."""
    with hub() as opened:
        records = opened.store.sources()
        guarded = opened.store.inbox.by_source()
    out.table(
        (
            "name",
            "kind",
            "entries",
            "published",
            "held",
            "dropped",
            "last pull",
            "outcome",
            "last good",
        ),
        [
            (
                record.name,
                record.kind,
                record.entries,
                guarded[record.name].published + guarded[record.name].exact,
                guarded[record.name].held,
                guarded[record.name].dropped,
                moment(record.last_pull.finished_at if record.last_pull else None),
                record.last_pull.outcome if record.last_pull else "-",
                moment(record.last_good_at),
            )
            for record in records
        ],
    )
    if not records:
        out.say("No sources yet. See: vedette source add --help")
    out.result(
        [
            {
                **msgspec.to_builtins(without_secrets_of(record)),
                "guard": guarded[record.name],
            }
            for record in records
        ]
    )


@source.command()
@click.argument("name")
@with_output
def remove(out: Output, name: str) -> None:
    """Forget a source and all its indicators."""
    with hub() as opened:
        entries = importing.remove(opened, name)
    out.good(f"removed source '{name}' with {entries:,} entries; the next bundle has none of them")
    out.result({"name": name, "entries": entries})
