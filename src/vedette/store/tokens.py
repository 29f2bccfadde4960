"""Tokens of sensors and tools, and what each fetched last.

One hard rule: the secret part is kept nowhere, only its SHA-256; who reads the database, or a
backup of it, can fetch nothing with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from vedette.errors import UsageError

_TOKEN = re.compile(r"vdt_([0-9a-f]{8})_([A-Za-z0-9_-]{43})", re.ASCII)
_NOBODY = hashlib.sha256(b"").hexdigest()
_COLUMNS = (
    "id, sensor, scopes, created_at, created_by, expires_at, revoked_at, revoked_by, used_at,"
    " used_from"
)


class Scope(StrEnum):
    """What a token may do."""

    FETCH = "fetch"
    """Read generations: the manifest, archives, rules, datasets."""
    REPORT = "report"
    """Say what a sensor holds, and send its hits."""
    METRICS = "metrics"
    """Read ``/metrics``."""


class TokenRecord(Struct, frozen=True, kw_only=True):
    """A token without its secret."""

    id: str
    """The part that is no secret: 8 hex digits."""
    sensor: str
    """``""``: of a tool that is no sensor."""
    scopes: frozenset[Scope]
    created_at: int
    """Epoch seconds, like all below."""
    created_by: str
    expires_at: int = 0
    """0: never."""
    revoked_at: int = 0
    """0: it is not."""
    revoked_by: str = ""
    used_at: int = 0
    """When it was used last, to a minute; 0: never."""
    used_from: str = ""

    def is_valid(self, now: int) -> bool:
        """Whether it opens anything at this moment."""
        return not self.revoked_at and not (self.expires_at and self.expires_at <= now)


class Fetch(NamedTuple):
    """What a consumer fetched of one kind of file, last."""

    token: str
    what: str
    """``archive``, ``rules``, ``dataset``, ``check`` (only a checksum was read), ``manifest``."""
    generation: int
    at: int
    origin: str
    agent: str
    """Its User-Agent, cut."""


class Tokens:
    """The tokens of one hub."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add(
        self, sensor: str, scopes: Iterable[Scope], *, by: str, now: int, expires_at: int = 0
    ) -> str:
        """Make a token and return its text, which cannot be had again.

        Raises:
            UsageError: It may do nothing.
        """
        wanted = " ".join(sorted(set(scopes)))
        if not wanted:
            raise UsageError(
                "a token without a scope opens nothing", hint=f"Scopes: {', '.join(Scope)}."
            )
        secret = secrets.token_urlsafe(32)
        while True:
            name = secrets.token_hex(4)
            with self._db:
                added = self._db.execute(
                    "INSERT OR IGNORE INTO token(id, sensor, scopes, digest, created_at,"
                    " created_by, expires_at) VALUES(?,?,?,?,?,?,?)",
                    (name, sensor, wanted, _digest(secret), now, by, expires_at),
                )
            if added.rowcount:
                return f"vdt_{name}_{secret}"

    def authenticate(self, text: str) -> TokenRecord | None:
        """Return whose token this is, valid or not any more; None: it is none of ours.

        Takes the same time whether the id or the secret is wrong.
        """
        match = _TOKEN.fullmatch(text)
        name, secret = match.groups() if match else ("", "")
        row = self._db.execute(
            f"SELECT digest, {_COLUMNS} FROM token WHERE id=?",  # noqa: S608
            (name,),
        ).fetchone()
        same = hmac.compare_digest(_digest(secret), row[0] if row else _NOBODY)
        return _record(row[1:]) if row and same else None

    def all(self, sensor: str | None = None) -> list[TokenRecord]:
        """Return all tokens, or those of a sensor (``""``: of tools), the oldest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM token WHERE ?1 IS NULL OR sensor=?1"  # noqa: S608
            " ORDER BY created_at, id",
            (sensor,),
        )
        return [_record(row) for row in rows]

    def revoke(self, name: str, *, by: str, now: int) -> TokenRecord:
        """Make a token open nothing from this moment on.

        Raises:
            UsageError: There is no such token.
        """
        with self._db:
            self._db.execute(
                "UPDATE token SET revoked_at=?, revoked_by=? WHERE id=? AND revoked_at=0",
                (now, by, name),
            )
        for record in self.all():
            if record.id == name:
                return record
        raise UsageError(f"there is no token '{name}'", hint="See: vedette token list")

    def revoke_of(self, sensor: str, *, by: str, now: int) -> int:
        """Revoke all tokens of a sensor; return how many were valid until now."""
        with self._db:
            return self._db.execute(
                "UPDATE token SET revoked_at=?, revoked_by=? WHERE sensor=? AND revoked_at=0",
                (now, by, sensor),
            ).rowcount

    def note_use(self, uses: Iterable[tuple[str, int, str]]) -> None:
        """Keep when tokens were used last and from where: (id, epoch seconds, address)."""
        with self._db:
            self._db.executemany(
                "UPDATE token SET used_at=max(used_at, ?2), used_from=?3 WHERE id=?1", uses
            )

    def note_fetches(self, fetches: Iterable[Fetch]) -> None:
        """Keep what was fetched last."""
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO fetched VALUES(?,?,?,?,?,?)", fetches)

    def fetches(self, sensor: str | None = None) -> list[Fetch]:
        """Return what the tokens of all sensors, or of one, fetched last; the newest first."""
        rows = self._db.execute(
            "SELECT f.token, f.what, f.generation, f.at, f.origin, f.agent FROM fetched f"
            " JOIN token t ON t.id=f.token WHERE ?1 IS NULL OR t.sensor=?1 ORDER BY f.at DESC",
            (sensor,),
        )
        return [Fetch(*row) for row in rows]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(row: tuple[str, str, str, int, str, int, int, str, int, str]) -> TokenRecord:
    return TokenRecord(
        id=row[0],
        sensor=row[1],
        scopes=frozenset(Scope(scope) for scope in row[2].split()),
        created_at=row[3],
        created_by=row[4],
        expires_at=row[5],
        revoked_at=row[6],
        revoked_by=row[7],
        used_at=row[8],
        used_from=row[9],
    )
