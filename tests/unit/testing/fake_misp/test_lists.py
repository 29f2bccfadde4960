from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vedette.testing.fake_misp import FakeMisp

Ask = Callable[..., Any]


def add(misp: FakeMisp, kind: str, *values: str) -> None:
    attributes = [{"type": kind, "value": value} for value in values]
    misp.state.add_event({"info": "x", "Attribute": attributes})


def hits(ask: Ask) -> dict[str, list[str]]:
    rows = ask("/attributes/restSearch", {"includeWarninglistHits": 1, "limit": 50}).attributes
    return {
        row["value"]: [hit["match"] for hit in row["warnings"]] for row in rows if "warnings" in row
    }


@pytest.mark.parametrize(
    ("type_", "entry", "values"),
    [
        ("string", "a.example", ("a.example", "www.a.example")),
        ("hostname", "A.example", ("www.a.example", "aa.example")),
        ("hostname", "a.example", ("http://a.example:80/x", "http://b.example/a.example")),
        ("substring", "a.ex", ("xa.example", "b.example")),
        ("cidr", "192.0.2.0/24", ("192.0.2.9", "192.0.3.9")),
        ("cidr", "192.0.2.1", ("192.0.2.1", "not an address")),
        ("regex", "/^a[0-9]+$/", ("a12", "b12")),
    ],
)
def test_each_type_of_list_matches_in_its_own_way(
    misp: FakeMisp, ask: Ask, type_: str, entry: str, values: tuple[str, str]
) -> None:
    misp.state.add_warninglist("known", [entry], type=type_)
    add(misp, "text", *values)
    assert hits(ask) == {values[0]: [entry]}


def test_each_part_of_a_composite_is_tested_and_only_types_that_the_list_is_for(
    misp: FakeMisp, ask: Ask
) -> None:
    misp.state.add_warninglist("resolvers", ["8.8.8.8"], type="cidr", matching=["domain|ip"])
    add(misp, "domain|ip", "a.example|8.8.8.8")
    add(misp, "ip-dst", "8.8.8.8")
    assert hits(ask) == {"a.example|8.8.8.8": ["8.8.8.8"]}


def test_a_list_that_is_not_enabled_has_no_effect(misp: FakeMisp, ask: Ask) -> None:
    misp.state.add_warninglist("known", ["a.example"], enabled=False)
    add(misp, "domain", "a.example")
    assert hits(ask) == {}
    assert ask("/attributes/restSearch", {"enforceWarninglist": 1}).values == ["a.example"]
    toggled = ask("/warninglists/toggleEnable", {"name": "known%", "enabled": True}).json
    assert toggled == {"saved": True, "success": "1 warninglist(s) enabled"}
    assert ask("/attributes/restSearch", {"enforceWarninglist": 1}).values == []
    assert not ask("/warninglists/toggleEnable", {"id": [9]}).json["saved"]


def test_without_a_limit_the_first_hit_ends_the_search_silently(misp: FakeMisp, ask: Ask) -> None:
    add(misp, "domain", *(f"{n}.example" for n in range(25)))  # more than the fake can take: 10
    misp.state.add_warninglist("known", ["3.example"])
    answer = ask("/attributes/restSearch", {"enforceWarninglist": 1})
    assert answer.status == 200
    assert answer.values == [f"{n}.example" for n in range(10) if n != 3]


def test_lists_are_indexed_viewed_exported_and_asked(misp: FakeMisp, ask: Ask) -> None:
    misp.state.add_warninglist("one", ["a.example", "b.example"], matching=["domain", "url"])
    misp.state.add_warninglist("two", ["c.example"], enabled=False)
    rows = [row["Warninglist"] for row in ask("/warninglists/index").json["Warninglists"]]
    assert [(row["name"], row["warninglist_entry_count"]) for row in rows] == [
        ("two", "1"),
        ("one", "2"),
    ]
    assert rows[1]["valid_attributes"] == "domain, url"
    (enabled,) = ask("/warninglists/index?enabled=1").json["Warninglists"]
    assert enabled["Warninglist"]["name"] == "one"
    one = ask("/warninglists/view/1").json["Warninglist"]
    assert [entry["value"] for entry in one["WarninglistEntry"]] == ["a.example", "b.example"]
    assert [entry["type"] for entry in one["WarninglistType"]] == ["domain", "url"]
    exported = ask("/warninglists/export/1").json
    assert (exported["list"], exported["matching_attributes"]) == (
        ["a.example", "b.example"],
        ["domain", "url"],
    )
    assert ask("/warninglists/view/9").status == 404
    found = ask("/warninglists/checkValue", ["a.example", "c.example"]).json
    assert found == {"a.example": [{"id": "1", "name": "one"}]}


def test_the_index_of_lists_has_pages_of_60_unless_more_are_asked_for(
    misp: FakeMisp, ask: Ask
) -> None:
    for n in range(70):
        misp.state.add_warninglist(f"list {n}", [])

    def count(path: str) -> int:
        return len(ask(f"/warninglists/index{path}").json["Warninglists"])

    assert [count(path) for path in ("", "/page:2", "/limit:9999/page:1")] == [60, 10, 70]


def test_each_decaying_model_has_a_score_of_its_own(misp: FakeMisp, ask: Ask) -> None:
    misp.state.add_decaying_model("slow", ["domain"], lifetime_days=100)
    misp.state.add_decaying_model("fast", ["domain"], lifetime_days=10)
    misp.state.add_decaying_model("hashes", ["md5"], lifetime_days=10)
    add(misp, "domain", "a.example")
    misp.state.clock.now += 9 * 86_400  # type: ignore[attr-defined]
    (row,) = ask("/attributes/restSearch", {"includeDecayScore": 1}).attributes
    assert [
        (one["DecayingModel"]["name"], one["score"], one["decayed"]) for one in row["decay_score"]
    ] == [("slow", 72.8, False), ("fast", 8.0, True)]
    add(misp, "url", "http://a.example/")
    rows = ask("/attributes/restSearch", {"includeDecayScore": 1}).attributes
    assert "decay_score" not in rows[1], "no model is for it"


def test_what_all_models_call_decayed_can_be_left_out(misp: FakeMisp, ask: Ask) -> None:
    misp.state.add_decaying_model("slow", ["domain"], lifetime_days=100)
    misp.state.add_decaying_model("fast", ["domain"], lifetime_days=10)
    add(misp, "domain", "a.example")
    misp.state.clock.now += 9 * 86_400  # type: ignore[attr-defined]

    def left(**query: Any) -> int:
        found: list[str] = ask("/attributes/restSearch", {"excludeDecayed": 1, **query}).values
        return len(found)

    assert left() == 1, "one model says no"
    assert left(decayingModel=["2"]) == 0
    assert left(score=90) == 0
    misp.state.add_sighting(misp.state.events[1].attributes[1])
    assert left(decayingModel=["2"]) == 1, "a sighting makes it new"


def test_models_are_listed_and_switched(misp: FakeMisp, ask: Ask) -> None:
    misp.state.add_decaying_model("slow", ["domain"], lifetime_days=100)
    (row,) = ask("/decayingModel/index").json
    assert row["DecayingModel"]["parameters"]["lifetime"] == 100
    ask("/decayingModel/disable/1", {})
    assert not misp.state.decaying_models[1].enabled
    ask("/decayingModel/enable/1", {})
    assert misp.state.decaying_models[1].enabled
    assert ask("/decayingModel/enable/9", {}).status == 404
