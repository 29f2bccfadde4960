"""Tell MISP what its indicators met: sightings wait in the store and leave in batches.

Whatever fails, nothing is lost and nothing is told twice: a batch that may have arrived is sent
again as it was, and MISP knows each sighting by its uuid.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import structlog

from vedette.config import Settings, parse_duration
from vedette.errors import SourceError, UsageError, VedetteError
from vedette.misp.client import read_key
from vedette.misp.sightings import ForbiddenError, SightingsClient, document, through
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.looping import Loop
from vedette.pipeline.pulling import source_of
from vedette.sources.misp_api import MispApi
from vedette.store.outbox import Addressee

log = structlog.get_logger(__name__)

BATCH = 500
"""A MISP with a million attributes takes about a second for so many."""
_RETRY_MIN_S, _RETRY_MAX_S = 30, 3_600
_LOCK_WAIT_S = 60.0
MISNAMED = "[feedback] sources names sources of the kind misp: vedette source list"


class Fed(msgspec.Struct, kw_only=True):
    """What one round told one MISP."""

    source: str
    sent: int = 0
    refused: dict[str, int] = {}
    """By reason; these will never be sent again."""
    waiting: int = 0
    """Still there: for tomorrow, if today's limit is reached, or for a MISP that answers."""
    limit_reached: bool = False
    error: str = ""
    hint: str = ""


def feed_back(
    hub: Hub,
    *,
    now: Callable[[], float] = time.time,
    anyway: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Fed]:
    """Send what waits to each MISP of ``[feedback] sources``.

    Args:
        hub: The open state directory.
        now: What time it is.
        anyway: Whether to try those, too, that failed so lately that they should be left alone.
        stopped: Asked before each batch: whether to end.

    Raises:
        BusyError: Another process is sending.
    """
    with exclusive(hub.lock_file("feedback"), "sending sightings", wait_s=_wait_s(anyway)):
        return [
            fed
            for source in hub.settings.feedback.sources
            if (fed := _feed(hub, source, now, stopped, anyway=anyway)) is not None
        ]


class Standing(msgspec.Struct, kw_only=True):
    """How it stands with one MISP."""

    source: str
    is_told: bool
    """Whether it is in ``[feedback] sources``."""
    allowed: str
    """Whether the key may add sightings, as far as MISP has said."""
    max_per_day: int
    state: Addressee
    refusals: dict[str, int]
    trouble: str = ""
    """Why it can never be told anything; the name may be misspelt."""


def standing(hub: Hub) -> list[Standing]:
    """Return how it stands with every MISP that is or was told."""
    told = hub.settings.feedback.sources
    return [
        Standing(
            source=source,
            is_told=source in told,
            allowed=_allowed(state),
            max_per_day=hub.settings.feedback.max_per_day,
            state=state,
            refusals=hub.store.outbox.refusals(source),
            trouble=trouble_with(hub, source) if source in told else "",
        )
        for source in dict.fromkeys((*told, *hub.store.outbox.sources()))
        for state in [state_of(hub, source)]
    ]


def trouble_with(hub: Hub, source: str) -> str:
    """Say why a source cannot be told anything, as it is set up; ``""`` if it can.

    Nothing waits for such a one, so that nothing else would ever say so.
    """
    try:
        _misp(hub, source)
    except UsageError as error:
        return str(error)
    return ""


def _allowed(state: Addressee) -> str:
    if state.forbidden:
        return "no"
    return "yes" if state.sent else "not tried yet (vedette source test says perm_sighting)"


def state_of(hub: Hub, source: str) -> Addressee:
    """Return how sending to a MISP goes."""
    return hub.store.outbox.addressee(source, int(time.time()))


def preview(hub: Hub, source: str, *, limit: int) -> list[dict[str, object]]:
    """Return the requests that would leave next for a MISP: path and JSON, nothing is sent."""
    waiting = hub.store.outbox.oldest(source, limit=min(limit, BATCH), fresh=limit)
    batch = [one.sighting for one in waiting]
    if not batch:
        return []
    path = f"/sightings/bulkSaveSightings/{through(batch)}"
    return [{"method": "POST", "path": path, "body": document(batch)}]


def _wait_s(anyway: bool) -> float:
    """Return how long to wait for another sender: a person waits, the daemon comes again."""
    return _LOCK_WAIT_S if anyway else 0.0


def _feed(
    hub: Hub,
    source: str,
    now: Callable[[], float],
    stopped: Callable[[], bool],
    *,
    anyway: bool,
) -> Fed | None:
    """Send what waits for one MISP; None if there is nothing to do."""
    state = hub.store.outbox.addressee(source, int(now()))
    if anyway and (trouble := trouble_with(hub, source)):
        return Fed(source=source, error=trouble, hint=MISNAMED, waiting=state.waiting)
    if not state.waiting or (state.retry_at > now() and not anyway):
        return None
    fed = Fed(source=source)
    try:
        with _client(hub, source) as client:
            _send_all(hub, client, fed, now, stopped)
    except VedetteError as error:
        _fail(hub, state, fed, error, int(now()))
    fed.waiting = hub.store.outbox.addressee(source, int(now())).waiting
    fed.limit_reached &= fed.waiting > 0
    if fed.error and not fed.sent:
        return fed
    log.info(
        "feedback.sent",
        source=source,
        sent=fed.sent,
        refused=sum(fed.refused.values()),
        waiting=fed.waiting,
        limit_reached=fed.limit_reached,
    )
    return fed


def _send_all(
    hub: Hub,
    client: SightingsClient,
    fed: Fed,
    now: Callable[[], float],
    stopped: Callable[[], bool],
) -> None:
    outbox = hub.store.outbox
    while not stopped():
        left = outbox.addressee(fed.source, int(now())).left_today
        fresh = max(hub.settings.feedback.max_per_day - left, 0)
        waiting = outbox.oldest(fed.source, limit=BATCH, fresh=fresh)
        if not waiting:
            fed.limit_reached = not fresh
            return
        batch = [one.sighting for one in waiting]
        with hub.store.guarded():
            outbox.leaving((one.sighting for one in waiting if not one.tried), int(now()))
        delivered = client.deliver(batch)
        with hub.store.guarded():
            outbox.settle(fed.source, delivered.sent, delivered.refused, int(now()))
        if not (delivered.sent or delivered.refused):
            raise SourceError(
                f"MISP '{fed.source}' took none of {len(batch)} sightings and does not say why",
                hint="Its log may; they wait.",
            )
        fed.sent += len(delivered.sent)
        for reason in delivered.refused.values():
            fed.refused[reason] = fed.refused.get(reason, 0) + 1


@contextmanager
def _client(hub: Hub, source: str) -> Iterator[SightingsClient]:
    """Open the MISP that a source is.

    Raises:
        UsageError: The source is not there, or is no MISP that takes sightings.
        SourceError: Its key cannot be read.
    """
    found = _misp(hub, source)
    # Tries are the spool's business, where they survive a kill and do not delay the end.
    once = msgspec.structs.replace(found, retries=1)
    with SightingsClient(found.url, read_key(found.key_file), once) as client:
        yield client


def _misp(hub: Hub, source: str) -> MispApi:
    found = source_of(hub.store.source(source))
    if not isinstance(found, MispApi):
        raise UsageError(
            f"source '{source}' is a {found.kind}, which takes no sightings", hint=MISNAMED
        )
    return found


def _fail(hub: Hub, state: Addressee, fed: Fed, error: VedetteError, now: int) -> None:
    """Note a failure; the next try comes later each time."""
    fed.error, fed.hint = str(error), error.hint
    forbidden = isinstance(error, ForbiddenError)
    later_s = min(_RETRY_MIN_S << min(state.failures, 10), _RETRY_MAX_S)
    wait_s = _RETRY_MAX_S if forbidden else later_s
    with hub.store.guarded():
        hub.store.outbox.fail(
            fed.source,
            fed.error,
            fed.hint,
            forbidden=forbidden,
            now=now,
            wait_s=wait_s,
        )
    log.warning(
        "feedback.failed", source=fed.source, error=fed.error, hint=fed.hint, retry_in_s=wait_s
    )


class FeedbackLoop(Loop):
    """Sends from entering to leaving, in a thread of its own: no MISP delays anything else."""

    job = "feedback"

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        """Take the settings, and the event that ends everything."""
        super().__init__(settings, stop, parse_duration(settings.feedback.every))
        self.is_wanted = bool(settings.feedback.sources)

    def begin(self, hub: Hub) -> None:
        """Name what cannot be told of anything."""
        for source in self.settings.feedback.sources:
            if trouble := trouble_with(hub, source):
                log.warning("feedback.misnamed", source=source, error=trouble, hint=MISNAMED)

    def once(self, hub: Hub) -> None:
        """Send what waits.

        Raises:
            BusyError: Somebody else sends.
        """
        feed_back(hub, stopped=lambda: self.is_over)
