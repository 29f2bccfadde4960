"""Hashes, e-mail addresses, file names, and the header texts that are matched whole.

Lower case here is ASCII only wherever the engine lowers the other side: Suricata's
``to_lowercase`` leaves other letters alone.
"""

from __future__ import annotations

import re
import string

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize.defang import refang, refang_email, unwrap
from vedette.normalize.names import canonical_name, check_decoding
from vedette.normalize.reasons import Reason, refuse

TEXT_MAX = 4096

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]").search
_HEX = re.compile(r"[0-9a-f]+").fullmatch
_JA4 = re.compile(
    r"[tqd](?:1[0-3]|s[123]|d[123]|00)[di]\d{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}", re.ASCII
).fullmatch
_DISPLAYED = re.compile(r"<([^<>]*)>\s*\Z").search
_LOCAL = re.compile(r"[^\s<>@,;:\"`\\()\[\]]+").fullmatch
_SEVERAL_ADDRESSES = re.compile(r"@[^@]*[\s,;|][^@]*@").search
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_SSH_BANNER = re.compile(r"\ASSH-\d+\.\d+-")
_FILE_HASHES = {32: T.MD5, 40: T.SHA1, 64: T.SHA256}
_CERT_HASHES = {32: T.CERT_MD5, 40: T.CERT_SHA1, 64: T.CERT_SHA256}
_FINGERPRINT_LENGTH = 32


def file_hash(_kind: T, text: str) -> Key:
    """Return the key of a file hash, under the algorithm that its length tells.

    Raises:
        UnusableValueError: It is no MD5, SHA-1 or SHA-256.
    """
    return _hash(_FILE_HASHES, text)


def certificate_hash(_kind: T, text: str) -> Key:
    """Return the key of a certificate's fingerprint, under the algorithm that its length tells.

    Raises:
        UnusableValueError: It is no MD5, SHA-1 or SHA-256.
    """
    return _hash(_CERT_HASHES, text.replace(":", "").replace(" ", ""))


def fingerprint(kind: T, text: str) -> Key:
    """Return the key of a JA3 or HASSH fingerprint.

    Raises:
        UnusableValueError: It is no MD5.
    """
    return Key(kind, _hash({_FINGERPRINT_LENGTH: kind}, text).value)


def ja4(kind: T, text: str) -> Key:
    """Return the key of a JA4 client fingerprint.

    Raises:
        UnusableValueError: It is another one of the JA4+ family, or none.
    """
    value = unwrap(text).lower()
    return Key(kind, value) if _JA4(value) else refuse(Reason.NOT_JA4)


def email(kind: T, text: str) -> Key:
    """Return the key of an e-mail address: bare and lower case, out of ``"Name" <a@b>``.

    Raises:
        UnusableValueError: It is no address of one mailbox.
    """
    text = refang_email(text)
    if _SEVERAL_ADDRESSES(text):
        refuse(Reason.SEVERAL)
    if displayed := _DISPLAYED(text):
        text = displayed[1]
    local, at, domain = unwrap(text).removeprefix("mailto:").rpartition("@")
    if not at or not _LOCAL(local):
        refuse(Reason.NOT_EMAIL)
    if not local.isascii():
        check_decoding(local)
    return Key(kind, f"{_lower(_checked(local))}@{canonical_name(refang(domain))}")


def message_id(kind: T, text: str) -> Key:
    """Return the key of a message id, with its angle brackets.

    Raises:
        UnusableValueError: It is empty or holds white space.
    """
    inner = _checked(text).strip("<> ")
    if not inner:
        refuse(Reason.EMPTY)
    if any(map(str.isspace, inner)):
        refuse(Reason.SEVERAL)
    return Key(kind, f"<{inner}>")


def filename(kind: T, text: str) -> Key:
    """Return the key of a file name: without its folders, lower case.

    Raises:
        UnusableValueError: Nothing is left, or it is a pattern.
    """
    value = _checked(unwrap(text))
    while (name := unwrap(value.replace("\\", "/").rpartition("/")[2])) != value:
        value = name
    if not value or set(value) <= set("*.?"):
        refuse(Reason.NO_FILENAME)
    return Key(kind, _lower(value))


def method(kind: T, text: str) -> Key:
    """Return the key of an HTTP method.

    Raises:
        UnusableValueError: It is not one word of the characters that a method may have.
    """
    value = unwrap(text)
    return Key(kind, value) if _METHOD(value) else refuse(Reason.NOT_METHOD)


def ssh_software(kind: T, text: str) -> Key:
    """Return the key of an SSH software version, without the protocol part of the banner.

    Raises:
        UnusableValueError: It is empty or not one line.
    """
    value = _checked(text)
    while (stripped := _SSH_BANNER.sub("", value).strip()) != value:
        value = stripped
    return Key(kind, value) if value else refuse(Reason.EMPTY)


def line(kind: T, text: str) -> Key:
    """Return the key of a text that is matched whole, as it is on the wire.

    Raises:
        UnusableValueError: It is empty or not one line.
    """
    return Key(kind, _checked(text))


def _hash(by_length: dict[int, T], text: str) -> Key:
    value = unwrap(text).lower()
    if not value:
        refuse(Reason.EMPTY)
    if not _HEX(value):
        refuse(Reason.NOT_HEX)
    kind = by_length.get(len(value))
    return refuse(Reason.HASH_LENGTH) if kind is None else Key(kind, value)


def _checked(text: str) -> str:
    text = text.strip()
    if not text:
        refuse(Reason.EMPTY)
    if len(text) > TEXT_MAX:
        refuse(Reason.TOO_LONG)
    if _CONTROL(text):
        refuse(Reason.CONTROL)
    if not text.isascii():
        check_decoding(text)
    return text


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)
