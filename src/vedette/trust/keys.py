"""Keys of minisign: the one that signs, which never leaves its file, and those that others pin.

Hard rule: whatever is wrong with a key, however it was damaged, is a ``TrustError``.
"""

from __future__ import annotations

import hashlib
import secrets
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from vedette.errors import TrustError
from vedette.files import read_secret, write_atomically

_ALGORITHM = b"Ed"
_PUBLIC_BYTES = 42  # algorithm, id, key
_SECRET_HEAD = _ALGORITHM + bytes(2) + b"B2" + bytes(48)
"""Algorithm, no password (so no salt and no limits of its derivation), BLAKE2b for the checksum."""
_SECRET_BYTES = 158
_UNTRUSTED = "untrusted comment: "


class PublicKey:
    """What a signature is checked with; pinned, shown and compared as one word of base64.

    Args:
        text: ``RW...``, or the two lines of a file of minisign.

    Raises:
        TrustError: It is no public key.
    """

    def __init__(self, text: str) -> None:
        """Read it."""
        line = text.strip().rpartition("\n")[2].strip()
        raw = from_base64(line, "the public key")
        if len(raw) != _PUBLIC_BYTES or raw[:2] != _ALGORITHM:
            raise TrustError(
                "this is no public key of minisign",
                hint="It is one word of 56 letters that starts with RW: vedette key show",
            )
        self.text = line
        """As it is pinned."""
        self.id = raw[2:10][::-1].hex().upper()
        """Its 16 hex digits, as minisign shows them; a name, not a secret."""
        self._key = Ed25519PublicKey.from_public_bytes(raw[10:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"PublicKey({self.text!r})"

    @property
    def file_text(self) -> str:
        """The text of a public key file of minisign."""
        return f"{_UNTRUSTED}minisign public key {self.id}\n{self.text}\n"

    def has_signed(self, signature: bytes, data: bytes) -> bool:
        """Whether this key made a signature of 64 bytes over some bytes."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """What signs: an Ed25519 seed and the key's id."""

    def __init__(self, seed: bytes, key_id: bytes) -> None:
        """Take a seed of 32 bytes and an id of 8."""
        self._seed = seed
        self._id = key_id
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key().public_bytes_raw()
        self.public = PublicKey(_to_base64(_ALGORITHM + key_id + self._public))
        """What others pin."""

    def __repr__(self) -> str:
        return f"SigningKey({self.public.id})"

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key."""
        return cls(secrets.token_bytes(32), secrets.token_bytes(8))

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a secret key file of minisign that has no password.

        Raises:
            TrustError: It is not there, damaged, has a password, or everybody may read it.
        """
        try:
            text = read_secret(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise _damaged(path) from error
        except OSError as error:
            raise TrustError(
                f"cannot read the signing key {path}: {error.strerror or error}",
                hint=getattr(error, "hint", "") or "Run it as the user that Vedette runs as.",
            ) from error
        try:
            return cls._read(text)
        except TrustError as error:
            raise _damaged(path, str(error)) from error

    def save(self, path: Path) -> None:
        """Write it, for its owner only, in one step.

        Raises:
            TrustError: It cannot be written.
        """
        body = self._id + self._seed + self._public
        raw = _SECRET_HEAD + body + _checksum(body)
        text = f"{_UNTRUSTED}minisign secret key {self.public.id}\n{_to_base64(raw)}\n"
        try:
            write_atomically(path, [text.encode()], mode=0o600)
        except OSError as error:
            raise TrustError(f"cannot write the signing key {path}: {error.strerror}") from error

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some bytes: 64 bytes."""
        return self._key.sign(data)

    @property
    def id_bytes(self) -> bytes:
        """The id as signatures carry it."""
        return self._id

    @classmethod
    def _read(cls, text: str) -> SigningKey:
        lines = text.split("\n")
        if len(lines) != 3 or not lines[0].startswith(_UNTRUSTED) or lines[2]:  # noqa: PLR2004
            raise TrustError("it is not a key file of minisign")
        raw = from_base64(lines[1], "the key")
        if len(raw) != _SECRET_BYTES or not raw.startswith(_ALGORITHM):
            raise TrustError("it is not a secret key of minisign")
        if not raw.startswith(_SECRET_HEAD):
            raise TrustError("it has a password; keys of the hub have none (minisign -C -W)")
        body, check = raw[54:126], raw[126:]
        key = cls(body[8:40], body[:8])
        # minisign itself writes no checksum where there is no password.
        if key._public != body[40:] or check not in {_checksum(body), bytes(32)}:
            raise TrustError("its checksum is wrong")
        return key


def from_base64(text: str, what: str) -> bytes:
    """Read base64 in its one canonical spelling.

    Raises:
        TrustError: It is spelt otherwise: no two texts are the same bytes.
    """
    try:
        raw = a2b_base64(text.encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise TrustError(f"{what} is damaged: it is not base64") from error
    if _to_base64(raw) != text:
        raise TrustError(f"{what} is damaged: it is not spelt as base64 is")
    return raw


def _to_base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(_ALGORITHM + body, digest_size=32).digest()


def _damaged(path: Path, why: str = "it is not text") -> TrustError:
    return TrustError(
        f"the signing key {path} cannot be used: {why}",
        hint="Restore it from a backup. Without it, `vedette key rotate --lost` makes a new one,"
        " which every agent must then be given by hand.",
    )
