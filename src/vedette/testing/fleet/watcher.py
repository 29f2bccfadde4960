"""Looks at the engine all the time, from the side, and notes what the agent says meanwhile.

For a fake engine it is enough to ask for one entry: its journal tells the rest. Of a real one all
entries of all generations are asked for, again and again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from vedette.testing.fleet.contents import Generation, Sets
from vedette.testing.fleet.raw import RawSocket, spelt

_PAUSE_S = 0.02
_TIMEOUT_S = 30.0
_TICK_S = 0.02
_STALL_S = 0.2


class Answer(NamedTuple):
    """To the question for the entry that every generation has."""

    at: float
    """When the answer was here; of the clock that nobody sets."""
    is_there: bool
    asked_at: float = 0.0
    failed: bool = False
    """There was no answer."""
    loaded_at: str = ""
    """When a real engine says that it has loaded the rules in force."""


class Snapshot(NamedTuple):
    """All that was asked of a real engine."""

    began: float
    ended: float
    held: Sets
    asked: Sets

    def is_of(self, generation: Generation) -> bool:
        """Whether the answers are those that this generation gives."""
        if set(self.asked) < set(generation.sets):
            return False
        return all(
            self.held.get(name, frozenset()) == values & self.asked[name]
            for name, values in generation.sets.items()
        )


class Line(NamedTuple):
    """One event of the agent's log."""

    after: float
    """It was not there yet."""
    at: float
    """It was there."""
    event: Mapping[str, Any]


class Catalogue:
    """All generations that any hub of this run published, and every value that may be in one."""

    def __init__(self, profile: str, values: Mapping[str, frozenset[str]]) -> None:
        """Know none.

        Args:
            profile: Of the engine.
            values: By type of dataset, raw.
        """
        self.profile = profile
        self.by_content: dict[str, Generation] = {}
        self.values = values

    def add(self, generation: Generation) -> None:
        """Take one in."""
        self.by_content.setdefault(generation.content_id, generation)

    def asked(self) -> tuple[Sets, dict[str, str]]:
        """Return what to ask for by dataset, and the types of the datasets."""
        kinds: dict[str, str] = {}
        sets: dict[str, frozenset[str]] = {}
        for generation in list(self.by_content.values()):
            kinds |= generation.kinds
            for name, values in generation.sets.items():
                sets[name] = sets.get(name, frozenset()) | values
        dotted = self.profile == "8.0.7"
        for name, kind in kinds.items():
            if "generation" not in name:
                raw = self.values.get(kind, frozenset())
                dot = "." if dotted and kind == "string" else ""
                sets[name] |= {spelt(kind, dot + value) for value in raw}
        return sets, kinds


class Watcher:
    """A thread that looks, until it is closed.

    Args:
        socket: Of the engine itself.
        catalogue: What it may be asked for.
        log: The agent's, one JSON object a line.
        common: Set, type and value that each generation has.
        whole: Ask for everything, not only for that.
    """

    def __init__(
        self,
        socket: Path,
        catalogue: Catalogue,
        log: Path,
        common: tuple[str, str, str],
        *,
        whole: bool,
    ) -> None:
        """Look from now on."""
        self.answers: list[Answer] = []
        self.snapshots: list[Snapshot] = []
        self.lines: list[Line] = []
        self._socket = socket
        self._catalogue = catalogue
        self._log = log
        self._common = common
        self._whole = whole
        self._place = 0
        self._read_at = time.monotonic()
        self._rest = b""
        self._asked_at = 0.0
        self._engine: RawSocket | None = None
        self._ended = threading.Event()
        self.stalls: list[tuple[float, float]] = []
        """Times in which the machine did not let us run: nobody can have seen anything."""
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()
        threading.Thread(target=self._tick_on, daemon=True).start()

    def __enter__(self) -> Self:
        """It looks."""
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join(_TIMEOUT_S)
        self._hang_up()
        self._read_log()

    def _look_on(self) -> None:
        while not self._ended.wait(_PAUSE_S):
            self._read_log()
            try:
                self._look()
            except (OSError, ValueError, KeyError):
                self.answers.append(Answer(time.monotonic(), False, self._asked_at, failed=True))
                self._hang_up()

    def _tick_on(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(_TICK_S):
            now = time.monotonic()
            if now - before > _STALL_S:
                self.stalls.append((before, now))
            before = now

    def _look(self) -> None:
        self._asked_at = time.monotonic()
        if self._engine is None:
            self._engine = RawSocket(self._socket, _TIMEOUT_S)
        there = self._engine.has(*self._common)
        at = time.monotonic()
        loaded_at = str(self._engine.ask("ruleset-reload-time")["message"]) if self._whole else ""
        self.answers.append(Answer(at, there, self._asked_at, loaded_at=loaded_at))
        if self._whole:
            seen = snapshot(self._engine, self._catalogue)
            self.snapshots.append(seen)

    def _hang_up(self) -> None:
        if self._engine:
            self._engine.close()
        self._engine = None

    def _read_log(self) -> None:
        after, now = self._read_at, time.monotonic()
        with suppress(FileNotFoundError), self._log.open("rb") as file:
            file.seek(self._place)
            data = file.read()
            self._place += len(data)
            now = time.monotonic()
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                with suppress(ValueError):
                    if isinstance(event := json.loads(line), dict):
                        self.lines.append(Line(after, now, event))
        self._read_at = now


def snapshot(engine: RawSocket, catalogue: Catalogue) -> Snapshot:
    """Ask for everything that is known."""
    asked, kinds = catalogue.asked()
    began = time.monotonic()
    held = {name: engine.those_in(name, kinds[name], sorted(asked[name])) for name in asked}
    return Snapshot(began, time.monotonic(), held, asked)
