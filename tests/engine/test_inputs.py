"""What the engines write to a socket or a Redis is what they write to a file."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.config import Settings
from vedette.observe import Folded
from vedette.pipeline.hub import Hub
from vedette.pipeline.ingesting import Ingested, Progress, ingest
from vedette.testing.capture import Capture, dns_answer, dns_query
from vedette.testing.engine import Engine
from vedette.testing.redis_server import RedisServer

NAMES = [f"host{number}.example.org" for number in range(40)]


class PlainPool:
    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()

    def commit(self, folded: Folded, *, sensor: str, token: str) -> int:
        assert sensor == "north"
        assert token
        for row in folded.sightings.to_pylist():
            self.seen[row["field"], row["value"]] += row["count"]
        return 0


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None and not os.environ.get("CI"):
        pytest.skip("no redis-server (run: tools/apt.sh redis-server)")
    with RedisServer(tmp_path_factory.mktemp("redis"), password="") as server:
        yield server


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Capture()
    for number, name in enumerate(NAMES, start=1):
        talk = made.udp(dns_query(name, number=number))
        talk.reply(dns_answer(name, [(name, f"192.0.2.{number}")], number=number))
    path = tmp_path_factory.mktemp("capture") / "dns.pcap"
    made.write(path)
    return path


def eve_log(engine: Engine, settings: Mapping[str, object]) -> list[str]:
    """Command-line settings of the first eve-log section, wherever the engine's yaml has it."""
    outputs = engine.yaml.read_text().partition("\noutputs:")[2]
    items = [line.strip() for line in outputs.splitlines() if line.startswith("  - ")]
    place = f"outputs.{items.index('- eve-log:')}.eve-log"
    return [word for key, value in settings.items() for word in ("--set", f"{place}.{key}={value}")]


def write(engine: Engine, capture: Path, directory: Path, settings: Mapping[str, object]) -> None:
    """Let the engine read the capture and write EVE elsewhere; eve.json then stays away."""
    (directory / "vedette.rules").touch()
    with pytest.raises(FileNotFoundError):
        engine.run_pcap(capture, directory, arguments=eve_log(engine, settings))


class Reading:
    """An ingest that goes on until told."""

    def __init__(self, home: Path, place: str) -> None:
        self.pool = PlainPool()
        self.results: list[Ingested] = []
        self._lines = 0
        self._settings = msgspec.convert({"home": str(home)}, Settings)
        self._settings.pool_dir.mkdir(parents=True, exist_ok=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(place,))
        self._thread.start()

    def _run(self, place: str) -> None:
        with Hub(self._settings) as hub:
            done = ingest(
                hub,
                self.pool,
                [place],
                sensor="north",
                stop=self._stop,
                on_progress=self._note,
            )
        self.results.append(done)

    def _note(self, progress: Progress) -> None:
        self._lines = progress.counts.get("lines", 0)

    def stop(self, *, lines: int) -> Ingested:
        """End it once so many lines came, and a little later: there may be too many."""
        deadline = time.monotonic() + 30
        while self._lines < lines and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        self._stop.set()
        self._thread.join(60)
        assert self.results[0].error == ""
        return self.results[0]


def expected(engine: Engine, capture: Path, directory: Path) -> tuple[PlainPool, int]:
    """What a file holds: observations, and how many events."""
    (directory / "vedette.rules").touch()
    events: list[dict[str, Any]] = engine.run_pcap(capture, directory)
    path = directory / "eve.json"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    pool = PlainPool()
    settings = msgspec.convert({"home": str(directory / "of-file")}, Settings)
    settings.pool_dir.mkdir(parents=True)
    with Hub(settings) as hub:
        ingest(hub, pool, [str(path)], sensor="north")
    assert all(pool.seen["dns.query", name] for name in NAMES)
    return pool, len(events)


@pytest.mark.parametrize("kind", ["stream", "dgram"])
def test_a_socket_gets_what_a_file_gets(
    engine: Engine, capture: Path, short_path: Path, kind: str
) -> None:
    want, events = expected(engine, capture, short_path)
    socket = short_path / "eve.sock"
    place = f"unix:{socket}" if kind == "stream" else f"unixgram:{socket}"
    reading = Reading(short_path, place)
    while not socket.exists():
        time.sleep(0.02)
    write(engine, capture, short_path, {"filetype": f"unix_{kind}", "filename": socket})
    done = reading.stop(lines=events)
    assert reading.pool.seen == want.seen
    assert done.progress.counts["lines"] == events


def through_redis(
    engine: Engine, capture: Path, home: Path, server: RedisServer, mode: str
) -> list[bytes]:
    """Compare what comes through a Redis with a file; return the keys that are left."""
    want, events = expected(engine, capture, home)
    key = f"eve-{os.urandom(4).hex()}"
    settings = {
        "filetype": "redis",
        "redis.server": "127.0.0.1",
        "redis.port": server.port,
        "redis.mode": mode,
        "redis.key": key,
        "redis.async": "no",
    }
    write(engine, capture, home, settings)
    reading = Reading(home, f"{server.url}?key={key}&mode={mode}")
    done = reading.stop(lines=events)
    assert reading.pool.seen == want.seen
    assert done.progress.counts["lines"] == events
    client = server.client()
    left = [name for name in client.keys("*") if key.encode() in name]
    client.close()
    return left


@pytest.mark.parametrize("mode", ["list", "rpush"])
def test_a_redis_list_gets_what_a_file_gets_and_is_empty_afterwards(
    engine: Engine, capture: Path, short_path: Path, redis_server: RedisServer, mode: str
) -> None:
    assert through_redis(engine, capture, short_path, redis_server, mode) == []


def test_a_redis_stream_gets_what_a_file_gets_and_keeps_it_for_others(
    suricata8: Engine, capture: Path, short_path: Path, redis_server: RedisServer
) -> None:
    """Suricata 7 has no such mode."""
    assert len(through_redis(suricata8, capture, short_path, redis_server, "stream")) == 1
