"""From files to commits, with real worker processes and a pool that only remembers."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from vedette.config import Settings
from vedette.errors import PoolError, UsageError
from vedette.observe import Folded
from vedette.pipeline.hub import Hub
from vedette.pipeline.ingesting import Ingested, Progress, ingest
from vedette.store.intake import InputTotals

Row = tuple[str, str]


class PlainPool:
    """Counts by sensor, field and value; a token counts once."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.failures = 0

    def commit(self, folded: Folded, *, sensor: str, token: str) -> int:
        if self.failures:
            self.failures -= 1
            raise PoolError("the engine is away", hint="Wait.")
        if token in self.tokens:
            return 0
        self.tokens.append(token)
        for row in folded.observations.to_pylist():
            self.counts[sensor, row["field"], row["value"]] += row["count"]
        return folded.sightings.num_rows

    def names(self, sensor: str = "north") -> dict[str, int]:
        return {
            value: n
            for (who, field, value), n in self.counts.items()
            if (who, field) == (sensor, "dns.query")
        }


def line(number: int, name: str = "") -> bytes:
    return (
        b'{"timestamp":"2026-01-02T03:04:%02d.%06d+0000","flow_id":%d,"event_type":"dns",'
        b'"src_ip":"10.0.0.7","src_port":5353,"dest_ip":"9.9.9.9","dest_port":53,"proto":"UDP",'
        b'"dns":{"type":"query","rrname":"%s","rrtype":"A","id":%d}}\n'
    ) % (number % 60, number, number, (name or f"h{number}.example.org").encode(), number)


def lines(first: int, last: int) -> bytes:
    return b"".join(line(number) for number in range(first, last))


def expected(first: int, last: int) -> dict[str, int]:
    return {f"h{number}.example.org": 1 for number in range(first, last)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = {"home": str(tmp_path), "pool": {"batch_rows": 1000, "workers": 2}}
    return msgspec.convert(made, Settings)


@pytest.fixture
def hub(settings: Settings) -> Iterator[Hub]:
    settings.pool_dir.mkdir(parents=True)
    with Hub(settings) as opened:
        yield opened


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs"
    path.mkdir()
    return path


def read(hub: Hub, pool: PlainPool, *places: Path | str, sensor: str = "north") -> Ingested:
    done = ingest(hub, pool, [str(place) for place in places], sensor=sensor)
    assert done.error == ""
    assert done.progress.pending == 0
    return done


def total(hub: Hub) -> InputTotals:
    (found,) = hub.store.intake.totals()
    return found


def test_a_file_is_read_whole_and_a_second_time_not_at_all(hub: Hub, logs: Path) -> None:
    (logs / "eve.json").write_bytes(lines(0, 3000) + b"{broken\n\n" + line(3000).rstrip())
    pool = PlainPool()
    done = read(hub, pool, logs / "eve.json")
    assert pool.names() == expected(0, 3001)
    assert done.progress.counts == {"lines": 3002, "events": 3001, "malformed": 1}
    assert done.progress.committed == done.progress.counts
    assert done.progress.new > 3000
    assert (done.progress.files_done, done.progress.files_total) == (1, 1)
    assert done.progress.bytes_done == done.progress.bytes_total
    again = read(hub, pool, logs / "eve.json")
    assert pool.names() == expected(0, 3001)
    assert [(one.outcome, one.note) for one in again.files] == [("known", "")]
    assert total(hub).counts == {"lines": 3002, "events": 3001, "malformed": 1}


def test_a_directory_is_read_in_any_number_of_files_by_several_workers(
    hub: Hub, logs: Path
) -> None:
    for number in range(20):
        data = lines(100 * number, 100 * number + 100)
        if number % 2:
            (logs / f"eve.json.{number}.gz").write_bytes(gzip.compress(data))
        else:
            (logs / f"eve.json.{number}").write_bytes(data)
    (logs / "fast.log").write_bytes(b"not EVE\n")
    pool = PlainPool()
    done = read(hub, pool, logs)
    assert pool.names() == expected(0, 2000)
    assert done.progress.files_total == 20
    (logs / "eve.json").write_bytes(lines(2000, 2100))
    read(hub, pool, logs)
    assert pool.names() == expected(0, 2100)
    assert total(hub).place == str(logs)


def test_a_copy_is_known_whatever_it_is_called_packed_or_grown(hub: Hub, logs: Path) -> None:
    pool = PlainPool()
    (logs / "eve.json").write_bytes(lines(0, 1000))
    read(hub, pool, logs / "eve.json")
    (logs / "eve-copy.json.gz").write_bytes(gzip.compress(lines(0, 1000)))
    (logs / "eve-half.json").write_bytes(lines(0, 500))
    (logs / "eve-grown.json").write_bytes(lines(0, 1200))
    done = read(hub, pool, logs)
    assert pool.names() == expected(0, 1200)
    notes = {Path(one.path).name: (one.outcome, one.note) for one in done.files}
    assert notes["eve-copy.json.gz"] == ("known", str(logs / "eve.json"))
    assert notes["eve-half.json"][0] == "known"


def test_copies_that_come_together_are_counted_once(hub: Hub, logs: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (logs / f"eve-{name}.json").write_bytes(lines(0, 1000))
    (logs / "eve-e.json.gz").write_bytes(gzip.compress(lines(0, 1100)))
    pool = PlainPool()
    read(hub, pool, logs)
    assert pool.names() == expected(0, 1100)


def test_files_that_begin_alike_and_go_on_differently_are_both_read(hub: Hub, logs: Path) -> None:
    (logs / "eve-a.json").write_bytes(lines(0, 400))
    (logs / "eve-b.json").write_bytes(lines(0, 3) + lines(1000, 1300))
    pool = PlainPool()
    read(hub, pool, logs)
    names = pool.names()
    assert set(names) == set(expected(0, 400)) | set(expected(1000, 1300))
    assert all(n == 1 for name, n in names.items() if name not in expected(0, 3))


def test_one_file_for_two_sensors_is_read_once_and_says_so(hub: Hub, logs: Path) -> None:
    (logs / "eve.json").write_bytes(lines(0, 100))
    pool = PlainPool()
    read(hub, pool, logs / "eve.json", sensor="north")
    done = read(hub, pool, logs / "eve.json", sensor="south")
    assert pool.names("south") == {}
    assert [(one.outcome, one.note) for one in done.files] == [("known", "sensor 'north'")]


def test_two_inputs_of_one_sensor_add_up(hub: Hub, logs: Path) -> None:
    for name in ("one", "two"):
        (logs / name).mkdir()
        data = b"".join(
            line(n, "same.example.org") for n in range(*{"one": (0, 50), "two": (50, 80)}[name])
        )
        (logs / name / "eve.json").write_bytes(data)
    pool = PlainPool()
    read(hub, pool, logs / "one")
    read(hub, pool, logs / "two")
    assert pool.names() == {"same.example.org": 80}


def test_half_a_line_at_the_end_is_read_when_it_is_whole(hub: Hub, logs: Path) -> None:
    path = logs / "eve.json"
    data = lines(0, 100)
    path.write_bytes(data[:-40])
    pool = PlainPool()
    done = read(hub, pool, path)
    assert pool.names() == expected(0, 99)
    assert [one.skipped for one in done.files] == [{"torn": 1}]
    read(hub, pool, path)
    assert total(hub).counts == {"lines": 99, "events": 99, "torn": 1}
    path.write_bytes(data + lines(100, 120))
    read(hub, pool, path)
    assert pool.names() == expected(0, 120)


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_a_damaged_packed_file_gives_what_is_readable(hub: Hub, logs: Path, damage: str) -> None:
    packed = bytearray(gzip.compress(lines(0, 20_000)))
    if damage == "cut":
        del packed[-len(packed) // 3 :]
    else:
        packed[len(packed) // 2] ^= 0xFF
    (logs / "eve.json.1.gz").write_bytes(packed)
    pool = PlainPool()
    done = read(hub, pool, logs)
    got = len(pool.names())
    assert 1000 < got < 20_000
    assert [one.skipped["unreadable"] for one in done.files] == [1]
    read(hub, pool, logs)
    assert total(hub).counts["unreadable"] == 1
    (logs / "eve.json.1.gz").write_bytes(gzip.compress(lines(0, 20_000)))
    read(hub, pool, logs)
    if damage == "cut":
        assert pool.names() == expected(0, 20_000)


def test_what_cannot_be_read_costs_nothing_else(hub: Hub, logs: Path) -> None:
    (logs / "eve.json").write_bytes(lines(0, 10))
    (logs / "eve.json.1").symlink_to("/proc/self/mem")
    (logs / "eve.json.2").write_bytes(b"")
    pool = PlainPool()
    done = read(hub, pool, logs)
    assert pool.names() == expected(0, 10)
    assert [one.outcome for one in done.files] == ["failed"]


def test_a_pool_that_fails_for_a_while_costs_nothing(hub: Hub, logs: Path) -> None:
    (logs / "eve.json").write_bytes(lines(0, 100))
    pool = PlainPool()
    pool.failures = 2
    read(hub, pool, logs)
    assert pool.names() == expected(0, 100)


def test_a_pool_that_goes_on_failing_leaves_all_in_the_spool(hub: Hub, logs: Path) -> None:
    (logs / "eve.json").write_bytes(lines(0, 100))
    pool, stop = PlainPool(), threading.Event()
    pool.failures = 1000

    def interrupt(progress: Progress) -> None:
        if progress.pending:
            stop.set()

    done = ingest(hub, pool, [str(logs)], sensor="north", stop=stop, on_progress=interrupt)
    assert "1 batches are read and not committed: the engine is away" in done.error
    pool.failures = 0
    (logs / "eve.json").write_bytes(lines(0, 110))
    read(hub, pool, logs)
    assert pool.names() == expected(0, 110)


def test_without_an_owner_what_was_read_waits_for_the_next(hub: Hub, logs: Path) -> None:
    (logs / "eve.json").write_bytes(lines(0, 100))
    done = ingest(hub, None, [str(logs)], sensor="north")
    assert "the process that had the memory open has ended" in done.error
    assert done.progress.pending == 1
    pool = PlainPool()
    read(hub, pool, logs)
    assert pool.names() == expected(0, 100)


def test_a_damaged_batch_is_set_aside_and_counted(hub: Hub, logs: Path) -> None:
    (logs / "eve.json").write_bytes(lines(0, 100))
    ingest(hub, None, [str(logs)], sensor="north")
    (spooled,) = (hub.settings.pool_dir / "spool").glob("*.batch")
    data = spooled.read_bytes()
    spooled.write_bytes(data[:-5])
    foreign = spooled.with_name("000999-000000000001.batch")
    foreign.write_bytes(data)
    pool = PlainPool()
    (logs / "eve.json.new").write_bytes(lines(200, 210))
    read(hub, pool, logs / "eve.json.new")
    assert pool.names() == expected(200, 210)
    aside = {path.name for path in (spooled.parent / "damaged").iterdir()}
    assert aside == {spooled.name, foreign.name}
    assert total(hub).counts["damaged"] == 1


def test_a_socket_is_read_until_told_to_stop(hub: Hub, short_path: Path) -> None:
    pool, stop = PlainPool(), threading.Event()
    path = short_path / "eve.sock"
    results: list[Ingested] = []
    thread = threading.Thread(target=_run, args=(hub.settings, pool, f"unix:{path}", stop, results))
    thread.start()
    with socket.socket(socket.AF_UNIX) as client:
        deadline = time.monotonic() + 20
        while client.connect_ex(str(path)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        client.sendall(lines(0, 500))
    time.sleep(0.3)
    stop.set()
    thread.join(30)
    assert pool.names() == expected(0, 500)
    assert results[0].error == ""
    assert not path.exists()


def _run(
    settings: Settings, pool: PlainPool, place: str, stop: threading.Event, to: list[Ingested]
) -> None:
    with Hub(settings) as hub:
        to.append(ingest(hub, pool, [place], sensor="north", stop=stop))


def test_two_at_one_socket_are_one_too_many(hub: Hub, short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(short_path / "eve.sock"))
        other.listen()
        done = ingest(hub, PlainPool(), [f"unix:{short_path}/eve.sock"], sensor="north")
    assert "another process listens" in done.error
    assert done.hint


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/there/is/nothing", "there is no /there/is/nothing"),
        ("unix:", "needs a path"),
        ("redis://127.0.0.1/0?mode=channel", "keeps nothing"),
        ("redis://127.0.0.1/0?mode=odd", "mode 'odd' is not known"),
        ("redis://127.0.0.1/x", "number of the database"),
    ],
)
def test_what_cannot_be_meant_is_said_at_once(hub: Hub, place: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ingest(hub, PlainPool(), [place], sensor="north")


def test_a_directory_without_logs_is_an_error(hub: Hub, logs: Path) -> None:
    with pytest.raises(UsageError, match=r"no eve\*\.json\*"):
        ingest(hub, PlainPool(), [str(logs)], sensor="north")


def test_a_sensor_needs_a_name(hub: Hub, logs: Path) -> None:
    with pytest.raises(UsageError, match="sensor cannot be named"):
        ingest(hub, PlainPool(), [str(logs)], sensor="a/b")
