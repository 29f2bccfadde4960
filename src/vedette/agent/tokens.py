"""The token file: what the agent shows to the hub, and the hub's key, pasted together."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vedette.errors import ConfigError, TrustError
from vedette.files import read_secret

_KEY = "key"


class Token(NamedTuple):
    """What the file holds."""

    text: str
    keys: tuple[str, ...]
    """Public keys of the hub; at most one is of use."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Token(..., keys={self.keys})"


def read_token(path: Path) -> Token:
    """Read a token file.

    Raises:
        ConfigError: It is not there, or holds something else.
        TrustError: Everybody may read it.
    """
    try:
        lines = read_secret(path, most=16_384).decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no token file: it is not text", hint=_HINT) from error
    except OSError as error:
        if hint := getattr(error, "hint", ""):
            raise TrustError(str(error), hint=hint) from error
        raise ConfigError(
            f"cannot read the token file {path}: {error.strerror or error}", hint=_HINT
        ) from error
    token = lines[0].strip()
    if not token or " " in token or not token.isprintable():
        raise ConfigError(f"the first line of {path} is no token", hint=_HINT)
    keys = []
    for line in filter(None, map(str.strip, lines[1:])):
        word, _, value = line.partition(" ")
        if word == _KEY:
            keys.append(value.strip())
        elif not line.startswith("#"):
            raise ConfigError(f"{path}: '{word[:20]}' means nothing", hint=_HINT)
    return Token(token, tuple(keys))


_HINT = "On the hub: vedette sensor enrol NAME --delivery agent; it prints what belongs there."
