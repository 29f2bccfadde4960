"""What one side trusts: the hub's key, the changes of it that were followed, the last serial.

Hard rule: trust only grows along a chain. A key is believed because a person gave it, or because a
key that was believed until then signed that it follows. Whatever else is offered changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from vedette.errors import TrustError
from vedette.files import write_atomically
from vedette.trust.keys import PublicKey, SigningKey
from vedette.trust.minisign import Purpose, Signed, key_id_of, sign, verify

_BYTES_MAX = 1 << 20
_REPIN = (
    "If the hub's owner says that its key was replaced, compare the new one with"
    " `vedette key show` there and give it here. If not, somebody pretends to be the hub."
)


class KeyChange(Struct, frozen=True, kw_only=True):
    """A step from one key of the hub to the next; the first is number 1."""

    number: int
    at: datetime
    """By the hub's clock; for people only."""
    add: str
    """The key in force from now on, as it is pinned."""
    retire: tuple[str, ...] = ()
    """Ids of keys that sign nothing any more."""
    why: str = ""


class SignedChange(Struct, frozen=True, kw_only=True):
    """A key change as it is kept, sent and put on a stick."""

    document: str
    """The JSON text of a :class:`KeyChange`; its UTF-8 bytes are what is signed."""
    signature: str
    """By the key that was in force until then, or by the new one itself if there was none."""

    def read(self) -> KeyChange:
        """Return what it says; the signature is not looked at.

        Raises:
            TrustError: It is no key change.
        """
        try:
            return msgspec.json.decode(self.document.encode(), type=KeyChange)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise TrustError(f"a key change is damaged: {error}") from error


def signed_change(change: KeyChange, by: SigningKey) -> SignedChange:
    """Sign a key change."""
    document = msgspec.json.encode(change)
    comment = f"{Purpose.KEY_CHANGE} {change.number} to {PublicKey(change.add).id}"
    return SignedChange(document=document.decode(), signature=sign(by, document, comment))


class Pins(Struct, frozen=True, kw_only=True):
    """What is trusted; kept as JSON."""

    root: str
    """The key that a person gave, where the chain began."""
    keys: tuple[str, ...]
    """Those that may sign now."""
    changes: int = 0
    """Number of the last key change that was followed; 0: none was met yet."""
    retired: tuple[str, ...] = ()
    """Ids of keys that were trusted once, so that a refusal can say so."""
    serial: int = 0
    """The greatest that was accepted; nothing older is, unless a person says so."""

    @classmethod
    def given(cls, key: str, held: Pins | None = None) -> Pins:
        """Trust a key that a person gave.

        Args:
            key: As ``vedette key show`` prints it.
            held: What was trusted until now. If it began with this key, or has come to it since,
                it stays as it is; else the new key replaces it, and only the serial is kept.

        Raises:
            TrustError: It is no key.
        """
        text = PublicKey(key).text
        if held is None:
            return cls(root=text, keys=(text,))
        if text == held.root or text in held.keys:
            return held
        return cls(root=text, keys=(text,), serial=held.serial)

    @classmethod
    def load(cls, path: Path) -> Pins | None:
        """Read what was saved; None if nothing was.

        Raises:
            TrustError: It cannot be read, or is damaged: it is not known what was trusted.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TrustError(f"cannot read {path}: {error.strerror}") from error
        return cls.from_json(data, str(path))

    @classmethod
    def from_json(cls, data: bytes, where: str = "the trusted keys") -> Pins:
        """Read what :meth:`to_json` wrote.

        Raises:
            TrustError: It is damaged.
        """
        try:
            pins = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise TrustError(
                f"{where}: damaged: {error}",
                hint="Remove it and give the hub's key again (vedette key show, on the hub).",
            ) from error
        for key in (pins.root, *pins.keys):
            PublicKey(key)
        return pins

    def to_json(self) -> bytes:
        """Return it as it is kept."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def save(self, path: Path) -> None:
        """Keep it, in one step.

        Raises:
            TrustError: It cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, [self.to_json()], mode=0o644)
        except OSError as error:
            raise TrustError(f"cannot write {path}: {error.strerror}") from error

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        """Those that may sign now."""
        return tuple(PublicKey(key) for key in self.keys)

    def verify(self, document: str | bytes, signature: str | bytes, purpose: Purpose) -> Signed:
        """Check that a key that is trusted now signed a document for a purpose.

        Raises:
            TrustError: It did not.
        """
        data = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
        key = key_id_of(signature)
        if key in self.retired and key not in {one.id for one in self.public_keys}:
            raise TrustError(
                f"it is signed by the key {key}, which the hub has retired",
                hint="A hub that was restored from a backup older than its last key has to be given"
                " that key back (state/keys), or its agents the old one. If nobody restored it,"
                " somebody has the old key and pretends to be the hub.",
            )
        return verify(signature, data, self.public_keys, purpose)

    def accepting(self, serial: int, *, older: bool = False) -> Pins:
        """Return what is trusted once an announcement was accepted.

        Args:
            serial: The announcement's.
            older: A person wants it although a greater one was accepted.

        Raises:
            TrustError: It is older than the last one.
        """
        if serial < self.serial and not older:
            raise TrustError(
                f"announcement {serial} is older than {self.serial}, which was accepted already",
                hint="It is an old copy, or somebody wants this sensor back on an old state. A roll"
                " back by the hub (vedette bundle rollback N) is a new announcement.",
            )
        return msgspec.structs.replace(self, serial=max(serial, self.serial))

    def follow(self, changes: Sequence[SignedChange]) -> Pins:
        """Follow the hub's key changes from the first that is not known yet.

        Args:
            changes: All of the hub, or those after :attr:`changes`, oldest first.

        Returns:
            What is trusted after them; the same if there is nothing new. Changes from before the
            key that a person gave are passed over: they can neither be checked nor add anything.

        Raises:
            TrustError: A change does not follow from what is trusted; nothing of it is believed.
        """
        pins = self
        for signed in changes:
            change = signed.read()
            if pins.changes == 0:
                pins = _met(pins, signed, change)
            elif change.number > pins.changes:
                pins = _next(pins, signed, change)
        return pins


def changes_from_json(data: bytes) -> tuple[SignedChange, ...]:
    """Read a list of key changes, as they are kept, sent and carried.

    Raises:
        TrustError: It is none.
    """
    if len(data) > _BYTES_MAX:
        raise TrustError("the list of key changes is too long")
    try:
        return msgspec.json.decode(data, type=tuple[SignedChange, ...])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TrustError(f"the list of key changes is damaged: {error}") from error


def changes_to_json(changes: Sequence[SignedChange]) -> bytes:
    """Return a list of key changes as it is kept, sent and carried."""
    return msgspec.json.encode(tuple(changes))


def _met(pins: Pins, signed: SignedChange, change: KeyChange) -> Pins:
    """Find the place of the given key in the chain: the first change that it signed itself.

    The one that added it was signed by a key that is not known here. Its number is not believed:
    anybody could write it, and have all later changes passed over.
    """
    if key_id_of(signed.signature) in {key.id for key in pins.public_keys}:
        return _take(pins, signed, change)
    return pins


def _next(pins: Pins, signed: SignedChange, change: KeyChange) -> Pins:
    if change.number != pins.changes + 1:
        raise TrustError(
            f"key change {pins.changes + 1} of the hub is missing before {change.number}",
            hint="Nothing is lost: the keys of before stay trusted. Ask the hub again.",
        )
    return _take(pins, signed, change)


def _take(pins: Pins, signed: SignedChange, change: KeyChange) -> Pins:
    try:
        pins.verify(signed.document, signed.signature, Purpose.KEY_CHANGE)
    except TrustError as error:
        raise TrustError(
            f"key change {change.number} of the hub cannot be believed: {error}", hint=_REPIN
        ) from error
    added = PublicKey(change.add)
    gone = set(change.retire) - {added.id}
    kept = [key for key in pins.public_keys if key.id not in gone]
    retired = [key.id for key in pins.public_keys if key.id in gone]
    return msgspec.structs.replace(
        pins,
        keys=tuple(dict.fromkeys((*(key.text for key in kept), added.text))),
        changes=change.number,
        retired=(*pins.retired, *retired),
    )
