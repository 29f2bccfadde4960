"""Hunts in a real OpenSearch and a real Elasticsearch, started on loopback for this.

They are loaded with the shared EVE of both engines the way Logstash, a plain shipper and Filebeat
keep it; the answer has to be the pool's own, to the last host and count.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zstandard

from vedette.config import OpenSearchSettings
from vedette.errors import PoolError, UnusableValueError
from vedette.fields import BY_NAME, FIELDS, Asset
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import normalize
from vedette.observe.observing import Observer
from vedette.opensearch import values
from vedette.opensearch.answer import Answer
from vedette.opensearch.hunting import hunt
from vedette.opensearch.queries import Span
from vedette.opensearch.sought import Sought
from vedette.testing.loopback import LoopbackServer, Request, Response
from vedette.testing.search_node import CLASSES, SearchNode, missing, running

pytestmark = pytest.mark.search

HOME = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
LAYOUTS = ("logstash", "eve", "ecs")
CORPORA = ("suricata-7.0.10", "suricata-8.0.7")
KEYWORD = {"type": "keyword", "ignore_above": 1024}
TLS = Path(__file__).resolve().parent.parent / "data/tls"

Document = dict[str, Any]


@pytest.fixture(scope="module", params=sorted(CLASSES))
def node(request: pytest.FixtureRequest) -> Iterator[SearchNode]:
    if reason := missing(request.param):
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")
    with running(request.param, run) as started:
        yield started


@pytest.fixture(scope="module")
def filled(node: SearchNode, shared_data: Path) -> Iterator[Callable[[str, str], str]]:
    """Fill an index with a corpus in a layout, once; its name. Not to be changed."""
    names: dict[tuple[str, str], str] = {}

    def fill(layout: str, corpus: str) -> str:
        if (layout, corpus) not in names:
            name = names[layout, corpus] = f"c{uuid.uuid4().hex[:12]}"
            load(node, name, layout, [json.loads(line) for line in lines_of(shared_data, corpus)])
        return names[layout, corpus]

    yield fill
    for name in names.values():
        node.ask("DELETE", f"/{name}")


@pytest.fixture
def index(node: SearchNode) -> Iterator[str]:
    """Lend a name that no other test has; all indices that begin with it are removed."""
    name = f"t{uuid.uuid4().hex[:12]}"
    yield name
    node.ask("DELETE", f"/{name}*")


def strings(mapping: Mapping[str, Any]) -> list[Any]:
    return [{"strings": {"match_mapping_type": "string", "mapping": mapping}}]


TEXT_AND_KEYWORD = {
    "type": "text",
    "norms": False,
    "fields": {"keyword": {"type": "keyword", "ignore_above": 256}},
}
MAPPINGS: Mapping[str, Mapping[str, Any]] = {
    # As the template of SELKS has it.
    "logstash": {
        "dynamic_templates": strings(TEXT_AND_KEYWORD),
        "properties": {"@timestamp": {"type": "date"}, "@version": {"type": "keyword"}},
    },
    # No template at all: what the engine makes of the first document.
    "eve": {"properties": {"src_ip": {"type": "ip"}, "dest_ip": {"type": "ip"}}},
    # As Filebeat's template has it.
    "ecs": {
        "dynamic_templates": strings(KEYWORD),
        "properties": {
            "@timestamp": {"type": "date"},
            "source": {"properties": {"ip": {"type": "ip"}, "port": {"type": "long"}}},
            "destination": {"properties": {"ip": {"type": "ip"}, "port": {"type": "long"}}},
            "dns": {"properties": {"resolved_ip": {"type": "ip"}}},
        },
    },
}


def as_logstash(event: Document) -> Document:
    return {**event, "@timestamp": event["timestamp"], "@version": "1"}


def as_eve(event: Document) -> Document:
    return event


def as_ecs(event: Document) -> Document:
    """Do what Filebeat's suricata module does to an event, as far as a hunt looks at it."""
    eve = json.loads(json.dumps(event))
    document: Document = {"@timestamp": eve.pop("timestamp"), "suricata": {"eve": eve}}
    for ours, theirs in (("src", "source"), ("dest", "destination")):
        end = {}
        if address := eve.pop(f"{ours}_ip", ""):
            end |= {"address": address, "ip": address}
        if (port := eve.pop(f"{ours}_port", None)) is not None:
            end["port"] = port
        document[theirs] = end
    if protocol := eve.pop("app_proto", ""):
        document["network"] = {"protocol": protocol}
    _web(document, eve)
    dns = eve.get("dns") or {}
    if dns.get("version") == 2 and (answers := dns.pop("answers", None)):
        document["dns"] = {
            "answers": [
                {{"rrname": "name", "rrtype": "type", "rdata": "data"}.get(k, k): v}
                for answer in answers
                for k, v in answer.items()
            ],
            "resolved_ip": [a["rdata"] for a in answers if a["rrtype"] in {"A", "AAAA"}],
        }
    for dropped in ("version", "grouped", "flags"):
        dns.pop(dropped, None)
    if tls := eve.get("tls"):
        copied = tls.get("sni", "").removesuffix(".")
        document["tls"] = {"client": {"server_name": copied}} if copied else {}
    return document


def _web(document: Document, eve: Document) -> None:
    http = eve.get("http") or {}
    if host := http.pop("hostname", ""):
        document["destination"]["domain"] = host
        document["url"] = {"domain": host}
    if url := http.pop("url", ""):
        document.setdefault("url", {})["original"] = url
    if method := http.pop("http_method", ""):
        document["http"] = {"request": {"method": method}}
    if referer := http.pop("http_refer", ""):
        document.setdefault("http", {}).setdefault("request", {})["referrer"] = referer
    if agent := http.pop("http_user_agent", ""):
        document["user_agent"] = {"original": agent}
    if name := (eve.get("fileinfo") or {}).pop("filename", ""):
        document["file"] = {"path": name}


SHIPPERS: Mapping[str, Callable[[Document], Document]] = {
    "logstash": as_logstash,
    "eve": as_eve,
    "ecs": as_ecs,
}


def lines_of(shared_data: Path, corpus: str) -> list[bytes]:
    packed = shared_data / f"eve/{corpus}-shared-pcaps.jsonl.zst"
    with packed.open("rb") as file:
        lines = zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()
    # A thousand fields that nobody hunts in make an index slow to fill.
    return [line for line in lines if b'"event_type":"stats"' not in line]


def load(node: SearchNode, index: str, layout: str, events: list[Document]) -> None:
    node.create(index, MAPPINGS[layout])
    node.load(index, map(SHIPPERS[layout], events))


def place(node: SearchNode, index: str, **more: Any) -> OpenSearchSettings:
    return OpenSearchSettings(url=node.url, index=index, **more)


def dns(name: str, at: str = "2026-11-03T10:00:00.000000+0000", **more: Any) -> Document:
    return {
        "timestamp": at,
        "event_type": "dns",
        "src_ip": "10.0.0.5",
        "src_port": 40000,
        "dest_ip": "10.0.0.53",
        "dest_port": 53,
        "dns": {"type": "query", "rrname": name, "rrtype": "A"},
        **more,
    }


def sightings(answer: Answer) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (f.field, f.observed): (f.first_seen, f.last_seen, f.count, f.hosts) for f in answer.found
    }


# The whole corpora -------------------------------------------------------------------------


def remembered(lines: list[bytes]) -> dict[tuple[str, str], list[Any]]:
    """Return by field and value what the pool would hold: first, last, count, our hosts."""
    observe = Observer(home=HOME)
    fields = {field.number: field for field in FIELDS if field.hunted}
    found: dict[tuple[str, str], list[Any]] = {}
    for line in lines:
        seen = observe(line)
        for number, value in seen.values:
            if (field := fields.get(number)) and seen.time_us is not None:
                at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=seen.time_us // 1000)
                ours = seen.server if field.asset is Asset.SERVER else seen.client
                known = found.setdefault((field.name, value), [at, at, 0, set()])
                known[0], known[1] = min(known[0], at), max(known[1], at)
                known[2] += 1
                known[3].add(ours)
    return found


def indicators(known: Mapping[tuple[str, str], list[Any]]) -> set[Key]:
    """Return every indicator that these values can be."""
    keys = set()
    for name, value in known:
        for kind, _ in BY_NAME[name].hunted:
            try:
                keys.add(normalize(kind, value))
            except UnusableValueError:
                continue
    return keys


@pytest.mark.parametrize(
    ("layout", "corpus"),
    [("logstash", CORPORA[0]), *((layout, CORPORA[1]) for layout in LAYOUTS), ("ecs", CORPORA[0])],
)
def test_a_hunt_for_everything_answers_what_the_pool_remembers(
    node: SearchNode,
    filled: Callable[[str, str], str],
    shared_data: Path,
    layout: str,
    corpus: str,
) -> None:
    lines = lines_of(shared_data, corpus)
    known = remembered(lines)
    keys = indicators(known)
    assert len(keys) > 5_000
    answer = hunt(place(node, filled(layout, corpus)), keys, home=HOME)
    assert (answer.layout, answer.partial, answer.more_hosts) == (layout, (), 0)
    assert answer.window.documents == len(lines)

    sought = Sought(keys)
    expected = {
        (name, value): (first, last, count, len(hosts))
        for (name, value), (first, last, count, hosts) in known.items()
        if any(sought.matches(BY_NAME[name], value)) and name not in answer.unanswered
    }
    found = sightings(answer)
    assert not found.keys() - expected.keys()
    lost = {pair for pair in expected if found.get(pair) != expected[pair]}
    # What differs is what the answer itself says is missing there.
    assert {name for name, _ in lost} <= answer.partly.keys()
    assert len(lost) <= len(expected) * 0.01
    assert len(expected) > 5_000


@pytest.mark.parametrize("layout", ["logstash", "ecs"])
def test_counts_are_those_of_an_independent_reading_of_the_raw_file(
    node: SearchNode, filled: Callable[[str, str], str], shared_data: Path, layout: str
) -> None:
    events = [json.loads(line) for line in lines_of(shared_data, CORPORA[1])]
    index = filled(layout, CORPORA[1])
    plain: dict[tuple[str, str], list[str]] = {}
    for event in events:
        at = event["timestamp"]
        if event["event_type"] == "dns" and event["dns"]["type"] == "request":
            for name in {query["rrname"].lower() for query in event["dns"]["queries"]}:
                plain.setdefault(("dns.query", name), []).append(at)
        if event["event_type"] == "tls" and "sni" in event["tls"]:
            plain.setdefault(("tls.sni", event["tls"]["sni"].lower()), []).append(at)
        if event["event_type"] == "fileinfo" and "md5" in event["fileinfo"]:
            plain.setdefault(("filemd5", event["fileinfo"]["md5"]), []).append(at)
    plain.pop(("dns.query", ""), None)  # the root of the DNS, which is no value
    wanted = {"dns.query": T.HOSTNAME, "tls.sni": T.HOSTNAME, "filemd5": T.MD5}
    keys = {Key(wanted[name], value) for name, value in plain}
    found = sightings(hunt(place(node, index), keys, home=HOME))
    for (name, value), times in plain.items():
        first, last, count, _ = found[name, value]
        moments = [datetime.fromisoformat(at) for at in times]
        assert count == len(times), (name, value)
        assert timedelta(0) <= min(moments) - first < timedelta(milliseconds=1)
        assert timedelta(0) <= max(moments) - last < timedelta(milliseconds=1)
    assert len(plain) > 500


# One behaviour each ------------------------------------------------------------------------


def test_short_lists_are_asked_for_and_long_ones_walked_and_both_find_the_same(
    node: SearchNode,
    filled: Callable[[str, str], str],
    shared_data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = lines_of(shared_data, CORPORA[0])
    index = filled("logstash", CORPORA[0])
    keys = sorted(key for key in indicators(remembered(lines)) if len(key.value) < 200)[::100]
    answers = {}
    for how, cost in (("walked", 0.0), ("asked", 1e9)):
        monkeypatch.setattr(values, "_WALKED_MS", cost)
        with LoopbackServer(passed_on(node)) as server:
            answers[how] = hunt(OpenSearchSettings(url=server.url, index=index), keys, home=HOME)
            patterns = [request for request in server.requests if b'"regexp"' in request.body]
        assert bool(patterns) == (how == "asked")
    assert answers["asked"].found == answers["walked"].found
    assert len(answers["asked"].found) > 60


@pytest.mark.parametrize("cost", [0.0, 1e9], ids=["walked", "asked"])
def test_case_dots_and_subdomains(
    node: SearchNode, index: str, monkeypatch: pytest.MonkeyPatch, cost: float
) -> None:
    monkeypatch.setattr(values, "_WALKED_MS", cost)
    names = ["WwW.eViL.eXaMpLe", "www.evil.example.", "www.evil.example", "notevil.example"]
    names += ["deep.below.EVIL.example", "evil.example.org", "evil-example", "evil.example"]
    events = [
        dns(name, f"2026-11-03T10:00:0{second}.000000+0000", src_ip=f"10.0.0.{second % 3 + 1}")
        for second, name in enumerate(names)
    ]
    load(node, index, "logstash", events)
    answer = hunt(place(node, index), [Key(T.DOMAIN, "evil.example")])
    found = {f.observed: f for f in answer.found}
    assert found.keys() == {"www.evil.example", "deep.below.evil.example", "evil.example"}
    www = found["www.evil.example"]
    assert (www.count, www.hosts, www.match) == (3, 3, "subdomain")
    assert www.first_seen == datetime(2026, 11, 3, 10, 0, 0, tzinfo=UTC)
    assert www.last_seen == datetime(2026, 11, 3, 10, 0, 2, tzinfo=UTC)
    assert (www.patient_zero, www.client, www.server) == ("10.0.0.1", "10.0.0.1", "10.0.0.53")
    exact = hunt(place(node, index), [Key(T.HOSTNAME, "evil.example")])
    assert [f.observed for f in exact.found] == ["evil.example"]


def test_ten_thousand_findings_come_page_by_page(node: SearchNode, index: str) -> None:
    load(node, index, "ecs", [dns(f"host{n}.evil.example") for n in range(12_000)])
    answer = hunt(place(node, index, page=1_000), [Key(T.DOMAIN, "evil.example")])
    assert len({f.observed for f in answer.found}) == 12_000
    assert {f.count for f in answer.found} == {1}
    # 13 pages, and the details of 200 values at a time.
    assert answer.requests >= 13 + 60


def test_a_document_counts_once_however_often_it_shows_a_value(
    node: SearchNode, index: str
) -> None:
    record = {"rrname": "www.evil.example", "rrtype": "CNAME", "rdata": "WWW.evil.example"}
    answered = {"type": "answer", "rrname": "www.evil.example", "answers": [record, record]}
    load(node, index, "eve", [dns("", dns=answered)])
    found = hunt(place(node, index), [Key(T.DOMAIN, "evil.example")]).found
    assert [(f.field, f.count) for f in found] == [("dns.response.rrname", 1)]


def test_alerts_do_not_count(node: SearchNode, index: str) -> None:
    load(node, index, "eve", [dns("evil.example"), dns("evil.example", event_type="alert")])
    found = hunt(place(node, index), [Key(T.DOMAIN, "evil.example")]).found
    assert [f.count for f in found] == [1]


def test_networks_are_found_by_address_fields_and_by_text(node: SearchNode, index: str) -> None:
    flow = dns("", event_type="flow", dest_ip="203.0.113.7")
    flow.pop("dns")
    load(node, f"{index}-ip", "eve", [flow])
    load(node, f"{index}-text", "logstash", [flow])
    for name in (f"{index}-ip", f"{index}-text"):
        answer = hunt(place(node, name), [Key(T.IP_DST, "203.0.113.0/24")])
        assert [(f.field, f.observed, f.match) for f in answer.found] == [
            ("ip.dst", "203.0.113.7", "network")
        ]
        port = hunt(place(node, name), [Key(T.IP_DST_PORT, "203.0.113.7,53")])
        assert [f.observed for f in port.found] == ["203.0.113.7,53"]


def test_the_window_says_what_is_covered(node: SearchNode, index: str) -> None:
    days = ["2026-11-01", "2026-11-02", "2026-11-05", "2026-11-09"]
    for day in days:
        at = f"{day}T12:00:00.000000+0000"
        load(node, f"{index}-{day}", "logstash", [dns("evil.example", at), dns("b.example", at)])
    keys = [Key(T.DOMAIN, "evil.example")]
    window = hunt(place(node, f"{index}-*"), keys).window
    assert (window.first_seen, window.last_seen) == (
        datetime(2026, 11, 1, 12, tzinfo=UTC),
        datetime(2026, 11, 9, 12, tzinfo=UTC),
    )
    assert [i.name for i in window.indices] == [f"{index}-{day}" for day in days]
    assert {i.documents for i in window.indices} == {2}
    assert window.events == {"dns": 8}
    assert window.gap_days == 5
    assert [(gap.since.day, gap.until.day) for gap in window.gaps] == [(6, 9), (3, 5)]

    span = Span(since=datetime(2026, 11, 2, tzinfo=UTC), until=datetime(2026, 11, 6, tzinfo=UTC))
    answer = hunt(place(node, f"{index}-*"), keys, span=span)
    assert [f.count for f in answer.found] == [2]
    assert answer.window.documents == 4
    assert answer.window.since == span.since
    nothing = hunt(
        place(node, f"{index}-*"), keys, span=Span(until=datetime(2020, 1, 1, tzinfo=UTC))
    )
    assert (nothing.found, nothing.window.documents) == ((), 0)
    assert nothing.window.first_seen is None
    assert nothing.unanswered["dns.query"] == "no dns events in the window"


def test_indices_that_disagree_about_a_field_are_searched_each_in_its_way(
    node: SearchNode, index: str
) -> None:
    times = [f"2026-11-03T10:00:0{n}.000000+0000" for n in range(4)]
    text = {"type": "text"}
    mappings = {
        "keyword": {"dynamic_templates": strings(KEYWORD)},
        "text-and-keyword": {"dynamic_templates": strings(TEXT_AND_KEYWORD)},
        "addresses": MAPPINGS["eve"],
        "text-only": {"properties": {"dns": {"properties": {"rrname": text}}}},
    }
    for (name, mapping), at in zip(mappings.items(), times, strict=True):
        node.create(f"{index}-{name}", mapping)
        node.load(f"{index}-{name}", [dns("WWW.evil.example", at, src_ip=f"10.0.0.{at[18]}")])
    answer = hunt(place(node, f"{index}-*"), [Key(T.DOMAIN, "evil.example")])
    (found,) = answer.found
    assert (found.count, found.hosts, found.patient_zero) == (3, 3, "10.0.0.0")
    assert (
        answer.partly["dns.query"] == "dns.rrname: it is text without a keyword in 1 of 4 indices"
    )
    assert answer.complete


def test_a_field_that_is_text_only_is_said_to_be_unanswered(node: SearchNode, index: str) -> None:
    text = {"properties": {"rrname": {"type": "text"}}}
    node.create(index, {"properties": {"dns": text}})
    node.load(index, [dns("evil.example")])
    answer = hunt(place(node, index), [Key(T.DOMAIN, "evil.example")])
    assert answer.found == ()
    assert "text without a keyword" in answer.unanswered["dns.query"]


def test_a_nested_field_is_said_to_be_unanswered(node: SearchNode, index: str) -> None:
    node.create(index, {"properties": {"dns": {"type": "nested"}}})
    node.load(index, [dns("evil.example")])
    answer = hunt(place(node, index), [Key(T.DOMAIN, "evil.example")])
    assert "nested" in answer.unanswered["dns.query"]


def test_values_that_the_index_did_not_keep_are_counted(node: SearchNode, index: str) -> None:
    name = ".".join(["a" * 60] * 5)
    events = [dns(f"{name}.evil.example"), dns("evil.example")]
    load(node, index, "logstash", events)
    answer = hunt(place(node, index), [Key(T.DOMAIN, "evil.example")])
    assert [f.observed for f in answer.found] == ["evil.example"]
    assert "1 documents whose value is too long" in answer.partly["dns.query"]


def test_missing_shards_are_said(node: SearchNode, index: str) -> None:
    load(node, f"{index}-1", "eve", [dns("evil.example")])
    settings = {"number_of_replicas": 0, "index.routing.allocation.require._name": "nowhere"}
    body = {"settings": settings, "mappings": MAPPINGS["eve"]}
    node.ask("PUT", f"/{index}-2?wait_for_active_shards=0", body)
    answer = hunt(place(node, f"{index}-*"), [Key(T.DOMAIN, "evil.example")])
    assert [f.count for f in answer.found] == [1]
    assert not answer.complete
    assert "1 of 2 shards failed" in answer.partial[0]


def test_an_index_with_lower_limits_than_usual_is_walked(
    node: SearchNode, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "_WALKED_MS", 1e9)
    load(node, index, "eve", [dns("www.evil.example"), dns("b.example")])
    node.ask("PUT", f"/{index}/_settings", {"index.max_regex_length": 5})
    answer = hunt(place(node, index), [Key(T.DOMAIN, "evil.example")])
    assert [f.observed for f in answer.found] == ["www.evil.example"]
    assert answer.complete


def test_what_no_field_remembers_is_counted(node: SearchNode, index: str) -> None:
    load(node, index, "eve", [dns("evil.example")])
    answer = hunt(place(node, index), [Key(T.IP_SRC_PORT, "203.0.113.7,53")])
    assert (answer.found, sum(answer.skipped.values())) == ((), 1)


# The place itself --------------------------------------------------------------------------


def guarded(node: SearchNode) -> Callable[[Request], Response]:
    """Return what stands before a node: it lets one user in, and passes on what that one asks."""
    passed = "Basic " + base64.b64encode(b"vedette:secret").decode()
    respond = passed_on(node)

    def guard(request: Request) -> Response:
        if request.headers.get("authorization") != passed:
            return Response(401, b'{"error": "who are you?"}')
        return respond(request)

    return guard


def passed_on(node: SearchNode) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        answer = httpx2.request(
            request.method,
            node.url + request.path,
            content=request.body,
            headers={"content-type": "application/json"},
        )
        return Response(answer.status_code, answer.content)

    return respond


def test_nothing_is_ever_written(
    node: SearchNode, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_OPENSEARCH_PASSWORD", "secret")
    load(node, index, "logstash", [dns("evil.example")])
    with LoopbackServer(guarded(node)) as server:
        settings = OpenSearchSettings(url=server.url, index=index, user="vedette")
        answer = hunt(settings, [Key(T.DOMAIN, "evil.example"), Key(T.IP_DST, "203.0.113.7")])
        asked = {(r.method, r.path.partition("?")[0]) for r in server.requests}
    assert len(answer.found) == 1
    assert asked == {
        ("GET", "/"),
        ("POST", f"/{index}/_field_caps"),
        ("POST", f"/{index}/_search"),
    }
    assert answer.requests == len(server.requests)


@pytest.mark.parametrize("user", ["", "vedette"])
def test_a_wrong_password(node: SearchNode, monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    monkeypatch.setenv("VEDETTE_OPENSEARCH_PASSWORD", "wrong-and-secret")
    with LoopbackServer(guarded(node)) as server:
        settings = OpenSearchSettings(url=server.url, user=user)
        with pytest.raises(PoolError, match="401") as failed:
            hunt(settings, [Key(T.DOMAIN, "evil.example")])
    assert "VEDETTE_OPENSEARCH_PASSWORD" in failed.value.hint
    assert "wrong-and-secret" not in f"{failed.value} {failed.value.hint}"


def test_over_tls_with_an_authority_of_ones_own(
    node: SearchNode, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_OPENSEARCH_PASSWORD", "secret")
    load(node, index, "logstash", [dns("evil.example")])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "loopback.pem")
    keys = [Key(T.DOMAIN, "evil.example")]
    with LoopbackServer(guarded(node), tls=context) as server:
        known = OpenSearchSettings(
            url=server.url, index=index, user="vedette", ca_file=str(TLS / "authority.pem")
        )
        assert len(hunt(known, keys).found) == 1
        unknown = OpenSearchSettings(url=server.url, index=index, user="vedette")
        with pytest.raises(PoolError, match="TLS") as failed:
            hunt(unknown, keys)
        assert "ca_file" in failed.value.hint
        unchecked = OpenSearchSettings(
            url=server.url, index=index, user="vedette", verify_tls=False
        )
        assert len(hunt(unchecked, keys).found) == 1


@pytest.mark.parametrize("name", ["no-such-index", "no-such-*"])
def test_an_index_that_is_not_there(node: SearchNode, name: str) -> None:
    with pytest.raises(PoolError, match="no-such-") as failed:
        hunt(place(node, name), [Key(T.DOMAIN, "evil.example")])
    assert "`index`" in failed.value.hint


@pytest.mark.parametrize("layout", ["auto", "ecs"])
def test_an_index_of_something_else(node: SearchNode, index: str, layout: str) -> None:
    node.create(index, MAPPINGS["logstash"])
    node.load(index, [{"@timestamp": "2026-11-03T10:00:00Z", "message": "hello"}])
    with pytest.raises(PoolError, match="no events of Suricata"):
        hunt(place(node, index, layout=layout), [Key(T.DOMAIN, "evil.example")])


def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(PoolError, match=f"cannot reach http://127.0.0.1:{port}"):
        hunt(OpenSearchSettings(url=f"http://127.0.0.1:{port}"), [Key(T.DOMAIN, "evil.example")])
