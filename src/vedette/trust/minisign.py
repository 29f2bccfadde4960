"""Signatures of minisign: Ed25519 over BLAKE2b-512, and a comment that is signed too.

Byte for byte what ``minisign -S`` writes and ``minisign -V`` reads. The first line of a signature
is a comment for people that nothing protects: it is never looked at.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from vedette.errors import TrustError
from vedette.trust.keys import PublicKey, SigningKey, from_base64

_ALGORITHM = b"ED"  # the document is hashed before it is signed
_UNTRUSTED = "untrusted comment: "
_TRUSTED = "trusted comment: "
_SIGNATURE_BYTES = 74  # algorithm, id of the key, signature
_SEAL_BYTES = 64
_TEXT_MAX = 16_384
_COMMENT_MAX = 8_000


class Purpose(StrEnum):
    """What a signature is for: the first words of its trusted comment.

    A signature that was made for one kind of document is good for no other.
    """

    ANNOUNCEMENT = "vedette announcement"
    MANIFEST = "vedette manifest"
    KEY_CHANGE = "vedette key change"
    ARCHIVE = "vedette archive"
    FILE = "vedette file"
    """An archive that other tools fetch; checked by people, with minisign."""


class Signed(NamedTuple):
    """Who signed a document, and what the signature says about it."""

    key: PublicKey
    comment: str


class _Parts(NamedTuple):
    key_id: str
    signature: bytes
    comment: str
    seal: bytes
    """The signature over the signature and the comment."""


def sign(key: SigningKey, data: bytes, comment: str) -> str:
    """Sign a document.

    Args:
        key: Who signs.
        data: What.
        comment: One line, signed too; starts with a :class:`Purpose`.

    Returns:
        The text of a ``.minisig`` file.

    Raises:
        ValueError: The comment is no single line.
    """
    if not comment.isprintable() or len(comment.encode()) > _COMMENT_MAX:
        raise ValueError("a comment is one line of at most 8,000 bytes")
    signature = key.sign(_digest(data))
    seal = key.sign(signature + comment.encode())
    head = _base64(_ALGORITHM + key.id_bytes + signature)
    return f"{_first_line(key.public.id)}\n{head}\n{_TRUSTED}{comment}\n{_base64(seal)}\n"


def verify(
    signature: str | bytes,
    data: bytes,
    keys: Iterable[PublicKey],
    purpose: Purpose | None = None,
) -> Signed:
    """Check a signature.

    Args:
        signature: The text of a ``.minisig`` file.
        data: The document.
        keys: Those that may have signed it.
        purpose: What it must have been signed for; None: whatever it was.

    Raises:
        TrustError: None of the keys signed exactly this, for this purpose.
    """
    parts = _parse(signature)
    known = {key.id: key for key in keys}
    key = known.get(parts.key_id)
    if key is None:
        names = ", ".join(known) or "none"
        raise TrustError(
            f"it is signed by the key {parts.key_id}, which is not trusted here",
            hint=f"Trusted: {names}. If the hub's key was replaced, compare it with"
            " `vedette key show` there, and give the new one here.",
        )
    if not key.has_signed(parts.signature, _digest(data)):
        raise TrustError("the signature is not of this document: one of the two was changed")
    if not key.has_signed(parts.seal, parts.signature + parts.comment.encode()):
        raise TrustError("the comment of the signature was changed")
    if purpose is not None and not (parts.comment + " ").startswith(f"{purpose} "):
        raise TrustError(f"the signature was not made for this: it is for '{parts.comment[:80]}'")
    return Signed(key, parts.comment)


def key_id_of(signature: str | bytes) -> str:
    """Return which key a signature names; nothing is checked.

    Raises:
        TrustError: It is no signature.
    """
    return _parse(signature).key_id


def is_canonical(signature: str) -> bool:
    """Whether even the line that nothing protects is as :func:`sign` writes it."""
    return signature.split("\n", 1)[0] == _first_line(key_id_of(signature))


def _parse(given: str | bytes) -> _Parts:
    if len(given) > _TEXT_MAX:
        raise TrustError("the signature is damaged: it is too long")
    try:
        text = given.decode("utf-8") if isinstance(given, bytes) else given
        text.encode("utf-8")
    except UnicodeError as error:
        raise TrustError("the signature is damaged: it is not text") from error
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    if (
        len(lines) != 4  # noqa: PLR2004
        or not lines[0].startswith(_UNTRUSTED)
        or not lines[2].startswith(_TRUSTED)
    ):
        raise TrustError("the signature is damaged: it has not the four lines of minisign")
    head = from_base64(lines[1], "the signature")
    seal = from_base64(lines[3], "the signature")
    if len(head) != _SIGNATURE_BYTES or len(seal) != _SEAL_BYTES:
        raise TrustError("the signature is damaged: its length is wrong")
    if not head.startswith(_ALGORITHM):
        raise TrustError(
            "the signature is of another kind than Vedette's",
            hint="Only signatures of hashed documents are taken, as minisign makes them since 0.10",
        )
    return _Parts(head[2:10][::-1].hex().upper(), head[10:], lines[2].removeprefix(_TRUSTED), seal)


def _first_line(key_id: str) -> str:
    return f"{_UNTRUSTED}signature of Vedette, key {key_id}"


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=64).digest()


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()
