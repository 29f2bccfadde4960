"""Lines become rows: by day, client and server; counted, and nothing twice."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
import xxhash

from vedette.observe import Folded, Hour, PythonFold, folding
from vedette.observe.folded import OBSERVATIONS, SIGHTINGS, Fold

HOME = ("10.0.0.0/8",)


def event(at: str, sni: str, *, src: str = "10.0.0.1", flow_id: int = 1, **more: Any) -> bytes:
    members = {
        "timestamp": at,
        "flow_id": flow_id,
        "event_type": "tls",
        "src_ip": src,
        "dest_ip": "203.0.113.9",
        "tls": {"sni": sni},
        **more,
    }
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def fold(*blocks: bytes, skip: tuple[str, ...] = ()) -> Folded:
    fold: Fold = PythonFold(skip, HOME)
    for block in blocks:
        fold.add(block)
    return fold.take()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


EVENTS = (
    event("2026-11-24T12:00:00.000002+0000", "evil.example", flow_id=5)
    + event("2026-11-24T12:59:59.999999+0000", "Evil.example.", flow_id=9)
    + event("2026-11-24T12:00:00.000001+0000", "evil.example", flow_id=7)
    + event("2026-11-25T00:30:00.000000+0100", "evil.example", flow_id=1)
    + event("2026-11-25T00:00:00.000000+0000", "evil.example", flow_id=2)
    + event("2026-11-24T12:00:00.000001+0000", "evil.example", src="10.0.0.10")
    + event("2026-11-24T12:00:00.000001+0000", "evil.example", src="10.0.0.2")
    + event("2026-11-24T12:30:00.000000+0000", "a.example")
)


def test_rows_by_day_and_ends() -> None:
    folded = fold(EVENTS)
    assert folded.observations.schema == OBSERVATIONS
    rows = [tuple(row.values()) for row in folded.observations.to_pylist()]
    sni, server, day = "tls.sni", "203.0.113.9", date(2026, 11, 24)
    noon, late = utc(2026, 11, 24, 12, 0, 0, 1), utc(2026, 11, 24, 23, 30)
    half, midnight = utc(2026, 11, 24, 12, 30), utc(2026, 11, 25)
    evil = "evil.example"
    assert rows == [
        (sni, "a.example", "10.0.0.1", server, day, half, half, 1, 1),
        (sni, evil, "10.0.0.1", server, day, noon, late, 4, 9),
        (sni, evil, "10.0.0.1", server, date(2026, 11, 25), midnight, midnight, 1, 2),
        (sni, evil, "10.0.0.10", server, day, noon, noon, 1, 1),
        (sni, evil, "10.0.0.2", server, day, noon, noon, 1, 1),
    ]


def test_a_sighting_names_the_least_of_those_that_were_first() -> None:
    folded = fold(EVENTS)
    assert folded.sightings.schema == SIGHTINGS
    rows = [tuple(row.values()) for row in folded.sightings.to_pylist()]
    half = utc(2026, 11, 24, 12, 30)
    assert [row[:-1] for row in rows] == [
        ("tls.sni", "a.example", half, "10.0.0.1", "203.0.113.9", half, 1),
        (
            "tls.sni",
            "evil.example",
            utc(2026, 11, 24, 12, 0, 0, 1),
            "10.0.0.1",
            "203.0.113.9",
            utc(2026, 11, 25),
            7,
        ),
    ]
    assert rows[1][-1] == xxhash.xxh64_intdigest(b"tls.sni\0evil.example")
    later = event("2026-11-24T12:00:00.000000+0000", "evil.example", src="10.9.9.9")
    assert fold(EVENTS + later).sightings.column("client").to_pylist() == ["10.0.0.1", "10.9.9.9"]


def test_hours_are_of_all_events_with_a_time() -> None:
    ignored = event("2026-11-24T13:00:00.000000+0000", "x", event_type="alert")
    empty = event("2026-11-24T13:59:59.000000+0000", "")
    untimed = event("", "x")
    hours = {hour.hour: hour for hour in fold(EVENTS, ignored + empty + untimed).hours}
    noon = int(utc(2026, 11, 24, 12).timestamp())
    assert list(hours) == sorted(hours)
    assert hours[noon] == Hour(noon, noon * 1_000_000 + 1, noon * 1_000_000 + 3_599_999_999, 6)
    one = noon + 3600
    assert hours[one] == Hour(one, one * 1_000_000, one * 1_000_000 + 3_599_000_000, 2)
    assert sum(hour.events for hour in hours.values()) == 10


def test_lines_are_counted_by_what_became_of_them() -> None:
    long = event("2026-11-24T12:00:00.000000+0000", "x" * 9_000)
    odd = b"\n \t\r\n\0\0\0\n{\n" + event("", "x") + b"[]\r\n" + long
    odd += b"\0\0" + event("2026-11-24T12:00:00.000000+0000", "\xff".encode("latin-1").hex())
    last = event("2026-11-24T12:00:00.000000+0000", "\u00e9").decode().encode("latin-1")[:-1]
    assert dict(fold(odd + last).counts) == {
        "lines": 6,
        "events": 2,
        "malformed": 1,
        "untimed": 1,
        "unexpected": 1,
        "empty": 1,
        "value.long": 1,
    }
    broken = event("2026-11-24T12:00:00.000000+0000", "b@d").replace(b"@", b"\xff")
    folded = fold(broken)
    assert dict(folded.counts) == {"lines": 1, "events": 1, "encoding": 1}
    assert folded.sightings.column("value").to_pylist() == ["b\ufffdd"]


def test_values_sort_bytewise_and_fields_by_name() -> None:
    names = ["z", "é", "税", "😀", "\uffee", "a", "~"]
    folded = fold(
        *(event("2026-11-24T12:00:00Z", "", tls={"sni": "s", "subject": name}) for name in names)
    )
    rows = folded.sightings.select(["field", "value"]).to_pylist()
    encoded = [(row["field"].encode(), row["value"].encode()) for row in rows]
    assert encoded == sorted(encoded)
    assert len(encoded) == len(names) + 1


def test_take_starts_afresh() -> None:
    fold = PythonFold((), HOME)
    assert len(fold) == 0
    fold.add(EVENTS)
    assert len(fold) == 8
    first = fold.take()
    assert len(fold) == 0
    nothing = fold.take()
    assert (nothing.observations.num_rows, nothing.sightings.num_rows) == (0, 0)
    assert (nothing.observations.schema, nothing.sightings.schema) == (OBSERVATIONS, SIGHTINGS)
    assert (nothing.hours, dict(nothing.counts)) == ((), {})
    fold.add(EVENTS)
    assert fold.take() == first


def test_much_input_is_due_even_if_its_rows_are_few() -> None:
    fold = PythonFold((), HOME)
    fold.add(event("2026-11-24T12:00:00Z", "", event_type="alert", payload="x" * 100_000))
    assert 150 < len(fold) < 250


def test_folding_in_between_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fold(*EVENTS.splitlines(keepends=True), EVENTS)
    monkeypatch.setattr(folding, "_LOG_MIN", 2)
    stepwise = PythonFold((), HOME)
    for line in EVENTS.splitlines(keepends=True):
        stepwise.add(line)
    assert len(stepwise) < 8  # what is equal is one row already
    stepwise.add(EVENTS)
    assert stepwise.take() == expected


def test_unwanted_fields_are_left_out() -> None:
    assert fold(EVENTS, skip=("tls.sni",)).observations.num_rows == 0
    assert fold(EVENTS, skip=("tls.sni",)).counts == {"lines": 8, "empty": 8}


def test_networks_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        PythonFold(home=("our network",))


def test_days_and_ends_of_any_number_stay_apart() -> None:
    lines = [
        event(f"{year}-01-01T00:00:00Z", "x", src=f"10.0.{year % 256}.1")
        for year in range(1970, 2106)
    ]
    assert fold(*lines).observations.num_rows == len(lines)
