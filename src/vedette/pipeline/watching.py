"""Read a sensor's eve.json and fold what our rules saw into the inbox of hits."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import structlog

from vedette.errors import SensorError
from vedette.eve.reader import Batch, Wait, follow, polling
from vedette.hits import HitReader
from vedette.pipeline.delivering import sensor_of
from vedette.pipeline.hub import Hub
from vedette.pipeline.lagging import Lags
from vedette.pipeline.receiving import Place, Reading, fold, place_of, reader_of
from vedette.sensor.reach import eve_of

log = structlog.get_logger(__name__)


def read_hits(hub: Hub, name: str) -> Reading:
    """Read what was written since the last time, and return.

    Raises:
        SensorError: The sensor has no eve.json, or it may not be read.
    """
    total = Reading(sensor=name)
    for one in _read(hub, name, lambda: False):
        total.add(one)
    return total


def watch(
    hub: Hub, name: str, stop: threading.Event, interval_s: float, lags: Lags | None = None
) -> None:
    """Read on and on until ``stop`` is set, or the sensor is gone or has another eve.json.

    Args:
        hub: The open state directory.
        name: The sensor.
        stop: Ends it.
        interval_s: How often the end of the file is looked at.
        lags: Told how far behind it is.

    Raises:
        SensorError: The sensor has no eve.json, or it may not be read.
    """
    eve, again = sensor_of(hub, name).eve, polling(stop, interval_s)

    def go_on() -> bool:
        return again() and hub.store.fleet.settings().get(name, {}).get("eve") == eve

    for one in _read(hub, name, go_on, lags):
        if one.new:
            log.info("hits.found", sensor=name, hits=one.hits, new=one.new)


def _read(hub: Hub, name: str, wait: Wait, lags: Lags | None = None) -> Iterator[Reading]:
    sensor = sensor_of(hub, name)
    if not sensor.eve:
        raise SensorError(
            f"sensor '{name}' has no eve.json",
            hint="Add the sensor again with --eve FILE to get hits.",
        )
    place = place_of(hub, name)
    reader = reader_of(hub, name, place)
    eve, wait = eve_of(sensor, wait)
    try:
        for batch in follow(eve, place.bookmark, wait=wait):
            if lags:
                lags.measure(name, eve, batch)
            yield _take(hub, reader, batch)
    except OSError as error:
        raise SensorError(
            f"cannot read {sensor.eve}: {error.strerror}",
            hint="Vedette must be able to read it: add its user to the group that owns it.",
        ) from error


def _take(hub: Hub, reader: HitReader, batch: Batch) -> Reading:
    place = Place(batch.bookmark)
    with hub.store.guarded():
        return fold(hub, reader, batch.data, place, batch.skipped, count_minutes=True)
