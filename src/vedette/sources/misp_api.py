"""Indicators from a MISP server: what changed since the last pull, event by event.

The list of events is compared with what we hold, by inequality, because timestamps of synchronised
events go backwards. A changed event is read whole and replaces what we had.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Literal

import structlog

from vedette.config import parse_duration
from vedette.errors import ConfigError
from vedette.misp.client import MispClient, read_key
from vedette.misp.http import Connection, check_server_url
from vedette.misp.times import seconds
from vedette.misp.wire import IndexRow
from vedette.model import Broken, Item
from vedette.sources.filters import Filters
from vedette.sources.misp_index import Held, Rules
from vedette.sources.misp_reading import CHUNK, Reader
from vedette.sources.misp_version import period_of

log = structlog.get_logger(__name__)

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NO_UUID = "the list names an event that is no UUID"
_ZMQ = re.compile(r"(?:tcp|ipc)://\S+")


class MispApi(Connection, frozen=True, kw_only=True):
    """A MISP server.

    Example::

        vedette source add misp https://misp.example.org --key-file /etc/vedette/misp.key
    """

    kind: ClassVar[str] = "misp"

    name: str
    url: str
    """The base address, without ``/events`` or the like."""
    key_file: str
    """File with the API key of a MISP user; a read-only role is enough. Others must not be able
    to read the file."""
    filters: Filters = Filters()
    page_size: int = 20_000
    """Attributes in one answer: about 700 bytes each here, and PHP memory on the server."""
    unpublished: Literal["keep", "drop"] = "keep"
    """What becomes of an event that is unpublished, as any edit does: keep its last published
    state until it is published again, or drop it at once."""
    unpublished_grace: str = "7d"
    """How long ``keep`` keeps it: ``12h``, ``7d``; empty for ever."""
    missing_grace: str = ""
    """How long an event stays that the server no longer shows; empty not at all. For a server
    with ``MISP.unpublishedprivate``, which hides from us what is being edited."""
    reconcile: str = "1d"
    """How often all events are read again, at night, for what leaves no trace in the list of
    events (local tags, narrowed distribution, decay); empty never."""
    decay: bool = False
    """Ask for MISP's decay scores: what all its models call decayed counts as expired."""
    zmq: str = ""
    """Address of MISP's ZeroMQ publisher (``tcp://misp.example.org:50000``): only a hint to pull
    at once, the interval stays."""
    rate_limit_wait_s: float = 60.0
    """Longest wait for MISP's rate limit; beyond it the pull fails."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ValueError: The page size is not positive, or a text is no duration or no address.
        """
        check_server_url(self.url)
        if self.page_size < 1:
            raise ValueError("page_size must be positive")
        for name in ("unpublished_grace", "missing_grace", "reconcile"):
            try:
                _duration(getattr(self, name))
            except ConfigError as error:
                raise ValueError(f"{name}: {error}; {error.hint}") from error
        if self.zmq and not _ZMQ.fullmatch(self.zmq):
            raise ValueError(f"zmq: '{self.zmq}' is no address like tcp://misp.example.org:50000")

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield the events that differ from what we hold, and name the others.

        Raises:
            SourceError: The server could not be asked to the end.
        """
        now = self._now()
        with self._client() as client:
            held = Held(known, self._rules(now))
            reader = Reader(self, client, held, now=now)
            to_read: list[IndexRow] = []
            rows = _Listing(client, known).rows()
            yield from self._judge(rows, held, to_read)
            yield from _missing(known.keys() - {row.uuid for row in rows}, held)
            for start in range(0, len(to_read), CHUNK):
                yield from reader.read(to_read[start : start + CHUNK])
        log.info("source.read", source=self.name, events=len(rows), changed=len(to_read))

    def check(self) -> dict[str, object]:
        """Ask what the server is and what the key may do, for ``source test``.

        Raises:
            SourceError: The server cannot be asked.
        """
        with self._client() as client:
            version = client.version()
            return {
                "version": version.version,
                "role": client.role(),
                "perm_sighting": version.perm_sighting,
                "perm_sync": version.perm_sync,
                "events": len(client.index()),
            }

    def _now(self) -> datetime:
        return datetime.now(UTC)

    def _client(self) -> MispClient:
        key = read_key(self.key_file)
        return MispClient(self.url, key, self, rate_limit_wait_s=self.rate_limit_wait_s)

    def _rules(self, now: datetime) -> Rules:
        # Another server may show other attributes of the same event, and has its own address.
        place = f"-{zlib.crc32(self.url.rstrip('/').encode()):08x}"
        stamp = self.filters.fingerprint(now) + place + ("+decay" if self.decay else "")
        if every_s := _duration(self.reconcile):
            stamp += f".{period_of(now, every_s, self.name)}"
        return Rules(
            stamp=stamp,
            published_only=self.filters.wants_published_only(default=True),
            unpublished=self.unpublished,
            grace_s=_duration(self.unpublished_grace),
            grace=self.unpublished_grace,
            missing_grace_s=_duration(self.missing_grace),
            now=int(now.timestamp()),
        )

    def _judge(
        self, rows: Iterable[IndexRow], held: Held, to_read: list[IndexRow]
    ) -> Iterator[Item]:
        """Yield what needs no reading, and collect the rest: what changed last comes first."""
        for row in sorted(rows, key=lambda row: (-seconds(row.timestamp), seconds(row.id))):
            if not _UUID.fullmatch(row.uuid):
                yield Broken(row.uuid[:36], _NO_UUID)
            elif (items := held.judge(row)) is not None:
                yield from items
            else:
                to_read.append(row)


class _Listing:
    """The list of events, distrusted where it does not name what we hold."""

    def __init__(self, client: MispClient, known: Mapping[str, str]) -> None:
        self._client = client
        self._known = known

    def rows(self) -> list[IndexRow]:
        """Every event that the server shows, each once.

        What we hold and one list omits is asked for again, in a second list and then by uuid: a
        list that was cut short, or made while events were written, must not remove anything.
        """
        found = {row.uuid: row for row in self._client.index()}
        if self._known.keys() - found.keys():
            found |= {row.uuid: row for row in self._client.index()}
        missing = sorted(key for key in self._known.keys() - found.keys() if _UUID.fullmatch(key))
        for start in range(0, len(missing), CHUNK):
            for number, event in self._client.metadata(missing[start : start + CHUNK]).items():
                uuid = event.uuid or ""
                published = bool(event.published)
                found[uuid] = IndexRow(
                    uuid=uuid, id=number, timestamp=event.timestamp, published=published
                )
        gone = len(self._known.keys() - found.keys())
        if missing:
            log.info("misp.missing", asked=len(missing), gone=gone)
        return list(found.values())


def _missing(keys: Iterable[str], held: Held) -> Iterator[Item]:
    for key in sorted(keys):
        if (item := held.missing(key)) is not None:
            yield item


def _duration(text: str) -> int:
    """Seconds of a setting; 0 for none."""
    return parse_duration(text) if text else 0
