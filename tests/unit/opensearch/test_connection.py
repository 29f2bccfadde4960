"""What a place may answer instead of what was asked, from a real server on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from vedette.config import OpenSearchSettings
from vedette.errors import PoolError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.opensearch.connection import Client, TooMuchError
from vedette.opensearch.hunting import hunt
from vedette.testing.loopback import LoopbackServer, Request, Response

NONE: dict[str, object] = {"aggregations": {}, "_shards": {"total": 1, "successful": 1}}


def client(server: LoopbackServer, **more: object) -> Client:
    return Client(OpenSearchSettings(url=server.url, **more))  # type: ignore[arg-type]


def always(status: int, body: bytes = b"{}", **more: object) -> Callable[[Request], Response]:
    return lambda _request: Response(status, body, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (Response(403, b'{"error": {"root_cause": [{"reason": "no permissions"}]}}'), "no perm"),
        (Response(404, b"{}"), "no index"),
        (Response(400, b'{"error": {"reason": "parse error"}}'), "parse error"),
        (Response(500, b"<html>oops</html>"), "oops"),
        (Response(200, b"<html>dashboards</html>"), "not in JSON"),
        (Response(302, b"", headers={"location": "https://other.example/"}), "other.example"),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_refusals(response: Response, said: str) -> None:
    with LoopbackServer(lambda _request: response) as server, client(server) as asked:
        with pytest.raises(PoolError, match=said) as failed:
            asked.search({})
        assert len(server.requests) == 1
    assert response.status in {400, 500} or failed.value.hint


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"version": {"number": 8}}'])
def test_something_else_that_speaks_json(body: bytes) -> None:
    with (
        LoopbackServer(always(200, body)) as server,
        client(server) as asked,
        pytest.raises(PoolError, match="no OpenSearch"),
    ):
        asked.engine()


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ({"number": "8.15.3"}, "Elasticsearch 8.15.3"),
        ({"number": "3.0.0-beta1", "distribution": "opensearch"}, "OpenSearch 3.0.0"),
    ],
)
def test_what_it_is(version: dict[str, str], name: str) -> None:
    body = json.dumps({"version": version}).encode()
    with LoopbackServer(always(200, body)) as server, client(server) as asked:
        assert str(asked.engine()) == name


def test_a_place_that_is_busy_is_asked_again_after_a_rest() -> None:
    answers = [Response(429, b"{}"), Response(503, b"{}"), Response(200, json.dumps(NONE).encode())]
    with LoopbackServer(lambda _request: answers.pop(0)) as server, client(server) as asked:
        assert asked.search({}) == NONE
        assert asked.requests == 3


def test_a_question_that_is_too_large_is_not_asked_again() -> None:
    body = b'{"error": {"root_cause": [{"type": "too_many_buckets_exception", "reason": "x"}]}}'
    with LoopbackServer(always(503, body)) as server, client(server) as asked:
        with pytest.raises(TooMuchError):
            asked.search({})
        assert len(server.requests) == 1


def test_what_an_answer_leaves_out_is_noted_once_for_each_reason() -> None:
    failure = {"index": "i-1", "reason": {"type": "io", "reason": "disk\nbroken"}}
    shards = {"total": 3, "successful": 2, "failed": 1, "failures": [failure]}
    body = json.dumps({"timed_out": True, "_shards": shards}).encode()
    with LoopbackServer(always(200, body)) as server, client(server, timeout="7s") as asked:
        asked.search({})
        asked.search({})
        assert dict(asked.trouble) == {
            "it ran out of time (7s)": 2,
            "1 of 3 shards failed: i-1: io: disk broken": 2,
        }
        assert json.loads(server.requests[0].body)["timeout"] == "7s"


def test_it_is_asked_one_at_a_time_with_a_rest_in_between() -> None:
    body = json.dumps(NONE).encode()
    with LoopbackServer(always(200, body)) as server, client(server, pause=0.1) as asked:
        began = time.monotonic()
        for _ in range(3):
            asked.search({})
        assert time.monotonic() - began >= 0.2


def test_an_api_key_is_sent_when_there_is_no_user() -> None:
    with LoopbackServer(always(200, json.dumps(NONE).encode())) as server:
        settings = OpenSearchSettings(url=server.url)
        with Client(settings, "a2V5") as asked:
            asked.search({})
        with Client(settings) as asked:
            asked.search({})
        headers = [request.headers.get("authorization") for request in server.requests]
    assert headers == ["ApiKey a2V5", None]


def test_an_answer_that_does_not_come() -> None:
    def slow(_request: Request) -> Response:
        time.sleep(1.5)
        return Response(200, b"{}")

    with LoopbackServer(slow) as server, client(server, timeout="1s") as asked:
        asked._http.timeout = 0.3
        with pytest.raises(PoolError, match="did not answer within 1s") as failed:
            asked.search({})
    assert "`timeout`" in failed.value.hint


def test_a_certificate_file_that_is_not_there() -> None:
    settings = OpenSearchSettings(url="https://search.example:9200", ca_file="/no/such.pem")
    with pytest.raises(PoolError, match="is not there"):
        Client(settings)


def test_details_are_asked_for_in_halves_until_they_fit() -> None:
    """A place that takes two values at a time, and has three."""
    names = ["a.example", "b.example", "c.example"]
    caps = {
        "indices": ["i"],
        "fields": {
            "@timestamp": {"date": {"aggregatable": True}},
            "event_type": {"keyword": {"aggregatable": True}},
            "dns.rrname": {"keyword": {"aggregatable": True}},
        },
    }

    def respond(request: Request) -> Response:
        if request.path == "/":
            return Response(200, b'{"version": {"number": "8.15.3"}}')
        if "_field_caps" in request.path:
            return Response(200, json.dumps(caps).encode())
        return details(json.loads(request.body)["aggs"])

    def details(aggs: dict[str, dict[str, object]]) -> Response:
        told: dict[str, object] = {}
        if "dns.query" in aggs:
            told["dns.query"] = {"doc_count": 3, "distinct 0": {"value": 3}}
        values = aggs.get("values", {})
        if "composite" in values:
            buckets: list[object] = [{"key": {"dns.rrname": name}} for name in names]
            told["values"] = {"buckets": buckets}
        elif "filters" in values:
            filters = values["filters"]["filters"]  # type: ignore[index]
            if len(filters) > 2:
                return Response(503, b'{"error": {"reason": "too_many_buckets"}}')
            moment = {"value": 1_700_000_000_000.0}
            bucket = {"first": moment, "last": moment, "earliest": {"hits": {"hits": []}}}
            told["values"] = {"buckets": [{"doc_count": 1, **bucket} for _ in filters]}
        return Response(200, json.dumps({**NONE, "aggregations": told}).encode())

    with LoopbackServer(respond) as server:
        answer = hunt(OpenSearchSettings(url=server.url), [Key(T.DOMAIN, name) for name in names])
    assert [f.indicator for f in answer.found] == names
    assert {f.count for f in answer.found} == {1}
