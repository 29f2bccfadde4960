"""The server on a real socket: every answer is understood, nothing is open without a token."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from vedette.config import ServeSettings, Settings
from vedette.errors import BundleError, StoreError
from vedette.pipeline.hub import Hub
from vedette.store.tokens import Scope
from vedette.web import app
from vedette.web.running import Service
from vedette.web.state import AppState


def settings_of(path: Path, **serve: object) -> Settings:
    return Settings(home=str(path), serve=ServeSettings(listen="127.0.0.1:0", **serve))


def token_of(settings: Settings, *scopes: Scope, sensor: str = "", expires_at: int = 0) -> str:
    with Hub(settings) as hub:
        return hub.store.tokens.add(
            sensor, scopes, by="test", now=int(time.time()), expires_at=expires_at
        )


def routes(state: AppState) -> list[Route]:
    async def whoami(request: Request) -> Response:
        caller = await state.require(request, Scope.FETCH)
        return Response(f"{caller.token} {caller.sensor} {caller.origin}")

    async def take(request: Request) -> Response:
        await state.require(request, Scope.REPORT)
        return Response(str(len(await state.body(request, 1_000))))

    async def fail(request: Request) -> Response:
        how = request.path_params.get("how", "store")
        raise {"bundle": BundleError("no such", hint="do"), "store": StoreError("full", hint="x")}[
            how
        ]

    async def burst(_request: Request) -> Response:
        raise ZeroDivisionError("secret detail")

    return [
        Route("/whoami", whoami),
        Route("/take", take, methods=["POST"]),
        Route("/fail/{how}", fail),
        Route("/t/{token}/fail", fail),
        Route("/burst", burst),
    ]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(app, "MODULES", (routes,))
    return settings_of(tmp_path)


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    with Service(settings).running() as address:
        yield address


def test_health_is_open_and_an_unknown_path_says_so_in_json(url: str) -> None:
    assert httpx2.get(f"{url}/health").text == "ok\n"
    lost = httpx2.get(f"{url}/nowhere")
    assert lost.status_code == 404
    assert lost.json()["error"] == "there is nothing at this address"
    assert lost.json()["hint"]
    wrong = httpx2.post(f"{url}/health")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "Method Not Allowed")
    assert "GET" in wrong.headers["allow"]


def test_errors_raised_on_purpose_become_answers_with_their_hint(url: str) -> None:
    assert httpx2.get(f"{url}/fail/bundle").status_code == 404
    answer = httpx2.get(f"{url}/fail/store")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"error": "full", "hint": "x"}
    with capture_logs() as logs:
        assert httpx2.get(f"{url}/t/vdt_secret/fail").status_code == 503
    assert [one["path"] for one in logs if one["event"] == "request.failed"] == ["/t/***/fail"]
    burst = httpx2.get(f"{url}/burst")
    assert burst.status_code == 500
    assert "secret detail" not in burst.text
    assert burst.json()["hint"]


def test_a_body_over_the_limit_is_refused_whether_it_is_announced_or_not(
    url: str, settings: Settings
) -> None:
    bearer = {"authorization": f"Bearer {token_of(settings, Scope.REPORT)}"}
    assert httpx2.post(f"{url}/take", content=b"x" * 1_000, headers=bearer).text == "1000"
    for body in (b"x" * 1_001, iter([b"x" * 600, b"x" * 600])):
        refused = httpx2.post(f"{url}/take", content=body, headers=bearer)
        assert refused.status_code == 413
        assert "1,000 bytes" in refused.json()["error"]


def test_whoever_hangs_up_in_the_middle_of_a_body_is_no_error_of_the_server(
    url: str, settings: Settings
) -> None:
    token = token_of(settings, Scope.REPORT)
    head = f"POST /take HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    host, _, port = url.removeprefix("http://").partition(":")
    with capture_logs() as logs:
        for part in (b"", b"x" * 300):
            with socket.create_connection((host, int(port))) as half:
                half.sendall(f"{head}Content-Length: 500\r\n\r\n".encode() + part)
                time.sleep(0.2)
        time.sleep(0.3)
        assert httpx2.get(f"{url}/health").text == "ok\n"
    assert [one for one in logs if one["log_level"] == "error"] == []


def test_a_prefix_of_a_proxy_is_taken_with_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MODULES", (routes,))
    settings = settings_of(tmp_path, url="https://hub.example/vedette")
    with Service(settings).running() as url:
        for path in ("/vedette/health", "/health"):
            assert httpx2.get(url + path).status_code == 200
        for path in ("/vedettehealth", "/other/health", "/vedette/other"):
            assert httpx2.get(url + path).status_code == 404


def test_a_head_that_is_too_long_is_refused_and_others_are_served(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nX: " + b"a" * 20_000)
        assert b" 400 " in client.recv(100)
    assert httpx2.get(f"{url}/health").status_code == 200
