"""The shell lines, run on this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SensorError
from vedette.sensor import canary_there
from vedette.sensor.canary_query import Way
from vedette.sensor.canary_there import ask_there
from vedette.sensor.install import Installed

NAME = "vedette-canary-0123456789ab.invalid"


class Far:
    """Another machine: this one, with a port of its own for the DNS."""

    path = Path("/nowhere")

    def __init__(self, port: int) -> None:
        self.port = port

    def damaged(self, installed: Installed) -> list[str]:
        raise NotImplementedError

    def run(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        words = [word.replace("/53", f"/{self.port}") for word in command]
        done = subprocess.run(words, capture_output=True, timeout=timeout_s, check=False, text=True)
        return done.returncode, done.stdout + done.stderr


class Resolver:
    """Takes queries, and lets an engine act on each."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10)
        self.queries: list[bytes] = []
        self.act: Callable[[bytes], None] = lambda _query: None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self.socket.close()

    def _serve(self) -> None:
        while query := self.socket.recv(4096):
            self.queries.append(query)
            self.act(query)


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.stop()


@pytest.fixture
def eve(tmp_path: Path) -> Path:
    path = tmp_path / "eve.json"
    path.write_text(line("alert", 1))  # of before
    return path


def line(kind: str, sid: int, name: str = NAME) -> str:
    event: dict[str, Any] = {"event_type": kind, "dns": {"rrname": name}}
    if kind == "alert":
        event["alert"] = {"action": "allowed", "signature_id": sid, "rev": 1}
    return json.dumps(event, separators=(",", ":")) + "\n"


def ask(resolver: Resolver, eve: Path, timeout_s: float = 0.3) -> tuple[float, bool, str]:
    way = Way(resolver="127.0.0.1")
    heard, where = ask_there(Far(resolver.port), eve, NAME, {1, 7}, way, timeout_s=timeout_s)
    return heard.alert_s, heard.was_logged, where


def append(eve: Path, *lines: str) -> Callable[[bytes], None]:
    def act(_query: bytes) -> None:
        with eve.open("a") as file:
            file.writelines(lines)

    return act


def test_one_whole_query_is_sent_and_its_alert_found(resolver: Resolver, eve: Path) -> None:
    resolver.act = append(eve, line("dns", 0), line("alert", 7, NAME.upper()))
    alert_s, _, where = ask(resolver, eve, timeout_s=10)
    assert 0 <= alert_s < 10
    assert where == "to 127.0.0.1"
    (query,) = resolver.queries
    assert query[2:4] == b"\x01\0"
    assert query[12:].startswith(b"\x1bvedette-canary-0123456789ab\x07invalid\0\0\x01\0\x01")
    assert len(query) == 12 + len(NAME) + 2 + 4


@pytest.mark.parametrize(
    ("lines", "was_logged"),
    [
        ([], False),
        ([line("alert", 71), line("alert", 17)], False),
        ([line("alert", 7, "other.invalid")], False),
        ([line("dns", 0)], True),
    ],
    ids=["nothing", "other rules", "another name", "the query only"],
)
def test_nothing_else_counts(
    resolver: Resolver, eve: Path, lines: list[str], *, was_logged: bool
) -> None:
    resolver.act = append(eve, *lines)
    assert ask(resolver, eve) == (-1.0, was_logged, "to 127.0.0.1")


def test_what_cannot_be_done_is_said(resolver: Resolver, eve: Path, tmp_path: Path) -> None:
    with pytest.raises(SensorError, match="cannot be read there"):
        ask(resolver, tmp_path / "missing.json")
    with pytest.raises(SensorError, match="cannot send to that resolver"):
        ask_there(Far(53), eve, NAME, {7}, Way(resolver="no address"), timeout_s=0.1)
    with pytest.raises(SensorError, match="cannot be chosen"):
        ask_there(Far(53), eve, NAME, {7}, Way(interface="eth1"), timeout_s=0.1)


def test_a_newline_in_a_query_would_be_two_datagrams(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([b"\n1", b"1\n", b"12"])
    monkeypatch.setattr(canary_there, "dns_query", lambda _name: next(numbers))
    assert canary_there._escaped(NAME) == "\\x31\\x32"
