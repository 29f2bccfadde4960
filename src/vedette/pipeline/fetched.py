"""What consumers without an agent fetched becomes what is known of their sensors.

Hard rule: it says no more than that: nobody asked the engine, and a report of somebody who did is
not replaced by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from vedette.bundle.generation import open_generation
from vedette.errors import BundleError, UsageError
from vedette.pipeline.announcing import in_force
from vedette.pipeline.hub import Hub
from vedette.sensor.settings import Delivery
from vedette.sensor.wire import Report, State
from vedette.store import StateRecord
from vedette.store.tokens import Fetch

CARRIES_RULES = frozenset({"archive", "rules"})
"""What has to be fetched for a generation to be the consumer's."""
CHECK = "check"
"""Only a checksum was read: what was fetched before is still what is wanted, if it is of that."""
_ASKED_S = 600
"""So long the word of somebody who asked the engine stands."""


def note_fetches(hub: Hub, fetches: Sequence[Fetch]) -> None:
    """Keep what was fetched, and report the sensors whose rules it were."""
    sensors = {record.id: record.sensor for record in hub.store.tokens.all()}
    held = {
        (one.token, one.generation)
        for one in hub.store.tokens.fetches()
        if one.what in CARRIES_RULES
    }
    hub.store.tokens.note_fetches(fetches)
    for fetch in sorted(fetches, key=lambda one: one.at):
        confirmed = fetch.what == CHECK and (fetch.token, fetch.generation) in held
        if sensors.get(fetch.token) and (fetch.what in CARRIES_RULES or confirmed):
            _report(hub, sensors[fetch.token], fetch)


def _report(hub: Hub, sensor: str, fetch: Fetch) -> None:
    try:
        settings = hub.store.fleet.sensor(sensor).settings
    except UsageError:  # removed meanwhile
        return
    delivery = Delivery(settings.get("delivery", Delivery.LOCAL))
    before = hub.store.reports.state_of(sensor)
    if delivery not in {Delivery.SURICATA_UPDATE, Delivery.SCIRIUS} or (
        before and before.state != State.FETCHED and fetch.at - before.at < _ASKED_S
    ):
        return
    content_id = _content_id(hub, fetch.generation)
    report = Report(
        at=datetime.fromtimestamp(fetch.at, UTC),
        by=fetch.agent,
        delivery=delivery.value,
        state=State.FETCHED,
        why="nobody asked its engine",
        serial=_serial(hub, settings, fetch.generation),
        generation=fetch.generation,
        content_id=content_id,
    )
    record = StateRecord(
        sensor=sensor,
        at=fetch.at,
        origin=fetch.origin,
        state=report.state,
        serial=report.serial,
        generation=report.generation,
        content_id=content_id,
        report=msgspec.json.encode(report),
    )
    hub.store.reports.save(record, why=report.why)


def _content_id(hub: Hub, number: int) -> str:
    with suppress(BundleError):  # forgotten since
        if generation := open_generation(hub.settings.bundles, number):
            return generation.manifest.content_id
    return ""


def _serial(hub: Hub, settings: dict[str, object], generation: int) -> int:
    """Return the serial that it was told, if it fetched what that wants."""
    now = in_force(hub)
    told = now.told_to(settings) if now else None
    return told.serial if told and told.generation == generation else 0
