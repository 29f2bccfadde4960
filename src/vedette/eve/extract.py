"""EVE lines as events, and the values in them that a buffer of the engine sees.

Tolerant by design: an event is decoded only if somebody wants it, protocol objects may have any
shape, and what cannot be used is counted by reason, never raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from vedette.buffers import Buffer
from vedette.paths import steps, texts


class Flow(Struct, frozen=True):
    """The ends of a flow: the source opened it."""

    src_ip: str = ""
    dest_ip: str = ""
    src_port: int = 0
    dest_port: int = 0


class Alert(Struct, frozen=True):
    """What a rule said."""

    signature_id: int
    gid: int = 1
    metadata: dict[str, Any] = {}
    context: dict[str, Any] = {}
    """8.x: by context key, what stands beside the entry in a JSON dataset."""


class Event(Struct, frozen=True):
    """One line of EVE. Protocol objects are as the engine wrote them (they differ by version)."""

    event_type: str
    timestamp: str = ""
    flow_id: int = 0
    src_ip: str = ""
    dest_ip: str = ""
    src_port: int = 0
    dest_port: int = 0
    direction: str = ""
    tx_id: int | None = None
    alert: Alert | None = None
    flow: Flow | None = None
    dns: Any = None
    tls: Any = None
    http: Any = None
    fileinfo: Any = None
    files: Any = None
    ssh: Any = None
    smtp: Any = None
    email: Any = None
    quic: Any = None

    @property
    def at(self) -> datetime | None:
        """When it happened, in UTC; None if it does not say."""
        try:
            moment = datetime.fromisoformat(self.timestamp)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # at the ends of all time, a zone leads beyond them
            return None

    @property
    def transaction(self) -> int | None:
        """The number of the request in its flow; dns events keep it in their own object."""
        if self.tx_id is not None:
            return self.tx_id
        inner = self.dns.get("tx_id") if isinstance(self.dns, dict) else None
        return inner if isinstance(inner, int) else None

    @property
    def ends(self) -> Flow:
        """Who opened the flow, and towards whom.

        An alert on an answer has the server as its source, a dns answer of 8.x likewise.
        """
        if self.flow is not None and self.flow.src_ip:
            return self.flow
        answer = isinstance(self.dns, dict) and self.dns.get("type") == "response"
        if self.direction == "to_client" or answer:
            return Flow(self.dest_ip, self.src_ip, self.dest_port, self.src_port)
        return Flow(self.src_ip, self.dest_ip, self.src_port, self.dest_port)


_decode = msgspec.json.Decoder(Event).decode


def decode(line: bytes, skipped: Counter[str]) -> Event | None:
    """Return the event of a line; None, and a count in ``skipped``, if it is none."""
    try:
        return _decode(line.lstrip(b"\0"))
    except msgspec.ValidationError:
        skipped["unexpected"] += 1
    except msgspec.DecodeError:
        skipped["malformed"] += 1
    except UnicodeDecodeError:
        skipped["encoding"] += 1
    return None


def lines_with(data: bytes, needle: bytes) -> Iterator[bytes]:
    """Yield the lines of a block that contain the needle, without looking at the others."""
    at = data.find(needle)
    while at >= 0:
        start = data.rfind(b"\n", 0, at) + 1
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        yield data[start:end]
        at = data.find(needle, end)


def values(event: Event, buffer: Buffer) -> list[str]:
    """Return what the buffer has seen in this event, as EVE spells it, each once."""
    found: dict[str, None] = {}
    for path in buffer.eve:
        found.update(dict.fromkeys(values_at(event, path)))
    return list(found)


def values_at(event: Event, path: str) -> Iterator[str]:
    """Yield the texts at a path, written as in the buffers table."""
    way = steps(path)
    yield from texts(getattr(event, way[0].name, None), way)
