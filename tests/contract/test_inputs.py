"""What every input promises, on every kind: see vedette.eve.inputs.Input."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from vedette.errors import PoolError, UsageError
from vedette.eve import redis_list, redis_stream
from vedette.eve.claims import Claims
from vedette.eve.contents import Contents, Known
from vedette.eve.finished import Finished
from vedette.eve.followed import Followed
from vedette.eve.inputs import Idle, Input
from vedette.eve.listening import Listening, ListeningForDatagrams
from vedette.eve.redis_list import RedisList
from vedette.eve.redis_place import parse
from vedette.eve.redis_stream import RedisStream
from vedette.eve.segment import MAX_LINE, Bookmark
from vedette.testing.redis_server import RedisServer


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None and not os.environ.get("CI"):
        pytest.skip("no redis-server (run: tools/apt.sh redis-server)")
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def line(number: int) -> bytes:
    return b'{"timestamp":"2026-01-02T03:04:05.000006+0000","flow_id":%d,"a":"%0200d"}\n' % (
        1_000_000 + number,
        number,
    )


class Case(Protocol):
    """A place to read, and how an engine writes there."""

    replays: bool
    patience: int

    def write(self, lines: list[bytes]) -> None: ...
    def open(self, position: str, idle: Idle, /) -> Input: ...
    def close(self) -> None: ...


class Files:
    """What both kinds of files need: what was read, kept as the spool and the database do."""

    replays = True
    patience = 20

    def __init__(self, directory: Path) -> None:
        self.path = directory / "eve.json"
        self.durable: dict[str, Bookmark] = {}
        self.directory = directory
        self.opened: list[Contents] = []

    def contents(self) -> Contents:
        for before in self.opened:
            before._claims.release()  # as the end of its process does
        known = [Known(bookmark, "north") for bookmark in self.durable.values()]
        claims = Claims(self.directory / "claims", "a test")
        self.opened.append(Contents(claims, lambda _: known, "north"))
        return self.opened[-1]

    def write(self, lines: list[bytes]) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(lines))

    def close(self) -> None:
        for contents in self.opened:
            contents._claims.release()


class FollowCase(Files):
    def open(self, position: str, idle: Idle) -> Input:
        return Followed(self.path, position, self.contents(), idle, lambda: time.sleep(0.01))


class FileCase(Files):
    def open(self, _: str, idle: Idle) -> Input:
        return Finished([self.path], self.contents(), idle, sensor="north", tell=lambda _: None)


class UnixCase:
    replays = False
    patience = 30

    def __init__(self, directory: Path) -> None:
        self.path = directory / "eve.sock"
        self.client: socket.socket | None = None

    def write(self, lines: list[bytes]) -> None:
        threading.Thread(target=self._send, args=(lines,)).start()

    def _send(self, lines: list[bytes]) -> None:
        deadline = time.monotonic() + 5
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            while client.connect_ex(str(self.path)) and time.monotonic() < deadline:
                time.sleep(0.01)
            client.sendall(b"".join(lines))

    def open(self, _: str, idle: Idle) -> Input:
        return Listening(self.path, idle, 0.01)

    def close(self) -> None:
        pass


class UnixgramCase(UnixCase):
    def _send(self, lines: list[bytes]) -> None:
        deadline = time.monotonic() + 5
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            while client.connect_ex(str(self.path)) and time.monotonic() < deadline:
                time.sleep(0.01)
            for one in lines:
                client.send(one)

    def open(self, _: str, idle: Idle) -> Input:
        return ListeningForDatagrams(self.path, idle, 0.01)


class ListCase:
    replays = True
    patience = 5
    begin: Callable[[], str] = staticmethod(redis_list.first_position)

    def __init__(self, server: RedisServer, key: str) -> None:
        self.client = server.client()
        self.key = key
        self.address = parse(f"{server.url}?key={key}&mode={self.mode}")

    mode = "list"

    def write(self, lines: list[bytes]) -> None:
        for one in lines:
            self.client.execute_command("LPUSH", self.key, one.rstrip())

    def open(self, position: str, idle: Idle) -> Input:
        return RedisList(self.address, position or self.first(), idle, 0.01)

    def first(self) -> str:
        return self.__dict__.setdefault("_first", type(self).begin())

    def close(self) -> None:
        left = [key for key in self.client.keys("*") if self.key.encode() in key]
        if left:
            self.client.delete(*left)
        self.client.close()


class StreamCase(ListCase):
    mode = "stream"
    begin = staticmethod(redis_stream.first_position)

    def write(self, lines: list[bytes]) -> None:
        for one in lines:
            self.client.execute_command("XADD", self.key, "*", "eve", one.rstrip())

    def open(self, position: str, idle: Idle) -> Input:
        return RedisStream(self.address, position or self.first(), idle, 0.01)


FILES = {"follow": FollowCase, "file": FileCase, "unix": UnixCase, "unixgram": UnixgramCase}
QUEUES = {"redis-list": ListCase, "redis-stream": StreamCase}


@pytest.fixture(params=[*FILES, *QUEUES])
def case(request: pytest.FixtureRequest, short_path: Path) -> Iterator[Case]:
    made: Case
    if request.param in QUEUES:
        server = request.getfixturevalue("redis_server")
        made = QUEUES[request.param](server, f"eve-{os.urandom(4).hex()}")
    else:
        made = FILES[request.param](short_path)
    yield made
    made.close()


class Read:
    """Reads until nothing has come for a while."""

    def __init__(
        self, case: Case, position: str = "", *, ack: bool = True, most: int = 10**9
    ) -> None:
        self.lines: list[bytes] = []
        self.position = position
        self.skipped: dict[str, int] = {}
        self._quiet = 0
        self._patience = case.patience
        with case.open(position, self._idle) as source:
            for given in source.batches():
                self._quiet = 0
                self.lines += given.data.splitlines(keepends=True)
                self.position = given.position
                for reason, n in given.skipped.items():
                    self.skipped[reason] = self.skipped.get(reason, 0) + n
                if ack:
                    if given.reached is not None and isinstance(case, Files):
                        case.durable[given.reached.head] = given.reached
                    source.ack(given.position)
                if len(self.lines) >= most:
                    break

    def _idle(self) -> bool:
        self._quiet += 1
        return self._quiet < self._patience


def test_every_line_is_given_once(case: Case) -> None:
    lines = [line(number) for number in range(500)]
    case.write(lines)
    read = Read(case)
    assert sorted(read.lines) == lines
    assert read.skipped == {}


def test_what_was_acknowledged_is_not_given_again(case: Case) -> None:
    before, after = [line(n) for n in range(300)], [line(n) for n in range(300, 400)]
    case.write(before)
    first = Read(case)
    case.write(after)
    second = Read(case, first.position)
    assert sorted(first.lines) == before
    assert sorted(second.lines) == after


def test_what_was_not_acknowledged_is_given_again_where_that_is_possible(case: Case) -> None:
    lines = [line(number) for number in range(300)]
    case.write(lines)
    lost = Read(case, ack=False)
    again = Read(case)
    assert sorted(lost.lines) == lines
    assert sorted(again.lines) == (lines if case.replays else [])


@pytest.mark.parametrize("case", QUEUES, indirect=True)
@pytest.mark.parametrize("most", [1, 100, 299])
def test_a_crash_between_spool_and_acknowledgement_gives_nothing_twice(
    case: Case, most: int
) -> None:
    lines = [line(number) for number in range(300)]
    case.write(lines)
    first = Read(case, ack=False, most=most)
    rest = Read(case, first.position)
    assert 0 < len(first.lines) <= 300
    assert sorted(first.lines + rest.lines) == lines
    assert Read(case, rest.position).lines == []


def test_a_line_feed_at_the_end_is_not_doubled(case: Case) -> None:
    case.write([line(1)])
    assert Read(case).lines == [line(1)]


@pytest.mark.parametrize("case", QUEUES, indirect=True)
def test_a_redis_that_goes_away_and_comes_back_costs_nothing(
    case: Case, redis_server: RedisServer
) -> None:
    lines = [line(number) for number in range(3000)]
    case.write(lines[:2000])
    got: list[bytes] = []
    idle = 0

    def restart() -> None:
        redis_server.stop()
        time.sleep(0.3)
        redis_server.start()
        case.write(lines[2000:])

    def wait() -> bool:
        nonlocal idle
        idle += 1
        return idle < 10

    with case.open("", wait) as source:
        for batch in source.batches():
            idle = 0
            got += batch.data.splitlines(keepends=True)
            if len(got) == 64:  # the first batch, not acknowledged
                thread = threading.Thread(target=restart)
                thread.start()
                time.sleep(0.1)
            elif len(got) > 200:
                source.ack(batch.position)
        thread.join()
    assert sorted(got) == lines


@pytest.mark.parametrize("case", QUEUES, indirect=True)
def test_a_redis_that_lets_nobody_in_says_so_without_the_password(
    case: Case, redis_server: RedisServer
) -> None:
    assert isinstance(case, ListCase)
    case.address = parse(f"redis://:wr0ng@127.0.0.1:{redis_server.port}/0?mode={case.mode}")
    with pytest.raises(UsageError, match="refuses") as refused:
        case.open("", lambda: False).__enter__()
    assert "wr0ng" not in f"{refused.value} {refused.value.hint}"
    case.address = parse(f"redis://127.0.0.1:1/0?mode={case.mode}")
    with pytest.raises(PoolError, match=r"cannot reach redis://127\.0\.0\.1:1/0"):
        case.open("", lambda: False).__enter__()


def test_a_key_of_another_kind_is_left_alone(redis_server: RedisServer) -> None:
    key = f"eve-{os.urandom(4).hex()}"
    for wrong, right in ((ListCase, StreamCase), (StreamCase, ListCase)):
        written, asked = right(redis_server, key), wrong(redis_server, key)
        written.write([line(1)])
        with pytest.raises(UsageError, match="not a") as refused:
            asked.open("", lambda: False).__enter__()
        assert refused.value.hint == f"Read it with mode={right.mode}."
        assert Read(written).lines == [line(1)]
        for case in (asked, written):
            case.close()


@pytest.mark.parametrize("case", QUEUES, indirect=True)
def test_an_entry_that_is_too_long_is_counted_and_costs_no_other(case: Case) -> None:
    case.write([line(1), b"x" * (MAX_LINE + 1), line(2), b'{"a":\n2}\n'])
    read = Read(case)
    assert sorted(read.lines) == [b'{"a": 2}\n', line(1), line(2)]
    assert read.skipped == {"oversized": 1}


@pytest.mark.parametrize("case", ["redis-stream"], indirect=True)
def test_what_a_stream_was_trimmed_of_before_it_was_read_again_is_a_gap(case: Case) -> None:
    assert isinstance(case, StreamCase)
    case.write([line(number) for number in range(10)])
    lost = Read(case, ack=False)
    assert len(lost.lines) == 10
    case.client.execute_command("XTRIM", case.key, "MAXLEN", 4)
    again = Read(case)
    assert again.lines == [line(number) for number in range(6, 10)]
    assert again.skipped == {"gap": 6}
