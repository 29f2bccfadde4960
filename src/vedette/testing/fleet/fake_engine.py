"""The fake engine as a process of its own, which keeps a journal of all that it ever held.

Each line of the journal: the moment (of the clock that all processes share and nobody sets), and
either everything that a load of the rules brought, or one entry that came or went.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from vedette.testing.fake_datasets import FakeRuleset
from vedette.testing.fake_suricata import FakeSuricata

_STEP_S = 0.2


class _Journal(FakeSuricata):
    """Writes down what it holds, before anybody is told."""

    def __init__(
        self, journal: Path, path: Path, rules: Path, version: str, reload_s: float
    ) -> None:
        super().__init__(path, rules, version, reload_s=reload_s)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._journal = os.open(journal, flags, 0o644)
        self._written: FakeRuleset | None = None

    def _serve(self, listener: socket.socket) -> None:
        self._note_load()  # before anybody can ask
        super()._serve(listener)

    def _note_load(self) -> None:
        if self._ruleset is self._written:
            return
        self._written = self._ruleset
        held = {
            name: [base64.b64encode(value).decode() for value in one.values]
            for name, one in self._ruleset.sets.items()
        }
        self._note({"load": held, "failed": len(self._ruleset.failed)})

    def _note(self, what: dict[str, object]) -> None:
        os.write(self._journal, json.dumps({"at": time.monotonic(), **what}).encode() + b"\n")

    def _end_reload(self) -> None:
        super()._end_reload()
        self._note_load()

    def _dataset(self, command: str, arguments: object) -> tuple[str, object]:
        answer = super()._dataset(command, arguments)
        if isinstance(arguments, dict) and answer[1] in {"data added", "data removed"}:
            name = str(arguments["setname"]).lower()
            value = self._ruleset.sets[name].parse(str(arguments["datavalue"])) or b""
            change = "add" if answer[1] == "data added" else "remove"
            self._note({change: [name, base64.b64encode(value).decode()]})
        return answer


def main() -> None:
    """Run until killed: SOCKET RULES VERSION RELOAD_S JOURNAL."""
    path, rules, version, reload_s, journal = sys.argv[1:]
    engine = _Journal(Path(journal), Path(path), Path(rules), version, float(reload_s))
    engine.start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while not engine.crashed:
        time.sleep(_STEP_S)
    os.kill(os.getpid(), signal.SIGSEGV)


if __name__ == "__main__":
    main()
