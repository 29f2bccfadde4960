"""Headers that a server wants to see: keys and logins, kept in a file and never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vedette.errors import SourceError
from vedette.files import ExposedError, read_secret

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:\s*(\S.*)")
_NOT_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


def read_headers(path: str) -> Mapping[str, str]:
    """Read a file with a header a line: ``Auth-Key: ...``; ``#`` begins a comment line.

    Raises:
        SourceError: It cannot be read, everybody may read it, or a line is no header.
    """
    file = Path(path).expanduser()
    try:
        text = read_secret(file).decode("ascii")
    except ExposedError as error:
        raise SourceError(str(error), hint=error.hint) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = _why(error)
        raise SourceError(
            f"the header file {path} cannot be read: {reason}",
            hint="It holds one header a line, as 'Auth-Key: ...', in plain ASCII.",
        ) from error
    return _headers(text, path)


def _why(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it holds more than ASCII"


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
