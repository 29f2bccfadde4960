"""A small HTTP server on loopback, real sockets and all, that goes wrong on request."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from vedette.testing.faults import Fault, FaultKind, Faults


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What it gets."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class LoopbackServer:
    """Serves one function on loopback, in threads.

    Args:
        respond: Request to response; called from several threads at once.
        port: 0 for a free one.
        tls: Serve https with this context.
    """

    def __init__(
        self,
        respond: Callable[[Request], Response],
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Bind the port; :meth:`start` or ``with`` starts to serve."""
        self.faults = Faults()
        self.requests: list[Request] = []
        """Every request so far, in order of arrival."""
        self._respond = respond
        self._last: dict[str, Response] = {}
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", port), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        self._stopped.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        serve = self._serve

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one packet: no waiting for delayed ACKs

            def do_GET(self) -> None:
                serve(self)

            do_POST = do_HEAD = do_GET  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        return Handler

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(
            method=handler.command,
            path=handler.path,
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=handler.rfile.read(length),
        )
        self.requests.append(request)
        fault = self.faults.strike(request.path)
        if fault is not None and fault.kind is FaultKind.CLOSE:
            handler.close_connection = True
            return
        if fault is not None and fault.kind is FaultKind.SLOW:
            self._stopped.wait(fault.seconds)
        response = _spoil(fault) or self._answer(request, fault)
        cut = fault is not None and fault.kind is FaultKind.CUT
        _write(handler, response, cut=cut)

    def _answer(self, request: Request, fault: Fault | None) -> Response:
        last = self._last.get(request.path)
        if fault is not None and fault.kind is FaultKind.REPEAT and last is not None:
            return last
        self._last[request.path] = self._respond(request)
        return self._last[request.path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is not worth a traceback."""

    def shutdown_request(self, request: object) -> None:
        """Close without waiting for a client that has gone."""
        if isinstance(request, socket.socket):
            self.close_request(request)


def _spoil(fault: Fault | None) -> Response | None:
    if fault is None or fault.kind not in {FaultKind.STATUS, FaultKind.BODY}:
        return None
    status = fault.status if fault.kind is FaultKind.STATUS else 200
    return Response(status, fault.body, fault.content_type, fault.headers)


def _write(handler: BaseHTTPRequestHandler, response: Response, *, cut: bool) -> None:
    handler.send_response_only(response.status)
    if "Date" not in response.headers:
        handler.send_header("Date", handler.date_time_string())
    handler.send_header("Content-Type", response.content_type)
    handler.send_header("Content-Length", str(len(response.body)))
    for name, value in response.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        body = response.body[: len(response.body) // 2] if cut else response.body
        handler.wfile.write(body)
    handler.wfile.flush()
    if cut:
        handler.close_connection = True


def files_of(directory: Path) -> Callable[[Request], Response]:
    """Serve the files of a directory, as a web server does that holds a feed or a list."""

    def respond(request: Request) -> Response:
        path = directory / request.path.partition("?")[0].lstrip("/")
        if not path.resolve().is_relative_to(directory.resolve()) or not path.is_file():
            return Response(404, b"<html>404 Not Found</html>", "text/html")
        kind = "application/json" if path.suffix == ".json" else "text/plain"
        return Response(200, path.read_bytes(), kind)

    return respond
