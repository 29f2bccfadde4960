"""A TAXII collection as a source: what is new, what has changed, what is gone, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SourceError, UsageError
from vedette.model import Broken, Fetched, Indicator, Item, Skipped, Unchanged
from vedette.sources import build
from vedette.testing.fake_taxii import FakeTaxii
from vedette.testing.faults import Fault, FaultKind

PAST, LATER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
NIGHT_S = 86_400.0


def an_indicator(number: int, value: str = "", **more: Any) -> dict[str, Any]:
    name = value or f"evil-{number}.example"
    return {
        "type": "indicator",
        "id": f"indicator--{number:08d}-0000-4000-8000-000000000000",
        "modified": PAST,
        "pattern": f"[domain-name:value = '{name}']",
        "created_by_ref": "identity--1",
        **more,
    }


PARTNER = {"type": "identity", "id": "identity--1", "name": "Partner"}


def fetch(server: FakeTaxii, known: Mapping[str, str] | None = None, **more: Any) -> list[Item]:
    settings = {"name": "partner", "url": f"{server.url}/taxii2/", "retries": 1, **more}
    return list(build("taxii", settings).fetch(known or {}))


def held(items: list[Item], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the store holds after these items."""
    before = dict(known or {})
    now: dict[str, str] = {}
    for item in items:
        if isinstance(item, Fetched):
            now[item.key] = item.version
        elif isinstance(item, (Unchanged, Broken)) and item.key in before:
            now.setdefault(item.key, before[item.key])
    return now


def values(items: list[Item]) -> set[str]:
    return {item.value for item in items if isinstance(item, Indicator)}


def objects_asked(server: FakeTaxii) -> list[str]:
    return [one.path for one in server.requests if "/objects/" in one.path]


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it to make it the next day."""
    now = time.time()

    def move(days: int = 1) -> None:
        monkeypatch.setattr("time.time", lambda: now + days * NIGHT_S)

    return move


@pytest.mark.parametrize("with_next", [True, False], ids=["next", "added_after"])
@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no filters"])
def test_all_pages_are_read(*, with_next: bool, filters: bool) -> None:
    objects = [PARTNER, *map(an_indicator, range(25)), {"type": "url", "id": "url--1"}]
    with FakeTaxii(objects, page_size=10, with_next=with_next, filters=filters) as server:
        found = fetch(server)
        assert len(values(found)) == 25
        assert {i.context.organisation for i in found if isinstance(i, Indicator)} == {"Partner"}
        again = fetch(server, held(found))
        assert not values(again)
        assert held(again, held(found)) == held(found)


def test_a_pull_that_finds_nothing_new_is_one_small_question() -> None:
    with FakeTaxii([PARTNER, *map(an_indicator, range(25))], page_size=10) as server:
        known = held(fetch(server))
        server.requests.clear()
        again = fetch(server, known)
        assert len(objects_asked(server)) == 1
        assert all(isinstance(item, Unchanged) for item in again)
        assert {getattr(item, "key", "") for item in again} == known.keys()


def test_new_and_changed_objects_come_and_revoked_ones_go() -> None:
    with FakeTaxii([PARTNER, *map(an_indicator, range(5))]) as server:
        known = held(fetch(server))
        server.add(
            an_indicator(1, "other.example", modified=LATER),
            an_indicator(2, modified=LATER, revoked=True),
            an_indicator(7),
        )
        second = fetch(server, known)
        assert values(second) == {"other.example", "evil-7.example"}
        assert Skipped("revoked") in second
        assert {i.context.organisation for i in second if isinstance(i, Indicator)} == {"Partner"}
        now = held(second, known)
        assert now.keys() == known.keys() | {an_indicator(7)["id"]}
        assert all(isinstance(item, Unchanged) for item in fetch(server, now))


def test_what_is_deleted_is_seen_missing_the_next_day(tomorrow: Any) -> None:
    with FakeTaxii([PARTNER, *map(an_indicator, range(5))]) as server:
        known = held(fetch(server))
        server.delete(an_indicator(3)["id"])
        assert an_indicator(3)["id"] in held(fetch(server, known), known)
        tomorrow()
        third = fetch(server, known)
        assert held(third, known).keys() == known.keys() - {an_indicator(3)["id"]}
        assert not values(third)


def test_what_a_pass_over_everything_missed_is_asked_for_before_it_is_gone(tomorrow: Any) -> None:
    """A row deleted between two pages moves another onto a page that has been read already."""
    with FakeTaxii([PARTNER, *map(an_indicator, range(25))], page_size=10) as server:
        known = held(fetch(server))
        tomorrow()
        matching = server._matching
        seen = 0

        def moving(asked: Mapping[str, str]) -> Any:
            nonlocal seen
            if asked.get("match[type]") == "indicator":
                seen += 1
                if seen == 2:
                    server.delete(an_indicator(0)["id"])
            return matching(asked)

        server._matching = moving  # type: ignore[method-assign]
        found = fetch(server, known)
        assert held(found, known).keys() == known.keys()
        tomorrow(2)
        later = fetch(server, held(found, known))
        assert held(later, known).keys() == known.keys() - {an_indicator(0)["id"]}


def test_other_settings_read_everything_again() -> None:
    with FakeTaxii([PARTNER, an_indicator(1)]) as server:
        known = held(fetch(server))
        (found,) = [i for i in fetch(server, known, tlp="red") if isinstance(i, Indicator)]
        assert found.context.tlp == "red"


def test_several_versions_of_an_object_are_the_newest() -> None:
    with FakeTaxii([an_indicator(1, "new.example", modified=LATER)]) as server:
        server._matching = lambda _asked: [  # type: ignore[method-assign]
            ("2026-01-01T00:00:00Z", an_indicator(1)),
            ("2026-01-02T00:00:00Z", an_indicator(1, "new.example", modified=LATER)),
            ("2026-01-03T00:00:00Z", an_indicator(1)),
        ]
        found = fetch(server)
        last = [item for item in found if isinstance(item, Indicator)][-1]
        assert last.value == "new.example"
        assert isinstance(found[-2], Fetched)
        assert found[-2].version.startswith(LATER)


def test_a_broken_object_keeps_what_we_hold_of_it() -> None:
    with FakeTaxii([an_indicator(1), an_indicator(2)]) as server:
        known = held(fetch(server))
        server.add(an_indicator(1, modified=LATER, valid_until="soon"))
        second = fetch(server, known)
        (broken,) = [item for item in second if isinstance(item, Broken)]
        assert "no time" in broken.reason
        assert held(second, known).keys() == known.keys()


# -- where the collection is ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", "/", "/taxii2", "/taxii2/", "/api/", "/api/collections/", "/api/collections"]
)
def test_the_collection_is_found_from_every_address(path: str) -> None:
    with FakeTaxii([an_indicator(1)]) as server:
        assert len(values(fetch(server, url=f"{server.url}{path}"))) == 1


def test_the_address_of_the_collection_itself_will_do() -> None:
    with FakeTaxii([an_indicator(1)]) as server:
        identifier = server.collections[0]["id"]
        for end in ("", "/", "/objects/", "/objects/?limit=3"):
            url = f"{server.url}/api/collections/{identifier}{end}"
            assert len(values(fetch(server, url=url))) == 1


def test_a_collection_is_called_by_id_title_or_alias() -> None:
    with FakeTaxii([an_indicator(1)]) as server:
        server.collections.append({"id": "other", "title": "Other", "can_read": True})
        for name in ("indicators", "IOC", server.collections[0]["id"]):
            assert len(values(fetch(server, collection=name))) == 1
        with pytest.raises(SourceError, match="2 collections that fit") as failed:
            fetch(server)
        assert "Other (other)" in failed.value.hint
        with pytest.raises(SourceError, match="no collection 'missing'"):
            fetch(server, collection="missing")


def test_a_collection_that_may_not_be_read_says_so() -> None:
    with FakeTaxii() as server:
        server.collections[0]["can_read"] = False
        with pytest.raises(SourceError, match="may not read"):
            fetch(server)


def test_the_login_goes_to_no_other_host(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    with FakeTaxii([an_indicator(1)]) as other, FakeTaxii(login=("me", "secret")) as server:
        server.roots = [f"{other.url}/api/"]
        with pytest.raises(SourceError, match="on another host only"):
            fetch(server, user="me", password_file=str(password))
        assert not other.requests


# -- logins -----------------------------------------------------------------------------------


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("s:secret\nnot this\n")
    password.chmod(0o600)
    with FakeTaxii([an_indicator(1)], login=("me", "s:secret")) as server:
        login = {"user": "me", "password_file": str(password)}
        assert values(fetch(server, **login))
        with pytest.raises(SourceError, match="401") as failed:
            fetch(server)
        assert "who are you" in str(failed.value)
        password.chmod(0o644)
        with pytest.raises(SourceError, match="everybody may read"):
            fetch(server, **login)
        password.chmod(0o600)
        password.write_text("\n")
        with pytest.raises(SourceError, match="holds no password"):
            fetch(server, **login)
        with pytest.raises(SourceError, match="cannot read the password"):
            fetch(server, user="me", password_file=str(tmp_path / "absent"))


def test_a_key_comes_from_a_header_file(tmp_path: Path) -> None:
    keys = tmp_path / "headers"
    keys.write_text("X-Api-Key: 12345\n")
    keys.chmod(0o600)
    with FakeTaxii([an_indicator(1)]) as server:
        assert values(fetch(server, header_file=str(keys)))
        assert {one.headers.get("x-api-key") for one in server.requests} == {"12345"}


@pytest.mark.parametrize("more", [{"user": "me"}, {"password_file": "x"}, {"page_size": 0}])
def test_settings_that_mean_nothing_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        build("taxii", {"name": "x", "url": "http://127.0.0.1", **more})


# -- servers that go wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(FaultKind.STATUS, path="objects", status=403), "403"),
        (Fault(FaultKind.STATUS, path="objects", status=404), "404"),
        (Fault(FaultKind.STATUS, path="taxii2", status=406), "406"),
        (Fault(FaultKind.STATUS, path="objects", status=500, body=b"<html>"), "500"),
        (Fault(FaultKind.STATUS, path="objects", status=416), "416"),
        (
            Fault(FaultKind.STATUS, path="objects", status=302, headers={"Location": "http://x/"}),
            "redirects to http://x/",
        ),
        (
            Fault(FaultKind.BODY, path="objects", body=b"<html>", content_type="text/html"),
            "answered with text/html, which is not TAXII",
        ),
        (Fault(FaultKind.BODY, path="objects", body=b'{"objects": [{"a'), "no TAXII 2.1"),
        (Fault(FaultKind.BODY, path="objects", body=b'{"objects": 5}'), "no TAXII 2.1"),
        (Fault(FaultKind.CUT, path="objects", skip=2), "cut"),
        (Fault(FaultKind.CLOSE, path="objects", skip=1), "cut|connect"),
    ],
)
def test_an_answer_that_is_none_fails_the_pull_and_says_what_to_do(
    fault: Fault, reason: str
) -> None:
    with FakeTaxii([PARTNER, *map(an_indicator, range(25))], page_size=10) as server:
        server.faults.add(fault)
        with pytest.raises(SourceError, match=reason) as failed:
            fetch(server)
        assert failed.value.hint


def test_too_many_requests_are_waited_for_or_reported() -> None:
    with FakeTaxii([an_indicator(1)]) as server:
        server.faults.add(
            Fault(
                FaultKind.STATUS, path="objects", status=429, times=1, headers={"Retry-After": "0"}
            )
        )
        assert values(fetch(server))
        for header in ("3600", "Wed, 21 Oct 2099 07:28:00 GMT", "soon"):
            server.faults.clear()
            server.faults.add(
                Fault(FaultKind.STATUS, path="objects", status=429, headers={"Retry-After": header})
            )
            with pytest.raises(SourceError, match="429"):
                fetch(server)


def test_paging_that_never_ends_is_an_error() -> None:
    with FakeTaxii(map(an_indicator, range(25)), page_size=10) as server:
        page = b'{"more": true, "next": "20"}'
        media = "application/taxii+json;version=2.1"
        server.faults.add(Fault(FaultKind.BODY, path="next=20", body=page, content_type=media))
        with pytest.raises(SourceError, match="gives the same page again"):
            fetch(server)
    with FakeTaxii(map(an_indicator, range(25)), page_size=10) as server:
        page = b'{"more": true, "next": "1", "objects": [{"type": "indicator", "id": "i"}]}'
        server.faults.add(Fault(FaultKind.BODY, path="objects", body=page))
        with pytest.raises(SourceError, match="gives the same page again"):
            fetch(server)


def test_more_without_a_way_to_it_is_an_error() -> None:
    with FakeTaxii(map(an_indicator, range(25)), page_size=10) as server:
        server.faults.add(Fault(FaultKind.BODY, path="objects", body=b'{"more": true}'))
        with pytest.raises(SourceError, match="not how to get it"):
            fetch(server)


def test_a_collection_without_end_is_an_error() -> None:
    with (
        FakeTaxii(map(an_indicator, range(25)), page_size=10) as server,
        pytest.raises(SourceError, match="more than 20 objects"),
    ):
        fetch(server, max_objects=20)


def test_much_that_is_new_is_read_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.sources.taxii._BUFFERED_MAX", 3)
    with FakeTaxii([PARTNER, an_indicator(100)]) as server:
        known = held(fetch(server))
        server.add(*map(an_indicator, range(10)))
        found = fetch(server, known)
        assert len(values(found)) == 10
        assert an_indicator(100)["id"] in held(found, known)


def test_the_collection_says_what_it_is() -> None:
    with FakeTaxii() as server:
        source = build("taxii", {"name": "x", "url": server.url})
        assert source.check()["collection"] == "Indicators"  # type: ignore[attr-defined]
