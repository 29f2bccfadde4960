"""MISP's JSON inside what was pasted."""

from __future__ import annotations

import json

from vedette.hunt.documents import NOT_FOR_DETECTION, misp_items
from vedette.model import Indicator, Rejected, Skipped

ATTRIBUTE = {"type": "domain|ip", "value": "evil.com|1.2.3.4", "to_ids": True}


def test_events_in_every_shape_are_found() -> None:
    bare = {"info": "x", "Attribute": [ATTRIBUTE]}
    for document in (bare, {"Event": bare}, {"response": [{"Event": bare}]}, [{"Event": bare}]):
        items = misp_items(json.dumps(document).encode())
        assert items is not None
        assert [item.key for item in items if isinstance(item, Indicator)] == [
            ("domain", "evil.com"),
            ("ip-dst", "1.2.3.4"),
        ]


def test_what_is_not_for_detection_and_what_is_odd_is_counted() -> None:
    attributes = [{**ATTRIBUTE, "to_ids": False}, {"type": 7, "value": ["x"], "to_ids": True}]
    items = list(misp_items(json.dumps({"info": "", "Attribute": attributes}).encode()) or ())
    assert Skipped(NOT_FOR_DETECTION) in items
    assert any(isinstance(item, Rejected) for item in items)


def test_other_documents_are_none_of_misp() -> None:
    assert misp_items(b'{"type": "bundle", "objects": []}') is None
    assert misp_items(b"{broken") is None
