from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SensorError
from vedette.sensor.client import FailedRule, RulesetStats, SuricataSocket
from vedette.sensor.protocol import EngineGoneError, Outcome
from vedette.testing.fake_suricata import CrashError

EVIL = "ZXZpbC5leGFtcGxl"


@contextmanager
def answering(path: Path, *answers: bytes) -> Iterator[None]:
    """Listen, and answer each message with the next of these bytes; then hang up."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        client = listener.accept()[0]
        with client:
            for answer in answers:
                client.recv(9999)
                client.sendall(answer)
            client.recv(9999)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()
    listener.close()


def test_the_engine_tells_about_itself(desk: Any) -> None:
    desk.push({"names": ["evil.example"]})
    with SuricataSocket(desk.engine.path) as engine:
        assert engine.version() == (8, 0, 7)
        assert engine.pid == os.getpid()
        assert engine.config("rule-files.0") == desk.sensor.rules_entry
        assert engine.config("nothing.like.this") is None
        assert engine.ruleset_stats() == RulesetStats(1, 0, 0)
        assert engine.failed_rules() == []
        assert engine.lookup("names", "string", EVIL) is Outcome.FOUND


def test_reloads_are_counted_from_any_count_seen_before(desk: Any) -> None:
    with SuricataSocket(desk.engine.path) as engine:
        assert engine.reloads() == 0
        desk.engine._reloads = 40
        assert [engine.reloads(n) for n in (0, 1, 39, 40)] == [40, 40, 40, 40]
        assert engine.reloads(300) == 40  # the engine was started again since
        desk.engine._reloads = 9000
        assert engine.reloads(8990) == 9000
        assert engine.reloads() == 0


def test_a_failed_rule_tells_its_sid() -> None:
    assert FailedRule('alert dns any any -> any any (msg:"a"; sid: 42; rev:1;)').sid == 42
    assert FailedRule("alert nonsense").sid == 0


def test_no_socket_says_what_to_switch_on(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineGoneError, match="no socket") as caught,
        SuricataSocket(tmp_path / "s"),
    ):
        pass
    assert "unix-command" in caught.value.hint


def test_a_socket_left_behind_says_start_it(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.close()
    with pytest.raises(EngineGoneError, match="nobody listens") as caught:
        SuricataSocket(tmp_path / "s").connect()
    assert "left its socket behind" in caught.value.hint


def test_no_permission_says_who_may(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with answering(place, b'{"return":"OK"}\n'):
        if os.geteuid() == 0:
            place.chmod(0)
            tmp_path.chmod(0o700)
            os.seteuid(65534)
        else:
            place.chmod(0)
        try:
            with pytest.raises(SensorError, match="no permission") as caught:
                SuricataSocket(place).connect()
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            place.chmod(0o700)
        assert "root" in caught.value.hint
        SuricataSocket(place).connect().__exit__(None, None, None)


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="longer than 107 bytes"):
        SuricataSocket(tmp_path / ("x" * 120)).connect()


def test_what_is_no_socket_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(SensorError, match="nobody listens"):
        SuricataSocket(tmp_path / "s").connect()
    with pytest.raises(SensorError, match="cannot connect"):
        SuricataSocket(tmp_path / "s/below").connect()


def test_an_engine_that_does_not_answer_is_not_waited_for_forever(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b'{"return":"OK"}\n', b""):
        engine = SuricataSocket(tmp_path / "s", timeout_s=0.1)
        with engine, pytest.raises(SensorError, match=r"not answer within 0\.1 s"):
            engine.version()


def test_an_engine_that_ends_in_the_middle_is_gone(desk: Any) -> None:
    def crash(_: object) -> None:
        raise CrashError

    with SuricataSocket(desk.engine.path) as engine:
        desk.engine.before = crash
        with pytest.raises(EngineGoneError, match=r"hung up in the middle of version|gone"):
            engine.version()


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    with (
        answering(tmp_path / "s", b'{"return":"NOK"}\n'),
        pytest.raises(SensorError, match=r"protocol 0\.2"),
    ):
        SuricataSocket(tmp_path / "s").connect()


def test_a_version_that_is_none_is_an_error(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b'{"return":"OK"}\n', b'{"message":"soon","return":"OK"}\n'):
        engine = SuricataSocket(tmp_path / "s")
        with engine, pytest.raises(SensorError, match="'soon'"):
            engine.version()


def test_an_entry_that_stays_busy_is_given_up(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.sensor.client._BUSY_S", 0.05)
    desk.push({"names": ["evil.example"]})
    desk.engine.before = lambda _: desk.engine.busy.add(b"evil.example")
    with SuricataSocket(desk.engine.path) as engine:
        with pytest.raises(SensorError, match="stayed busy"):
            engine.remove("names", "string", EVIL)
        desk.engine.before = None
        desk.engine.busy.clear()
        assert engine.remove("names", "string", EVIL) is Outcome.REMOVED


def test_nothing_is_asked_without_a_connection(tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="not connected"):
        SuricataSocket(tmp_path / "s").version()
