"""Whose a rules directory is: two hubs that push to one sensor would undo each other's work.

Hard rule: the directory belongs to the hub that pushed to it first, until a person says otherwise.
The note lies beside the generations, on the machine of the engine, so every hub sees the same one.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog
from msgspec import Struct

from vedette.errors import SensorError
from vedette.files import write_atomically
from vedette.sensor.install import RulesDirectory

log = structlog.get_logger(__name__)

_FILE = "owner.json"
_TIMEOUT_S = 30.0
_WRITE = 'umask 022; mkdir -p "$1" && printf %s "$2" > "$1/$3.new" && mv -T "$1/$3.new" "$1/$3"'


class Owner(Struct, frozen=True, kw_only=True):
    """The hub whose generations are in a rules directory."""

    hub: str
    """The instance id of its store."""
    since: datetime


def owner_of(directory: RulesDirectory) -> Owner | None:
    """Return whose it is, None as long as no hub has said so.

    Raises:
        SensorError: It is on a machine that cannot be reached.
    """
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(_read(directory), type=Owner)
    return None


def claim(directory: RulesDirectory, hub: str, *, take_over: bool = False) -> None:
    """Make sure that a directory is this hub's.

    Args:
        directory: Locked by the caller.
        hub: Instance id; ``""``: a push of no hub (by hand), which is not looked at.
        take_over: Even if it is another's.

    Raises:
        SensorError: It is another hub's, or the note cannot be written.
    """
    if not hub:
        return
    owner = owner_of(directory)
    if owner and owner.hub == hub:
        return
    if owner and not take_over:
        raise SensorError(
            f"the rules directory {directory.path} belongs to another hub ({owner.hub}, since"
            f" {owner.since:%Y-%m-%d})",
            hint="Two hubs would undo each other's work. If the other one is gone or shall no"
            " longer push here: vedette sensor push NAME --take-over",
        )
    _write(directory, msgspec.json.encode(Owner(hub=hub, since=datetime.now(UTC))))
    log.info("directory.claimed", path=str(directory.path), hub=hub, before=owner and owner.hub)


def _read(directory: RulesDirectory) -> bytes:
    """Return the note; empty if there is none."""
    if there := directory.elsewhere:
        code, output = there.run(["cat", str(there.path / _FILE)], _TIMEOUT_S)
        return output.encode() if code == 0 else b""
    try:
        return (directory.path / _FILE).read_bytes()
    except OSError:
        return b""


def _write(directory: RulesDirectory, text: bytes) -> None:
    there = directory.elsewhere
    path = there.path if there else directory.path
    problem = ""
    if there:
        words = ["sh", "-c", _WRITE, "sh", str(path), text.decode(), _FILE]
        code, output = there.run(words, _TIMEOUT_S)
        problem = output.strip() or f"exit code {code}" if code else ""
    else:
        try:
            write_atomically(path / _FILE, [text])
        except OSError as error:
            problem = error.strerror or str(error)
    if problem:
        raise SensorError(
            f"cannot write {path / _FILE}: {problem}",
            hint="Vedette must be able to write there, and needs some space on the disk.",
        )
