"""ClickHouse's HTTP interface over the embedded engine: the real client talks to the real engine.

What it shows: our SQL, types, parameters, settings, tokens, encodings and errors, over the wire.
What it cannot show: replication, shards, quorum, failover. One process for one directory:

    python -m vedette.testing.clickhouse_http DIRECTORY --port 0 --user default --password secret
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import ssl
import zlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import zstandard

_INSERT = re.compile(rb"(?is)\s*(INSERT\s+INTO\s[^;]*?)\sFORMAT\s+(\w+)[ \t]*\n?")
_CODE = re.compile(r"Code: (\d+)\.")
_STATUS: Mapping[int, int] = {516: 403, 497: 403, 60: 404, 81: 404, 62: 400, 159: 408}
"""HTTP status of an exception's code; 500 for all others."""
_NO_SETTINGS = {
    *("query", "database", "default_format", "query_id", "session_id", "session_timeout"),
    *("session_check", "quota_key", "role", "user", "password", "compress", "decompress"),
    *("client_protocol_version", "wait_end_of_query", "buffer_size"),
}
"""Keys of a URL that are no settings of the engine."""


class _RefusedError(Exception):
    """Something that the engine was not asked, with its own code for it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")


@dataclass
class _Asked:
    """A request, decoded."""

    query: bytes
    data: bytes
    database: str = ""
    form: str = "TabSeparated"
    parameters: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


class _Engine:
    """Answers requests; called from several threads at once."""

    def __init__(self, directory: Path) -> None:
        make = import_module("chdb.session").Session
        self._session: Callable[[], Any] = lambda: make(str(directory))
        self._open = self._session()  # as long as there is one, the engine stays up

    def answer(self, asked: _Asked) -> bytes:
        """Run one statement in a session of its own.

        Raises:
            RuntimeError: The engine refused it; the text says why, as a server's does.
        """
        session = self._session()
        try:
            if asked.database:
                session.query(f"USE {asked.database}", "Null")
            if asked.settings:
                changes = (f"{name} = {_quoted(to)}" for name, to in asked.settings.items())
                session.query(f"SET {', '.join(changes)}", "Null")
            if insert := _INSERT.match(asked.query + b"\n" + asked.data):
                # Session does not pass this on.
                inserter = session._conn.send_insert(insert[1].decode(), insert[2].decode())  # noqa: SLF001
                inserter.append((asked.query + b"\n" + asked.data)[insert.end() :])
                inserter.finish()
                return b""
            sql = (asked.query + b"\n" + asked.data).decode()
            result = session.query(sql, asked.form, params=asked.parameters or None)
            return bytes(result.bytes() or b"")
        finally:
            session.close()


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _asked(target: str, headers: Mapping[str, str], body: bytes) -> _Asked:
    """Read a request as the server does: the statement is in the URL, a form, or the body."""
    pairs = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    kind = headers.get("content-type", "")
    if kind.startswith("multipart/form-data"):
        pairs |= _form(kind, body)
        body = b""
    is_setting = {name: not name.startswith("param_") for name in pairs}
    return _Asked(
        query=pairs.get("query", "").encode(),
        data=body,
        database=pairs.get("database", ""),
        form=pairs.get("default_format", "TabSeparated"),
        parameters={
            name.removeprefix("param_"): value
            for name, value in pairs.items()
            if not is_setting[name]
        },
        settings={
            name: value
            for name, value in pairs.items()
            if is_setting[name] and name not in _NO_SETTINGS
        },
    )


def _form(kind: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body
    )
    found: dict[str, str] = {}
    for part in message.iter_parts():
        if part.get_filename():
            raise _RefusedError(48, "external data is not implemented (NOT_IMPLEMENTED)")
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)  # noqa: S101 - parts that have no parts
        found[str(part.get_param("name", header="content-disposition"))] = payload.decode()
    return found


def _decoded(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "" | "identity":
            return body
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(body)
        case "lz4":  # the client sends it if it has it, so it is there
            return bytes(import_module("lz4.frame").decompress(body))
        case _:
            raise _RefusedError(48, f"Unknown compression method: {encoding} (NOT_IMPLEMENTED)")


def _encoded(body: bytes, accepted: str) -> tuple[bytes, str]:
    if "zstd" in accepted:
        return zstandard.ZstdCompressor(1).compress(body), "zstd"
    if "gzip" in accepted:
        return gzip.compress(body, 1), "gzip"
    return body, ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: no waiting for delayed ACKs
    engine: _Engine
    user: str
    password: str

    def do_GET(self) -> None:
        """Answer whatever is asked."""
        body = self._body()
        if self.path == "/ping":
            self._send(200, b"Ok.\n", {})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self._check_user(headers)
            body = _decoded(body, headers.get("content-encoding", ""))
            asked = _asked(self.path, headers, body)
            answer = self.engine.answer(asked)
        except (_RefusedError, RuntimeError) as error:
            text = str(error)
            found = _CODE.search(text)
            code = int(found[1]) if found else 1002
            failure = {"X-ClickHouse-Exception-Code": str(code)}
            self._send(_STATUS.get(code, 500), text.encode() + b"\n", failure)
            return
        # The session gave this setting a value; a server compresses only if it is on.
        accepted = headers.get("accept-encoding", "")
        is_on = asked.settings.get("enable_http_compression") == "1"
        answer, encoding = _encoded(answer, accepted if is_on else "")
        self._send(200, answer, {"Content-Encoding": encoding} if encoding else {})

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _check_user(self, headers: Mapping[str, str]) -> None:
        user, password = headers.get("x-clickhouse-user", "default"), ""
        if key := headers.get("x-clickhouse-key"):
            password = key
        kind, _, code = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            user, _, password = b64decode(code).decode().partition(":")
        if (user, password) != (self.user, self.password):
            text = (
                f"{user}: Authentication failed: password is incorrect, or there is no user with"
                " such name. (AUTHENTICATION_FAILED)"
            )
            raise _RefusedError(516, text)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "X-ClickHouse-Query-Id": str(uuid4()),
            "X-ClickHouse-Server-Display-Name": "vedette-tests",
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Summary": json.dumps({"read_rows": "0", "written_rows": "0"}),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is not worth a traceback."""


def main() -> None:
    """Serve until killed; print the port first."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("directory", type=Path)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--user", default="default")
    options.add_argument("--password", default="")
    options.add_argument("--tls", default="", help="PEM file of a certificate and its key")
    given = options.parse_args()
    handler = type(
        "Handler",
        (_Handler,),
        {"engine": _Engine(given.directory), "user": given.user, "password": given.password},
    )
    server = _Server(("127.0.0.1", given.port), handler)
    if given.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)  # noqa: T201 - whoever started us waits for it
    server.serve_forever(0.05)


if __name__ == "__main__":
    main()
