"""What is announced when, to whom, and what stays on disk for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from vedette.bundle.generation import Generation, numbers, open_generation, rollback
from vedette.config import load
from vedette.pipeline.announcing import (
    announce,
    announce_current,
    in_force,
    needed_generations,
    wanted_all,
    wanted_for,
)
from vedette.pipeline.hub import Hub
from vedette.pipeline.rollout_steps import paused, resumed, spread, stopped
from vedette.pipeline.signing import key_changes, rotate
from vedette.store import RolloutRecord, StateRecord
from vedette.testing.command import Cli
from vedette.trust.keys import PublicKey
from vedette.trust.minisign import Purpose, verify

Build = Callable[..., int]


@pytest.fixture
def hub(cli: Cli, short_path: Path) -> Iterator[Hub]:
    cli("init")
    cli("sensor", "add", "gate", "--socket", "s", "--rules", "r")
    with Hub(load(short_path / "vedette.toml")) as opened:
        yield opened


@pytest.fixture
def build(cli: Cli, short_path: Path, hub: Hub) -> Build:
    """Publish a list of these names; returns the number of the generation."""
    path = short_path / "list.txt"
    path.write_text("one.example\n")
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")

    def build(*values: str) -> int:
        path.write_text("".join(f"{value}.example\n" for value in values))
        assert cli("source", "pull").code == 0
        assert cli("bundle", "build").code == 0
        return numbers(hub.settings.bundles)[-1]

    return build


def canary(hub: Hub, name: str = "first") -> None:
    hub.store.fleet.add_sensor(name, {"socket": "s2", "rules": "r2", "ring": "canary"})


def told(hub: Hub) -> dict[str, int]:
    return {name: signed.read().generation for name, signed in wanted_all(hub).items()}


def change(hub: Hub, to: Callable[[RolloutRecord], RolloutRecord]) -> None:
    rollout = hub.store.rollouts.last()
    assert rollout is not None
    hub.store.rollouts.change(to(rollout))


def test_before_anything_is_published_nobody_is_told_anything(hub: Hub) -> None:
    assert wanted_for(hub, "gate") is None
    assert wanted_all(hub) == {}
    assert announce_current(hub) is None


def test_a_build_is_announced_signed_and_with_the_digest_of_its_manifest(
    hub: Hub, build: Build
) -> None:
    build("one")
    signed = wanted_for(hub, "gate")
    assert signed is not None
    announcement = signed.read()
    generation = open_generation(hub.settings.bundles)
    assert generation is not None
    assert announcement.generation == 1
    assert announcement.content_id == generation.manifest.content_id
    assert announcement.hub == hub.store.outbox.instance()
    assert announcement.why == "build"
    keys = [PublicKey(one.read().add) for one in key_changes(hub)]
    verify(signed.signature, signed.document.encode(), keys, Purpose.ANNOUNCEMENT)


def test_what_did_not_change_is_not_announced_again(hub: Hub, build: Build) -> None:
    build("one")
    build("one")
    assert announce_current(hub) is None
    assert len(hub.store.announcements.history()) == 1


def test_without_canaries_everybody_is_told_at_once(hub: Hub, build: Build) -> None:
    build("one")
    hub.store.fleet.add_sensor("other", {"socket": "x", "rules": "y"})
    build("one", "two")
    assert told(hub) == {"gate": 2, "other": 2}
    now = in_force(hub)
    assert now is not None
    assert now.rollout.state == "watch"


def test_canaries_are_told_first_and_the_others_stay(hub: Hub, build: Build) -> None:
    build("one")
    canary(hub)
    build("one", "two")
    assert told(hub) == {"gate": 1, "first": 2}
    change(hub, lambda rollout: spread(rollout, 1))
    assert told(hub) == {"gate": 2, "first": 2}


def test_the_first_of_all_generations_goes_to_canaries_alone(hub: Hub, build: Build) -> None:
    canary(hub)
    build("one")
    assert told(hub) == {"first": 1}
    assert wanted_for(hub, "gate") is None


def test_what_is_built_while_canaries_prove_waits_until_they_have(hub: Hub, build: Build) -> None:
    build("one")
    canary(hub)
    build("one", "two")
    build("one", "two", "three")
    assert told(hub) == {"gate": 1, "first": 2}, "else a lively feed would never reach the others"
    change(hub, lambda rollout: spread(rollout, 1))
    assert announce_current(hub) is not None
    assert told(hub) == {"gate": 2, "first": 3}


@pytest.mark.parametrize("how", [paused, lambda rollout, why: stopped(rollout, why, 5)])
def test_what_is_built_while_the_roll_out_is_held_waits_for_a_person(
    hub: Hub, build: Build, how: Callable[[RolloutRecord, str], RolloutRecord]
) -> None:
    build("one")
    change(hub, lambda rollout: how(rollout, "wait"))
    build("one", "two")
    assert told(hub) == {"gate": 1}
    change(hub, lambda rollout: resumed(rollout, 6))
    assert announce_current(hub) is not None
    assert told(hub) == {"gate": 2}


def test_a_person_who_decides_reaches_everybody_at_once(hub: Hub, build: Build) -> None:
    build("one")
    build("two")
    canary(hub)
    build("three")
    serial = hub.store.announcements.history()[0].serial
    generation = rollback(hub.settings.bundles, 1)
    signed = announce(hub, generation, "ann", "rollback: noisy", at_once=True)
    assert told(hub) == {"gate": 1, "first": 1}
    assert signed.read().serial > serial
    assert announce_current(hub) is None, "rolled back until a build publishes new content"
    build("four")
    assert told(hub) == {"gate": 1, "first": 4}


def test_a_roll_back_does_not_end_a_pause(hub: Hub, build: Build) -> None:
    build("one")
    build("two")
    change(hub, lambda rollout: paused(rollout, "holidays"))
    announce(hub, rollback(hub.settings.bundles, 1), "ann", "rollback", at_once=True)
    rollout = hub.store.rollouts.last()
    assert rollout is not None
    assert (rollout.state, rollout.why) == ("paused", "holidays")
    build("three")
    assert told(hub) == {"gate": 1}


def test_what_an_older_vedette_published_is_announced_when_somebody_asks(
    hub: Hub, build: Build
) -> None:
    build("one")
    with hub.store._db:
        hub.store._db.execute("DELETE FROM rollout")
        hub.store._db.execute("DELETE FROM announcement")
    assert told(hub) == {"gate": 1}
    assert len(hub.store.announcements.history()) == 1


def test_after_the_key_was_replaced_the_same_announcement_is_told_under_the_new_one(
    hub: Hub, build: Build
) -> None:
    build("one")
    before = wanted_for(hub, "gate")
    key = rotate(hub)
    after = wanted_for(hub, "gate")
    assert before is not None
    assert after is not None
    assert after.document == before.document
    verify(after.signature, after.document.encode(), [key.public], Purpose.ANNOUNCEMENT)


def test_generations_that_are_told_or_held_stay_on_disk(hub: Hub, build: Build) -> None:
    build("0")
    for number in range(1, 4):
        build(str(number))
    canary(hub)
    hub.store.reports.save(
        StateRecord(sensor="gate", at=1, state="silent", generation=2, content_id="c", report=b"")
    )
    settings = hub.settings
    small = msgspec.structs.replace(settings.bundle, keep=2)
    hub.settings = msgspec.structs.replace(settings, bundle=small)
    toml = Path(settings.home) / "vedette.toml"
    toml.write_text("[bundle]\nkeep = 2\n")
    build("held")  # 5: told to the canary; the others stay at 4
    for number in range(10, 13):
        build(str(number))
    assert needed_generations(hub) == {2, 4, 5}
    assert numbers(settings.bundles) == [2, 4, 5, 7, 8]


def test_a_generation_that_cannot_be_read_is_not_announced(hub: Hub, build: Build) -> None:
    build("one")
    generation = open_generation(hub.settings.bundles)
    assert isinstance(generation, Generation)
    (generation.path / "manifest.json").unlink()
    with pytest.raises(Exception, match=r"manifest\.json"):
        announce(hub, Generation(generation.path, 1), "ann", "again")
    assert len(hub.store.announcements.history()) == 1
