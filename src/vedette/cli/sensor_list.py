"""``vedette sensor list``: every sensor in one line, what is wrong first."""

from __future__ import annotations

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
    out.table(_COLUMNS, [_row(one) for one in found])
    for one in found:
        if one.why and one.state not in {State.PROVED, State.NEVER}:
            out.warn(f"{one.name}: {one.why}")
    if before:
        out.warn(
            f"{', '.join(before[:5])}{' and more' if before[5:] else ''} accepted a later"
            " announcement than this hub ever made: was it restored from a backup? The next build"
            " is announced, and wins."
        )
    if not found:
        out.say("No sensors yet. See: vedette sensor add --help")
    out.result(found)


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
    return held if one.wanted in {one.generation, 0} else f"{held} (told {one.wanted})"


def proved_at(one: Standing) -> datetime | None:
    """Return when the engine was asked last, whatever it answered."""
    return datetime.fromisoformat(one.proof["at"]) if one.proof else None


def since(moment: datetime | None, after: str = "") -> str:
    """Return how long ago something was."""
    return f"{ago((datetime.now(UTC) - moment).total_seconds())}{after}" if moment else "never"


def _delivery(one: Standing) -> str:
    way = f"ssh {one.settings.get('ssh', '')}" if one.delivery is Delivery.SSH else one.delivery
    return f"{way}, {one.ring}" if one.ring else str(way)
