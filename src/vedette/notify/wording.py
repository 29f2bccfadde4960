"""News -> messages: what, where, in which context, and the command that shows it. Pure.

Hard rule: of what is TLP:RED a message says no more than that it is, and where to look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from vedette.notify.defanged import defanged
from vedette.store.messages import Message
from vedette.store.news import HeldCount
from vedette.store.records import HitRecord

SHOWN_MAX = 10
_URL = re.compile(r"https?://[!-~]{1,300}")
_WHAT = {
    "hit": ("met the network", "met the network"),
    "retro": ("was here before it was watched for", "were here before they were watched for"),
}
_MOMENT = "%Y-%m-%d %H:%M:%SZ"


class Met(NamedTuple):
    """An indicator that is news."""

    hit: HitRecord
    """The newest hit."""
    groups: int
    """How many new groups of hits it has."""


class Condition(NamedTuple):
    """How something stands that can go wrong and be well again."""

    kind: str
    subject: str
    state: str
    """``""``: well. Else what is wrong, in a word: people are told when it changes."""
    title: str
    text: str
    command: str


def hits(kind: str, met: Sequence[Met], places: Mapping[str, str]) -> Message:
    """Return one message for all indicators that are news.

    Args:
        kind: ``hit`` or ``retro``.
        met: The newest first.
        places: Base address of each source that is a server of our own: only those are linked.
    """
    one, many = _WHAT[kind]
    if len(met) == 1:
        title = f"Vedette: {_name(met[0].hit)} {one}"
    else:
        title = f"Vedette: {len(met):,} indicators {many}"
    parts = [_met(some, places) for some in met[:SHOWN_MAX]]
    option = " --retro" if kind == "retro" else ""
    if len(met) > SHOWN_MAX:
        parts.append(f"and {len(met) - SHOWN_MAX:,} more: vedette hit list{option}")
    return Message(kind=kind, title=title, body="\n\n".join(parts))


def held(counts: Sequence[HeldCount]) -> Message:
    """Return the message about indicators that wait for a person."""
    total = sum(one.n for one in counts)
    noun = "indicator is" if total == 1 else "indicators are"
    lines = [f"{one.n:,} by {one.test}: {defanged(one.example)}" for one in counts]
    return Message(
        kind="held",
        title=f"Vedette: {total:,} {noun} held for review",
        body="\n".join([*lines, "", "vedette indicator list --held"]),
    )


def condition(one: Condition) -> Message:
    """Return the message about something that went wrong, or is well again."""
    text = defanged(one.text, limit=400)
    return Message(
        kind=one.kind,
        title=f"Vedette: {one.title}",
        body=f"{text}\n\n{one.command}".lstrip(),
        is_bad=bool(one.state),
    )


def _met(one: Met, places: Mapping[str, str]) -> str:
    hit = one.hit
    more = f"; {one.groups:,} new groups of hits" if one.groups > 1 else ""
    times = "once" if hit.count == 1 else f"{hit.count:,} times"
    where = (
        f"  by {_host(hit.client)} on sensor {hit.sensor}, {times}, last"
        f" {hit.last_seen.strftime(_MOMENT)}{more}"
    )
    if _is_red(hit):
        lines = [f"{hit.type}, TLP:RED: see vedette hit show {hit.id}", where]
    else:
        lines = [_name(hit) + _seen_as(hit), f"  {hit.type} in {hit.buffer}", where]
        lines += _context(hit.contexts, places)
        lines.append(f"  vedette hit show {hit.id}")
    return "\n".join(lines)


def _name(hit: HitRecord) -> str:
    if _is_red(hit):
        return "an indicator (TLP:RED)"
    return defanged(hit.value or hit.observed) or "an indicator that the alert does not name"


def _seen_as(hit: HitRecord) -> str:
    is_other = hit.value and hit.observed and hit.observed != hit.value
    return f", seen as {defanged(hit.observed)}" if is_other else ""


def _context(contexts: Sequence[Mapping[str, Any]], places: Mapping[str, str]) -> list[str]:
    if not contexts:
        return []
    first = contexts[0]
    tlp = f" (TLP:{first['tlp'].upper()})" if first["tlp"] else ""
    more = f", and {len(contexts) - 1} more" if len(contexts) > 1 else ""
    lines = [f"  {first['source']}: {defanged(first['info']) or '-'}{tlp}{more}"]
    base, url = places.get(first["source"], ""), first["url"]
    if base and url.startswith(f"{base.rstrip('/')}/") and _URL.fullmatch(url):
        lines.append(f"  {url}")
    return lines


def _is_red(hit: HitRecord) -> bool:
    return any(context["tlp"] == "red" for context in hit.contexts)


def _host(text: str) -> str:
    """Return a host of ours as it is; a stranger's address is perhaps the indicator itself."""
    try:
        is_private = ip_address(text).is_private
    except ValueError:
        is_private = False
    return text if is_private else defanged(text)
