"""Paths of the buffers table in decoded events."""

from __future__ import annotations

import pytest

from vedette.paths import steps, texts

EVENT = {
    "dns": {"queries": [{"rrname": "a.example"}, {"rrname": ""}, 7, {"rrname": "b.example"}]},
    "http": {"request_headers": [{"name": "Cookie", "value": "x=1"}, "odd", {"name": 3}]},
    "tls": {"sni": "c.example", "chain": "not a list"},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("dns.queries[].rrname", ["a.example", "b.example"]),
        ("http.request_headers[cookie]", ["x=1"]),
        ("tls.sni", ["c.example"]),
        ("tls.chain[]", []),
        ("tls.sni.deeper", []),
        ("quic.sni", []),
    ],
)
def test_a_path_finds_texts_and_nothing_else(path: str, expected: list[str]) -> None:
    way = steps(path)
    assert list(texts(EVENT.get(way[0].name), way)) == expected
