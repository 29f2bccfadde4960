"""Read a sensor's eve.json and fold what our rules saw into the inbox of hits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from vedette.buffers import Profile
from vedette.errors import SensorError
from vedette.eve.reader import Batch, Wait, follow, polling
from vedette.eve.segment import Bookmark
from vedette.hits import HitReader
from vedette.pipeline.delivering import sensor_of
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import Target

log = structlog.get_logger(__name__)


class Place(msgspec.Struct, frozen=True):
    """Where reading stopped, stored in the same transaction as the hits before it."""

    bookmark: Bookmark | None = None
    held: tuple[str, ...] = ()
    """Alerts that still wait for the event that carries their value."""


class Reading(msgspec.Struct, kw_only=True):
    """What reading an eve.json brought."""

    sensor: str
    batches: int = 0
    lines: int = 0
    hits: int = 0
    """Alerts and events that are hits, by count."""
    new: int = 0
    """Groups that nobody had seen before."""
    counters: dict[str, int] = {}
    canaries: dict[str, datetime] = {}


def read_hits(hub: Hub, name: str) -> Reading:
    """Read what was written since the last time, and return.

    Raises:
        SensorError: The sensor has no eve.json, or it may not be read.
    """
    total = Reading(sensor=name)
    for one in _read(hub, name, lambda: False):
        _add(total, one)
    return total


def watch(hub: Hub, name: str, stop: threading.Event, interval_s: float) -> None:
    """Read on and on until ``stop`` is set, or the sensor is gone or has another eve.json.

    Raises:
        SensorError: The sensor has no eve.json, or it may not be read.
    """
    eve, again = sensor_of(hub, name).eve, polling(stop, interval_s)

    def go_on() -> bool:
        return again() and any(
            record.name == name and record.settings.get("eve") == eve
            for record in hub.store.fleet.sensors()
        )

    for one in _read(hub, name, go_on):
        if one.new:
            log.info("hits.found", sensor=name, hits=one.hits, new=one.new)


def _read(hub: Hub, name: str, wait: Wait) -> Iterator[Reading]:
    sensor = sensor_of(hub, name)
    if not sensor.eve:
        raise SensorError(
            f"sensor '{name}' has no eve.json",
            hint="Add the sensor again with --eve FILE to get hits.",
        )
    body = hub.store.fleet.bookmark(name)
    place = msgspec.json.decode(body, type=Place) if body else Place()
    reader = HitReader(
        name,
        hub.settings.bundle.sid_base,
        hub.store.entries.lookup,
        withheld=hub.store.published.outcomes,
        profile=_profile(hub, name),
        held=place.held,
    )
    try:
        for batch in follow(Path(sensor.eve), place.bookmark, wait=wait):
            yield _take(hub, name, reader, batch)
    except OSError as error:
        raise SensorError(
            f"cannot read {sensor.eve}: {error.strerror}",
            hint="Vedette must be able to read it: add its user to the group that owns it.",
        ) from error


def _take(hub: Hub, name: str, reader: HitReader, batch: Batch) -> Reading:
    # Contexts may have been changed by a pull of another thread or process.
    hub.store.entries.forget_contexts()
    findings = reader.read(batch.data)
    counters = dict(findings.counts)
    for reason, n in batch.skipped.items():
        counters[f"skipped.{reason}"] = counters.get(f"skipped.{reason}", 0) + n
    place = msgspec.json.encode(Place(batch.bookmark, findings.held))
    with hub.store.guarded():
        new = hub.store.fleet.add_hits(name, findings.hits, place, counters)
    return Reading(
        sensor=name,
        batches=1,
        lines=batch.data.count(b"\n"),
        hits=sum(joined.hit.count for joined in findings.hits),
        new=new,
        counters=counters,
        canaries=findings.canaries,
    )


def _profile(hub: Hub, name: str) -> Profile | None:
    proof = hub.store.fleet.sensor(name).proof
    return Target.parse(proof["target"]).profile if proof else None


def _add(total: Reading, one: Reading) -> None:
    total.batches += one.batches
    total.lines += one.lines
    total.hits += one.hits
    total.new += one.new
    for key, n in one.counters.items():
        total.counters[key] = total.counters.get(key, 0) + n
    total.canaries.update(one.canaries)
