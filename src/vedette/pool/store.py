"""The pool: commits what was folded, exactly once, and knows what it had never seen.

Hard rule: the order of a commit's inserts is part of its being exact (see :meth:`Pool.commit`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import structlog

from vedette.config import PoolSettings, Settings, parse_duration
from vedette.model import Key
from vedette.observe.folded import Folded
from vedette.pool import exports, hunting, keeping, listing, news, questions
from vedette.pool.backend import Backend
from vedette.pool.embedded import EmbeddedBackend
from vedette.pool.known import Known
from vedette.pool.opening import prepare, read_keys
from vedette.pool.records import (
    Coverage,
    Cursor,
    Day,
    Expired,
    Found,
    NewSighting,
    Place,
    Prevalence,
    Sighting,
    TableSize,
    Wanted,
    Who,
)
from vedette.pool.remote import RemoteBackend, parse_address

log = structlog.get_logger(__name__)

_TIME = pa.timestamp("us", tz="UTC")
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Pool:
    """An open pool. Threads may ask while one commits; only one may commit at a time."""

    def __init__(self, backend: Backend, settings: PoolSettings) -> None:
        """Make the tables that are missing and read which values are known.

        Raises:
            PoolError: The engine failed.
        """
        self.backend = backend
        self.settings = settings
        self._committing = threading.Lock()
        prepare(backend, settings.cluster)
        self._known = Known(read_keys(backend))
        self._last_found_at = _last_found_at(backend)
        log.info("pool.opened", known=len(self._known), database=backend.database)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the pool that vedette.toml names.

        Raises:
            BusyError: Another process has the embedded store open.
            ConfigError: The address of the store is none.
            PoolError: It cannot be opened or reached, or the extra is missing.
        """
        backend: Backend
        if settings.pool.store:
            backend = RemoteBackend(parse_address(settings.pool.store))
        else:
            backend = EmbeddedBackend(settings.pool_dir / "store")
        try:
            return cls(backend, settings.pool)
        except BaseException:
            backend.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the engine."""
        self.backend.close()

    @property
    def known(self) -> int:
        """How many (field, value) pairs have been seen."""
        return len(self._known)

    def commit(self, folded: Folded, *, sensor: str, token: str) -> int:
        """Take in a batch, once: the same batch with the same token again changes nothing.

        Which values are new is decided by what was known before the batch. They are written first:
        if the engine or we stop on the way, the batch is repeated, and either its sightings were
        not complete, so the same values are still new and their token is known, or they were, and
        then the new ones had been written before.

        Args:
            folded: What was read.
            sensor: Who saw it.
            token: Of this batch and no other.

        Returns:
            How many values nobody had seen before.

        Raises:
            PoolError: The engine failed; repeat the commit with the same token.
        """
        with self._committing:
            keys = folded.sightings["key"].to_numpy()
            new = self._known.are_new(keys)
            found = int(np.count_nonzero(new))
            at = self._found_at()
            if found:
                rows = _new_rows(folded.sightings.filter(pa.array(new)), sensor, at)
                self.backend.insert("new_sightings", rows, token=token)
            if folded.sightings.num_rows:
                self.backend.insert(
                    "sightings", _sighting_rows(folded.sightings, sensor), token=token
                )
                self.backend.insert(
                    "observations", _with_sensor(folded.observations, sensor), token=token
                )
            if folded.hours:
                self.backend.insert("coverage", _coverage_rows(folded, sensor), token=token)
            self._known.add(keys[new])
            self._last_found_at = at
        return found

    # -- questions ------------------------------------------------------------------------

    def coverage(self) -> Coverage:
        """How much of the past the answers cover."""
        return keeping.coverage(self.backend, self._learning)

    def sizes(self) -> tuple[TableSize, ...]:
        """What the tables take."""
        return keeping.sizes(self.backend, self.settings.cluster)

    def sightings(self, wanted: Wanted) -> Iterator[Sighting]:
        """Sightings, the last seen first."""
        return listing.sightings(self.backend, wanted)

    def seen(self, places: Sequence[Place]) -> list[Sighting]:
        """The sightings of these values, the earliest first; nothing for what was never seen."""
        return questions.seen(self.backend, places)

    def who(self, places: Sequence[Place], *, limit: int = 0) -> list[Who]:
        """Between whom these values were seen, within the retention, the last seen first."""
        return questions.who(self.backend, places, limit=limit)

    def days(self, places: Sequence[Place]) -> list[Day]:
        """The days on which any of these values was seen, within the retention, in order."""
        return questions.days(self.backend, places)

    def new(self, wanted: Wanted, after: Cursor | None = None) -> Iterator[NewSighting]:
        """Values that nobody had seen before, in the order in which they came in."""
        until = self.coverage().learning_until
        return news.new(
            self.backend, wanted, after, learning_until=until, committed_at=self._last_found_at
        )

    def found(self, keys: Iterable[Key]) -> Iterator[Found]:
        """Which of any number of indicators the network has already met."""
        return hunting.found(self.backend, keys)

    def prevalence(self, keys: Iterable[Key], *, days: int) -> Iterator[Prevalence]:
        """How common each of any number of candidates was in the last days."""
        since = datetime.now(UTC).date() - timedelta(days=days - 1)
        return hunting.prevalence(self.backend, keys, since=since)

    def rows(self, table: str) -> Iterator[pa.RecordBatch]:
        """All of a table, merged, in the order of its key."""
        return exports.pieces(self.backend, table)

    def expire(self) -> Expired:
        """Drop the observations that the retention no longer keeps."""
        return keeping.expire(
            self.backend,
            retention=timedelta(seconds=parse_duration(self.settings.retention)),
            retention_bytes=self.settings.retention_bytes,
            cluster=self.settings.cluster,
        )

    @property
    def _learning(self) -> timedelta:
        return timedelta(seconds=parse_duration(self.settings.learning))

    def _found_at(self) -> datetime:
        """Return now, but always later than before: readers go on from the last one they saw."""
        return max(datetime.now(UTC), self._last_found_at + _MICROSECOND)


def _last_found_at(backend: Backend) -> datetime:
    sql = f"SELECT max(found_at) AS at FROM {backend.database}.new_sightings"  # noqa: S608 - see above
    at: datetime | None = backend.query(sql)["at"][0].as_py()
    return at or _EPOCH


def _constant(value: str, rows: int) -> pa.Array:
    return pa.array([value]).take(pa.array(np.zeros(rows, dtype=np.int32)))


def _new_rows(sightings: pa.Table, sensor: str, at: datetime) -> pa.Table:
    rows = sightings.num_rows
    return pa.table(
        {
            "found_at": pa.array([at], type=_TIME).take(pa.array(np.zeros(rows, dtype=np.int32))),
            "field": sightings["field"],
            "value": sightings["value"],
            "first_seen": sightings["first_seen"],
            "client": sightings["client"],
            "server": sightings["server"],
            "sensor": _constant(sensor, rows),
        }
    )


def _sighting_rows(sightings: pa.Table, sensor: str) -> pa.Table:
    earliest = pa.StructArray.from_arrays(
        [
            sightings["first_seen"].combine_chunks(),
            sightings["client"].combine_chunks(),
            sightings["server"].combine_chunks(),
            _constant(sensor, sightings.num_rows),
        ],
        names=["first_seen", "client", "server", "sensor"],
    )
    return pa.table(
        {
            "field": sightings["field"],
            "value": sightings["value"],
            "earliest": earliest,
            "last_seen": sightings["last_seen"],
            "count": sightings["count"],
        }
    )


def _with_sensor(observations: pa.Table, sensor: str) -> pa.Table:
    return observations.append_column("sensor", _constant(sensor, observations.num_rows))


def _coverage_rows(folded: Folded, sensor: str) -> pa.Table:
    hours = folded.hours
    return pa.table(
        {
            "sensor": _constant(sensor, len(hours)),
            "hour": pa.array([hour.hour for hour in hours], type=pa.uint32()),
            "first_seen": pa.array([hour.first_us for hour in hours]).cast(_TIME),
            "last_seen": pa.array([hour.last_us for hour in hours]).cast(_TIME),
            "events": pa.array([hour.events for hour in hours], type=pa.uint64()),
        }
    )
