from __future__ import annotations

import httpx2

from vedette.misp.validators import Validators


def answer(**headers: str) -> httpx2.Response:
    return httpx2.Response(200, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_what_the_server_said_is_sent_back() -> None:
    held = Validators.of(answer(etag='W/"1"', last_modified="Mon, 01 Jan 2024 00:00:00 GMT"))
    assert held.headers() == {
        "If-None-Match": 'W/"1"',
        "If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT",
    }


def test_nothing_said_asks_for_everything() -> None:
    assert Validators.of(answer()).headers() == {}


def test_what_could_not_be_sent_back_is_not_kept() -> None:
    assert Validators.of(answer(etag="x" * 1_001, last_modified="a\tb")) == Validators()
