"""Harmless traffic on loopback that looks like an infected client: DNS, HTTP, TLS.

Nothing leaves this machine: every packet goes to 127.0.0.1, and no name is resolved.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vedette.testing.capture import dns_query

_LOOPBACK = "127.0.0.1"
_DNS_PORT = 53
_TIMEOUT_S = 3.0


def ask(name: str) -> None:
    """Send one DNS query for a name to this machine, spelt exactly as given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, suppress(OSError):
        client.connect((_LOOPBACK, _DNS_PORT))
        client.send(dns_query(name))


def browse(host: str, path: str, user_agent: str) -> None:
    """Send one HTTP request to a server of our own."""
    with _web_server() as port:
        connection = HTTPConnection(_LOOPBACK, port, timeout=_TIMEOUT_S)
        connection.request("GET", path, headers={"Host": host, "User-Agent": user_agent})
        connection.getresponse().read()
        connection.close()


def greet(name: str) -> None:
    """Send one TLS ClientHello with this server name to a server that hangs up."""
    with socket.create_server((_LOOPBACK, 0)) as server:
        thread = threading.Thread(target=_hang_up, args=(server,))
        thread.start()
        context = ssl.create_default_context()
        client = socket.create_connection(server.getsockname(), timeout=_TIMEOUT_S)
        with client, suppress(OSError):
            context.wrap_socket(client, server_hostname=name)
        thread.join()


def _hang_up(server: socket.socket) -> None:
    peer, _ = server.accept()
    with peer, suppress(OSError):
        peer.settimeout(_TIMEOUT_S)
        peer.recv(4_096)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"nothing to see here\n"
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


@contextmanager
def _web_server() -> Iterator[int]:
    server = ThreadingHTTPServer((_LOOPBACK, 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
