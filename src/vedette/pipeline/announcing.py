"""Announce generations, and answer which announcement each sensor is told.

Hard rule: whoever announces holds the lock ``rollout`` and writes announcement and roll-out in one
transaction, so that two processes never disagree about what is in force.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import structlog

from vedette.bundle.generation import MANIFEST, Generation, open_generation
from vedette.errors import BundleError
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.rollout_steps import spread, ways_back
from vedette.pipeline.signing import resigned, sign_announcement, signing_key
from vedette.sensor.wire import Announcement, SignedAnnouncement
from vedette.store import AnnouncementRecord, RolloutRecord

log = structlog.get_logger(__name__)

CANARY = "canary"
"""Name of the ring that gets new generations first."""
_WHO = "vedette"
_WAIT_S = 10.0
_HISTORY = 50
"""So many roll-outs are looked through for one to go back to."""


class InForce(NamedTuple):
    """Which announcements are told now."""

    rollout: RolloutRecord
    newest: AnnouncementRecord
    """Told to canaries, and to everybody when it has spread."""
    others: AnnouncementRecord | None
    """Told to the others; None: they are told nothing yet."""

    def told_to(self, settings: Mapping[str, object]) -> AnnouncementRecord | None:
        """Return what a sensor with these settings is told."""
        return self.newest if settings.get("ring") == CANARY else self.others


def in_force(hub: Hub) -> InForce | None:
    """Return what is told now; None: nothing was ever announced."""
    rollout, newest = hub.store.rollouts.last(), hub.store.announcements.last()
    if rollout is None or newest is None:
        return None
    others: AnnouncementRecord | None = newest
    if rollout.phase == "canary":
        others = hub.store.announcements.get(rollout.previous) if rollout.previous else None
    return InForce(rollout, newest, others)


def told(hub: Hub) -> InForce | None:
    """Return what is told now; what an older Vedette published is announced first.

    Raises:
        BundleError: What is published cannot be read.
        TrustError: There is no key to sign with.
    """
    now = in_force(hub)
    if now is None:
        announce_current(hub)
        now = in_force(hub)  # whoever announced it: another process may have been faster
    return now


def wanted_for(hub: Hub, sensor: str) -> SignedAnnouncement | None:
    """Return what a sensor is told; None: nothing is published for it yet.

    Raises:
        UsageError: There is no such sensor.
        BundleError: What is published cannot be read.
        TrustError: There is no key to sign with.
    """
    settings = hub.store.fleet.sensor(sensor).settings
    now = told(hub)
    record = now.told_to(settings) if now else None
    return _signed(hub, record) if record else None


def wanted_all(hub: Hub) -> dict[str, SignedAnnouncement]:
    """Return what each sensor is told; those that are told nothing yet are absent.

    Raises:
        BundleError: What is published cannot be read.
        TrustError: There is no key to sign with.
    """
    now = told(hub)
    if now is None:
        return {}
    sensors = hub.store.fleet.settings()
    records = {name: now.told_to(settings) for name, settings in sensors.items()}
    signed = {one.serial: _signed(hub, one) for one in (now.newest, now.others) if one}
    return {name: signed[record.serial] for name, record in records.items() if record}


def _signed(hub: Hub, record: AnnouncementRecord) -> SignedAnnouncement:
    kept = SignedAnnouncement(document=record.document, signature=record.signature)
    return resigned(hub, kept)


def announce_current(hub: Hub, who: str = _WHO, why: str = "build") -> SignedAnnouncement | None:
    """Announce the current generation if it is not, and nothing forbids it.

    What is built while a roll-out is held, or while canaries still prove another generation, waits:
    this is called again when that is over.

    Returns:
        What was announced; None: nothing.

    Raises:
        BundleError: It cannot be read.
        TrustError: There is no key to sign with.
        BusyError: Another process announces and does not come to an end.
    """
    generation = open_generation(hub.settings.bundles)
    if generation is None or not _is_due(hub, generation):
        return None
    with announcing(hub):
        generation = open_generation(hub.settings.bundles)
        if generation is None or not _is_due(hub, generation):
            return None  # somebody else was faster
        return announce_inside(hub, generation, who, why)


def _is_due(hub: Hub, generation: Generation) -> bool:
    now = in_force(hub)
    if now is None:
        return True
    if now.rollout.is_held:
        return False
    if now.newest.at <= hub.store.audit.restored_at():
        return True  # sensors may know a greater serial, and refuse what this database announced
    if now.rollout.phase == "canary":
        return False
    newest = now.newest
    same = newest.generation == generation.number
    return not (same and newest.content_id == generation.manifest.content_id)


def announce(
    hub: Hub, generation: Generation, who: str, why: str, *, at_once: bool = False
) -> SignedAnnouncement:
    """Announce a generation, whatever is in force; canaries are told of it first.

    Args:
        hub: The open state directory.
        generation: Which.
        who: Whoever wants it.
        why: ``build``, ``rollback: ...``.
        at_once: Tell everybody, and do not look at the alerts: a person has decided.

    Raises:
        BundleError: The generation cannot be read.
        TrustError: There is no key to sign with.
        BusyError: Another process announces and does not come to an end.
    """
    with announcing(hub):
        return announce_inside(hub, generation, who, why, at_once=at_once)


@contextmanager
def announcing(hub: Hub) -> Iterator[None]:
    """Keep other processes from announcing, and from changing the roll-out in force.

    Raises:
        BusyError: Another process is at it and does not come to an end.
        StoreError: SQLite failed; nothing has changed.
    """
    lock = hub.lock_file("rollout")
    with exclusive(lock, "announcing a generation", wait_s=_WAIT_S), hub.store.guarded():
        yield


def announce_inside(
    hub: Hub, generation: Generation, who: str, why: str, *, at_once: bool = False
) -> SignedAnnouncement:
    """Announce a generation; the caller holds :func:`announcing`."""
    at_ms = time.time_ns() // 1_000_000
    begun = _begun(hub, at_ms // 1_000, at_once=at_once)

    def then(serial: int) -> None:
        hub.store.rollouts.begin(msgspec.structs.replace(begun, serial=serial))

    return add(hub, generation, who, why, at_ms=at_ms, then=then)


def _begun(hub: Hub, now: int, *, at_once: bool) -> RolloutRecord:
    """Return the roll-out of what is announced now, still without its serial."""
    before = in_force(hub)
    if at_once:
        is_held = before is not None and before.rollout.is_held
        return RolloutRecord(
            serial=0,
            state="paused" if is_held else "done",
            was="done" if is_held else "",
            started_at=now,
            spread_at=now,
            ended_at=now,
            why=before.rollout.why if before is not None and is_held else "",
        )
    previous = before.others.serial if before is not None and before.others else 0
    begun = RolloutRecord(serial=0, state="canary", previous=previous, started_at=now)
    if any(one.get("ring") == CANARY for one in hub.store.fleet.settings().values()):
        return begun
    return spread(begun, now)


def add(
    hub: Hub,
    generation: Generation,
    who: str,
    why: str,
    *,
    at_ms: int,
    then: Callable[[int], None],
) -> SignedAnnouncement:
    """Write an announcement and, in the same transaction, what ``then`` writes for its serial.

    The caller holds :func:`announcing`.

    Raises:
        BundleError: The generation cannot be read.
        TrustError: There is no key to sign with.
    """
    content_id = generation.manifest.content_id
    manifest = _digest(generation)
    signing_key(hub)  # made now if need be: not while the database is locked

    def sign(serial: int) -> tuple[str, str]:
        signed = sign_announcement(
            hub,
            Announcement(
                hub=instance,
                serial=serial,
                generation=generation.number,
                content_id=content_id,
                manifest=manifest,
                at=datetime.fromtimestamp(at_ms // 1_000, UTC),
                why=why,
            ),
        )
        return signed.document, signed.signature

    instance = hub.store.outbox.instance()
    record = hub.store.announcements.add(
        sign,
        generation=generation.number,
        content_id=content_id,
        at_ms=at_ms,
        who=who,
        why=why,
        then=then,
    )
    log.info("bundle.announced", generation=generation.number, serial=record.serial, why=why)
    return SignedAnnouncement(document=record.document, signature=record.signature)


def _digest(generation: Generation) -> str:
    path = generation.path / MANIFEST
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}") from error


def needed_generations(hub: Hub) -> set[int]:
    """Return the generations that somebody is told or holds, or may be put back to.

    Sensors that nobody heard of for long still count: what they hold is what a delta starts from.
    """
    needed = {one.generation for one in hub.store.reports.states().values()}
    now = in_force(hub)
    if now is not None:
        needed |= {one.generation for one in (now.newest, now.others) if one}
        needed |= {one.generation for one in fallbacks(hub)}
    return needed - {0}


def fallbacks(hub: Hub) -> list[AnnouncementRecord]:
    """Return what a stop of the roll-out in force may go back to, the best first."""
    serials = ways_back(hub.store.rollouts.history(limit=_HISTORY), int(time.time()))
    found = (hub.store.announcements.get(serial) for serial in serials)
    return [one for one in found if one is not None]
