from __future__ import annotations

import base64
from typing import Any

import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.install import RulesDirectory
from vedette.sensor.protocol import Outcome
from vedette.sensor.sweep import Sweep, Swept

NAMES = [f"host{n}.example" for n in range(30)]
SETS = {"names": NAMES, "ips": ["192.0.2.1", "2001:db8::1"], "file-md5": ["0" * 32]}
ENTRIES = 30 + 1 + 2 + 1  # with the canaries; nobody can look into a hash list


def begin(desk: Any, sets: dict[str, list[str]]) -> Sweep:
    desk.push(sets)
    installed = RulesDirectory(desk.sensor.rules_path).current()
    assert installed is not None
    desk.engine.commands.clear()
    return Sweep(installed)


def asked(desk: Any) -> list[str]:
    return [request["arguments"]["datavalue"] for request in desk.engine.commands]


def test_each_entry_is_asked_for_before_any_is_asked_for_again(desk: Any) -> None:
    sweep = begin(desk, SETS)
    with SuricataSocket(desk.engine.path) as engine:
        while sweep.rounds == 0:
            assert sweep.ask(engine, 0.0) == Swept(1, {})
    assert len(asked(desk)) == ENTRIES + 1
    assert len(set(asked(desk)[:ENTRIES])) == ENTRIES
    assert asked(desk)[ENTRIES] == asked(desk)[0]


def test_time_without_end_is_one_round(desk: Any) -> None:
    sweep = begin(desk, SETS)
    with SuricataSocket(desk.engine.path) as engine:
        assert sweep.ask(engine, 60.0).asked == ENTRIES + 1


def test_what_is_missing_is_named_by_set(desk: Any) -> None:
    sweep = begin(desk, SETS)
    gone = base64.b64encode(b"host7.example").decode()
    with SuricataSocket(desk.engine.path) as engine:
        assert engine.remove("names", "string", gone) is Outcome.REMOVED
        assert engine.remove("ips", "ip", "2001:db8::1") is Outcome.REMOVED
        swept = sweep.ask(engine, 60.0)
    assert swept.missing == {"names": [gone], "ips": ["2001:db8::1"]}


def test_what_is_too_long_for_a_command_is_not_asked_for(desk: Any) -> None:
    sweep = begin(desk, {"names": ["x" * 4000 + str(n) for n in range(5)], "more": ["a.example"]})
    with SuricataSocket(desk.engine.path) as engine:
        assert sweep.ask(engine, 60.0).asked == 3 + 1  # two canaries, a.example


def test_where_nothing_can_be_asked_it_ends(desk: Any) -> None:
    release, sources = desk.release({"file-md5": ["0" * 32]})
    desk.sensor.rules_path.mkdir()
    installed = RulesDirectory(desk.sensor.rules_path).install(release, sources)
    with SuricataSocket(desk.engine.path) as engine:
        assert Sweep(installed).ask(engine, 60.0) == Swept(0, {})


def test_a_file_that_is_not_what_was_published_is_an_error(desk: Any) -> None:
    sweep = begin(desk, {"names": NAMES})
    path = sweep.installed.path / "names.lst"
    path.write_bytes(b"\xff\xfe\n" + path.read_bytes())
    with SuricataSocket(desk.engine.path) as engine, pytest.raises(SensorError, match="not an"):
        sweep.ask(engine, 60.0)
    path.unlink()
    with SuricataSocket(desk.engine.path) as engine, pytest.raises(FileNotFoundError):
        Sweep(sweep.installed).ask(engine, 60.0)
