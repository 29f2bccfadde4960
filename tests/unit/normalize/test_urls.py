"""URLs: what a sensor can match of them, in one spelling."""

from __future__ import annotations

import pytest

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import Reason, UrlParts, normalize, split_url


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("http://evil.example/Gate.php", "evil.example/Gate.php"),
        ("HTTPS://EVIL.Example/Gate.php?ID=A", "evil.example/Gate.php?ID=A"),
        ("evil.example/a", "evil.example/a"),
        ("//evil.example/a", "evil.example/a"),
        ("http://evil.example:80/a", "evil.example/a"),
        ("https://evil.example:443/a", "evil.example/a"),
        ("evil.example:80/a", "evil.example/a"),
        ("http://evil.example:443/a", "evil.example:443/a"),
        ("newidealupvc.com:443/img/a.php", "newidealupvc.com:443/img/a.php"),
        ("http://evil.example:8080/a", "evil.example:8080/a"),
        ("http://evil.example./a", "evil.example/a"),
        ("http://user:pass@evil.example/a", "evil.example/a"),
        ("http://good.example@evil.example/a", "evil.example/a"),
        ("http://evil.example/a#part", "evil.example/a"),
        ("http://evil.example?a=b", "evil.example/?a=b"),
        ("http://evil.example/?a=b#c", "evil.example/?a=b"),
        ("http://evil.example/a?", "evil.example/a"),
        ("http://evil.example/a b", "evil.example/a%20b"),
        ("http://evil.example/é?q=ü", "evil.example/%C3%A9?q=%C3%BC"),
        ("http://evil.example/%7Ea", "evil.example/%7Ea"),
        ("http://bücher.example/ü", "xn--bcher-kva.example/%C3%BC"),
        ("http:\\\\evil.example\\a\\b", "evil.example/a/b"),
        ("http://evil.example//a/../b", "evil.example//a/../b"),
        ("http://evil.example/f()", "evil.example/f()"),
        ("http://evil.example:/a:b/", "evil.example/a:b/"),
        ("http://198.51.100.7/a", "198.51.100.7/a"),
        ("http://[2001:DB8::0:1]:8080/a", "[2001:db8::1]:8080/a"),
        (
            "http://web.example/web/2020/http://evil.example/",
            "web.example/web/2020/http://evil.example/",
        ),
        ("hxxp://evil[.]example/a[.]php", "evil.example/a.php"),
        ("hxxps[:]//evil[.]example[:]8080[/]a", "evil.example:8080/a"),
        ("hxxps[://]evil[.]example/a", "evil.example/a"),
        ("`hxxp://evil.example/a`", "evil.example/a"),
        ("http://hhxxp.com/hxxp", "hhxxp.com/hxxp"),
        ("hxxp.com/a", "hxxp.com/a"),
        ("ws://evil.example:80/socket", "evil.example/socket"),
        ("1.1.1.1/24", "1.1.1.1/24"),
    ],
)
def test_every_writing_of_a_url_becomes_its_one_spelling(text: str, value: str) -> None:
    assert normalize(T.URL, text) == Key(T.URL, value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("https://evil.example", Key(T.HOSTNAME, "evil.example")),
        ("http://evil.example/", Key(T.HOSTNAME, "evil.example")),
        ("http://evil.example/?", Key(T.HOSTNAME, "evil.example")),
        ("http://evil.example/#/login", Key(T.HOSTNAME, "evil.example")),
        ("http://evil.example:8080/", Key(T.HOSTNAME, "evil.example")),
        ("evil.example/*", Key(T.HOSTNAME, "evil.example")),
        ("ftp://ftp.evil.example", Key(T.HOSTNAME, "ftp.evil.example")),
        ("fxp://ftp.evil.example/", Key(T.HOSTNAME, "ftp.evil.example")),
        ("http://*.evil.example/", Key(T.DOMAIN, "evil.example")),
        ("http://198.51.100.7", Key(T.IP_DST, "198.51.100.7")),
        ("http://198.51.100.7:80/", Key(T.IP_DST, "198.51.100.7")),
        ("https://198.51.100.7:443/", Key(T.IP_DST, "198.51.100.7")),
        ("http://198.51.100.7:8080/", Key(T.IP_DST_PORT, "198.51.100.7,8080")),
        ("tcp://198.51.100.7:80", Key(T.IP_DST_PORT, "198.51.100.7,80")),
        ("[2a12:bec4:1460:50::2]:3478", Key(T.IP_DST_PORT, "2a12:bec4:1460:50::2,3478")),
        ("[2a12:bec4:1460:50::2]", Key(T.IP_DST, "2a12:bec4:1460:50::2")),
        ("2a12:bec4:1460:50::2", Key(T.IP_DST, "2a12:bec4:1460:50::2")),
        ("/dwarkadhish/a.php", Key(T.URI, "/dwarkadhish/a.php")),
        ("///a", Key(T.URI, "///a")),
    ],
)
def test_a_url_without_a_path_is_its_host_and_one_without_a_host_is_a_path(
    text: str, key: Key
) -> None:
    assert normalize(T.URL, text) == key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        ("http://", Reason.NO_HOST),
        ("http:///a", Reason.SINGLE_LABEL),
        ("pnpcom", Reason.SINGLE_LABEL),
        ("http://localhost/a", Reason.SINGLE_LABEL),
        ("http://evil.example:0/a", Reason.PORT),
        ("http://evil.example:http/a", Reason.PORT),
        ("http://evil.example:99999/a", Reason.PORT),
        ("213.165.60.118:22:443", Reason.NOT_ADDRESS),
        ("ftp://evil.example/a", Reason.SCHEME),
        ("http://*.evil.example/a", Reason.WILDCARD),
        ("someone@evil.example", Reason.EMAIL_AS_NAME),
        ("mailto:someone@evil.example", Reason.EMAIL_AS_NAME),
        ("http://a.example/x http://b.example/y", Reason.SEVERAL),
        ("http://a.example/x,hxxp://b.example/y", Reason.SEVERAL),
        ("http://a.examplehttp://b.example", Reason.SEVERAL),
        ("http://evil.example/a\x00b", Reason.CONTROL),
        ("http://evil.example/a\tb", Reason.CONTROL),
        ("http://evil.example/\ufffd", Reason.MISDECODED),
        ("http://evil.example/" + "a" * 4096, Reason.TOO_LONG),
        ("http://evil.example/" + "ü" * 1000, Reason.TOO_LONG),
        ("security[a-z]{3}\\-[a-z]{3,5}\\.top", Reason.CHARACTER),
        ("http://127.0.0.1/a", Reason.SPECIAL),
        (".cc", Reason.EMPTY_LABEL),
        ("/", Reason.BARE_PATH),
    ],
)
def test_a_url_that_no_sensor_can_see_is_refused_with_its_reason(text: str, reason: Reason) -> None:
    with pytest.raises(UnusableValueError) as refused:
        normalize(T.URL, text)
    assert str(refused.value) == reason.value


def test_a_path_keeps_its_case_and_needs_its_slash() -> None:
    assert normalize(T.URI, " /Gate.php?A=B#c ") == Key(T.URI, "/Gate.php?A=B")
    assert normalize(T.URI, "//a") == Key(T.URI, "//a")
    assert normalize(T.URI, "hxxp://evil[.]example/a") == Key(T.URL, "evil.example/a")
    with pytest.raises(UnusableValueError, match=Reason.NOT_PATH):
        normalize(T.URI, "gate.php")
    with pytest.raises(UnusableValueError, match=Reason.BARE_PATH):
        normalize(T.URI, "/")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("evil.example/a?b=c:1", UrlParts("evil.example", None, "/a?b=c:1")),
        ("evil.example:8080/a/b", UrlParts("evil.example", 8080, "/a/b")),
        ("198.51.100.7/a", UrlParts("198.51.100.7", None, "/a")),
        ("[2001:db8::1]/a", UrlParts("[2001:db8::1]", None, "/a")),
        ("[2001:db8::1]:8080/a", UrlParts("[2001:db8::1]", 8080, "/a")),
    ],
)
def test_a_canonical_url_splits_into_what_the_buffers_hold(value: str, parts: UrlParts) -> None:
    assert split_url(value) == parts
