"""Ask an engine for every entry that it shall hold, a slice at a time, without an end.

A proof asks for a sample; one single entry that somebody removed is found by it with luck only. The
sweep finds it for certain, as soon as it comes there. Hard rule: it takes no more than its time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from vedette.ruleset.manifest import SetInfo
from vedette.sensor.client import SuricataSocket
from vedette.sensor.install import Installed
from vedette.sensor.protocol import Outcome, fits
from vedette.sensor.release import Entry, entry_of, file_name, is_lookable

_BLOCK_BYTES = 1 << 14


class Swept(NamedTuple):
    """What came of one slice."""

    asked: int
    missing: dict[str, list[str]]
    """By dataset, entries (as the socket takes them) that were not found."""


class Sweep:
    """Goes round and round over the entries of one installed generation."""

    def __init__(self, installed: Installed) -> None:
        """Start before its first entry."""
        self.installed = installed
        self.rounds = 0
        """How often it came to the end."""
        self._entries = self._walk()

    def ask(self, engine: SuricataSocket, seconds: float) -> Swept:
        """Ask for the next entries, as many as the time allows, and at most all of them once.

        Raises:
            SensorError: The engine cannot be asked, or a file is not what was published.
            OSError: A file is gone.
        """
        deadline = time.monotonic() + seconds
        asked, rounds = 0, self.rounds
        missing: dict[str, list[str]] = {}
        for info, entry in self._entries:
            asked += 1
            if engine.lookup(info.name, info.type, entry.datavalue) is not Outcome.FOUND:
                missing.setdefault(info.name, []).append(entry.datavalue)
            if self.rounds > rounds or time.monotonic() > deadline:
                break
        return Swept(asked, missing)

    def _walk(self) -> Iterator[tuple[SetInfo, Entry]]:
        sets = [info for info in self.installed.release.sets if is_lookable(info)]
        found = True
        while found:
            found = False
            for info in sets:
                for entry in self._entries_of(info):
                    found = True
                    yield info, entry
            self.rounds += 1

    def _entries_of(self, info: SetInfo) -> Iterator[Entry]:
        fixed = {"setname": info.name, "settype": info.type}
        path = self.installed.path / file_name(info)
        with path.open("rb", buffering=_BLOCK_BYTES) as lines:
            for line in lines:
                entry = entry_of(info, line.rstrip(b"\n"))
                if fits("dataset-lookup", {**fixed, "datavalue": entry.datavalue}):
                    yield entry
