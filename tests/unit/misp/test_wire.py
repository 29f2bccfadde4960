from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.misp.wire import (
    WireError,
    read_event,
    read_manifest,
    read_page,
    split_events,
)

EVENT = {"uuid": "u", "info": "an event", "Attribute": [{"type": "domain", "value": "a.example"}]}


@pytest.mark.parametrize(
    "document",
    [
        {"Event": EVENT},
        {"response": [{"Event": EVENT}]},
        {"response": {"Event": EVENT}},
        [{"Event": EVENT}],
        EVENT,
    ],
    ids=["wrapped", "response list", "response", "list", "bare"],
)
def test_an_event_is_found_in_every_shape(document: object) -> None:
    (raw,) = split_events(json.dumps(document).encode())
    event, misfits = read_event(raw)
    assert (event.uuid, event.info, misfits) == ("u", "an event", [])
    assert [item.value for item in event.all_attributes()] == ["a.example"]


def test_several_events_in_one_document_are_all_found() -> None:
    document = {"response": [{"Event": EVENT}, {"Event": {**EVENT, "uuid": "v"}}]}
    raws = split_events(json.dumps(document).encode())
    assert [read_event(raw)[0].uuid for raw in raws] == ["u", "v"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<!DOCTYPE html><html>", "HTML instead of JSON"),
        (b"", "an empty answer instead of JSON"),
        (b"not json", "something that is not JSON"),
        (b'{"Event": {"info": "x"', "cut short or invalid"),
        (b'{"name": "Invalid event"}', "not an event"),
        (b"[1, 2]", "not an event"),
        (b'{"response": ' * 50_000, "nested too deeply"),
        (b'{"Event": {"info": \xff}}', "cut short or invalid"),
    ],
)
def test_what_is_no_event_says_what_it_is_instead(document: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        split_events(document)


@pytest.mark.parametrize("event", [5, {"info": 5}, {"info": "x", "Attribute": 5}])
def test_an_event_whose_own_fields_are_wrong_is_refused(event: object) -> None:
    with pytest.raises(WireError, match="not an event"):
        read_event(json.dumps(event).encode())


def test_an_event_nested_without_end_is_refused() -> None:
    with pytest.raises(WireError, match="nested too deeply"):
        read_event(b'{"info": "x", "more": ' + b"[" * 50_000)


@given(cut=st.integers(min_value=0), junk=st.binary(max_size=4), place=st.integers(min_value=0))
def test_whatever_happens_to_an_event_it_is_read_or_refused(
    cut: int, junk: bytes, place: int
) -> None:
    whole = json.dumps({"response": [{"Event": EVENT}]}).encode()
    place %= len(whole)
    document = (whole[:place] + junk + whole[place + len(junk) :])[: cut % (len(whole) + 1)]
    with suppress(WireError):
        for raw in split_events(document):
            read_event(raw)
    with suppress(WireError):
        read_manifest(document)
    with suppress(WireError):
        read_page(document)


def test_numbers_and_strings_are_both_read_as_times_flags_and_ids() -> None:
    attributes = [
        {"type": "ip-dst", "value": "192.0.2.1", "to_ids": "1", "timestamp": 1700000000},
        {"type": "ip-dst", "value": "192.0.2.2", "to_ids": 0, "timestamp": "1700000000"},
        {"type": "AS", "value": 64512, "deleted": "1", "Tag": None, "comment": None},
    ]
    document = json.dumps({"info": "x", "published": "1", "id": 5, "Attribute": attributes})
    event, misfits = read_event(document.encode())
    assert misfits == []
    assert event.published is True
    assert [item.to_ids for item in event.all_attributes()] == [True, False, True]
    assert [item.deleted for item in event.all_attributes()] == [False, False, True]


def test_one_odd_attribute_costs_only_itself() -> None:
    document = {
        "info": "x",
        "Attribute": [
            {"type": "domain", "value": "a.example", "uuid": "a"},
            {"type": "domain", "value": {"no": "text"}, "uuid": "b"},
            {"type": "domain", "uuid": "c"},
            "not even an object",
        ],
        "Object": [
            {"deleted": False, "Attribute": [{"type": "md5", "value": "0", "uuid": "d"}, 7]}
        ],
    }
    event, misfits = read_event(json.dumps(document).encode())
    assert [item.uuid for item in event.all_attributes()] == ["a", "d"]
    assert [item.uuid for item in misfits] == ["b", "c", "", ""]
    assert all(item.reason.startswith("not a MISP attribute: ") for item in misfits)


def test_attributes_of_a_deleted_object_are_deleted() -> None:
    attribute = {"type": "md5", "value": "0"}
    objects = [{"deleted": flag, "Attribute": [attribute]} for flag in (True, False)]
    event, _ = read_event(json.dumps({"info": "x", "Object": objects}).encode())
    assert [item.deleted for item in event.all_attributes()] == [True, False]


def test_a_manifest_maps_uuids_to_timestamps_and_may_be_empty() -> None:
    entries = read_manifest(b'{"u": {"timestamp": "17", "info": "x", "Tag": []}, "v": {}}')
    assert {key: entry.timestamp for key, entry in entries.items()} == {"u": "17", "v": ""}
    assert read_manifest(b"{}") == read_manifest(b" []\n") == {}


def test_one_odd_entry_of_a_manifest_costs_only_its_own_time() -> None:
    entries = read_manifest(
        b'{"a": {"timestamp": "17"}, "b": null, "c": {"timestamp": {}}, "d": {"info": "\xff"}}'
    )
    assert {key: entry.timestamp for key, entry in entries.items()} == {
        "a": "17",
        "b": "",
        "c": "",
        "d": "",
    }


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html><body>Login", "HTML instead of JSON"),
        (b'{"u": ', "cut short or invalid"),
        (b'["u"]', "not the expected JSON"),
        (b'{"u": "17"}', "not the expected JSON"),
    ],
)
def test_a_document_that_is_no_manifest_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        read_manifest(document)


def test_a_page_is_read_with_inherited_tags_told_apart() -> None:
    attribute = {
        "type": "domain",
        "value": "a.example",
        "Tag": [{"name": "own"}, {"name": "of the event", "inherited": 1}],
    }
    attributes, misfits = read_page(json.dumps({"response": {"Attribute": [attribute]}}).encode())
    assert misfits == []
    assert [(tag.name, tag.inherited) for tag in attributes[0].tags or ()] == [
        ("own", False),
        ("of the event", 1),
    ]


def test_one_odd_row_of_a_page_costs_only_itself() -> None:
    rows = [{"type": "domain", "value": "a.example"}, {"type": 5, "value": "b", "uuid": "b"}]
    attributes, misfits = read_page(json.dumps({"response": {"Attribute": rows}}).encode())
    assert [item.value for item in attributes] == ["a.example"]
    assert [item.uuid for item in misfits] == ["b"]


def test_one_value_that_is_not_utf_8_costs_only_itself() -> None:
    rows = b'[{"type": "domain", "value": "a"}, {"type": "domain", "value": "\xff", "uuid": "b"}]'
    event, misfits = read_event(b'{"info": "x", "Attribute": ' + rows + b"}")
    assert [item.value for item in event.all_attributes()] == ["a"]
    assert [(item.uuid, item.value, item.reason) for item in misfits] == [
        ("b", "\N{REPLACEMENT CHARACTER}", "not a MISP attribute: invalid UTF-8")
    ]
    attributes, misfits = read_page(b'{"response": {"Attribute": ' + rows + b"}}")
    assert (len(attributes), len(misfits)) == (1, 1)


def test_a_page_that_is_odd_and_cut_short_is_refused() -> None:
    with pytest.raises(WireError, match="cut short"):
        read_page(b'{"response": {"Attribute": [{"type": 5, "value": "b"}, {"type": "md')


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b'{"name": "Error", "message": "x"}', "no response.Attribute"),
        (b'{"response": []}', "no response.Attribute"),
        (b'{"response": {"Attribute": [{"type"', "cut short or invalid"),
        (b"<html>", "HTML instead of JSON"),
        (b"Allowed memory size exhausted", "something that is not JSON"),
    ],
)
def test_an_answer_that_is_no_page_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        read_page(document)
