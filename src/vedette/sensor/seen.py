"""A cheap picture of a sensor: whatever changes what it holds, changes the picture.

Files are only looked at from outside (inode, size, times), and the engine is asked a few short
questions. Hard rule: a picture proves nothing; one that differs is a reason to prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from vedette.sensor import reload
from vedette.sensor.client import SuricataSocket
from vedette.sensor.install import CURRENT, Installed, RulesDirectory
from vedette.sensor.protocol import Outcome
from vedette.sensor.release import Release, datavalue, is_lookable
from vedette.sensor.reload import Activity, Mark

_TIMEOUT_S = 30.0
_LOOK_THERE = (
    'cd "$1" || exit; echo "$(readlink current) current"; cd "$2" && stat -c "%i %s %y %z %n" -- *'
)
_NAMES_SHOWN = 3


class Seen(NamedTuple):
    """What was seen at one moment."""

    files: Mapping[str, str]
    """How each file of the generation in force looks from outside, and where ``current`` leads."""
    mark: Mark
    """Which load of its rules the engine is in."""
    canaries: Mapping[str, Outcome]
    """By dataset."""


def see(engine: SuricataSocket, directory: RulesDirectory, since: Seen | None = None) -> Seen:
    """Look at the files that we installed, and at the engine.

    Args:
        engine: Connected.
        directory: Vedette's, as the engine reads it.
        since: The picture before; saves some questions.

    Raises:
        SensorError: The engine or its machine cannot be asked.
    """
    installed = directory.current()
    files = files_of(directory, installed)
    return picture(engine, files, installed.release if installed else None, since)


def picture(
    engine: SuricataSocket, files: Mapping[str, str], release: Release | None, since: Seen | None
) -> Seen:
    """Add to the look of some files what the engine says.

    Raises:
        SensorError: It cannot be asked.
    """
    mark = reload.mark(engine, since.mark if since else None)
    return Seen(files, mark, dict(_canaries(engine, release)) if release else {})


def changes(before: Seen, now: Seen) -> Iterator[str]:
    """Say what is different, for people."""
    yield from _changed_files(before.files, now.files)
    happened = reload.activity(before.mark, now.mark)
    if happened is Activity.RELOADED and now.mark.reloads == 0:
        yield "the engine was started again"
    elif happened is not Activity.NONE:
        runs = happened is Activity.RUNNING
        yield "somebody reloads the rules" if runs else "somebody reloaded the rules"
    for name, outcome in now.canaries.items():
        if outcome is not before.canaries.get(name, Outcome.FOUND):
            yield f"the canary of {name}: {outcome}"


def files_of(directory: RulesDirectory, installed: Installed | None) -> dict[str, str]:
    """Look at the files of the generation in force, on the machine of the engine.

    Raises:
        SensorError: That machine cannot be reached.
    """
    if installed and (there := installed.elsewhere):
        words = ["sh", "-c", _LOOK_THERE, "sh", str(there.path), installed.path.name]
        _, output = there.run(words, _TIMEOUT_S)
        pairs = (line.rpartition(" ") for line in output.splitlines())
        return {name: look for look, _, name in pairs}
    link = directory.path / CURRENT
    found = {CURRENT: look_at(link, follow=False) + (_leads_to(link))}
    if installed:
        found |= {name: look_at(installed.path / name) for name in installed.release.files}
    return found


def look_at(path: Path, *, follow: bool = True) -> str:
    """Return what changes with a file, ``""`` if it is not there."""
    try:
        status = path.stat(follow_symlinks=follow)
    except OSError:
        return ""
    # The time of change of the inode cannot be set back, whatever is done to the other.
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _leads_to(link: Path) -> str:
    try:
        return f" {link.readlink()}"
    except OSError:
        return ""


def _changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    if before.get(CURRENT) != now.get(CURRENT):
        yield f"'{CURRENT}' was switched"
        return
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if names:
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        yield f"{', '.join(names[:_NAMES_SHOWN])}{more}: changed or gone"


def _canaries(engine: SuricataSocket, release: Release) -> Iterator[tuple[str, Outcome]]:
    for info in filter(is_lookable, release.sets):
        yield info.name, engine.lookup(info.name, info.type, datavalue(info, info.canary))
