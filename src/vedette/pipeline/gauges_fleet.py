"""The numbers of ``/metrics`` about sensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from vedette.pipeline.announcing import in_force
from vedette.pipeline.hub import Hub
from vedette.pipeline.standing import (
    delivery_of,
    is_pushed,
    report_of,
    silent_after_s,
    state_now,
)
from vedette.sensor.wire import Report, State
from vedette.store import SensorRecord, StateRecord

Samples = Iterator[tuple[str, tuple[str, ...], float]]

_MINUTE_S = 60
_SEVERITIES = ("error", "warning", "hint")


def fleet(hub: Hub, now: float) -> Samples:
    """Yield what is known of each sensor, and how many are in each state."""
    states, told = hub.store.reports.states(), in_force(hub)
    quiet_s = silent_after_s(hub)
    counted: Counter[State] = Counter()
    for record in hub.store.fleet.sensors():
        known = states.get(record.name)
        wanted = told.told_to(record.settings) if told else None
        state, _why = state_now(
            known,
            wanted,
            asked_here=is_pushed(record.settings),
            now=int(now),
            silent_after_s=quiet_s,
        )
        counted[state] += 1
        yield "vedette_sensor_generation_wanted", (record.name,), wanted.generation if wanted else 0
        yield from _state(record.name, state, known, now, quiet_s)
        report = report_of(known) if known else None
        yield from _reported(record, report)
    for one in State:
        yield "vedette_sensors", (one.value,), counted[one]
    yield from _asked(hub, now)


def _state(
    name: str, state: State, known: StateRecord | None, now: float, quiet_s: float
) -> Samples:
    for one in State:
        yield "vedette_sensor_state", (name, one.value), float(one is state)
    is_fresh = known is not None and now - known.at <= quiet_s
    yield "vedette_sensor_proved", (name,), float(state is State.PROVED and is_fresh)
    yield "vedette_sensor_generation_held", (name,), known.generation if known else 0
    if known is not None:
        yield "vedette_sensor_state_age_seconds", (name,), max(0.0, now - known.since)
        yield "vedette_sensor_heard_age_seconds", (name,), max(0.0, now - known.at)
        yield "vedette_sensor_clock_offset_seconds", (name,), known.clock_s


def _reported(record: SensorRecord, report: Report | None) -> Samples:
    """Yield what the sensor said of itself; what it does not know is left out."""
    name, ring = record.name, str(record.settings.get("ring", ""))
    version = report.engine.version if report else ""
    yield "vedette_sensor_info", (name, delivery_of(record.settings).value, ring, version), 1
    if report is None:
        return
    yield "vedette_sensor_drifts_total", (name,), report.drifts
    yield from _engine(name, report)
    if report.eve is not None:
        if report.eve.lag_s >= 0:
            yield "vedette_sensor_eve_lag_seconds", (name,), report.eve.lag_s
        yield "vedette_sensor_eve_behind_bytes", (name,), report.eve.behind_bytes
        yield "vedette_sensor_eve_waiting_batches", (name,), report.eve.waiting
    if report.findings is not None:
        found = Counter(str(finding.severity) for finding in report.findings)
        for severity in _SEVERITIES:
            yield "vedette_sensor_findings", (name, severity), found[severity]


def _engine(name: str, report: Report) -> Samples:
    engine = report.engine
    if engine.reload_s >= 0:
        yield "vedette_sensor_reload_seconds", (name,), engine.reload_s
    if engine.uptime_s >= 0:
        yield "vedette_sensor_uptime_seconds", (name,), engine.uptime_s
        yield "vedette_sensor_packets_total", (name,), engine.packets
        yield "vedette_sensor_packets_dropped_total", (name,), engine.dropped
        yield "vedette_sensor_alerts_lost_total", (name,), engine.alerts_lost


def _asked(hub: Hub, now: float) -> Samples:
    for name, proof in hub.store.measures.proofs().items():
        age = max(0.0, now - datetime.fromisoformat(proof.at).timestamp())
        yield "vedette_sensor_proof_age_seconds", (name,), age
    minute = int(now) // _MINUTE_S
    for name, alerts in hub.store.measures.alerts(minute - 3, minute - 1).items():
        yield "vedette_sensor_alerts_per_minute", (name,), alerts
