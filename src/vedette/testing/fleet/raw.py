"""The engine's socket, asked without any of the product's code."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self


class RawSocket:
    """One connection to a command socket; ``OSError`` when there is no engine."""

    def __init__(self, path: Path, timeout_s: float = 2.0) -> None:
        """Connect and greet."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        self._rest = b""
        try:
            self._socket.connect(str(path))
            self._exchange({"version": "0.2"})
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        """It is connected."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.close()

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._socket.close()

    def ask(self, command: str, **arguments: str) -> Any:  # noqa: ANN401 - whatever it answers
        """Return the answer to a command: ``{"return": "OK", "message": ...}``."""
        request: dict[str, object] = {"command": command}
        if arguments:
            request["arguments"] = arguments
        return self._exchange(request)

    def has(self, name: str, kind: str, value: str) -> bool:
        """Whether a set holds a value, spelt as in its file."""
        answer = self.ask("dataset-lookup", setname=name, settype=kind, datavalue=value)
        return bool(answer["return"] == "OK")

    def those_in(self, name: str, kind: str, values: Iterable[str]) -> frozenset[str]:
        """Return which of some values a set holds."""
        return frozenset(value for value in values if self.has(name, kind, value))

    def _exchange(self, request: dict[str, object]) -> Any:  # noqa: ANN401
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while b"\n" not in self._rest:
            if not (data := self._socket.recv(1 << 16)):
                raise ConnectionResetError("the engine hung up")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)


def spelt(kind: str, value: str) -> str:
    """Spell a value as the socket and the files of datasets do."""
    if kind == "string":
        return base64.b64encode(value.encode()).decode()
    return f"::ffff:{value}" if kind == "ip" and ":" not in value else value
