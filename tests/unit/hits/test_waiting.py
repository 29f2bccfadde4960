"""An alert finds the event of its request as if all were looked through, and far sooner."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vedette.eve.extract import Event, decode
from vedette.hits.candidates import Observed, observed
from vedette.hits.places import place_of
from vedette.hits.waiting import Ours, Waiting, same_transaction

DNS, URL, COOKIE = 1_100, 3_100, 3_700
AT = "2026-11-24T07:00:00.000000+0000"


def line(kind: str, flow: int, request: int | None, **fields: Any) -> bytes:
    known = {"timestamp": AT, "event_type": kind, "flow_id": flow, "src_ip": "10.0.0.5"}
    if request is not None:
        known["tx_id"] = request
    return msgspec.json.encode({**known, **fields}) + b"\n"


def read(text: bytes) -> Event:
    event = decode(text, Counter())
    assert event is not None
    return event


def alert(sid: int, flow: int, request: int | None, number: int = 0) -> Ours:
    place = place_of(sid)
    assert place is not None
    said = {"gid": 1, "signature_id": sid}
    text = line("alert", flow, request, alert=said, number=number)
    return Ours(text, read(text), place)


def looked_through(ours: Ours, events: list[Event]) -> list[Observed] | None:
    """What the first event of the request says that says anything."""
    answer: list[Observed] | None = None
    for event in events:
        if event.flow_id == ours.event.flow_id and same_transaction(event, ours):
            if items := observed(event, ours.place):
                return items
            protocol = ours.place.buffer.protocol
            if event.event_type == protocol and protocol != "dns":
                answer = []
    return answer


FLOWS, REQUESTS = st.integers(1, 2), st.none() | st.integers(0, 1)
SAID = st.sampled_from(
    [
        {},
        {"http": {"hostname": "a.example", "url": "/1"}},
        {"http": {"hostname": "b.example", "url": "/2"}},
        {"dns": {"queries": [{"rrname": "a.example"}]}},
        {"dns": {"queries": [{"rrname": "b.example"}]}},
    ]
)
EVENTS = st.lists(
    st.builds(
        lambda kind, flow, request, said: line(kind, flow, request, **said),
        st.sampled_from(["http", "dns", "fileinfo"]),
        FLOWS,
        REQUESTS,
        SAID,
    ),
    max_size=8,
)
ALERTS = st.lists(
    st.builds(alert, st.sampled_from([DNS, URL, COOKIE]), FLOWS, REQUESTS, st.integers(0, 9)),
    min_size=1,
    max_size=4,
)


@given(EVENTS, ALERTS)
def test_an_alert_finds_what_looking_through_all_events_finds(
    events: list[bytes], alerts: list[Ours]
) -> None:
    expected = [(one, looked_through(one, list(map(read, events)))) for one in alerts]
    waiting = Waiting()
    settled = list(waiting.settle(b"".join(events), alerts))
    assert [(one.ours, one.items) for one in settled] == [
        (one, items) for one, items in expected if items is not None
    ]
    assert waiting.lines == tuple(one.line.decode() for one, items in expected if items is None)


def test_many_requests_of_one_flow_are_not_each_compared_with_all() -> None:
    """Whoever sends them over one connection would else keep the reader busy for minutes."""
    count = 4_000
    events = b"".join(line("http", 1, 10_000 + number, http={}) for number in range(count))
    alerts = [alert(DNS, 1, number, number) for number in range(count)]
    began = time.monotonic()
    given_up = list(Waiting().settle(events, alerts))
    assert time.monotonic() - began < 4  # 20 s where each looks at all
    assert len(given_up) == count - 256
