"""STIX bundles as a source: what differs, what is gone, what is bad; in files and at addresses."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SourceError
from vedette.model import Broken, Fetched, Indicator, Item, Rejected, Skipped, Unchanged
from vedette.sources import build
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response

PAST, LATER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


def an_indicator(number: int, value: str = "", **more: Any) -> dict[str, Any]:
    name = value or f"evil-{number}.example"
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number:08d}-0000-4000-8000-000000000000",
        "created": PAST,
        "modified": PAST,
        "pattern": f"[domain-name:value = '{name}']",
        "pattern_type": "stix",
        "valid_from": PAST,
        **more,
    }


def bundle(*objects: object) -> str:
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects})


def fetch(location: Path | str, known: Mapping[str, str] | None = None, **more: Any) -> list[Item]:
    source = build("stix", {"name": "partner", "location": str(location), "retries": 1, **more})
    return list(source.fetch(known or {}))


def versions(items: list[Item], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the store holds after these items."""
    held = dict(known or {})
    keys = [item.key for item in items if isinstance(item, (Fetched, Unchanged, Broken))]
    fetched = {item.key: item.version for item in items if isinstance(item, Fetched)}
    return {key: fetched.get(key, held.get(key, "")) for key in keys if key in held | fetched}


def values(items: list[Item]) -> set[str]:
    return {item.value for item in items if isinstance(item, Indicator)}


def unchanged(items: list[Item]) -> int:
    return sum(isinstance(item, Unchanged) and bool(item.key) for item in items)


def test_only_what_differs_is_given_again_and_what_is_gone_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(bundle(an_indicator(1), an_indicator(2), an_indicator(3)))
    first = fetch(path)
    assert values(first) == {"evil-1.example", "evil-2.example", "evil-3.example"}
    path.write_text(bundle(an_indicator(1), an_indicator(2, "new.example", modified=LATER)))
    second = fetch(path, versions(first))
    assert values(second) == {"new.example"}
    assert unchanged(second) == 1
    assert not any("00000003" in getattr(item, "key", "") for item in second)


def test_a_change_that_keeps_its_date_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(bundle(an_indicator(1)))
    first = fetch(path)
    path.write_text(bundle(an_indicator(1, "other.example")))
    assert values(fetch(path, versions(first))) == {"other.example"}


def test_a_change_of_what_stands_around_is_seen(tmp_path: Path) -> None:
    identity = {"type": "identity", "id": "identity--1", "name": "Partner"}
    path = tmp_path / "a.json"
    path.write_text(bundle(an_indicator(1, created_by_ref="identity--1"), identity))
    first = fetch(path)
    path.write_text(
        bundle(an_indicator(1, created_by_ref="identity--1"), identity | {"name": "Friend"})
    )
    (found,) = [item for item in fetch(path, versions(first)) if isinstance(item, Indicator)]
    assert found.context.organisation == "Friend"


def test_the_newest_of_several_versions_counts_and_revoked_withdraws(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    newer = an_indicator(1, "newer.example", modified=LATER)
    revoked = an_indicator(2, modified=LATER, revoked=True)
    path.write_text(bundle(newer, an_indicator(1), an_indicator(2), revoked, an_indicator(3)))
    found = fetch(path)
    assert values(found) == {"newer.example", "evil-3.example"}
    assert Skipped("revoked") in found


def test_one_bad_object_costs_itself_and_keeps_what_we_hold_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(bundle(an_indicator(1), an_indicator(2)))
    first = fetch(path)
    nameless = an_indicator(9)
    del nameless["id"]
    path.write_text(
        bundle(5, nameless, an_indicator(1, labels="no list"), an_indicator(2), an_indicator(3))
    )
    second = fetch(path, versions(first))
    assert values(second) == {"evil-3.example"}
    (broken,) = [item for item in second if isinstance(item, Broken)]
    assert broken.key == an_indicator(1)["id"]
    assert [item.reason for item in second if isinstance(item, Rejected)] == [
        "indicator without a usable id"
    ]
    assert Skipped("seen, not called bad: nothing that STIX knows") in second
    third = fetch(path, versions(second, versions(first)))
    assert any(isinstance(item, Broken) for item in third), "it is still looked at"


def test_what_is_only_observed_is_counted_and_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(bundle({"type": "ipv4-addr", "id": "ipv4-addr--1", "value": "198.51.100.7"}))
    found = fetch(path)
    assert not values(found)
    assert Skipped("seen, not called bad: ipv4-addr") in found


def test_what_becomes_valid_later_comes_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(bundle(an_indicator(1), an_indicator(2, valid_from="2100-01-01T00:00:00Z")))
    first = fetch(path)
    assert values(first) == {"evil-1.example"}
    held = versions(first)
    assert not values(fetch(path, held))
    monkeypatch.setattr("time.time", lambda: 4_102_444_801.0)
    assert values(fetch(path, held)) == {"evil-2.example"}


def test_a_directory_is_read_whole_and_a_bad_file_takes_nothing_away(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    one, two = tmp_path / "one.json", tmp_path / "b/two.stix2.gz"
    one.write_text(bundle(an_indicator(1)))
    two.write_bytes(gzip.compress(bundle(an_indicator(2), an_indicator(1)).encode()))
    (tmp_path / "README.txt").write_text("none")
    first = fetch(tmp_path)
    assert values(first) == {"evil-1.example", "evil-2.example"}
    held = versions(first)
    assert all(isinstance(item, Unchanged) for item in fetch(tmp_path, held))

    two.write_bytes(two.read_bytes()[:-20])
    one.write_text(bundle(an_indicator(3)))
    second = fetch(tmp_path, held)
    assert values(second) == {"evil-3.example"}
    assert any(isinstance(item, Broken) and "two" in item.key for item in second)
    assert held.keys() <= versions(second, held).keys(), "what the bad file held stays"

    two.unlink()
    third = fetch(tmp_path, versions(second, held))
    assert versions(third, versions(second, held)).keys() == {"", an_indicator(3)["id"]}


def test_notes_of_another_state_are_not_believed(tmp_path: Path) -> None:
    """A pull that was interrupted leaves newer groups than the notes know of."""
    path = tmp_path / "a.json"
    path.write_text(bundle(an_indicator(1)))
    held = versions(fetch(path))
    held[an_indicator(1)["id"]] = "2026-03-01/of/another/state"
    assert values(fetch(path, held)) == {"evil-1.example"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>Sign in", "a web page"),
        (bundle(an_indicator(1)).encode()[:-9], "no JSON"),
        (b'{"Event": {}}', "no STIX bundle"),
        (gzip.compress(b"x" * 5_000, mtime=0)[:-5], "gzip"),
        (
            gzip.compress(bundle(an_indicator(1)).encode() + b" " * 200_000, mtime=0),
            "more than its limit",
        ),
    ],
    ids=["empty", "page", "cut", "event", "cut-gzip", "limit"],
)
def test_a_bundle_that_cannot_be_read_whole_is_an_error(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=reason) as failed:
        fetch(path, max_bytes=100_000)
    assert failed.value.hint


def test_an_empty_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no STIX bundle"):
        fetch(tmp_path)


class Web:
    """A bundle on a server that knows ETags."""

    def __init__(self) -> None:
        self.body = b""
        self.server = LoopbackServer(self.respond)

    def respond(self, request: Request) -> Response:
        tag = f'"{hash(self.body)}"'
        if request.headers.get("if-none-match") == tag:
            return Response(304)
        return Response(200, self.body, headers={"ETag": tag})


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    with made.server:
        yield made


def test_an_address_is_asked_whether_it_has_changed(web: Web) -> None:
    web.body = bundle(an_indicator(1)).encode()
    location = f"{web.server.url}/bundle.json"
    first = fetch(location)
    held = versions(first)
    second = fetch(location, held)
    assert all(isinstance(item, Unchanged) for item in second)
    assert versions(second, held) == held
    assert web.server.requests[-1].headers["if-none-match"]
    web.body = bundle(an_indicator(1), an_indicator(2)).encode()
    assert values(fetch(location, held)) == {"evil-2.example"}
    other = {**held, an_indicator(1)["id"]: "another version"}
    assert values(fetch(location, other)) == {"evil-1.example", "evil-2.example"}
    assert "if-none-match" not in web.server.requests[-1].headers


def test_half_a_download_is_an_error(web: Web) -> None:
    web.body = bundle(an_indicator(1)).encode()
    web.server.faults.add(Fault(FaultKind.CUT))
    with pytest.raises(SourceError):
        fetch(f"{web.server.url}/bundle.json")


def test_a_hostile_bundle_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    deep = json.loads("[" * 300 + "]" * 300)
    path.write_text(
        bundle(
            an_indicator(1, id="indicator--\x1b[2J"),
            an_indicator(2, id="i" * 10_000),
            an_indicator(3, x_deep=deep, name="\x1b]0;x\x07\n" * 9_000, labels=["a\tb\nc"] * 9_000),
            an_indicator(4, pattern="[" * 100_000),
            an_indicator(5, pattern="[url:value = 'http://a.example/\"; content:\"x']"),
            an_indicator(6, '"; sid:1;)'),
            an_indicator(7, valid_until="9" * 5_000),
            an_indicator(8, confidence=1e308, pattern="[ipv4-addr:value = '0.0.0.0/0']"),
            an_indicator(9),
        )
    )
    items = fetch(path)
    found = {item.value: item for item in items if isinstance(item, Indicator)}
    assert {"evil-3.example", "evil-9.example"} <= found.keys()
    assert found["evil-3.example"].context.tags == ("a b c",)
    assert len(found["evil-3.example"].context.info) <= 500
    assert all("\n" not in item.context.info for item in found.values())
    assert all(len(item.value) <= 200 for item in items if isinstance(item, Rejected))
    reasons = {item.reason for item in items if isinstance(item, (Rejected, Broken))}
    assert {"indicator without a usable id", "character not allowed"} <= reasons
    assert "0.0.0.0/0" not in found


def test_ten_thousand_objects_are_read_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(bundle(*map(an_indicator, range(10_000))))
    started = time.perf_counter()
    assert len(values(fetch(path))) == 10_000
    assert time.perf_counter() - started < 10
