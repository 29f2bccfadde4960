"""What the network showed is spelt as an indicator would be, and nothing is refused."""

from __future__ import annotations

import pytest

from vedette.normalize import observed


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("www.evil.example", "www.evil.example"),
        ("WwW.EviL.example.", "www.evil.example"),
        (" evil.example ", "evil.example"),
        ("evil.example..", "evil.example."),  # one dot is the root; two are what was asked
        ("bücher.example", "xn--bcher-kva.example"),
        ("b\ufffdcher.EXAMPLE", "b\ufffdcher.example"),
        ("WPAD", "wpad"),
        ("_ldap._tcp.DC._msdcs.corp.example", "_ldap._tcp.dc._msdcs.corp.example"),
        ("1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "127.0.0.1"),
        ("\\x00\\xFF.example", "\\x00\\xff.example"),
        ("*.Evil.example", "*.evil.example"),
        ("[2001:0DB8:0000::0001]", "2001:db8::1"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("a:b", "a:b"),
        ("evil[.]example", "evil[.]example"),  # nobody defangs on the wire
        (".", ""),
        ("", ""),
    ],
)
def test_names(text: str, kept: str) -> None:
    assert observed.name(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3.4.", "1.2.3.4"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("::1", "::1"),
        ("0000:0000:0000:0000:0000:0000:0000:0000", "::"),
        ("2A00:1450:4007:080A:0000:0000:0000:200E", "2a00:1450:4007:80a::200e"),
        ("0000:0000:0000:0000:0000:ffff:0102:0304", "1.2.3.4"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("1:2:3", "1:2:3"),
        (" Not an Address ", "not an address"),
        ("", ""),
    ],
)
def test_addresses(text: str, kept: str) -> None:
    assert observed.address(text) == kept


@pytest.mark.parametrize(
    ("text", "port", "kept"),
    [
        ("1.2.3.4", 443, "1.2.3.4,443"),
        ("2001:0db8::0001", 65535, "2001:db8::1,65535"),
        ("1.2.3.4", 0, ""),
        ("1.2.3.4", 65536, ""),
        ("", 443, ""),
    ],
)
def test_addresses_with_port(text: str, port: int, kept: str) -> None:
    assert observed.address_port(text, port) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("phish.Example/Login?a=B", "phish.example/Login?a=B"),
        ("http://phish.example/x", "phish.example/x"),
        ("https://phish.example:443/x", "phish.example/x"),
        ("https://phish.example:8443/x", "phish.example:8443/x"),
        ("http://phish.example:0080/x", "phish.example/x"),
        ("ftp://phish.example:21/x", "phish.example:21/x"),
        ("http://user:pass@phish.example/x", "phish.example/x"),
        ("http://[2001:0db8::0001]:8080/x", "[2001:db8::1]:8080/x"),
        ("phish.example", "phish.example/"),
        ("phish.example?", "phish.example/"),
        ("phish.example/x#part", "phish.example/x"),
        ("phish.example/é x", "phish.example/%C3%A9%20x"),
        ("http:\\\\not", "http:\\\\not/"),
        ("http://", ""),
        ("", ""),
    ],
)
def test_urls(text: str, kept: str) -> None:
    assert observed.url(text) == kept


@pytest.mark.parametrize(
    ("hostname", "port", "target", "kept"),
    [
        ("Evil.example", 0, "/gate.php?id=1", "evil.example/gate.php?id=1"),
        ("evil.example", 80, "/", "evil.example/"),
        ("evil.example", 443, "/x", "evil.example:443/x"),
        ("evil.example", 70_000, "/x", "evil.example/x"),
        ("evil.example", 8080, "/x?", "evil.example:8080/x"),
        ("evil.example", 0, "//x", "evil.example//x"),
        ("evil.example", 0, "*", "evil.example/*"),
        ("evil.example", 0, "/a b#c", "evil.example/a%20b"),
        ("proxy.example", 3128, "http://Evil.example:80/x", "evil.example/x"),
        ("2001:0db8::1", 8080, "/x", "[2001:db8::1]:8080/x"),
        ("", 0, "/gate.php", "/gate.php"),
        ("evil.example", 0, "/libhtp::request_uri_not_seen", ""),
        ("evil.example", 0, " ", ""),
        ("evil.example", 0, "", ""),
    ],
)
def test_request_urls(hostname: str, port: int, target: str, kept: str) -> None:
    assert observed.request_url(hostname, port, target) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
        ("D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"),
        ("0A:a1:18:c3", "0aa118c3"),
        (" ab cd ", "abcd"),
        (" Not:Hex ", "Not:Hex"),
        ("", ""),
    ],
)
def test_hashes(text: str, kept: str) -> None:
    assert observed.hexadecimal(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a@evil.example", "a@evil.example"),
        ("<A@Evil.example>", "a@evil.example"),
        ('"Bad Guy" <A.B@evil.EXAMPLE>', "a.b@evil.example"),
        ("<a@evil.example> SIZE=1024", "a@evil.example"),
        ("mailto:a@evil.example", "a@evil.example"),
        ("Jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        ("root@localhost", "root@localhost"),
        ('"Doe', '"doe'),
        ("<>", ""),
        ("", ""),
    ],
)
def test_mail_addresses(text: str, kept: str) -> None:
    assert observed.mail(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Invoice.PDF.exe", "invoice.pdf.exe"),
        ("/cgi-bin/Gate.php", "gate.php"),
        ("C:\\Users\\x\\Evil.exe", "evil.exe"),
        ('"evil.exe"', "evil.exe"),
        ("Ärger.DOC", "Ärger.doc"),  # the engine lowers ASCII only
        ("Ä/B", "b"),
        ("/", ""),
        ("", ""),
    ],
)
def test_file_names(text: str, kept: str) -> None:
    assert observed.filename(text) == kept


def test_other_texts_stay_as_they_are() -> None:
    assert observed.plain("\t Mozilla/5.0 (X) \r\n") == "Mozilla/5.0 (X)"
