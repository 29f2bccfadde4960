"""Other ways to read EVE: ``ingest_peers.py WHAT PATH``, each a process of its own.

What they remember is less than what Vedette does, never more: the fields that everybody asks for,
with first, last, count and client. Each prints how many distinct things it found.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

Fold = dict[tuple[str, str, str], list[Any]]

_KEYS: Mapping[str, tuple[str, ...]] = {
    "dns": ("rrname",),
    "tls": ("sni", "subject", "issuerdn", "fingerprint"),
    "http": ("hostname", "url", "http_user_agent"),
    "fileinfo": ("md5", "sha1", "sha256", "filename"),
}
_CHUNK = 1 << 20
_NODE_S = 60


def _values(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is worth remembering of one event, as a short script would pick it."""
    kind = event["event_type"]
    part = event.get(kind, {})
    for key in _KEYS.get(kind, ()):
        if key in part:
            yield key, part[key]
    if kind == "dns":
        for query in part.get("queries", ()):
            yield "rrname", query["rrname"]
        for answer in part.get("answers", ()):
            yield "rdata", answer["rdata"]
    elif kind == "flow":
        yield "ip", event["dest_ip"]


def _fold_lines(path: Path, decode: Callable[[bytes], Any]) -> int:
    found: Fold = {}
    with path.open("rb") as lines:
        for line in lines:
            event = decode(line)
            when, client = event["timestamp"], event.get("src_ip", "")
            for field, value in _values(event):
                known = found.get((field, value, client))
                if known is None:
                    found[(field, value, client)] = [when, when, 1]
                    continue
                known[0] = min(known[0], when)
                known[1] = max(known[1], when)
                known[2] += 1
    return len(found)


def count_lines(path: Path) -> int:
    """Read and count the ends of lines."""
    found = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found += chunk.count(b"\n")
    return found


def parse_simdjson(path: Path) -> int:
    """Parse every line with simdjson and read one key of it."""
    import simdjson  # noqa: PLC0415 - the others must not pay for it

    parser = simdjson.Parser()
    kinds = set()
    with path.open("rb") as lines:
        for line in lines:
            # No name for the document: the parser is used again only when nothing refers to it.
            kinds.add(cast("Any", parser.parse(line))["event_type"])
    return len(kinds)


def fold_json(path: Path) -> int:
    """Decode with the standard library and fold into a dictionary."""
    import json  # noqa: PLC0415

    return _fold_lines(path, json.loads)


def fold_orjson(path: Path) -> int:
    """Decode with orjson and fold into a dictionary."""
    import orjson  # noqa: PLC0415

    return _fold_lines(path, orjson.loads)


def surimisp(path: Path) -> int:
    """Do what surimisp does for a line: decode it and look three of its values up; keep nothing."""
    import json  # noqa: PLC0415

    hostnames, domains, urls = ({f"{n}.listed.example" for n in range(100_000)} for _ in range(3))
    found = read = 0
    with path.open() as lines:
        for line in lines:
            event = json.loads(line)
            read += 1
            kind = event.get("event_type")
            if kind == "http":
                http = event["http"]
                found += http.get("hostname") in hostnames
                found += http.get("url") in urls
            elif kind == "dns":
                found += event["dns"].get("rrname") in domains
    return read


_COLUMNS = """{timestamp: 'TIMESTAMPTZ', event_type: 'VARCHAR', src_ip: 'VARCHAR',
 dest_ip: 'VARCHAR', dns: 'STRUCT(rrname VARCHAR, queries STRUCT(rrname VARCHAR)[],
 answers STRUCT(rdata VARCHAR)[])', tls: 'STRUCT(sni VARCHAR, subject VARCHAR, issuerdn VARCHAR,
 fingerprint VARCHAR)', http: 'STRUCT(hostname VARCHAR, url VARCHAR, http_user_agent VARCHAR)',
 fileinfo: 'STRUCT(md5 VARCHAR, sha1 VARCHAR, sha256 VARCHAR, filename VARCHAR)'}"""

_PICK = """
WITH eve AS (SELECT * FROM read_ndjson('{path}', columns={columns})),
picked AS (SELECT timestamp, src_ip, unnest(CASE event_type
 WHEN 'dns' THEN list_concat([{{f: 'dns', v: dns.rrname}}],
   list_transform(dns.queries, lambda x: {{f: 'dns', v: x.rrname}}),
   list_transform(dns.answers, lambda x: {{f: 'answer', v: x.rdata}}))
 WHEN 'tls' THEN [{{f: 'sni', v: tls.sni}}, {{f: 'subject', v: tls.subject}},
   {{f: 'issuerdn', v: tls.issuerdn}}, {{f: 'fingerprint', v: tls.fingerprint}}]
 WHEN 'http' THEN [{{f: 'hostname', v: http.hostname}}, {{f: 'url', v: http.url}},
   {{f: 'http_user_agent', v: http.http_user_agent}}]
 WHEN 'fileinfo' THEN [{{f: 'md5', v: fileinfo.md5}}, {{f: 'sha1', v: fileinfo.sha1}},
   {{f: 'sha256', v: fileinfo.sha256}}, {{f: 'filename', v: fileinfo.filename}}]
 WHEN 'flow' THEN [{{f: 'ip', v: dest_ip}}] END) AS pair FROM eve)
"""


def duckdb_once(path: Path) -> int:
    """Read, fold and keep it in a DuckDB file, all in one statement with both cores."""
    import duckdb  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as scratch:
        database = duckdb.connect(str(Path(scratch) / "pool.duckdb"))
        database.execute(
            "CREATE TABLE observations AS "
            + _PICK.format(path=path, columns=_COLUMNS)
            + "SELECT pair.f AS field, pair.v AS value, src_ip AS client, min(timestamp) AS first,"
            " max(timestamp) AS last, count(*) AS n FROM picked WHERE pair.v IS NOT NULL"
            " GROUP BY ALL ORDER BY ALL"
        )
        database.execute("CHECKPOINT")
        row = database.execute("SELECT count(*) FROM observations").fetchone()
    return int(row[0]) if row else 0


def tenzir_parse(path: Path) -> int:
    """Let Tenzir read the file and count its events."""
    command = [tenzir(), f'from_file "{path}" {{ read_suricata }} | summarize n=count()']
    return _first_number(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def tenzir_fold(path: Path) -> int:
    """Let Tenzir keep first, last and count of names looked up, by client: one field only."""
    pipeline = (
        f'from_file "{path}" {{ read_suricata }} | where @name == "suricata.dns" | summarize'
        " dns.rrname, src_ip, first=min(timestamp), last=max(timestamp), n=count()"
        " | summarize n=count()"
    )
    done = subprocess.run([tenzir(), pipeline], check=True, capture_output=True, text=True)
    return _first_number(done.stdout)


def tenzir_import(path: Path) -> int:
    """Let Tenzir import the file into the store of a node on this machine."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        with log.open("wb") as file:
            node = subprocess.Popen(
                [f"{tenzir()}-node", "-d", f"{scratch}/state", "-e", "127.0.0.1:5158"],
                stdout=file,
                stderr=file,
            )
        try:
            deadline = time.monotonic() + _NODE_S
            while b"listens" not in log.read_bytes() and time.monotonic() < deadline:
                time.sleep(0.05)
            pipeline = f'from_file "{path}" {{ read_suricata }} | import'
            ask = [tenzir(), "-e", "127.0.0.1:5158"]
            subprocess.run([*ask, pipeline], check=True, capture_output=True)
            counting = [*ask, "export | summarize n=count()"]
            done = subprocess.run(counting, check=True, capture_output=True, text=True)
        finally:
            node.send_signal(signal.SIGTERM)
            node.wait(_NODE_S)
    return _first_number(done.stdout)


def tenzir() -> str:
    """Return where Tenzir is, or nothing: ``$VEDETTE_BENCH_TENZIR``, beside Python, on the PATH."""
    beside = Path(sys.executable).with_name("tenzir")
    given = os.environ.get("VEDETTE_BENCH_TENZIR", "")
    return given or (str(beside) if beside.is_file() else shutil.which("tenzir") or "")


def fold_python(path: Path) -> int:
    """Vedette's own fold in Python, alone."""
    return _vedette(path, native=False)


def fold_native(path: Path) -> int:
    """Vedette's own native fold, alone."""
    return _vedette(path, native=True)


def _vedette(path: Path, *, native: bool) -> int:
    """Fold a file in blocks, taking whenever a batch is full, as the ingest does."""
    from vedette.config import PoolSettings  # noqa: PLC0415
    from vedette.observe import new_fold  # noqa: PLC0415

    settings = PoolSettings()
    fold = new_fold(settings.skip, settings.home, native=native)
    rest, rows = b"", 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            whole, end, rest_of = (rest + chunk).rpartition(b"\n")
            rest = rest_of
            fold.add(whole + end)
            if len(fold) >= settings.batch_rows:
                rows += fold.take().observations.num_rows
    fold.add(rest)
    last: int = fold.take().observations.num_rows
    return rows + last


def _first_number(text: str) -> int:
    return int("".join(letter for letter in text if letter.isdigit()))


WAYS: Mapping[str, Callable[[Path], int]] = {
    function.__name__: function
    for function in (
        count_lines,
        parse_simdjson,
        fold_json,
        fold_orjson,
        surimisp,
        duckdb_once,
        tenzir_parse,
        tenzir_fold,
        tenzir_import,
        fold_python,
        fold_native,
    )
}

if __name__ == "__main__":
    print(WAYS[sys.argv[1]](Path(sys.argv[2])))
