"""What the sieve lets through is enough: the hub finds the hits that all of EVE would give it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.agent.sieve import Sieve, last_time
from vedette.buffers import Profile
from vedette.hits import HitReader
from vedette.model import Context, Entry, IndicatorType, Key

BASE = 1_400_000
START = datetime(2026, 11, 24, 7, tzinfo=UTC)
DNS, COOKIE, URL = 1100, 3700, 3100


def listed(keys: Iterable[Key]) -> Mapping[Key, list[Entry]]:
    """Everything is listed, so that each value is told from the others."""
    return {
        key: [Entry(source="s", key=key, ref="", context=Context(key="e"), comment="", tags=())]
        for key in keys
        if key.type in {IndicatorType.HOSTNAME, IndicatorType.COOKIE, IndicatorType.URL}
    }


def event(kind: str, at: int, flow: int, tx: int, **fields: Any) -> bytes:
    time = (START + timedelta(seconds=at)).isoformat()
    common = {"timestamp": time, "flow_id": flow, "event_type": kind, "tx_id": tx}
    return msgspec.json.encode({**common, "src_ip": "10.0.0.5", **fields}) + b"\n"


def alert(sid: int, at: int, flow: int, tx: int, **fields: Any) -> bytes:
    said = {"gid": 1, "signature_id": BASE + sid}
    return event("alert", at, flow, tx, alert=said, **fields)


FLOWS, TXS = st.integers(1, 4), st.integers(0, 2)
HOSTS = st.sampled_from(["a.example", "b.example", "c.example"])
DNS_OF = st.builds(lambda host: {"dns": {"queries": [{"rrname": host}]}}, HOSTS)
HTTP_OF = st.one_of(
    st.just({"http": {}}),
    st.builds(
        lambda host, url: {"http": {"hostname": host, "url": url}}, HOSTS, st.sampled_from("/12")
    ),
)
Line = tuple[str | int, int, int, dict[str, Any]]
LINES: st.SearchStrategy[Line] = st.one_of(
    st.tuples(st.just(DNS), FLOWS, TXS, DNS_OF | st.just({"dns": {}})),
    st.tuples(st.just(URL), FLOWS, TXS, HTTP_OF),
    st.tuples(st.sampled_from([COOKIE, 3_000_000]), FLOWS, TXS, st.just({})),
    st.tuples(st.just("dns"), FLOWS, TXS, DNS_OF),
    st.tuples(st.sampled_from(["http", "fileinfo"]), FLOWS, TXS, HTTP_OF),
)


def blocks_of(batches: list[list[Line]], step_s: int) -> list[bytes]:
    """Write them with a clock that goes on; a request has one event of HTTP."""
    blocks, seen, at = [], set(), 0
    for lines in batches:
        block = b""
        for kind, flow, tx, fields in lines:
            at += step_s
            if isinstance(kind, int):
                block += alert(kind, at, flow, tx, **fields)
            elif kind == "dns" or (kind, flow, tx) not in seen:
                seen.add((kind, flow, tx))
                block += event(kind, at, flow, tx, **fields)
        blocks += [block] if block else []
    return blocks


# How often a group of hits is counted depends on where a batch ends, also without a sieve: the same
# request is counted once in each.
def folded(reader: HitReader, blocks: list[bytes]) -> tuple[set[tuple[str, ...]], Counter[str]]:
    found = set()
    counts: Counter[str] = Counter()
    for findings in [*map(reader.read, blocks), reader.finish()]:
        for hit, _ in findings.hits:
            found.add((*hit.key, hit.observed, hit.buffer))
        counts.update(findings.counts)
    counts.pop("foreign", None)
    return found, counts


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(LINES, max_size=8), max_size=6), st.sampled_from([0, 1, 30]), st.booleans()
)
def test_the_hub_finds_the_same_hits_in_what_was_let_through(
    batches: list[list[Line]], step_s: int, restarted: bool
) -> None:
    blocks = blocks_of(batches, step_s)
    sieve = Sieve(BASE, Profile.V8_0)
    through = []
    for block in blocks:
        through.append(sieve.feed(block).lines)
        if restarted:
            read = sieve._blocks  # what was read before a restart is read no more
            sieve = Sieve(BASE, Profile.V8_0, sieve.waiting)
            sieve._blocks = read
    whole = folded(HitReader("gate", BASE, listed), blocks)
    sifted = folded(HitReader("gate", BASE, listed), [lines for lines in through if lines])
    assert sifted == whole


def test_only_our_alerts_and_their_requests_leave_the_machine() -> None:
    ours = alert(COOKIE, 0, 1, 0)
    own = event("http", 0, 1, 0, http={"hostname": "a.example"})
    others = [
        alert(3_000_000, 0, 2, 0),
        event("http", 0, 1, 1, http={"hostname": "private.example"}),
        event("http", 0, 2, 0, http={"hostname": "private.example"}),
        event("dns", 0, 3, 0, dns={"queries": [{"rrname": "private.example"}]}),
        event("flow", 0, 4, 0),
    ]
    kept = Sieve(BASE, Profile.V8_0).feed(b"".join([others[0], ours, *others[1:], own]))
    lines = kept.lines.splitlines(keepends=True)
    assert lines[:2] == [ours, own]
    assert b"vedette" in lines[2]
    assert len(lines) == 3
    assert kept.alerts == 1


def test_alerts_are_counted_by_the_minute_without_canaries() -> None:
    dns = {"queries": [{"rrname": "a.example"}]}
    alerts = [alert(DNS, second, second, 0, dns=dns) for second in (0, 59, 60, 61)]
    kept = Sieve(BASE, None).feed(b"".join([*alerts, alert(1, 0, 9, 0), alert(3_000_000, 0, 9, 0)]))
    minute = int(START.timestamp()) // 60
    assert kept.minutes == {minute: 2, minute + 1: 2}
    assert kept.alerts == 5, "the canary's is sent, too"


def test_mail_is_sent_for_engines_that_cannot_compare_it() -> None:
    mail = event("smtp", 0, 1, 0, smtp={"mail_from": "<a@b.example>"}).replace(b": ", b":")
    assert Sieve(BASE, Profile.V7_0).feed(mail).lines == mail
    assert Sieve(BASE, Profile.V8_0_7).feed(mail).lines == b""


def test_the_time_of_a_block_is_that_of_its_last_event() -> None:
    block = event("flow", 5, 1, 0) + event("flow", 7, 1, 0)
    assert last_time(block) == START + timedelta(seconds=7)
    assert last_time(b"no event\n") is None


def test_many_requests_of_one_flow_are_not_each_compared_with_all() -> None:
    """Whoever sends them over one connection would else keep the agent busy for minutes."""
    count = 4_000
    block = b"".join(
        [alert(DNS, 0, 1, number) for number in range(count)]
        + [event("http", 0, 1, 10_000 + number, http={}) for number in range(count)]
    )
    began = time.monotonic()
    kept = Sieve(BASE, None).feed(block)
    assert time.monotonic() - began < 4  # 20 s where each looks at all
    assert kept.alerts == count
