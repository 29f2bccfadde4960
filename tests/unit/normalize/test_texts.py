"""Hashes, mail, files and header texts."""

from __future__ import annotations

import pytest

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import Reason, normalize

MD5 = "e320bb753ba6fb13ea7ef15e7efc315e"
SHA1 = "0be8f44f5351a6cbef1a54a6de7674e1219d65b6"
SHA256 = "6b7358c4428369b60b034566b72d8e4a3a0d723d5bfcd8386babb515b337f8c4"


def colons(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()


@pytest.mark.parametrize("kind", [T.MD5, T.SHA1, T.SHA256])
def test_the_length_of_a_file_hash_tells_its_algorithm(kind: T) -> None:
    assert normalize(kind, f" {MD5.upper()}\r\n") == Key(T.MD5, MD5)
    assert normalize(kind, SHA1) == Key(T.SHA1, SHA1)
    assert normalize(kind, f"`{SHA256}`") == Key(T.SHA256, SHA256)


@pytest.mark.parametrize("kind", [T.CERT_MD5, T.CERT_SHA1, T.CERT_SHA256])
def test_a_certificate_fingerprint_loses_its_colons(kind: T) -> None:
    assert normalize(kind, colons(MD5)) == Key(T.CERT_MD5, MD5)
    assert normalize(kind, colons(SHA1)) == Key(T.CERT_SHA1, SHA1)
    assert normalize(kind, SHA256) == Key(T.CERT_SHA256, SHA256)


@pytest.mark.parametrize("kind", [T.JA3, T.JA3S, T.HASSH, T.HASSH_SERVER])
def test_a_fingerprint_is_an_md5_of_its_own_kind(kind: T) -> None:
    assert normalize(kind, MD5.upper()) == Key(kind, MD5)
    with pytest.raises(UnusableValueError, match=Reason.HASH_LENGTH):
        normalize(kind, SHA1)
    with pytest.raises(UnusableValueError, match=Reason.NOT_HEX):
        normalize(kind, "771,4865-4866-4867,0-23-65281,29-23-24,0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        (MD5[:-1], Reason.HASH_LENGTH),
        (SHA256 * 2, Reason.HASH_LENGTH),
        (MD5[:-1] + "g", Reason.NOT_HEX),
        (colons(MD5), Reason.NOT_HEX),
        ("٣" * 32, Reason.NOT_HEX),
    ],
)
def test_what_is_no_file_hash_is_refused_with_its_reason(text: str, reason: Reason) -> None:
    with pytest.raises(UnusableValueError) as refused:
        normalize(T.MD5, text)
    assert str(refused.value) == reason.value


def test_only_ja4_of_clients_is_ja4() -> None:
    value = "t13d1516h2_8daaf6152771_b186095e22b6"
    assert normalize(T.JA4, value.upper()) == Key(T.JA4, value)
    for other in ("t130200_1301_234ea6891581", "ge11cn20enus_60ca1bd65281", MD5, ""):
        with pytest.raises(UnusableValueError, match=Reason.NOT_JA4):
            normalize(T.JA4, other)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ('"Bad Guy" <A@B.Example>', "a@b.example"),
        ("<a@b.example>", "a@b.example"),
        ("A@B.example", "a@b.example"),
        ("a[@]b[.]example", "a@b.example"),
        ("a [at] b [dot] example", "a@b.example"),
        ("`a@b.example`", "a@b.example"),
        ("mailto:a@b.example", "a@b.example"),
        ("a+b'c@bücher.example", "a+b'c@xn--bcher-kva.example"),
        ("Ä.B@b.example", "Ä.b@b.example"),
    ],
)
def test_every_writing_of_a_mail_address_becomes_its_one_spelling(text: str, address: str) -> None:
    assert normalize(T.EMAIL_SRC, text) == Key(T.EMAIL_SRC, address)
    assert normalize(T.EMAIL_DST, text) == Key(T.EMAIL_DST, address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.NOT_EMAIL),
        ("b.example", Reason.NOT_EMAIL),
        ("@b.example", Reason.NOT_EMAIL),
        ("a b@c.example", Reason.NOT_EMAIL),
        ("a@localhost", Reason.SINGLE_LABEL),
        ("a\ufffd@b.example", Reason.MISDECODED),
        ("cafÃ©@b.example", Reason.MISDECODED),
        ("a@b.example, c@d.example", Reason.SEVERAL),
        ("a@b.example;c@d.example", Reason.SEVERAL),
    ],
)
def test_what_is_no_mail_address_is_refused_with_its_reason(text: str, reason: Reason) -> None:
    with pytest.raises(UnusableValueError) as refused:
        normalize(T.EMAIL_SRC, text)
    assert str(refused.value) == reason.value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Invoice.PDF", "invoice.pdf"),
        ("C:\\Users\\x\\Evil.exe", "evil.exe"),
        ("%TEMP%\\x", "x"),
        ("/private/var/tmp/hooker", "hooker"),
        ("/tmp/a\\b/c.sh", "c.sh"),
        ('"Evil.exe"', "evil.exe"),
        ('dir/"Evil.exe"', "evil.exe"),
        ("ÄPFEL.DOC", "Äpfel.doc"),
    ],
)
def test_a_file_name_is_without_folders_and_in_the_case_of_the_engine(text: str, name: str) -> None:
    assert normalize(T.FILENAME, text) == Key(T.FILENAME, name)


@pytest.mark.parametrize("text", ["/tmp/", "C:\\", "*.*", ".."])
def test_a_folder_or_a_pattern_is_no_file_name(text: str) -> None:
    with pytest.raises(UnusableValueError, match=Reason.NO_FILENAME):
        normalize(T.FILENAME, text)


@pytest.mark.parametrize(
    "kind",
    [
        T.USER_AGENT,
        T.COOKIE,
        T.REFERER,
        T.HTTP_SERVER,
        T.EMAIL_SUBJECT,
        T.EMAIL_X_MAILER,
        T.SSH_SOFTWARE,
        T.FILENAME,
        T.EMAIL_MESSAGE_ID,
    ],
)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  ", Reason.EMPTY),
        ("a\nb", Reason.CONTROL),
        ("a\x00b", Reason.CONTROL),
        ("a\u2028b", Reason.CONTROL),
        ("a" * 5000, Reason.TOO_LONG),
        ("a\ufffd", Reason.MISDECODED),
        ("cafÃ©", Reason.MISDECODED),
    ],
)
def test_a_text_of_one_line_is_all_that_can_be_matched_whole(
    kind: T, text: str, reason: Reason
) -> None:
    with pytest.raises(UnusableValueError) as refused:
        normalize(kind, text)
    assert str(refused.value) == reason.value


@pytest.mark.parametrize("kind", [T.USER_AGENT, T.COOKIE, T.REFERER, T.EMAIL_SUBJECT])
def test_a_header_text_keeps_all_but_the_space_around_it(kind: T) -> None:
    assert normalize(kind, "  Mozilla/4.0 (Évil;  [.])\r\n").value == "Mozilla/4.0 (Évil;  [.])"


def test_a_message_id_has_its_brackets() -> None:
    for text in ("<1@b>", "1@b", " < 1@b > "):
        assert normalize(T.EMAIL_MESSAGE_ID, text) == Key(T.EMAIL_MESSAGE_ID, "<1@b>")
    with pytest.raises(UnusableValueError, match=Reason.SEVERAL):
        normalize(T.EMAIL_MESSAGE_ID, "<1@b> <2@b>")


def test_an_http_method_is_one_word() -> None:
    assert normalize(T.HTTP_METHOD, " PROPFIND ") == Key(T.HTTP_METHOD, "PROPFIND")
    with pytest.raises(UnusableValueError, match=Reason.NOT_METHOD):
        normalize(T.HTTP_METHOD, "GET /")


def test_an_ssh_version_is_without_the_protocol() -> None:
    assert normalize(T.SSH_SOFTWARE, "SSH-2.0-libssh_0.5").value == "libssh_0.5"
    assert normalize(T.SSH_SOFTWARE, "libssh_0.5").value == "libssh_0.5"
