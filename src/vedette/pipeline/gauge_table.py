"""What ``/metrics`` says: every name with its labels and meaning. Names and labels stay.

The reference page is made of this table; nothing that is not in it can be exported.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Gauge(NamedTuple):
    """One family of numbers."""

    name: str
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    says: str


_S = ("sensor",)

GAUGES: tuple[Gauge, ...] = (
    # -- this hub
    Gauge("vedette_build_info", "gauge", ("version",), "1; which Vedette this is."),
    Gauge("vedette_run_up", "gauge", (), "1 while `vedette run` works on this state directory."),
    Gauge("vedette_database_bytes", "gauge", (), "Size of the control database."),
    Gauge(
        "vedette_disk_free_bytes", "gauge", (), "Free space where the state directory is, for us."
    ),
    Gauge("vedette_collect_seconds", "gauge", (), "How long it took to find these numbers."),
    Gauge(
        "vedette_collected_age_seconds",
        "gauge",
        (),
        "How old these numbers are; they are kept for some seconds.",
    ),
    # -- what comes in
    Gauge("vedette_source_entries", "gauge", ("source", "kind"), "What a source lists."),
    Gauge(
        "vedette_source_state",
        "gauge",
        ("source", "state"),
        "1 for what the last pull did: `changed`, `unchanged`, `held`, `failed`, `never`; else 0.",
    ),
    Gauge(
        "vedette_source_good_age_seconds",
        "gauge",
        ("source",),
        "Since the last pull that succeeded; absent if there was none.",
    ),
    Gauge("vedette_source_interval_seconds", "gauge", ("source",), "How often it shall be pulled."),
    Gauge(
        "vedette_source_rejected", "gauge", ("source",), "Values that cannot be used, last pull."
    ),
    Gauge(
        "vedette_indicators",
        "gauge",
        ("outcome",),
        "Distinct indicators: `listed` in all, and of them `exact`, `hold` and `drop`.",
    ),
    # -- what goes out
    Gauge(
        "vedette_bundle_generation",
        "gauge",
        (),
        "The current generation; 0: nothing is published.",
    ),
    Gauge("vedette_bundle_age_seconds", "gauge", (), "Since the current generation was built."),
    Gauge("vedette_bundle_indicators", "gauge", ("type",), "Indicators in the current generation."),
    Gauge("vedette_announced_generation", "gauge", (), "The generation that was announced last."),
    Gauge("vedette_announced_age_seconds", "gauge", (), "Since the last announcement."),
    Gauge(
        "vedette_rollout_state",
        "gauge",
        ("state",),
        "1 for the state of the roll-out: `canary`, `watch`, `done`, `paused`, `stopped`; else 0.",
    ),
    Gauge("vedette_rollout_age_seconds", "gauge", (), "Since the roll-out began."),
    # -- the fleet
    Gauge("vedette_sensors", "gauge", ("state",), "Sensors in each state."),
    Gauge(
        "vedette_sensor_info",
        "gauge",
        ("sensor", "delivery", "ring", "engine"),
        "1; how it is reached and which engine it said it is.",
    ),
    Gauge(
        "vedette_sensor_state",
        "gauge",
        ("sensor", "state"),
        "1 for its state: `proved`, `behind`, `drifted`, `silent`, `refused`, `fetched`, `never`;"
        " else 0.",
    ),
    Gauge("vedette_sensor_state_age_seconds", "gauge", _S, "Since it is in the state it told."),
    Gauge(
        "vedette_sensor_proved",
        "gauge",
        _S,
        "1 if the engine was asked lately and holds the wanted generation; 0 in every other state,"
        " and when the answer is older than three rounds of proofs (at least 3 minutes).",
    ),
    Gauge(
        "vedette_sensor_proof_age_seconds",
        "gauge",
        _S,
        "Since its engine was asked last, whatever it answered; absent if it never was.",
    ),
    Gauge("vedette_sensor_heard_age_seconds", "gauge", _S, "Since anything was heard of it."),
    Gauge("vedette_sensor_generation_held", "gauge", _S, "The generation it holds; 0: none."),
    Gauge("vedette_sensor_generation_wanted", "gauge", _S, "The generation it is told; 0: none."),
    Gauge(
        "vedette_sensor_drifts_total",
        "counter",
        _S,
        "Times that it did not hold what it had been proved to hold, since its agent started.",
    ),
    Gauge("vedette_sensor_reload_seconds", "gauge", _S, "How long its last reload took."),
    Gauge("vedette_sensor_uptime_seconds", "gauge", _S, "Since its engine started."),
    Gauge("vedette_sensor_packets_total", "counter", _S, "Packets since its engine started."),
    Gauge(
        "vedette_sensor_packets_dropped_total",
        "counter",
        _S,
        "Packets that its kernel did not hand over.",
    ),
    Gauge(
        "vedette_sensor_alerts_lost_total",
        "counter",
        _S,
        "Alerts beyond the engine's packet-alert-max: they are in no log.",
    ),
    Gauge(
        "vedette_sensor_alerts_per_minute",
        "gauge",
        _S,
        "Most alerts of our rules in one of the last three whole minutes.",
    ),
    Gauge("vedette_sensor_eve_lag_seconds", "gauge", _S, "How late its newest event was read."),
    Gauge("vedette_sensor_eve_behind_bytes", "gauge", _S, "Written to eve.json and not read yet."),
    Gauge(
        "vedette_sensor_eve_waiting_batches",
        "gauge",
        _S,
        "Batches of alerts that its agent has and the hub has not.",
    ),
    Gauge("vedette_sensor_clock_offset_seconds", "gauge", _S, "Its clock less ours."),
    Gauge(
        "vedette_sensor_findings",
        "gauge",
        ("sensor", "severity"),
        "What the doctor found there: `error`, `warning`, `hint`.",
    ),
    # -- what it met
    Gauge("vedette_hits", "gauge", ("sensor", "origin", "status"), "Hits in the inbox."),
    Gauge(
        "vedette_hit_events_total",
        "counter",
        ("sensor", "origin"),
        "Events that these hits stand for.",
    ),
    Gauge(
        "vedette_memory_events_total",
        "counter",
        _S,
        "Events that were taken into the memory.",
    ),
    Gauge("vedette_memory_age_seconds", "gauge", _S, "Since the memory took anything in from it."),
    # -- who is told
    Gauge("vedette_feedback_waiting", "gauge", ("source",), "Sightings that wait for a MISP."),
    Gauge("vedette_feedback_sent_total", "counter", ("source",), "Sightings that a MISP took."),
    Gauge(
        "vedette_feedback_refused_total", "counter", ("source",), "Sightings that it never takes."
    ),
    Gauge(
        "vedette_feedback_failing_seconds",
        "gauge",
        ("source",),
        "For how long no sighting has come through; 0: all is well.",
    ),
    Gauge(
        "vedette_messages",
        "gauge",
        ("state",),
        "Messages to people that `wait` or were `given up`.",
    ),
    # -- who may what
    Gauge("vedette_tokens", "gauge", ("state",), "Tokens: `valid`, `expired`, `revoked`."),
    Gauge(
        "vedette_requests_refused_total",
        "counter",
        ("reason",),
        "Requests without a token that is good for them, since `vedette serve` started.",
    ),
    Gauge(
        "vedette_audit_records_total",
        "counter",
        ("action", "ok"),
        "What the audit trail holds: what people did, and tokens that were refused.",
    ),
)
"""In the order of the page."""

BY_NAME = {gauge.name: gauge for gauge in GAUGES}
