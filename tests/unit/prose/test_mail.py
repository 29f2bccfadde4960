"""The text of e-mails, however it was packed."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from vedette.prose.mail import is_mail, read_mail


def a_message() -> EmailMessage:
    message = EmailMessage()
    message["Received"] = "from mx.innocent.example (198.51.100.99)"
    message["From"] = "analyst@partner.example"
    message["Subject"] = "indicators"
    return message


def test_long_lines_that_were_folded_are_whole_again() -> None:
    message = a_message()
    url = "hxxps://evil[.]example/" + "a" * 120
    message.set_content(f"Blöck this: {url}\n", cte="quoted-printable")
    document = message.as_bytes()
    assert url.encode() not in document
    assert is_mail(document)
    assert url in read_mail(document).text


def test_headers_and_attachments_are_left_out() -> None:
    message = a_message()
    message.set_content("evil[.]example")
    message.add_attachment("attached[.]example", filename="list.txt")
    text, attachments = read_mail(message.as_bytes())
    assert "evil[.]example" in text
    assert "innocent" not in text
    assert "attached" not in text
    assert attachments == ["list.txt"]


def test_of_several_forms_the_plain_one_is_read() -> None:
    message = a_message()
    message.set_content("plain[.]example")
    message.add_alternative("<p>html[.]example</p>", subtype="html")
    assert read_mail(message.as_bytes()).text.strip() == "plain[.]example"


def test_an_unknown_character_set_costs_nothing_else() -> None:
    document = (
        b"From: a@b.example\r\nSubject: x\r\nContent-Type: text/plain; charset=klingon\r\n\r\n"
        b"evil[.]example \xff\r\n"
    )
    assert "evil[.]example" in read_mail(document).text


@pytest.mark.parametrize(
    ("document", "is_one"),
    [
        (b"Subject: x\nFrom: a@b.example\n\ntext", True),
        (b"Received: from x\n by y\nFrom: a@b.example\n\n", True),
        (b"From here on: evil\nSubject of this report", False),
        (b"Subject: a report without a sender\n\nevil[.]example", False),
        (b"evil.example\nFrom: me\nSubject: x", False),
        (b"", False),
    ],
)
def test_a_message_is_told_from_a_report(document: bytes, *, is_one: bool) -> None:
    assert is_mail(document) is is_one
