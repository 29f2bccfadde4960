"""Scripts of messages for the command socket, and what each engine answers.

The same scripts run against the fake engine and against the real ones, so the fake cannot drift.
The rules are those of ``SCRIPT_SETS``, made by :func:`vedette.testing.handmade.hand_made`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import NamedTuple

SCRIPT_SETS: Mapping[str, tuple[str, ...]] = {
    "names": ("evil.example", "bad.example"),
    "ips": ("192.0.2.1",),
}
SCRIPT_SETS_8: Mapping[str, tuple[str, ...]] = {**SCRIPT_SETS, "names-ctx": ("evil.example",)}
"""With a set in JSON, which 7 does not know."""

HANGS_UP = "hangs up"
CRASHES = "crashes"


class Step(NamedTuple):
    """What is sent, and what each engine does: ``RETURN message``, HANGS_UP or CRASHES."""

    sends: bytes
    on_7: str
    on_8: str


class Script(NamedTuple):
    """A conversation; each begins with a new connection to an engine in a known state."""

    name: str
    steps: tuple[Step, ...]
    only_8: bool = False


def command(name: str, /, **arguments: str) -> bytes:
    """Return a command line."""
    request: dict[str, object] = {"command": name}
    if arguments:
        request["arguments"] = arguments
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


def of_length(length: int) -> bytes:
    """Return a well-formed dataset-add line of so many bytes, newline included."""
    empty = len(command("dataset-add", setname="names", settype="string", datavalue=""))
    room = length - empty
    value = "QUFB" * (room // 4)
    line = command("dataset-add", setname="names", settype="string", datavalue=value)
    return line[:-1] + b" " * (room % 4) + b"\n"


def _both(sends: bytes, answer: str) -> Step:
    return Step(sends, answer, answer)


def _on(name: str, value: str, what: str, *, kind: str = "string") -> bytes:
    return command(f"dataset-{what}", setname=name, settype=kind, datavalue=value)


def _text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


GREETING = b'{"version":"0.2"}\n'
_NEW, _EVIL = _text("new.example"), _text("evil.example")
_NO_SET = "NOK set not found or wrong type"

SCRIPTS: tuple[Script, ...] = (
    Script(
        "an entry comes and goes",
        (
            _both(_on("names", _NEW, "lookup"), "NOK item not found in set"),
            _both(_on("names", _NEW, "add"), "OK data added"),
            _both(_on("names", _NEW, "add"), "OK data already in set"),
            _both(_on("names", _NEW, "lookup"), "OK item found in set"),
            _both(_on("NAMES", _NEW, "lookup"), "OK item found in set"),
            _both(_on("names", _NEW, "remove"), "OK data removed"),
            _both(_on("names", _NEW, "remove"), "NOK failed to remove data"),
            _both(_on("names", _EVIL, "lookup"), "OK item found in set"),
        ),
    ),
    Script(
        "a set that is not there, or of another type",
        (
            _both(_on("nothing", _NEW, "add"), _NO_SET),
            _both(_on("names", "0" * 32, "add", kind="md5"), _NO_SET),
            _both(_on("nothing", _NEW, "lookup"), _NO_SET),
        ),
    ),
    Script(
        "addresses, plain and mapped, are the same",
        (
            _both(_on("ips", "192.0.2.1", "lookup", kind="ip"), "OK item found in set"),
            _both(_on("ips", "::ffff:192.0.2.1", "lookup", kind="ip"), "OK item found in set"),
            _both(_on("ips", "192.0.2.7", "add", kind="ip"), "OK data added"),
            _both(_on("ips", "192.0.2.300", "add", kind="ip"), "NOK failed to add data"),
        ),
    ),
    Script(
        "values that are not well-formed",
        (
            _both(_on("names", "!!!", "add"), "NOK failed to add data"),
            Step(_on("names", "YWI", "add"), "OK data added", "NOK failed to add data"),
            Step(_on("names", "", "add"), "OK data added", "NOK failed to add data"),
        ),
    ),
    Script("an unknown command", (_both(command("nonsense"), "NOK Unknown command"),)),
    Script(
        "JSON on a plain set",
        (
            Step(
                command(
                    "dataset-add-json",
                    setname="names",
                    settype="string",
                    datavalue=_NEW,
                    datajson='{"a":1}',
                ),
                "NOK Unknown command",
                "OK data added",
            ),
        ),
    ),
    Script(
        "an entry with JSON",
        (
            _both(_on("names-ctx", _EVIL, "lookup"), "OK item found in set"),
            _both(_on("names-ctx", _EVIL, "remove"), "OK data removed"),
            _both(
                command(
                    "dataset-add-json",
                    setname="names-ctx",
                    settype="string",
                    datavalue=_EVIL,
                    datajson='{"v":"evil.example","id":7}',
                ),
                "OK data added",
            ),
            _both(_on("names-ctx", _EVIL, "lookup"), "OK item found in set"),
        ),
        only_8=True,
    ),
    Script(
        "a plain add on a set with JSON kills the engine",
        (_both(_on("names-ctx", _NEW, "add"), CRASHES),),
        only_8=True,
    ),
    Script("the longest line", (_both(of_length(4094), "OK data added"),)),
    Script("one byte more", (Step(of_length(4095), CRASHES, HANGS_UP),)),
    Script("two commands in one send", (_both(command("version") * 2, HANGS_UP),)),
    Script("not JSON", (_both(b"hello\n", HANGS_UP),)),
    Script("no arguments", (_both(command("dataset-add"), HANGS_UP),)),
)
