from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from vedette.errors import SourceError
from vedette.model import (
    Broken,
    Fetched,
    Indicator,
    IndicatorType,
    Item,
    Rejected,
    Skipped,
    Unchanged,
)
from vedette.sources.filters import Filters
from vedette.sources.manifest_group import MANIFEST
from vedette.sources.misp_feed import MispFeed
from vedette.store import Store
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response, files_of

A = "aaaaaaaa-0000-4000-8000-000000000000"
B = "bbbbbbbb-0000-4000-8000-000000000000"


def event(uuid: str, *values: str, **fields: Any) -> dict[str, Any]:
    attributes = [
        {"type": "domain", "value": value, "uuid": f"{uuid}-{n}", "to_ids": True}
        for n, value in enumerate(values)
    ]
    return {"uuid": uuid, "info": f"event {uuid[0]}", "Attribute": attributes} | fields


def write(folder: Path, *events: Mapping[str, Any], timestamp: str = "1") -> None:
    manifest = {item["uuid"]: {"timestamp": timestamp} for item in events}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for item in events:
        (folder / f"{item['uuid']}.json").write_text(json.dumps({"Event": item}))


def fetch(
    location: object, known: Mapping[str, str] | None = None, filters: Filters | None = None
) -> list[Item]:
    source = MispFeed(name="feed", location=str(location), filters=filters or Filters())
    return list(source.fetch(known or {}))


def versions(items: Iterable[Item]) -> dict[str, str]:
    return {item.key: item.version for item in items if isinstance(item, Fetched)}


def values(items: Iterable[Item]) -> list[str]:
    return [item.value for item in items if isinstance(item, Indicator)]


def broken(items: Iterable[Item]) -> list[Broken]:
    return [item for item in items if isinstance(item, Broken)]


def test_each_event_is_a_group_that_ends(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example", "b.example"), event(B, "c.example"))
    items = fetch(tmp_path)
    assert [type(item).__name__ for item in items] == [
        "Indicator",
        "Indicator",
        "Fetched",
        "Indicator",
        "Fetched",
    ]
    assert list(versions(items)) == [A, B]
    first = items[0]
    assert isinstance(first, Indicator)
    assert (first.context.key, first.context.info, first.ref) == (A, "event a", f"{A}-0")


def test_what_we_hold_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    known = versions(fetch(tmp_path))
    (tmp_path / f"{A}.json").unlink()
    assert fetch(tmp_path, known) == [Unchanged(A), Unchanged(B)]


def test_a_timestamp_that_goes_backwards_is_a_change_too(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example"), timestamp="1700000000")
    known = versions(fetch(tmp_path))
    write(tmp_path, event(A, "new.example"), timestamp="1600000000")
    assert values(fetch(tmp_path, known)) == ["new.example"]


def test_a_changed_filter_reads_every_event_again(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example"))
    known = versions(fetch(tmp_path))
    items = fetch(tmp_path, known, Filters(exclude_types=("domain",)))
    assert items[0] == Skipped("type not wanted: domain", 1)
    assert versions(items)[A] != known[A]


def test_an_event_without_a_timestamp_is_always_read(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example"), timestamp="")
    known = versions(fetch(tmp_path))
    assert values(fetch(tmp_path, known)) == ["a.example"]


def test_an_event_that_leaves_the_manifest_is_not_mentioned(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    known = versions(fetch(tmp_path))
    write(tmp_path, event(B, "b.example"))
    assert fetch(tmp_path, known) == [Unchanged(B)]


def test_broken_and_missing_events_cost_only_themselves(tmp_path: Path) -> None:
    c = "cccccccc-0000-4000-8000-000000000000"
    d = "dddddddd-0000-4000-8000-000000000000"
    write(tmp_path, event(A, "a.example"), event(B, "b.example"), event(c, "c.example"), event(d))
    (tmp_path / f"{A}.json").write_text('{"Event": {"info": "cut of')
    (tmp_path / f"{B}.json").unlink()
    (tmp_path / f"{d}.json").write_text('{"response": []}')
    items = fetch(tmp_path)
    assert values(items) == ["c.example"]
    assert [item.key for item in broken(items)] == [A, B, d]
    assert "cut short" in broken(items)[0].reason
    assert broken(items)[1].reason == "named in the manifest, but missing"
    assert broken(items)[2].reason == "0 events in one file"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "x", f"{A}/../{B}", ""])
def test_a_manifest_cannot_name_a_file_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({name: {"timestamp": "1"}}))
    (item,) = fetch(tmp_path)
    assert item == Broken(name, "the manifest names an event that is no UUID")


def test_an_empty_manifest_is_an_empty_feed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[]")
    assert fetch(tmp_path) == []


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [("<html>login</html>", "HTML instead of JSON"), ('{"', "cut short"), ("", "an empty answer")],
)
def test_a_bad_manifest_says_nothing_about_any_event(
    tmp_path: Path, manifest: str, reason: str
) -> None:
    write(tmp_path, event(A, "a.example"))
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(SourceError, match=reason):
        fetch(tmp_path)


def test_unpublished_events_of_a_feed_count_unless_asked_otherwise(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example", published=False), event(B, "b.example", published=True))
    assert values(fetch(tmp_path)) == ["a.example", "b.example"]
    items = fetch(tmp_path, filters=Filters(published_only=True))
    assert values(items) == ["b.example"]
    assert items[0] == Skipped("event is not published", 1)


def test_attributes_of_objects_count_too(tmp_path: Path) -> None:
    objects = [{"Attribute": [{"type": "ip-dst", "value": "198.51.100.7"}]}]
    write(tmp_path, event(A, "a.example", Object=objects))
    assert values(fetch(tmp_path)) == ["a.example", "198.51.100.7"]


def test_a_bad_value_is_rejected_and_the_stream_goes_on(tmp_path: Path) -> None:
    write(tmp_path, event(A, "not a name", "a.example"))
    rejected, indicator, _ = fetch(tmp_path)
    assert isinstance(rejected, Rejected)
    assert rejected.ref == f"{A}/{A}-0"
    assert isinstance(indicator, Indicator)


def test_a_value_of_two_events_without_ids_stays_until_both_let_go(tmp_path: Path) -> None:
    feed = tmp_path / "feed"
    feed.mkdir()
    attributes = [{"type": "domain", "value": name} for name in ("same.example", "x.example")]
    both = [event(uuid, Attribute=attributes) for uuid in (A, B)]
    with Store(tmp_path / "db") as store:
        store.add_source("feed", "misp-feed", {}, 900)
        for events, entries in ((both, 4), (both[:1], 2)):
            write(feed, *events)
            pull = store.pull("feed", accept=True)
            for item in MispFeed(name="feed", location=str(feed)).fetch(pull.known()):
                pull.take(item)
            assert pull.finish().entries == entries
        assert [key.value for key in store.entries.keys(IndicatorType.DOMAIN)] == [
            "same.example",
            "x.example",
        ]


def test_each_value_says_when_it_was_changed_or_seen_last(tmp_path: Path) -> None:
    attributes = [
        {"type": "domain", "value": "a.example", "timestamp": "1700000000"},
        {"type": "domain", "value": "b.example", "timestamp": "1700000000"}
        | {"last_seen": "2024-01-01T00:00:00+00:00"},
        {"type": "domain", "value": "c.example"},
    ]
    write(tmp_path, event(A, Attribute=attributes, timestamp="1600000000"))
    changed = {i.value: i.changed for i in fetch(tmp_path) if isinstance(i, Indicator)}
    assert changed["a.example"] == 1_700_000_000
    assert changed["b.example"] == 1_704_067_200
    assert changed["c.example"] in (0, 1_600_000_000)


def test_the_log_names_the_first_broken_events_only(
    tmp_path: Path,
) -> None:
    write(tmp_path, *(event(f"{n:08d}-0000-4000-8000-000000000000") for n in range(50)))
    for path in tmp_path.glob("0*.json"):
        path.unlink()
    with structlog.testing.capture_logs() as logged:
        assert len(broken(fetch(tmp_path))) == 50
    levels = Counter(line["log_level"] for line in logged if "broken" in line["event"])
    assert levels == {"warning": 20, "debug": 30}
    assert logged[-1]["broken"] == 50


def test_a_directory_of_events_needs_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "one.json").write_text(json.dumps({"response": [{"Event": event(A, "a.example")}]}))
    (tmp_path / "deep" / "two.json").write_text(json.dumps(event(B, "b.example")))
    (tmp_path / "other.json").write_text('{"not": "an event"}')
    items = fetch(tmp_path)
    assert list(versions(items)) == [B, A]
    assert fetch(tmp_path, versions(items)) == [Unchanged(B), Unchanged(A)]


def test_a_changed_file_is_read_again_where_there_is_no_manifest(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"Event": event(A, "a.example")}))
    known = versions(fetch(path))
    assert fetch(path, known) == [Unchanged(A)]
    path.write_text(json.dumps({"Event": event(A, "b.example")}))
    assert values(fetch(path, known)) == ["b.example"]


def test_a_file_that_breaks_keeps_the_event_that_we_hold_of_it(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"Event": event(A, "a.example")}))
    (tmp_path / "two.json").write_text(json.dumps({"Event": event(B, "b.example")}))
    known = versions(fetch(tmp_path))
    text = (tmp_path / "one.json").read_text()
    (tmp_path / "one.json").write_text(text[:-20])
    items = fetch(tmp_path, known)
    assert [item.key for item in broken(items)] == [A]
    assert broken(items)[0].reason.endswith("(in one.json)")
    assert items[-1] == Unchanged(B)


def test_a_broken_file_that_we_never_held_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"Event": ')
    (tmp_path / "two.json").write_text(json.dumps({"Event": event(B, "b.example")}))
    items = fetch(tmp_path)
    assert [item.key for item in broken(items)] == ["one.json"]
    assert values(items) == ["b.example"]


def test_the_same_event_in_two_files_is_read_once_and_told(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps({"Event": event(A, "a.example")}))
    (tmp_path / "two.json").write_text(json.dumps({"Event": event(A, "b.example")}))
    items = fetch(tmp_path)
    assert values(items) == ["a.example"]
    assert broken(items) == [Broken(f"two.json:{A}", "this event was in another file before")]


def test_a_file_that_cannot_be_opened_and_one_with_a_wrong_event_are_told(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "wrong.json").write_text('{"Event": {"info": 5}}')
    assert [(item.key, item.reason[:12]) for item in broken(fetch(tmp_path))] == [
        ("folder.json", "a directory,"),
        ("wrong.json", "not an event"),
    ]


def test_a_place_without_any_event_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(SourceError, match=r"no manifest\.json and no MISP event"):
        fetch(tmp_path)


def test_a_feed_over_http_is_the_same_as_its_directory(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    with LoopbackServer(files_of(tmp_path)) as server:
        assert fetch(server.url) == fetch(tmp_path)
        known = versions(fetch(tmp_path))
        server.requests.clear()
        assert fetch(server.url, known) == [Unchanged(A), Unchanged(B)]
        assert [request.path for request in server.requests] == ["/manifest.json"]


def test_an_event_that_is_html_over_http_costs_only_itself(tmp_path: Path) -> None:
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    with LoopbackServer(files_of(tmp_path)) as server:
        server.faults.add(Fault(FaultKind.BODY, path=A, body=b"<html>", content_type="text/html"))
        items = fetch(server.url)
    assert broken(items) == [Broken(A, "HTML instead of JSON")]
    assert values(items) == ["b.example"]


# -- not modified: the manifest's own version


class Web:
    """A web server that knows which version a client holds."""

    def __init__(self, folder: Path) -> None:
        self._files = files_of(folder)
        self.validator = "ETag"

    def __call__(self, request: Request) -> Response:
        answer = self._files(request)
        if answer.status != 200:
            return answer
        tag = f'"{hashlib.sha256(answer.body).hexdigest()}"'
        asked = {"ETag": "if-none-match", "Last-Modified": "if-modified-since"}
        if request.headers.get(asked.get(self.validator, "")) == tag:
            return Response(304, headers={self.validator: tag})
        return Response(200, answer.body, headers={self.validator: tag})


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return Web(tmp_path)


@pytest.fixture
def server(web: Web) -> Iterator[LoopbackServer]:
    with LoopbackServer(web) as running:
        yield running


def paths(server: LoopbackServer) -> list[str]:
    """What was asked for since the last time."""
    asked = [request.path for request in server.requests]
    server.requests.clear()
    return asked


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_a_manifest_that_the_server_calls_unchanged_is_all_that_is_asked_for(
    tmp_path: Path, web: Web, server: LoopbackServer, validator: str
) -> None:
    web.validator = validator
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    known = versions(fetch(server.url))
    assert known.keys() == {A, B, MANIFEST}
    assert paths(server) == ["/manifest.json", f"/{A}.json", f"/{B}.json"]
    assert fetch(server.url, known) == [Unchanged(A), Unchanged(B), Unchanged(MANIFEST)]
    assert paths(server) == ["/manifest.json"]
    write(tmp_path, event(A, "a.example"), event(B, "new.example"), timestamp="2")
    assert values(fetch(server.url, known)) == ["a.example", "new.example"]


def test_a_feed_that_moved_is_not_asked_by_what_the_other_server_said(
    tmp_path: Path, web: Web, server: LoopbackServer
) -> None:
    write(tmp_path, event(A, "a.example"))
    known = versions(fetch(f"{server.url}/"))
    with LoopbackServer(web) as other:
        assert fetch(f"{other.url}/", known)[:1] == [Unchanged(A)]
        assert [one.headers.get("if-none-match") for one in other.requests] == [None]


def test_a_manifest_is_asked_for_whole_unless_all_it_led_to_is_held(
    tmp_path: Path, server: LoopbackServer
) -> None:
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    known = versions(fetch(server.url))
    fewer = {key: known[key] for key in (A, MANIFEST)}
    assert values(fetch(server.url, fewer)) == ["b.example"]
    newer = known | {A: "1/of-a-pull-that-was-interrupted"}
    assert values(fetch(server.url, newer)) == ["a.example"]


def test_other_filters_ask_for_everything_again(tmp_path: Path, server: LoopbackServer) -> None:
    write(tmp_path, event(A, "a.example"))
    known = versions(fetch(server.url))
    items = fetch(server.url, known, Filters(exclude_types=("domain",)))
    assert Skipped("type not wanted: domain", 1) in items


def test_a_missing_event_is_asked_for_again_although_the_manifest_is_unchanged(
    tmp_path: Path, server: LoopbackServer
) -> None:
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    (tmp_path / f"{B}.json").unlink()
    first = fetch(server.url)
    assert broken(first) == [Broken(B, "404 Not Found")]
    paths(server)
    second = fetch(server.url, versions(first))
    assert second == [Unchanged(A), Broken(B, "404 Not Found"), Unchanged(MANIFEST)]
    assert paths(server) == ["/manifest.json", f"/{B}.json"]
    (tmp_path / f"{B}.json").write_text(json.dumps(event(B, "b.example")))
    third = fetch(server.url, versions(first))
    assert values(third) == ["b.example"]
    known = versions(first) | versions(third)
    paths(server)
    assert fetch(server.url, known) == [Unchanged(A), Unchanged(B), Unchanged(MANIFEST)]
    assert paths(server) == ["/manifest.json"]


def test_an_event_that_breaks_keeps_what_we_hold_until_it_is_whole_again(
    tmp_path: Path, server: LoopbackServer
) -> None:
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    known = versions(fetch(server.url))
    write(tmp_path, event(A, "a.example"), event(B, "new.example"), timestamp="2")
    (tmp_path / f"{B}.json").write_text('{"Event": {"info": "cut of')
    items = fetch(server.url, known)
    assert [item.key for item in broken(items)] == [B]
    known |= versions(items)
    again = fetch(server.url, known)
    assert [item.key for item in broken(again)] == [B], "and it is told each time"
    write(tmp_path, event(A, "a.example"), event(B, "new.example"), timestamp="2")
    assert values(fetch(server.url, known)) == ["new.example"]


def test_an_event_without_a_timestamp_is_read_although_the_manifest_is_unchanged(
    tmp_path: Path, server: LoopbackServer
) -> None:
    write(tmp_path, event(A, "a.example"), timestamp="")
    known = versions(fetch(server.url))
    (tmp_path / f"{A}.json").write_text(json.dumps(event(A, "new.example")))
    assert values(fetch(server.url, known)) == ["new.example"]


def test_a_manifest_of_many_broken_events_is_read_whole_each_time(
    tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.sources.manifest_group._AGAIN_MAX", 1)
    write(tmp_path, event(A, "a.example"), event(B, "b.example"))
    (tmp_path / f"{A}.json").unlink()
    (tmp_path / f"{B}.json").unlink()
    assert not versions(fetch(server.url))


def test_a_server_that_names_no_version_is_read_by_the_manifest(
    tmp_path: Path, web: Web, server: LoopbackServer
) -> None:
    web.validator = "X-Nothing"
    write(tmp_path, event(A, "a.example"))
    known = versions(fetch(server.url))
    assert known.keys() == {A}
    assert fetch(server.url, known) == [Unchanged(A)]


def test_a_login_of_the_address_and_keys_of_a_file_are_sent_and_never_shown(
    tmp_path: Path, server: LoopbackServer
) -> None:
    write(tmp_path, event(A, "a.example"))
    header_file = tmp_path / "headers"
    header_file.write_text("Auth-Key: hush\n")
    header_file.chmod(0o600)
    location = server.url.replace("://", "://user:secret@")
    source = MispFeed(name="feed", location=location, header_file=str(header_file))
    items = list(source.fetch({}))
    assert values(items) == ["a.example"]
    assert {request.headers["auth-key"] for request in server.requests} == {"hush"}
    assert all("authorization" in request.headers for request in server.requests)
    (tmp_path / "manifest.json").write_text("<html>")
    with pytest.raises(SourceError) as failed:
        list(source.fetch({}))
    told = repr(items) + str(failed.value) + failed.value.hint
    assert "hush" not in told
    assert "secret" not in told


def test_settings_survive_the_stores_json() -> None:
    source = MispFeed(name="feed", location="/srv/feed", filters=Filters(tlp=("green",)), proxy="x")
    assert msgspec.json.decode(msgspec.json.encode(source), type=MispFeed) == source


# -- real feeds


def count(items: Iterable[Item]) -> Counter[str]:
    return Counter(str(item.type) for item in items if isinstance(item, Indicator))


@pytest.mark.shared
def test_the_whole_tweetfeed_is_read_and_nothing_is_lost(shared_data: Path) -> None:
    items = fetch(shared_data / "misp" / "tweetfeed-feed.tar.zst")
    assert len(versions(items)) == 365
    indicators = sum(isinstance(item, Indicator) for item in items)
    rejected = [item for item in items if isinstance(item, Rejected)]
    assert indicators + len(rejected) == 110_682
    assert len(rejected) < 30
    found = count(items)
    assert (found["sha256"], found["md5"]) == (2_673, 2_482)
    assert not broken(items)
    one = next(item for item in items if isinstance(item, Indicator))
    assert one.context.organisation == "TweetFeed"
    assert one.context.tlp == "clear"
    assert one.context.info.startswith("TweetFeed IOCs 20")


@pytest.mark.shared
def test_the_redblue_feed_keeps_its_comments_and_tags(shared_data: Path) -> None:
    items = fetch(shared_data / "misp" / "redblue-feed")
    assert count(items) == {"ip-src": 559}
    one = next(item for item in items if isinstance(item, Indicator))
    assert "first_seen: 2026-" in one.comment
    assert one.context.threat_level == "low"


@pytest.mark.shared
@pytest.mark.parametrize(
    "hashes",
    [
        None,
        b"%s,d15b9e575525346a5e304ae5b3a35d64\n",
        b"d15b9e575525346a5e304ae5b3a35d64,%s\n",
        b"%s.json,d15b9e575525346a5e304ae5b3a35d64,da39a3ee5e6b4b0d3255bfef95601890afd80709\n",
        b"\xff\x00garbage",
        b"",
    ],
    ids=["the publisher's own", "uuid,md5", "md5,uuid", "name,md5,sha1", "garbage", "empty"],
)
def test_no_layout_of_hashes_csv_is_ever_asked_for(
    shared_data: Path, tmp_path: Path, hashes: bytes | None
) -> None:
    feed = shared_data / "misp/redblue-feed"
    copy = tmp_path / "feed"
    shutil.copytree(feed, copy)
    if hashes is not None:
        (copy / "hashes.csv").unlink()
        (copy / "hashes.csv").write_bytes(hashes.replace(b"%s", A.encode()))
    with LoopbackServer(files_of(copy)) as server:
        items = fetch(server.url)
        asked = paths(server)
    assert items == fetch(feed) == fetch(copy)
    assert asked[0] == "/manifest.json"
    assert len(asked) == 4
    assert not [path for path in asked if "hashes" in path]


def test_the_eset_events_are_read_in_all_their_shapes(shared_data: Path) -> None:
    items = fetch(shared_data / "misp" / "eset-events")
    assert len(versions(items)) == 29
    assert not broken(items)
    skipped = {item.reason for item in items if isinstance(item, Skipped)}
    assert "to_ids is false" in skipped
    assert any(reason.startswith("no engine can match regkey") for reason in skipped)
    assert count(items)["sha1"] == 335


@pytest.mark.shared
def test_a_truncated_eset_export_costs_only_itself(shared_data: Path, tmp_path: Path) -> None:
    for path in sorted((shared_data / "misp" / "eset-events").glob("sshdoor*.json")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    victim = tmp_path / "sshdoor__misp-events__endor.json"
    victim.write_bytes(victim.read_bytes()[:-500])
    items = fetch(tmp_path)
    assert len(versions(items)) == 9
    assert [item.key for item in broken(items)] == [victim.name]


@pytest.mark.shared
def test_the_stalkerware_event_has_all_its_values_in_objects(shared_data: Path) -> None:
    items = fetch(shared_data / "misp" / "stalkerware-misp_event.json.zst")
    assert count(items) == {"sha256": 3_262, "domain": 1_000, "sha1": 490}


@pytest.mark.shared
def test_every_event_of_pymisps_own_tests_is_read(shared_data: Path) -> None:
    items = fetch(shared_data / "misp" / "pymisp-tests")
    assert {item.reason for item in broken(items)} == {"this event was in another file before"}
    assert len(versions(items)) + len(broken(items)) == 19
