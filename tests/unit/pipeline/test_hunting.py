"""Hunts by themselves: what becomes a retro hit, once, whichever side is new."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vedette.config import PoolSettings, Settings
from vedette.errors import BusyError, PoolError
from vedette.hunt.live import TOO_EARLY, YES
from vedette.model import Context, Fetched, Hit, Indicator, IndicatorType, Key
from vedette.observe import new_fold
from vedette.pipeline import hunting
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunting import hunt_new
from vedette.pipeline.lock import exclusive
from vedette.pool.backend import Backend
from vedette.pool.records import Found
from vedette.pool.store import Pool
from vedette.store import GenerationRecord, HitRecord

DAY = "2026-03-0{}T10:00:00.000000"
Say = Callable[..., None]


def lookup(at: str, client: str, name: str) -> bytes:
    """One DNS lookup as an engine writes it."""
    event = {
        "timestamp": f"{at}+0000",
        "flow_id": 7,
        "event_type": "dns",
        "src_ip": client,
        "src_port": 40_000,
        "dest_ip": "192.0.2.53",
        "dest_port": 53,
        "proto": "UDP",
        "dns": {"type": "query", "rrname": name, "rrtype": "A"},
    }
    return json.dumps(event).encode() + b"\n"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        yield opened


@pytest.fixture
def memory(embedded_backend: Backend) -> Pool:
    return Pool(embedded_backend, PoolSettings())


@pytest.fixture
def see(memory: Pool) -> Say:
    """Take in lookups of names: see("gate", (day, client, name), ...)."""
    tokens = iter(range(1_000))

    def take(sensor: str, *lookups: tuple[int, str, str]) -> None:
        fold = new_fold((), ("10.0.0.0/8",))
        for day, client, name in lookups:
            fold.add(lookup(DAY.format(day), client, name))
        memory.commit(fold.take(), sensor=sensor, token=f"{next(tokens)}")

    return take


def lists(hub: Hub, source: str, *values: str, kind: IndicatorType = IndicatorType.DOMAIN) -> None:
    """Make a source list exactly these."""
    if source not in {record.name for record in hub.store.sources()}:
        hub.store.add_source(source, "list", {}, 900)
    running = hub.store.pull(source)
    context = Context(key="event-1", info="campaign", tags=("tlp:amber",), tlp="amber")
    for value in values:
        running.take(Indicator(type=kind, value=value, ref=value, context=context))
    running.take(Fetched("event-1", str(values)))
    running.finish(accept=True)


def retro(hub: Hub) -> list[HitRecord]:
    return sorted(
        hub.store.fleet.hits(origins=["retro"]), key=lambda hit: (hit.observed, hit.client)
    )


def test_a_new_indicator_is_hunted_in_the_whole_past(hub: Hub, memory: Pool, see: Say) -> None:
    see("gate", (1, "10.0.0.7", "www.evil.example"), (3, "10.0.0.7", "www.evil.example"))
    see("edge", (2, "10.0.0.8", "www.evil.example"), (2, "10.0.0.8", "good.example"))
    lists(hub, "feed", "evil.example")
    hunted = hunt_new(hub, memory)
    assert (hunted.indicators, hunted.found, hunted.hits, hunted.new_hits) == (1, 1, 2, 2)
    zero, other = retro(hub)
    assert (zero.type, zero.value, zero.observed) == ("domain", "evil.example", "www.evil.example")
    assert (zero.client, zero.server, zero.sensor) == ("10.0.0.7", "192.0.2.53", "gate")
    assert (zero.buffer, zero.count, zero.hosts, zero.live) == ("dns.query", 2, 2, TOO_EARLY)
    assert zero.first_seen == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert zero.last_seen == datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert (other.client, other.sensor, other.count) == ("10.0.0.8", "edge", 1)
    (context,) = zero.contexts
    assert (context["source"], context["info"], context["tlp"]) == ("feed", "campaign", "amber")


@pytest.fixture
def without_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the last minutes for settled, too."""
    monkeypatch.setattr(hunting, "_LAG", timedelta(0))


@pytest.mark.usefixtures("without_lag")
def test_hunting_again_changes_nothing(hub: Hub, memory: Pool, see: Say) -> None:
    see("gate", (1, "10.0.0.7", "www.evil.example"))
    lists(hub, "feed", "evil.example")
    hunt_new(hub, memory)
    before = retro(hub)
    again = hunt_new(hub, memory)
    assert (again.indicators, again.hits, again.run) == (0, 0, 0)
    everything = hunt_new(hub, memory, everything=True)
    assert (everything.hits, everything.new_hits) == (1, 0)
    assert retro(hub) == before


def test_what_came_in_just_now_is_looked_at_again(hub: Hub, memory: Pool, see: Say) -> None:
    """A new value is written a moment before the sighting that a hunt finds."""
    lists(hub, "feed", "evil.example")
    hunt_new(hub, memory)
    see("gate", (1, "10.0.0.7", "evil.example"))
    assert [hunt_new(hub, memory).new_hits for _ in range(2)] == [1, 0]
    assert hunt_new(hub, memory).sightings == 1


@pytest.mark.usefixtures("without_lag")
def test_only_what_changed_is_hunted(hub: Hub, memory: Pool, see: Say) -> None:
    see("gate", (1, "10.0.0.7", "a.example"), (1, "10.0.0.7", "b.example"))
    lists(hub, "feed", "a.example", "x.example")
    assert hunt_new(hub, memory).everything, "the first pull is too much to name"
    lists(hub, "feed", "a.example", "b.example")
    hunted = hunt_new(hub, memory)
    assert (hunted.everything, hunted.indicators, hunted.new_hits) == (False, 1, 1)
    run = hub.store.hunts.run(hunted.run)
    assert run.label == "new indicators"
    assert run.body["coverage"]["sensors"][0]["sensor"] == "gate"
    assert [row.value for row in hub.store.hunts.found(hunted.run)] == ["b.example"]


def test_values_that_come_in_later_are_hunted_too(hub: Hub, memory: Pool, see: Say) -> None:
    lists(hub, "feed", "evil.example")
    lists(hub, "nets", "203.0.113.0/24", kind=IndicatorType.IP_DST)
    assert hunt_new(hub, memory).hits == 0
    see("archive", (1, "10.0.0.9", "deep.down.evil.example"), (1, "10.0.0.9", "good.example"))
    hunted = hunt_new(hub, memory)
    assert (hunted.indicators, hunted.new_hits) == (1, 1)
    assert hunted.sightings == 2
    assert [hit.observed for hit in retro(hub)] == ["deep.down.evil.example"]


def test_a_listed_value_that_another_host_shows_later_is_found_again(
    hub: Hub, memory: Pool, see: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    see("gate", (2, "10.0.0.7", "evil.example"))
    lists(hub, "feed", "evil.example")
    hunt_new(hub, memory)
    see("archive", (1, "10.0.0.8", "evil.example"))
    monkeypatch.setattr(hunting, "_REFRESH", timedelta(0))
    hunt_new(hub, memory)
    assert [(hit.client, hit.hosts) for hit in retro(hub)] == [("10.0.0.7", 2), ("10.0.0.8", 2)]


def test_many_new_sightings_hunt_everything_in_one_join(
    hub: Hub, memory: Pool, see: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists(hub, "feed", "evil.example")
    hunt_new(hub, memory)
    see("gate", *((1, "10.0.0.7", f"n{n}.evil.example") for n in range(5)))
    monkeypatch.setattr(hunting, "SIGHTINGS_MAX", 3)
    hunted = hunt_new(hub, memory)
    assert (hunted.everything, hunted.new_hits) == (True, 5)


def test_what_was_alerted_on_is_no_retro_hit(hub: Hub, memory: Pool, see: Say) -> None:
    lists(hub, "feed", "evil.example")
    hunt_new(hub, memory)
    see("gate", (3, "10.0.0.7", "evil.example"), (2, "10.0.0.8", "evil.example"))
    at = datetime(2026, 3, 3, 10, 0, 1, tzinfo=UTC)
    for client in ("10.0.0.7", "10.0.0.8"):
        alert = Hit(
            key=Key(IndicatorType.DOMAIN, "evil.example"),
            observed="evil.example",
            buffer="dns.query",
            sensor="gate",
            client=client,
            server="192.0.2.53",
            origin="live",
            first_seen=at,
            last_seen=at,
            count=1,
        )
        hub.store.fleet.add_hits("gate", [(alert, [])], b"{}", {})
    hunted = hunt_new(hub, memory)
    assert hunted.alerted == 1
    (left,) = retro(hub)
    assert left.client == "10.0.0.8", "it was there a day before the alert"


def test_what_was_seen_after_it_was_published_would_have_alerted(
    hub: Hub, memory: Pool, see: Say
) -> None:
    lists(hub, "feed", "evil.example")
    hub.store.fleet.add_generation(
        GenerationRecord(
            number=1,
            content_id="1",
            parent=None,
            created_at=datetime(2026, 3, 2, tzinfo=UTC),
            change_seq=hub.store.entries.last_change(),
        )
    )
    see("gate", (1, "10.0.0.7", "evil.example"), (3, "10.0.0.8", "evil.example"))
    hunt_new(hub, memory)
    assert [hit.live for hit in retro(hub)] == [TOO_EARLY, YES]


def test_more_hosts_than_anybody_reads_are_one_hit(hub: Hub, memory: Pool, see: Say) -> None:
    see("gate", *((1 + n % 3, f"10.0.1.{n}", "evil.example") for n in range(101)))
    lists(hub, "feed", "evil.example")
    hunt_new(hub, memory)
    (hit,) = retro(hub)
    assert (hit.hosts, hit.count, hit.client) == (101, 101, "10.0.1.0")
    assert hit.last_seen == datetime(2026, 3, 3, 10, tzinfo=UTC)


class Failing:
    """A memory whose answer breaks off after some findings."""

    def __init__(self, memory: Pool) -> None:
        self._memory = memory

    def __getattr__(self, name: str) -> object:
        return getattr(self._memory, name)

    def found(self, keys: Sequence[Key]) -> Iterator[Found]:
        yield from list(self._memory.found(keys))[:1]
        raise PoolError("the daemon went away")


def test_a_hunt_that_broke_off_is_done_again(hub: Hub, memory: Pool, see: Say) -> None:
    see("gate", (1, "10.0.0.7", "a.example"), (1, "10.0.0.7", "b.example"))
    lists(hub, "feed", "a.example", "b.example")
    with pytest.raises(PoolError):
        hunt_new(hub, Failing(memory))  # type: ignore[arg-type]
    assert hub.store.retro.mark().at is None
    assert hunt_new(hub, memory).indicators == 2
    assert [hit.observed for hit in retro(hub)] == ["a.example", "b.example"]


def test_two_do_not_hunt_at_the_same_time(
    hub: Hub, memory: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hunting, "_WAIT_S", 0.0)
    with exclusive(hub.lock_file("hunt"), "another"), pytest.raises(BusyError, match="another"):
        hunt_new(hub, memory)


def test_a_domain_that_is_published_exactly_is_met_as_the_domain(
    hub: Hub, memory: Pool, see: Say
) -> None:
    see("gate", (1, "10.0.0.7", "duckdns.org"), (1, "10.0.0.7", "evil.duckdns.org"))
    see("gate", (1, "10.0.0.8", "duckdns.org"))
    key = Key(IndicatorType.DOMAIN, "duckdns.org")
    lists(hub, "feed", "duckdns.org")
    at = datetime(2026, 3, 1, 10, tzinfo=UTC)
    live = Hit(
        key=key,
        observed="duckdns.org",
        buffer="dns.query",
        sensor="gate",
        client="10.0.0.8",
        server="192.0.2.53",
        origin="live",
        first_seen=at,
        last_seen=at,
        count=1,
    )
    hub.store.fleet.add_hits("gate", [(live, [])], b"{}", {})
    hunted = hunt_new(hub, memory)
    (hit,) = retro(hub)
    assert (hit.type, hit.value, hit.observed, hit.client) == (
        "domain",
        "duckdns.org",
        "duckdns.org",
        "10.0.0.7",
    )
    assert hit.contexts[0]["source"] == "feed"
    assert hunted.alerted == 1, "an alert tells of the other client already"
    assert hub.store.firing.of(key) is not None
