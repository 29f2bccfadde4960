"""A STIX document that is read once."""

from __future__ import annotations

import json
from typing import Any

from vedette.model import Fetched, Indicator, Rejected, Skipped
from vedette.sources.stix_document import bundle_items


def an_indicator(number: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "id": f"indicator--{number}",
        "modified": "2026-01-01T00:00:00Z",
        "pattern": f"[domain-name:value = 'evil-{number}.example']",
        **more,
    }


def read(*objects: object) -> list[Any]:
    document = json.dumps({"type": "bundle", "objects": objects}).encode()
    items = bundle_items(document)
    assert items is not None
    return list(items)


def test_the_newest_indicators_come_without_groups() -> None:
    newer = an_indicator(1, modified="2026-02-01T00:00:00Z", pattern="[url:value = 'http://a/b.c']")
    nameless = {"type": "indicator", "pattern": "[mutex:name = 'm']"}
    items = read(newer, an_indicator(1), an_indicator(2), nameless, {"type": "url", "id": "url--1"})
    assert not any(isinstance(item, Fetched) for item in items)
    assert [i.value for i in items if isinstance(i, Indicator)] == ["evil-2.example"]
    assert [i.reason for i in items if isinstance(i, Rejected)] == [
        "single label",
        "indicator without a usable id",
    ]
    assert Skipped("seen, not called bad: url") in items


def test_other_json_is_none() -> None:
    for document in (b"{}", b'{"objects": [{"a": 1}]}', b"[]", b'["evil.example"]', b"nonsense"):
        assert bundle_items(document) is None
