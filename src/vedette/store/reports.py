"""What is known of each sensor: the last report, every change of its state, its alerts by minute.

What a report says is a matter of :mod:`vedette.sensor.wire`; here it is bytes with a few columns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

_COLUMNS = "sensor, at, origin, state, since, serial, generation, content_id, clock_s, report"
_EVENTS_KEPT = 1_000
_MINUTES_KEPT = 2 * 1_440
_MINUTE_S = 60
_NULL = b"null"


class StateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The last that is known of a sensor, as it was said; times are epoch seconds."""

    sensor: str
    at: int
    """When it came, by our clock."""
    origin: str = ""
    """Address that it came from; ``""``: the hub asked the engine itself."""
    state: str
    """A :class:`vedette.sensor.wire.State`; of what it holds, not of what it should hold."""
    since: int = 0
    """When this state with this content began; filled in by :meth:`Reports.save`."""
    serial: int = 0
    generation: int = 0
    content_id: str = ""
    clock_s: float = 0.0
    """Its clock less ours."""
    report: bytes
    """A :class:`vedette.sensor.wire.Report` as JSON, without the proof."""


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a sensor's state."""

    sensor: str
    at: int
    state: str
    generation: int
    why: str


class Reports:
    """What sensors said."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def save(
        self, record: StateRecord, *, why: str = "", rates: Iterable[tuple[int, int]] = ()
    ) -> StateRecord:
        """Keep what a sensor said, in one transaction.

        What a report leaves out (``null``: the findings of a doctor who has not looked again, the
        last delivery) is kept from the one before.

        Args:
            record: What it said; its ``since`` does not count.
            why: Why it is in this state, for people.
            rates: ``(minute, alerts)``; of the same minute the greatest count stays.

        Returns:
            The record with the moment when its state began.

        Raises:
            sqlite3.IntegrityError: There is no such sensor.
        """
        db = self._db
        with db:
            db.execute("BEGIN IMMEDIATE")
            before = self.state_of(record.sensor)
            is_same = before is not None and _what(before) == _what(record)
            since = before.since if before is not None and is_same else record.at
            report = _with_what_is_known(record.report, before.report if before else b"")
            record = msgspec.structs.replace(record, since=since, report=report)
            marks = ",".join("?" * len(record.__struct_fields__))
            db.execute(
                f"INSERT OR REPLACE INTO sensor_state({_COLUMNS}) VALUES({marks})",
                msgspec.structs.astuple(record),
            )
            if not is_same:
                self._note_event(record, why)
            db.executemany(
                "INSERT INTO alert_rate VALUES(?,?,?)"
                " ON CONFLICT DO UPDATE SET alerts=max(alerts, excluded.alerts)",
                ((record.sensor, minute, alerts) for minute, alerts in rates),
            )
            self._forget_minutes(record.sensor, record.at)
        return record

    def _note_event(self, record: StateRecord, why: str) -> None:
        self._db.execute(
            "INSERT INTO sensor_event(sensor, at, state, generation, why) VALUES(?,?,?,?,?)",
            (record.sensor, record.at, record.state, record.generation, why),
        )
        self._db.execute(
            "DELETE FROM sensor_event WHERE sensor=?1 AND id<(SELECT id FROM sensor_event"
            " WHERE sensor=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (record.sensor, _EVENTS_KEPT - 1),
        )

    def add_alerts(self, sensor: str, minutes: Mapping[int, int], now: int) -> None:
        """Count alerts that were read here; for use inside a transaction of the caller."""
        self._db.executemany(
            "INSERT INTO alert_rate VALUES(?,?,?)"
            " ON CONFLICT DO UPDATE SET alerts=alerts+excluded.alerts",
            ((sensor, minute, alerts) for minute, alerts in minutes.items()),
        )
        if minutes:
            self._forget_minutes(sensor, now)

    def _forget_minutes(self, sensor: str, now: int) -> None:
        self._db.execute(
            "DELETE FROM alert_rate WHERE sensor=? AND minute<?",
            (sensor, now // _MINUTE_S - _MINUTES_KEPT),
        )

    def state_of(self, sensor: str) -> StateRecord | None:
        """Return the last that is known of a sensor; None: nothing."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM sensor_state WHERE sensor=?",  # noqa: S608
            (sensor,),
        ).fetchone()
        return _record(row) if row else None

    def states(self) -> dict[str, StateRecord]:
        """Return the last that is known, by sensor; those that nothing is known of are absent."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM sensor_state ORDER BY sensor")  # noqa: S608
        return {row[0]: _record(row) for row in rows}

    def events(self, sensor: str, *, limit: int = 20) -> list[EventRecord]:
        """Return the last changes of a sensor's state, the newest first."""
        rows = self._db.execute(
            "SELECT sensor, at, state, generation, why FROM sensor_event WHERE sensor=?"
            " ORDER BY id DESC LIMIT ?",
            (sensor, limit),
        )
        return [
            EventRecord(sensor=name, at=at, state=state, generation=generation, why=why)
            for name, at, state, generation, why in rows
        ]

    def rates(self, sensor: str, *, since: int) -> dict[int, int]:
        """Return alerts by minute, of the minutes that begin at or after an epoch second."""
        rows = self._db.execute(
            "SELECT minute, alerts FROM alert_rate WHERE sensor=? AND minute>=? ORDER BY minute",
            (sensor, -(-since // _MINUTE_S)),
        )
        return dict(rows.fetchall())


def _with_what_is_known(report: bytes, before: bytes) -> bytes:
    with suppress(msgspec.DecodeError):
        said = msgspec.json.decode(report, type=dict[str, msgspec.Raw])
        known = msgspec.json.decode(before, type=dict[str, msgspec.Raw])
        kept = {
            name: known[name] for name, raw in said.items() if bytes(raw) == _NULL and name in known
        }
        return msgspec.json.encode(said | kept) if kept else report
    return report


def _what(record: StateRecord) -> tuple[str, str]:
    """What has to change for an event: the state, or what it is about."""
    return record.state, record.content_id


def _record(row: tuple[str, int, str, str, int, int, int, str, float, bytes]) -> StateRecord:
    sensor, at, origin, state, since, serial, generation, content_id, clock_s, report = row
    return StateRecord(
        sensor=sensor,
        at=at,
        origin=origin,
        state=state,
        since=since,
        serial=serial,
        generation=generation,
        content_id=content_id,
        clock_s=clock_s,
        report=report,
    )
