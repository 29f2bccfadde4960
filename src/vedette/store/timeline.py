"""What happened, in one line of time: what people did, and what Vedette did by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from vedette.store.audit import Audit, Deed

_BY_ITSELF = "vedette"


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened."""

    at: int
    """Epoch seconds."""
    kind: str
    """``deed``, ``announcement``, ``rollout``, ``sensor``."""
    who: str
    origin: str = ""
    what: str
    subject: str = ""
    ok: bool | None = None
    """None: that is no question, or nobody knows (yet)."""
    why: str = ""
    detail: Mapping[str, Any] = {}


class Timeline:
    """Reads what others wrote; ``hub.store.timeline``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._audit = Audit(connection)

    def last(
        self, *, subject: str = "", since: int = 0, limit: int = 100, people: bool = False
    ) -> list[Happened]:
        """Return the last that happened, the newest first.

        Args:
            subject: Only of this sensor, source, token...; a generation is ``generation 12``.
            since: Epoch seconds; 0: from the beginning.
            limit: Most of them.
            people: Only what people and holders of tokens did.
        """
        deeds = self._audit.trail(subject=subject, since=since, limit=limit)
        found = [_of_deed(deed) for deed in deeds]
        if not people:
            wanted = {"subject": subject, "since": since, "limit": limit}
            found += self._announcements(wanted)
            found += self._rollouts(wanted)
            found += self._sensors(wanted)
        return sorted(found, key=lambda one: one.at, reverse=True)[:limit]

    def _announcements(self, wanted: Mapping[str, Any]) -> Iterator[Happened]:
        rows = self._db.execute(
            "SELECT at, who, 'generation '||generation AS subject, serial, why FROM announcement"
            " WHERE at>=:since AND (:subject='' OR 'generation '||generation=:subject)"
            " ORDER BY serial DESC LIMIT :limit",
            wanted,
        )
        for at, who, subject, serial, why in rows:
            yield Happened(
                at=at,
                kind="announcement",
                who=who or _BY_ITSELF,
                what="announced",
                subject=subject,
                why=why,
                detail={"serial": serial},
            )

    def _rollouts(self, wanted: Mapping[str, Any]) -> Iterator[Happened]:
        rows = self._db.execute(
            "SELECT * FROM (SELECT r.id, 0 AS ended, r.started_at AS at, 'began' AS state, '' AS"
            " why, 'generation '||a.generation AS subject, r.serial FROM rollout r"
            " JOIN announcement a ON a.serial=r.serial"
            " UNION ALL SELECT r.id, 1, r.ended_at, r.state, r.why, 'generation '||a.generation,"
            " r.serial FROM rollout r JOIN announcement a ON a.serial=r.serial"
            " WHERE r.ended_at>0) WHERE at>=:since AND (:subject='' OR subject=:subject)"
            " ORDER BY id DESC, ended DESC LIMIT :limit",
            wanted,
        )
        for number, _ended, at, state, why, subject, serial in rows:
            yield Happened(
                at=at,
                kind="rollout",
                who=_BY_ITSELF,
                what=f"roll-out {state}",
                subject=subject,
                why=why,
                detail={"rollout": number, "serial": serial},
            )

    def _sensors(self, wanted: Mapping[str, Any]) -> Iterator[Happened]:
        rows = self._db.execute(
            "SELECT at, sensor, state, generation, why FROM sensor_event WHERE at>=:since"
            " AND (:subject='' OR sensor=:subject) ORDER BY id DESC LIMIT :limit",
            wanted,
        )
        for at, sensor, state, generation, why in rows:
            yield Happened(
                at=at,
                kind="sensor",
                who=_BY_ITSELF,
                what=f"sensor {state}",
                subject=sensor,
                why=why,
                detail={"generation": generation},
            )


def _of_deed(deed: Deed) -> Happened:
    return Happened(
        at=deed.at,
        kind="deed",
        who=deed.who,
        origin=deed.origin,
        what=deed.action,
        subject=deed.subject,
        ok=deed.ok,
        why=str(deed.detail.get("error") or deed.detail.get("why") or ""),
        detail=deed.detail,
    )
