"""Sensors, generations, proofs, hits and bookmarks in the control database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from vedette.errors import UsageError
from vedette.model import Entry, Hit
from vedette.store.noting import Noting
from vedette.store.records import GenerationRecord, HitRecord, SensorRecord, check_name

_PROOFS_KEPT = 1_000
_PROOFS_BYTES = 16 << 20
"""Of one sensor: fewer are kept where one is large. Who sends them decides how large they are."""
_HIT = (
    "id, type, value, observed, buffer, sensor, client, server, origin, first_seen, last_seen,"
    " count, contexts, live, hosts, status"
)


class Fleet:
    """What was published, who holds it, and what it met."""

    def __init__(self, connection: sqlite3.Connection, noting: Noting) -> None:
        self._db = connection
        self._noting = noting

    # -- sensors --------------------------------------------------------------------------

    def add_sensor(self, name: str, settings: Mapping[str, Any]) -> None:
        """Remember a sensor.

        Raises:
            UsageError: The name is taken, or cannot be one.
        """
        check_name("sensor", name)
        try:
            with self._db:
                self._db.execute(
                    "INSERT INTO sensor VALUES(?,?,?)",
                    (name, msgspec.json.encode(settings).decode(), datetime.now(UTC).isoformat()),
                )
        except sqlite3.IntegrityError as error:
            raise UsageError(
                f"there is already a sensor '{name}'",
                hint=f"Choose another name, or: vedette sensor remove {name}",
            ) from error

    def remove_sensor(self, name: str) -> None:
        """Forget a sensor with its proofs.

        Its hits stay, and with them the bookmark: added again, it does not count them twice.
        """
        self.sensor(name)
        with self._db:
            self._db.execute("DELETE FROM sensor_event WHERE sensor=?", (name,))
            self._db.execute("DELETE FROM alert_rate WHERE sensor=?", (name,))
            self._db.execute("DELETE FROM sensor WHERE name=?", (name,))

    def set_sensor(self, name: str, settings: Mapping[str, Any]) -> None:
        """Give a sensor other settings; what is known of it stays.

        Raises:
            UsageError: There is no such sensor.
        """
        self.sensor(name)
        with self._db:
            self._db.execute(
                "UPDATE sensor SET settings=? WHERE name=?",
                (msgspec.json.encode(settings).decode(), name),
            )

    def sensors(self) -> list[SensorRecord]:
        """All sensors by name, each with its last proof."""
        return self._sensors(None)

    def sensor(self, name: str) -> SensorRecord:
        """One sensor.

        Raises:
            UsageError: There is none of that name.
        """
        for record in self._sensors(name):
            return record
        raise UsageError(f"there is no sensor '{name}'", hint="See: vedette sensor list")

    def _sensors(self, name: str | None) -> list[SensorRecord]:
        rows = self._db.execute(
            "SELECT s.name, s.settings, s.created_at, (SELECT body FROM proof p"
            " WHERE p.sensor=s.name ORDER BY id DESC LIMIT 1) FROM sensor s"
            " WHERE ?1 IS NULL OR s.name=?1 ORDER BY s.name",
            (name,),
        )
        return [
            SensorRecord(
                name=name,
                settings=msgspec.json.decode(settings),
                created_at=datetime.fromisoformat(created_at),
                proof=msgspec.json.decode(proof) if proof else None,
            )
            for name, settings, created_at, proof in rows
        ]

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings of all sensors by name, without reading what they proved."""
        rows = self._db.execute("SELECT name, settings FROM sensor ORDER BY name")
        return {name: msgspec.json.decode(settings) for name, settings in rows}

    def add_proof(self, sensor: str, at: datetime, generation: int, ok: bool, body: bytes) -> None:
        """Keep what a sensor answered."""
        with self._db:
            self._db.execute(
                "INSERT INTO proof(sensor, at, generation, ok, body) VALUES(?,?,?,?,?)",
                (sensor, at.isoformat(), generation, ok, body.decode()),
            )
            self._db.execute(
                "DELETE FROM proof WHERE sensor=?1 AND id<(SELECT id FROM proof WHERE sensor=?1"
                " ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (sensor, min(_PROOFS_KEPT, _PROOFS_BYTES // max(1, len(body))) - 1),
            )

    # -- generations ----------------------------------------------------------------------

    def add_generation(self, record: GenerationRecord) -> None:
        """Remember a generation; one of the same number (an interrupted build) is replaced."""
        with self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO generation VALUES(?,?,?,?,?)",
                (
                    record.number,
                    record.content_id,
                    record.parent,
                    record.created_at.isoformat(),
                    record.change_seq,
                ),
            )

    def generations(self) -> list[GenerationRecord]:
        """All remembered generations, newest first."""
        rows = self._db.execute(
            "SELECT number, content_id, parent, created_at, change_seq FROM generation"
            " ORDER BY number DESC"
        )
        return [
            GenerationRecord(
                number=number,
                content_id=content_id,
                parent=parent,
                created_at=datetime.fromisoformat(created_at),
                change_seq=change_seq,
            )
            for number, content_id, parent, created_at, change_seq in rows
        ]

    def generation(self, number: int) -> GenerationRecord | None:
        """One generation, or None when it was not built from this database."""
        return next((g for g in self.generations() if g.number == number), None)

    # -- hits -----------------------------------------------------------------------------

    def add_hits(
        self,
        sensor: str,
        hits: Iterable[tuple[Hit, list[Entry]]],
        bookmark: bytes,
        counters: Mapping[str, int],
        *,
        most_new: int | None = None,
        then: Callable[[], None] = lambda: None,
    ) -> int:
        """Fold hits into the inbox and move the bookmark, in one transaction.

        Reading the same lines again after a crash therefore counts nothing twice, and tells
        nobody twice.

        Args:
            sensor: Whose.
            hits: With what the sources say about them.
            bookmark: The place behind what was read.
            counters: What the reader counted, by name.
            most_new: So many new groups and no more; the hits of others are left out, and counted
                as ``skipped.too_many_new``. None: no limit.
            then: Writes what else belongs to it, in the same transaction.

        Returns:
            How many groups are new.
        """
        new = left_out = 0
        with self._db:
            for hit, entries in hits:
                is_new = self._add_hit(hit, entries, may_be_new=most_new is None or new < most_new)
                new += is_new is True
                left_out += hit.count if is_new is None else 0
            if left_out:
                counters = {**counters, "skipped.too_many_new": left_out}
            self._db.execute("INSERT OR REPLACE INTO bookmark VALUES(?,?)", (sensor, bookmark))
            self._db.executemany(
                "INSERT INTO counter VALUES(?,?,?) ON CONFLICT DO UPDATE SET n=n+excluded.n",
                ((sensor, name, n) for name, n in counters.items()),
            )
            then()
        return new

    def _add_hit(self, hit: Hit, entries: list[Entry], *, may_be_new: bool) -> bool | None:
        """Return whether it began a group; None: it would have, and was left out."""
        group = (
            hit.key.type.value,
            hit.key.value,
            hit.observed,
            hit.buffer,
            hit.sensor,
            hit.client,
            hit.origin,
        )
        contexts = msgspec.json.encode([context_document(entry) for entry in entries]).decode()
        times = utc_text(hit.first_seen), utc_text(hit.last_seen), hit.count, hit.server, contexts
        before = self._db.execute(
            "SELECT id, last_seen FROM hit WHERE type=? AND value=? AND observed=? AND buffer=?"
            " AND sensor=? AND client=? AND origin=?",
            group,
        ).fetchone()
        if before is not None:
            self._db.execute(
                "UPDATE hit SET first_seen=min(first_seen, ?), last_seen=max(last_seen, ?),"
                " count=count+?, server=?, contexts=CASE WHEN ?5='[]' THEN contexts ELSE ?5 END"
                " WHERE id=?6",
                (*times, before[0]),
            )
            self._noting.hit(before[0], hit, entries, datetime.fromisoformat(before[1]))
            return False
        if not may_be_new:
            return None
        hit_id = self._db.execute(
            "INSERT INTO hit(first_seen, last_seen, count, server, contexts, type, value, observed,"
            " buffer, sensor, client, origin) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
            (*times, *group),
        ).lastrowid
        self._noting.hit(hit_id or 0, hit, entries, None)
        return True

    def hits(
        self,
        *,
        since: datetime | None = None,
        sensor: str = "",
        origins: Sequence[str] = (),
        status: str = "",
        limit: int = 1_000,
    ) -> list[HitRecord]:
        """Grouped hits, the last seen first; of all origins if none is named."""
        rows = self._db.execute(
            f"SELECT {_HIT} FROM hit WHERE last_seen>=? AND (?2='' OR sensor=?2)"  # noqa: S608
            " AND (?4='[]' OR origin IN (SELECT value FROM json_each(?4)))"
            " AND (?5='' OR status=?5) ORDER BY last_seen DESC, id LIMIT ?3",
            (
                utc_text(since) if since else "",
                sensor,
                limit,
                msgspec.json.encode(list(origins)).decode(),
                status,
            ),
        )
        return [_hit(row) for row in rows]

    def hits_of(self, ids: Iterable[int]) -> list[HitRecord]:
        """Return hits by id, those that are there, in the order of their ids."""
        rows = self._db.execute(
            f"SELECT {_HIT} FROM hit WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
            " ORDER BY id",
            (msgspec.json.encode(list(ids)).decode(),),
        )
        return [_hit(row) for row in rows]

    def bookmark(self, sensor: str) -> bytes | None:
        """Where reading of the sensor's EVE goes on, as it was given to :meth:`add_hits`."""
        row = self._db.execute("SELECT body FROM bookmark WHERE sensor=?", (sensor,)).fetchone()
        if row is None:
            return None
        return row[0] if isinstance(row[0], bytes) else str(row[0]).encode()

    def counters(self, sensor: str) -> dict[str, int]:
        """What the EVE reader skipped or could not confirm, by name."""
        return dict(self._db.execute("SELECT name, n FROM counter WHERE sensor=?", (sensor,)))


def _hit(row: Sequence[Any]) -> HitRecord:
    return HitRecord(
        id=row[0],
        type=row[1],
        value=row[2],
        observed=row[3],
        buffer=row[4],
        sensor=row[5],
        client=row[6],
        server=row[7],
        origin=row[8],
        first_seen=datetime.fromisoformat(row[9]),
        last_seen=datetime.fromisoformat(row[10]),
        count=row[11],
        contexts=msgspec.json.decode(row[12]),
        live=row[13],
        hosts=row[14],
        status=row[15],
    )


def utc_text(moment: datetime) -> str:
    """ISO text whose order is the order of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def context_document(entry: Entry) -> dict[str, Any]:
    """What a hit keeps of a claim of a source, as it was at the time."""
    context = entry.context
    return {
        "source": entry.source,
        "ref": entry.ref,
        "event": context.key,
        "info": context.info,
        "organisation": context.organisation,
        "tags": [*context.tags, *entry.tags],
        "tlp": context.tlp,
        "threat_level": context.threat_level,
        "date": context.date,
        "url": context.url,
        "comment": entry.comment,
    }
