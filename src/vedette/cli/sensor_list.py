"""``vedette sensor list``: every sensor in one line, what is wrong first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.rollout_lines import show_news
from vedette.pipeline.rolling import overview
from vedette.pipeline.standing import Standing, ago, ahead, standings
from vedette.sensor.settings import Delivery
from vedette.sensor.wire import State

_RED = {State.DRIFTED, State.REFUSED}
_ORDER = (
    State.DRIFTED,
    State.REFUSED,
    State.SILENT,
    State.BEHIND,
    State.NEVER,
    State.FETCHED,
    State.PROVED,
)
_WHY_SHOWN = 120
_NAMES_SHOWN = 3
_COLUMNS = (
    "name",
    "state",
    "since",
    "generation",
    "engine",
    "proved",
    "drifts",
    "last reload",
    "alerts lost",
    "EVE lag",
    "delivery",
)


@click.command("list")
@with_output
def list_command(out: Output) -> None:
    """List sensors: what each holds, since when that is proved, and what it loses."""
    with hub() as opened:
        found = standings(opened)
        news = overview(opened) if found else None
        before = ahead(opened)
    if news:
        show_news(out, news)
    found.sort(key=lambda one: (_ORDER.index(one.state), one.name))
    if found:
        out.table(_COLUMNS, [_row(one) for one in found])
        _summarise(out, found)
    if before:
        out.warn(
            f"{', '.join(before[:5])}{' and more' if before[5:] else ''} accepted a later"
            " announcement than this hub ever made: was it restored from a backup? The next build"
            " is announced, and wins."
        )
    if not found:
        out.say("No sensors yet. See: vedette sensor add --help")
    out.result(found)


def _summarise(out: Output, found: Sequence[Standing]) -> None:
    """Say how many are in which state, and why; what is the same of several, once."""
    counts = Counter(one.state for one in found)
    parts = [f"{counts[state]:,} {state_text(state)}" for state in _ORDER if counts[state]]
    (out.good if counts[State.PROVED] == len(found) else out.warn)(
        f"{len(found):,} sensor{'s' if len(found) > 1 else ''}: {', '.join(parts)}"
    )
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.state is not State.PROVED and one.why:
            reasons.setdefault(one.why, []).append(one.name)
    for text, names in reasons.items():
        whole = "" if len(text) <= _WHY_SHOWN else f" (all of it: vedette sensor show {names[0]})"
        out.warn(f"{_some(names)}: {shortened(text)}{whole}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if names[_NAMES_SHOWN:] else ""
    return f"{', '.join(names[:_NAMES_SHOWN])}{more}"


def shortened(text: str) -> str:
    """Return the first words of a text, as many as have room in a line."""
    return text if len(text) <= _WHY_SHOWN else f"{text[:_WHY_SHOWN].rsplit(' ', 1)[0]} ..."


def _row(one: Standing) -> tuple[object, ...]:
    engine = one.report.engine if one.report else None
    eve = one.report.eve if one.report else None
    return (
        one.name,
        state_text(one.state),
        since(one.since),
        generation_text(one),
        (engine.version if engine else "") or "-",
        since(proved_at(one), " ago"),
        one.report.drifts if one.report else 0,
        f"{engine.reload_s:.1f} s" if engine and engine.reload_s >= 0 else "-",
        engine.alerts_lost if engine else 0,
        f"{eve.lag_s:.1f} s" if eve and eve.lag_s >= 0 else "-",
        _delivery(one),
    )


def state_text(state: State) -> str:
    """Return a state for people; what needs one is loud."""
    return f"RED: {state}" if state in _RED else "never heard" if state is State.NEVER else state


def generation_text(one: Standing) -> str:
    """Return which generation is held, and which one is told if that is another."""
    held = str(one.generation or "-")
    if one.wanted in {one.generation, 0}:
        return held
    same = ", the same" if one.state is State.PROVED else ""  # of two numbers, one content
    return f"{held} (told {one.wanted}{same})"


def proved_at(one: Standing) -> datetime | None:
    """Return when the engine was asked last, whatever it answered."""
    return datetime.fromisoformat(one.proof["at"]) if one.proof else None


def since(moment: datetime | None, after: str = "") -> str:
    """Return how long ago something was."""
    return f"{ago((datetime.now(UTC) - moment).total_seconds())}{after}" if moment else "never"


def _delivery(one: Standing) -> str:
    way = f"ssh {one.settings.get('ssh', '')}" if one.delivery is Delivery.SSH else one.delivery
    return f"{way}, {one.ring}" if one.ring else str(way)
