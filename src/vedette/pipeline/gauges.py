"""The numbers of ``/metrics``: asked of the store, cheaply, for all sensors at once."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vedette import __version__
from vedette.bundle.generation import open_generation
from vedette.errors import BundleError
from vedette.pipeline.announcing import in_force
from vedette.pipeline.gauges_fleet import fleet
from vedette.pipeline.hub import Hub
from vedette.store import SourceRecord


class Sample(NamedTuple):
    """One number."""

    name: str
    """Of a :class:`vedette.pipeline.gauge_table.Gauge`."""
    labels: tuple[str, ...]
    value: float


_PULLS = ("changed", "unchanged", "held", "failed", "never")
_PHASES = ("canary", "watch", "done", "paused", "stopped")


def measure(hub: Hub, now: float = 0.0) -> list[Sample]:
    """Return everything that a monitor may know of this hub; a moment's picture.

    Args:
        hub: The open state directory.
        now: Epoch seconds; 0: the present.
    """
    at = now or time.time()
    began = time.monotonic()
    found = [
        Sample(*sample)
        for part in (_hub, _sources, _bundle, _rollout, fleet, _met, _told, _allowed)
        for sample in part(hub, at)
    ]
    return [*found, Sample("vedette_collect_seconds", (), time.monotonic() - began)]


Samples = Iterator[tuple[str, tuple[str, ...], float]]


def _hub(hub: Hub, _now: float) -> Samples:
    yield "vedette_build_info", (__version__,), 1
    yield "vedette_run_up", (), float(is_held(hub.lock_file("run")))
    files = (hub.settings.database.with_name(f"vedette.db{end}") for end in ("", "-wal"))
    yield "vedette_database_bytes", (), sum(map(_size, files))
    yield "vedette_disk_free_bytes", (), shutil.disk_usage(hub.settings.state_dir).free


def is_held(path: Path) -> bool:
    """Whether some process holds a lock; asking shares it for an instant."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _sources(hub: Hub, now: float) -> Samples:
    for record in hub.store.sources():
        yield "vedette_source_entries", (record.name, record.kind), record.entries
        yield "vedette_source_interval_seconds", (record.name,), record.interval_s
        yield from one_of("vedette_source_state", (record.name,), _PULLS, _outcome(record))
        if record.last_good_at is not None:
            age = max(0.0, now - record.last_good_at.timestamp())
            yield "vedette_source_good_age_seconds", (record.name,), age
        if record.last_pull is not None:
            rejected = sum(record.last_pull.rejected.values())
            yield "vedette_source_rejected", (record.name,), rejected
    listed = sum(hub.store.entries.counts().values())
    withheld = hub.store.measures.withheld()
    yield "vedette_indicators", ("listed",), listed
    for outcome in ("exact", "hold", "drop"):
        yield "vedette_indicators", (outcome,), withheld.get(outcome, 0)


def _outcome(record: SourceRecord) -> str:
    return record.last_pull.outcome if record.last_pull else "never"


def one_of(name: str, labels: tuple[str, ...], states: Iterable[str], state: str) -> Samples:
    """Yield 1 for the state that is, and 0 for the others."""
    for one in states:
        yield name, (*labels, one), float(one == state)


def _bundle(hub: Hub, now: float) -> Samples:
    try:
        generation = open_generation(hub.settings.bundles)
        manifest = generation.manifest if generation else None
    except BundleError:  # damaged: no number is better than a wrong one
        return
    yield "vedette_bundle_generation", (), generation.number if generation else 0
    if manifest is None:
        return
    yield "vedette_bundle_age_seconds", (), max(0.0, now - manifest.created_at.timestamp())
    for kind, n in manifest.counts.items():
        yield "vedette_bundle_indicators", (str(kind),), n


def _rollout(hub: Hub, now: float) -> Samples:
    told = in_force(hub)
    if told is None:
        return
    yield "vedette_announced_generation", (), told.newest.generation
    yield "vedette_announced_age_seconds", (), max(0.0, now - told.newest.at)
    yield from one_of("vedette_rollout_state", (), _PHASES, told.rollout.state)
    yield "vedette_rollout_age_seconds", (), max(0.0, now - told.rollout.started_at)


def _met(hub: Hub, now: float) -> Samples:
    events: dict[tuple[str, str], int] = {}
    for one in hub.store.measures.hits():
        yield "vedette_hits", (one.sensor, one.origin, one.status), one.groups
        key = one.sensor, one.origin
        events[key] = events.get(key, 0) + one.events
    for key, n in events.items():
        yield "vedette_hit_events_total", key, n
    for taken in hub.store.measures.inputs():
        yield "vedette_memory_events_total", (taken.sensor,), taken.events
        yield "vedette_memory_age_seconds", (taken.sensor,), max(0.0, now - taken.at)


def _told(hub: Hub, now: float) -> Samples:
    for one in hub.store.measures.sending():
        yield "vedette_feedback_waiting", (one.source,), one.waiting
        yield "vedette_feedback_sent_total", (one.source,), one.sent
        yield "vedette_feedback_refused_total", (one.source,), one.refused
        failing = max(0.0, now - one.failing_since) if one.failing_since else 0.0
        yield "vedette_feedback_failing_seconds", (one.source,), failing
    messages = hub.store.measures.messages()
    yield "vedette_messages", ("wait",), messages.get("waiting", 0)
    yield "vedette_messages", ("given up",), messages.get("given up", 0)


def _allowed(hub: Hub, now: float) -> Samples:
    tokens = hub.store.measures.tokens(int(now))
    for state in ("valid", "expired", "revoked"):
        yield "vedette_tokens", (state,), tokens.get(state, 0)
    for (action, ok), n in hub.store.audit.counts().items():
        yield "vedette_audit_records_total", (action, "yes" if ok else "no"), n
