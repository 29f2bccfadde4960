"""Who runs a command that changes something: written down in one place for all commands.

Two rows a command: before it changes anything, and when it is over. If the first cannot be
written, the command is refused; if the second cannot, the command says so, and the trail tells that
it began.
"""

from __future__ import annotations

import os
import pwd
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from vedette.cli.common import hub
from vedette.cli.masking import masked, masked_text
from vedette.errors import StoreError, VedetteError
from vedette.pipeline.hub import Hub
from vedette.store import Deed

_NO_LOGIN = 4_294_967_295
_SUBJECTS = 20
_PARENTS = 12


def deed(action: str, subject: str, params: Mapping[str, Any]) -> Deed:
    """Return who does this, from where and with what, as far as it may be kept."""
    shown = {
        name: masked(name, value)
        for name, value in params.items()
        if value not in (None, "", ()) and value is not False and name != "as_json"
    }
    return Deed(
        who=who(),
        origin=origin(),
        action=action,
        subject=masked_text(subject),
        detail={"arguments": shown} if shown else {},
    )


def begin(action: str, subject: Any, params: Mapping[str, Any]) -> int:
    """Write that a command begins; returns the number of the row.

    Args:
        action: The command's path.
        subject: What it is done to, as the command line has it.
        params: All that was typed.

    Raises:
        StoreError: It cannot be written; the command must not change anything.
    """
    what = deed(action, _subject(subject), params)
    try:
        with hub() as opened:
            return opened.store.audit.began(what)
    except StoreError as error:
        raise StoreError(
            f"who changes something is written down first, and that failed: {error}",
            hint=f"Nothing was changed. {error.hint}",
        ) from error


def note(opened: Hub, action: str, subject: str, params: Mapping[str, Any]) -> None:
    """Write what was done at once, by a command that made the hub itself."""
    what = deed(action, subject, params)
    opened.store.audit.add(
        who=what.who,
        origin=what.origin,
        action=what.action,
        subject=what.subject,
        detail=what.detail,
    )


def end(number: int, error: BaseException | None, subject: str = "") -> None:
    """Write how a command ended; if that fails, say it: what was done is done.

    Args:
        number: Of the row of its beginning.
        error: What it failed with.
        subject: What it was done to, if that was not known when it began.
    """
    ok, detail = _outcome(error)
    try:
        with hub() as opened:
            opened.store.audit.ended(number, ok=ok, subject=subject, detail=detail)
    except VedetteError as failure:
        click.echo(
            f"warning: the audit trail holds that this began, not how it ended: {failure}", err=True
        )


def _outcome(error: BaseException | None) -> tuple[bool, dict[str, Any]]:
    if error is None:
        return True, {}
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code == 0, {"exit_code": error.exit_code} if error.exit_code else {}
    if isinstance(error, KeyboardInterrupt | click.exceptions.Abort):
        return False, {"error": "interrupted"}
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if isinstance(error, VedetteError):
        return False, {"error": masked_text(text), "exit_code": error.exit_code}
    return False, {"error": masked_text(f"{type(error).__name__}: {text}")}


def _subject(value: Any) -> str:
    values = list(value) if isinstance(value, list | tuple) else [value]
    texts = [str(getattr(one, "name", one)) for one in values if one not in (None, "")]
    more = len(texts) - _SUBJECTS
    return ", ".join([*texts[:_SUBJECTS], *([f"and {more:,} more"] if more > 0 else [])])


# -- who and where from ---------------------------------------------------------------------------


def who() -> str:
    """Return the user, and who it is that became this user: ``ada as root``."""
    user = _user_name(os.geteuid())
    person = _login() or (os.environ.get("SUDO_USER", "") if os.geteuid() == 0 else "")
    return f"{person} as {user}" if person and person != user else user


def _login() -> str:
    """Return who logged in, by the kernel's word, which su and sudo do not change."""
    with suppress(OSError, ValueError):
        number = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
        if number != _NO_LOGIN:
            return _user_name(number)
    return ""


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def origin() -> str:
    """Return terminal and host, and the address of whoever came by SSH."""
    address = _ssh_client()
    place = f"{_terminal()} on {socket.gethostname()}"
    return f"{place} from {address}" if address else place


def _terminal() -> str:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            return os.ttyname(stream.fileno()).removeprefix("/dev/")
    return "service" if os.environ.get("INVOCATION_ID") else "no terminal"


def _ssh_client() -> str:
    """Return the address of the SSH client; sudo forgets it, the shell before it does not."""
    own = os.environ.get("SSH_CLIENT") or os.environ.get("SSH_CONNECTION", "")
    number = os.getppid()
    for _ in range(_PARENTS):
        if own or number <= 1:
            break
        own, number = _of_process(number)
    address = own.split(" ")[0]
    return address if address.isprintable() else ""


def _of_process(number: int) -> tuple[str, int]:
    """Return $SSH_CLIENT of a process ("" if that is hidden) and its parent; 0: unknown."""
    found, place = "", Path("/proc") / str(number)
    with suppress(OSError):
        for one in (place / "environ").read_bytes().split(b"\0"):
            if one.startswith(b"SSH_CLIENT="):
                found = one.removeprefix(b"SSH_CLIENT=").decode("utf-8", "replace")
    with suppress(OSError, ValueError, IndexError):
        # The name of the program, in brackets, may hold anything.
        return found, int((place / "stat").read_text().rpartition(")")[2].split()[1])
    return found, 0
