"""A fake MISP whose clock stands still, and a way to ask it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vedette.testing.fake_misp import ADMIN_KEY, FakeMisp

NOW = 1_700_000_000


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def attributes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json["response"]["Attribute"]
        return found

    @property
    def values(self) -> list[str]:
        return [item["value"] for item in self.attributes]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def misp(clock: Clock) -> Iterator[FakeMisp]:
    with FakeMisp(clock=clock, unlimited_max=10) as server:
        yield server


@pytest.fixture
def ask(misp: FakeMisp) -> Callable[..., Answer]:
    def send(path: str, body: object = None, *, key: str = ADMIN_KEY) -> Answer:
        connection = http.client.HTTPConnection(misp.url.removeprefix("http://"), timeout=5)
        try:
            method = "GET" if body is None else "POST"
            data = None if body is None else json.dumps(body)
            headers = {"Authorization": key, "Accept": "application/json"}
            connection.request(method, path, data, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return send
