from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vedette.testing.fake_misp import FakeMisp

Ask = Callable[..., Any]


def search(ask: Ask, **query: Any) -> Any:
    return ask("/attributes/restSearch", query)


def test_text_means_published_and_to_ids_and_json_does_not(misp: FakeMisp, ask: Ask) -> None:
    for published in (True, False):
        attributes = [
            {"type": "domain", "value": f"{int(published)}{n}.example", "to_ids": bool(n)}
            for n in (0, 1)
        ]
        misp.state.add_event({"info": "x", "published": published, "Attribute": attributes})
    assert search(ask, returnFormat="text").body == b"11.example\n"
    assert len(search(ask, returnFormat="json").values) == 4


def test_csv_has_other_names_and_empty_lines_at_its_end(misp: FakeMisp, ask: Ask) -> None:
    misp.state.add_event({"info": "x", "Attribute": [{"type": "md5", "value": "0"}]})
    wanted = ["type", "value", "date"]
    answer = search(ask, returnFormat="csv", requested_attributes=wanted)
    assert answer.body == b"type,value,date\nmd5,0,1700000000\n\n\n"
    assert search(ask, returnFormat="csv", headerless=1, requested_attributes=["value"]).body == (
        b"0\n\n\n"
    )
    (row,) = search(ask, requested_attributes=["value"]).attributes
    assert "uuid" in row, "JSON does not care"


def test_the_cache_format_fails_with_a_page_and_unknown_ones_are_404(
    misp: FakeMisp, ask: Ask
) -> None:
    misp.state.add_event({"info": "x", "Attribute": [{"type": "md5", "value": "a"}]})
    assert search(ask, returnFormat="cache").body == b"0cc175b9c0f1b6a831c399e269772661\n"
    assert search(ask, returnFormat="cache", limit=5, page=1).status == 500
    assert search(ask, returnFormat="count").body == b"1"
    assert search(ask, returnFormat="no-such").status == 404
