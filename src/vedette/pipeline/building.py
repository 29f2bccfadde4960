"""Compile what is in force and publish it as the next generation, if anything changed."""

from __future__ import annotations

import structlog

from vedette.bundle.builder import Builder, BuildResult
from vedette.bundle.generation import Generation, forget, latest_readable, open_generation
from vedette.errors import BundleError, HeldError
from vedette.model import Key
from vedette.pipeline.announcing import announce_current, needed_generations
from vedette.pipeline.figures import Asker
from vedette.pipeline.guarding import judged
from vedette.pipeline.hub import Hub
from vedette.ruleset.collect import Collect
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.ruleset.manifest import Manifest, SourceState
from vedette.store import SHRINK_HELD_BELOW, GenerationRecord, SensorRecord

log = structlog.get_logger(__name__)

_FEW = 1_000
"""So many indicators the guard may take off at once: people decide about that many by hand."""


def build(
    hub: Hub,
    *,
    whole: bool = False,
    accept: bool = False,
    asker: Asker | None = None,
    now: int = 0,
) -> BuildResult:
    """Judge what changed, and publish the indicators that the guard lets through.

    Args:
        hub: The open state directory.
        whole: Read all indicators even where the changes since the last generation are known.
        accept: Publish even if most indicators are missing: for want of a pull, or withheld.
        asker: Whom to ask how common new indicators are; None: the daemon, if there is one.
        now: Epoch seconds; 0: the present.

    Raises:
        BundleError: It cannot be written; the last generation stays in force.
        HeldError: Most indicators are missing because their sources were not pulled yet, or
            because the guard withholds them all of a sudden.
        BusyError: Another Vedette is working.
        ConfigError: [collect] names a buffer that cannot be collected.
    """
    settings, store = hub.settings, hub.store
    with hub.working("building a bundle"), judged(hub, asker, now=now):
        newest = latest_readable(settings.bundles)
        if newest and not accept:
            _hold_if_not_pulled(hub, newest)
            _hold_if_withheld(hub, newest)
        collect = Collect(settings.collect.buffers, settings.collect.entries)
        collect.check()
        seq = store.entries.last_change()
        changed = None if whole or newest is None else _changed_since(hub, newest)
        builder = Builder(
            root=settings.bundles,
            targets=targets(hub),
            prefix=settings.bundle.prefix,
            sid_base=settings.bundle.sid_base,
            collect=collect,
        )
        result = builder.build(
            store.published,
            _states(hub),
            changed=changed,
            base=newest.number if newest else None,
            levels=by_level(store.published) if settings.bundle.priorities else None,
        )
        manifest = result.manifest
        store.fleet.add_generation(
            GenerationRecord(
                number=manifest.generation,
                content_id=manifest.content_id,
                parent=manifest.parent,
                created_at=manifest.created_at,
                change_seq=seq,
            )
        )
        store.entries.remember_counts()
        announce_current(hub)
        needed = needed_generations(hub)
        dropped = forget(settings.bundles, settings.bundle.keep, needed)
    log.info(
        "bundle.built" if result.created else "bundle.unchanged",
        generation=manifest.generation,
        indicators=sum(manifest.counts.values()),
        dropped=dropped,
    )
    if result.created and (before := shrunk_from(hub, manifest)):
        log.warning(
            "bundle.shrank",
            generation=manifest.generation,
            before=before,
            after=sum(manifest.counts.values()),
            hint="vedette indicator list --summary",
        )
    return result


def shrunk_from(hub: Hub, manifest: Manifest) -> int:
    """How many indicators its parent had, if more than a third of them are gone; else 0.

    A wrong clock or a rule that is too strict withholds nearly everything, with a good reason for
    each.
    """
    try:
        parent = open_generation(hub.settings.bundles, manifest.parent) if manifest.parent else None
        before = sum(parent.manifest.counts.values()) if parent else 0
    except BundleError:  # not on disk any more, or damaged: nobody can tell
        return 0
    return before if sum(manifest.counts.values()) < before * SHRINK_HELD_BELOW else 0


def _hold_if_not_pulled(hub: Hub, newest: Generation) -> None:
    """Publish no emptiness for want of a pull: after a lost database, or a source added anew.

    Raises:
        HeldError: More than a third would be missing, and that says nothing about the indicators.
    """
    records = hub.store.sources()
    never = [record.name for record in records if record.last_good_at is None]
    if hub.store.fleet.generation(newest.number) is None:
        why = "this database does not know that generation"
    elif never:
        why = f"never pulled: {', '.join(never[:3])}"
    else:
        return
    before, now = sum(newest.manifest.counts.values()), sum(record.entries for record in records)
    if now < before * SHRINK_HELD_BELOW:
        raise HeldError(
            f"{now:,} indicators are left of the {before:,} of generation {newest.number} ({why})",
            hint="Generation and sensors stay as they are. Run: vedette source pull; or, if the"
            " loss is real: vedette bundle build --accept",
        )


def _hold_if_withheld(hub: Hub, newest: Generation) -> None:
    """Take nearly everything off the sensors only if a person says so.

    A clock that is wrong, an age that is too short or a list that names everything withholds each
    indicator with a good reason.

    Raises:
        HeldError: The sources list them still, and the guard withholds more than a third of them.
    """
    before = sum(newest.manifest.counts.values())
    now, listed = (sum(one.counts().values()) for one in (hub.store.published, hub.store.entries))
    if now < before * SHRINK_HELD_BELOW <= listed and before - now > _FEW:
        raise HeldError(
            f"the guard lets {now:,} indicators through, of the {before:,} of generation"
            f" {newest.number}",
            hint="Generation and sensors stay as they are. Is the clock right? What withholds them:"
            " vedette indicator list --summary; if it is meant: vedette bundle build --accept",
        )


def _changed_since(hub: Hub, newest: Generation) -> list[Key] | None:
    """The keys that changed since a generation; None where that is not known."""
    record = hub.store.fleet.generation(newest.number)
    # A restored database or bundle directory does not know how far the other reaches.
    if record is None or record.content_id != newest.manifest.content_id:
        return None
    return hub.store.entries.changed_since(record.change_seq)


def targets(hub: Hub) -> tuple[Target, ...]:
    """What to compile for: the profiles of vedette.toml, and whatever the sensors need."""
    wanted = {Target(profile) for profile in hub.settings.bundle.profiles}
    for record in hub.store.fleet.sensors():
        wanted |= _targets_of(record)
    return tuple(sorted(wanted))


def _targets_of(record: SensorRecord) -> set[Target]:
    """The target a sensor was last proved with; before that, all that it may turn out to be."""
    if record.proof and not record.settings.get("context"):
        return {Target.parse(record.proof["target"])}
    if record.settings.get("context"):
        return {Target.parse("8.0+context"), Target.parse("8.0.7+context")}
    return set()


def _states(hub: Hub) -> list[SourceState]:
    return [
        SourceState(
            name=record.name,
            kind=record.kind,
            pulled_at=record.last_good_at,
            indicators=record.entries,
        )
        for record in hub.store.sources()
    ]
