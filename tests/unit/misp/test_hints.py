"""A real ZeroMQ publisher, as MISP's: topic, space, JSON."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import zmq

from vedette.errors import SourceError
from vedette.misp.hints import listen


class Publisher:
    """MISP's side."""

    def __init__(self, address: str = "tcp://127.0.0.1:*") -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(address)
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def send(self, topic: str, body: str = "{}") -> None:
        self._socket.send_string(f"{topic} {body}")

    def close(self) -> None:
        self._socket.close()
        self._context.term()


class Ear:
    """What the listener yields."""

    def __init__(self, address: str, **times: float) -> None:
        self.stop = threading.Event()
        self.hints: queue.Queue[float] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, args=(address, times))
        self._thread.start()

    def _listen(self, address: str, times: Any) -> None:
        for _ in listen(address, self.stop, **times):
            self.hints.put(time.monotonic())

    def close(self) -> None:
        self.stop.set()
        self._thread.join()

    def is_quiet_for(self, seconds: float) -> bool:
        try:
            self.hints.get(timeout=seconds)
        except queue.Empty:
            return True
        return False


@contextmanager
def ears(address: str, **times: float) -> Iterator[Ear]:
    ear = Ear(address, **({"quiet_s": 0.3, "longest_s": 5.0, "again_s": 60.0} | times))
    try:
        yield ear
    finally:
        ear.close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    yield made
    made.close()


def until_heard(publisher: Publisher, ear: Ear) -> None:
    """Send until the first one arrives: PUB forgets what is sent before SUB is there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        publisher.send("misp_json_event")
        try:
            ear.hints.get(timeout=0.6)
        except queue.Empty:
            continue
        return
    pytest.fail("nothing was heard")


def test_what_may_change_an_indicator_is_a_hint(publisher: Publisher) -> None:
    with ears(publisher.address) as ear:
        until_heard(publisher, ear)
        for topic in (
            "misp_json",
            "misp_json_event",
            "misp_json_attribute",
            "misp_json_object",
            "misp_json_tag",
        ):
            publisher.send(topic)
            ear.hints.get(timeout=5)


def test_heartbeats_and_sightings_are_none(publisher: Publisher) -> None:
    with ears(publisher.address) as ear:
        until_heard(publisher, ear)
        for topic in ("misp_json_self", "misp_json_sighting", "misp_json_audit", "other"):
            publisher.send(topic)
        assert ear.is_quiet_for(1.0)


def test_many_messages_are_one_hint_and_it_does_not_wait_for_ever(publisher: Publisher) -> None:
    with ears(publisher.address, longest_s=1.0) as ear:
        until_heard(publisher, ear)
        for _ in range(60):
            publisher.send("misp_json_attribute", "x" * 1000)
        ear.hints.get(timeout=5)
        assert ear.is_quiet_for(0.8)
        ended = time.monotonic() + 2.5
        while time.monotonic() < ended:  # never quiet
            publisher.send("misp_json_attribute")
            time.sleep(0.05)
        assert ear.hints.qsize() >= 2


def test_a_second_look_follows_the_first(publisher: Publisher) -> None:
    with ears(publisher.address, again_s=1.0) as ear:
        until_heard(publisher, ear)
        assert not ear.is_quiet_for(3.0)
        assert ear.is_quiet_for(1.5)


def test_a_publisher_that_goes_and_comes_back_is_heard_again() -> None:
    first = Publisher()
    with ears(first.address) as ear:
        until_heard(first, ear)
        first.close()
        assert ear.is_quiet_for(0.5)
        second = Publisher(first.address)
        until_heard(second, ear)
        second.close()


def test_a_publisher_that_is_not_there_is_only_silent() -> None:
    with ears("tcp://127.0.0.1:1") as ear:
        assert ear.is_quiet_for(0.5)


@pytest.mark.parametrize("address", ["tcp://", "tcp://127.0.0.1", "nothing://x:1"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(SourceError, match="cannot listen to") as caught:
        next(listen(address, threading.Event()))
    assert "tcp://misp" in caught.value.hint


def test_without_pyzmq_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(SourceError, match="need pyzmq") as caught:
        next(listen("tcp://127.0.0.1:1", threading.Event()))
    assert "vedette[hub]" in caught.value.hint
