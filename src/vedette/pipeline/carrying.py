"""Write what a sensor is told into one file, for machines that no network reaches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from vedette.bundle.archive import Index, Papers, export
from vedette.bundle.generation import open_generation
from vedette.errors import BundleError, UsageError
from vedette.pipeline.announcing import told, wanted_for
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import (
    key_changes,
    manifest_signature,
    public_key,
    resigned,
    signing_key,
)
from vedette.sensor.wire import SignedAnnouncement
from vedette.trust.minisign import sign


class Carried(Struct, frozen=True, kw_only=True):
    """What was written."""

    index: Index
    key: str
    """The public key that the machine at the other end has to be given."""
    size: int


def export_wanted(
    hub: Hub, path: Path, *, sensor: str = "", profiles: Sequence[str] = ()
) -> Carried:
    """Write the generation that is announced, or that one sensor is told, into a file.

    Args:
        hub: The open state directory.
        path: The file; it is replaced in one step.
        sensor: Whose announcement; ``""``: what is told to everybody.
        profiles: For which kinds of engine; none: all that it was built for.

    Raises:
        UsageError: There is no such sensor, or it is told nothing yet.
        BundleError: Nothing is published, it is damaged, or the file cannot be written.
        TrustError: There is no key to sign with.
    """
    signed = _wanted(hub, sensor)
    generation = open_generation(hub.settings.bundles, signed.read().generation)
    if generation is None:  # pragma: no cover - a number is always found or an error
        raise _nothing()
    key = signing_key(hub)
    scratch = hub.settings.artifacts
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"cannot make {scratch}: {error.strerror}") from error
    index = export(
        generation,
        Papers(
            announcement=signed.document,
            announcement_signature=signed.signature,
            manifest_signature=manifest_signature(hub, generation),
            changes=key_changes(hub),
        ),
        tuple(profiles) or tuple(info.profile for info in generation.manifest.rules),
        path,
        sign=lambda data, comment: sign(key, data, comment),
        scratch=scratch,
    )
    current = public_key(hub) or key.public
    return Carried(index=index, key=current.text, size=path.stat().st_size)


def _wanted(hub: Hub, sensor: str) -> SignedAnnouncement:
    if sensor:
        if signed := wanted_for(hub, sensor):
            return signed
        raise UsageError(
            f"sensor {sensor} is told nothing yet",
            hint="Canaries prove the first generation now: vedette rollout show",
        )
    now = told(hub)
    if now is None:
        raise _nothing()
    if now.others is None:
        raise UsageError(
            f"generation {now.newest.generation} is told to canary sensors only, as yet",
            hint="Wait for their proof (vedette rollout show), or name one of them: --sensor NAME",
        )
    record = now.others
    kept = SignedAnnouncement(document=record.document, signature=record.signature)
    return resigned(hub, kept)


def _nothing() -> BundleError:
    return BundleError("nothing is published yet", hint="Run: vedette bundle build")
