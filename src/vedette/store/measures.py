"""Numbers for a monitor: each question reads few rows, however many indicators there are."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Proved(NamedTuple):
    """The last answer of a sensor."""

    at: str
    """ISO, as the sensor's hub or agent said it."""
    generation: int
    ok: bool


class HitCount(NamedTuple):
    """Hits of one sensor, origin and status."""

    sensor: str
    origin: str
    status: str
    groups: int
    events: int


class Sending(NamedTuple):
    """How sending sightings to one MISP goes."""

    source: str
    waiting: int
    sent: int
    refused: int
    failing_since: int
    """Epoch seconds; 0: it does not fail."""


class Input(NamedTuple):
    """What is remembered of one sensor."""

    sensor: str
    events: int
    at: int
    """When something was last added; epoch seconds."""


class Measures:
    """``hub.store.measures``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def proofs(self) -> dict[str, Proved]:
        """Return the last proof of each sensor; those that were never asked are absent."""
        rows = self._db.execute(
            "SELECT s.name, p.at, p.generation, p.ok FROM sensor s JOIN proof p ON p.id="
            "(SELECT id FROM proof WHERE sensor=s.name ORDER BY id DESC LIMIT 1)"
        )
        return {name: Proved(at, generation, bool(ok)) for name, at, generation, ok in rows}

    def withheld(self) -> dict[str, int]:
        """Return listed indicators that are not published plainly, by outcome."""
        return dict(
            self._db.execute(
                "SELECT outcome, count(*) FROM verdict v WHERE outcome<>'publish' AND EXISTS"
                " (SELECT 1 FROM entry e WHERE e.type=v.type AND e.skey=v.skey) GROUP BY outcome"
            )
        )

    def hits(self) -> list[HitCount]:
        """Return how many hits there are."""
        rows = self._db.execute(
            "SELECT sensor, origin, status, count(*), sum(count) FROM hit INDEXED BY hit_counted"
            " GROUP BY sensor, origin, status"
        )
        return [HitCount(*row) for row in rows]

    def sending(self) -> list[Sending]:
        """Return how sending to each MISP goes that was ever told anything, or will be."""
        rows = self._db.execute(
            "SELECT s.source, (SELECT count(*) FROM outbox o WHERE o.source=s.source AND"
            " o.state='waiting'), coalesce(a.sent, 0), coalesce(a.refused, 0),"
            " coalesce(a.failing_since, 0) FROM (SELECT source FROM addressee UNION"
            " SELECT DISTINCT source FROM outbox WHERE state='waiting') s"
            " LEFT JOIN addressee a ON a.source=s.source ORDER BY s.source"
        )
        return [Sending(*row) for row in rows]

    def messages(self) -> dict[str, int]:
        """Return deliveries of messages to people that wait or were given up, by state."""
        return dict(
            self._db.execute(
                "SELECT state, count(*) FROM delivery WHERE state<>'delivered' GROUP BY state"
            )
        )

    def tokens(self, now: int) -> dict[str, int]:
        """Return how many tokens are ``valid``, ``expired`` and ``revoked``."""
        rows = self._db.execute(
            "SELECT CASE WHEN revoked_at>0 THEN 'revoked' WHEN expires_at>0 AND expires_at<=?"
            " THEN 'expired' ELSE 'valid' END AS state, count(*) FROM token GROUP BY 1",
            (now,),
        )
        return dict(rows.fetchall())

    def alerts(self, first_minute: int, last_minute: int) -> dict[str, int]:
        """Return the most alerts of each sensor in one of these minutes (epoch seconds // 60)."""
        rows = self._db.execute(
            "SELECT r.sensor, max(r.alerts) FROM sensor s CROSS JOIN alert_rate r"
            " ON r.sensor=s.name AND r.minute BETWEEN ? AND ? GROUP BY r.sensor",
            (first_minute, last_minute),
        )
        return dict(rows.fetchall())

    def inputs(self) -> list[Input]:
        """Return what the memory took in from each sensor."""
        rows = self._db.execute(
            "SELECT i.sensor, coalesce(sum(c.n), 0),"
            " CAST(strftime('%s', max(i.updated_at)) AS INTEGER) FROM pool_input i"
            " LEFT JOIN pool_counter c ON c.input_id=i.id AND c.name='events' GROUP BY i.sensor"
        )
        return [Input(sensor, events, at or 0) for sensor, events, at in rows]
