"""Tokens: which forms are taken, who is refused and how, that nobody locks another one out."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vedette.config import ServeSettings, Settings
from vedette.pipeline.hub import Hub
from vedette.store.tokens import Scope, TokenRecord
from vedette.web import app
from vedette.web.authentication import FAILURES_MAX, WINDOW_S, Gate, candidates
from vedette.web.refusing import Refusal
from vedette.web.running import Service
from vedette.web.state import AppState


def routes(state: AppState) -> list[Route]:
    async def fetch(request: Request) -> Response:
        caller = await state.require(request, Scope.FETCH)
        return Response(f"{caller.sensor}")

    return [Route("/fetch", fetch), Route("/t/{token}/fetch", fetch)]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(app, "MODULES", (routes,))
    return Settings(home=str(tmp_path), serve=ServeSettings(listen="127.0.0.1:0"))


@pytest.fixture
def hub(settings: Settings) -> Iterator[Hub]:
    with Hub(settings) as opened:
        yield opened


@pytest.fixture
def url(hub: Hub, settings: Settings) -> Iterator[str]:
    with Service(settings).running() as address:
        yield address


def make(hub: Hub, *scopes: Scope, sensor: str = "", expires_at: int = 0) -> str:
    now = int(time.time())
    return hub.store.tokens.add(sensor, scopes, by="test", now=now, expires_at=expires_at)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def ask(url: str, authorization: str) -> httpx2.Response:
    return httpx2.get(f"{url}/fetch", headers={"authorization": authorization})


def test_a_token_is_taken_in_every_form_that_consumers_send_it_in(url: str, hub: Hub) -> None:
    token = make(hub, Scope.FETCH, sensor="s1")
    forms = [token, f"Bearer {token}", f"bearer  {token}", f"Token {token}"]
    forms += [basic(f"x:{token}"), basic(f"{token}:"), basic(token)]
    for form in forms:
        assert ask(url, form).text == "s1", form
    assert httpx2.get(f"{url}/t/{token}/fetch").text == "s1"


def test_whatever_is_no_token_is_refused_with_what_to_do(url: str, hub: Hub) -> None:
    token = make(hub, Scope.FETCH)
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for form in (
        wrong,
        token[:-1],
        f"Digest {token}",
        "Basic %%%",
        f"vdt_00000000_{'A' * 43}",
        "é",
    ):
        refused = httpx2.get(f"{url}/fetch", headers=[(b"authorization", form.encode())])
        assert (refused.status_code, refused.json()["error"]) == (401, "this token is not valid")
        assert refused.headers["www-authenticate"].startswith("Bearer")
    none = httpx2.get(f"{url}/fetch")
    assert (none.status_code, none.json()["error"]) == (401, "a token is needed")
    assert "Bearer" in none.json()["hint"]


def test_a_token_for_something_else_is_refused_and_named(url: str, hub: Hub) -> None:
    token = make(hub, Scope.REPORT, Scope.METRICS)
    refused = ask(url, token)
    assert refused.status_code == 403
    assert token[4:12] in refused.json()["error"]
    assert "--scope fetch" in refused.json()["hint"]


def test_a_revoked_token_is_refused_on_the_next_request_of_an_open_connection(
    url: str, hub: Hub
) -> None:
    token = make(hub, Scope.FETCH, sensor="s1")
    with httpx2.Client(base_url=url, headers={"authorization": token}) as client:
        assert client.get("/fetch").status_code == 200
        hub.store.tokens.revoke(token[4:12], by="test", now=int(time.time()))
        refused = client.get("/fetch")
    assert (refused.status_code, refused.json()["error"]) == (
        401,
        f"token {token[4:12]} was revoked",
    )


def test_a_token_expires(url: str, hub: Hub) -> None:
    token = make(hub, Scope.FETCH, expires_at=int(time.time()) + 2)
    assert ask(url, token).status_code == 200
    deadline = time.monotonic() + 10
    while ask(url, token).status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "expired" in ask(url, token).json()["error"]


def test_guessing_is_slowed_down_and_locks_nobody_out(url: str, hub: Hub) -> None:
    token = make(hub, Scope.FETCH, sensor="s1")
    codes = [ask(url, f"vdt_00000000_{'A' * 43}").status_code for _ in range(FAILURES_MAX + 2)]
    assert codes == [401] * FAILURES_MAX + [429, 429]
    slowed = ask(url, "guess")
    assert 0 < int(slowed.headers["retry-after"]) <= WINDOW_S + 1
    assert ask(url, token).status_code == 200


def test_use_is_noted_in_the_store_once_a_minute(url: str, hub: Hub) -> None:
    token = make(hub, Scope.FETCH)
    for _ in range(5):
        ask(url, token)
    deadline = time.monotonic() + 10
    while not hub.store.tokens.all()[0].used_at and time.monotonic() < deadline:
        time.sleep(0.1)
    (record,) = hub.store.tokens.all()
    assert abs(record.used_at - time.time()) < 10
    assert record.used_from == "127.0.0.1"


def test_a_refusal_is_audited_without_the_secret(settings: Settings, hub: Hub) -> None:
    with Service(settings).running() as url:
        token = make(hub, Scope.REPORT)
        ask(url, token)
    (deed,) = hub.store.audit.trail(subject=token[4:12])
    assert (deed.action, deed.origin, deed.ok) == ("token refused", "127.0.0.1", False)
    assert token[13:] not in str(deed)


def record_of(scope: Scope = Scope.FETCH) -> TokenRecord:
    return TokenRecord(
        id="0" * 8, sensor="", scopes=frozenset({scope}), created_at=0, created_by="test"
    )


def test_refusals_are_counted_by_reason_and_a_window_ends() -> None:
    gate = Gate()
    for number in range(FAILURES_MAX + 5):
        with pytest.raises(Refusal) as refused:
            gate.admit(None, Scope.FETCH, given=True, origin="192.0.2.1", now=1_000 + number / 100)
    assert refused.value.status == 429
    with pytest.raises(Refusal) as refused:
        gate.admit(None, Scope.FETCH, given=False, origin="192.0.2.2", now=1_001)
    assert refused.value.status == 401
    with pytest.raises(Refusal) as refused:
        gate.admit(None, Scope.FETCH, given=True, origin="192.0.2.1", now=1_001 + WINDOW_S)
    assert refused.value.status == 401
    assert gate.refused == {"wrong": FAILURES_MAX + 6, "none": 1}


def test_a_whole_network_of_ipv6_counts_as_one_address() -> None:
    gate = Gate()
    codes = set()
    for number in range(FAILURES_MAX + 1):
        with pytest.raises(Refusal) as refused:
            gate.admit(None, Scope.FETCH, given=True, origin=f"2001:db8::{number:x}", now=1_000)
        codes.add(refused.value.status)
    assert codes == {401, 429}
    caller = gate.admit(record_of(), Scope.FETCH, given=True, origin="2001:db8::1", now=1_000)
    assert caller.origin == "2001:db8::1"


def test_addresses_that_are_remembered_have_an_end() -> None:
    gate = Gate()
    for number in range(10_050):
        with pytest.raises(Refusal):
            gate.admit(None, Scope.FETCH, given=True, origin=f"host-{number}", now=1_000)
    assert len(gate._by_address) == 10_000


def test_a_header_of_any_length_costs_little() -> None:
    assert len(next(candidates("x" * 1_000_000))) <= 400
