"""Sightings for other tools: NDJSON, CSV, discovery events; whole tables as Parquet.

A file is there whole or not at all, and a cursor only moves once what it stands for is written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from vedette.errors import PoolError, UsageError
from vedette.fields import BY_NAME, Asset
from vedette.files import write_atomically
from vedette.pipeline.memory import Memory
from vedette.pool.records import Cursor, NewSighting, Sighting

Record = Sighting | NewSighting
TABLES = ("sightings", "observations", "new_sightings", "coverage")

DISCOVERY_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "dns.query": "dns.query.rrname",
        "dns.response.rrname": "dns.answers.rrname",
        "dns.response.ip": "dns.answers.rdata",
        "tls.cert_subject": "tls.subject",
        "tls.cert_issuer": "tls.issuerdn",
        "tls.cert_serial": "tls.serial",
        "tls.cert_fingerprint": "tls.fingerprint",
        "ja3.hash": "tls.ja3.hash",
        "ja3s.hash": "tls.ja3s.hash",
        "ja4.hash": "tls.ja4",
        "http.host": "http.hostname",
        "http.user_agent": "http.http_user_agent",
        "http.method": "http.http_method",
        "http.referer": "http.http_refer",
        "filemd5": "fileinfo.md5",
        "filesha1": "fileinfo.sha1",
        "filesha256": "fileinfo.sha256",
        "file.name": "fileinfo.filename",
        "file.magic": "fileinfo.magic",
        "ssh.software": "ssh.client.software_version",
        "ssh.hassh": "ssh.client.hassh.hash",
        "ssh.hassh.server": "ssh.server.hassh.hash",
        "smtp.helo": "smtp.helo",
        "ip.dst": "dest_ip",
        "ip.src": "src_ip",
        "smb.ntlmssp_user": "smb.ntlmssp.user",
        "smb.ntlmssp_domain": "smb.ntlmssp.domain",
        "smb.ntlmssp_host": "smb.ntlmssp.host",
    }
)
"""Where a field stands in EVE, as ``discovery.key`` names it; the others have their own name."""


class Csv:
    """CSV of RFC 4180: values exact, quoted where they must be."""

    def __init__(self, *, defuse: bool = False) -> None:
        """Take whether cells that a spreadsheet would run get a ``'`` in front."""
        self._defuse = defuse
        self.formulas = 0
        """Values met that a spreadsheet would take for a formula."""

    def lines(self, records: Iterable[Record], kind: type[Record]) -> Iterator[bytes]:
        """Yield the head, and one line a record."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(field.name for field in msgspec.structs.fields(kind))
        for record in records:
            writer.writerow(map(self._cell, msgspec.structs.astuple(record)))
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
        yield text.getvalue().encode()

    def _cell(self, value: object) -> str:
        cell = _time(value) if isinstance(value, datetime) else str(value)
        cell = cell.lower() if isinstance(value, bool) else cell
        if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
            self.formulas += 1
            return f"'{cell}" if self._defuse else cell
        return cell


def ndjson(records: Iterable[Record]) -> Iterator[bytes]:
    """Yield one JSON document a line."""
    encoder = msgspec.json.Encoder()
    return (encoder.encode(record) + b"\n" for record in records)


def discovery(records: Iterable[Record]) -> Iterator[bytes]:
    """Yield one event a line in the shape that Stamus' scout reads from its index."""
    encoder = msgspec.json.Encoder()
    return (encoder.encode(_discovery(record)) + b"\n" for record in records)


def _discovery(record: Record) -> dict[str, Any]:
    field = BY_NAME.get(record.field)
    ours = record.server if field is not None and field.asset is Asset.SERVER else record.client
    at = _time(record.first_seen)
    return {
        "timestamp": at,
        "@timestamp": at,
        "event_type": "discovery",
        "app_proto": field.event.partition("|")[0] if field is not None else "",
        "host": record.sensor,
        "src_ip": record.client,
        "dest_ip": record.server,
        "discovery": {
            "key": DISCOVERY_KEYS.get(record.field, record.field),
            "value": record.value,
            "asset": ours,
            "asset_role": [],
            "asset_net": "",
        },
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Counted:
    """Records on their way out: how many, and which was the last."""

    def __init__(self, records: Iterable[Record], tick: Callable[[], object]) -> None:
        self._records = records
        self._tick = tick
        self.count = 0
        self.last: Record | None = None

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.count += 1
            self.last = record
            self._tick()
            yield record

    @property
    def cursor(self) -> Cursor | None:
        """How far this went; None if it did not go anywhere."""
        last = self.last
        if not isinstance(last, NewSighting):
            return None
        return Cursor(found_at=last.found_at, field=last.field, value=last.value)


def read_cursor(path: Path) -> Cursor | None:
    """Where the last export ended; None before the first.

    Raises:
        UsageError: It cannot be read, or is no cursor.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cursor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"cannot read the cursor {path}: {error.strerror}", hint="Check its permissions."
        ) from error
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{path} is no cursor: {error}",
            hint="Name a file of its own; remove it to begin from the start.",
        ) from error


def write_cursor(path: Path, cursor: Cursor) -> None:
    """Remember where this export ended.

    Raises:
        PoolError: It cannot be written; the next export repeats what this one gave.
    """
    write(path, [msgspec.json.encode(cursor) + b"\n"])


def write(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file in one step.

    Raises:
        PoolError: The disk is full, or we may not write there; the file is as it was.
    """
    try:
        write_atomically(path, chunks)
    except OSError as error:
        raise PoolError(
            f"cannot write {path}: {error.strerror}",
            hint="Make room or choose another place; what was there is as it was.",
        ) from error


def write_parquet(memory: Memory, table: str, path: Path, tick: Callable[[int], object]) -> int:
    """Write one table of the pool as Parquet, in one step.

    Returns:
        The number of rows.

    Raises:
        PoolError: The file cannot be written; it is as it was.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - of the extra; commands start without it

    temporary = path.with_name(f".{path.name}.tmp")
    writer: pq.ParquetWriter | None = None
    rows = 0
    try:
        for batch in memory.rows(table):
            if writer is None:
                writer = pq.ParquetWriter(temporary, batch.schema, compression="zstd")
            writer.write_batch(batch)
            rows += batch.num_rows
            tick(batch.num_rows)
        if writer is not None:
            writer.close()
            temporary.replace(path)
    except OSError as error:
        raise PoolError(
            f"cannot write {path}: {error.strerror or error}",
            hint="Make room or choose another place; what was there is as it was.",
        ) from error
    finally:
        if writer is not None:
            writer.close()
        temporary.unlink(missing_ok=True)
    return rows
