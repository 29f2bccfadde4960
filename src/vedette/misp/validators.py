"""Which version of a document we hold, in the words of the server that sent it (RFC 9110, 13)."""

from __future__ import annotations

from typing import NamedTuple, Self

import httpx2

_LONGEST = 1_000


class Validators(NamedTuple):
    """What a server said about the version that we hold; both empty: nothing."""

    etag: str = ""
    modified: str = ""
    """Its ``Last-Modified``, as it was sent."""

    @classmethod
    def of(cls, answer: httpx2.Response) -> Self:
        """Take them from an answer; what could not be sent back is not taken."""
        found = (answer.headers.get(name, "") for name in ("etag", "last-modified"))
        return cls(
            *(text if len(text) <= _LONGEST and text.isprintable() else "" for text in found)
        )

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for another version only."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in asked.items() if value}


def _sendable(text: str) -> str:
    return text if len(text) <= _LONGEST and text.isascii() and text.isprintable() else ""
