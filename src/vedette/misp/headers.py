"""Headers that a server wants to see: keys and logins, kept in a file and never shown."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path

from vedette.errors import SourceError
from vedette.files import open_regular

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(\S.*)")
_NOT_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_LONGEST = 65_536


def read_headers(path: str) -> Mapping[str, str]:
    """Read a file with a header a line: ``Auth-Key: ...``; ``#`` begins a comment line.

    Raises:
        SourceError: It cannot be read, everybody may read it, or a line is no header.
    """
    file = Path(path).expanduser()
    try:
        with open_regular(file) as stream:
            mode = file.stat().st_mode
            text = stream.read(_LONGEST).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it holds more than ASCII"
        raise SourceError(
            f"the header file {path} cannot be read: {reason}",
            hint="It holds one header a line, as 'Auth-Key: ...', in plain ASCII.",
        ) from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise SourceError(
            f"everybody may read the header file {path}", hint=f"Close it: chmod o= {path}"
        )
    return _headers(text, path)


def _headers(text: str, path: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1].lower() in _NOT_OURS or not match[2].isprintable():
            # The line itself may be a secret.
            raise SourceError(
                f"line {number} of the header file {path} is no header that can be sent",
                hint="Write it as 'Name: value'; a login is 'Authorization: Basic ...'.",
            )
        found[match[1]] = match[2]
    if not found:
        raise SourceError(
            f"the header file {path} holds no header", hint="Write one a line: 'Name: value'."
        )
    return found
