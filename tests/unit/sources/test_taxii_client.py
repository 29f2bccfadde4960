"""The small parts of asking a TAXII server; tests/unit/sources/test_taxii.py asks whole ones."""

from __future__ import annotations

import pytest

from vedette.sources.taxii_client import Collection, _origin, _said


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("https://a.example/x", "https://A.example:443/y", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
        ("https://a.example/", "https://a.example.evil.example/", False),
        ("https://a.example/", "https://me@evil.example/a.example", False),
    ],
)
def test_another_host_scheme_or_port_is_another_place(
    one: str, other: str, *, is_same: bool
) -> None:
    assert (_origin(one) == _origin(other)) is is_same


def test_an_error_is_told_in_the_servers_words_on_one_line() -> None:
    assert _said(b'{"title": "No", "description": "not\\nyou"}') == ": No not you"
    assert _said(b"<html>") == _said(b'{"title": 5}') == _said(b"{}") == ""


def test_a_collection_without_a_title_is_called_by_its_id() -> None:
    assert Collection(id="a", title=None).is_called("A")
    assert not Collection(id="a", title=None).is_called("")
