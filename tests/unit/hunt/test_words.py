"""What one word may mean."""

from __future__ import annotations

import pytest

from vedette.errors import UnusableValueError
from vedette.hunt.words import host_of, meanings, widened
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.prose.words import Why

MD5 = "9585F0C7DC287D07755E6818E1FA204C"


def told(word: str, *, alone: bool = True, sure: bool = False) -> list[str]:
    return [f"{kind}={value}" for kind, value in meanings(word, alone=alone, sure=sure)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Evil.COM", ["domain=evil.com"]),
        ("evil.com.", ["domain=evil.com"]),
        ("evil.com:8080", ["domain=evil.com"]),
        ("1.2.3.4", ["ip-dst=1.2.3.4", "ip-src=1.2.3.4"]),
        ("1.2.3.4:443", ["ip-dst-port=1.2.3.4,443"]),
        ("10.1.0.0/16", ["ip-dst=10.1.0.0/16", "ip-src=10.1.0.0/16"]),
        ("2001:DB8::1", ["ip-dst=2001:db8::1", "ip-src=2001:db8::1"]),
        ("[2001:db8::1]:443", ["ip-dst-port=2001:db8::1,443"]),
        ("http://Evil.com/A?b", ["url=evil.com/A?b"]),
        ("https://evil.com/", ["hostname=evil.com"]),
        ("ftp://evil.com/x", ["hostname=evil.com"]),
        ("tcp://1.2.3.4:99", ["ip-dst-port=1.2.3.4,99"]),
        ("evil.com/gate.php", ["url=evil.com/gate.php"]),
        ("evil.com:80:/gate.php", ["url=evil.com/gate.php"]),
        ("/gate.php", ["uri=/gate.php"]),
        ("a@evil.com", ["email-src=a@evil.com", "email-dst=a@evil.com"]),
        (
            MD5,
            [
                f"{t}={MD5.lower()}"
                for t in (["md5", "ja3", "ja3s", "hassh", "hassh-server", "cert-md5"])
            ],
        ),
        ("A" * 40, [f"{t}={'a' * 40}" for t in ("sha1", "cert-sha1")]),
        ("A" * 64, [f"{t}={'a' * 64}" for t in ("sha256", "cert-sha256")]),
        (":".join(["AB"] * 20), [f"cert-sha1={'ab' * 20}"]),
        (
            "t13d1516h2_8daaf6152771_e5627efa2ab1",
            ["ja4=t13d1516h2_8daaf6152771_e5627efa2ab1"],
        ),
        ("invoice.exe", ["filename=invoice.exe"]),
        (f"{MD5}.exe", [f"filename={MD5.lower()}.exe", f"md5={MD5.lower()}"]),
        ("readme.md", ["domain=readme.md", "filename=readme.md"]),
        (r"C:\Users\x\Evil.dll", ["filename=evil.dll"]),
        ("word", []),
        ("1.2", []),
        ("e.g", []),
        ("12:30:45", []),
        ("Win32/Agent.AB", []),
    ],
)
def test_what_a_word_may_mean(word: str, expected: list[str]) -> None:
    assert told(word)[: len(expected) or None] == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("1.2.3.5/24", "network with host bits set"),
        ("127.0.0.1", "address of no host"),
        ("1.2.3.4:0", "bad port"),
        ("00:11:22:33:44:55", Why.MAC),
        ("ab" * 64, Why.HASH),
        ("ab" * 30, "wrong hash length"),
        ("http://localhost/x", "single label"),
        ("name.de5", "impossible top-level domain"),
        ("999.1.1.1", "not an IP address"),
    ],
)
def test_what_looks_like_a_value_and_is_none_is_said(word: str, reason: str) -> None:
    with pytest.raises(UnusableValueError, match=reason):
        told(word)


def test_a_dotted_word_of_a_sentence_is_a_name_if_it_ends_like_one() -> None:
    assert told("evil.top", alone=False) == ["domain=evil.top"]
    assert told("evil.ru", alone=False) == ["domain=evil.ru"]
    assert told("end.Then", alone=False, sure=True) == ["domain=end.then"]
    with pytest.raises(UnusableValueError, match=Why.UNCOMMON):
        told("end.Then", alone=False)
    assert told("v1.2.3", alone=False) == []
    assert told("/etc/passwd", alone=False) == []


def test_hosts_of_urls_and_ports() -> None:
    assert host_of(Key(T.URL, "evil.com:8080/x")) == (Key(T.HOSTNAME, "evil.com"),)
    ends = (Key(T.IP_DST, "1.2.3.4"), Key(T.IP_SRC, "1.2.3.4"))
    assert host_of(Key(T.URL, "1.2.3.4/x")) == ends
    assert host_of(Key(T.IP_DST_PORT, "1.2.3.4,80")) == ends
    assert host_of(Key(T.DOMAIN, "evil.com")) == ()
    assert widened(Key(T.SHA1, "a" * 40)) == (Key(T.SHA1, "a" * 40),)
