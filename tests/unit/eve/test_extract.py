from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from vedette.buffers import ROWS, Buffer
from vedette.eve.extract import decode, lines_with, values


def buffer(sid: int) -> Buffer:
    return next(b for row in ROWS.values() for d in row.datasets for b in d.buffers if b.sid == sid)


@pytest.mark.parametrize(
    ("sid", "line", "expected"),
    [
        (1, b'{"event_type":"dns","dns":{"version":2,"rrname":"a.example"}}', ["a.example"]),
        (1, b'{"event_type":"dns","dns":{"type":"query","rrname":"a.example"}}', ["a.example"]),
        (
            1,
            b'{"event_type":"alert","dns":{"query":[{"rrname":"a.example"},{"rrname":"b.example"}]}}',
            ["a.example", "b.example"],
        ),
        (1, b'{"event_type":"dns","dns":{"queries":[{"rrname":"a.example"}]}}', ["a.example"]),
        (1, b'{"event_type":"alert","dns":{"version":2}}', []),
        (1, b'{"event_type":"alert","dns":{"version":3,"queries":[]}}', []),
        (
            5,
            b'{"event_type":"dns","dns":{"answers":[{"rrname":"a.org","rdata":"b.org"}]}}',
            ["a.org", "b.org"],
        ),
        (2, b'{"event_type":"http","http":{"hostname":"a.example"}}', ["a.example"]),
        (
            2,
            b'{"event_type":"http","http":{"request_headers":[{"name":":authority","value":"h:1"}]}}',
            ["h:1"],
        ),
        (
            37,
            b'{"event_type":"http","http":{"request_headers":[{"name":"Cookie","value":"a=b"}]}}',
            ["a=b"],
        ),
        (6, b'{"event_type":"tls","tls":{"subjectaltname":["a.example"]}}', ["a.example"]),
        (41, b'{"event_type":"fileinfo","fileinfo":{"md5":"aa"}}', ["aa"]),
        (
            41,
            b'{"event_type":"alert","files":[{"md5":"aa"},{"sha1":"bb"},{"md5":"cc"}]}',
            ["aa", "cc"],
        ),
        (61, b'{"event_type":"ssh","ssh":{"client":{"hassh":{"hash":"dd"}}}}', ["dd"]),
        (72, b'{"event_type":"smtp","email":{"from":"A <a@b.example>"}}', ["A <a@b.example>"]),
        (52, b'{"event_type":"quic","quic":{"ja3":{"hash":"ee"}}}', ["ee"]),
        (21, b'{"event_type":"alert","dest_ip":"192.0.2.1"}', ["192.0.2.1"]),
    ],
)
def test_values_stand_where_the_buffers_table_says(
    sid: int, line: bytes, expected: list[str]
) -> None:
    event = decode(line, Counter())
    assert event is not None
    assert values(event, buffer(sid)) == expected


@pytest.mark.parametrize(
    "line",
    [
        b'{"event_type":"dns","dns":null}',
        b'{"event_type":"dns","dns":[1,2]}',
        b'{"event_type":"dns","dns":{"queries":{"rrname":"a.example"}}}',
        b'{"event_type":"dns","dns":{"queries":[7,null,{"rrname":7},{"rrname":""}]}}',
        b'{"event_type":"from-the-future","anything":{"x":1}}',
    ],
)
def test_other_shapes_have_no_values_and_raise_nothing(line: bytes) -> None:
    event = decode(line, Counter())
    assert event is not None
    assert values(event, buffer(1)) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"event_type":"dns","dns":{"rrn', "malformed"),
        (b"", "malformed"),
        (b"not json", "malformed"),
        (b'["event_type"]', "unexpected"),
        (b'{"no":"type"}', "unexpected"),
        (b'{"event_type":"alert","flow_id":"seven"}', "unexpected"),
        (b'{"event_type":"dns","dns":{"rrname":"\xff\xfe"}}', "encoding"),
    ],
)
def test_lines_that_are_no_events_are_counted_by_reason(line: bytes, reason: str) -> None:
    skipped: Counter[str] = Counter()
    assert decode(line, skipped) is None
    assert skipped == {reason: 1}


def test_nul_bytes_that_a_truncation_left_before_a_line_do_not_cost_it() -> None:
    event = decode(b'\0\0\0{"event_type":"dns"}', Counter())
    assert event is not None
    assert event.event_type == "dns"


def test_only_lines_with_the_needle_are_looked_at() -> None:
    data = b'{"a":1}\n{"alert":1,"x":{"alert":2}}\n{"b":1}\n{"alert":3}'
    found = list(lines_with(data, b'"alert"'))
    assert found == [b'{"alert":1,"x":{"alert":2}}', b'{"alert":3}']


def test_the_ends_of_a_flow_are_the_same_in_both_directions() -> None:
    request = decode(
        b'{"event_type":"alert","src_ip":"10.0.0.1","dest_ip":"192.0.2.1","src_port":5000,'
        b'"dest_port":80,"direction":"to_server"}',
        Counter(),
    )
    answer = decode(
        b'{"event_type":"alert","src_ip":"192.0.2.1","dest_ip":"10.0.0.1","src_port":80,'
        b'"dest_port":5000,"direction":"to_client"}',
        Counter(),
    )
    dns_8 = decode(
        b'{"event_type":"dns","src_ip":"192.0.2.1","dest_ip":"10.0.0.1","src_port":80,'
        b'"dest_port":5000,"dns":{"type":"response"}}',
        Counter(),
    )
    assert request is not None
    assert answer is not None
    assert dns_8 is not None
    assert request.ends == answer.ends == dns_8.ends
    assert request.ends.src_ip == "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T07:00:00.000001+0100", datetime(2026, 11, 24, 6, 0, 0, 1, UTC)),
        ("2026-11-24T07:00:00.000000-0500", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("2026-11-24T07:00:00", datetime(2026, 11, 24, 7, tzinfo=UTC)),
        ("yesterday", None),
    ],
)
def test_times_are_utc(text: str, expected: datetime | None) -> None:
    event = decode(b'{"event_type":"dns","timestamp":"%s"}' % text.encode(), Counter())
    assert event is not None
    assert event.at == expected
