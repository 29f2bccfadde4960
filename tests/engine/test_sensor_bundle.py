"""What the compiler makes, pushed to the real engines: every kind of set, and a delta on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from vedette.bundle.builder import Builder
from vedette.bundle.generation import open_generation
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.sensor.held import prove_held
from vedette.sensor.push import Pushed, push, target_of
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine
from vedette.testing.indicators import ListedKeys

BASE = [
    *(Key(T.DOMAIN, f"evil{n}.example") for n in range(50)),
    *(Key(T.DOMAIN, f"a.b{n}.evil.example") for n in range(50)),
    *(Key(T.HOSTNAME, f"www{n}.bad.example") for n in range(50)),
    *(Key(T.IP_DST, f"192.0.2.{n}") for n in range(50)),
    Key(T.IP_DST, "2001:db8::1"),
    Key(T.IP_DST_PORT, "192.0.2.7,4444"),
    Key(T.URL, "evil.example/gate.php?id=1"),
    Key(T.USER_AGENT, "Evil/1.0"),
    Key(T.MD5, "0" * 32),
    Key(T.SHA256, "0" * 64),
    Key(T.JA3, "a" * 32),
    Key(T.CERT_SHA1, "b" * 40),
    Key(T.CERT_SHA256, "c" * 64),
]
SMALL_CHANGE = [
    *BASE[1:],
    Key(T.DOMAIN, "new.example"),
    Key(T.DOMAIN, "a.deep.new2.example"),
    Key(T.HOSTNAME, "www.new3.example"),
    Key(T.IP_DST, "198.51.100.7"),
    Key(T.USER_AGENT, "Evil/2.0"),
    Key(T.CERT_SHA256, "d" * 64),
]
NEXT = {0: 1, 1: 2, 2: 3, 3: 1}
"""Of each threat level another one that has other sets."""


class Chain:
    """From keys to a proof, for one engine that runs."""

    def __init__(self, sensor: Sensor, path: Path) -> None:
        self.sensor, self.root = sensor, path / "bundles"
        self.target: Target = target_of(sensor)

    def push(self, keys: list[Key], levels: Mapping[Key, int] | None = None) -> Pushed:
        listed = ListedKeys(keys, levels=levels)
        told = by_level(listed) if levels else None
        Builder(root=self.root, targets=[self.target]).build(listed, levels=told)
        generation = open_generation(self.root)
        assert generation is not None
        release = Release.from_manifest(generation.manifest, str(self.target))
        return push(self.sensor, release, generation.sources(str(self.target)))


@pytest.fixture(params=[False, True], ids=["plain", "context"])
def chain(engine: Engine, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chain]:
    rules = tmp_path / "rules"
    with engine.live(tmp_path, str(rules / "current/vedette.rules")) as live:
        sensor = Sensor(
            name="probe",
            socket=str(live.socket),
            rules=str(rules),
            context=request.param,
            test_command=(
                *(str(engine.binary), "-T", "-c", str(live.path / "suricata.yaml")),
                *("-S", "{rules}", "-l", "{tmp}"),
            ),
        )
        yield Chain(sensor, tmp_path)


def test_all_kinds_of_sets_are_pushed_and_changed_over_the_socket(chain: Chain) -> None:
    first = chain.push(BASE)
    assert (first.how, first.proof.failed) == ("reload", ())
    second = chain.push(SMALL_CHANGE)
    assert (second.how, second.reason, second.proof.failed) == ("delta", "", ())
    assert (second.added >= 6, second.removed >= 1) == (True, True)
    assert prove_held(chain.sensor).failed == ()
    back = chain.push(BASE)
    assert (back.how, back.proof.failed) == ("delta", ())
    hashes = chain.push([*BASE, Key(T.MD5, "1" * 32)])
    assert (hashes.how, hashes.proof.failed) == ("reload", ())


def test_indicators_go_from_one_level_to_another_over_the_socket(chain: Chain) -> None:
    levels = {key: number % 4 for number, key in enumerate(BASE)}
    assert chain.push(BASE).how == "reload"
    on = chain.push(BASE, levels)
    assert (on.how, on.proof.failed) == ("reload", ())
    names = {check.name for check in on.proof.checks}
    assert any(name.endswith("-high.canary") for name in names)
    moving = [key for key in BASE[1:] if key.type in {T.DOMAIN, T.HOSTNAME, T.IP_DST}][:90]
    moved = chain.push(BASE, levels | {key: NEXT[levels[key]] for key in moving})
    assert (moved.how, moved.reason, moved.proof.failed) == ("delta", "", ())
    assert (moved.added, moved.removed) == (len(moving), len(moving))
    assert prove_held(chain.sensor).failed == ()
    off = chain.push(BASE)
    assert (off.how, off.proof.failed) == ("reload", ())


def test_the_generation_itself_is_a_member(chain: Chain) -> None:
    pushed = chain.push(BASE)
    names = {check.name for check in pushed.proof.checks}
    assert "vedette-generation.canary" in names
