"""What agents say of their sensors: checked, cleaned, kept.

Hard rule: whose report it is, only the token says. An agent that was taken over can lie about its
own sensor, and can do nothing else: not name another, not fill the disk, not speak to terminals.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from vedette.errors import UsageError
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import Target
from vedette.sensor.proof import Proof
from vedette.sensor.settings import Delivery
from vedette.sensor.wire import Rate, Report, State
from vedette.store import StateRecord

WHY_MAX = 1_000
_TEXT_MAX = 4_000
_DEPTH_MAX = 12
_NUMBER_MAX = 2**53
_FINDINGS_MAX = 500
_CHECKS_MAX = 5_000
_RATES_MAX = 1_440
_RATES_AGE_MINUTES = 1_440
_RATES_AHEAD_MINUTES = 2
_ALERTS_MAX = 10**9
_VERSION_MAX = 60
_YEARS = (1970, 2_900)  # of which two can be taken from each other, whatever the zone
_SKEW_S = 5.0
"""A smaller difference between two clocks is the way between them."""

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_CONTENT_ID = re.compile(r"[0-9a-f]{0,64}")
_HINT = "Hub and agent may be of versions that do not fit; upgrade the older one."


def heard(body: bytes, now: float) -> Report:
    """Read a report.

    Args:
        body: JSON.
        now: Epoch seconds, by our clock.

    Raises:
        UsageError: It is no report, or says what no sensor can be.
    """
    try:
        said = _cleaned(msgspec.json.decode(body), _DEPTH_MAX)
        report = msgspec.convert(said, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"this is no report: {error}", hint=_HINT) from error
    for problem in _problems(report):
        raise UsageError(f"this is no report: {problem}", hint=_HINT)
    return replace(
        report,
        why=report.why[:WHY_MAX],
        rates=_plausible(report.rates, report.at, now),
        engine=replace(report.engine, version=report.engine.version[:_VERSION_MAX]),
    )


def keep_report(hub: Hub, sensor: str, report: Report, origin: str, now: float) -> None:
    """Keep what a sensor's agent said, in place of what was known before.

    Args:
        hub: The open state directory.
        sensor: Whose token it came with.
        report: As :func:`heard` returned it.
        origin: The address that it came from.
        now: When it came: epoch seconds, by our clock.

    Raises:
        UsageError: There is no such sensor (any more).
    """
    clock_s = report.at.timestamp() - now
    record = StateRecord(
        sensor=sensor,
        at=int(now),
        origin=origin,
        state=report.state,
        serial=report.serial,
        generation=report.generation,
        content_id=report.content_id,
        clock_s=clock_s,
        report=msgspec.json.encode(replace(report, proof=None)),
    )
    rates = [(rate.minute, rate.alerts) for rate in report.rates]
    try:
        if report.proof is not None:
            _keep_proof(hub, sensor, report.proof, report.at, clock_s)
        hub.store.reports.save(record, why=report.why, rates=rates)
    except sqlite3.IntegrityError as error:
        raise UsageError(
            f"there is no sensor '{sensor}' any more", hint="On the hub: vedette sensor list"
        ) from error


def _keep_proof(hub: Hub, sensor: str, proof: Proof, said_at: datetime, clock_s: float) -> None:
    """Keep a proof under our clock: how old it is decides what people believe."""
    at = min(proof.at, said_at)
    at = at - timedelta(seconds=clock_s) if abs(clock_s) > _SKEW_S else at
    proof = replace(proof, sensor=sensor, at=at)
    body = msgspec.json.encode(proof)
    hub.store.fleet.add_proof(sensor, proof.at, proof.generation, proof.ok, body)


def _cleaned(said: Any, depth: int) -> Any:  # noqa: ANN401 - any JSON
    """Return JSON that can be shown and counted with.

    No escapes of terminals, nothing that turns text round, and no number beyond what a database and
    a monitor can hold: one of them would end the figures of the whole fleet.
    """
    if isinstance(said, str):
        return _UNPRINTABLE.sub("\ufffd", said[:_TEXT_MAX])
    if isinstance(said, int | float) and not -_NUMBER_MAX < said < _NUMBER_MAX:
        raise msgspec.ValidationError("a number out of range")
    if not isinstance(said, list | dict):
        return said
    if not depth:
        raise msgspec.ValidationError("it is nested too deeply")
    if isinstance(said, list):
        return [_cleaned(item, depth - 1) for item in said]
    return {_cleaned(key, depth - 1): _cleaned(item, depth - 1) for key, item in said.items()}


def _problems(report: Report) -> Iterator[str]:
    """Yield what no sensor can mean."""
    if report.state in {State.NEVER, State.FETCHED}:
        yield f"'{report.state}' is what the hub says of a sensor that has no agent"
    if report.proof is not None:
        yield from _problems_of(report.proof, report.state)
    if not all(0 <= number < _NUMBER_MAX for number in _numbers(report)):
        yield "a number out of range"
    if not all(map(_is_usable, _times(report))):
        yield "a time without its zone, or of another age"
    if report.delivery not in {way.value for way in Delivery}:
        yield f"no delivery '{report.delivery[:40]}'"
    if not _CONTENT_ID.fullmatch(report.content_id):
        yield "no content_id"
    if len(report.rates) > _RATES_MAX or len(report.findings or ()) > _FINDINGS_MAX:
        yield "too many minutes or findings"


def _problems_of(proof: Proof, state: State) -> Iterator[str]:
    if not _is_target(proof.target):
        yield f"a proof for no engine that there is: '{proof.target[:40]}'"
    if not 0 < len(proof.checks) <= _CHECKS_MAX:
        yield f"a proof without a check, or of more than {_CHECKS_MAX:,}"
    if proof.ok != all(check.ok for check in proof.checks):
        yield "a proof whose checks say something else than the proof itself"
    if state is State.PROVED and not proof.ok:
        yield "proved, by a proof that says the opposite"


def _is_target(text: str) -> bool:
    """Whether rules can be compiled for it: the next build does, for each sensor."""
    try:
        Target.parse(text)
    except UsageError:
        return False
    return True


def _numbers(report: Report) -> list[int]:
    parts = (report, report.proof, report.delivered)
    return [report.serial, report.drifts, *(part.generation for part in parts if part)]


def _times(report: Report) -> list[datetime]:
    parts = (report, report.proof, report.delivered)
    last = report.eve.last_event_at if report.eve else None
    times = [report.repaired_at, last, *(part.at for part in parts if part)]
    return [time for time in times if time]


def _is_usable(time: datetime) -> bool:
    return time.tzinfo is not None and _YEARS[0] <= time.year <= _YEARS[1]


def _plausible(rates: tuple[Rate, ...], at: datetime, now: float) -> tuple[Rate, ...]:
    """Return the minutes that an agent can know, by the clock that it has, as our minutes."""
    its_now = at.timestamp()
    last = int(its_now) // 60 + _RATES_AHEAD_MINUTES
    shift = round((its_now - now) / 60)
    return tuple(
        Rate(rate.minute - shift, min(rate.alerts, _ALERTS_MAX))
        for rate in rates
        if last - _RATES_AGE_MINUTES <= rate.minute <= last and rate.alerts > 0
    )
