"""Names: one spelling, as on the wire; what is no name is refused with its reason."""

from __future__ import annotations

import pytest

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import Reason, ancestors, normalize, reverse_key, unreverse_key


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("evil.example", "evil.example"),
        ("EVIL.Example", "evil.example"),
        ("ktaliveclaim.xyz.", "ktaliveclaim.xyz"),
        ("admin.mikifox.com ", "admin.mikifox.com"),
        ("\ufeffevil.example", "evil.example"),
        ("evil.example\u200b", "evil.example"),
        ("evil.example:8443", "evil.example"),
        ("http://evil.example/", "evil.example"),
        ("https://user:pass@EVIL.example:443", "evil.example"),
        ("_dmarc.evil.example", "_dmarc.evil.example"),
        ("-x-.evil.example", "-x-.evil.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("b\u0075\u0308cher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        (
            "mantenimentgencatwebactualització.weebly.com",
            "xn--mantenimentgencatwebactualitzaci-med.weebly.com",
        ),
        ("ràbby.app", "xn--rbby-0na.app"),
        ("i❤.ws", "xn--i-7iq.ws"),
        ("_ü.example", "xn--_-eha.example"),
        ("xn--a.example", "xn--a.example"),
        ("evil[.]example", "evil.example"),
        ("evil(.)example", "evil.example"),
        ("evil{.}example", "evil.example"),
        ("evil[dot]example", "evil.example"),
        ("evil [DOT] example", "evil.example"),
        ("evil[.example", "evil.example"),
        ("evil.]example", "evil.example"),
        ("evil\\.example", "evil.example"),
        ("`evil[.]example`", "evil.example"),
        ("hxxps[://]evil[.]example", "evil.example"),
        ("hxxp[:]//evil.example", "evil.example"),
        ("hXXp://evil.example", "evil.example"),
        ("h**ps://evil.example/", "evil.example"),
        ("hhxxp.com", "hhxxp.com"),
        ("hxxp.com", "hxxp.com"),
        ("hxxps.hxxp.com", "hxxps.hxxp.com"),
        ("http.com", "http.com"),
        ("hxxp://hxxp.com", "hxxp.com"),
    ],
)
def test_every_writing_of_a_name_becomes_its_one_spelling(text: str, name: str) -> None:
    assert normalize(T.DOMAIN, text) == Key(T.DOMAIN, name)
    assert normalize(T.HOSTNAME, text) == Key(T.HOSTNAME, name)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("*.evil.example", Key(T.DOMAIN, "evil.example")),
        (".evil.example", Key(T.DOMAIN, "evil.example")),
        ("*.Evil[.]example:443", Key(T.DOMAIN, "evil.example")),
        ("198.51.100.7", Key(T.IP_DST, "198.51.100.7")),
        ("198[.]51[.]100[.]7", Key(T.IP_DST, "198.51.100.7")),
        ("http://198.51.100.7/", Key(T.IP_DST, "198.51.100.7")),
        ("198.51.100.7:8080", Key(T.IP_DST_PORT, "198.51.100.7,8080")),
        ("198.51.100.0/24", Key(T.IP_DST, "198.51.100.0/24")),
        ("2001:DB8::0:1", Key(T.IP_DST, "2001:db8::1")),
        ("[2001:db8::1]:443", Key(T.IP_DST_PORT, "2001:db8::1,443")),
        ("evil.example/ws/agent/", Key(T.URL, "evil.example/ws/agent/")),
        ("hxxps://evil[.]example/a?b", Key(T.URL, "evil.example/a?b")),
    ],
)
@pytest.mark.parametrize("kind", [T.DOMAIN, T.HOSTNAME])
def test_what_stands_in_a_list_of_names_gets_the_type_it_has(kind: T, text: str, key: Key) -> None:
    assert normalize(kind, text) == key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        ("  ", Reason.EMPTY),
        (".", Reason.EMPTY),
        ("localhost", Reason.SINGLE_LABEL),
        ("com.", Reason.SINGLE_LABEL),
        ("evil..example", Reason.EMPTY_LABEL),
        ("evil.example..", Reason.EMPTY_LABEL),
        ("a" * 64 + ".example", Reason.TOO_LONG),
        ("ü" * 60 + ".example", Reason.TOO_LONG),
        (".".join(["abcdefg"] * 32), Reason.TOO_LONG),
        ("glued.example" * 100, Reason.TOO_LONG),
        ("evil.example,bad.example", Reason.SEVERAL),
        ("evil.example bad.example", Reason.SEVERAL),
        ("evil.example\nbad.example", Reason.SEVERAL),
        ("qq10001.de5", Reason.TOP_LEVEL),
        ("koldiv.ru-F", Reason.TOP_LEVEL),
        ("C91.230.168.27", Reason.TOP_LEVEL),
        ("nl.g", Reason.TOP_LEVEL),
        ("0000153.0000255.0000011.0000125", Reason.OCTAL),
        ("198.051.100.7", Reason.OCTAL),
        ("198.51.100.300", Reason.NOT_ADDRESS),
        ("198.51.100", Reason.NOT_ADDRESS),
        ("127.0.0.1", Reason.SPECIAL),
        ("ôªøusps-global.com", Reason.MISDECODED),
        ("ï»¿usps-global.com", Reason.MISDECODED),
        ("bÃ¼cher.example", Reason.MISDECODED),
        ("b\ufffdcher.example", Reason.MISDECODED),
        ("\udcfccher.example", Reason.MISDECODED),
        ("support¬forum.org", Reason.CHARACTER),
        ("\ud7fc.example", Reason.CHARACTER),
        ("ü.example, ö.example", Reason.SEVERAL),
        ("ü.example" * 100, Reason.TOO_LONG),
        ("ev!l.example", Reason.CHARACTER),
        ("vh[0-9]{6}\\.eurodir\\.ru", Reason.CHARACTER),
        ("^[a-z]{1,3}\\-leboncoin\\.(com|info|me|top)$", Reason.CHARACTER),
        ("a.*.evil.example", Reason.WILDCARD),
        ("*.*.example", Reason.WILDCARD),
        ("someone@evil.example", Reason.EMAIL_AS_NAME),
        ("evil.example:99999", Reason.PORT),
        ("http://a.example http://b.example", Reason.SEVERAL),
    ],
)
@pytest.mark.parametrize("kind", [T.DOMAIN, T.HOSTNAME])
def test_what_is_no_name_is_refused_with_its_reason(kind: T, text: str, reason: Reason) -> None:
    with pytest.raises(UnusableValueError) as refused:
        normalize(kind, text)
    assert str(refused.value) == reason.value


def test_ancestors_are_the_names_above_with_at_least_two_labels_nearest_first() -> None:
    assert list(ancestors("a.b.evil.example")) == ["b.evil.example", "evil.example"]
    assert list(ancestors("evil.example")) == []
    assert list(ancestors("example")) == []
    assert list(ancestors("")) == []


def test_reversed_keys_sort_all_names_below_a_name_directly_behind_it() -> None:
    names = ["evil.example", "a.evil.example", "b.a.evil.example", "_x.evil.example"]
    others = ["evil-.example", "notevil.example", "0evil.example", "evil.examples", "vil.example"]
    keys = sorted(map(reverse_key, names + others))
    first = keys.index("elpmaxe!live")
    assert {unreverse_key(key) for key in keys[first : first + len(names)]} == set(names)
    assert unreverse_key(reverse_key("a.evil.example")) == "a.evil.example"
