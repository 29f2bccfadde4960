"""The hub's signing key: made when it is first needed, never made again by itself.

Hard rule: a key that is gone is an error, not a reason for a new one: agents believe only the keys
that they were given and those that follow from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vedette.bundle.generation import MANIFEST, Generation
from vedette.errors import TrustError
from vedette.files import read_secret, write_atomically
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.sensor.wire import Announcement, SignedAnnouncement
from vedette.trust.keys import PublicKey, SigningKey
from vedette.trust.minisign import Purpose, key_id_of, sign, verify
from vedette.trust.pins import (
    KeyChange,
    SignedChange,
    changes_from_json,
    changes_to_json,
    signed_change,
)

SECRET = "signing.key"  # noqa: S105 - a name, not the secret
"""The key in force; whoever has it is the hub."""
PUBLIC = "signing.pub"
CHANGES = "changes.json"
_NEXT = "next.key"  # exists only while a key is made or replaced
_WAIT_S = 30.0


def signing_key(hub: Hub) -> SigningKey:
    """Return the key that signs; the first call of all makes it.

    Raises:
        TrustError: It is gone, damaged or everybody may read it; or cannot be made.
        BusyError: Another process is still making or replacing it.
    """
    with _keys(hub) as directory:
        changes = _changes(directory)
        if changes:
            return _in_force(directory, changes)
        if _was_used(hub):
            raise _lost(directory)
        return _replace(directory, changes, None, "the first key")


def public_key(hub: Hub) -> PublicKey | None:
    """Return the key that agents have to be given; None: there is none yet.

    Raises:
        TrustError: It cannot be read.
    """
    changes = key_changes(hub)
    return PublicKey(changes[-1].read().add) if changes else None


def key_changes(hub: Hub) -> tuple[SignedChange, ...]:
    """Return all changes of the key, oldest first; the first one made it.

    Raises:
        TrustError: They cannot be read.
    """
    return _changes(hub.settings.keys_dir)


def rotate(hub: Hub, *, lost: bool = False, why: str = "") -> SigningKey:
    """Replace the key; the old one signs nothing any more, and is forgotten.

    Args:
        hub: The open state directory.
        lost: The old key is gone (or somebody else has it): the new one follows from nothing, and
            each agent must be given it.
        why: For people.

    Raises:
        TrustError: The old key is gone and it was not said so.
        BusyError: Another process is still making or replacing it.
    """
    with _keys(hub) as directory:
        changes = _changes(directory)
        if lost or not (changes or _was_used(hub)):
            return _replace(directory, changes, None, why or "the key was lost")
        return _replace(directory, changes, _in_force(directory, changes), why or "rotated")


def sign_announcement(hub: Hub, announcement: Announcement) -> SignedAnnouncement:
    """Sign what is wanted from now on.

    Raises:
        TrustError: There is no key to sign with.
    """
    document = msgspec.json.encode(announcement)
    comment = f"{Purpose.ANNOUNCEMENT} {announcement.serial} generation {announcement.generation}"
    signature = sign(signing_key(hub), document, comment)
    return SignedAnnouncement(document=document.decode(), signature=signature)


def resigned(hub: Hub, signed: SignedAnnouncement) -> SignedAnnouncement:
    """Return the same announcement signed by the key in force: another one may have signed it.

    Raises:
        TrustError: No key of this hub ever signed it, or there is none to sign with.
    """
    ours = [PublicKey(change.read().add) for change in key_changes(hub)]
    if ours and key_id_of(signed.signature) == ours[-1].id:
        return signed
    key = signing_key(hub)
    data = signed.document.encode()
    comment = verify(signed.signature, data, ours, Purpose.ANNOUNCEMENT).comment
    return msgspec.structs.replace(signed, signature=sign(key, data, comment))


def manifest_signature(hub: Hub, generation: Generation) -> str:
    """Return the text of ``manifest.json.minisig``; it is made once for each key.

    Raises:
        BundleError: The manifest cannot be read.
        TrustError: There is no key to sign with, or the signature cannot be kept.
    """
    key = signing_key(hub)
    path = hub.settings.artifacts / generation.path.name / f"{MANIFEST}.minisig"
    manifest = generation.manifest
    data = (generation.path / MANIFEST).read_bytes()
    try:
        kept = path.read_text(encoding="utf-8")
        verify(kept, data, [key.public], Purpose.MANIFEST)
    except (OSError, UnicodeDecodeError, TrustError):
        pass
    else:
        return kept
    comment = f"{Purpose.MANIFEST} generation {manifest.generation}"
    text = sign(key, data, f"{comment} content {manifest.content_id[:16]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, [text.encode()])
    except OSError as error:
        raise TrustError(f"cannot write {path}: {error.strerror}") from error
    return text


@contextmanager
def _keys(hub: Hub) -> Iterator[Path]:
    """One process at a time; what a killed one began is ended first."""
    directory = hub.settings.keys_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o077:  # as a copy or a restored backup may be
            directory.chmod(0o700)
        with exclusive(hub.lock_file("keys"), "the signing key", wait_s=_WAIT_S):
            _finish(directory)
            yield directory
    except OSError as error:
        raise TrustError(
            f"cannot use the keys in {directory}: {error.strerror}",
            hint="Is there room, and does it belong to the user that Vedette runs as?",
        ) from error


def _replace(
    directory: Path, changes: tuple[SignedChange, ...], old: SigningKey | None, why: str
) -> SigningKey:
    """Make a key and say that it follows. The list of changes decides which one is in force."""
    key = SigningKey.generate()
    key.save(directory / _NEXT)
    known = [PublicKey(change.read().add).id for change in changes]
    change = KeyChange(
        number=len(changes) + 1,
        at=datetime.now(UTC),
        add=key.public.text,
        retire=tuple(known),
        why=why,
    )
    listed = (*changes, signed_change(change, old or key))
    write_atomically(directory / CHANGES, [changes_to_json(listed)], mode=0o600)
    _finish(directory)
    return key


def _finish(directory: Path) -> None:
    """Put a new key in its place if its change is listed, else forget it."""
    path = directory / _NEXT
    if not path.exists():
        return
    changes = _changes(directory)
    key = SigningKey.load(path)
    if changes and changes[-1].read().add == key.public.text:
        write_atomically(directory / PUBLIC, [key.public.file_text.encode()], mode=0o644)
        path.replace(directory / SECRET)
    else:
        path.unlink()


def _in_force(directory: Path, changes: tuple[SignedChange, ...]) -> SigningKey:
    path = directory / SECRET
    if not path.exists():
        raise _lost(directory)
    key = SigningKey.load(path)
    wanted = PublicKey(changes[-1].read().add)
    if key.public != wanted:
        raise TrustError(
            f"{path} is the key {key.public.id}, but {wanted.id} is in force",
            hint="It comes from another time or another hub. Restore the right one from a backup,"
            " or make a new one: vedette key rotate --lost",
        )
    return key


def _changes(directory: Path) -> tuple[SignedChange, ...]:
    path = directory / CHANGES
    try:
        return changes_from_json(read_secret(path, most=1 << 20))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TrustError(
            f"cannot read {path}: {error.strerror or error}", hint=getattr(error, "hint", "")
        ) from error


def _was_used(hub: Hub) -> bool:
    """Whether agents may have met a key of this hub, although no change of it is listed."""
    there = any((hub.settings.keys_dir / name).exists() for name in (SECRET, PUBLIC))
    return there or hub.store.announcements.last() is not None


def _lost(directory: Path) -> TrustError:
    return TrustError(
        f"the signing key is gone from {directory}, but generations were announced with it",
        hint="Agents believe no other key. Restore state/keys from a backup. If there is none:"
        " vedette key rotate --lost, and then each agent has to be given the new key by hand.",
    )
