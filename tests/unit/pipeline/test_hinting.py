"""A publisher makes ``vedette run`` pull at once; the interval stays for everything else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq
from structlog.testing import capture_logs

from vedette.config import PoolSettings, load
from vedette.pipeline.hinting import Hints
from vedette.pipeline.hub import Hub
from vedette.pipeline.running import Runner
from vedette.testing.command import Cli
from vedette.testing.fake_misp import FakeMisp


class Publisher:
    def __init__(self) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind("tcp://127.0.0.1:*")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def send(self) -> None:
        self._socket.send_string("misp_json_event {}")

    def close(self) -> None:
        self._socket.close()
        self._context.term()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.close()


@contextmanager
def running(home: Path) -> Iterator[None]:
    stop = threading.Event()
    settings = msgspec.structs.replace(
        load(home / "vedette.toml"), pool=PoolSettings(enabled=False)
    )
    runner = threading.Thread(target=Runner(settings, stop).run)
    runner.start()
    try:
        yield
    finally:
        stop.set()
        runner.join()


def wait_until(state: Callable[[], bool], meanwhile: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + 20
    while not state():
        assert time.monotonic() < deadline
        meanwhile()
        time.sleep(0.3)


def test_a_hint_pulls_at_once_whatever_the_interval(
    cli: Cli, short_path: Path, publisher: Publisher
) -> None:
    cli("init")
    key_file = short_path / "misp.key"
    key_file.write_text(FakeMisp.read_only_key)
    key_file.chmod(0o600)
    with FakeMisp() as misp:
        where = ("--key-file", key_file, "--interval", "1h", "--zmq", publisher.address)
        assert cli("source", "add", "misp", misp.url, "--name", "misp", *where).code == 0

        def add(value: str) -> None:
            attributes = [{"type": "domain", "value": value}]
            data = {"info": "x", "published": True, "Attribute": attributes}
            misp.state.add_event(data)

        with running(short_path), Hub(load(short_path / "vedette.toml")) as hub:

            def entries() -> int:
                return hub.store.source("misp").entries

            add("a.example")
            wait_until(lambda: entries() == 1)
            add("b.example")
            time.sleep(1.5)
            assert entries() == 1, "the interval is an hour"
            wait_until(lambda: entries() == 2, publisher.send)

    assert not [t for t in threading.enumerate() if t.name.startswith("zmq-")]


def test_a_source_that_is_removed_or_changed_is_no_longer_listened_to(
    cli: Cli, short_path: Path, publisher: Publisher
) -> None:
    cli("init")
    hints = Hints()

    def names() -> list[str]:
        return sorted(t.name for t in threading.enumerate() if t.name.startswith("zmq-"))

    with Hub(load(short_path / "vedette.toml")) as hub:
        settings: dict[str, object] = {"zmq": publisher.address}
        hub.store.add_source("a", "misp", settings, 900)
        hub.store.add_source("b", "misp", {}, 900)
        try:
            hints.follow(hub.store.sources())
            assert names() == ["zmq-a"]
            heard: set[str] = set()
            wait_until(lambda: bool(heard), lambda: (publisher.send(), heard.update(hints.take())))
            assert heard == {"a"}
            hub.store.remove_source("a")
            hints.follow(hub.store.sources())
            assert names() == []
        finally:
            hints.end()


def test_a_wrong_address_costs_only_the_hints_and_is_told(cli: Cli, short_path: Path) -> None:
    cli("init")
    hints = Hints()
    with Hub(load(short_path / "vedette.toml")) as hub, capture_logs() as logs:
        hub.store.add_source("a", "misp", {"zmq": "tcp://nowhere"}, 900)
        hints.follow(hub.store.sources())
        wait_until(lambda: bool(logs))
        hints.end()
    assert hints.take() == set()
    assert [(entry["event"], entry["source"]) for entry in logs] == [("source.unhinted", "a")]
