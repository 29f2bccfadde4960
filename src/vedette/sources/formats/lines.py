"""One value a line, ``#`` for comments, also behind the value; there also `` ;``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vedette.model import IndicatorType as T
from vedette.sources.formats.contract import Options, Value

WHOLE_LINE = frozenset(
    {
        T.USER_AGENT,
        T.COOKIE,
        T.REFERER,
        T.HTTP_SERVER,
        T.SSH_SOFTWARE,
        T.FILENAME,
        T.EMAIL_SUBJECT,
        T.EMAIL_X_MAILER,
        T.EMAIL_MESSAGE_ID,
    }
)
"""Types whose values may hold any character: no comment behind them, no other format guessed."""

_COMMENT = ("#", ";", "//", "!")
_BEHIND_URL = re.compile(r"\s#")
_BEHIND = re.compile(r"#|\s;")


class Lines:
    """The plainest format."""

    def __init__(self, options: Options, _sample: Iterable[str] = ()) -> None:
        """Read a list with these settings."""
        self._type = options.type
        self._whole = options.type in WHOLE_LINE
        self._comment = _BEHIND_URL if options.type in {T.URL, T.URI} else _BEHIND

    def feed(self, line: str) -> Iterable[Value]:
        """Return the value of a line."""
        text = line.strip()
        if not text or text.startswith(_COMMENT):
            return ()
        if not self._whole and ("#" in text or ";" in text):
            mark = self._comment.search(text)
            if mark is not None:
                value, comment = text[: mark.start()].rstrip(), text[mark.end() :].strip("#; \t")
                return ((self._type, value, comment),)
        return ((self._type, text, ""),)
