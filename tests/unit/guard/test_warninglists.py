"""What an indicator is told about the lists that it is on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vedette.guard import warninglists
from vedette.guard.facts import ListHit
from vedette.guard.lists_model import ListKind, WarningList
from vedette.guard.warninglists import Index
from vedette.model import IndicatorType as T
from vedette.model import Key

NAMES = ("domain", "hostname")
ADDRESSES = ("ip-src", "ip-dst", "ip-src|port", "ip-dst|port")


def a_list(
    name: str, kind: ListKind, members: Sequence[str], attributes: Sequence[str] = ()
) -> WarningList:
    return WarningList(
        name=name,
        title=name.upper(),
        kind=kind,
        version="1",
        members=members,
        attributes=tuple(attributes),
        digest=str(list(members)),
    )


LISTS = (
    a_list("cisco_top1000", ListKind.STRING, ["big.example", "cdn.big.example"], (*NAMES, "url")),
    a_list("tranco10k", ListKind.HOSTNAME, ["big.example"], (*NAMES, "url")),
    a_list("dynamic-dns", ListKind.HOSTNAME, [".dyn.example"], NAMES),
    a_list("empty-hashes", ListKind.STRING, ["D41D8CD98F00B204E9800998ECF8427E"], ["md5"]),
    a_list("amazon-aws", ListKind.CIDR, ["3.0.0.0/8", "3.5.0.0/16"], ADDRESSES),
    a_list("rfc1918", ListKind.CIDR, ["10.0.0.0/8"], ADDRESSES),
    a_list("public-dns-v4", ListKind.CIDR, ["9.9.9.9", "3.5.1.1"], ADDRESSES),
    a_list("common-contact-emails", ListKind.REGEX, ["/^abuse@.*$/i"], ["email-src"]),
    a_list("disposable-email", ListKind.SUBSTRING, ["0-mail.com"], ["email-src", "domain|ip"]),
)
INDEX = Index.of(LISTS)


def hits(kind: T, value: str) -> tuple[ListHit, ...]:
    return INDEX.match(Key(kind, value))


def marks(kind: T, value: str) -> dict[str, tuple[bool, bool]]:
    """List -> whether the value is its member, and whether it drops it."""
    return {hit.list: (hit.itself, hit.curated) for hit in hits(kind, value)}


def test_a_popular_site_itself_is_curated_and_a_name_below_it_is_not() -> None:
    assert marks(T.DOMAIN, "big.example") == {
        "cisco_top1000": (True, True),
        "tranco10k": (True, True),
    }
    assert hits(T.HOSTNAME, "evil.big.example") == (
        ListHit("tranco10k", itself=False, member="big.example", curated=False),
    )


def test_one_ranking_alone_only_labels() -> None:
    assert marks(T.HOSTNAME, "cdn.big.example") == {
        "cisco_top1000": (True, False),
        "tranco10k": (False, False),
    }


def test_a_site_with_www_is_the_site() -> None:
    assert marks(T.HOSTNAME, "www.big.example") == {
        "cisco_top1000": (True, True),
        "tranco10k": (True, True),
    }
    assert marks(T.HOSTNAME, "www.x.dyn.example") == {"dynamic-dns": (False, False)}
    assert marks(T.HOSTNAME, "www.dyn.example") == {"dynamic-dns": (False, False)}


def test_a_url_is_never_the_site_that_it_is_on() -> None:
    assert marks(T.URL, "big.example/login.php") == {
        "cisco_top1000": (False, False),
        "tranco10k": (False, False),
    }
    assert marks(T.URL, "a.big.example:8080/x?y=z") == {"tranco10k": (False, False)}
    assert marks(T.URL, "x.dyn.example/a") == {}
    assert marks(T.URL, "10.1.2.3/a") == {"rfc1918": (False, False)}
    assert marks(T.URL, "[2001:db8::1]:80/a") == {}


def test_an_address_is_told_the_nearest_network_of_each_list() -> None:
    assert hits(T.IP_DST, "3.5.1.1") == (
        ListHit("public-dns-v4", itself=True, member="3.5.1.1", curated=False),
        ListHit("amazon-aws", itself=False, member="3.5.0.0/16", curated=False),
    )
    assert marks(T.IP_SRC, "9.9.9.9") == {"public-dns-v4": (True, True)}
    assert marks(T.IP_DST_PORT, "9.9.9.9,853") == {"public-dns-v4": (True, True)}


def test_a_network_is_a_member_only_as_a_whole() -> None:
    assert marks(T.IP_DST, "3.5.0.0/16") == {"amazon-aws": (True, False)}
    assert marks(T.IP_DST, "3.5.1.0/24") == {"amazon-aws": (False, False)}
    assert marks(T.IP_DST, "3.0.0.0/7") == {}


def test_inside_a_special_range_is_the_range_itself() -> None:
    assert marks(T.IP_DST, "10.1.2.3") == {"rfc1918": (True, True)}
    assert marks(T.IP_SRC, "10.1.2.0/24") == {"rfc1918": (True, True)}


def test_each_list_is_asked_only_for_its_types() -> None:
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    assert marks(T.MD5, empty) == {"empty-hashes": (True, True)}
    assert marks(T.JA3, empty) == {}
    assert marks(T.EMAIL_SRC, "abuse@0-mail.com") == {
        "disposable-email": (False, False),
        "common-contact-emails": (True, False),
    }
    assert marks(T.EMAIL_DST, "abuse@0-mail.com") == {}
    assert marks(T.DOMAIN, "0-mail.com") == {}


def test_many_are_answered_in_their_order() -> None:
    keys = [
        Key(T.MD5, "0" * 32),
        Key(T.DOMAIN, "big.example"),
        Key(T.IP_DST, "2001:db8::1"),
        Key(T.IP_DST, "3.0.0.1"),
        Key(T.DOMAIN, "x.example"),
        Key(T.DOMAIN, "big.example"),
    ]
    answers = INDEX.match_many(keys)
    assert answers == [INDEX.match(key) for key in keys]
    assert [len(answer) for answer in answers] == [0, 2, 0, 1, 0, 2]


def test_the_operator_changes_what_is_dropped() -> None:
    index = Index.of(LISTS, drop=["amazon-aws"], keep=["rfc*"])
    assert [hit.curated for hit in index.match(Key(T.IP_DST, "3.5.0.0/16"))] == [True]
    assert [hit.curated for hit in index.match(Key(T.IP_DST, "10.1.2.3"))] == [False]


def test_the_version_is_that_of_all_that_decides() -> None:
    versions = {
        INDEX.version,
        Index.of(LISTS[1:]).version,
        Index.of(LISTS, drop=["x"]).version,
        Index.empty().version,
    }
    assert len(versions) == 4
    assert Index.of(LISTS).version == INDEX.version


def test_without_lists_nothing_is_on_one() -> None:
    index = Index.empty()
    assert index.match_many([Key(T.DOMAIN, "a.example"), Key(T.URL, "10.0.0.1/x")]) == [(), ()]
    assert index.match_many([]) == []


def test_answers_that_were_given_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warninglists, "_KEPT_MAX", 10)
    index = Index.of([a_list("names", ListKind.HOSTNAME, [f"n{n}.example" for n in range(50)])])
    keys = [Key(T.DOMAIN, f"n{n}.example") for n in range(50)]
    assert [hit.member for (hit,) in index.match_many(keys)] == [key.value for key in keys]
    assert len(index._kept[T.DOMAIN]) <= 10
