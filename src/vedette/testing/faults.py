"""Things that go wrong on purpose in our test servers: down, slow, cut off, stale, HTML, errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What goes wrong with an answer."""

    STATUS = "status"
    """Another status, with the fault's body."""
    BODY = "body"
    """200, with the fault's body instead of the right one (HTML, an error text)."""
    CUT = "cut"
    """The connection ends in the middle of the body."""
    CLOSE = "close"
    """The connection ends before any answer."""
    SLOW = "slow"
    """The answer comes, but ``seconds`` later."""
    REPEAT = "repeat"
    """The last answer to this path once more, whatever is asked now (a cache in between)."""


@dataclass
class Fault:
    """One thing that goes wrong, for the requests whose path matches.

    Example::

        misp.faults.add(Fault(FaultKind.STATUS, path="restSearch", status=500, times=1))
    """

    kind: FaultKind
    path: str = ""
    """Regular expression, searched for in the path."""
    times: int = 1_000_000
    """How often it strikes before it is over."""
    skip: int = 0
    """How many matching requests go well before."""
    status: int = 500
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class Faults:
    """The faults of one server; safe to change while it runs."""

    def __init__(self) -> None:
        """Start without any."""
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._faults.clear()

    def strike(self, path: str) -> Fault | None:
        """Decide whether a request to ``path`` goes wrong, and count it."""
        with self._lock:
            for fault in self._faults:
                if not re.search(fault.path, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                elif fault.times:
                    fault.times -= 1
                    return fault
        return None
