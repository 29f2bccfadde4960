"""What the pool promises (vedette.pool.store), on both engines, the second over the real wire.

Each case runs embedded (chDB in this process) and remote (clickhouse-connect over HTTP). What it
must answer is computed by vedette.testing.plain_pool, with lists and loops.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec
import pyarrow as pa
import pytest

from vedette.config import PoolSettings
from vedette.errors import PoolError
from vedette.fields import FIELDS, Match, places
from vedette.model import IndicatorType, Key
from vedette.observe.folded import OBSERVATIONS, SIGHTINGS, Folded, Hour
from vedette.pool.backend import Backend
from vedette.pool.keeping import expire
from vedette.pool.records import Cursor, Found, NewSighting, Place, Sighting, Wanted
from vedette.pool.store import Pool
from vedette.testing.plain_pool import Answer, PlainPool, Recorded, Seen, fold

T = IndicatorType
START = datetime(2026, 11, 2, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
EVERYTHING = Wanted(limit=0)

Opener = Callable[[], Pool]


@pytest.fixture
def reopen(pool_backend: Backend) -> Opener:
    """Open the pool again, as the next process would: it reads what it knows from the store."""
    return lambda: Pool(pool_backend, PoolSettings(learning="1d"))


@pytest.fixture
def pool(reopen: Opener) -> Pool:
    return reopen()


def commit(pool: Pool, *seen: Seen, sensor: str = "s1", token: str = "") -> int:
    return pool.commit(fold(seen), sensor=sensor, token=token or f"{sensor}:{random.random()}")


def listed(pool: Pool, wanted: Wanted = EVERYTHING) -> list[str]:
    return [one.value for one in pool.sightings(wanted)]


# -- what is committed, in whatever order and however often -------------------------------


def some_events(rng: random.Random, count: int) -> list[Recorded]:
    """Make events of few values, hosts, moments and sensors, so that all of them meet."""
    values = [
        ("dns.query", "www.example.org"),
        ("dns.query", "example.org"),
        ("tls.sni", "www.example.org"),
        ("ip.src", "203.0.113.9"),
        ("filesha256", "ab" * 32),
        ("http.user_agent", "Mozilla/5.0 (\u043c\u0438\u0440; \U0001f600)"),
    ]
    return [
        Recorded(
            Seen(
                *rng.choice(values),
                START + rng.randrange(40) * 3 * HOUR + timedelta(microseconds=rng.randrange(3)),
                rng.choice(["10.0.0.1", "10.0.0.2", "fd00::7"]),
                rng.choice(["192.0.2.1", "192.0.2.2"]),
                rng.randrange(1, 1 << 52),
            ),
            rng.choice(["s1", "s2"]),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_it_remembers_all_events_once_whatever_comes_when_and_again(
    reopen: Opener, seed: int
) -> None:
    rng = random.Random(seed)
    recorded = some_events(rng, 300)
    batches: list[tuple[str, str, list[Seen]]] = []
    for number in range(0, len(recorded), 30):
        for sensor in ("s1", "s2"):
            part = [one.seen for one in recorded[number : number + 30] if one.sensor == sensor]
            batches.append((sensor, f"{sensor}:{number}", part))
    rng.shuffle(batches)
    pool = reopen()
    done: list[tuple[str, str, list[Seen]]] = []
    new = 0
    for batch in batches:
        new += commit(pool, *batch[2], sensor=batch[0], token=batch[1])
        done.append(batch)
        if rng.random() < 0.3:
            pool = reopen()
        for sensor, token, seen in rng.sample(done, min(2, len(done))):
            assert commit(pool, *seen, sensor=sensor, token=token) == 0
    plain = PlainPool(recorded)
    assert by_value(pool.sightings(EVERYTHING)) == plain.sightings()
    assert new == pool.known == len(plain.sightings())
    for one in plain.sightings():
        place = Place(one["field"], one["value"])
        assert plainly(pool.seen([place])) == [one]
        assert by_ends(plainly(pool.who([place]))) == by_ends(plain.who(place.field, place.value))
        assert plainly(pool.days([place])) == plain.days(place.field, place.value)


def plainly(found: Iterable[msgspec.Struct]) -> list[Answer]:
    return [msgspec.structs.asdict(one) for one in found]


def by_value(found: Iterable[Sighting]) -> list[Answer]:
    return sorted(plainly(found), key=lambda one: (one["field"], one["value"]))


def by_ends(found: list[Answer]) -> list[Answer]:
    return sorted(found, key=lambda w: (w["last_seen"], w["client"], w["server"], w["sensor"]))


def test_new_sightings_are_each_value_once_from_the_batch_that_brought_it(reopen: Opener) -> None:
    pool = reopen()
    later, earlier = Seen("tls.sni", "a.example", START + HOUR, "10.0.0.2"), START
    assert commit(pool, later, token="t1") == 1
    assert commit(pool, Seen("tls.sni", "a.example", earlier), token="t2") == 0
    pool = reopen()
    assert commit(pool, later, token="t1") == 0
    assert commit(pool, later, Seen("dns.query", "a.example", START), token="t3") == 1
    found = list(pool.new(Wanted(learning=True)))
    assert [(one.field, one.value, one.first_seen) for one in found] == [
        ("tls.sni", "a.example", later.at),
        ("dns.query", "a.example", START),
    ]
    (first,) = pool.seen([Place("tls.sni", "a.example")])
    assert (first.first_seen, first.count, first.client) == (earlier, 3, "10.0.0.1")


def test_of_equally_early_observations_the_least_is_first(pool: Pool) -> None:
    for client, sensor in (("10.0.0.9", "s1"), ("10.0.0.3", "s2"), ("10.0.0.3", "s1")):
        commit(pool, Seen("dns.query", "a.example", START, client), sensor=sensor)
    (found,) = pool.sightings(EVERYTHING)
    assert (found.client, found.sensor, found.hosts) == ("10.0.0.3", "s1", 2)


ODD_VALUES = {
    "quotes": "it's \"quoted\" `so` \\n \\'",
    "control": "tab\tline\nreturn\rbell\x07escape\x1b",
    "nul": "before\0after",
    "unicode": "\u0442\u0435\u0441\u0442.\u4f8b\u3048 \U0001f600 e\u0301",
    "replacement": "\ufffd\ufffd",
    "placeholder": "{value:String} %s %(a)s $1 :name",
    "null": "\\N",
    "number": "0",
    "long": "x" * 8_191 + "\u00e9",
    "wildcards": "100%_*?[a-z]",
    "space": " ",
}


@pytest.mark.parametrize("name", ODD_VALUES)
def test_values_come_back_byte_for_byte_and_are_found(reopen: Opener, name: str) -> None:
    value = ODD_VALUES[name]
    pool = reopen()
    seen = [Seen("http.user_agent", value, START), Seen("http.user_agent", f"{value}x", START)]
    assert commit(pool, *seen, token="t1") == 2
    assert commit(reopen(), *seen, token="t2") == 0, "the engine's hash and ours differ"
    place = Place("http.user_agent", value)
    (found,) = pool.seen([place])
    assert (found.value, found.count) == (value, 2)
    assert [one.value for one in pool.who([place])] == [value]
    assert value in listed(pool, Wanted(contains=value))
    assert [one.observed for one in pool.found([Key(T.USER_AGENT, value)])] == [value]
    assert value in [one.value for one in pool.new(Wanted(learning=True))]


@pytest.mark.parametrize(
    "at",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(2106, 2, 7, 6, 28, 15, 999_999, tzinfo=UTC),
    ],
    ids=str,
)
def test_times_are_exact_from_1970_to_2106(pool: Pool, at: datetime) -> None:
    commit(pool, Seen("dns.query", "a.example", at))
    (found,) = pool.sightings(EVERYTHING)
    assert (found.first_seen, found.last_seen) == (at, at)
    assert [one.day for one in pool.days([Place("dns.query", "a.example")])] == [at.date()]
    (who,) = pool.who([Place("dns.query", "a.example")])
    assert (who.first_seen, who.days) == (at, 1)
    assert pool.coverage().sensors[0].last_seen == at
    assert [one.first_seen for one in pool.new(Wanted(learning=True))] == [at]


def test_a_batch_over_many_weeks_is_taken_in_once(reopen: Opener) -> None:
    seen = [Seen("dns.query", "a.example", START - week * 7 * DAY) for week in range(150)]
    for pool in (reopen(), reopen()):
        commit(pool, *seen, token="t1")
    assert [one.count for one in pool.days([Place("dns.query", "a.example")])] == [1] * 150


def test_a_large_batch_is_one_part_of_each_table(pool: Pool) -> None:
    seen = [Seen("dns.query", f"n{n}.example", START, flow_id=n) for n in range(20_000)]
    assert commit(pool, *seen) == 20_000
    assert {(one.table, one.rows, one.parts) for one in pool.sizes()} == {
        ("sightings", 20_000, 1),
        ("observations", 20_000, 1),
        ("new_sightings", 20_000, 1),
        ("coverage", 1, 1),
    }
    assert all(one.bytes > 0 for one in pool.sizes())


# -- an empty pool ------------------------------------------------------------------------


def test_an_empty_pool_answers_everything_with_nothing(pool: Pool) -> None:
    place = Place("dns.query", "a.example")
    assert list(pool.sightings(EVERYTHING)) == []
    assert list(pool.sightings(Wanted(host="10.0.0.1", sensor="s1", contains="x"))) == []
    assert pool.seen([place]) == pool.seen([]) == []
    assert pool.who([place]) == pool.who([]) == []
    assert pool.days([place]) == pool.days([]) == []
    assert list(pool.new(Wanted(learning=True))) == []
    assert list(pool.found([Key(T.DOMAIN, "a.example")])) == list(pool.found([])) == []
    (found,) = pool.prevalence([Key(T.DOMAIN, "a.example")], days=30)
    assert (found.hosts, found.count, found.days, found.first_seen) == (0, 0, 0, None)
    coverage = pool.coverage()
    assert (coverage.sensors, coverage.observations_since, coverage.learning_until) == (
        (),
        None,
        None,
    )
    assert pool.expire().partitions == ()
    assert pool.known == 0
    for table in ("sightings", "observations", "new_sightings", "coverage"):
        assert sum(batch.num_rows for batch in pool.rows(table)) == 0


def test_a_batch_without_events_changes_nothing(pool: Pool) -> None:
    assert commit(pool) == 0
    assert [one.rows for one in pool.sizes()] == [0, 0, 0, 0]


# -- questions ----------------------------------------------------------------------------


@pytest.fixture
def asked(pool: Pool) -> Pool:
    """A pool with a few values of a few hosts."""
    commit(
        pool,
        Seen("dns.query", "mail.Example.org".lower(), START, "10.0.0.1"),
        Seen("dns.query", "example.org", START + DAY, "10.0.0.2"),
        Seen("tls.sni", "www.example.org", START + 2 * DAY, "10.0.0.1", "192.0.2.7"),
        Seen("tls.sni", "notexample.org", START + 3 * DAY, "10.0.0.2"),
    )
    commit(
        pool,
        Seen("http.user_agent", "Curl/8 (\u00c4pfel)", START + 4 * DAY, "10.0.0.3"),
        Seen("ip.src", "203.0.113.9", START + 4 * DAY + HOUR, "203.0.113.9", "10.0.0.1"),
        sensor="s2",
    )
    return pool


ALL = ["203.0.113.9", "Curl/8 (\u00c4pfel)", "notexample.org", "www.example.org", "example.org"]
ALL.append("mail.example.org")


@pytest.mark.parametrize(
    ("wanted", "values"),
    [
        (Wanted(), ALL),
        (Wanted(limit=2), ALL[:2]),
        (Wanted(fields=("tls.sni", "dns.query")), ALL[2:]),
        (Wanted(fields=("nothing",)), []),
        (Wanted(contains="EXAMPLE.org"), ALL[2:]),
        (Wanted(contains="\u00e4PFEL"), ALL[1:2]),
        (Wanted(contains="%"), []),
        (Wanted(below="example.org"), ALL[3:]),
        (Wanted(since=START + 2 * DAY), ALL[:4]),
        (Wanted(since=START + 2 * DAY + timedelta(microseconds=1)), ALL[:3]),
        (Wanted(until=START + DAY), ALL[5:]),
        (Wanted(host="10.0.0.1"), [ALL[0], ALL[3], ALL[5]]),
        (Wanted(host="192.0.2.7"), ALL[3:4]),
        (Wanted(host="10.0.0.99"), []),
        (Wanted(sensor="s2"), ALL[:2]),
        (Wanted(sensor="s1", host="10.0.0.2"), [ALL[2], ALL[4]]),
        (Wanted(host="10.0.0.1", below="example.org", until=START + DAY, limit=1), ALL[5:]),
    ],
    ids=lambda wanted: str(wanted)[:60] if isinstance(wanted, Wanted) else "",
)
def test_sightings_are_chosen(asked: Pool, wanted: Wanted, values: list[str]) -> None:
    assert listed(asked, wanted) == values


@pytest.mark.parametrize("limit", [0, 1])
def test_what_is_chosen_by_its_last_day_has_its_first_one_too(pool: Pool, limit: int) -> None:
    for day in (0, 5, 9):
        commit(pool, Seen("dns.query", "a.example", START + day * DAY, f"10.0.0.{day}"))
    for wanted in (
        Wanted(since=START + 9 * DAY, limit=limit),
        Wanted(until=START + timedelta(seconds=1), limit=limit),
        Wanted(host="10.0.0.5", limit=limit),
    ):
        (found,) = pool.sightings(wanted)
        assert (found.first_seen, found.last_seen) == (START, START + 9 * DAY)
        assert (found.count, found.hosts, found.patient_zero) == (3, 3, "10.0.0.0")
    assert list(pool.sightings(Wanted(since=START + 10 * DAY, limit=limit))) == []


@pytest.mark.parametrize("few", [0, 50_000])
def test_hosts_that_show_few_values_and_hosts_that_show_many(
    pool: Pool, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.pool.listing._FEW", few)
    monkeypatch.setattr("vedette.pool.listing._MORE", 2)
    for number in range(40):
        # Seen last: by the other host; several rows of each value.
        at = START + number * HOUR
        commit(pool, Seen("dns.query", f"n{number:02}.example", at, f"10.0.0.{number % 2}"))
        commit(pool, Seen("dns.query", f"n{number:02}.example", at + DAY / 48, "10.0.0.7"))
    expected = [f"n{number:02}.example" for number in range(38, -1, -2)]
    assert listed(pool, Wanted(host="10.0.0.0")) == expected
    assert listed(pool, Wanted(host="10.0.0.0", limit=3)) == expected[:3]
    assert listed(pool, Wanted(host="10.0.0.0", limit=0)) == expected
    middle = START + 20 * HOUR
    assert listed(pool, Wanted(host="10.0.0.0", until=middle, limit=4)) == expected[10:14]
    assert listed(pool, Wanted(host="10.0.0.0", since=middle)) == expected[:10]
    assert len(listed(pool, Wanted(limit=0))) == 40
    assert listed(pool, Wanted(limit=39))[-1] == "n01.example"


def test_a_card_is_about_all_places_and_the_names_below(asked: Pool) -> None:
    places_ = [Place("dns.query", "example.org", True), Place("tls.sni", "example.org", True)]
    assert [one.value for one in asked.seen(places_)] == [
        "mail.example.org",
        "example.org",
        "www.example.org",
    ]
    assert [(one.value, one.client) for one in asked.who(places_)] == [
        ("www.example.org", "10.0.0.1"),
        ("example.org", "10.0.0.2"),
        ("mail.example.org", "10.0.0.1"),
    ]
    assert [one.value for one in asked.who(places_, limit=1)] == ["www.example.org"]
    assert [(one.day - START.date(), one.count, one.hosts) for one in asked.days(places_)] == [
        (DAY * 0, 1, 1),
        (DAY * 1, 1, 1),
        (DAY * 2, 1, 1),
    ]


def test_many_places_are_one_question(pool: Pool) -> None:
    seen = [Seen("dns.query", f"n{n}.example", START, f"10.0.0.{n % 9}") for n in range(3_000)]
    seen += [Seen("tls.sni", f"n{n}.example", START) for n in range(3_000)]
    commit(pool, *seen)
    places_ = [Place("dns.query", f"n{n}.example") for n in range(0, 6_000, 2)]
    places_ += [Place("tls.sni", "n1.example"), Place("tls.sni", "'"), places_[0]]
    assert len(pool.seen(places_)) == len(pool.who(places_)) == 1_501
    assert {one.client for one in pool.who(places_) if one.field == "tls.sni"} == {"10.0.0.1"}
    below = Place("tls.sni", "example", True)
    assert len(pool.seen([*places_, below])) == 4_500
    assert pool.days(places_)[0].count == 1_501


def test_our_end_of_an_address_that_came_to_us_is_the_server(asked: Pool) -> None:
    (found,) = asked.seen([Place("ip.src", "203.0.113.9")])
    assert (found.patient_zero, found.client, found.hosts) == ("10.0.0.1", "203.0.113.9", 1)


# -- new sightings ------------------------------------------------------------------------


def test_the_learning_period_begins_with_the_first_traffic(pool: Pool) -> None:
    commit(pool, Seen("dns.query", "old.example", START))
    later = START.replace(minute=0) + DAY
    commit(pool, Seen("dns.query", "learnt.example", later - timedelta(microseconds=1)))
    commit(pool, Seen("dns.query", "new.example", later))
    assert pool.coverage().learning_until == later
    assert [one.value for one in pool.new(Wanted())] == ["new.example"]
    assert [(one.value, one.learning) for one in pool.new(Wanted(learning=True))] == [
        ("old.example", True),
        ("learnt.example", True),
        ("new.example", False),
    ]


def test_a_few_events_of_a_wrong_clock_do_not_end_the_learning(pool: Pool) -> None:
    commit(pool, Seen("dns.query", "a.example", datetime(1970, 1, 1, tzinfo=UTC)))
    commit(pool, *(Seen("dns.query", f"n{n}.example", START) for n in range(2_000)))
    assert pool.coverage().learning_until == START.replace(minute=0) + DAY


def test_new_sightings_are_read_on_from_where_a_reader_stopped(pool: Pool) -> None:
    read: list[NewSighting] = []
    cursor: Cursor | None = None
    for batch in range(4):
        names = [Seen("dns.query", f"{n}.b{batch}.example", START) for n in range(25)]
        commit(pool, *names)
        while part := list(pool.new(Wanted(learning=True, limit=10), cursor)):
            read += part
            cursor = Cursor(found_at=part[-1].found_at, field=part[-1].field, value=part[-1].value)
    assert len(read) == len({one.value for one in read}) == 100
    assert [one.found_at for one in read] == sorted(one.found_at for one in read)
    assert read == list(pool.new(Wanted(learning=True, limit=0)))


def test_new_sightings_are_chosen(asked: Pool) -> None:
    def new(**wanted: object) -> list[str]:
        return [one.value for one in asked.new(Wanted(learning=True, **wanted))]  # type: ignore[arg-type]

    assert new(fields=("tls.sni",)) == ["notexample.org", "www.example.org"]
    assert new(host="10.0.0.2", contains="NOT") == ["notexample.org"]
    assert new(sensor="s2", limit=1) == ["Curl/8 (\u00c4pfel)"]
    assert new(below="example.org", fields=("dns.query",)) == ["example.org", "mail.example.org"]
    assert new(since=datetime.now(UTC) + HOUR) == []
    assert len(new(since=datetime.now(UTC) - HOUR)) == 6
    assert new(until=datetime.now(UTC) - HOUR) == []
    assert len(new(latest=True)) == 6
    assert new(latest=True, limit=1) == ["203.0.113.9"]


def test_a_clock_that_jumps_backwards_does_not_hide_new_sightings(
    reopen: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = reopen()
    commit(pool, Seen("dns.query", "a.example", START))
    (one,) = pool.new(Wanted(learning=True))
    cursor = Cursor(found_at=one.found_at, field=one.field, value=one.value)

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return (one.found_at - DAY).astimezone(tz)

    monkeypatch.setattr("vedette.pool.store.datetime", Yesterday)
    pool = reopen()
    commit(pool, Seen("dns.query", "0.example", START))
    assert [new.value for new in pool.new(Wanted(learning=True), cursor)] == ["0.example"]


# -- hunts --------------------------------------------------------------------------------

EXAMPLES: dict[Match, tuple[str, str]] = {
    Match.EXACT: ("a-value", "a-value"),
    Match.SUBDOMAIN: ("evil.example", "www.evil.example"),
    Match.NETWORK: ("198.51.100.0/24", "198.51.100.77"),
    Match.PATH: ("/gate.php?id=1", "evil.example:8080/gate.php?id=1"),
}
"""An indicator of each way of comparing, and what the network showed."""

HUNTED = [(field.name, kind, match) for field in FIELDS for kind, match in field.hunted]


def test_every_indicator_type_is_looked_for_in_all_its_fields(pool: Pool) -> None:
    seen = [
        Seen(field, EXAMPLES[match][1], START, "10.0.0.1", "10.0.0.2") for field, _, match in HUNTED
    ]
    commit(pool, *seen)
    kinds = {kind for _, kind, _ in HUNTED}
    keys = [
        Key(kind, EXAMPLES[match][0])
        for kind in kinds
        for match in {place.match for place in places(kind)}
    ]
    found = {(one.field, one.type, one.match) for one in pool.found(keys)}
    assert found == {(field, kind.value, match.value) for field, kind, match in HUNTED}


@pytest.mark.parametrize(
    ("kind", "indicator", "field", "observed", "match"),
    [
        (T.DOMAIN, "evil.example", "dns.query", "evil.example", "subdomain"),
        (T.DOMAIN, "evil.example", "tls.sni", "a.b.evil.example", "subdomain"),
        (T.DOMAIN, "evil.example", "dns.query", "notevil.example", ""),
        (T.DOMAIN, "evil.example", "dns.query", "evil.example.org", ""),
        (T.DOMAIN, "evil.example", "http.user_agent", "evil.example", ""),
        (T.HOSTNAME, "www.evil.example", "dns.query", "www.evil.example", "exact"),
        (T.HOSTNAME, "www.evil.example", "dns.query", "a.www.evil.example", ""),
        (T.DOMAIN, "xn--e1afmkfd.example", "quic.sni", "www.xn--e1afmkfd.example", "subdomain"),
        (T.IP_DST, "198.51.100.7", "ip.dst", "198.51.100.7", "network"),
        (T.IP_DST, "198.51.100.0/24", "ip.dst", "198.51.100.255", "network"),
        (T.IP_DST, "198.51.100.0/24", "ip.dst", "198.51.101.0", ""),
        (T.IP_DST, "198.51.100.4/30", "dns.response.ip", "198.51.100.7", "network"),
        (T.IP_DST, "198.51.100.4/30", "dns.response.ip", "198.51.100.8", ""),
        (T.IP_DST, "0.0.0.0/1", "ip.dst", "127.255.255.255", "network"),
        (T.IP_DST, "198.51.100.7/32", "ip.dst", "198.51.100.7", "network"),
        (T.IP_DST, "2001:db8:a::/48", "ip.dst", "2001:db8:a:ffff::1", "network"),
        (T.IP_DST, "2001:db8:a::/48", "ip.dst", "2001:db8:b::1", ""),
        (T.IP_DST, "2001:db8::/32", "ip.dst", "198.51.100.7", ""),
        (T.IP_DST, "::/1", "ip.dst", "7fff::1", "network"),
        (T.IP_DST, "198.51.100.0/24", "http.host", "198.51.100.1", "network"),
        (T.IP_DST, "198.51.100.0/24", "http.host", "www.example.org", ""),
        (T.IP_SRC, "203.0.113.0/24", "ip.src", "203.0.113.9", "network"),
        (T.IP_SRC, "203.0.113.0/24", "ip.dst", "203.0.113.9", ""),
        (T.IP_DST_PORT, "198.51.100.7,443", "ip.dst.port", "198.51.100.7,443", "exact"),
        (T.IP_DST_PORT, "198.51.100.7,443", "ip.dst.port", "198.51.100.7,44", ""),
        (T.URL, "evil.example/a/24", "http.url", "evil.example/a/24", "exact"),
        (T.URL, "evil.example/24", "http.url", "evil.example/24", "exact"),
        (T.URI, "/a?b=c", "http.url", "any.example:81/a?b=c", "path"),
        (T.URI, "/a", "http.url", "any.example/x/a", ""),
        (T.SHA256, "ab" * 32, "filesha256", "ab" * 32, "exact"),
        (T.SHA256, "ab" * 32, "filesha256", "cd" * 32, ""),
        (T.IP_SRC_PORT, "203.0.113.9,1", "ip.src", "203.0.113.9", ""),
    ],
)
def test_what_an_indicator_meets(
    pool: Pool, *, kind: T, indicator: str, field: str, observed: str, match: str
) -> None:
    commit(pool, Seen(field, observed, START), Seen("dns.query", "other.test", START))
    found = [(one.observed, one.match) for one in pool.found([Key(kind, indicator)])]
    assert found == ([(observed, match)] if match else [])
    (prevalence,) = pool.prevalence([Key(kind, indicator)], days=36_500)
    assert prevalence.count == (1 if match else 0)
    assert prevalence.first_seen == (START if match else None)


def test_what_a_hunt_found_says_who_and_when(pool: Pool) -> None:
    recorded = some_events(random.Random(3), 200)
    for number, one in enumerate(recorded):
        if number < 20:
            commit(pool, one.seen, sensor=one.sensor)
    for sensor in ("s1", "s2"):
        commit(pool, *(one.seen for one in recorded[20:] if one.sensor == sensor), sensor=sensor)
    keys = [Key(T.DOMAIN, "example.org"), Key(T.IP_SRC, "203.0.113.0/24"), Key(T.MD5, "0" * 32)]
    expected = [one for one in PlainPool(recorded).sightings() if one["field"] in HUNT_FIELDS]
    found = plainly(pool.found(keys))
    assert len(found) == len(expected) == 4
    for one in expected:
        one["observed"] = one.pop("value")
        assert any(one.items() <= answer.items() for answer in found)


HUNT_FIELDS = {"dns.query", "tls.sni", "ip.src"}


def test_a_long_list_is_hunted_at_once_and_in_order(pool: Pool) -> None:
    commit(pool, *(Seen("dns.query", f"n{n}.example", START) for n in range(2_000)))
    keys = [Key(T.DOMAIN, f"n{n}.example") for n in range(1_990, 30_000)]
    keys += [Key(T.SHA256, f"{n:064x}") for n in range(10_000)]
    found = list(pool.found(iter(keys)))
    assert [one.indicator for one in found] == sorted(f"n{n}.example" for n in range(1_990, 2_000))
    answers = list(pool.prevalence(iter(keys), days=36_500))
    assert [(one.type, one.value) for one in answers] == [(k.type.value, k.value) for k in keys]
    assert sum(one.count for one in answers) == 10


def test_more_than_one_join_takes_finds_the_same(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(pool, *(Seen("dns.query", f"n{n}.example", START) for n in range(50)))
    keys = [Key(T.DOMAIN, f"n{n}.example") for n in range(60)]

    def answers() -> list[Found]:
        return sorted(pool.found(keys), key=lambda one: one.indicator)

    whole = answers()
    monkeypatch.setattr("vedette.pool.hunting.KEYS_AT_ONCE", 7)
    assert answers() == whole
    assert len(whole) == 50


def test_prevalence_counts_hosts_and_days_in_the_window(pool: Pool) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    commit(
        pool,
        Seen("dns.query", "a.cdn.example", today, "10.0.0.1"),
        Seen("tls.sni", "b.cdn.example", today, "10.0.0.1"),
        Seen("tls.sni", "cdn.example", today - DAY, "10.0.0.2"),
        Seen("tls.sni", "cdn.example", today - 6 * DAY, "10.0.0.3"),
        Seen("tls.sni", "cdn.example", today - 7 * DAY, "10.0.0.4"),
    )
    (found,) = pool.prevalence([Key(T.DOMAIN, "cdn.example")], days=7)
    assert (found.hosts, found.count, found.days) == (3, 4, 3)
    assert found.first_seen == today - 7 * DAY


# -- how much is there --------------------------------------------------------------------


def test_coverage_tells_hours_and_gaps_of_each_sensor(pool: Pool) -> None:
    hours = [0, 1, 2, 10, 11, 50]
    start = START.replace(minute=0)
    commit(pool, *(Seen("dns.query", "a.example", start + n * HOUR) for n in hours))
    commit(pool, Seen("dns.query", "a.example", start + 2 * HOUR), sensor="s2")
    coverage = pool.coverage()
    one, two = coverage.sensors
    assert (one.sensor, one.events, one.hours, one.gap_hours) == ("s1", 6, 6, 7 + 38)
    assert [(gap.since, gap.until) for gap in one.gaps] == [
        (start + 12 * HOUR, start + 50 * HOUR),
        (start + 3 * HOUR, start + 10 * HOUR),
    ]
    assert (one.first_seen, one.last_seen) == (start, start + 50 * HOUR)
    assert (two.sensor, two.gaps, two.gap_hours) == ("s2", (), 0)
    assert coverage.observations_since == START.date()


def test_whole_tables_are_read_merged_and_in_order(pool: Pool) -> None:
    recorded = some_events(random.Random(4), 100)
    for one in recorded[:10]:
        commit(pool, one.seen, sensor=one.sensor)
    for sensor in ("s1", "s2"):
        commit(pool, *(one.seen for one in recorded[10:] if one.sensor == sensor), sensor=sensor)
    sightings = pa.Table.from_batches(list(pool.rows("sightings"))).to_pylist()
    expected = PlainPool(recorded).sightings()
    assert [(row["field"], row["value"], row["count"]) for row in sightings] == [
        (one["field"], one["value"], one["count"]) for one in expected
    ]
    observations = pa.Table.from_batches(list(pool.rows("observations")))
    assert sum(observations.column("count").to_pylist()) == 100
    assert len(next(iter(pool.rows("coverage")))) > 1
    new = pa.Table.from_batches(list(pool.rows("new_sightings")))
    assert new.num_rows == len(expected)


# -- the retention ------------------------------------------------------------------------


def days_left(pool: Pool) -> list[date]:
    return [one.day for one in pool.days([Place("dns.query", "a.example")])]


def wait_for_days(pool: Pool, days: list[date]) -> None:
    """Wait until the engine has rewritten what is left of a week."""
    deadline = time.monotonic() + 30
    while days_left(pool) != days and time.monotonic() < deadline:
        time.sleep(0.05)
    assert days_left(pool) == days


def test_the_retention_drops_days_and_keeps_sightings(pool: Pool) -> None:
    today = START.date() + 20 * DAY
    commit(pool, *(Seen("dns.query", "a.example", START + n * DAY) for n in range(21)))
    dropped = expire(pool.backend, retention=10 * DAY, today=today)
    assert dropped.partitions == ("2026-11-02",)
    assert dropped.rows == 10
    assert dropped.bytes > 0
    wait_for_days(pool, [today - n * DAY for n in range(10, -1, -1)])
    assert pool.coverage().observations_since == today - 10 * DAY
    (one,) = pool.sightings(EVERYTHING)
    assert (one.count, one.first_seen) == (21, START)
    assert expire(pool.backend, retention=10 * DAY, today=today).rows == 0


def test_the_retention_by_bytes_drops_the_oldest_first(pool: Pool) -> None:
    today = START.date() + 20 * DAY
    for n in range(21):
        names = [f"n{k}.d{n}.example" for k in range(200)]
        commit(pool, *(Seen("dns.query", name, START + n * DAY) for name in [*names, "a.example"]))
    taken = next(one.bytes for one in pool.sizes() if one.table == "observations")
    keep = {"retention": 1_000 * DAY, "today": today}
    assert expire(pool.backend, retention_bytes=2 * taken, **keep).rows == 0  # type: ignore[arg-type]
    dropped = expire(pool.backend, retention_bytes=taken * 3 // 4, **keep)  # type: ignore[arg-type]
    assert dropped.partitions == ("2026-11-02",)
    assert len(days_left(pool)) == 14
    expire(pool.backend, retention_bytes=1, **keep)  # type: ignore[arg-type]
    wait_for_days(pool, [today])
    assert len(listed(pool)) == 21 * 200 + 1


def test_days_of_a_clock_in_the_future_do_not_push_out_real_ones(pool: Pool) -> None:
    future = datetime(2099, 1, 1, tzinfo=UTC)
    commit(pool, Seen("dns.query", "a.example", START), Seen("dns.query", "a.example", future))
    expire(pool.backend, retention=1_000 * DAY, retention_bytes=1, today=START.date() + DAY)
    assert days_left(pool) == [START.date(), future.date()]


# -- several at once, and when something fails ---------------------------------------------


def test_others_read_while_one_commits_and_expires(pool: Pool) -> None:
    errors: list[BaseException] = []
    stop = threading.Event()
    counts: list[int] = []

    def read() -> None:
        try:
            while not stop.is_set():
                counts.append(sum(one.count for one in pool.sightings(EVERYTHING)))
                list(pool.found([Key(T.DOMAIN, "example")]))
                pool.coverage()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(12):
        seen = [Seen("dns.query", f"n{n}.example", START + number * DAY) for n in range(100)]
        commit(pool, *seen)
        expire(pool.backend, retention=2 * DAY, today=START.date() + number * DAY)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(one.count for one in pool.sightings(EVERYTHING)) == 1_200
    assert max(counts) > 0


def test_a_statement_that_fails_is_an_error_and_nothing_else_happens(pool: Pool) -> None:
    backend = pool.backend
    with pytest.raises(PoolError, match="UNKNOWN_TABLE") as raised:
        backend.query(f"SELECT 1 FROM {backend.database}.nothing")
    assert raised.value.hint
    with pytest.raises(PoolError):
        backend.command("NOT SQL AT ALL")
    with pytest.raises(PoolError):
        list(backend.stream(f"SELECT * FROM {backend.database}.nothing"))
    with pytest.raises(PoolError):
        backend.insert("nothing", pa.table({"a": [1]}), token="t")
    commit(pool, Seen("dns.query", "a.example", START))
    assert listed(pool) == ["a.example"]


def scratches(backend: Backend) -> list[str]:
    table = backend.query(
        "SELECT name FROM system.tables WHERE database = {database:String}"
        " AND name LIKE 'scratch%'",
        {"database": backend.database},
    )
    return [str(name) for name in table.column("name").to_pylist()]


def test_a_scratch_table_is_gone_afterwards_whatever_happened(pool: Pool) -> None:
    backend = pool.backend
    rows = pa.table({"a": ["x", "\u00e9'"], "n": pa.array([1, 2], pa.uint8())})
    with backend.scratch(rows) as name:
        assert backend.query(f"SELECT a, n FROM {name} ORDER BY n").to_pylist() == rows.to_pylist()
        assert len(scratches(backend)) == 1
    with pytest.raises(ZeroDivisionError), backend.scratch(rows):
        raise ZeroDivisionError
    assert scratches(backend) == []


def test_a_long_answer_is_streamed(pool: Pool) -> None:
    batches = list(pool.backend.stream("SELECT number AS n FROM numbers(300000)"))
    assert len(batches) > 1
    assert pa.Table.from_batches(batches).column("n").to_pylist() == list(range(300_000))
    first = next(pool.backend.stream("SELECT number AS n FROM numbers(3000000)"))
    assert first.num_rows < 3_000_000
    assert pool.known == 0


def test_tables_of_a_newer_vedette_are_left_alone(reopen: Opener, pool_backend: Backend) -> None:
    reopen()
    table = f"{pool_backend.database}.sightings"
    pool_backend.command(f"ALTER TABLE {table} MODIFY COMMENT 'vedette schema 999'")
    with pytest.raises(PoolError, match="999"):
        reopen()


def test_events_of_a_wrong_clock_do_not_hide_that_a_sensor_is_silent(pool: Pool) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = tuple(
        Hour(int(at.timestamp()), int(at.timestamp()) * 10**6, int(at.timestamp()) * 10**6, n)
        for at, n in ((now - 3 * DAY, 5), (now + 20_000 * DAY, 2))
    )
    pool.commit(
        Folded(OBSERVATIONS.empty_table(), SIGHTINGS.empty_table(), hours, {}),
        sensor="edge",
        token="ahead",
    )
    (edge,) = pool.coverage().sensors
    assert (edge.last_seen, edge.events, edge.ahead) == (now - 3 * DAY, 7, 2)
    assert edge.gaps == ()
