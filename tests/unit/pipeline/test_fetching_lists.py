"""Fetching lists: what fails changes nothing, what shrinks is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.config import Settings
from vedette.errors import SourceError, StoreError, UsageError
from vedette.guard.lists_model import read_list
from vedette.pipeline import warninglists
from vedette.pipeline.fetching_lists import Fetched, fetch_lists
from vedette.pipeline.hub import Hub
from vedette.pipeline.warninglists import fetched_lists, list_files, open_index
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_misp.warninglists import FakeWarninglist
from vedette.testing.faults import Fault, FaultKind


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(warninglists, "PACKAGE", "no_such_package_of_lists")
    with Hub(Settings(home=str(tmp_path))) as opened:
        yield opened


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "lists-of-misp" / "lists"


def put(place: Path, directory: str, members: Any, **more: object) -> None:
    (place / directory).mkdir(parents=True, exist_ok=True)
    document = {"name": directory, "type": "hostname", "version": 1, "list": members} | more
    (place / directory / "list.json").write_text(json.dumps(document))


def held(hub: Hub) -> dict[str, list[str]]:
    files = list_files(fetched_lists(hub.settings))
    return {name: list(read_list(name, path.read_bytes()).members) for name, path in files.items()}


def fetch(hub: Hub, place: Path) -> Fetched:
    return fetch_lists(hub, str(place))


def test_lists_of_a_directory_are_in_force_at_once(hub: Hub, place: Path) -> None:
    put(place, "one", ["a.example"])
    put(place, "two", {"b.example": "with a comment"})
    found = fetch(hub, place.parent)
    assert [(one.name, one.before, one.after) for one in found.changed] == [
        ("one", -1, 1),
        ("two", -1, 1),
    ]
    assert held(hub) == {"one": ["a.example"], "two": ["b.example"]}
    assert [info.name for info in open_index(hub.settings).lists] == ["one", "two"]


def test_what_did_not_change_is_not_written_again(hub: Hub, place: Path) -> None:
    put(place, "one", ["a.example"])
    fetch(hub, place)
    (path,) = list_files(fetched_lists(hub.settings)).values()
    before = path.stat().st_ino
    again = fetch(hub, place)
    assert (again.unchanged, again.changed, path.stat().st_ino) == (1, [], before)


def test_a_broken_list_leaves_what_was_held_of_it(hub: Hub, place: Path) -> None:
    put(place, "one", ["a.example"])
    put(place, "two", ["b.example"])
    fetch(hub, place)
    (place / "one" / "list.json").write_text("{")
    put(place, "two", ["c.example"])
    found = fetch(hub, place)
    assert found.broken.keys() == {"one"}
    assert held(hub) == {"one": ["a.example"], "two": ["c.example"]}


def test_an_empty_list_does_not_replace_one_that_is_not(hub: Hub, place: Path) -> None:
    put(place, "one", ["a.example"])
    put(place, "empty", [])
    fetch(hub, place)
    put(place, "one", [])
    found = fetch(hub, place)
    assert found.broken == {"one": "empty, while 1 entries are held"}
    assert held(hub) == {"one": ["a.example"], "empty": []}


def test_a_list_that_shrinks_is_taken_and_told(hub: Hub, place: Path) -> None:
    put(place, "one", [f"n{n}.example" for n in range(9)])
    put(place, "two", [f"n{n}.example" for n in range(9)])
    fetch(hub, place)
    put(place, "one", [f"n{n}.example" for n in range(5)])
    put(place, "two", [f"n{n}.example" for n in range(6)])
    found = fetch(hub, place)
    assert [(one.name, one.shrank) for one in found.changed] == [("one", True), ("two", False)]


def test_lists_that_the_place_lost_stay(hub: Hub, place: Path) -> None:
    put(place, "one", ["a.example"])
    fetch(hub, place)
    (place / "one").rename(place / "two")
    found = fetch(hub, place)
    assert (found.absent, held(hub).keys()) == (["one"], {"one", "two"})


def test_a_place_that_is_none_is_refused(hub: Hub, tmp_path: Path, shop: str) -> None:
    for wrong in (str(tmp_path), "nowhere", "package", shop):
        with pytest.raises(UsageError):
            fetch_lists(hub, wrong)
    assert held(hub) == {}


def test_a_state_that_cannot_be_written_says_so(hub: Hub, place: Path) -> None:
    put(place, "one", ["a.example"])
    fetched_lists(hub.settings).write_text("in the way")
    with pytest.raises(StoreError, match="one"):
        fetch(hub, place)


@pytest.fixture
def shop(hub: Hub, tmp_path: Path) -> str:
    """A source that is no MISP."""
    hub.store.add_source("shop", "list", {"location": str(tmp_path / "x"), "type": "domain"}, 900)
    return "shop"


@pytest.fixture
def misp(hub: Hub, tmp_path: Path) -> Iterator[FakeMisp]:
    """A MISP that is a source named ``misp``, with a list of ours and one of the curated."""
    key_file = tmp_path / "misp.key"
    key_file.write_text(FakeMisp.read_only_key)
    key_file.chmod(0o600)
    with FakeMisp() as server:
        config = {"url": server.url, "key_file": str(key_file), "timeout_s": 5.0, "retries": 1}
        hub.store.add_source("misp", "misp", config, 900)
        add(server, 1, "Our own: partners", ["partner.example"], kind="hostname")
        add(server, 2, "List of RFC 1918 CIDR blocks", ["10.0.0.0/8"], kind="cidr")
        add(server, 3, "Not trusted", ["x.example"], enabled=False)
        yield server


def add(misp: FakeMisp, number: int, name: str, entries: list[str], **more: Any) -> None:
    kind = more.pop("kind", "string")
    misp.state.warninglists[number] = FakeWarninglist(number, name, entries, kind, **more)


def test_enabled_lists_of_a_misp_are_fetched_under_their_names(hub: Hub, misp: FakeMisp) -> None:
    fetch_lists(hub, "misp")
    assert held(hub) == {"our-own-partners": ["partner.example"], "rfc1918": ["10.0.0.0/8"]}
    index = open_index(hub.settings)
    assert [bool(index.curation.rule(number)) for number in (0, 1)] == [False, True]


def test_a_list_of_misp_replaces_the_one_with_its_title(
    hub: Hub, misp: FakeMisp, place: Path
) -> None:
    put(place, "partners", ["old.example"], name="Our own: partners")
    fetch(hub, place)
    fetch_lists(hub, "misp")
    assert held(hub)["partners"] == ["partner.example"]


def test_two_titles_with_one_name_are_two_lists(hub: Hub, misp: FakeMisp) -> None:
    add(misp, 4, "Our own / partners", ["other.example"])
    fetch_lists(hub, "misp")
    assert held(hub)["our-own-partners"] == ["partner.example"]
    assert held(hub)["our-own-partners-4"] == ["other.example"]


def test_a_title_never_leaves_the_directory(hub: Hub, misp: FakeMisp) -> None:
    add(misp, 4, "../../../etc/cron.d/x", ["a.example"])
    fetch_lists(hub, "misp")
    assert "etc-cron-d-x" in held(hub)


def test_a_misp_without_enabled_lists_changes_nothing(hub: Hub, misp: FakeMisp) -> None:
    fetch_lists(hub, "misp")
    before = held(hub)
    for one in misp.state.warninglists.values():
        one.enabled = False
    with pytest.raises(UsageError, match="none of the 3"):
        fetch_lists(hub, "misp")
    assert held(hub) == before


def test_a_list_that_misp_cannot_show_costs_only_itself(hub: Hub, misp: FakeMisp) -> None:
    misp.faults.add(Fault(FaultKind.STATUS, path="/warninglists/view/1", status=500))
    found = fetch_lists(hub, "misp")
    assert found.broken.keys() == {"our-own-partners"}
    assert held(hub).keys() == {"rfc1918"}


def test_a_misp_that_is_away_changes_nothing(hub: Hub, misp: FakeMisp) -> None:
    fetch_lists(hub, "misp")
    before = held(hub)
    misp.__exit__(None, None, None)
    with pytest.raises(SourceError):
        fetch_lists(hub, "misp")
    assert held(hub) == before
