"""Each format: what it takes from a line, what it refuses, and how it is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vedette.model import IndicatorType as T
from vedette.model import Skipped
from vedette.sources.formats import FORMATS, FormatError, Options, Refused, Row, detect

SHA1 = "19e664f09401bf648b6ea57719e34ad795f3b6cb"
JA3 = "b386946a5a44d1ddcc843bc75336dfce"


def read(
    name: str, text: str, kind: T = T.DOMAIN, column: str = "", delimiter: str = ""
) -> list[Row]:
    lines = text.splitlines()
    options = Options(type=kind, column=column, delimiter=delimiter)
    parser = FORMATS[name].parser(options, lines)
    return [row for line in lines for row in parser.feed(line)]


def values(rows: Sequence[Row]) -> list[str]:
    return [row[1] for row in rows if not isinstance(row, (Refused, Skipped))]


def test_lines_hold_one_value_and_perhaps_a_comment() -> None:
    text = "# head\n; head\n// head\n\n a.example \r\nb.example # C2\nc.example#C2\n*.d.example\n"
    assert read("lines", text) == [
        (T.DOMAIN, "a.example", ""),
        (T.DOMAIN, "b.example", "C2"),
        (T.DOMAIN, "c.example", "C2"),
        (T.DOMAIN, "*.d.example", ""),
    ]


def test_a_semicolon_behind_a_value_begins_a_comment_too() -> None:
    text = "; Spamhaus\n192.0.2.0/24 ; SBL1\n198.51.100.0/24\t; SBL2 # x\n"
    assert read("lines", text, T.IP_DST) == [
        (T.IP_DST, "192.0.2.0/24", "SBL1"),
        (T.IP_DST, "198.51.100.0/24", "SBL2 # x"),
    ]


def test_a_url_keeps_its_fragment_but_not_a_comment() -> None:
    text = "http://a.example/#x\nhttp://a.example/b # stage 2\nhttp://a.example/c;d ;e\n"
    assert values(read("lines", text, T.URL)) == [
        "http://a.example/#x",
        "http://a.example/b",
        "http://a.example/c;d ;e",
    ]


def test_a_text_that_is_matched_whole_has_no_comment() -> None:
    assert values(read("lines", "#c\nEvil # 1/2, x; y\n", T.USER_AGENT)) == ["Evil # 1/2, x; y"]


def test_a_hosts_file_gives_the_names_that_go_into_a_sink() -> None:
    text = (
        "127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\n0.0.0.0 0.0.0.0\n"
        "0.0.0.0 a.example b.example # family\n127.0.0.1\tc.example\n:: d.example\n"
        "192.168.1.5 printer.example\nplain.example\n# comment\n"
    )
    rows = read("hosts", text)
    assert rows == [
        Skipped("name of the machine itself"),
        Skipped("name of the machine itself"),
        Skipped("name of the machine itself"),
        Skipped("name of the machine itself"),
        (T.DOMAIN, "a.example", "family"),
        (T.DOMAIN, "b.example", "family"),
        (T.DOMAIN, "c.example", ""),
        (T.DOMAIN, "d.example", ""),
        Skipped("hosts entry for a real address"),
        (T.DOMAIN, "plain.example", ""),
    ]


def test_an_ad_blocker_list_gives_the_names_that_are_blocked_everywhere() -> None:
    text = (
        "[Adblock Plus 2.0]\n! comment\n||a.example^\n||b.example^$third-party,important\n"
        "||*.c.example^\nd.example\n||e.example/path^\n||198.51.100.7^\n"
        "@@||good.example^\n||f.example^$badfilter\n||g.example^$domain=h.example\n"
        "example.org##.ad\n/banner[0-9]+/\n||ads.*.example^\n|https://i.example|\n"
    )
    rows = read("adblock", text)
    assert values(rows) == [
        "a.example",
        "b.example",
        "*.c.example",
        "d.example",
        "e.example/path",
        "198.51.100.7",
    ]
    assert [row for row in rows if isinstance(row, Skipped)] == [
        Skipped("exception rule"),
        Skipped("exception rule"),
        Skipped("rule for some pages or clients only"),
        Skipped("cosmetic rule"),
    ]
    assert [row.text for row in rows if isinstance(row, Refused)] == [
        "/banner[0-9]+/",
        "||ads.*.example^",
        "|https://i.example|",
    ]


def test_dnsmasq_gives_the_names_that_are_blocked_not_those_that_are_forwarded() -> None:
    text = (
        "# comment\naddress=/a.example/0.0.0.0\naddress=/b.example/c.example/ # two\n"
        "local=/d.example/\nserver=/e.example/\nserver=/corp.example/10.0.0.53\n"
        "address=/#/0.0.0.0\nno-resolv\ncache-size=1000\nNot A Setting\n"
    )
    rows = read("dnsmasq", text)
    assert values(rows) == ["a.example", "b.example", "c.example", "d.example", "e.example"]
    assert rows[1] == (T.DOMAIN, "b.example", "two")
    assert rows[5:] == [
        Skipped("name that is forwarded, not blocked"),
        Refused("address=/#/0.0.0.0", "setting for every name"),
        Skipped("other dnsmasq setting"),
        Skipped("other dnsmasq setting"),
        Refused("Not A Setting", "not a dnsmasq setting"),
    ]


def test_a_policy_zone_gives_its_triggers_whatever_the_policy() -> None:
    text = (
        "; comment\n$TTL 300\n$ORIGIN rpz.example.\n"
        "@ IN SOA localhost. root.localhost. (\n  1 43200\n  3600 259200 300 )\n"
        "@ IN NS localhost.\na.example CNAME .\n*.a.example CNAME .\nb.example 60 IN CNAME *. ; x\n"
        "c.example IN CNAME rpz-drop.\nd.example.rpz.example. CNAME .\ne.example. CNAME .\n"
        "f.example A 127.0.0.1\n        AAAA ::1\ngood.example CNAME rpz-passthru.\n"
        "32.7.100.51.198.rpz-ip CNAME .\n24.0.100.51.198.rpz-ip CNAME .\n"
        "128.1.zz.db8.2001.rpz-ip CNAME .\n32.zz.db8.2001.rpz-ip CNAME .\n"
        "32.9.100.51.198.rpz-client-ip CNAME .\nns.example.rpz-nsdname CNAME .\nnot a record\n"
    )
    rows = read("rpz", text)
    assert values(rows) == [
        "a.example",
        "*.a.example",
        "b.example",
        "c.example",
        "d.example",
        "e.example",
        "f.example",
        "198.51.100.7/32",
        "198.51.100.0/24",
        "2001:db8::1/128",
        "2001:db8::/32",
    ]
    assert [row for row in rows if isinstance(row, (Refused, Skipped))] == [
        Skipped("exception rule"),
        Skipped("trigger on name servers or clients"),
        Skipped("trigger on name servers or clients"),
        Refused("not a record", "not a record"),
    ]


def test_address_and_port_may_be_written_apart() -> None:
    text = "198.51.100.7:80\n198.51.100.7,81\n198.51.100.7 82 # C2\n198.51.100.7;83\n198.51.100.8\n"
    assert read("ip-port", text, T.IP_DST) == [
        (T.IP_DST_PORT, "198.51.100.7:80", ""),
        (T.IP_DST_PORT, "198.51.100.7,81", ""),
        (T.IP_DST_PORT, "198.51.100.7,82", "C2"),
        (T.IP_DST_PORT, "198.51.100.7,83", ""),
        (T.IP_DST_PORT, "198.51.100.8", ""),
    ]
    assert read("ip-port", text, T.IP_SRC)[0][0] is T.IP_SRC_PORT


ZEEK = (
    "#fields\tindicator\tindicator_type\tmeta.source\tmeta.do_notice\tmeta.desc\n"
    "198.51.100.7\tIntel::ADDR\tX\tF\tRECON\n"
    "evil.example\tIntel::DOMAIN\tX\tF\t-\n"
    "evil.example/a\tIntel::URL\tX\tF\n"
    "0be8f44f5351a6cbef1a54a6de7674e1219d65b6\tIntel::FILE_HASH\tX\tF\tY\n"
    "a@evil.example\tIntel::EMAIL\tX\tF\tY\n"
    "someone\tIntel::USER_NAME\tX\tF\tY\n"
    "\nhalf a row\n"
)


def test_zeek_rows_say_their_own_type() -> None:
    assert read("zeek", ZEEK, T.MD5) == [
        (T.IP_DST, "198.51.100.7", "RECON"),
        (T.DOMAIN, "evil.example", ""),
        (T.URL, "evil.example/a", ""),
        (T.SHA256, "0be8f44f5351a6cbef1a54a6de7674e1219d65b6", "Y"),
        (T.EMAIL_SRC, "a@evil.example", "Y"),
        Skipped("Zeek type USER_NAME"),
        Refused("half a row", "row without its fields"),
    ]


def test_the_type_of_the_list_chooses_among_what_a_zeek_type_may_mean() -> None:
    assert [read("zeek", ZEEK, kind)[1][0] for kind in (T.HOSTNAME, T.DOMAIN, T.URL)] == [
        T.HOSTNAME,
        T.DOMAIN,
        T.DOMAIN,
    ]
    assert read("zeek", ZEEK, T.IP_SRC)[0][0] is T.IP_SRC


def test_a_zeek_header_without_indicators_costs_only_its_rows() -> None:
    rows = read("zeek", "#fields\tx\ty\na\tb\n" + ZEEK)
    assert rows[0] == Refused("a\tb", "row without its fields")
    assert len(rows) == 8


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (
            f"SHA1,ListingReason,ListingDate\n{SHA1},RAT C&C,12/22/2023 6:58",
            (T.CERT_SHA1, SHA1, "RAT C&C"),
        ),
        (
            f'# Listingdate,SHA1,Listingreason\n2023-12-22,{SHA1},"RAT, C&C"',
            (T.CERT_SHA1, SHA1, "RAT, C&C"),
        ),
        (
            f"# ja3_md5,Firstseen,Lastseen,Listingreason\n{JA3},2017-07-14,2019-07-27,Dridex",
            (T.JA3, JA3, "Dridex"),
        ),
        (
            "# Firstseen,DstIP,DstPort\n2023-12-22 06:58:00,198.51.100.7,8443",
            (T.IP_DST_PORT, "198.51.100.7,8443", ""),
        ),
        (
            f"x,{SHA1},RAT",
            (T.CERT_SHA1, SHA1, ""),
        ),
        (f"x,{JA3}", (T.JA3, JA3, "")),
        ("a,b", Refused("a,b", "row without its fields")),
        (f"\n{JA3}", (T.JA3, JA3, "")),
    ],
)
def test_sslbl_files_are_told_apart_by_their_header_or_their_cells(text: str, row: Row) -> None:
    assert read("sslbl", text) == [row]


@pytest.mark.parametrize(
    ("text", "column", "kind", "expected"),
    [
        ("type,indicator,app\ndomain,a.example,x\n", "", T.DOMAIN, ["a.example"]),
        ("type,indicator,app\ndomain,a.example,x\n", "Indicator", T.DOMAIN, ["a.example"]),
        ("type,indicator,app\ndomain,a.example,x\n", "2", T.DOMAIN, ["a.example"]),
        ("# when,what\n2026-01-01,a.example\n", "what", T.DOMAIN, ["a.example"]),
        ("# when,what\n2026-01-01,a.example\n", "", T.DOMAIN, ["a.example"]),
        ("198.51.100.7\t10\n198.51.100.8\t9\n", "", T.IP_SRC, ["198.51.100.7", "198.51.100.8"]),
        ("name;address\nx;198.51.100.7\n", "address", T.IP_DST, ["198.51.100.7"]),
        ('a,"x, y",a.example\nb,"say ""z""",b.example\n', "", T.DOMAIN, ["a.example", "b.example"]),
        ('x,"first\nsecond",a.example\ny,z,b.example\n', "3", T.DOMAIN, ["a.example", "b.example"]),
    ],
)
def test_a_csv_column_is_named_numbered_or_the_only_one_that_can_be_meant(
    text: str, column: str, kind: T, expected: list[str]
) -> None:
    assert values(read("csv", text, kind, column)) == expected


def test_a_quote_that_is_never_closed_costs_one_line() -> None:
    good = "".join(f"x,{number}.example\n" for number in range(1, 60))
    rows = read("csv", "indicator_no,ioc\n" + 'x,"0.example\n' + good, column="ioc")
    assert values(rows)[-59:] == [f"{number}.example" for number in range(1, 60)]
    assert len(rows) == 60


def test_a_short_row_is_refused() -> None:
    assert read("csv", "a,domain\nb\nx,a.example\n", column="domain") == [
        Refused("b", "row without the column"),
        (T.DOMAIN, "a.example", ""),
    ]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("domain,trail\na.example,x\n", "host", "has no column 'host'"),
        ("a.example,b.example\nc.example,d.example\n", "", "more than one column"),
        ("1,2\n3,4\n", "", "no column"),
    ],
)
def test_a_column_that_cannot_be_meant_is_an_error_that_shows_the_columns(
    text: str, column: str, message: str
) -> None:
    with pytest.raises(FormatError, match=message) as failed:
        read("csv", text, column=column)
    assert text.split(",", maxsplit=1)[0] in failed.value.hint


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("zeek", ZEEK, T.DOMAIN),
        ("sslbl", "# x\n# ja3_md5,Firstseen,Lastseen,Listingreason\na,b\n", T.JA3),
        ("sslbl", "SHA1,ListingReason,ListingDate\na,b,c\n", T.CERT_SHA1),
        ("adblock", "! x\n||a.example^\n||b.example^\n", T.DOMAIN),
        ("adblock", "[Adblock Plus]\n! x\na.example\n", T.DOMAIN),
        ("dnsmasq", "# x\naddress=/a.example/0.0.0.0\n", T.DOMAIN),
        ("rpz", "$TTL 300\n@ IN SOA localhost. root. (1 2 3 4 5)\na.example CNAME .\n", T.DOMAIN),
        ("rpz", "; x\na.example CNAME .\n*.a.example CNAME .\n", T.DOMAIN),
        ("hosts", "# x\n127.0.0.1 localhost\n0.0.0.0 a.example\n", T.DOMAIN),
        ("ip-port", "198.51.100.7:80\n198.51.100.8:81\n", T.IP_DST),
        ("csv", "domain,trail\na.example,x\n", T.DOMAIN),
        ("csv", "# IP\tn\n198.51.100.7\t10\n", T.IP_SRC),
        ("lines", "# x\na.example\nb.example # y, z\n", T.DOMAIN),
        ("lines", "http://a.example/x,y\nhttp://a.example/z\n", T.URL),
        ("lines", "Mozilla/4.0 (x; y)\nMozilla/5.0 (x; y)\n", T.USER_AGENT),
        ("lines", "", T.DOMAIN),
        ("lines", "# nothing but a comment\n", T.DOMAIN),
    ],
)
def test_the_first_lines_tell_the_format(name: str, text: str, kind: T) -> None:
    assert detect(Options(type=kind), text.splitlines()) == name


def test_a_named_column_means_csv() -> None:
    assert detect(Options(type=T.USER_AGENT, column="ua"), ["a;b,c"]) == "csv"
