"""The socket: what goes in at one end comes out at the other, and nobody can break it."""

from __future__ import annotations

import socket
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from vedette.config import Settings
from vedette.errors import BusyError, PoolError, UsageError, VedetteError
from vedette.model import IndicatorType, Key
from vedette.pipeline.answering import Hello
from vedette.pipeline.asking import RemoteMemory
from vedette.pipeline.service import PoolService, socket_path
from vedette.pool.records import Coverage, Found, Sighting, Wanted

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)


def sighting(value: str) -> Sighting:
    return Sighting(
        field="dns.query",
        value=value,
        first_seen=NOON,
        last_seen=NOON,
        count=2**63,
        patient_zero="10.0.0.9",
        client="10.0.0.9",
        server="192.0.2.53",
        sensor="edge",
        hosts=1,
    )


class Words:
    """A memory of a few made-up words, enough to see what the socket does to them."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.keys = 0
        self.given = 0
        self.wait = threading.Event()

    def coverage(self) -> Coverage:
        return Coverage(
            at=NOON, sensors=(), observations_since=date(2026, 1, 1), learning_until=None
        )

    def sightings(self, wanted: Wanted) -> Iterator[Sighting]:
        self.asked.append(wanted)
        if wanted.contains == "refuse":
            raise PoolError("the disk is full", hint="Make room.")
        if wanted.contains == "crash":
            raise ZeroDivisionError("inside")
        if wanted.contains == "wait":
            self.wait.wait(20)
        for n in range(wanted.limit):
            self.given = n + 1
            yield sighting(f"{n}-\u2028\n\x85-{'x' * 500}")
            if wanted.contains == "break":
                raise BusyError("went away", hint="Come again.")

    def found(self, keys: Iterable[Key]) -> Iterator[Found]:
        for key in keys:
            self.keys += 1
            if key.value == "hit.example":
                yield Found(
                    type=key.type.value,
                    indicator=key.value,
                    field="tls.sni",
                    observed="www.hit.example",
                    match="subdomain",
                    first_seen=NOON,
                    last_seen=NOON,
                    count=3,
                    patient_zero="10.0.0.9",
                    client="10.0.0.9",
                    server="192.0.2.1",
                    sensor="edge",
                    hosts=2,
                )


@pytest.fixture
def settings(short_path: Path) -> Settings:
    return Settings(home=str(short_path))


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def remote(words: Words, settings: Settings) -> Iterator[RemoteMemory]:
    with PoolService(words, settings), RemoteMemory(socket_path(settings)) as asking:  # type: ignore[arg-type]
        yield asking


def test_an_answer_comes_over_as_it_was_given(remote: RemoteMemory, words: Words) -> None:
    wanted = Wanted(fields=("dns.query",), since=NOON, below="evil.example", limit=3)
    got = list(remote.sightings(wanted))
    assert got == [sighting(f"{n}-\u2028\n\x85-{'x' * 500}") for n in range(3)]
    assert words.asked == [wanted]
    assert list(remote.sightings(Wanted(limit=0))) == []
    assert remote.coverage() == words.coverage()


def test_the_daemon_says_who_it_is(remote: RemoteMemory) -> None:
    hello = remote.hello()
    assert hello is not None
    assert hello.process > 0


def test_a_hundred_thousand_indicators_stream_in(remote: RemoteMemory, words: Words) -> None:
    keys = (Key(IndicatorType.DOMAIN, f"n{n}.example") for n in range(100_000))
    hit = Key(IndicatorType.DOMAIN, "hit.example")
    found = list(remote.found([*keys, hit]))
    assert [one.indicator for one in found] == ["hit.example"]
    assert words.keys == 100_001


def test_an_error_arrives_as_the_error_that_it_was(remote: RemoteMemory) -> None:
    with pytest.raises(PoolError, match="the disk is full") as caught:
        list(remote.sightings(Wanted(contains="refuse")))
    assert (caught.value.hint, caught.value.exit_code) == ("Make room.", 10)


def test_an_error_in_the_middle_follows_what_was_there(remote: RemoteMemory) -> None:
    answer = remote.sightings(Wanted(contains="break", limit=5))
    assert next(answer).value.startswith("0-")
    with pytest.raises(BusyError, match="went away"):
        next(answer)


def test_a_crash_is_told_and_the_next_question_is_answered(remote: RemoteMemory) -> None:
    with pytest.raises(VedetteError, match="ZeroDivisionError: inside"):
        list(remote.sightings(Wanted(contains="crash")))
    assert len(list(remote.sightings(Wanted(limit=2)))) == 2


def test_a_client_that_hangs_up_stops_the_work_and_hurts_nobody(
    remote: RemoteMemory, words: Words
) -> None:
    answer = remote.sightings(Wanted(limit=1_000_000))
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    last = -1
    while words.given != last and time.monotonic() < deadline:
        last = words.given
        time.sleep(0.2)
    assert words.given < 1_000_000
    assert len(list(remote.sightings(Wanted(limit=2)))) == 2


def test_a_reader_may_take_its_time(
    words: Words, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.pipeline.service._Handler.timeout", 0.2)
    with PoolService(words, settings), RemoteMemory(socket_path(settings)) as asking:  # type: ignore[arg-type]
        answer = asking.sightings(Wanted(limit=5_000))
        first = next(answer)
        time.sleep(0.6)
        assert words.given < 5_000
        assert [first, *answer][-1].value.startswith("4999-")


def raw(settings: Settings, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(socket_path(settings)))
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@pytest.mark.parametrize(
    ("request_text", "status", "part"),
    [
        (b"GET /v1/coverage HTTP/1.1\r\n\r\n", b"200", b'{"end":null}'),
        (b"GET /v2/coverage HTTP/1.1\r\n\r\n", b"400", b"knows no question '/v2/coverage'"),
        (b"GET /etc/passwd HTTP/1.1\r\n\r\n", b"400", b"knows no question"),
        (b"PUT /v1/coverage HTTP/1.1\r\n\r\n", b"501", b"Unsupported method"),
        (b"POST /v1/sightings HTTP/1.1\r\nContent-Length: 5\r\n\r\n{nope", b"400", b"understood"),
        (
            b'POST /v1/found HTTP/1.1\r\nContent-Length: 19\r\n\r\n{}\n["nonsense","a"]',
            b"400",
            b"item 1",
        ),
    ],
)
def test_what_is_no_question_is_refused_in_words(
    remote: RemoteMemory, settings: Settings, request_text: bytes, status: bytes, part: bytes
) -> None:
    answer = raw(settings, request_text)
    assert answer.split(b" ")[1] == status
    assert part in answer


@pytest.mark.parametrize(
    "request_text",
    [
        b"",
        b"\x00\xff\r\n",
        b"POST /v1/found HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/found HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\n",
        b"POST /v1/found HTTP/1.1\r\nContent-Length: 99\r\n\r\n{}\n",
    ],
)
def test_a_question_that_breaks_off_hurts_nobody(
    remote: RemoteMemory, settings: Settings, words: Words, request_text: bytes
) -> None:
    assert b"200" not in raw(settings, request_text).split(b"\r\n")[0]
    assert remote.coverage() == words.coverage()


def test_a_line_without_end_is_refused(remote: RemoteMemory) -> None:
    with pytest.raises(UsageError, match="more than 1,048,576 bytes"):
        list(remote.found([Key(IndicatorType.DOMAIN, "x" * 2_000_000)]))


def test_only_owner_and_group_may_ask(remote: RemoteMemory, settings: Settings) -> None:
    mode = socket_path(settings).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


def answering(path: Path) -> Hello | None:
    with RemoteMemory(path) as asking:
        return asking.hello()


def test_a_socket_left_by_the_dead_is_replaced_and_ours_is_taken_away(
    words: Words, settings: Settings
) -> None:
    path = socket_path(settings)
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert answering(path) is None
    with PoolService(words, settings):  # type: ignore[arg-type]
        assert answering(path) is not None
    assert not path.exists()
    assert answering(path) is None


def test_stopping_waits_for_the_answer_that_is_being_given(
    words: Words, settings: Settings
) -> None:
    service = PoolService(words, settings)  # type: ignore[arg-type]
    got: list[Sighting] = []
    with RemoteMemory(socket_path(settings)) as asking:
        with service:
            thread = threading.Thread(
                target=lambda: got.extend(asking.sightings(Wanted(contains="wait", limit=2)))
            )
            thread.start()
            while not words.asked:
                time.sleep(0.01)
            threading.Timer(0.3, words.wait.set).start()
        thread.join(10)
    assert len(got) == 2


def test_a_listener_that_says_nothing_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.pipeline.asking._HELLO_S", 0.3)
    path = socket_path(settings)
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen()
        with pytest.raises(BusyError, match="does not answer") as caught:
            answering(path)
    assert "restart it" in caught.value.hint


def test_an_answer_that_is_cut_off_is_an_error_and_not_a_short_answer(settings: Settings) -> None:
    path = socket_path(settings)
    path.parent.mkdir(parents=True)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def die_early() -> None:
        for tail in (b"", b"0\r\n\r\n"):
            client, _ = listener.accept()
            client.recv(65_536)
            line = b'{"at":"2026-03-04T12:00:00Z","sensors":[],"observations_since":null,'
            line += b'"learning_until":null}\n'
            client.sendall(head + b"%x\r\n%b\r\n" % (len(line), line) + tail)
            client.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=die_early)
        thread.start()
        for _ in range(2):
            with RemoteMemory(path) as asking, pytest.raises(PoolError, match="broke off"):
                asking.coverage()
        thread.join()


def test_nobody_listens_at_a_path_that_no_socket_can_have(short_path: Path) -> None:
    assert answering(short_path / ("x" * 200)) is None


def test_a_path_that_no_socket_can_have_is_said(words: Words, short_path: Path) -> None:
    settings = Settings(home=str(short_path), state="x" * 100)
    service = PoolService(words, settings)  # type: ignore[arg-type]
    with pytest.raises(PoolError, match="the system allows 107") as caught:
        service.__enter__()
    assert "shorter 'state'" in caught.value.hint
