"""The whole chain at once: one DNS query for the canary's name, and its alert in eve.json.

Hard rule: only an alert of our rule, for this name, from the port that we sent from, counts.
When none comes, the check says which link of the chain is broken, as far as it can be told.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from msgspec import Struct

from vedette.errors import SensorError
from vedette.ruleset.manifest import SetInfo
from vedette.sensor.canary_query import Heard, Way, send_query
from vedette.sensor.canary_there import ask_there
from vedette.sensor.client import SuricataSocket
from vedette.sensor.evidence import TRAFFIC
from vedette.sensor.install import Installed
from vedette.sensor.proof import Check
from vedette.sensor.protocol import Outcome
from vedette.sensor.release import Release, datavalue, is_lookable
from vedette.sensor.settings import Sensor

NAME = TRAFFIC
_BUFFER = "dns.query"
_POLL_S = 0.005
_LINE_MAX = 1 << 22


class Traffic(Way, frozen=True, kw_only=True):
    """How a query is sent, and how long its alert may take."""

    timeout_s: float = 10.0


class _Event(Struct):
    """What of a line of EVE matters here."""

    event_type: str = ""
    src_port: int = 0
    dest_port: int = 0
    alert: dict[str, Any] = {}


class _Query(NamedTuple):
    """What was sent."""

    name: str
    port: int
    sent_at: float
    """Of the monotonic clock."""


def prove_traffic(
    engine: SuricataSocket, sensor: Sensor, installed: Installed, traffic: Traffic
) -> Check:
    """Send one query for the canary's name of a generation, and wait for its alert.

    It is sent on the machine of the sensor: here, or over ssh.

    Args:
        engine: Connected; asked for the reason if nothing comes.
        sensor: Its ``eve`` is read.
        installed: The generation in force.
        traffic: How to send.

    Raises:
        SensorError: The query cannot be sent, no rule looks at DNS, or eve.json cannot be read.
    """
    name, info = canary_of(installed.release)
    sids = {rule.sid for rule in installed.release.rules if rule.set == info.name}
    if not sensor.eve:
        raise SensorError(
            f"it is not known where sensor '{sensor.name}' writes its eve.json",
            hint="Say it: vedette sensor set NAME --eve FILE",
        )
    packets = packets_by_interface(engine)
    if there := installed.elsewhere:
        heard, where = ask_there(
            there, Path(sensor.eve), name, sids, traffic, timeout_s=traffic.timeout_s
        )
    else:
        heard, where = _ask_here(Path(sensor.eve), name, sids, traffic)
    is_there = heard.alert_s >= 0
    detail = ""
    if not is_there:
        more = {
            one: count - packets.get(one, 0) for one, count in packets_by_interface(engine).items()
        }
        detail = _why(engine, info, heard, more)
    return Check(
        name=NAME,
        ok=is_there,
        expected=f"a query for {name}, sent {where}, is an alert in {sensor.eve}",
        got=f"after {heard.alert_s:.3f} s" if is_there else f"none in {traffic.timeout_s:g} s",
        detail=detail,
    )


def _ask_here(eve: Path, name: str, sids: set[int], traffic: Traffic) -> tuple[Heard, str]:
    with _Tail(eve) as tail:
        sent_at = time.monotonic()
        port, where = send_query(name, traffic)
        return _listen(tail, _Query(name, port, sent_at), sids, traffic.timeout_s), where


def canary_of(release: Release) -> tuple[str, SetInfo]:
    """Return a name that stands for this generation when it is asked for in the DNS, and its set.

    Raises:
        SensorError: The release has no rule that looks at DNS queries.
    """
    watched = {rule.set for rule in release.rules if rule.buffer == _BUFFER}
    sets = [info for info in release.sets if info.name in watched and is_lookable(info)]
    named = [info for info in sets if info.canary.endswith(".invalid")]
    named.sort(key=lambda info: info.dataset != "generation")
    if not named:
        raise SensorError(
            f"generation {release.generation} has no rule that looks at DNS queries",
            hint="Without names in the bundle there is nothing to try with one query.",
        )
    return named[0].canary.lstrip("."), named[0]


def packets_by_interface(engine: SuricataSocket) -> dict[str, int]:
    """Return how many packets the engine has seen on each interface that it watches."""
    found = {}
    answer = engine.ask("iface-list")
    if answer.ok:
        for name in answer.decode(dict[str, Any]).get("ifaces", ()):
            one = engine.ask("iface-stat", {"iface": str(name)})
            found[str(name)] = int(one.decode(dict[str, int]).get("pkts", 0)) if one.ok else 0
    return found


def _listen(tail: _Tail, query: _Query, sids: set[int], timeout_s: float) -> Heard:
    mark, was_logged = query.name.encode(), False
    while True:
        for line in tail.lines():
            event = _event(line) if mark in line.lower() else None
            if event is None or query.port not in {event.src_port, event.dest_port}:
                continue
            if event.alert.get("signature_id") in sids:
                return Heard(time.monotonic() - query.sent_at, was_logged=True)
            was_logged |= event.event_type == "dns"
        if time.monotonic() - query.sent_at > timeout_s:
            return Heard(-1.0, was_logged)
        time.sleep(_POLL_S)


def _event(line: bytes) -> _Event | None:
    try:
        return msgspec.json.decode(line, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _why(engine: SuricataSocket, info: SetInfo, heard: Heard, packets: dict[str, int]) -> str:
    held = engine.lookup(info.name, info.type, datavalue(info, info.canary))
    watched = ", ".join(packets) or "no interface that it names"
    if held is not Outcome.FOUND:
        return (
            f"The engine does not hold the canary ({held}); the other checks say why. Push again."
        )
    if heard.was_logged:
        return (
            "The engine saw the query and wrote it to EVE, but no alert: the rule is suppressed"
            " (threshold.config) or lost, or 'alert' is not among the types of that eve-log."
        )
    if not any(packets.values()):
        return (
            f"The engine saw no packet at all meanwhile (it watches {watched}): the interface is"
            " down, or not the one that carries this machine's traffic."
        )
    return (
        f"The engine saw packets meanwhile (on {watched}), but EVE has nothing of this query: it"
        " left by another interface (name one, or a resolver beyond it), or this is not the"
        " eve.json that this engine writes."
    )


class _Tail:
    """Lines that are written to a log from now on, also into the file that follows a rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise SensorError(
                f"cannot read {path}: {error.strerror}",
                hint="Is that the eve.json of this engine, and may Vedette read it?",
            ) from error
        self._file.seek(0, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def lines(self) -> Iterator[bytes]:
        """Yield what is new."""
        while chunk := self._file.read(1 << 16):
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            yield from whole
            if len(self._rest) > _LINE_MAX:
                self._rest = b""
        self._follow()

    def _follow(self) -> None:
        try:
            status = self._path.stat()
            if status.st_ino != os.fstat(self._file.fileno()).st_ino:
                following = self._path.open("rb")
            elif status.st_size < self._file.tell():
                self._file.seek(0)
                return
            else:
                return
        except OSError:
            return  # between the two names of a rotation
        self._file.close()
        self._file, self._rest = following, b""
