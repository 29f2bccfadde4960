"""Documents and objects as they come, whole and damaged."""

from __future__ import annotations

import pytest

from vedette.stix.wire import (
    Head,
    IndicatorObject,
    Relationship,
    WireError,
    read,
    seconds,
    split_objects,
)


@pytest.mark.parametrize(
    ("document", "objects"),
    [
        (b'{"type": "bundle", "objects": [{"a": 1}, {"b": 2}]}', 2),
        (b'\xef\xbb\xbf{"type": "bundle", "objects": []}', 0),
        (b'{"type": "bundle"}', 0),
        (b'{"more": false, "objects": [{}]}', 1),
        (b' [{"type": "indicator"}]', 1),
        (b'{"type": "indicator", "id": "indicator--1"}', 1),
    ],
)
def test_the_objects_of_every_form_are_found(document: bytes, objects: int) -> None:
    assert len(split_objects(document)) == objects


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b'{"type": "bundle", "objects": [{"a": 1}', "no JSON"),
        (b'{"name": "x"}', "no STIX bundle"),
        (b'{"type": "bundle", "objects": 5}', "no STIX bundle"),
        (b'"text"', "no STIX bundle"),
        (b"[" * 100_000, "no JSON"),
        (b'{"type": "\xff\xfe"}', "no JSON"),
    ],
)
def test_what_is_no_bundle_says_what_it_is(document: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        split_objects(document)


def test_an_object_is_read_whatever_else_it_holds() -> None:
    raw = b'{"type": "indicator", "id": "i", "modified": "2026-01-01T00:00:00Z", "x_y": [[{}]]}'
    assert read(raw, Head).version == "2026-01-01T00:00:00Z"
    assert read(raw, IndicatorObject).pattern_type == "stix"


@pytest.mark.parametrize("raw", [b'{"id": 5}', b'{"id": "i", "labels": "x"}', b"[]", b"nonsense"])
def test_an_object_with_a_wrong_property_is_an_error(raw: bytes) -> None:
    with pytest.raises(WireError):
        read(raw, IndicatorObject)


def test_a_relationship_without_its_ends_is_one_of_nothing() -> None:
    assert read(b"{}", Relationship).source_ref == ""


def test_times_of_every_precision_are_read() -> None:
    for text in ("2023-03-29T12:58:43Z", "2023-03-29T12:58:43.40085Z", "2023-03-29T12:58:43.4Z"):
        assert seconds(text) == 1_680_094_723
    assert seconds(None) == seconds("") == 0
    for text in ("soon", "9999-99-99T00:00:00Z"):
        with pytest.raises(WireError, match="no time"):
            seconds(text)
