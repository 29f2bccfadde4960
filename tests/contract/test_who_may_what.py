"""Every route, asked with every kind of token and with none: exactly who gets what.

A route that is not in the table fails: whoever adds one says here who may use it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

import httpx2
import msgspec
import pytest
from starlette.routing import Route
from tests.served import KEYS, Served, serving

from vedette.config import Settings
from vedette.store.tokens import Scope
from vedette.web import authentication
from vedette.web.app import MODULES
from vedette.web.state import AppState

OPEN, FETCH, REPORT, METRICS = "open", "fetch", "report", "metrics"
F, R, M = Scope.FETCH, Scope.REPORT, Scope.METRICS


class Way(NamedTuple):
    """How a route is asked, and who may."""

    path: str
    needs: str
    sensor: bool = False
    """Whether only tokens of a sensor will do."""
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] = {}


NOW = datetime.now(UTC).isoformat()
REPORT_BODY = msgspec.json.encode(
    {"at": NOW, "by": "agent 0", "delivery": "agent", "state": "behind", "why": "x"}
)
ALL = {
    "/suricata-update/index.yaml": Way("/suricata-update/index.yaml", OPEN),
    "/bundle/{which}/{name:path}": Way("/bundle/current/manifest.json", FETCH),
    "/suricata-{version}/{name}": Way("/suricata-8.0.1/vedette.tar.gz", FETCH),
    "/r/{profile}/vedette.rules": Way("/r/8.0/vedette.rules", FETCH),
    "/d/{name}": Way("/d/{set}", FETCH),
    "/o/{name}": Way("/o/{set}", FETCH),
    "/scirius/{profile}/{name}": Way("/scirius/8.0/vedette.rules", FETCH),
    "/agent/v1/announcement": Way("/agent/v1/announcement", FETCH, sensor=True),
    "/agent/v1/keys": Way("/agent/v1/keys", FETCH, sensor=True),
    "/agent/v1/patch/{before}/{generation}/{target}": Way(
        "/agent/v1/patch/{content}/1/8.0", FETCH, sensor=True
    ),
    "/agent/v1/report": Way(
        "/agent/v1/report",
        REPORT,
        sensor=True,
        method="POST",
        body=REPORT_BODY,
        headers={"content-type": "application/json"},
    ),
    "/agent/v1/hits": Way(
        "/agent/v1/hits",
        REPORT,
        sensor=True,
        method="POST",
        body=b"\n",
        headers={"content-type": "application/x-ndjson"},
    ),
    "/metrics": Way("/metrics", METRICS),
}
"""By the pattern of the route; those with a token in the path are derived from these."""

SCOPES = {
    "fetch": (F,),
    "report": (R,),
    "metrics": (M,),
    "fetch+report": (F, R),
    "fetch+metrics": (F, M),
    "report+metrics": (R, M),
    "all": (F, R, M),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch, serving(tmp_path_factory.mktemp("hub")) as hub:
        patch.setattr(authentication, "FAILURES_MAX", 10**6)  # always the exact reason
        hub.publish(*KEYS)
        hub.sensor("gate", delivery="agent")
        hub.sensor("edge", delivery="agent")
        yield hub


def routes(settings: Settings) -> list[Route]:
    state = AppState(settings)
    made = list(chain.from_iterable(make(state) for make in MODULES))
    asyncio.run(state.close())
    return made


def test_every_route_has_its_line_in_the_table(served: Served) -> None:
    made = {route.path: route for route in routes(served.settings)}
    plain = {path for path in made if not path.startswith("/t/{token}")}
    assert plain == set(ALL)
    with_token = {path.removeprefix("/t/{token}") for path in set(made) - plain}
    assert with_token == {
        path for path, way in ALL.items() if way.needs == FETCH and not way.sensor
    }
    for path, route in made.items():
        methods = (route.methods or set()) - {"HEAD"}
        assert methods == {ALL[path.removeprefix("/t/{token}")].method}


def asked(served: Served, way: Way, token: str | None, *, in_path: bool = False) -> int:
    manifest = served.hub.settings.bundles / "gen-000001/manifest.json"
    known = msgspec.json.decode(manifest.read_bytes())
    path = way.path.format(set=known["sets"][0]["name"], content=known["content_id"])
    headers = dict(way.headers)
    if token and not in_path:
        headers["authorization"] = f"Bearer {token}"
    if way.path.endswith("hits"):
        bookmark = served.hub.store.fleet.bookmark
        gate = msgspec.json.decode(bookmark("gate") or b"{}").get("cursor", "")
        headers |= {"x-vedette-from": gate, "x-vedette-to": f"{time.monotonic_ns()}"}
    prefix = f"/t/{token}" if in_path else ""
    answer = httpx2.request(
        way.method, f"{served.url}{prefix}{path}", content=way.body, headers=headers
    )
    if answer.status_code >= 400:
        assert set(answer.json()) >= {"error", "hint"}
    return answer.status_code


@pytest.mark.parametrize("pattern", ALL)
@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("sensor", ["gate", ""])
def test_a_token_opens_what_its_scope_says_and_nothing_else(
    served: Served, pattern: str, name: str, sensor: str
) -> None:
    way = ALL[pattern]
    token = served.token(*SCOPES[name], sensor=sensor)
    may = way.needs == OPEN or (
        way.needs in {str(scope) for scope in SCOPES[name]} and (bool(sensor) or not way.sensor)
    )
    assert asked(served, way, token) == (200 if may else 403)
    if way.needs == FETCH and not way.sensor:
        assert asked(served, way, token, in_path=True) == (200 if may else 403)


def worthless(served: Served) -> dict[str, str]:
    """Texts that are no valid token, by what is wrong with them."""
    tokens = served.hub.store.tokens
    good = served.token(*Scope, sensor="gate")
    revoked, expired = served.token(*Scope, sensor="gate"), ""
    tokens.revoke(revoked[4:12], by="test", now=int(time.time()))
    expired = tokens.add("gate", Scope, by="test", now=0, expires_at=1)
    other = served.token(*Scope, sensor="edge")
    return {
        "revoked": revoked,
        "expired": expired,
        "secret of another": good[:13] + other[13:],
        "id only": good[:12],
        "no secret": good[:13],
        "cut": good[:-1],
        "longer": f"{good}x",
        "upper case": good.upper(),
        "quoted": f'"{good}"',
        "wildcard": "vdt_%_%",
        "sql": "vdt_' OR 1=1 --",
    }


@pytest.mark.parametrize("pattern", ALL)
def test_nobody_else_gets_anything(served: Served, pattern: str) -> None:
    way = ALL[pattern]
    expected = 200 if way.needs == OPEN else 401
    assert asked(served, way, None) == expected
    for what, token in worthless(served).items():
        assert asked(served, way, token) == expected, what


def test_a_sensor_that_was_removed_opens_nothing_nor_does_its_successor_for_it(
    served: Served,
) -> None:
    token = served.sensor("brief", delivery="agent")
    way = ALL["/agent/v1/announcement"]
    deadline = time.monotonic() + 10
    while (status := asked(served, way, token)) == 204 and time.monotonic() < deadline:
        time.sleep(0.02)  # the server looks some times a second what is new
    assert status == 200
    served.hub.store.fleet.remove_sensor("brief")
    assert asked(served, way, token) == 401
    served.sensor("brief", delivery="agent")
    assert asked(served, way, token) == 401


def test_what_one_sensor_says_is_never_of_another(served: Served) -> None:
    """Whatever names the other: the path, a header, the report itself."""
    token = served.token(F, R, sensor="gate")
    body = msgspec.json.decode(REPORT_BODY)
    body |= {"sensor": "edge", "name": "edge", "why": "of gate"}
    body["proof"] = {
        "at": NOW,
        "sensor": "edge",
        "generation": 1,
        "content_id": "aa",
        "target": "8.0",
        "engine": "8.0.1",
        "ok": True,
        "checks": [{"name": "x", "ok": True, "expected": "y", "got": "z"}],
        "elapsed_s": 0,
    }
    answer = httpx2.post(
        f"{served.url}/agent/v1/report?sensor=edge",
        content=msgspec.json.encode(body),
        headers={
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "x-vedette-sensor": "edge",
        },
    )
    assert answer.status_code == 200
    reports, fleet = served.hub.store.reports, served.hub.store.fleet
    assert reports.state_of("edge") is None
    assert fleet.sensor("edge").proof is None
    assert (fleet.sensor("gate").proof or {})["sensor"] == "gate"
    state = reports.state_of("gate")
    assert state is not None
    assert b"of gate" in state.report
