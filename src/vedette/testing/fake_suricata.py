"""A Suricata that is only its command socket: real unix socket, both dialects, all known oddities.

    with FakeSuricata(tmp / "socket", rules=tmp / "rules/current/vedette.rules") as engine: ...

It answers what 7.0.10 and 8.0.7 answer (the same scripts are replayed on both), including where
they lie: "data added" past memcap, "done" for a reload that lost a rule.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from vedette.testing.fake_datasets import FakeRuleset, FakeSet, load

_LINE_MAX = 4094
_BLOCKING_RELOADS = frozenset({"ruleset-reload-rules", "reload-rules"})
_Answer = tuple[str, object]
_OK = "OK"
_NOK = "NOK"
_NO_SET: _Answer = (_NOK, "set not found or wrong type")


class _HangUpError(Exception):
    """Close the connection without an answer."""


class CrashError(Exception):
    """The process dies (a real engine: SIGSEGV). ``before`` may raise it too."""


class FakeSuricata:
    """The socket of an engine on a thread of its own.

    Args:
        path: Where it listens.
        rules: What stands in its ``rule-files``; read at the start and at each reload.
        version: ``7.0.10`` or ``8.0.7``.
        fixed_rules: Started with ``-S``: it cannot reload.
        reload_s: How long a reload takes.
        config: More settings for ``conf-get``.
    """

    def __init__(
        self,
        path: Path,
        rules: Path,
        version: str = "8.0.7",
        *,
        fixed_rules: bool = False,
        reload_s: float = 0.05,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Do not listen yet."""
        self.path = path
        self.rules = rules
        self.version = version
        self.fixed_rules = fixed_rules
        self.reload_s = reload_s
        self.config = dict(config or {})
        self.counters: dict[str, dict[str, int]] | None = None
        """What ``dump-counters`` tells; None before the first statistics."""
        self.packets: dict[str, int] = {}
        """Seen by interface, as ``iface-stat`` tells."""
        self.commands: list[dict[str, Any]] = []
        """Every command that arrived."""
        self.crashed = False
        self.before: Callable[[dict[str, Any]], None] | None = None
        """Called with each command before it is answered."""
        self.busy: set[bytes] = set()
        """Values that answer "data is busy" once when they shall be removed."""
        self.broken_yaml = False
        """A reload is begun, fails, and changes nothing."""
        self._eight = not version.startswith("7.")
        self._ruleset = FakeRuleset()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    # -- life -----------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Load the rules, then listen; after a crash or a stop also again."""
        self.stop()
        self._ruleset = load(self.rules, self._eight)
        self._loaded_at = datetime.now(UTC)
        self._started_at = time.monotonic()
        self._next: FakeRuleset | None = None
        self._next_at = 0.0
        self._reloads = 0
        self.crashed = False
        self._stopping.clear()
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen()
        self._thread = threading.Thread(target=self._serve, args=(listener,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; 7 leaves its socket behind, 8 removes it."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None
        if self._eight and not self.crashed:
            self.path.unlink(missing_ok=True)

    def begin_reload(self) -> bool:
        """Reload as somebody else's command would; False while one is running."""
        if self._next is not None:
            return False
        if self.broken_yaml:
            return True
        self._next = load(self.rules, self._eight)
        self._next_at = time.monotonic() + self.reload_s
        self._reloads += 1
        return True

    # -- connections ----------------------------------------------------------------------

    def _serve(self, listener: socket.socket) -> None:
        with listener, selectors.DefaultSelector() as waiting:
            waiting.register(listener, selectors.EVENT_READ)
            clients: dict[socket.socket, bool] = {}
            try:
                while not self._stopping.is_set():
                    for key, _ in waiting.select(timeout=0.01):
                        if key.fileobj is listener:
                            client = listener.accept()[0]
                            clients[client] = False
                            waiting.register(client, selectors.EVENT_READ)
                        elif isinstance(key.fileobj, socket.socket):
                            self._serve_one(key.fileobj, clients, waiting)
                    self._end_reload()
            except CrashError:
                self.crashed = True
            finally:
                for client in clients:
                    client.close()

    def _serve_one(
        self,
        client: socket.socket,
        greeted: dict[socket.socket, bool],
        waiting: selectors.DefaultSelector,
    ) -> None:
        try:
            answer = self._receive(client, greeted[client])
            client.sendall(json.dumps(answer).encode() + b"\n")
            greeted[client] = True
        except (_HangUpError, OSError):
            waiting.unregister(client)
            greeted.pop(client)
            client.close()

    def _receive(self, client: socket.socket, greeted: bool) -> dict[str, object]:
        data = client.recv(_LINE_MAX + 1)
        if len(data) > _LINE_MAX and not self._eight:
            raise CrashError
        if not data.endswith(b"\n") or data.count(b"\n") != 1 or len(data) > _LINE_MAX:
            raise _HangUpError
        try:
            request = json.loads(data)
        except ValueError as error:
            raise _HangUpError from error
        if not isinstance(request, dict):
            raise _HangUpError
        if not greeted:
            if request.get("version") not in {"0.1", "0.2"}:
                raise _HangUpError
            return {"return": _OK}
        self.commands.append(request)
        if self.before:
            self.before(request)
        self._end_reload()
        result, message = self._answer(str(request.get("command")), request.get("arguments"))
        return {"message": message, "return": result}

    # -- commands -------------------------------------------------------------------------

    def _answer(self, command: str, arguments: object) -> _Answer:
        if command.startswith("dataset-"):
            return self._dataset(command, arguments)
        if command == "conf-get":
            return self._conf_get(arguments)
        if command == "ruleset-reload-nonblocking" or command in _BLOCKING_RELOADS:
            return self._reload(blocking=command in _BLOCKING_RELOADS)
        if command.startswith("iface-"):
            return self._interfaces(command, arguments)
        if command == "dump-counters":
            return (_OK, self.counters) if self.counters else (_NOK, "stats not yet synchronized")
        ruleset = self._ruleset
        stats = {
            "id": 0,
            "rules_loaded": ruleset.loaded,
            "rules_failed": len(ruleset.failed),
            "rules_skipped": 0,
        }
        loaded_at = self._loaded_at.strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
        answers: dict[str, object] = {
            "version": f"{self.version} RELEASE",
            "uptime": int(time.monotonic() - self._started_at),
            "ruleset-stats": [stats],
            "ruleset-failed-rules": ruleset.failed,
            "ruleset-reload-time": [{"id": 0, "last_reload": loaded_at}],
        }
        return (_OK, answers[command]) if command in answers else (_NOK, "Unknown command")

    def _interfaces(self, command: str, arguments: object) -> _Answer:
        if command == "iface-list":
            return _OK, {"count": len(self.packets), "ifaces": list(self.packets)}
        name = str(arguments.get("iface")) if isinstance(arguments, dict) else ""
        return (_OK, {"pkts": self.packets[name], "drop": 0}) if name in self.packets else _NO_SET

    def _conf_get(self, arguments: object) -> _Answer:
        if not isinstance(arguments, dict):
            raise _HangUpError
        key = str(arguments.get("variable"))
        reload_prefix = f"detect-engine-reloads.{self._reloads - 1}."
        if self._reloads and key.startswith(reload_prefix):
            key = key.removeprefix(reload_prefix)
        known = {
            "default-rule-path": str(self.rules.parent),
            "rule-files.0": str(self.rules),
            **self.config,
        }
        return (_OK, known[key]) if key in known else (_NOK, "Unable to get value")

    def _reload(self, *, blocking: bool) -> _Answer:
        if self.fixed_rules:
            return _NOK, "Live rule reload not possible if -s or -S option used at runtime."
        if not self.begin_reload():
            return _NOK, "Reload already in progress"
        if blocking:
            time.sleep(self.reload_s)
            self._end_reload()
        return _OK, "done"

    def _end_reload(self) -> None:
        """Put new rules into force; what was added over the socket is forgotten."""
        if self._next is not None and time.monotonic() >= self._next_at:
            self._ruleset, self._next = self._next, None
            self._loaded_at = datetime.now(UTC)

    def _dataset(self, command: str, arguments: object) -> _Answer:
        if not isinstance(arguments, dict):
            raise _HangUpError
        if command == "dataset-dump":
            return _OK, "datasets dump done"
        known = {"dataset-add", "dataset-remove", "dataset-lookup", "dataset-clear"}
        if self._eight:
            known.add("dataset-add-json")
        if command not in known:
            return _NOK, "Unknown command"
        dataset = self._ruleset.sets.get(str(arguments.get("setname")).lower())
        if dataset is None or dataset.kind != arguments.get("settype"):
            return _NO_SET
        if command == "dataset-clear":
            return _clear(dataset)
        value = dataset.parse(str(arguments.get("datavalue")))
        if command == "dataset-remove":
            return self._remove(dataset, value)
        is_lookup = command == "dataset-lookup"
        more = arguments.get("datajson")
        return _lookup(dataset, value) if is_lookup else _add(dataset, value, more)

    def _remove(self, dataset: FakeSet, value: bytes | None) -> _Answer:
        if value in self.busy:
            self.busy.discard(value)
            return _OK, "data is busy, try again"
        if value is not None and dataset.remove(value):
            return _OK, "data removed"
        return _NOK, "failed to remove data"


def _clear(dataset: FakeSet) -> _Answer:
    dataset.clear()
    return _OK, "dataset cleared"


def _lookup(dataset: FakeSet, value: bytes | None) -> _Answer:
    if value is not None and value in dataset.values:
        return _OK, "item found in set"
    return _NOK, "item not found in set"


def _add(dataset: FakeSet, value: bytes | None, extra: object) -> _Answer:
    if value is None:
        return _NOK, "failed to add data"
    if dataset.is_json and extra is None:
        raise CrashError
    added = dataset.add(value, str(extra or ""))
    return _OK, "data added" if added else "data already in set"
