"""What a report wants to be looked for, and what it only mentions."""

from __future__ import annotations

import pytest

from vedette.model import IndicatorType as T
from vedette.prose.reading import Doubt, Doubted, Evidence, Found, chosen, read_prose

MD5 = "9585f0c7dc287d07755e6818e1fa204c"


def read(*lines: str, everything: bool = False) -> tuple[set[str], dict[str, str]]:
    """Return what is taken as ``type=value``, and what is not with its reason."""
    taken, doubted = set(), {}
    for one in chosen(read_prose(enumerate(lines, start=1)), everything=everything):
        if isinstance(one, Found):
            taken.add(f"{one.key.type.value}={one.key.value}")
        else:
            doubted[one.text] = one.reason
    return taken, doubted


def test_what_is_defanged_is_taken_wherever_it_stands() -> None:
    taken, doubted = read(
        "The loader asks evil[.]example, then hxxps://c2[.]example/gate and 198.51.100[.]7:8080.",
        "Mail came from bad[at]evil[.]example (see www.vendor.com).",
    )
    assert taken == {
        "domain=evil.example",
        "url=c2.example/gate",
        "ip-dst-port=198.51.100.7,8080",
        "email-src=bad@evil.example",
    }
    assert doubted == {"www.vendor.com": Doubt.MENTIONED}


def test_a_name_that_looks_like_a_defanged_scheme_stays_itself() -> None:
    taken, _ = read("hhxxp.com", "hxxp://hhxxp[.]com/a", "hxxp.com")
    assert taken == {"domain=hhxxp.com", "domain=hxxp.com", "url=hhxxp.com/a"}


def test_what_stands_alone_is_taken() -> None:
    taken, doubted = read(
        "* evil.example", "C2,203.0.113.9,443", "| other.example |", "a b.example c"
    )
    assert taken == {"domain=evil.example", "ip-dst=203.0.113.9", "domain=other.example"}
    assert doubted == {
        "b.example": "dotted word in prose, neither defanged nor with a common ending"
    }


def test_hashes_are_taken_from_sentences() -> None:
    assert read(f"The sample ({MD5}) was dropped.")[0] == {f"md5={MD5}"}


def test_links_are_taken_where_nothing_is_defanged_and_not_where_something_is() -> None:
    link = "http://evil.example/gate"
    assert read(link, f"URL,{link}b,seen")[0] == {"url=evil.example/gate", "url=evil.example/gateb"}
    assert read(f"Visit {link} for more.")[1] == {"evil.example/gate": Doubt.MENTIONED}
    taken, doubted = read("other[.]example", "https://www.vendor.com/report")
    assert taken == {"domain=other.example"}
    assert doubted == {"www.vendor.com/report": Doubt.LINK}
    hashes = [f"{number:032x}" for number in range(4)]
    assert read(link, *hashes)[1] == {"evil.example/gate": Doubt.LINK}
    listed = [f"http://evil-{number}.example/a" for number in range(3)]
    assert len(read(*listed, *hashes)[0]) == 7


def test_the_best_evidence_for_a_value_counts() -> None:
    taken, doubted = read("We saw evil.com and others.", "evil[.]com")
    assert taken == {"domain=evil.com"}
    assert not doubted


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("invoice.exe", Doubt.FILENAME),
        ("payload.zip", Doubt.FILENAME),
        ("GET /index.html HTTP/1.1", Doubt.PATH),
        ("/etc/passwd", Doubt.PATH),
        ("00:11:22:33:44:55", "MAC address"),
    ],
)
def test_what_would_match_the_whole_network_is_never_taken_unasked(line: str, reason: str) -> None:
    taken, doubted = read(line)
    assert not taken
    assert set(doubted.values()) == {reason}


def test_a_name_that_may_be_a_file_is_what_its_writer_says() -> None:
    assert read("evil[.]zip")[0] == {"domain=evil.zip"}
    assert read("evil.pl")[0] == {"domain=evil.pl"}


def test_everything_can_be_asked_for() -> None:
    taken, doubted = read("invoice.exe", "see www.vendor.com/report today", everything=True)
    assert taken == {"filename=invoice.exe", "url=www.vendor.com/report"}
    assert not doubted


def test_every_value_says_where_and_how_it_was_found() -> None:
    found = list(read_prose([(7, "evil[.]example"), (9, "no name at all. 999.1.1.1")]))
    assert found[0] == Found(found[0].key, 7, Evidence.DEFANGED)  # type: ignore[union-attr]
    assert found[0].key.type is T.DOMAIN  # type: ignore[union-attr]
    assert found[1] == Doubted("999.1.1.1", 9, "not an IP address")
