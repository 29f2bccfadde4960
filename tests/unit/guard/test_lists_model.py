"""Reading one list.json."""

from __future__ import annotations

import json

import pytest

from vedette.guard.lists_model import (
    EVERY_TYPE,
    BrokenListError,
    ListKind,
    bit_of,
    name_of,
    read_list,
    types_of,
    write_list,
)
from vedette.model import IndicatorType as T


def document(**changes: object) -> bytes:
    whole = {"name": " A  list ", "type": "hostname", "version": 7, "list": ["a.example"]}
    return json.dumps(whole | changes).encode()


def test_a_list_is_read_as_published() -> None:
    found = read_list("a", document(matching_attributes=["domain"], description="why"))
    assert (found.name, found.title, found.kind, found.version) == (
        *("a", "A list"),
        *(ListKind.HOSTNAME, "7"),
    )
    assert (list(found.members), found.attributes) == (["a.example"], ("domain",))
    assert found.digest != read_list("a", document()).digest


def test_what_misp_fills_in_is_filled_in_the_same_way() -> None:
    bare = json.dumps({"name": "x", "list": ["a"]}).encode()
    found = read_list("x", bare)
    assert (found.kind, found.version, types_of(found.attributes)) == ("string", "1", EVERY_TYPE)
    assert read_list("x", document(type=["cidr", "string"])).kind is ListKind.CIDR


def test_members_may_have_comments() -> None:
    found = read_list("x", document(list={"a.example": "ours", "b.example": None}))
    assert list(found.members) == ["a.example", "b.example"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b'{"name": "x", "list": ["a"',
        b'{"name": "x"}',
        b"\xff\xfe",
        document(list=[1, 2]),
        document(type="fuzzy"),
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_says_so(data: bytes) -> None:
    with pytest.raises(BrokenListError):
        read_list("x", data)


def test_a_list_survives_being_written() -> None:
    found = read_list("a", document(matching_attributes=["domain", "url"], description="why"))
    again = read_list("a", write_list(found))
    assert (again.title, again.kind, again.version) == (found.title, found.kind, found.version)
    assert (again.members, again.attributes) == (found.members, found.attributes)


def test_a_list_is_for_the_types_that_misps_types_become() -> None:
    bits = types_of(["ip-dst", "ip-dst|port", "filename|md5", "domain|ip", "phone-number"])
    assert bits == bit_of(T.IP_DST) | bit_of(T.IP_DST_PORT)
    assert types_of(["ALL"]) == types_of([]) == EVERY_TYPE


def test_a_title_becomes_a_name_of_a_directory() -> None:
    assert name_of("../Our list: 100% (ours)") == "our-list-100-ours"
    assert name_of("///") == "list"
