"""Time is up: a server that trickles, in the head or in the body, over TLS or not."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vedette.misp import http
from vedette.misp.deadline import deadline
from vedette.misp.http import Connection, SlowError, open_client, send
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Response

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@contextmanager
def trickling(start: bytes, each: bytes, *, tls: bool = False) -> Iterator[str]:
    """Serve an answer that never ends: a start, then a little every 20 ms."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "loopback.pem")

    def serve() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                if tls:
                    connection = context.wrap_socket(connection, server_side=True)
                connection.recv(65_536)
                connection.sendall(start)
                while not stopped.wait(0.02):
                    connection.sendall(each)
            except OSError:
                pass
            finally:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    stopped.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("start", "each"),
    [
        (HEAD, b"X-More: x\r\n"),
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"a\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\na\n\r\n"),
        (b"", b"H"),
    ],
    ids=["head", "body", "chunks", "nonsense"],
)
def test_a_server_that_never_comes_to_an_end_is_left(
    monkeypatch: pytest.MonkeyPatch, start: bytes, each: bytes, *, tls: bool
) -> None:
    monkeypatch.setattr(http, "DEADLINE_S", 0.5)
    connection = Connection(timeout_s=5.0, retries=3, ca_file=str(TLS / "authority.pem"))
    with trickling(start, each, tls=tls) as url, open_client(connection, {}) as client:
        started = time.monotonic()
        with pytest.raises(SlowError, match=r"not complete after 0\.5 s") as failed:
            send(client, connection, client.build_request("GET", url))
    assert time.monotonic() - started < 3, "and not asked again"
    assert failed.value.hint


def test_a_connection_that_was_kept_is_cut_too() -> None:
    connection = Connection(timeout_s=5.0)
    with LoopbackServer(lambda _: Response(200, b"x")) as server:
        server.faults.add(Fault(FaultKind.SLOW, seconds=4.0, skip=1, times=1))
        with open_client(connection, {}) as client:
            request = client.build_request("GET", server.url)
            assert client.send(request).content == b"x"
            started = time.monotonic()
            with pytest.raises(TimeoutError), deadline(client, 0.2):
                client.send(request)
            assert time.monotonic() - started < 2
            assert client.send(request).content == b"x", "the next one goes well"


def test_what_fails_in_time_fails_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "DEADLINE_S", 5.0)
    before = threading.active_count()
    with (
        pytest.raises(OSError, match="disk full"),
        open_client(Connection(), {}) as client,
        deadline(client, 5.0),
    ):
        raise OSError("disk full")
    time.sleep(0.05)
    assert threading.active_count() <= before, "no watchdog is left behind"
