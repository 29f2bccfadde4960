"""Warning lists that keep themselves current: once a day, from where they came last.

If nobody ever fetched any, the first MISP among the sources is asked: it has them, and its own
people chose which of them to trust.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import structlog

from vedette.config import parse_duration
from vedette.errors import UsageError
from vedette.files import write_atomically
from vedette.pipeline.fetching_lists import Fetched, fetch_lists
from vedette.pipeline.hub import Hub
from vedette.pipeline.warninglists import fetched_lists
from vedette.sources.misp_api import MispApi

log = structlog.get_logger(__name__)

_FILE = "fetched.json"


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """From where and when the lists were fetched last; a file beside them."""

    place: str = ""
    at: int = 0
    """Epoch seconds of the last attempt."""


def update_lists(hub: Hub, place: str) -> Fetched:
    """Fetch lists because a person wants to, and go on from there.

    Raises:
        VedetteError: As :func:`vedette.pipeline.fetching_lists.fetch_lists`.
    """
    found = fetch_lists(hub, place)
    is_directory = Path(place).expanduser().is_dir()
    _note(hub, str(Path(place).expanduser().absolute()) if is_directory else place)
    return found


def last(hub: Hub) -> Last:
    """From where the lists came last."""
    try:
        return msgspec.json.decode((fetched_lists(hub.settings) / _FILE).read_bytes(), type=Last)
    except (OSError, msgspec.DecodeError):
        return Last()


def is_due(hub: Hub) -> bool:
    """Whether it is time to look for newer lists."""
    guard = hub.settings.guard
    if not (guard.enabled and guard.lists_every) or guard.warning_lists:
        return False
    return time.time() - last(hub).at >= parse_duration(guard.lists_every)


def keep_lists(hub: Hub) -> Fetched | None:
    """Fetch lists from where they came last; None if there is nowhere to fetch them from.

    Raises:
        VedetteError: They cannot be fetched; what is there stays, and it is tried again in a day.
    """
    place = last(hub).place or _first_misp(hub)
    if not place:
        return None
    _note(hub, place)
    try:
        return fetch_lists(hub, place)
    except UsageError as error:
        log.info("warninglist.not_kept", place=place, error=str(error), hint=error.hint)
        return None


def _first_misp(hub: Hub) -> str:
    return next(
        (one.name for one in hub.store.sources() if one.kind == MispApi.kind and one.last_good_at),
        "",
    )


def _note(hub: Hub, place: str) -> None:
    directory = fetched_lists(hub.settings)
    directory.mkdir(parents=True, exist_ok=True)
    mark = Last(place=place, at=int(time.time()))
    write_atomically(directory / _FILE, [msgspec.json.encode(mark)])
