"""How the mirror reaches its MISP, and what it does where that fails: whole pulls, real sockets."""

from __future__ import annotations

import dataclasses
import json
import select
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import stamina

from vedette.errors import SourceError
from vedette.model import Indicator, IndicatorType
from vedette.sources.misp_api import MispApi
from vedette.store import PullSummary, Store
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response

TLS = Path(__file__).resolve().parents[1] / "data/tls"
AUTHORITY, CERTIFICATE = str(TLS / "authority.pem"), str(TLS / "loopback.pem")
OLD = 1_700_000_000
"""A time of edits that nobody can mistake for this second."""


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "misp.key"
    path.write_text(FakeMisp.read_only_key)
    path.chmod(0o600)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        opened.add_source("misp", "misp", {}, 900)
        yield opened


@pytest.fixture
def misp() -> Iterator[FakeMisp]:
    with FakeMisp() as server:
        yield server


@pytest.fixture(autouse=True)
def no_waiting_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield


def source_of(misp: FakeMisp, key_file: Path, **settings: Any) -> MispApi:
    return MispApi(name="misp", url=misp.url, key_file=str(key_file), **settings)


def add(misp: FakeMisp, *values: str) -> str:
    attributes = [{"type": "domain", "value": value} for value in values]
    data = {"info": "x", "published": True, "timestamp": OLD, "Attribute": attributes}
    return misp.state.add_event(data).uuid


def pull(store: Store, source: MispApi) -> PullSummary:
    running = store.pull("misp", accept=True)
    for item in source.fetch(running.known()):
        running.take(item)
    return running.finish()


def domains(store: Store) -> list[str]:
    return [key.value for key in store.entries.keys(IndicatorType.DOMAIN)]


def names(source: MispApi) -> list[str]:
    return [item.value for item in source.fetch({}) if isinstance(item, Indicator)]


def paths(misp: FakeMisp) -> list[str]:
    return [request.path for request in misp.requests]


# -- TLS and proxies


def tls(*, ask_for_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    if ask_for_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(AUTHORITY)
    return context


def test_a_misp_with_an_authority_of_its_own_is_mirrored(key_file: Path) -> None:
    with FakeMisp(tls=tls()) as misp:
        add(misp, "a.example")
        with pytest.raises(SourceError, match="TLS with") as caught:
            names(source_of(misp, key_file))
        assert "--ca-file" in caught.value.hint
        assert misp.requests == [], "the key was sent to a server that nobody vouched for"
        assert names(source_of(misp, key_file, ca_file=AUTHORITY)) == ["a.example"]


def test_a_misp_that_wants_a_client_certificate_is_mirrored(key_file: Path) -> None:
    with FakeMisp(tls=tls(ask_for_client=True)) as misp:
        add(misp, "a.example")
        with pytest.raises(SourceError):
            names(source_of(misp, key_file, ca_file=AUTHORITY))
        assert misp.requests == []
        shown = source_of(misp, key_file, ca_file=AUTHORITY, client_cert=CERTIFICATE)
        assert names(shown) == ["a.example"]


class Proxy(socketserver.ThreadingTCPServer):
    """A forward proxy: ``CONNECT`` for https, absolute addresses for http."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *, login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _ProxyConnection)
        self.asked: list[str] = []
        self.login = login
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _ProxyConnection(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        first = self.rfile.readline().decode()
        if not first:
            return
        method, target, _ = first.split()
        head = list(iter(self.rfile.readline, b"\r\n"))
        self.server.asked.append(f"{method} {target}")
        login = f"Proxy-Authorization: {self.server.login}\r\n".lower().encode()
        if self.server.login and login not in [line.lower() for line in head]:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        place = target if method == "CONNECT" else urlsplit(target).netloc
        host, _, port = place.partition(":")
        with socket.create_connection((host, int(port))) as beyond:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = target.partition(place)[2]
                beyond.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(head) + b"\r\n")
                length = next(
                    (
                        int(line[15:])
                        for line in head
                        if line.lower().startswith(b"content-length:")
                    ),
                    0,
                )
                beyond.sendall(self.rfile.read(length))
            self._splice(beyond, once=method != "CONNECT")

    def _splice(self, beyond: socket.socket, *, once: bool) -> None:
        ends = {self.connection: beyond, beyond: self.connection}
        if once:
            beyond.shutdown(socket.SHUT_WR)
            ends = {beyond: self.connection}
        with suppress(OSError):
            while True:
                ready, _, _ = select.select(list(ends), [], [], 5)
                for one in ready:
                    if not (data := one.recv(65536)):
                        return
                    ends[one].sendall(data)
                if not ready:
                    return


@pytest.mark.parametrize("context", [None, tls()], ids=["http", "https"])
def test_a_misp_behind_a_proxy_is_mirrored(key_file: Path, context: ssl.SSLContext | None) -> None:
    with FakeMisp(tls=context) as misp, Proxy() as proxy:
        add(misp, "a.example")
        source = source_of(misp, key_file, proxy=proxy.url, ca_file=AUTHORITY)
        assert names(source) == ["a.example"]
        place = urlsplit(misp.url).netloc
        expected = f"CONNECT {place}" if context else f"POST {misp.url}/events/index"
        assert proxy.asked[0] == expected


def test_the_proxy_of_the_environment_counts(
    key_file: Path, misp: FakeMisp, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(misp, "a.example")
    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert names(source_of(misp, key_file)) == ["a.example"]
        assert proxy.asked


def test_a_proxy_that_refuses_is_told(key_file: Path) -> None:
    with FakeMisp(tls=tls()) as misp, Proxy(login="Basic eDp5") as proxy:
        add(misp, "a.example")
        with pytest.raises(SourceError, match="the proxy refused") as caught:
            names(source_of(misp, key_file, proxy=proxy.url, ca_file=AUTHORITY))
        assert caught.value.hint
        with_login = proxy.url.replace("http://", "http://x:y@")
        assert names(source_of(misp, key_file, proxy=with_login, ca_file=AUTHORITY)) == [
            "a.example"
        ]


def test_a_redirect_is_not_followed_and_the_key_stays_here(key_file: Path) -> None:
    with LoopbackServer(lambda _: Response(200, b"[]")) as thief:

        def redirect(request: Request) -> Response:
            return Response(302, b"", headers={"Location": f"{thief.url}{request.path}"})

        with LoopbackServer(redirect) as server:
            source = MispApi(name="misp", url=server.url, key_file=str(key_file))
            with pytest.raises(SourceError, match="redirects to"):
                list(source.fetch({}))
        assert thief.requests == []


# -- a list that lies


def cut_short(misp: FakeMisp, keep: int) -> bytes:
    """The list of events with all but some of them missing, as a list that was cut short."""
    with misp.state.lock:
        rows = [
            {"id": str(event.id), "uuid": event.uuid, "timestamp": str(event.timestamp)}
            | {"published": event.published}
            for event in misp.state.events.values()
        ]
    return json.dumps(rows[:keep]).encode()


@pytest.mark.parametrize("lies", [1, 2])
@pytest.mark.parametrize("keep", [0, 1, 5])
def test_a_list_that_is_cut_short_removes_nothing(
    misp: FakeMisp, store: Store, key_file: Path, lies: int, keep: int
) -> None:
    for number in range(6):
        add(misp, f"{number}.example")
    source = source_of(misp, key_file)
    pull(store, source)
    body = cut_short(misp, keep)
    misp.faults.add(Fault(FaultKind.BODY, path="events/index", body=body, times=lies))
    misp.requests.clear()
    summary = pull(store, source)
    assert (summary.removed, summary.entries) == (0, 6)
    expected = ["/events/index", "/events/index", "/events/restSearch"]
    assert paths(misp) == expected[: lies + 1]


def test_what_is_really_gone_is_asked_for_three_times_and_then_gone(
    misp: FakeMisp, store: Store, key_file: Path
) -> None:
    uuids = [add(misp, f"{number}.example") for number in range(450)]
    source = source_of(misp, key_file)
    pull(store, source)
    for uuid in uuids[1:]:
        event = misp.state.event(uuid)
        assert event is not None
        misp.state.delete_event(event)
    misp.requests.clear()
    assert pull(store, source).entries == 1
    assert paths(misp) == ["/events/index"] * 2 + ["/events/restSearch"] * 3


def test_a_server_that_hides_what_is_being_edited_keeps_it_for_the_grace_that_is_set(
    misp: FakeMisp, store: Store, key_file: Path
) -> None:
    event = misp.state.event(add(misp, "a.example"))
    assert event is not None
    source = source_of(misp, key_file, missing_grace="1s")
    pull(store, source)
    held = misp.state.events.pop(event.id)  # MISP.unpublishedprivate
    summary = pull(store, source)
    assert (summary.entries, list(summary.kept.values())) == (1, [1])
    misp.state.events[event.id] = held
    assert pull(store, source).kept == {}
    del misp.state.events[event.id]
    assert pull(store, source).entries == 1
    time.sleep(2)
    assert pull(store, source).entries == 0


# -- failures in the middle

FAILURES: dict[str, Fault] = {
    "500": Fault(FaultKind.STATUS, status=500),
    "502": Fault(FaultKind.STATUS, status=502),
    "403": Fault(FaultKind.STATUS, status=403, body=b'{"message": "Authentication failed."}'),
    "429": Fault(FaultKind.STATUS, status=429, headers={"X-Rate-Limit-Reset": "700"}),
    "HTML": Fault(FaultKind.BODY, body=b"<!DOCTYPE html><title>Login</title>"),
    "error text": Fault(FaultKind.BODY, body=b"Fatal error: Allowed memory size exhausted"),
    "error JSON": Fault(FaultKind.BODY, body=b'{"name": "An Internal Error Has Occurred."}'),
    "another list": Fault(FaultKind.BODY, body=b"[]"),
    "cut off": Fault(FaultKind.CUT),
    "closed": Fault(FaultKind.CLOSE),
    "slow": Fault(FaultKind.SLOW, seconds=1.0),
}


@pytest.mark.parametrize("path", ["events/index", "events/restSearch", "attributes/restSearch"])
@pytest.mark.parametrize("name", FAILURES)
def test_whatever_fails_nothing_is_lost_and_the_next_pull_goes_on(
    misp: FakeMisp, store: Store, key_file: Path, name: str, path: str
) -> None:
    source = source_of(misp, key_file, timeout_s=0.3, page_size=3, retries=1)
    kept = add(misp, "old.example")
    pull(store, source)
    for number in range(4):
        add(misp, *(f"{number}.{n}.example" for n in range(4)))
    skip = 0 if "index" in path else 2
    misp.faults.add(dataclasses.replace(FAILURES[name], path=path, skip=skip))
    if (name, path) == ("another list", "events/index"):
        pull(store, source)  # a list without events is one: the events it omits are asked for
    else:
        with pytest.raises(SourceError) as caught:
            pull(store, source)
        assert caught.value.hint
    assert store.pull("misp").known().keys() >= {kept}
    assert domains(store) == ["old.example"]
    misp.faults.clear()
    assert pull(store, source).entries == 17


def test_a_rate_limit_is_met_by_going_on_later(store: Store, key_file: Path) -> None:
    with FakeMisp(rate_limit=7, rate_window_s=600) as misp:
        for number in range(5):
            add(misp, *(f"{number}.{n}.example" for n in range(4)))
        source = source_of(misp, key_file, page_size=3, rate_limit_wait_s=1)
        tries, told = 0, set()
        for tries in range(1, 9):
            misp.rate_limit += 7 * (tries > 1)  # the window is over
            try:
                assert pull(store, source).entries == 20
                break
            except SourceError as error:
                told.add(str(error).partition(" for ")[0])
        assert 1 < tries < 8
        assert told == {f"{misp.url} allows no more searches"}
        read = [
            (query["eventid"][0], query["page"])
            for request in misp.requests
            if request.path == "/attributes/restSearch" and (query := json.loads(request.body))
        ]
        assert len(read) < 5 * 2 + tries * 2, "whole events were read again"


def test_a_read_only_role_is_enough_and_one_without_the_api_is_told(
    misp: FakeMisp, store: Store, key_file: Path
) -> None:
    add(misp, "a.example")
    assert pull(store, source_of(misp, key_file)).entries == 1
    key_file.write_text("z" * 40)
    with pytest.raises(SourceError, match=r"refused the API key \(403\)"):
        pull(store, source_of(misp, key_file))


# -- kill -9


def command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "vedette", "--config", str(home / "vedette.toml"), *arguments]


def test_after_kill_9_in_the_middle_of_a_pull_only_the_rest_is_asked_for(
    tmp_path: Path, misp: FakeMisp, key_file: Path
) -> None:
    (tmp_path / "vedette.toml").write_text(f'state = "{tmp_path / "state"}"\n')
    uuids = [add(misp, *(f"{number}.{n}.example" for n in range(6))) for number in range(8)]
    ids = {uuid: str(event.id) for uuid in uuids if (event := misp.state.event(uuid))}
    settings = ["--name", "misp", "--key-file", str(key_file), "--page-size", "4"]
    added = command(tmp_path, "source", "add", "misp", misp.url, *settings)
    subprocess.run(added, check=True, capture_output=True, timeout=60)

    misp.requests.clear()
    misp.faults.add(Fault(FaultKind.SLOW, path="attributes/restSearch", skip=9, seconds=60))
    running = subprocess.Popen(
        command(tmp_path, "source", "pull", "misp"), stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while searched(misp) < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait(10) == -signal.SIGKILL
    done = {query["eventid"][0] for query in queries(misp)[:8]}
    assert len(done) == 4

    misp.faults.clear()
    misp.requests.clear()
    pulled = subprocess.run(
        command(tmp_path, "source", "pull", "misp", "--json"),
        check=True,
        capture_output=True,
        timeout=60,
    )
    (summary,) = json.loads(pulled.stdout)["pulls"]
    assert summary["entries"] == 48
    again = {query["eventid"][0] for query in queries(misp)}
    assert again == set(ids.values()) - done


def queries(misp: FakeMisp) -> list[dict[str, Any]]:
    return [
        json.loads(request.body)
        for request in misp.requests
        if request.path == "/attributes/restSearch"
    ]


def searched(misp: FakeMisp) -> int:
    return len(queries(misp))


# -- an idle cycle


class Scale:
    """A server in front of a MISP that weighs what goes over the wire."""

    def __init__(self, misp: FakeMisp) -> None:
        self.misp = misp
        self.sent = 0
        self.server = LoopbackServer(self._respond)

    def _respond(self, request: Request) -> Response:
        answer = self.misp._respond(request)
        self.sent += len(request.body) + len(answer.body)
        return answer


def test_an_idle_cycle_on_ten_thousand_events_is_one_small_request(
    store: Store, key_file: Path
) -> None:
    with FakeMisp(attributes=9_999, per_event=1) as misp:
        event = misp.state.event(add(misp, "a.example"))
        assert event is not None
        scale = Scale(misp)
        with scale.server:
            source = MispApi(name="misp", url=scale.server.url, key_file=str(key_file))
            pull(store, source)
            scale.sent = 0
            scale.server.requests.clear()
            started = time.monotonic()
            assert pull(store, source).outcome == "unchanged"
            print(f"idle cycle: {time.monotonic() - started:.3f} s, {scale.sent:,} bytes")
            assert [request.path for request in scale.server.requests] == ["/events/index"]
            assert scale.sent < 5_000_000

            for number in range(10):
                misp.state.add_attribute(event, {"type": "domain", "value": f"new{number}.example"})
            misp.state.publish(event)
            scale.server.requests.clear()
            started = time.monotonic()
            assert pull(store, source).added == 10
            print(f"ten attributes: {time.monotonic() - started:.3f} s")
            assert [request.path for request in scale.server.requests] == [
                "/events/index",
                "/events/restSearch",
                "/attributes/restSearch",
                "/events/restSearch",
            ]
            assert scale.sent < 10_000_000
