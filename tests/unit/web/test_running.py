"""Where it listens, with which certificate, and that no client keeps another from its answer."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.served import certify

from vedette.config import ServeSettings, Settings
from vedette.errors import ConfigError, StoreError
from vedette.web import app, certificates, connection
from vedette.web.running import Service, check
from vedette.web.state import AppState


def settings_of(path: Path, **serve: object) -> Settings:
    return Settings(home=str(path), serve=ServeSettings(**{"listen": "127.0.0.1:0", **serve}))


def encrypted(path: Path) -> Settings:
    cert, key = certify(path, "first")
    return settings_of(path, tls_cert=str(cert), tls_key=str(key))


# -- where it listens ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:0", "192.0.2.1:8443", "[::]:0", "[2001:db8::1]:8443", "10.0.0.1:80"]
)
def test_nothing_leaves_this_machine_in_the_clear(listen: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check(ServeSettings(listen=listen))
    assert "without TLS" in str(refused.value)
    assert "tls_cert" in refused.value.hint
    check(ServeSettings(listen=listen, behind_proxy=("192.0.2.7", "2001:db8::/64")))
    check(ServeSettings(listen=listen, tls_cert="a", tls_key="b"))


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:8443", "127.9.9.9:1"])
def test_loopback_needs_no_certificate(listen: str) -> None:
    assert check(ServeSettings(listen=listen))[2] is False


@pytest.mark.parametrize(
    "serve",
    [
        ServeSettings(listen="8443"),
        ServeSettings(listen="hub.example:8443"),
        ServeSettings(listen="127.0.0.1"),
        ServeSettings(listen="127.0.0.1:x"),
        ServeSettings(listen="127.0.0.1:70000"),
        ServeSettings(behind_proxy=("nginx",)),
        ServeSettings(tls_cert="only.pem"),
    ],
)
def test_settings_that_mean_nothing_are_refused_with_a_hint(serve: ServeSettings) -> None:
    with pytest.raises(ConfigError) as refused:
        check(serve)
    assert refused.value.hint


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match="cannot listen on") as refused:
            Service(settings_of(tmp_path, listen=f"127.0.0.1:{port}"))
    assert "[serve]" in refused.value.hint


def test_both_protocols_on_one_socket_count_as_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MODULES", (routes,))
    settings = settings_of(tmp_path, listen="[::]:0", behind_proxy=("127.0.0.1",))
    with Service(settings).running() as url:
        port = url.rpartition(":")[2]
        forwarded = {"x-forwarded-for": "198.51.100.7"}
        for host, seen in {"127.0.0.1": "198.51.100.7", "[::1]": "::1"}.items():
            address = f"http://{host}:{port}/origin"
            assert httpx2.get(address, headers=forwarded).text == seen


def test_a_state_that_cannot_be_used_is_said_before_anything_listens(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/vedette.db").write_bytes(b"no database at all, " * 100)
    with pytest.raises(StoreError) as refused:
        Service(settings_of(tmp_path))
    assert refused.value.hint


# -- TLS -----------------------------------------------------------------------------------------


def handshake(url: str, **limits: ssl.TLSVersion) -> tuple[str | None, bytes]:
    """Return the protocol and the certificate that a client gets."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    for name, value in limits.items():
        setattr(context, name, value)
    host, port = url.removeprefix("https://").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.version(), secure.getpeercert(binary_form=True) or b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_is_1_2_or_newer(tmp_path: Path) -> None:
    with Service(encrypted(tmp_path)).running() as url:
        assert url.startswith("https://")
        assert handshake(url)[0] == "TLSv1.3"
        assert handshake(url, maximum_version=ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            handshake(
                url,
                minimum_version=ssl.TLSVersion.TLSv1_1,
                maximum_version=ssl.TLSVersion.TLSv1_1,
            )
        trusted = ssl.create_default_context(cafile=tmp_path / "hub.pem")
        assert httpx2.get(f"{url}/health", verify=trusted).text == "ok\n"


def test_another_certificate_is_taken_without_a_restart_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LOOK_S", 0.1)
    with Service(encrypted(tmp_path)).running() as url:
        first = handshake(url)[1]
        (tmp_path / "hub.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
        time.sleep(0.5)
        assert handshake(url)[1] == first
        certify(tmp_path, "second")
        deadline = time.monotonic() + 10
        while (second := handshake(url)[1]) == first and time.monotonic() < deadline:
            time.sleep(0.1)
    assert b"second" in second


def test_a_certificate_that_cannot_be_used_is_said_before_anything_listens(tmp_path: Path) -> None:
    settings = encrypted(tmp_path)
    (tmp_path / "hub.key").chmod(0o644)
    with pytest.raises(ConfigError, match="everybody may read") as refused:
        Service(settings)
    assert "chmod" in refused.value.hint
    certify(tmp_path, "other")
    (tmp_path / "hub.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"cannot use the certificate .*hub\.pem"):
        Service(settings)
    (tmp_path / "hub.key").unlink()
    with pytest.raises(ConfigError, match="No such file"):
        Service(settings)


# -- a proxy in front ----------------------------------------------------------------------------


def routes(_state: AppState) -> list[Route]:
    async def origin(request: Request) -> Response:
        return Response(request.client.host if request.client else "")

    async def flood(_request: Request) -> Response:
        return StreamingResponse(iter([bytes(1 << 16)] * 2_000))

    async def take(request: Request) -> Response:
        return Response(str(len(await request.body())))

    return [
        Route("/origin", origin),
        Route("/flood", flood),
        Route("/take", take, methods=["POST"]),
    ]


@pytest.mark.parametrize(
    ("proxies", "seen"), [((), "127.0.0.1"), (("127.0.0.0/8",), "198.51.100.7")]
)
def test_only_a_named_proxy_is_believed_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxies: tuple[str, ...], seen: str
) -> None:
    monkeypatch.setattr(app, "MODULES", (routes,))
    forwarded = {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}
    with Service(settings_of(tmp_path, behind_proxy=proxies)).running() as url:
        assert httpx2.get(f"{url}/origin", headers=forwarded).text == seen


# -- clients that only take ----------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(app, "MODULES", (routes,))
    monkeypatch.setattr(connection, "HEAD_S", 1.0)
    monkeypatch.setattr(connection, "BODY_S", 1.0)
    monkeypatch.setattr(connection, "STALL_S", 1.0)
    with Service(settings_of(tmp_path)).running() as address:
        yield address


def connect(url: str, text: bytes = b"") -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    client.sendall(text)
    return client


def answered(client: socket.socket) -> bool:
    """Read an answer to ``HEAD`` below; head and body may come apart."""
    received = b""
    while not received.endswith(b"ok\n"):
        received += client.recv(1_000)
    return b" 200 " in received


def is_dropped(client: socket.socket) -> bool:
    try:
        while client.recv(1 << 16):
            pass
    except ConnectionResetError:
        return True
    return True


HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
TAKE = b"POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"


@pytest.mark.parametrize("said", [b"", b"GET /health HT", b"G", TAKE])
def test_who_does_not_finish_a_request_loses_the_connection(url: str, said: bytes) -> None:
    began = time.monotonic()
    with connect(url, said) as client:
        assert is_dropped(client)
    assert 0.5 < time.monotonic() - began < 8


def test_who_trickles_a_head_does_not_get_more_time_for_each_byte(url: str) -> None:
    def trickle(client: socket.socket) -> None:
        for number in range(60):
            client.sendall(HEAD[number % 20 : number % 20 + 1])
            time.sleep(0.1)

    with connect(url) as client, pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
        trickle(client)


def test_the_second_request_of_a_connection_has_its_limit_too(url: str) -> None:
    with connect(url, HEAD) as client:
        assert answered(client)
        client.sendall(b"GET /he")
        began = time.monotonic()
        assert is_dropped(client)
    assert 0.5 < time.monotonic() - began < 8


def test_who_is_idle_between_requests_keeps_the_connection(url: str) -> None:
    with connect(url, HEAD) as client:
        assert answered(client)
        time.sleep(2.5)
        client.sendall(HEAD)
        assert answered(client)


def test_who_does_not_read_its_answer_loses_the_connection(url: str) -> None:
    with connect(url, b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n") as client:
        time.sleep(3)
        assert httpx2.get(f"{url}/health").status_code == 200
        received = 0
        try:
            while part := client.recv(1 << 20):
                received += len(part)
        except ConnectionResetError:
            pass
    assert received < 2_000 << 16


def test_a_thousand_idle_connections_keep_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MODULES", (routes,))
    with Service(settings_of(tmp_path)).running() as url:
        idle = [connect(url, (b"", b"GET /hea", HEAD)[number % 3]) for number in range(1_000)]
        try:
            took = []
            for _ in range(20):
                began = time.monotonic()
                assert httpx2.get(f"{url}/health").text == "ok\n"
                took.append(time.monotonic() - began)
            assert sorted(took)[10] < 0.5
        finally:
            for client in idle:
                client.close()


# -- the command ---------------------------------------------------------------------------------


def serve(directory: Path) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("vedette")), "serve"]
    return subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, text=True)


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "vedette.toml").write_text('[serve]\nlisten = "127.0.0.1:0"\n')
    with serve(tmp_path) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        address = line.split("address=")[1].strip()
        assert httpx2.get(f"{address}/health").text == "ok\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
        assert "serve.ended" in process.stderr.read()


def test_the_command_says_what_it_may_not(tmp_path: Path) -> None:
    (tmp_path / "vedette.toml").write_text('[serve]\nlisten = "0.0.0.0:0"\n')
    with serve(tmp_path) as process:
        assert process.stderr is not None
        assert process.wait(20) == 2
        said = process.stderr.read()
    assert "without TLS" in said
    assert "Traceback" not in said
