"""The manifest of a feed as a group without indicators, so that its version is held like any other.

A server that says "not modified" is believed only if we hold exactly what that manifest led to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from vedette.misp.validators import Validators

MANIFEST = "manifest.json"
"""The key of the group; no event has it, for those are UUIDs."""

_AGAIN_MAX = 1_000


class HeldManifest(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The version of that group; opaque to everybody else."""

    settings: str
    """Fingerprint of the filters and of the place."""
    groups: str
    """Digest of the versions of all events that the manifest led to."""
    etag: str = ""
    modified: str = ""
    again: dict[str, str] = {}
    """Events to be read at each pull whatever the server says, with their versions: those that
    were broken or missing, and those without a timestamp."""

    @property
    def validators(self) -> Validators:
        """What to ask the server with."""
        return Validators(self.etag, self.modified)


def read_held(known: Mapping[str, str], settings: str) -> HeldManifest | None:
    """Return the manifest that we hold, if everything it led to is held too."""
    try:
        held = msgspec.json.decode(known.get(MANIFEST, ""), type=HeldManifest)
    except msgspec.MsgspecError:
        return None
    fits = held.settings == settings and held.groups == digest(known)
    return held if fits and any(held.validators) else None


def write_held(
    validators: Validators, settings: str, versions: Mapping[str, str], again: Mapping[str, str]
) -> str:
    """Return the version of the manifest's group; ``""`` if nothing can be held.

    Args:
        validators: What the server said of the manifest.
        settings: Fingerprint of the filters and of the place.
        versions: Version by key of all events, once this pull is in force.
        again: Events that must be read again all the same, with their versions.
    """
    if not any(validators) or len(again) > _AGAIN_MAX:
        return ""
    held = HeldManifest(settings, digest(versions), *validators, dict(again))
    return msgspec.json.encode(held).decode()


def digest(versions: Mapping[str, str]) -> str:
    """Digest the versions of all events, in any order."""
    whole = hashlib.blake2b(digest_size=16)
    for key in sorted(versions.keys() - {MANIFEST}):
        whole.update(f"{key}\0{versions[key]}\n".encode(errors="surrogatepass"))
    return whole.hexdigest()
