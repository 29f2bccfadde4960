"""The roll-out in force, on a real state directory: what is written when it goes on or stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from vedette.bundle.generation import numbers, open_generation
from vedette.config import load
from vedette.errors import UsageError
from vedette.model import Hit, IndicatorType, Key
from vedette.pipeline import rolling
from vedette.pipeline.announcing import announce_current, in_force, wanted_all
from vedette.pipeline.hub import Hub
from vedette.sensor.wire import Report, State
from vedette.store import RolloutRecord, StateRecord
from vedette.testing.command import Cli

Build = Callable[..., None]


@pytest.fixture
def toml() -> str:
    return ""


@pytest.fixture
def hub(cli: Cli, short_path: Path, toml: str) -> Iterator[Hub]:
    (short_path / "vedette.toml").write_text(toml)
    (short_path / "list.txt").write_text("one.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    with Hub(load(short_path / "vedette.toml")) as opened:
        opened.store.fleet.add_sensor("first", {"delivery": "agent", "ring": "canary"})
        opened.store.fleet.add_sensor("gate", {"delivery": "agent"})
        yield opened


@pytest.fixture
def build(cli: Cli, short_path: Path, hub: Hub) -> Build:
    def build(*values: str) -> None:
        (short_path / "list.txt").write_text("".join(f"{value}.example\n" for value in values))
        assert cli("source", "pull").code == 0
        assert cli("bundle", "build").code == 0
        structlog.reset_defaults()  # the command logged to its own standard error

    return build


@pytest.fixture
def spread(hub: Hub, build: Build) -> None:
    """Generation 1 is everywhere, generation 2 is with the canary."""
    build("one")
    rolling.promote(hub)
    hold(hub, "first", 1)
    hold(hub, "gate", 1)
    build("one", "two")


def hold(hub: Hub, sensor: str, generation: int, *, at: int = 0) -> None:
    """Let a sensor's agent report that it holds a generation, proved."""
    found = open_generation(hub.settings.bundles, generation)
    assert found is not None
    at = at or begun(hub)
    report = Report(
        at=datetime.fromtimestamp(at, UTC),
        by="agent",
        delivery="agent",
        state=State.PROVED,
        generation=generation,
        content_id=found.manifest.content_id,
    )
    record = StateRecord(
        sensor=sensor,
        at=at,
        state=report.state,
        generation=generation,
        content_id=report.content_id,
        report=b"{}",
    )
    hub.store.reports.save(record)


def current(hub: Hub) -> RolloutRecord:
    rollout = hub.store.rollouts.last()
    assert rollout is not None
    return rollout


def begun(hub: Hub) -> int:
    return current(hub).started_at


def heard(hub: Hub, at: int) -> None:
    """Let all agents be heard of again."""
    for record in hub.store.reports.states().values():
        hub.store.reports.save(
            StateRecord(
                sensor=record.sensor,
                at=at,
                state=record.state,
                generation=record.generation,
                content_id=record.content_id,
                report=b"{}",
            )
        )


def alert(hub: Hub, sensor: str, alerts: int, at: int) -> None:
    with hub.store._db:
        hub.store.reports.add_alerts(sensor, {at // 60: alerts}, at)


def told(hub: Hub) -> dict[str, int]:
    return {name: signed.read().generation for name, signed in wanted_all(hub).items()}


def minute_after(hub: Hub) -> int:
    return begun(hub) // 60 * 60 + 60


def test_nothing_announced_is_nothing_to_look_at(hub: Hub) -> None:
    assert rolling.roll(hub) is None
    assert rolling.overview(hub) is None
    assert rolling.waiting(hub) == 0
    with pytest.raises(UsageError, match="nothing was announced"):
        rolling.pause(hub, "")


@pytest.mark.usefixtures("spread")
def test_proved_for_the_soak_it_spreads_and_is_done_after_the_watch(hub: Hub) -> None:
    assert told(hub) == {"first": 2, "gate": 1}
    hold(hub, "first", 2)
    start = begun(hub)
    for later, state in ((1, "canary"), (150, "canary"), (299, "canary"), (300, "watch")):
        heard(hub, start + later)
        rollout = rolling.roll(hub, start + later)
        assert rollout is not None
        assert rollout.state == state, later
    assert told(hub) == {"first": 2, "gate": 2}
    heard(hub, start + 1_300)
    assert rolling.roll(hub, start + 1_300) == current(hub)
    assert current(hub).state == "done"
    assert hub.store.announcements.history()[0].generation == 2, "told once, not again"
    assert len(hub.store.announcements.history()) == 2


@pytest.mark.usefixtures("spread")
def test_a_canary_that_went_silent_is_not_waited_out(hub: Hub) -> None:
    hold(hub, "first", 2)
    rollout = rolling.roll(hub, begun(hub) + 400)
    assert rollout is not None
    assert (rollout.state, rollout.proved_at) == ("canary", 0)


@pytest.mark.usefixtures("spread")
def test_alerts_from_before_the_clock_was_put_back_stop_nothing(hub: Hub) -> None:
    hold(hub, "first", 2)
    alert(hub, "first", 12_345, minute_after(hub) + 3_600)
    rollout = rolling.roll(hub, minute_after(hub) + 30)
    assert rollout is not None
    assert rollout.state == "canary"


@pytest.mark.usefixtures("spread")
def test_a_generation_that_makes_too_many_alerts_is_stopped_and_rolled_back(hub: Hub) -> None:
    hold(hub, "first", 2)
    alert(hub, "first", 12_345, minute_after(hub))
    before = hub.store.announcements.history()[0].serial
    rolling.roll(hub, minute_after(hub) + 30)
    newest = hub.store.announcements.history()[0]
    assert told(hub) == {"first": 1, "gate": 1}
    assert newest.serial > before
    assert newest.why == "stopped: 12,345 alerts a minute on first, limit 10,000"
    assert current(hub).state == "stopped"
    found = open_generation(hub.settings.bundles)
    assert found is not None
    assert found.number == 1, "the files that others read are back, too"


@pytest.mark.usefixtures("spread")
def test_after_a_stop_newer_builds_wait_until_a_person_lets_them_go(hub: Hub, build: Build) -> None:
    rolling.stop(hub, "ann", "noisy")
    build("one", "three")
    assert rolling.waiting(hub) == 3
    assert announce_current(hub) is None
    assert told(hub) == {"first": 1, "gate": 1}
    let = rolling.resume(hub, "ann")
    assert let.announced == 3
    assert told(hub) == {"first": 3, "gate": 1}
    assert current(hub).state == "canary"


@pytest.mark.usefixtures("spread")
def test_resumed_without_anything_newer_the_fleet_stays_where_it_is(hub: Hub, build: Build) -> None:
    rolling.stop(hub, "ann", "noisy")
    assert rolling.resume(hub, "ann").announced == 0
    assert told(hub) == {"first": 1, "gate": 1}
    with pytest.raises(UsageError, match="nothing is held"):
        rolling.resume(hub, "ann")
    build("one", "four")
    assert told(hub) == {"first": 3, "gate": 1}


@pytest.mark.usefixtures("spread")
def test_what_was_stopped_can_be_rolled_out_once_more(hub: Hub) -> None:
    rolling.stop(hub, "ann", "noisy")
    assert rolling.resume(hub, "ann", again=True).announced == 2
    assert told(hub) == {"first": 2, "gate": 1}
    assert rolling.pause(hub, "").state == "paused"
    with pytest.raises(UsageError, match="nothing was stopped"):
        rolling.resume(hub, "ann", again=True)


@pytest.mark.usefixtures("spread")
def test_a_stop_everywhere_puts_everybody_back(hub: Hub) -> None:
    rolling.promote(hub)
    hold(hub, "gate", 2, at=current(hub).spread_at)
    alert(hub, "gate", 10_001, minute_after(hub) + 60)
    rolling.roll(hub, minute_after(hub) + 90)
    assert told(hub) == {"first": 1, "gate": 1}


@pytest.mark.parametrize("toml", ['[rollout]\non_stop = "pause"\n'])
@pytest.mark.usefixtures("spread")
def test_a_stop_can_mean_no_further(hub: Hub) -> None:
    hold(hub, "first", 2)
    alert(hub, "first", 12_345, minute_after(hub))
    rolling.roll(hub, minute_after(hub) + 30)
    assert told(hub) == {"first": 2, "gate": 1}
    assert (current(hub).state, current(hub).was) == ("paused", "canary")
    assert current(hub).why.startswith("stopped: 12,345 alerts")
    rolling.resume(hub, "ann")
    assert current(hub).state == "canary"
    assert rolling.roll(hub, begun(hub) + 60) == current(hub), "the old minutes do not count"


def test_with_nothing_to_go_back_to_a_stop_is_a_pause(hub: Hub, build: Build) -> None:
    build("one")
    rolling.stop(hub, "ann", "noisy")
    assert (current(hub).state, current(hub).was) == ("paused", "canary")
    assert told(hub) == {"first": 1}


@pytest.mark.usefixtures("spread")
def test_a_generation_to_go_back_to_that_is_damaged_is_not_gone_back_to(hub: Hub) -> None:
    found = open_generation(hub.settings.bundles, 1)
    assert found is not None
    next((found.path / "datasets").iterdir()).unlink()
    rolling.stop(hub, "ann", "noisy")
    assert current(hub).state == "paused"
    assert told(hub) == {"first": 2, "gate": 1}


@pytest.mark.usefixtures("spread")
def test_a_pause_freezes_and_holds_what_is_newer(hub: Hub, build: Build) -> None:
    hold(hub, "first", 2)
    rolling.pause(hub, "lunch")
    rolling.roll(hub, begun(hub) + 9_999)
    build("one", "three")
    assert told(hub) == {"first": 2, "gate": 1}
    with pytest.raises(UsageError, match="is paused already"):
        rolling.pause(hub, "again")
    rolling.resume(hub, "ann")
    assert current(hub).state == "canary"


@pytest.mark.usefixtures("spread")
def test_a_pause_when_nothing_is_under_way_holds_the_next_build(hub: Hub, build: Build) -> None:
    rolling.promote(hub)
    heard(hub, begun(hub) + 2_000)
    rolling.roll(hub, begun(hub) + 2_000)
    rolling.pause(hub, "holidays")
    build("one", "three")
    assert told(hub) == {"first": 2, "gate": 2}
    assert rolling.resume(hub, "ann").announced == 3
    assert told(hub) == {"first": 3, "gate": 2}


@pytest.mark.usefixtures("spread")
def test_what_is_over_cannot_be_stopped_or_promoted(hub: Hub) -> None:
    rolling.promote(hub)
    with pytest.raises(UsageError, match="with the canaries alone"):
        rolling.promote(hub)
    heard(hub, begun(hub) + 2_000)
    rolling.roll(hub, begun(hub) + 2_000)
    with pytest.raises(UsageError, match="is done") as refused:
        rolling.stop(hub, "ann", "")
    assert "vedette bundle rollback" in refused.value.hint


@pytest.mark.usefixtures("spread")
def test_the_indicators_that_alert_most_are_named_the_new_ones_first(hub: Hub) -> None:
    start = datetime.fromtimestamp(begun(hub), UTC)

    def met(value: str, count: int, client: str = "10.0.0.1", age_s: int = -1) -> None:
        first = datetime.fromtimestamp(begun(hub) - age_s, UTC)
        hit = Hit(
            key=Key(IndicatorType.DOMAIN, value),
            observed=f"www.{value}",
            buffer="dns.query",
            sensor="first",
            client=client,
            server="10.0.0.53",
            origin="live",
            first_seen=first,
            last_seen=max(first, start),
            count=count,
        )
        hub.store.fleet.add_hits("first", [(hit, [])], b"", {})

    met("old.example", 90_000, age_s=9_999)
    met("new.example", 500)
    met("new.example", 600, client="10.0.0.2")
    met("rare.example", 1)
    found = rolling.noisiest(hub, current(hub))
    assert [(one.value, one.alerts, one.hosts, one.is_new) for one in found] == [
        ("new.example", 1_100, 2, True),
        ("rare.example", 1, 1, True),
        ("old.example", 90_000, 1, False),
    ]


@pytest.mark.usefixtures("spread")
def test_nothing_that_is_needed_to_go_back_is_ever_forgotten(
    hub: Hub, build: Build, short_path: Path
) -> None:
    (short_path / "vedette.toml").write_text("[bundle]\nkeep = 2\n")
    for number in range(5):
        build("one", f"x{number}")
    now = in_force(hub)
    assert now is not None
    assert now.others is not None
    assert {now.newest.generation, now.others.generation} == {2, 1}
    assert set(numbers(hub.settings.bundles)) == {1, 2, 6, 7}
    rolling.stop(hub, "ann", "noisy")
    assert told(hub) == {"first": 1, "gate": 1}
