"""Sightings for other tools: exact, whole or not at all, and resumable."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vedette.errors import PoolError, UsageError
from vedette.fields import BY_NAME, FIELDS
from vedette.pipeline import exporting
from vedette.pool.records import Cursor, NewSighting

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)


def new(field: str, value: str) -> NewSighting:
    return NewSighting(
        found_at=NOON,
        field=field,
        value=value,
        first_seen=NOON,
        client="10.0.0.9",
        server="192.0.2.1",
        sensor="edge",
        learning=False,
    )


NASTY = ["a,b", 'say "x"', "two\nlines", "\u2028", "=cmd|' /C calc'!A0", "-1", "@x", "+1", "ü"]


def read_back(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_csv_keeps_every_value_and_counts_what_a_spreadsheet_would_run() -> None:
    table = exporting.Csv()
    records = [new("http.user_agent", value) for value in NASTY]
    data = b"".join(table.lines(records, NewSighting))
    rows = read_back(data)
    assert [row["value"] for row in rows] == NASTY
    assert rows[0]["first_seen"] == "2026-03-04T12:00:00.123456Z"
    assert table.formulas == 4


def test_csv_is_defused_on_request() -> None:
    table = exporting.Csv(defuse=True)
    rows = read_back(b"".join(table.lines([new("http.user_agent", v) for v in NASTY], NewSighting)))
    assert [row["value"] for row in rows if row["value"][0] == "'"] == [
        f"'{value}" for value in NASTY if value[0] in "=+-@"
    ]


def test_csv_of_nothing_has_its_head() -> None:
    data = b"".join(exporting.Csv().lines([], NewSighting))
    assert data.startswith(b"found_at,field,value,")
    assert data.count(b"\r\n") == 1


def test_ndjson_is_one_line_a_record() -> None:
    records = [new("http.user_agent", value) for value in NASTY]
    lines = b"".join(exporting.ndjson(records)).split(b"\n")
    assert [json.loads(line)["value"] for line in lines[:-1]] == NASTY


def test_a_discovery_event_has_the_shape_that_scout_shows() -> None:
    (line,) = exporting.discovery([new("tls.cert_subject", "CN=evil.example")])
    assert json.loads(line) == {
        "timestamp": "2026-03-04T12:00:00.123456Z",
        "@timestamp": "2026-03-04T12:00:00.123456Z",
        "event_type": "discovery",
        "app_proto": "tls",
        "host": "edge",
        "src_ip": "10.0.0.9",
        "dest_ip": "192.0.2.1",
        "discovery": {
            "key": "tls.subject",
            "value": "CN=evil.example",
            "asset": "10.0.0.9",
            "asset_role": [],
            "asset_net": "",
        },
    }


def test_the_asset_of_a_scanner_is_who_was_scanned() -> None:
    (line,) = exporting.discovery([new("ip.src", "10.0.0.9")])
    event = json.loads(line)
    assert event["discovery"]["asset"] == "192.0.2.1"
    assert event["discovery"]["key"] == "src_ip"


def test_every_key_of_a_discovery_belongs_to_a_field() -> None:
    assert set(exporting.DISCOVERY_KEYS) <= set(BY_NAME)
    keys = [exporting.DISCOVERY_KEYS.get(field.name, field.name) for field in FIELDS]
    assert len(keys) == len(set(keys))


def test_a_cursor_is_the_last_that_went_out(tmp_path: Path) -> None:
    path = tmp_path / "cursor.json"
    assert exporting.read_cursor(path) is None
    ticks: list[int] = []
    counted = exporting.Counted([new("tls.sni", "a"), new("tls.sni", "b")], lambda: ticks.append(1))
    assert counted.cursor is None
    assert len(list(exporting.ndjson(counted))) == 2
    cursor = counted.cursor
    assert cursor == Cursor(found_at=NOON, field="tls.sni", value="b")
    exporting.write_cursor(path, cursor)
    assert exporting.read_cursor(path) == cursor
    assert (counted.count, len(ticks)) == (2, 2)


def test_a_file_that_is_no_cursor_is_refused(tmp_path: Path) -> None:
    (tmp_path / "eve.json").write_text('{"event_type":"dns"}\n')
    with pytest.raises(UsageError, match="is no cursor") as caught:
        exporting.read_cursor(tmp_path / "eve.json")
    assert "a file of its own" in caught.value.hint
    with pytest.raises(UsageError, match="cannot read the cursor"):
        exporting.read_cursor(tmp_path)


def test_a_file_is_as_it_was_if_the_export_breaks(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    path.write_text("before\n")

    def broken() -> object:
        yield b"half"
        raise PoolError("the engine went away")

    with pytest.raises(PoolError, match="went away"):
        exporting.write(path, broken())  # type: ignore[arg-type]
    assert path.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(PoolError, match="cannot write"):
        exporting.write(tmp_path / "no" / "such", [b"x"])
