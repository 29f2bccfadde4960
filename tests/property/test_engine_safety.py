"""No value of any indicator ends an engine.

7.0.10 dies of a command of 4,095 bytes, 8.0.7 of a plain add to a set with JSON. Everything goes to
the real engines, the way that real values go. That the dangers are real is shown in
``tests/engine/test_sensor_scripts.py``.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.drift import Watch
from vedette.sensor.elsewhere import prove_elsewhere
from vedette.sensor.held import prove_held
from vedette.sensor.install import RulesDirectory
from vedette.sensor.protocol import LINE_MAX, Outcome, encode, fits
from vedette.sensor.push import Pushed, push
from vedette.sensor.release import Release
from vedette.sensor.settings import Sensor
from vedette.testing.engine import Engine, Live, engines_home, find_engine
from vedette.testing.handmade import hand_made

pytestmark = pytest.mark.engine

BASE = ["evil.example", "bad.example"]

characters = st.characters(exclude_categories=["Cs"])
short = st.text(characters, max_size=40)
# Around what fits a command: as base64 (3,000 bytes: 4,091), and in JSON besides.
near = st.builds(
    lambda size, tail: "x" * (size - len(tail)) + tail,
    st.integers(740, 790)
    | st.integers(950, 1_050)
    | st.integers(1_600, 1_800)
    | st.integers(2_950, 3_100),
    st.text(characters, max_size=20),
)
huge = st.integers(4_000, 70_000).map(lambda size: "y" * size)
controls = st.sampled_from(
    ["\0", "\n", "\r\n", "\x1b[2J", '"', "\\", "{}", "\u2028", "\ufeff", "é", "\U0001f480"]
)
values = st.lists(short | near | huge | controls, min_size=1, max_size=6, unique=True)


def one_line(value: str) -> str:
    return "".join(value.splitlines()) or "0"


class Desk:
    """A live engine to which anything is pushed, and which must not end."""

    def __init__(self, engine: Engine, live: Live, path: Path) -> None:
        self.engine, self.live, self.path = engine, live, path
        self.numbers = itertools.count(1)
        self.sensor = Sensor(
            name="probe",
            socket=str(live.socket),
            rules=str(path / "rules"),
            restart_timeout_s=1,
            timeout_s=10,
        )
        self.pid = live.pid

    @property
    def names(self) -> list[str]:
        """Of the sets that this engine knows: plain, and with JSON."""
        return ["names", "names-ctx"] if self.engine.version >= (8, 0, 0) else ["names"]

    def push(self, *more: str, addresses: Sequence[str] = ()) -> Pushed | None:
        number = next(self.numbers)
        made = hand_made(
            self.path / f"bundle-{number}",
            number,
            {name: [*BASE, *more] for name in self.names} | {"ips": ["192.0.2.1", *addresses]},
            target=str(self.engine.profile),
            memcap_mb=40,
        )
        release = Release.from_manifest(made.manifest, str(self.engine.profile))
        with suppress(SensorError):  # it may well be refused
            return push(self.sensor, release, made.sources)
        return None

    def assert_alive(self) -> None:
        assert self.live.exit_code() is None, "the engine has ended"
        assert self.live.pid == self.pid
        with SuricataSocket(self.live.socket) as engine:
            assert engine.version() == self.engine.version
            assert engine.uptime_s() >= 0


@pytest.fixture(scope="module", params=["7", "8"], ids=["suricata7", "suricata8"])
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    engine = find_engine(request.param)
    if engine is None:
        reason = f"no Suricata {request.param} in {engines_home()}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    path = tmp_path_factory.mktemp("safety")
    with engine.live(path, str(path / "rules/current/vedette.rules")) as live:
        yield Desk(engine, live, path)


few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(
    st.lists(short | huge | near, min_size=1, max_size=4).map(lambda some: [*map(one_line, some)])
)
def test_no_value_in_a_set_of_addresses_ends_the_engine(
    desk: Desk, addresses: Sequence[str]
) -> None:
    desk.push()
    desk.push(addresses=addresses)
    desk.assert_alive()
    with suppress(SensorError):
        prove_held(desk.sensor)
    desk.assert_alive()


@few
@given(values)
@example(["x" * 3_000, "x" * 3_001, "x" * 3_002, "x" * 3_003, "x" * 3_004])
@example(["\0", "a\0b", "\n", '"', "\\u0000"])
def test_no_value_that_is_pushed_and_proved_ends_the_engine(
    desk: Desk, more: Sequence[str]
) -> None:
    desk.push()
    pushed = desk.push(*more)
    desk.assert_alive()
    with suppress(SensorError):
        prove_held(desk.sensor)
    watch = Watch(desk.sensor, sweep_s=5)
    with suppress(SensorError):
        watch.full()
        watch.look()
    desk.assert_alive()
    if pushed and pushed.proof.ok:
        assert _has_all(desk, more)
    desk.push()
    desk.assert_alive()


def _has_all(desk: Desk, more: Sequence[str]) -> bool:
    """Whether a proof that is green was right, as far as a command can ask."""
    installed = RulesDirectory(desk.sensor.rules_path).current()
    assert installed is not None
    proof = prove_elsewhere(desk.sensor, [installed], members=1_000)
    desk.assert_alive()
    members = [check for check in proof.checks if check.name.endswith(".members")]
    return all(check.ok for check in members)


anything = (
    st.text(st.characters(), max_size=40)
    | near
    | huge
    | st.integers(3_900, 4_200).map(lambda n: "z" * n)
)


@few
@given(
    st.sampled_from(["dataset-lookup", "dataset-remove", "dataset-add", "conf-get", "iface-stat"]),
    anything,
    anything,
)
def test_no_command_that_the_client_sends_ends_the_engine(
    desk: Desk, command: str, one: str, other: str
) -> None:
    if command.startswith("dataset"):
        # A plain set of this name is not there: only the client's own methods choose the command.
        arguments = {"setname": one, "settype": "string", "datavalue": other}
    else:
        arguments = {"variable": one, "iface": other}
    with SuricataSocket(desk.live.socket) as engine, suppress(SensorError):
        engine.ask(command, arguments)
    desk.assert_alive()


@given(anything | st.just("\ud800"), st.integers(0, 200))
def test_no_line_is_ever_longer_than_what_both_engines_survive(value: str, size: int) -> None:
    try:
        line = encode("dataset-add", {"setname": "s" * size, "datavalue": value})
    except SensorError:
        assert not fits("dataset-add", {"setname": "s" * size, "datavalue": value})
        return
    assert fits("dataset-add", {"setname": "s" * size, "datavalue": value})
    assert len(line) <= LINE_MAX
    assert line.count(b"\n") == 1


def test_each_length_around_the_limit_is_sent_or_refused(desk: Desk) -> None:
    """Every line from 4,080 to 4,094 bytes is answered; no longer one is ever sent."""
    desk.push()
    fixed = len(
        encode("dataset-lookup", {"setname": "names", "settype": "string", "datavalue": ""})
    )
    answered = refused = 0
    with SuricataSocket(desk.live.socket) as engine:
        for length in range(4_080, 4_110):
            try:
                outcome = engine.lookup("names", "string", "A" * (length - fixed))
            except SensorError:
                refused += 1
            else:
                assert outcome in {Outcome.NOT_FOUND, Outcome.NOT_ADDED}
                answered += 1
    assert (answered, refused) == (15, 15)
    desk.assert_alive()
