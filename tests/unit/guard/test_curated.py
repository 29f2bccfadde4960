"""Which lists drop their members, alone or together."""

from __future__ import annotations

from vedette.guard.curated import CURATED, TITLES, Curation

NAMES = ("cisco_top1000", "tranco10k", "empty-hashes", "amazon-aws", "public-dns-v4", "rfc1918")
CISCO, TRANCO, EMPTY, AWS, RESOLVERS, PRIVATE = range(6)


def test_one_ranking_is_not_enough() -> None:
    curation = Curation(NAMES)
    assert curation.dropping([CISCO], "x.example") == frozenset()
    assert curation.dropping([CISCO, TRANCO], "x.example") == {CISCO, TRANCO}
    two_of_one = Curation(["cisco_top1000", "cisco_top20k"])
    assert two_of_one.dropping([0, 1], "x.example") == frozenset()


def test_a_list_of_what_is_harmless_is_enough_and_others_only_label() -> None:
    curation = Curation(NAMES)
    assert curation.dropping([EMPTY, AWS, CISCO], "x") == {EMPTY}


def test_of_the_resolvers_only_those_that_clients_are_set_to() -> None:
    curation = Curation(NAMES)
    assert curation.dropping([RESOLVERS], "9.9.9.9") == {RESOLVERS}
    assert curation.dropping([RESOLVERS], "1.161.67.235") == frozenset()


def test_inside_a_special_range_is_the_range() -> None:
    curation = Curation(NAMES)
    assert [curation.is_within(number) for number in range(6)] == [False] * 5 + [True]


def test_the_operator_has_the_last_word() -> None:
    curation = Curation(NAMES, drop=["amazon-*", "cisco_*"], keep=["cisco_top1000", "empty*"])
    assert curation.dropping([AWS], "x") == {AWS}
    assert curation.dropping([EMPTY, CISCO, TRANCO], "x") == frozenset()
    alone = Curation(NAMES, drop=["tranco*"])
    assert alone.dropping([TRANCO], "x") == {TRANCO}


def test_other_rules_have_another_digest() -> None:
    digests = {
        Curation(NAMES).digest,
        Curation(NAMES, ["a"]).digest,
        Curation(NAMES, (), ["a"]).digest,
    }
    assert len(digests) == 3
    assert Curation(NAMES).digest == Curation(NAMES).digest


def test_curated_lists_have_the_titles_that_misp_knows_them_by() -> None:
    assert set(TITLES.values()) == set(CURATED)
