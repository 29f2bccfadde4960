"""What anybody on the network can do to the hub without a token: get refused."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import structlog
from structlog.testing import capture_logs
from tests.served import KEYS, Served, certify, serving

from vedette.store.tokens import Scope
from vedette.web import running
from vedette.web.connection import Connection

DIGITS = "9" * 5_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("hub")) as hub:
        hub.publish(*KEYS)
        yield hub


@pytest.fixture(scope="module")
def token(served: Served) -> str:
    served.sensor("gate", delivery="agent")
    return served.token(*Scope, sensor="gate")


def connect(url: str) -> socket.socket:
    where = urlsplit(url)
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=20)


def said(url: str, request: str) -> bytes:
    """Say something on a connection of its own, and return all that is answered."""
    received = b""
    with connect(url) as client:
        client.sendall(request.encode("latin-1"))
        try:
            while part := client.recv(1 << 16):
                received += part
        except ConnectionResetError:
            pass
    return received


def ask(url: str, path: str, *headers: str, method: str = "GET") -> tuple[int, bytes]:
    """Send a request as it is written, and return the status and the body."""
    lines = (f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers)
    head, _, body = said(url, "\r\n".join(lines) + "\r\n\r\n").partition(b"\r\n\r\n")
    return int(head.split()[1]), body


PATHS = [
    f"/bundle/{DIGITS}/manifest.json",
    "/bundle/-1/manifest.json",
    "/bundle/%2e%2e/manifest.json",
    "/bundle/current/..%2f..%2f..%2fetc%2fpasswd",
    "/bundle/current/../../../etc/passwd",
    "/bundle/current/datasets/..%2fmanifest.json",
    "/bundle/current/datasets/..%5c..%5cvedette.toml",
    "/bundle/current/datasets/%00",
    "/bundle/current/datasets/%2e%2e",
    "/bundle/current/rules/%2e%2e.rules",
    "/bundle/current/rules/..%2f8.0.rules",
    "/bundle/current/%2e%2e/vedette.tar.gz",
    "/bundle/current/8.0%2f..%2f8.0/vedette.tar.gz",
    "/r/%2e%2e/vedette.rules",
    "/r/..%2f/vedette.rules",
    "/d/%2e%2e",
    "/d/..%2fmanifest.json",
    "/d/%00",
    "/d/%ff%fe",
    f"/d/{'a' * 9_000}",
    "/o/..%2fmanifest.json",
    "/scirius/%2e%2e/vedette.rules",
    "/scirius/..%2f8.0/vedette.tar.gz",
    f"/suricata-{DIGITS}/vedette.tar.gz",
    "/suricata-../vedette.tar.gz",
    "/suricata-8.0.1%0a/vedette.tar.gz",
    "/suricata-%d9%a8.0.0/vedette.tar.gz.md5",
    "/agent/v1/patch/..%2f..%2f/1/8.0",
    "/agent/v1/patch/aaaaaaaaaaaaaaaa/1/..%2f..",
    "/agent/v1/patch/aaaaaaaaaaaaaaaa/1/%00",
    f"/agent/v1/patch/aaaaaaaaaaaaaaaa/1/{DIGITS}",
    f"/agent/v1/patch/aaaaaaaaaaaaaaaa/{DIGITS}/8.0",
    "/agent/v1/patch/aaaaaaaaaaaaaaaa/-1/8.0",
    "/agent/v1/patch/aaaaaaaaaaaaaaaa/%d9%a8/8.0",
    f"/agent/v1/announcement?after={DIGITS}",
    "/agent/v1/announcement?after=%d9%a8",
    "/agent/v1/keys?after=1e9",
    "http://evil.example/health",
    "//evil.example/health",
    "*",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_elsewhere_or_ends_in_a_failure(
    served: Served, token: str, path: str
) -> None:
    for headers in ((f"Authorization: Bearer {token}",), ()):
        status, body = ask(served.url, path, *headers)
        assert status in {400, 401, 404, 429}, body
        assert set(json.loads(body)) == {"error", "hint"}
        assert b"root:" not in body


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Range: bytes=0-{DIGITS}", 200),
        (f"Range: bytes={DIGITS}-", 200),
        (f"Range: bytes=-{DIGITS}", 200),
        (f"Range: bytes={','.join(['0-'] * 3_000)}", 200),
        (f"Range: bytes={','.join(f'{n}-{n}' for n in range(1_500))}", 200),
        ("Range: bytes=0-999999999999999999", 206),
        ("Range: bytes=999999999999999999-", 416),
        ("If-None-Match: " + '"' * 9_001, 200),
        ("If-None-Match: " + 'W/"x", ' * 1_000, 200),
        ("If-Modified-Since: Mon, 01 Jan 99999999999999 00:00:00 GMT", 200),
        ("If-Modified-Since: Mon, 01 Jan 0000 00:00:00 +9999", 200),
        (f"Accept-Encoding: gzip;q={DIGITS}, br, zstd, *", 200),
        (f"User-Agent: Suricata-Update/1 (Suricata: {DIGITS}.0.0)", 200),
        ("User-Agent: Suricata-Update/1 (Suricata: \x1b[31m8.0.0)", 200),
        (f"X-Forwarded-For: {DIGITS}", 200),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("file", ["manifest.json", "vedette.tar.gz"])
def test_no_header_costs_more_than_the_file(
    served: Served, token: str, file: str, header: str, status: int
) -> None:
    allowed = f"Authorization: Bearer {token}"
    whole = ask(served.url, f"/bundle/current/{file}", allowed)[1]
    found, body = ask(served.url, f"/bundle/current/{file}", allowed, header)
    assert found == status
    if status != 416:
        assert body == whole


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", "POST"]
)
def test_files_are_only_read(served: Served, token: str, method: str) -> None:
    allowed = f"Authorization: Bearer {token}"
    for path in ("/bundle/current/manifest.json", "/metrics", "/health", "/d/x"):
        assert ask(served.url, path, allowed, method=method)[0] == 405
    assert ask(served.url, "/agent/v1/report", allowed, method="HEAD")[0] == 405
    assert ask(served.url, "/agent/v1/hits", allowed, method="GET")[0] == 405


NEXT = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +5",
        "Content-Length: 5, 6",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\n obsolete",
    ],
)
@pytest.mark.parametrize("path", ["/health", "/agent/v1/report"])
def test_no_request_hides_behind_another(served: Served, path: str, headers: str) -> None:
    """A proxy that believes the one length sends us the rest as part of somebody else's request."""
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n0\r\n\r\n{NEXT}"
    answer = said(served.url, request)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_request_of_one_length_may_be_followed_by_another(served: Served) -> None:
    request = (
        f"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{NEXT}"
    )
    assert said(served.url, request).count(b"HTTP/1.1 ") == 2


@pytest.mark.parametrize(
    "request_",
    [
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /health HTTP/1.1\r\nA: " + "x" * 70_000,
        "GET /" + "x" * 70_000 + " HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\n" + "A: b\r\n" * 20_000,
        "GET /health HTTP/9.9\r\nConnection: close\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "POST /agent/v1/report HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=range(8),
)
def test_what_is_no_request_is_said_once_a_minute_and_nobody_else_notices(
    served: Served, request_: str
) -> None:
    structlog.reset_defaults()
    with capture_logs() as events:
        for _ in range(5):
            said(served.url, request_)
    assert len([one for one in events if one["event"] == "server.said"]) <= 2
    assert httpx2.get(f"{served.url}/health").text == "ok\n"


def test_when_there_is_no_room_who_says_nothing_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that waits for news is answered, however many connections somebody opens."""
    monkeypatch.setattr(running, "raise_file_limit", lambda: None)
    monkeypatch.setattr(Connection, "most", 50)
    with serving(tmp_path) as hub, ExitStack() as opened:
        hub.publish(*KEYS)
        hub.sensor("gate", delivery="agent")
        token = hub.token(*Scope, sensor="gate")
        waiting = opened.enter_context(connect(hub.url))
        with hub.client(token) as early:
            told = early.get("/bundle/current/manifest.json").headers["x-vedette-serial"]
        ask_for = f"GET /agent/v1/announcement?after={told}&wait=3 HTTP/1.1\r\nHost: x\r\n"
        waiting.sendall(f"{ask_for}Authorization: Bearer {token}\r\n\r\n".encode())
        time.sleep(0.5)
        silent = [opened.enter_context(connect(hub.url)) for _ in range(150)]
        for number, client in enumerate(silent):
            client.sendall(b"GET /hea" if number % 2 else b"")
        began = time.monotonic()
        with hub.client(token) as late:
            assert late.get("/bundle/current/manifest.json").status_code == 200
        assert time.monotonic() - began < 2
        assert waiting.recv(1_000).startswith(b"HTTP/1.1 204 ")
        silent[0].settimeout(5)
        with pytest.raises((ConnectionResetError, AssertionError)):
            assert silent[0].recv(100)  # the oldest went
        silent[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            silent[-1].recv(100)


def test_a_handshake_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_HANDSHAKE_S", 1.0)
    cert, key = certify(tmp_path, "hub")
    with serving(tmp_path, tls_cert=str(cert), tls_key=str(key)) as hub:
        began = time.monotonic()
        with connect(hub.url) as silent, suppress(ConnectionResetError):
            assert not silent.recv(100)
        assert 0.5 < time.monotonic() - began < 8
        context = ssl.create_default_context(cafile=str(cert))
        assert httpx2.get(f"{hub.url}/health", verify=context).text == "ok\n"


def test_a_cache_tells_nobody_what_another_said_where_the_hub_is(tmp_path: Path) -> None:
    """The index names the address that tokens are sent to."""
    with serving(tmp_path) as hub:
        answer = httpx2.get(
            f"{hub.url}/suricata-update/index.yaml", headers={"host": "evil.example"}
        )
        assert answer.headers["cache-control"] == "no-store"
    with serving(tmp_path, url="https://hub.example/vedette") as hub:
        answer = httpx2.get(
            f"{hub.url}/suricata-update/index.yaml", headers={"host": "evil.example"}
        )
        assert "public" in answer.headers["cache-control"]
        assert "evil.example" not in answer.text


def test_a_token_in_a_path_is_in_no_log_and_in_no_audit(served: Served, token: str) -> None:
    secret = token.rpartition("_")[2]
    structlog.reset_defaults()
    with capture_logs() as events:
        for path in ("d/none", "bundle/current/manifest.json", "bundle/x/y", "%0a/d/x"):
            ask(served.url, f"/t/{token}/{path}")
            ask(served.url, f"/t/{token[:-1]}/{path}")
        time.sleep(2.5)  # notes are written
    assert secret[:-1] not in repr(events)
    assert secret[:-1] not in repr(served.hub.store.audit.trail(limit=1_000))


@pytest.mark.parametrize(
    ("said_by_client", "kept"),
    [
        ("\x1b[2Jevil, 127.0.0.1", "unknown"),
        ("10.0.0.1, evil\x1b[31m", "unknown"),
        ("x" * 9_000, "unknown"),
        ("<script>", "unknown"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1:99", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_an_address_is_one_whatever_a_proxy_passes_on(
    tmp_path: Path, said_by_client: str, kept: str
) -> None:
    """It goes into the audit, the logs and the list of tokens."""
    with serving(tmp_path, behind_proxy=("127.0.0.1",)) as hub:
        forwarded = f"X-Forwarded-For: {said_by_client}"
        assert ask(hub.url, "/d/x", forwarded)[0] == 401
        token = hub.token(Scope.FETCH)
        ask(hub.url, "/d/x", f"Authorization: Bearer {token}", forwarded)
        deadline = time.monotonic() + 10
        while not (deeds := hub.hub.store.audit.trail()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [one.origin for one in deeds] == [kept]
        assert [one.used_from for one in hub.hub.store.tokens.all()] == [kept]
