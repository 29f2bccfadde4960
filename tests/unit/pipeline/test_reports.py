"""What a report of any kind holds."""

from __future__ import annotations

import io
import json
from email.message import EmailMessage

import pytest

from vedette.errors import UsageError
from vedette.model import IndicatorType
from vedette.model import IndicatorType as T
from vedette.pipeline import reports
from vedette.pipeline.reports import UNREAD, Reading, read_report


def read(
    content: str | bytes, kind: IndicatorType | None = None, *, everything: bool = False
) -> Reading:
    raw = content.encode() if isinstance(content, str) else content
    stream = io.BufferedReader(io.BytesIO(raw))  # type: ignore[type-var]
    return read_report(stream, where="report", kind=kind, everything=everything)


def values(reading: Reading) -> set[str]:
    return {f"{key.type.value}={key.value}" for key in reading.rows}


def test_prose_in_every_line_end_and_encoding_is_read() -> None:
    text = "Indicators:\r\nevil[.]example\r\nhxxp://c2[.]example/a\r\nInvoice.exe\r\n"
    for content in (text, text.replace("\r\n", "\r"), text.encode("utf-16"), "\ufeff" + text):
        reading = read(content)
        assert values(reading) == {"domain=evil.example", "url=c2.example/a"}
        assert reading.rejected == {"file name": 1}
        assert reading.samples == {"file name": ["invoice.exe"]}
        assert reading.types() == {"domain": 1, "url": 1}
        assert reading.examples("domain") == ["evil.example"]


def test_a_message_is_read_without_its_headers() -> None:
    reading = read(
        "Received: from 198.51.100.99\nFrom: a@b.example\nSubject: x\n\nevil[.]example\n"
    )
    assert reading.form == "e-mail"
    assert values(reading) == {"domain=evil.example"}


def test_what_is_attached_to_a_message_is_counted() -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "a@b.example", "x"
    message.set_content("evil[.]example")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="r.pdf")
    reading = read(message.as_bytes())
    assert values(reading) == {"domain=evil.example"}
    reason = "attachment: save it, and import it by itself"
    assert reading.samples == {reason: ["r.pdf"]}


def test_the_end_of_a_message_that_is_too_long_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_MAIL_MAX", 60)
    reading = read("From: a@b.example\nSubject: x\n\nevil[.]example\n" + "a" * 60)
    assert values(reading) == {"domain=evil.example"}
    assert reading.rejected == {"e-mail longer than 60 bytes": 1}


def test_a_web_page_is_read_without_its_links() -> None:
    page = (
        "<!DOCTYPE html><html><a href='https://www.vendor.com/blog'>blog</a>\n"
        "<td>evil[.]example</td><td>198.51.100.7&#58;443</td>\n</html>"
    )
    reading = read(page)
    assert reading.form == "HTML page"
    assert {"domain=evil.example"} <= values(reading)
    assert not any("vendor" in value for value in values(reading))


def test_scripts_and_styles_of_a_web_page_are_counted_and_not_taken() -> None:
    page = (
        "<!DOCTYPE html><html><head><style>@import 'hxxp://fonts[.]example/a.css';</style>\n"
        "<script>\ntrack[.]example\nevil[.]example\n198.51.100.9\n198.51.100.9\n</script>\n"
        "<td>evil[.]example</td><script>x()</script>\n198.51.100.7\n</html>"
    )
    for everything in (False, True):
        reading = read(page, everything=everything)
        assert values(reading) == {"domain=evil.example", "ip-dst=198.51.100.7"}
        assert reading.rejected == {UNREAD: 3}
        assert reading.samples[UNREAD] == ["fonts.example/a.css", "track.example", "198.51.100.9"]


def test_a_misp_event_says_itself_what_its_values_are() -> None:
    event = {
        "uuid": "aaaaaaaa-0000-4000-8000-000000000000",
        "info": "Case",
        "Tag": [{"name": "tlp:amber"}],
        "Attribute": [
            {"type": "domain", "value": "evil.example", "to_ids": True},
            {"type": "ip-src", "value": "198.51.100.7", "to_ids": True},
            {"type": "text", "value": "note", "to_ids": True},
            {"type": "domain", "value": "context.example", "to_ids": False},
            {"type": "domain", "value": "no name at all", "to_ids": True},
        ],
    }
    reading = read(json.dumps({"Event": event}))
    assert reading.form == "MISP event"
    assert values(reading) == {"domain=evil.example", "ip-src=198.51.100.7"}
    assert reading.tlp == "amber"
    assert reading.skipped["to_ids is false"] == 1
    assert reading.rejected["several values in one"] == 1
    (row, *_) = reading.rows.values()
    assert row.comment == "Case"


def test_a_stix_bundle_says_itself_what_its_values_are() -> None:
    one = {
        "type": "indicator",
        "id": "indicator--1",
        "pattern": "[ipv4-addr:value = '198.51.100.7' AND network-traffic:dst_port = 443]",
        "valid_until": "2100-01-01T00:00:00Z",
        "confidence": 90,
        "labels": ["tlp:red"],
    }
    two = {**one, "id": "indicator--2", "pattern": "[mutex:name = 'm']"}
    bad = {**one, "id": "indicator--3", "labels": 5}
    reading = read(json.dumps({"type": "bundle", "objects": [one, two, bad]}))
    assert reading.form == "STIX bundle"
    assert values(reading) == {"ip-dst-port=198.51.100.7,443"}
    (row,) = reading.rows.values()
    assert (row.expires, row.confidence, reading.tlp) == (4_102_444_800, 90, "red")
    assert reading.skipped == {"no engine can match mutex:name": 1}
    assert sum(reading.rejected.values()) == 1


def test_other_json_is_read_as_text() -> None:
    assert values(read('{"iocs": ["evil.example", "198.51.100.7"], "note": "seen"}')) == {
        "domain=evil.example",
        "ip-dst=198.51.100.7",
    }


@pytest.mark.parametrize(
    ("content", "form", "expected"),
    [
        ("0.0.0.0 evil.example\n0.0.0.0 other.example\n", "hosts", "domain=evil.example"),
        ("||evil.example^\n||other.example^\n", "adblock", "domain=evil.example"),
        (
            "#fields\tindicator\tindicator_type\nevil.example\tIntel::DOMAIN\n",
            "zeek",
            "domain=evil.example",
        ),
    ],
)
def test_lists_in_known_formats_are_recognised(content: str, form: str, expected: str) -> None:
    reading = read(content)
    assert reading.form == f"list ({form})"
    assert expected in values(reading)


def test_a_table_is_read_cell_by_cell() -> None:
    table = "type,value,seen\nC2,evil.example,2026\nhash," + "a" * 64 + ",x\nip,198.51.100.7,y\n"
    assert values(read(table)) == {
        "domain=evil.example",
        f"sha256={'a' * 64}",
        "ip-dst=198.51.100.7",
    }


def test_a_type_decides_what_every_value_is() -> None:
    digest = "a" * 32
    assert values(read(f"# fingerprints\n{digest}\nseen {'b' * 32}\n", T.JA3)) == {
        f"ja3={digest}",
        f"ja3={'b' * 32}",
    }
    reading = read("Mozilla/5.0 (evil; x)\n", T.USER_AGENT)
    assert values(reading) == {"user-agent=Mozilla/5.0 (evil; x)"}
    assert values(read("invoice.exe\nC:\\x\\y.dll\n", T.FILENAME)) == {
        "filename=invoice.exe",
        "filename=y.dll",
    }
    assert read("no hash\n", T.MD5).rejected == {"not hexadecimal": 1}


def test_everything_takes_what_is_mentioned() -> None:
    text = "We asked www.vendor.com about evil[.]example."
    assert values(read(text)) == {"domain=evil.example"}
    assert values(read(text, everything=True)) == {"domain=evil.example", "domain=www.vendor.com"}


@pytest.mark.parametrize("content", [b"%PDF-1.7\n\x00\x01", bytes(range(32)) * 100])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError, match="no text"):
        read(content)


def test_an_empty_report_holds_nothing() -> None:
    assert not read("").rows
