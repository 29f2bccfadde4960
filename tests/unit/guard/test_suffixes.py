"""Our reading of the public suffix list against the library that ships it."""

from __future__ import annotations

from importlib.resources import files

import pytest
from publicsuffixlist import PublicSuffixList

from vedette.guard.facts import Suffix
from vedette.guard.suffixes import Suffixes
from vedette.model import IndicatorType, Key
from vedette.normalize import ancestors

TEXT = (files("publicsuffixlist") / "public_suffix_list.dat").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def suffixes() -> Suffixes:
    return Suffixes(TEXT)


def domain(name: str) -> Key:
    return Key(IndicatorType.DOMAIN, name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("com", Suffix.ICANN),
        ("co.uk", Suffix.ICANN),
        ("anything.ck", Suffix.ICANN),
        ("www.ck", Suffix.NONE),
        ("city.kawasaki.jp", Suffix.NONE),
        ("other.kawasaki.jp", Suffix.ICANN),
        ("xn--55qx5d.cn", Suffix.ICANN),
        ("duckdns.org", Suffix.PRIVATE),
        ("hopto.org", Suffix.PRIVATE),
        ("vercel.app", Suffix.PRIVATE),
        ("amazonaws.com", Suffix.PRIVATE),
        ("evil.duckdns.org", Suffix.NONE),
        ("example.com", Suffix.NONE),
        ("evil.co.uk", Suffix.NONE),
    ],
)
def test_names_that_belong_to_others_are_known(suffixes: Suffixes, name: str, said: Suffix) -> None:
    assert suffixes.of(domain(name)) is said
    assert suffixes.matching(["a.example.com", name]) == ([1] if said else []) or not said


def test_only_names_have_suffixes(suffixes: Suffixes) -> None:
    assert suffixes.of(Key(IndicatorType.HOSTNAME, "duckdns.org")) is Suffix.PRIVATE
    assert suffixes.of(Key(IndicatorType.FILENAME, "duckdns.org")) is Suffix.NONE


def test_every_rule_is_read_as_the_library_reads_it(suffixes: Suffixes) -> None:
    every = PublicSuffixList(TEXT.splitlines(), accept_unknown=False)
    icann = PublicSuffixList(TEXT.splitlines(), accept_unknown=False, only_icann=True)
    asked = 0
    for line in TEXT.splitlines():
        rule = line.split(" ")[0]
        if not rule or rule.startswith("//") or not rule.isascii():
            continue
        stem = rule.removeprefix("*.").removeprefix("!")
        for name in (stem, f"a.{stem}", f"b.a.{stem}"):
            if "." not in name:
                continue
            asked += 1
            said = suffixes.of(domain(name))
            assert (said is Suffix.ICANN) == (icann.publicsuffix(name) == name), name
            if every.publicsuffix(name) == name:
                assert said is not Suffix.NONE, name
            assert bool(suffixes.matching([name])) or said is Suffix.NONE, name
    assert asked > 25_000


def test_a_name_above_a_private_suffix_is_as_shared_as_the_suffix(suffixes: Suffixes) -> None:
    every = PublicSuffixList(TEXT.splitlines(), accept_unknown=False)
    for name in ("s3.amazonaws.com", "a.b.execute-api.eu-central-1.amazonaws.com"):
        suffix = every.publicsuffix(name)
        assert suffix is not None
        for above in ancestors(suffix):
            assert suffixes.of(domain(above)) is Suffix.PRIVATE


def test_an_empty_list_knows_nothing() -> None:
    assert Suffixes().of(domain("duckdns.org")) is Suffix.NONE
    assert Suffixes().version != Suffixes(TEXT).version
