"""Text from feeds and the network as it may stand in a message: one line, nothing to click.

What is written here ends in mail clients and chats that make links, mentions and markup of it.
"""

from __future__ import annotations

import re

TEXT_MAX = 160
_DOT = re.compile(r"(?<=[^\s.])\.(?=[^\s.])")
_MARKUP = re.compile(r"[<>\[\]`*|]")


def defanged(value: str, *, limit: int = TEXT_MAX) -> str:
    """Return a value or a phrase that no client takes for a link, a mention or markup."""
    text = " ".join(value.split())
    text = "".join(one if one.isprintable() else "?" for one in text)
    text = _MARKUP.sub("_", text)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    text = _DOT.sub("[.]", text)
    return text.replace("://", "[:]//").replace("@", "[@]")
