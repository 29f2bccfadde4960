"""Tell people what needs them: gather news into few messages, and deliver each to every target.

Both survive a restart; a target that is down delays neither the others nor anything else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from vedette.config import NotifySettings, Settings, parse_duration
from vedette.notify import wording
from vedette.notify.sending import send
from vedette.notify.targets import Target, read_targets
from vedette.pipeline.conditions import conditions
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.looping import Loop
from vedette.store.messages import Delivery, Message
from vedette.store.news import Told

log = structlog.get_logger(__name__)

_RETRY_MIN_S, _RETRY_MAX_S = 30, 3_600
_GIVE_UP_S = 86_400
"""A message that nobody could be given for a day is old."""
_TICK_S = 1.0


def targets_of(settings: Settings) -> list[Target]:
    """Return where messages go; nowhere if no file is named.

    Raises:
        ConfigError: The file cannot be read, others may read it, or a line is no URL.
    """
    if not settings.notify.targets_file:
        return []
    path = Path(settings.notify.targets_file).expanduser()
    return read_targets(path if path.is_absolute() else Path(settings.home) / path)


def gather(hub: Hub, targets: list[Target], now: int) -> int:
    """Make messages of what is new; at most one of each kind of hits, and one of what is held.

    Returns:
        How many messages.
    """
    chosen = hub.settings.notify
    repeat_s = parse_duration(chosen.repeat)
    messages: list[Message] = []
    told: list[Told] = []
    for message, subjects in (
        *_hits(hub, chosen, now - repeat_s, now),
        *_held(hub, chosen, now - repeat_s, now),
        *_conditions(hub, chosen, now - repeat_s, now),
    ):
        messages += [message] if message is not None else []
        told += subjects
    if told:
        with hub.store.guarded():
            hub.store.news.tell(messages, told, [one.id for one in targets], now=now)
    return len(messages)


_Part = Iterator[tuple[Message | None, list[Told]]]


def _hits(hub: Hub, chosen: NotifySettings, before: int, now: int) -> _Part:
    places = {one.name: str(one.settings.get("url", "")) for one in hub.store.sources()}
    for kind in ("hit", "retro"):
        rows = hub.store.news.due(kind, told_before=before)
        told = [Told(kind, row.subject, "", now) for row in rows]
        if kind not in chosen.events:
            yield None, told
            continue
        newest = {hit.id: hit for hit in hub.store.fleet.hits_of(row.hit_id for row in rows)}
        met = [wording.Met(newest[row.hit_id], row.groups) for row in rows if row.hit_id in newest]
        yield (wording.hits(kind, met, places) if met else None), told


def _held(hub: Hub, chosen: NotifySettings, before: int, now: int) -> _Part:
    """Tell what was held since the last time, up to the second before this one."""
    last = hub.store.news.told().get(("held", ""))
    if "held" not in chosen.events or (last is not None and last.at > before):
        return
    counts = hub.store.news.held(since=last.at if last else 0, until=now - 1)
    if counts:
        yield wording.held(counts), [Told("held", "", "", now - 1)]


def _conditions(hub: Hub, chosen: NotifySettings, before: int, now: int) -> _Part:
    """Tell what went wrong, not again within ``repeat``, and at once when it is well again."""
    told = hub.store.news.told()
    for one in conditions(hub, now):
        last = told.get((one.kind, one.subject))
        state = last.state if last else ""
        if one.kind not in chosen.events or one.state == state:
            continue
        if one.state and last is not None and last.at > before:
            continue
        yield wording.condition(one), [Told(one.kind, one.subject, one.state, now)]


def deliver(hub: Hub, targets: list[Target], now: int) -> int:
    """Try what is due at each target; what fails is tried again, later each time, for a day.

    Returns:
        How many messages reached a target.
    """
    messages = hub.store.messages
    by_id = {one.id: one for one in targets}
    messages.forget(list(by_id), now)
    down: set[str] = set()
    reached = 0
    for one in messages.due(list(by_id), now):
        if one.target in down:
            continue
        target = by_id[one.target]
        error = send(target, one.message)
        if not error:
            messages.delivered(one, now)
            reached += 1
            continue
        down.add(one.target)
        due = _next_try(one, now)
        messages.failed(one, error, due=due, now=now)
        log.warning(
            "notify.failed",
            target=target.name,
            error=error,
            attempts=one.attempts + 1,
            retry_in_s=due - now if due else None,
        )
    return reached


def _next_try(one: Delivery, now: int) -> int:
    """Return when to try again; 0: it is given up."""
    if now - one.message.at > _GIVE_UP_S:
        return 0
    return now + min(_RETRY_MIN_S << min(one.attempts, 10), _RETRY_MAX_S)


def notify(hub: Hub) -> tuple[int, int]:
    """Gather and deliver once.

    Returns:
        How many messages were made, and how many reached a target.

    Raises:
        ConfigError: The targets cannot be read.
        BusyError: Another process is at it.
    """
    targets = targets_of(hub.settings)
    if not targets:
        return 0, 0
    with exclusive(hub.lock_file("notify"), "telling people"), hub.store.guarded():
        now = int(time.time())
        return gather(hub, targets, now), deliver(hub, targets, now)


class NotifyLoop(Loop):
    """Tells people from entering to leaving, in a thread of its own."""

    job = "notify"

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        """Take the settings, and the event that ends everything."""
        super().__init__(settings, stop, parse_duration(settings.notify.gather))
        self.is_wanted = bool(settings.notify.targets_file)
        self.first_s = self._every_s

    def once(self, hub: Hub) -> None:
        """Gather news into messages, and send what waits.

        Raises:
            ConfigError: Nobody can be told.
            BusyError: Somebody else tells.
        """
        made, reached = notify(hub)
        if made or reached:
            log.info("notify.told", messages=made, delivered=reached)
