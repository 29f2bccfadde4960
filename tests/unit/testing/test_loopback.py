from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response, files_of


def echo(request: Request) -> Response:
    return Response(200, request.method.encode() + b" " + request.body, "text/plain")


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(echo) as running:
        yield running


def ask(server: LoopbackServer, method: str = "GET", path: str = "/", body: bytes = b"") -> bytes:
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request(method, path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def test_it_answers_on_a_port_of_its_own_and_remembers_what_was_asked(
    server: LoopbackServer,
) -> None:
    assert ask(server, "POST", "/x?y=1", b"hello") == b"POST hello"
    assert [(item.method, item.path, item.body) for item in server.requests] == [
        ("POST", "/x?y=1", b"hello")
    ]


def test_a_stale_answer_is_the_last_one_to_the_same_path(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.REPEAT, path="x", skip=1, times=1))
    bodies = [ask(server, "POST", "/x", body) for body in (b"1", b"2", b"3")]
    assert bodies == [b"POST 1", b"POST 1", b"POST 3"]


def test_a_connection_is_used_again(server: LoopbackServer) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
    for _ in range(2):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"GET "
    connection.close()


def test_it_can_cut_an_answer_in_the_middle(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.CUT))
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "POST", body=b"a long answer")


def test_it_can_hang_up_without_an_answer(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.CLOSE))
    with pytest.raises(http.client.RemoteDisconnected):
        ask(server)


def test_it_can_be_slow_and_stops_at_once_all_the_same(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.SLOW, seconds=0.2, times=1))
    started = time.monotonic()
    assert ask(server) == b"GET "
    assert time.monotonic() - started >= 0.2
    server.faults.add(Fault(FaultKind.SLOW, seconds=60))
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
    connection.request("GET", "/")
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 5
    connection.close()


def test_it_can_answer_something_else(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.BODY, body=b"<html>", times=1))
    server.faults.add(Fault(FaultKind.STATUS, status=503, body=b"busy", times=1))
    assert [ask(server), ask(server), ask(server)] == [b"<html>", b"busy", b"GET "]


def test_it_serves_files_and_nothing_outside_them(tmp_path: Path) -> None:
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed" / "a.json").write_bytes(b"{}")
    (tmp_path / "secret.json").write_bytes(b"secret")
    with LoopbackServer(files_of(tmp_path / "feed")) as server:
        assert ask(server, path="/a.json") == b"{}"
        for path in ("/b.json", "/../secret.json", "/"):
            assert b"404" in ask(server, path=path)
