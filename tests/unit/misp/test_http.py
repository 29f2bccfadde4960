from __future__ import annotations

import gzip
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import msgspec
import pytest
import stamina

from vedette.errors import SourceError
from vedette.misp.http import (
    Connection,
    SlowError,
    TransportError,
    check_server_url,
    check_status,
    open_client,
    retry_after_s,
    send,
    without_secrets,
)
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"
AUTHORITY = str(TLS / "authority.pem")
CERTIFICATE = str(TLS / "loopback.pem")


def answer(_: Request) -> Response:
    return Response(200, b'{"fine": true}')


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(answer) as running:
        yield running


@pytest.fixture(autouse=True)
def no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def get(url: str, connection: Connection | None = None, *, max_bytes: int = 0) -> bytes:
    connection = connection or Connection(timeout_s=5.0)
    with open_client(connection, {}) as client:
        request = client.build_request("GET", url)
        found = send(client, connection, request, max_bytes=max_bytes)
    check_status(found, what=url)
    return found.content


def server_side(*, ask_for_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    if ask_for_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(AUTHORITY)
    return context


def test_vedette_says_who_it_is(server: LoopbackServer) -> None:
    assert get(server.url) == b'{"fine": true}'
    assert server.requests[0].headers["user-agent"].startswith("vedette/")


def test_a_connection_that_breaks_twice_is_tried_a_third_time(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.CLOSE, times=1))
    server.faults.add(Fault(FaultKind.CUT, times=1))
    assert get(server.url) == b'{"fine": true}'
    assert len(server.requests) == 3


def test_it_gives_up_after_the_attempts_it_may_make(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.CUT))
    with pytest.raises(TransportError, match="cut its answer short"):
        get(server.url)
    assert len(server.requests) == 3


def test_a_server_that_is_busy_is_asked_again(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=502, times=2))
    assert get(server.url) == b'{"fine": true}'


def test_a_status_that_will_not_change_is_not_asked_for_again(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=404))
    with pytest.raises(SourceError, match="answered 404 Not Found"):
        get(server.url)
    assert len(server.requests) == 1


def test_a_slow_server_is_not_asked_again(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.SLOW, seconds=2.0))
    with pytest.raises(SlowError, match=r"did not answer within 0\.2 s"):
        get(server.url, Connection(timeout_s=0.2))
    assert len(server.requests) == 1


def test_a_redirect_is_told_and_not_followed(server: LoopbackServer) -> None:
    fault = Fault(FaultKind.STATUS, status=301, headers={"Location": f"{server.url}/new/"})
    server.faults.add(fault)
    with pytest.raises(SourceError, match="redirects to http"):
        get(server.url)
    assert len(server.requests) == 1


def test_nothing_listening_is_told(server: LoopbackServer) -> None:
    server.stop()
    with pytest.raises(TransportError, match="cannot connect to http://127"):
        get(server.url)


def test_a_compressed_answer_is_limited_by_what_it_unpacks_to(server: LoopbackServer) -> None:
    bomb = gzip.compress(b" " * 1_000_000)
    fault = Fault(FaultKind.BODY, body=bomb, headers={"Content-Encoding": "gzip"})
    server.faults.add(fault)
    assert len(get(server.url, max_bytes=1_000_000)) == 1_000_000
    with pytest.raises(SourceError, match="longer than 10,000 bytes"):
        get(server.url, max_bytes=10_000)


def test_something_that_is_no_http_url_is_told() -> None:
    with pytest.raises(SourceError, match="cannot be asked"):
        get("ftp://misp.example/")


def test_a_proxy_that_is_no_url_is_told() -> None:
    with pytest.raises(SourceError, match="proxy 'nonsense' cannot be used"):
        get("http://127.0.0.1:1/", Connection(proxy="nonsense"))


def test_requests_go_through_the_proxy(server: LoopbackServer) -> None:
    assert get("http://misp.example/x", Connection(proxy=server.url)) == b'{"fine": true}'
    assert server.requests[0].path == "http://misp.example/x"


# -- TLS


def test_a_certificate_of_nobody_we_know_is_refused_with_the_way_out() -> None:
    with (
        LoopbackServer(answer, tls=server_side()) as server,
        pytest.raises(TransportError, match="TLS with https://127") as caught,
    ):
        get(server.url)
    assert "--ca-file" in caught.value.hint
    assert server.requests == []


def test_an_authority_of_our_own_is_trusted_when_it_is_named() -> None:
    with LoopbackServer(answer, tls=server_side()) as server:
        assert get(server.url, Connection(ca_file=AUTHORITY)) == b'{"fine": true}'


def test_a_certificate_for_another_name_is_refused() -> None:
    with LoopbackServer(answer, tls=server_side()) as server:
        other = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(TransportError, match="Hostname mismatch"):
            get(other, Connection(ca_file=AUTHORITY))


def test_verification_can_be_switched_off() -> None:
    with LoopbackServer(answer, tls=server_side()) as server:
        assert get(server.url, Connection(verify_tls=False)) == b'{"fine": true}'


def test_a_client_certificate_is_shown_where_it_is_asked_for() -> None:
    with LoopbackServer(answer, tls=server_side(ask_for_client=True)) as server:
        with_one = Connection(ca_file=AUTHORITY, client_cert=CERTIFICATE)
        assert get(server.url, with_one) == b'{"fine": true}'
        with pytest.raises(TransportError):
            get(server.url, Connection(ca_file=AUTHORITY))


def test_http_where_https_is_spoken_is_told(server: LoopbackServer) -> None:
    with pytest.raises(TransportError, match="TLS with"):
        get(server.url.replace("http:", "https:"))


@pytest.mark.parametrize("setting", ["ca_file", "client_cert"])
def test_a_certificate_file_that_cannot_be_used_is_named(setting: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(SourceError, match=r"missing\.pem cannot be used"):
        open_client(Connection(**{setting: str(missing)}), {})
    missing.write_text("no certificate")
    with pytest.raises(SourceError, match="cannot be used"):
        open_client(Connection(**{setting: str(missing)}), {})


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:hush@misp.example.org/x", "https://misp.example.org/x"),
        ("https://l.example.org/x?key=hush&a=1", "https://l.example.org/x?key=***&a=1"),
        (
            "https://l.example.org/?a=1&API_Token=hush#f",
            "https://l.example.org/?a=1&API_Token=***#f",
        ),
        ("http://l.example.org/x?page=2&size=10", "http://l.example.org/x?page=2&size=10"),
        ("http://user:hush@[::1/?key=hush", "[::1/"),
        ("/srv/lists/who@where?key=1", "/srv/lists/who@where?key=1"),
    ],
)
def test_an_address_is_shown_without_what_opens_it(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "no address like"),
        ("misp.example.org", "no address like"),
        ("ftp://misp.example.org", "no address like"),
        ("http://", "no address like"),
        ("http://misp.example.org:port/", "no address"),
        ("https://user:hush@misp.example.org/", "login does not belong"),
        ("https://misp.example.org/?key=hush", "leave out"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused_without_its_secrets(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        check_server_url(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_time_out_that_can_never_pass_is_refused(timeout_s: float) -> None:
    with pytest.raises(msgspec.ValidationError, match="timeout_s"):
        msgspec.convert({"timeout_s": timeout_s}, Connection)


def test_a_proxy_that_is_down_is_the_one_that_is_blamed(server: LoopbackServer) -> None:
    connection = Connection(proxy="http://user:hush@127.0.0.1:9", retries=1)
    with pytest.raises(TransportError, match=r"through the proxy http://127\.0\.0\.1:9") as caught:
        get(server.url, connection)
    assert "proxy runs" in caught.value.hint
    assert not server.requests


def test_a_server_without_tls_is_told_from_one_with_a_strange_certificate(
    server: LoopbackServer,
) -> None:
    with pytest.raises(TransportError, match="TLS with https") as caught:
        get(server.url.replace("http://", "https://"))
    assert "http://" in caught.value.hint


def test_a_server_that_failed_is_not_a_wrong_address(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=500))
    with pytest.raises(SourceError, match="500") as caught:
        get(server.url)
    assert "next pull" in caught.value.hint


def test_a_proxy_that_cannot_be_meant_is_said_without_its_login() -> None:
    connection = Connection(proxy="odd://user:hush@127.0.0.1:9")
    with pytest.raises(SourceError, match=r"odd://127\.0\.0\.1:9") as caught:
        open_client(connection, {})
    assert "hush" not in str(caught.value) + caught.value.hint
    assert "user" not in str(caught.value)


def test_a_proxy_of_the_environment_is_blamed_too(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:hush@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(TransportError, match=r"through the proxy http://127\.0\.0\.1:9"):
        get(server.url, Connection(retries=1))
    monkeypatch.setenv("http_proxy", "odd://user:hush@127.0.0.1:9")
    with pytest.raises(SourceError, match="of the environment") as caught:
        open_client(Connection(), {})
    assert "hush" not in str(caught.value)


# -- asked too often


def wait_of(text: str) -> float:
    return retry_after_s(httpx2.Response(429, headers={"Retry-After": text}))


def test_a_time_to_wait_may_be_seconds_or_a_date() -> None:
    assert wait_of("12") == 12
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < wait_of(soon) <= 30
    assert wait_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_s(httpx2.Response(429)) == wait_of("later") == wait_of("-1") > 600
