"""Of all lines of EVE those that the hub needs to know its hits: our alerts, and their values.

An alert that does not carry its value is followed by the events of the same request, before or
behind it. Hard rule: what is left out is counted where it was an alert of ours.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from vedette.buffers import Profile
from vedette.eve.extract import Event, decode, lines_with
from vedette.hits.candidates import observed
from vedette.hits.places import Place, is_canary, is_ours, place_of, unseen_by
from vedette.hits.waiting import HELD_LINE_MAX, HELD_MAX, PATIENCE
from vedette.hits.waiting import Ours as Alert
from vedette.ruleset.collect import COLLECT_SIDS

_BLOCKS = 4
_MAIL = b'"event_type":"smtp"'
_SID = re.compile(rb'"signature_id":\s*(\d{1,10})')
_FLOW_ID = re.compile(rb'"flow_id":\s*(\d+)')
_TIMESTAMP = re.compile(rb'"timestamp":\s*"([^"]{1,64})"')


class Kept(NamedTuple):
    """What a block of lines holds for the hub."""

    lines: bytes
    """Whole lines of EVE."""
    alerts: int
    """Alerts of ours among them."""
    minutes: Counter[int]
    """Alerts of indicators by minute of the engine's clock, epoch seconds // 60."""
    last_at: datetime | None
    """When the newest event happened, by the engine's clock."""


class Sieve:
    """Keeps of one sensor's EVE what the hub needs.

    Args:
        sid_base: Of the bundle that the sensor holds.
        profile: Of its engine; mail that it cannot compare is kept for the hub to look at.
        waiting: Alerts whose event had not come when the last one stopped.
    """

    def __init__(self, sid_base: int, profile: Profile | None, waiting: Iterable[str] = ()) -> None:
        """Begin."""
        self._sid_base = sid_base
        self._mail = bool(profile and unseen_by(profile))
        self._blocks: deque[bytes] = deque(maxlen=_BLOCKS)
        alerts = (self._alert(line.encode()) for line in waiting)
        self._waiting = [alert for alert in alerts if alert]

    @property
    def waiting(self) -> tuple[str, ...]:
        """Alerts whose event may still come; to be stored with the place."""
        return tuple(alert.line.decode(errors="replace") for alert in self._waiting)

    def feed(self, data: bytes) -> Kept:
        """Return what a block of whole lines holds."""
        ours: list[bytes] = []
        kept: dict[bytes, None] = {}
        minutes: Counter[int] = Counter()
        lacking: list[Alert] = []
        for line, offset in self._ours(data):
            if offset in COLLECT_SIDS:
                continue  # a new value, not an indicator
            ours.append(line)
            if (event := decode(line, Counter())) is None or is_canary(offset):
                continue
            if at := event.at:
                minutes[int(at.timestamp()) // 60] += 1
            place = place_of(offset)
            if place is not None and _lacks(event, place):
                lacking.append(Alert(line, event, place))
        last_at = last_time(data)
        waited = bool(self._waiting or lacking)
        self._find(data, lacking, kept)
        gave_up = self._give_up(last_at)
        if self._mail:
            kept.update(dict.fromkeys(lines_with(data, _MAIL)))
        self._blocks.append(data)
        if last_at and (gave_up or (waited and (ours or kept))):
            kept[_time_line(last_at)] = None  # by which the hub, too, gives up who waited too long
        lines = b"".join(line + b"\n" for line in (*ours, *kept))
        return Kept(lines, len(ours), minutes, last_at)

    def _ours(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield alerts of our rules, each with its sid less the sid base."""
        for line in lines_with(data, b'"signature_id"'):
            match = _SID.search(line)
            if match and is_ours(offset := int(match[1]) - self._sid_base):
                yield line, offset

    def _alert(self, line: bytes) -> Alert | None:
        event = decode(line, Counter())
        if event is None or event.alert is None:
            return None
        place = place_of(event.alert.signature_id - self._sid_base)
        return Alert(line, event, place) if place else None

    def _find(self, data: bytes, lacking: list[Alert], kept: dict[bytes, None]) -> None:
        """Keep the events of requests whose alerts lack their value."""
        for block in reversed(self._blocks):
            found: dict[bytes, None] = {}
            lacking = _served(block, lacking, found)
            # Mail was sent with its block, and would be counted twice.
            kept.update(line for line in found.items() if not (self._mail and _MAIL in line[0]))
        self._waiting = _served(data, [*self._waiting, *lacking], kept)

    def _give_up(self, now: datetime | None) -> bool:
        """Forget alerts that waited too long; return whether there were any."""
        still = [alert for alert in self._waiting if _may_wait(alert, now)][-HELD_MAX:]
        gave_up = len(still) < len(self._waiting)
        self._waiting = still
        return gave_up


def last_time(data: bytes) -> datetime | None:
    """Return when the last event of a block happened."""
    start = data.rfind(b"\n", 0, len(data) - 1) + 1
    match = _TIMESTAMP.search(data, start)
    return Event("", timestamp=match[1].decode(errors="replace")).at if match else None


def _lacks(event: Event, place: Place) -> bool:
    if not place.buffer.eve or (event.alert and event.alert.context):
        return False
    return not observed(event, place)


def _served(data: bytes, wanting: list[Alert], kept: dict[bytes, None]) -> list[Alert]:
    """Keep the events of these alerts that are in a block; return the alerts still without."""
    if not wanting:
        return wanting
    wanted = _Wanted(wanting)
    for match in _FLOW_ID.finditer(data):
        if match[1] not in wanted.flows:
            continue
        start = data.rfind(b"\n", 0, match.start()) + 1
        end = data.find(b"\n", match.end())
        line = data[start : end if end >= 0 else len(data)]
        event = decode(line, Counter())
        if event is not None and event.event_type != "alert" and wanted.meet(event):
            kept[line] = None
    return [alert for alert in wanting if alert.line not in wanted.served]


class _Wanted:
    """Alerts by the events that are of their request (see ``same_transaction``).

    A flow may have thousands of requests and as many alerts: nobody looks through all of the one
    for each of the other.
    """

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self.flows: set[bytes] = set()
        self.served: set[bytes] = set()
        """Lines of alerts for whom the hub will look no further."""
        self._groups: dict[_Group, dict[int, list[Alert]]] = {}
        """By the sid of the buffer."""
        for alert in alerts:
            flow, request = alert.event.flow_id, alert.event.transaction
            protocol = alert.place.buffer.protocol
            self.flows.add(str(flow).encode())
            self._add(("any", flow, protocol), alert)
            self._add(("bare", flow, protocol) if request is None else ("tx", flow, request), alert)

    def _add(self, group: _Group, alert: Alert) -> None:
        alerts = self._groups.setdefault(group, {})
        alerts.setdefault(alert.place.buffer.sid, []).append(alert)

    def meet(self, event: Event) -> bool:
        """Return whether an event is of a request of one of these alerts, and what it settles."""
        flow, request = event.flow_id, event.transaction
        groups: tuple[_Group, ...] = (("any", flow, event.event_type),)
        if request is not None:
            groups = (("tx", flow, request), ("bare", flow, event.event_type))
        found = [self._groups[group] for group in groups if group in self._groups]
        for alerts in (one for places in found for one in places.values() if one):
            if _settles(event, alerts[0].place):
                self.served.update(alert.line for alert in alerts)
                alerts.clear()
        return bool(found)


_Group = tuple[str, int, object]


def _settles(event: Event, place: Place) -> bool:
    """Whether the hub will look no further; dns has two events of a request, or more."""
    if observed(event, place):
        return True
    protocol = place.buffer.protocol
    return event.event_type == protocol and protocol != "dns"


def _may_wait(alert: Alert, now: datetime | None) -> bool:
    at = alert.event.at
    in_time = now is None or at is None or now - at <= PATIENCE
    return in_time and len(alert.line) <= HELD_LINE_MAX


def _time_line(at: datetime) -> bytes:
    return msgspec.json.encode({"timestamp": at.isoformat(), "event_type": "vedette"})
