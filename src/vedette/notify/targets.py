"""The places that messages go to: one Apprise URL a line. They hold secrets and never show them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from vedette.errors import ConfigError
from vedette.files import ExposedError, read_secret

_SCHEMA = re.compile(r"\A([A-Za-z0-9][A-Za-z0-9+.-]{1,30})://(?=.)")
_PIECE = re.compile(r"[^\s:/@?&=#,;%+]{4,}")


class Target(NamedTuple):
    """A place that messages go to."""

    line: int
    """In the file; that and the schema is all that is ever shown of it."""
    schema: str
    url: str

    @property
    def id(self) -> str:
        """What it is remembered by."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What people see of it."""
        return f"line {self.line} ({self.schema})"

    def __repr__(self) -> str:
        """Say no secret."""
        return f"Target({self.name})"

    def without_secrets(self, text: str) -> str:
        """Return a text without any piece of the URL, whichever of them is a secret."""
        pieces = sorted({*_PIECE.findall(self.url)} - {self.schema}, key=len, reverse=True)
        for piece in pieces:
            text = text.replace(piece, "***")
        return text


def read_targets(path: Path) -> list[Target]:
    """Read the file of targets; ``#`` at the start of a line is a comment.

    Raises:
        ConfigError: It cannot be read, others may read it, or a line is no URL.
    """
    try:
        lines = read_secret(path).decode("utf-8").splitlines()
    except ExposedError as error:
        raise ConfigError(str(error), hint=error.hint) from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror or error if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"cannot read the targets of messages in {path}: {why}",
            hint="[notify] targets_file names a file with one Apprise URL a line.",
        ) from error
    found: dict[str, Target] = {}
    for number, line in enumerate(lines, start=1):
        url = line.strip()
        if not url or url.startswith("#"):
            continue
        match = _SCHEMA.match(url)
        if match is None:
            raise ConfigError(
                f"{path}:{number} is no Apprise URL",
                hint="Write json://host/path, mailtos://user:password@host, slack://... there.",
            )
        target = Target(number, match[1].lower(), url)
        found.setdefault(target.id, target)
    return list(found.values())
