"""Look at the way to a sensor that is reached by ssh: login, rights, programs, disk, clock.

Hard rule: nothing is changed there, and each thing that is wrong is said with what it costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from vedette.errors import SensorError, UsageError
from vedette.ruleset.manifest import SetInfo
from vedette.sensor.configuration import Dumped
from vedette.sensor.finding import Finding, Severity
from vedette.sensor.settings import Sensor
from vedette.sensor.ssh_link import Link, ThereError
from vedette.sensor.ssh_scripts import CHECK

_NOTHING = "Nothing can be pushed to it or proved; what is in force there stays in force."
_NEEDED = ("sha256sum", "tar", "mv -T")
_GENERATIONS_KEPT = 4
_CLOCK_S = 3.0
_ASK_S = 30.0
_BASE64 = 4 / 3

_Said = Mapping[str, str]


def check(sensor: Sensor, sets: Sequence[SetInfo] = ()) -> list[Finding]:
    """Look at everything but the engine.

    Args:
        sensor: Of delivery ``ssh``.
        sets: What it shall hold, for the space that it needs.
    """
    try:
        started = time.time()
        said = _ask(sensor)
        asked_s = time.time() - started
    except (SensorError, UsageError) as error:
        return [
            Finding(
                severity=Severity.ERROR, title=str(error), consequence=_NOTHING, remedy=error.hint
            )
        ]
    login = Finding(
        severity=Severity.OK, title=f"{sensor.ssh} is reached by ssh as {said.get('user', '?')}"
    )
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        lambda: _account(said),
        lambda: _programs(said),
        lambda: _directory(sensor, said),
        lambda: _space(sensor, said, sets),
        lambda: _clock(said, started, asked_s),
        lambda: _eve(sensor, said),
    )
    return [login, *(finding for look in looks for finding in look())]


def dump_there(sensor: Sensor, config: str, program: str) -> Dumped:
    """Read a suricata.yaml on the sensor's machine with the engine's own program.

    Raises:
        SensorError: The machine cannot be reached, or the program cannot read the file.
    """
    script = '"$1" -c "$2" --dump-config 2>&1'
    what = f"read {config}"
    try:
        output = Link(sensor).run(script, program, config, timeout_s=_ASK_S, what=what)
    except ThereError as error:
        last = error.output.decode(errors="replace").strip().splitlines()[-1:]
        said = last[0] if last else f"exit code {error.code}"
        raise SensorError(f"suricata cannot read {config} on {sensor.ssh}: {said}") from error
    return Dumped(output.decode(errors="replace"))


def _ask(sensor: Sensor) -> _Said:
    output = (
        Link(sensor)
        .run(CHECK, sensor.rules, sensor.eve, timeout_s=_ASK_S, what="look around")
        .decode(errors="replace")
    )
    return {word: rest for word, _, rest in (line.partition(" ") for line in output.splitlines())}


def _account(said: _Said) -> Iterator[Finding]:
    if said.get("uid") == "0":
        yield Finding(
            severity=Severity.HINT,
            title="Vedette logs in as root",
            consequence="Whoever takes over the hub has the sensor.",
            remedy="An account of its own is enough: it owns the rules directory, is in the group"
            " of the socket, and its key has the options restrict,port-forwarding.",
        )


def _programs(said: _Said) -> Iterator[Finding]:
    missing = [name for name in _NEEDED if name not in said.get("programs", "").split(",")]
    if missing:
        yield Finding(
            severity=Severity.ERROR,
            title=f"the sensor has no {', no '.join(missing)}",
            consequence=_NOTHING,
            remedy="Install GNU coreutils and tar, or a BusyBox that has them (mv with -T).",
        )
    if not {"zstd", "gzip"}.intersection(said.get("programs", "").split(",")):
        yield Finding(
            severity=Severity.HINT,
            title="the sensor has neither zstd nor gzip",
            consequence="Files are sent as they are, two to three times the bytes.",
            remedy="Install zstd there.",
        )


def _directory(sensor: Sensor, said: _Said) -> Iterator[Finding]:
    word, _, place = said.get("directory", "").partition(" ")
    if word == "writable":
        yield Finding(severity=Severity.OK, title=f"{sensor.rules} can be written there")
        return
    title = {
        "missing": f"{sensor.rules} is not there, and {place} may not be written",
        "other": f"{place} is no directory",
    }.get(word, f"the account may not write in {sensor.rules}")
    user = said.get("user", "ACCOUNT")
    yield Finding(
        severity=Severity.ERROR,
        title=title,
        consequence=_NOTHING,
        remedy=f"On the sensor, as root: install -d -o {user} -m 755 {sensor.rules}",
    )


def _space(sensor: Sensor, said: _Said, sets: Sequence[SetInfo]) -> Iterator[Finding]:
    size = sum(int(info.value_bytes * _BASE64) + info.entries for info in sets)
    free = said.get("free", "")
    if free.isdigit() and int(free) << 10 < _GENERATIONS_KEPT * size:
        yield Finding(
            severity=Severity.WARNING,
            title=f"{int(free) >> 10:,} MiB are free for {sensor.rules}, a generation has about"
            f" {size >> 20:,} MiB",
            consequence=f"{_GENERATIONS_KEPT} generations are there during a push: it will fail,"
            " and the sensor will stay with the one that it has.",
            remedy="Free some space there, or choose a directory on another file system.",
        )


def _clock(said: _Said, started: float, asked_s: float) -> Iterator[Finding]:
    text = said.get("clock", "")
    if not text.isdigit():
        return
    ahead = int(text) - (started + asked_s / 2)
    if abs(ahead) > _CLOCK_S + asked_s:
        yield Finding(
            severity=Severity.WARNING,
            title=f"the sensor's clock is {abs(ahead):,.0f} s {'ahead' if ahead > 0 else 'behind'}",
            consequence="Times of alerts and hits are wrong, and alerts are counted in the wrong"
            " minutes by the limit of a roll-out.",
            remedy="Let the sensor keep time: chrony or systemd-timesyncd.",
        )


def _eve(sensor: Sensor, said: _Said) -> Iterator[Finding]:
    if sensor.eve and said.get("eve") != "readable":
        yield Finding(
            severity=Severity.ERROR,
            title=f"the account may not read {sensor.eve}"
            if Path(sensor.eve).is_absolute()
            else f"{sensor.eve} is no absolute path",
            consequence="No alert of this sensor becomes a hit.",
            remedy="Put the account into the group that owns the file and its directory.",
        )
