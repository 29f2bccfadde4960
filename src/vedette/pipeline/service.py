"""The daemon's answers: HTTP over a unix socket, JSON in, NDJSON out.

What is answered is in :mod:`vedette.pipeline.answering`; the other end of the socket is
:mod:`vedette.pipeline.asking`. A whole answer ends with a line ``{"end":...}``: one that was cut
off cannot be taken for a whole one.
"""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from types import TracebackType
from typing import Self

import msgspec
import structlog
from msgspec import Struct

from vedette.config import Settings
from vedette.errors import PoolError, UsageError, VedetteError
from vedette.pipeline import lines
from vedette.pipeline.answering import Failure, answer
from vedette.pipeline.memory import Memory

log = structlog.get_logger(__name__)

SOCKET = "pool.sock"
PREFIX = "/v1/"
PATH_MAX = 107
"""Bytes of a unix socket's path."""

_MODE = 0o660
_IDLE_S = 60.0
"""How long a question may take to arrive."""
_PATIENCE_S = 3_600.0
"""How long a reader may look at what it has before it goes on: people page through answers."""
_GRACE_S = 5.0
_POLL_S = 0.1
_END = msgspec.json.encode({"end": None})


def socket_path(settings: Settings) -> Path:
    """Where the daemon answers."""
    return settings.pool_dir / SOCKET


class PoolService:
    """Answers on ``state/pool/pool.sock`` from entering to leaving; threads of its own.

    Only the owner of the store, who holds ``state/pool/lock``, may enter: a socket that is there
    already belongs to somebody who died. The memory has to be safe to share between threads.
    """

    def __init__(self, memory: Memory, settings: Settings) -> None:
        self._memory = memory
        self._path = socket_path(settings)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            PoolError: The socket's path is longer than 107 bytes, or it cannot be made.
        """
        check_length(self._path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._server = _Server(self._path, self._memory)
        except OSError as error:
            raise PoolError(
                f"cannot listen on {self._path}: {error.strerror}",
                hint="All of the state directory must belong to the user that Vedette runs as.",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="pool-service"
        )
        self._thread.start()
        log.info("service.started", socket=str(self._path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the socket away, and wait for the answers that are being given.

        Whoever reads slowly is cut off after five seconds; a question that the engine still works
        at is waited for, because the engine cannot be closed under it.
        """
        if self._server is None or self._thread is None:
            return
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._server.shutdown()
        self._thread.join()
        cut = threading.Timer(_GRACE_S, self._server.hang_up)
        cut.start()
        self._server.server_close()
        cut.cancel()
        log.info("service.stopped", socket=str(self._path))


def check_length(path: Path) -> None:
    """Refuse a path that no unix socket can have.

    Raises:
        PoolError: It has more than 107 bytes.
    """
    length = len(os.fsencode(path))
    if length > PATH_MAX:
        raise PoolError(
            f"the socket {path} would have a path of {length} bytes, the system allows {PATH_MAX}",
            hint="Set a shorter 'state' in vedette.toml.",
        )


class _Server(ThreadingMixIn, UnixStreamServer):
    """One thread for each connection; closing waits for them."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, path: Path, memory: Memory) -> None:
        self.memory = memory
        self._talking: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(str(path), _Handler)
        path.chmod(_MODE)

    def server_bind(self) -> None:
        """Bind with the mode that the socket shall have: it is never open to all."""
        os.fchmod(self.socket.fileno(), _MODE)
        super().server_bind()

    def talk(self, connection: socket.socket) -> None:
        """Remember whom we talk to."""
        with self._lock:
            self._talking.add(connection)

    def part(self, connection: socket.socket) -> None:
        """Forget whom we talked to."""
        with self._lock:
            self._talking.discard(connection)

    def hang_up(self) -> None:
        """Let nobody who reads slowly keep us from stopping."""
        with self._lock:
            for connection in self._talking:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """Log what no answer could say."""
        log.error("service.crashed", exc_info=sys.exc_info())


class _Handler(BaseHTTPRequestHandler):
    """One question on one connection."""

    protocol_version = "HTTP/1.1"
    error_content_type = "application/json"
    error_message_format = '{"error":"%(message)s","hint":"","exit_code":2,"kind":"UsageError"}\n'
    timeout = _IDLE_S
    server: _Server

    def handle(self) -> None:
        """Answer; a client that goes away only ends its own answer."""
        self.server.talk(self.connection)
        try:
            super().handle()
        except (ConnectionError, TimeoutError) as error:
            log.debug("service.left", path=getattr(self, "path", ""), error=str(error))
        finally:
            self.server.part(self.connection)

    def finish(self) -> None:
        """Let go of a connection that may be broken already."""
        with suppress(ConnectionError, TimeoutError):
            super().finish()

    def do_GET(self) -> None:
        """Answer a question that has no words: for a look with curl."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer a question."""
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        encoding = self.headers.get("Transfer-Encoding", "")
        body = io.BufferedReader(lines.Body(self.rfile, length=length, encoding=encoding))
        name = self.path.removeprefix(PREFIX)
        records = answer(self.server.memory, name, lines.read(body))
        try:
            first = next(records, None)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - whoever asked has to hear of it
            while body.read(lines.CHUNK):
                pass  # a client that still writes would not read the answer
            self._fail(_failure(error))
        else:
            self._stream(first, records)

    def _stream(self, first: Struct | None, records: Iterator[Struct]) -> None:
        self.connection.settimeout(_PATIENCE_S)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for chunk in lines.chunks(_encoded(first, records)):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _fail(self, failure: Failure) -> None:
        body = msgspec.json.encode(failure) + b"\n"
        self.send_response(400 if failure.kind == UsageError.__name__ else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Log at debug, and without the address that a unix socket does not have."""
        log.debug("service.answered", line=format % args)


def _failure(error: Exception) -> Failure:
    if isinstance(error, VedetteError):
        return Failure.of(error)
    log.error("service.failed", exc_info=error)
    return Failure(
        error=f"the daemon failed at this question: {type(error).__name__}: {error}",
        hint="Its log has the details.",
    )


def _encoded(first: Struct | None, records: Iterator[Struct]) -> Iterator[bytes]:
    """Encode an answer, one line a record, with an end that says how it ended."""
    encoder = msgspec.json.Encoder()
    try:
        if first is not None:
            yield encoder.encode(first)
        for record in records:
            yield encoder.encode(record)
    except (ConnectionError, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001 - whoever asked has to hear of it
        yield encoder.encode({"end": _failure(error)})
    else:
        yield _END
