"""Suricata's unix socket, as bytes in and bytes out; no I/O here.

Hard rule: one command, then its answer. The engine hangs up on two commands in one send, and a
line of 4,095 bytes kills 7.0.10; so neither can be made with this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NoReturn, TypeVar

import msgspec
from msgspec import Struct

from vedette.errors import SensorError

LINE_MAX = 4094
"""Longest line that both engines survive, newline included (measured; 4,095 is a SIGSEGV on 7)."""

_T = TypeVar("_T")


class EngineGoneError(SensorError):
    """Nobody is there: the engine was stopped, crashed, or is starting."""


class Outcome(StrEnum):
    """What an answer means. ``OK`` on the wire does not tell these apart."""

    ADDED = "added"
    ALREADY_THERE = "already there"
    REMOVED = "removed"
    NOT_REMOVED = "not removed"
    """It was not there."""
    BUSY = "busy"
    """Somebody uses the entry; the command did nothing and must be sent again."""
    FOUND = "found"
    NOT_FOUND = "not found"
    NO_SUCH_SET = "no such set"
    """The set is not loaded, or has another type."""
    NOT_ADDED = "not added"
    """The value is malformed for the set's type."""
    DONE = "done"
    """A reload has ended (or, non-blocking, begun); says nothing about its success."""
    RELOADING = "reloading"
    """A reload is already in progress."""
    CANNOT_RELOAD = "cannot reload"
    """The engine was started with ``-S`` or ``-s``."""
    UNKNOWN_COMMAND = "unknown command"
    OTHER = "other"


_OUTCOMES: Mapping[tuple[str, str], Outcome] = MappingProxyType(
    {
        ("OK", "data added"): Outcome.ADDED,
        ("OK", "data already in set"): Outcome.ALREADY_THERE,
        ("OK", "data removed"): Outcome.REMOVED,
        ("NOK", "failed to remove data"): Outcome.NOT_REMOVED,
        ("OK", "data is busy, try again"): Outcome.BUSY,
        ("OK", "item found in set"): Outcome.FOUND,
        ("NOK", "item not found in set"): Outcome.NOT_FOUND,
        ("NOK", "set not found or wrong type"): Outcome.NO_SUCH_SET,
        ("NOK", "failed to add data"): Outcome.NOT_ADDED,
        ("OK", "done"): Outcome.DONE,
        ("NOK", "Reload already in progress"): Outcome.RELOADING,
        (
            "NOK",
            "Live rule reload not possible if -s or -S option used at runtime.",
        ): Outcome.CANNOT_RELOAD,
        ("NOK", "Unknown command"): Outcome.UNKNOWN_COMMAND,
    }
)


class Answer(Struct, frozen=True, rename={"result": "return"}):
    """One line of the engine."""

    result: str
    message: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def ok(self) -> bool:
        """What the engine claims; see :class:`Outcome` for what it is worth."""
        return self.result == "OK"

    @property
    def text(self) -> str:
        """The message as people read it: the string itself, or the JSON of a structure."""
        try:
            return msgspec.json.decode(self.message, type=str)
        except (msgspec.ValidationError, UnicodeDecodeError):
            return bytes(self.message).decode(errors="replace")

    @property
    def outcome(self) -> Outcome:
        """What it means."""
        return _OUTCOMES.get((self.result, self.text), Outcome.OTHER)

    def decode(self, shape: type[_T]) -> _T:
        """Return the message as a structure; bytes that are no text (of somebody's rule) replaced.

        Raises:
            SensorError: It is something else.
        """
        try:
            text = bytes(self.message).decode(errors="replace")
            return msgspec.json.decode(text, type=shape)
        except msgspec.ValidationError as error:
            raise SensorError(
                f"the engine answered {self.text[:200]!r}, and that is not what was asked: {error}"
            ) from error


def encode(command: str, arguments: Mapping[str, str] | None = None) -> bytes:
    """Return one command as one line.

    Raises:
        SensorError: The line would be longer than the engine survives, or is no text.
    """
    request: dict[str, object] = {"command": command}
    if arguments:
        request["arguments"] = arguments
    try:
        line = msgspec.json.encode(request) + b"\n"
    except UnicodeEncodeError as error:
        raise SensorError(f"a value of {command} is no text: {error.reason}") from error
    if len(line) > LINE_MAX:
        raise SensorError(
            f"a {command} command of {len(line):,} bytes is over the engine's {LINE_MAX:,}",
            hint="The value can only reach the engine in a file, by a reload.",
        )
    return line


def fits(command: str, arguments: Mapping[str, str]) -> bool:
    """Whether :func:`encode` would accept it."""
    try:
        return len(msgspec.json.encode({"command": command, "arguments": arguments})) < LINE_MAX
    except UnicodeEncodeError:
        return False


class Conversation:
    """The state of one connection: whose turn it is, and what is still incomplete."""

    def __init__(self) -> None:
        """Start before the greeting."""
        self._waiting_for = ""
        self._buffer = b""

    def greet(self) -> bytes:
        """Return the first bytes to send: the version with newline framing."""
        self._take_turn("the greeting")
        return b'{"version":"0.2"}\n'

    def ask(self, command: str, arguments: Mapping[str, str] | None = None) -> bytes:
        """Return the bytes of one command, to be sent in one piece."""
        line = encode(command, arguments)
        self._take_turn(command)
        return line

    def receive(self, data: bytes) -> Answer | None:
        """Take what arrived; return the answer once it is complete.

        Raises:
            SensorError: The engine hung up (no data), or what it said is not an answer.
        """
        if not data:
            self._hung_up()
        self._buffer += data
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        if rest or not self._waiting_for:
            raise SensorError("the engine answered what was not asked")
        self._buffer = b""
        asked, self._waiting_for = self._waiting_for, ""
        try:
            return msgspec.json.decode(line, type=Answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SensorError(
                f"what answers to {asked} is not Suricata: {line[:80]!r}",
                hint="Is the path the command socket of Suricata (unix-command in suricata.yaml)?",
            ) from error

    def _take_turn(self, what: str) -> None:
        if self._waiting_for:
            raise SensorError(f"{what} was asked before the answer to {self._waiting_for}")
        self._waiting_for = what

    def _hung_up(self) -> NoReturn:
        during = f" in the middle of {self._waiting_for}" if self._waiting_for else ""
        raise EngineGoneError(
            f"the engine hung up{during}",
            hint="It was stopped or it crashed. Read its suricata.log; it loads the installed files"
            " when it starts again.",
        )
