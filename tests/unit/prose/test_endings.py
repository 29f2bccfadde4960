"""Endings of words."""

from __future__ import annotations

from vedette.prose.endings import BOTH, COMMON, FILE_ONLY, is_common


def test_an_ending_is_of_a_file_or_of_a_host_or_listed_as_both() -> None:
    assert not FILE_ONLY & BOTH
    assert not FILE_ONLY & COMMON
    assert all(len(ending) > 2 for ending in COMMON)


def test_common_endings() -> None:
    assert is_common("evil.com")
    assert is_common("evil.ru")
    assert is_common("evil.xn--p1ai")
    assert not is_common("System.Foo.Bazq")
