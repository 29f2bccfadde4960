"""The control database: schema, sources, sensors, generations, proofs, hits."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from vedette.errors import StoreError, UsageError
from vedette.model import Context, Entry, Fetched, Hit, Indicator, IndicatorType, Key
from vedette.store import GenerationRecord, Store

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
EVIL = Key(IndicatorType.DOMAIN, "evil.example")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        yield opened


def fill(store: Store, *keys: tuple[IndicatorType, str]) -> None:
    store.add_source("feed", "list", {}, 900)
    running = store.pull("feed")
    context = Context(key="", info="a list", tags=("tlp:green",), tlp="green")
    for kind, value in keys:
        running.take(Indicator(type=kind, value=value, ref="", context=context))
    running.take(Fetched("", "1"))
    running.finish()


def hit(**changes: object) -> Hit:
    fields: dict[str, object] = {
        "key": EVIL,
        "observed": "www.evil.example",
        "buffer": "dns.query",
        "sensor": "gate",
        "client": "10.0.0.7",
        "server": "10.0.0.1",
        "origin": "live",
        "first_seen": NOW,
        "last_seen": NOW,
        "count": 1,
    }
    return Hit(**{**fields, **changes})  # type: ignore[arg-type]


def entry() -> Entry:
    context = Context(key="uuid-1", info="campaign", tags=("tlp:amber",), tlp="amber")
    return Entry(source="feed", key=EVIL, ref="a1", context=context, comment="", tags=("apt",))


def test_a_database_from_a_newer_vedette_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    Store(path).close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    path.write_text("this is not a database, it is a text that is long enough to be looked at")
    with pytest.raises(StoreError, match="cannot open"):
        Store(path)


def test_names_come_out_with_parents_before_their_children(store: Store) -> None:
    domain = IndicatorType.DOMAIN
    for_sure = ["evil.example", "evil-x.example", "a.evil.example", "b.a.evil.example"]
    fill(store, *((domain, name) for name in reversed(for_sure)))
    found = [key.value for key in store.entries.keys(domain)]
    place = found.index("evil.example")
    assert found[place : place + 3] == ["evil.example", "a.evil.example", "b.a.evil.example"]


def test_descendants_are_names_below_not_names_that_end_alike(store: Store) -> None:
    domain, hostname = IndicatorType.DOMAIN, IndicatorType.HOSTNAME
    fill(
        store,
        (domain, "evil.example"),
        (domain, "a.evil.example"),
        (domain, "notevil.example"),
        (hostname, "www.evil.example"),
    )
    below = list(store.entries.descendants("evil.example"))
    assert below == [Key(domain, "a.evil.example"), Key(hostname, "www.evil.example")]


def test_lookup_of_many_values_returns_only_the_listed_ones(store: Store) -> None:
    domain = IndicatorType.DOMAIN
    fill(store, *((domain, f"d{n}.example") for n in range(1_000)))
    asked = [Key(domain, f"d{n}.example") for n in range(0, 2_000, 3)]
    assert store.entries.listed(asked) == set(asked[: 1 + 999 // 3])
    found = store.entries.lookup(asked[:2])
    assert [e.context.info for e in found[asked[0]]] == ["a list"]


def test_counts_are_of_distinct_values(store: Store) -> None:
    fill(store, (IndicatorType.DOMAIN, "a.example"), (IndicatorType.IP_DST, "192.0.2.1"))
    assert store.entries.counts() == {IndicatorType.DOMAIN: 1, IndicatorType.IP_DST: 1}


def test_a_name_is_given_once(store: Store) -> None:
    store.add_source("feed", "list", {}, 900)
    with pytest.raises(UsageError, match="already a source 'feed'"):
        store.add_source("feed", "list", {}, 900)
    store.fleet.add_sensor("gate", {})
    with pytest.raises(UsageError, match="already a sensor 'gate'"):
        store.fleet.add_sensor("gate", {})


@pytest.mark.parametrize(
    "name", ["", ".", "../x", "/x", "a b", "a\nb", "\x1b[31m", "ü", "-x", "a" * 64, "a\n"]
)
def test_a_name_that_could_not_stand_in_a_path_or_a_log_is_refused(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="a source cannot be named"):
        store.add_source(name, "list", {}, 900)
    with pytest.raises(UsageError, match="a sensor cannot be named"):
        store.fleet.add_sensor(name, {})
    assert (store.sources(), store.fleet.sensors()) == ([], [])


@pytest.mark.parametrize("ask", ["source", "sensor"])
def test_what_is_not_there_is_said(store: Store, ask: str) -> None:
    with pytest.raises(UsageError, match="'nobody'"):
        store.source("nobody") if ask == "source" else store.fleet.sensor("nobody")


def test_hits_of_one_group_are_folded_in_any_order(store: Store) -> None:
    early, late = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    new = store.fleet.add_hits(
        "gate",
        [(hit(), [entry()]), (hit(first_seen=late, last_seen=late, count=2), [entry()])],
        b"{}",
        {},
    )
    new += store.fleet.add_hits("gate", [(hit(first_seen=early, last_seen=early), [])], b"{}", {})
    (record,) = store.fleet.hits()
    assert new == 1
    assert (record.first_seen, record.last_seen, record.count) == (early, late, 4)
    assert record.contexts[0]["tags"] == ["tlp:amber", "apt"]
    assert record.contexts[0]["info"] == "campaign"


def test_hits_and_bookmark_move_together(store: Store) -> None:
    store.fleet.add_hits("gate", [(hit(), [])], b'{"offset":9}', {"torn line": 2})
    broken = [(hit(client="10.0.0.8"), []), (hit(count="not a number"), [])]
    broken[1] = (hit(first_seen=None), [])
    with pytest.raises(AttributeError):
        store.fleet.add_hits("gate", broken, b'{"offset":99}', {"torn line": 5})
    assert store.fleet.bookmark("gate") == b'{"offset":9}'
    store.fleet.add_sensor("gate", {})
    store.fleet.remove_sensor("gate")
    assert store.fleet.bookmark("gate") == b'{"offset":9}', "added again, it counts nothing twice"
    assert len(store.fleet.hits()) == 1
    assert store.fleet.counters("gate") == {"torn line": 2}


def test_hits_are_filtered_by_time_and_sensor(store: Store) -> None:
    old = NOW - timedelta(days=2)
    hits = [(hit(), []), (hit(sensor="other", first_seen=old, last_seen=old), [])]
    store.fleet.add_hits("gate", hits, b"{}", {})
    assert [h.sensor for h in store.fleet.hits()] == ["gate", "other"]
    assert [h.sensor for h in store.fleet.hits(since=NOW - timedelta(days=1))] == ["gate"]
    assert [h.sensor for h in store.fleet.hits(sensor="other")] == ["other"]


def test_the_last_proof_of_a_sensor_is_shown(store: Store) -> None:
    store.fleet.add_sensor("gate", {"socket": "/run/s"})
    for number, ok in ((1, True), (2, False)):
        store.fleet.add_proof("gate", NOW, number, ok, b'{"generation":%d}' % number)
    assert store.fleet.sensor("gate").proof == {"generation": 2}


def test_generations_know_how_far_they_reach(store: Store) -> None:
    record = GenerationRecord(number=1, content_id="c", parent=None, created_at=NOW, change_seq=5)
    store.fleet.add_generation(record)
    store.fleet.add_generation(msgspec.structs.replace(record, change_seq=9))
    found = store.fleet.generation(1)
    assert found is not None
    assert found.change_seq == 9
    assert store.fleet.generation(2) is None


def test_the_database_is_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    Store(path).close()
    assert not path.stat().st_mode & 0o007


def test_a_database_that_an_older_version_left_open_to_everybody_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    with Store(path):
        files = [path, *(path.with_name(f"vedette.db-{name}") for name in ("wal", "shm"))]
        for file in files:
            file.chmod(0o644)
        with Store(path):
            assert [file.stat().st_mode & 0o777 for file in files] == [0o640] * 3
    path.chmod(0o600)
    with Store(path):
        assert path.stat().st_mode & 0o777 == 0o600, "nothing is opened"


def test_a_sensor_is_found_by_its_name_alone(store: Store) -> None:
    for name in ("edge", "gate"):
        store.fleet.add_sensor(name, {"socket": f"/run/{name}.sock"})
    assert store.fleet.sensor("gate").settings == {"socket": "/run/gate.sock"}
    assert store.fleet.settings() == {
        name: {"socket": f"/run/{name}.sock"} for name in ("edge", "gate")
    }
    for name in ("", "gat"):
        with pytest.raises(UsageError, match="there is no sensor"):
            store.fleet.sensor(name)


def test_that_another_connection_wrote_is_seen(store: Store) -> None:
    before = store.written()
    assert store.written() == before
    with Store(store.path) as other:
        other.fleet.add_sensor("gate", {})
        after = store.written()
        assert after != before
        assert other.fleet.settings() == {"gate": {}}
    assert store.written() == after
