"""``vedette indicator list``: the inbox of what is held, what is dropped, what ever fired."""

from __future__ import annotations

from itertools import groupby

import click

from vedette.cli.choices import limit_of
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.cli.ruling_options import day, type_option
from vedette.errors import UsageError
from vedette.model import Outcome
from vedette.pipeline.hub import Hub
from vedette.store import Counts, Fired, Judged, TestCount, Wanted

_OUTCOMES = {
    "held": Outcome.HOLD,
    "dropped": Outcome.DROP,
    "exact": Outcome.EXACT,
    "labelled": Outcome.PUBLISH,
}


@click.command("list")
@click.option("--held", "what", flag_value="held", default=True, help="Wait for you (default).")
@click.option("--dropped", "what", flag_value="dropped", help="Kept from the sensors, and why.")
@click.option("--exact", "what", flag_value="exact", help="Published without names below.")
@click.option("--labelled", "what", flag_value="labelled", help="Published, on warning lists.")
@click.option("--fired", "what", flag_value="fired", help="That had hits, and how many.")
@click.option("--never-fired", "what", flag_value="never-fired", help="That never had a hit.")
@click.option("--summary", "what", flag_value="summary", help="Only counts, by verdict and test.")
@click.option("--source", default="", help="Only listed by this source.")
@type_option("Only of this type.")
@click.option("--reason", default="", help="Only by this test, or with this in the reason.")
@click.option("--limit", default=100, show_default=True, callback=limit_of, help="At most so many.")
@with_output
def list_command(
    out: Output, what: str, *, source: str, kind: str, reason: str, limit: int
) -> None:
    """List indicators by what became of them; held ones by reason, most hosts first."""
    wanted = Wanted(source=source, type=kind, reason=reason, limit=limit)
    if what in ("fired", "never-fired", "summary") and reason:
        raise UsageError(f"--{what} has no reasons", hint="Leave out --reason.")
    with hub() as opened:
        if source:
            opened.store.source(source)
        if what == "summary":
            _summary(out, opened, wanted)
        elif what == "fired":
            _fired(out, opened, wanted)
        elif what == "never-fired":
            _never_fired(out, opened, wanted)
        else:
            _judged(out, opened, what, wanted)


def _judged(out: Output, opened: Hub, what: str, wanted: Wanted) -> None:
    outcome = _OUTCOMES[what]
    found = opened.store.inbox.judged(outcome, wanted)
    totals = {one.test: one for one in opened.store.inbox.tests(wanted) if one.outcome is outcome}
    for test, some in groupby(found, key=lambda one: one.test):
        _show_test(out, test, totals.get(test), list(some))
    total = sum(one.indicators for one in totals.values())
    if not found:
        out.say(f"No indicator is {what}.")
    elif not wanted.reason and len(found) < total:
        out.say(f"{len(found):,} of {total:,}; see --limit, --reason and --source")
    if found and outcome is Outcome.HOLD:
        out.say("Next: vedette indicator release VALUE --why TEXT   (publish it)")
        out.say("      vedette allow add VALUE --why TEXT   (never alert on it)")
    tests = list(totals.values())
    out.result({"what": what, "indicators": found, "tests": tests, "total": total or len(found)})


def _show_test(out: Output, test: str, total: TestCount | None, some: list[Judged]) -> None:
    if test:
        n = total.indicators if total else len(some)
        out.say(f"{test}: {n:,}", style="bold")
    out.table(
        ("hosts", "value", "type", "sources", "since", "why"),
        [
            (
                one.hosts,
                one.value,
                one.type.value,
                ", ".join(one.sources),
                day(one.since) if one.since else "-",
                one.reason or ", ".join(one.labels),
            )
            for one in some
        ],
        last_gives_way=True,
    )


def _fired(out: Output, opened: Hub, wanted: Wanted) -> None:
    found = opened.store.firing.ever(wanted)
    listed, fired = opened.store.firing.counts(wanted)
    out.say(f"{fired:,} of {listed:,} listed indicators ever fired")
    out.table(
        ("hits", "hosts", "value", "type", "first", "last", "sources"),
        [_fired_row(one) for one in found],
        last_gives_way=True,
    )
    out.result({"listed": listed, "fired": fired, "indicators": found})


def _fired_row(one: Fired) -> tuple[object, ...]:
    return (
        one.count,
        one.clients,
        one.value,
        one.type.value,
        moment(one.first_seen),
        moment(one.last_seen),
        ", ".join(one.sources),
    )


def _never_fired(out: Output, opened: Hub, wanted: Wanted) -> None:
    found = opened.store.firing.never(wanted)
    listed, fired = opened.store.firing.counts(wanted)
    out.say(f"{listed - fired:,} of {listed:,} listed indicators never fired")
    out.table(("type", "value"), [(key.type.value, key.value) for key in found])
    shown = [{"type": key.type.value, "value": key.value} for key in found]
    out.result({"listed": listed, "never_fired": listed - fired, "indicators": shown})


def _summary(out: Output, opened: Hub, wanted: Wanted) -> None:
    if wanted.type:
        raise UsageError("--summary counts all types", hint="Leave out --type.")
    store = opened.store
    counts = (
        store.inbox.by_source(wanted.source)[wanted.source]
        if wanted.source
        else store.inbox.counts(sum(store.entries.counts().values()))
    )
    tests = store.inbox.tests(wanted)
    labelled = store.inbox.labelled(wanted)
    show_counts(out, counts)
    out.say(f"{labelled:,} of the published are on some warning list")
    if tests:
        out.table(
            ("verdict", "test", "indicators", "most hosts"),
            [(one.outcome.value, one.test, one.indicators, one.hosts) for one in tests],
        )
    out.result({"counts": counts, "labelled": labelled, "tests": tests})


def show_counts(out: Output, counts: Counts) -> None:
    """Print what became of what is listed; the parts are the whole."""
    out.table(
        ("listed", "published", "exact", "held", "dropped", "not judged yet"),
        [
            (
                counts.listed,
                counts.published,
                counts.exact,
                counts.held,
                counts.dropped,
                counts.waiting,
            )
        ],
    )
