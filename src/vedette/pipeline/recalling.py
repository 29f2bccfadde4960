"""In short: whether our network ever showed a value, if whoever has the memory open answers."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from vedette.errors import BusyError, PoolError, UsageError
from vedette.pipeline.asking import RemoteMemory
from vedette.pipeline.hub import Hub
from vedette.pipeline.naming import name
from vedette.pipeline.service import socket_path


class Past(Struct, frozen=True, kw_only=True):
    """What the memory has of a value and of names below it."""

    values: int
    """Distinct ones; 0: none was ever seen."""
    times: int
    hosts: int
    """The most that met one of them, within the retention."""
    first_seen: datetime | None = None
    last_seen: datetime | None = None


def recall(hub: Hub, text: str) -> Past | None:
    """Ask the daemon; None: nobody answers. Opening the memory is left to ``sighting show``."""
    if not hub.settings.pool.enabled:
        return None
    try:
        with RemoteMemory(socket_path(hub.settings)) as memory:
            if memory.hello() is None:
                return None
            seen = memory.seen(name(text, below=True, skip=hub.settings.pool.skip).places)
    except (BusyError, PoolError, UsageError):
        return None
    return Past(
        values=len({one.value for one in seen}),
        times=sum(one.count for one in seen),
        hosts=max((one.hosts for one in seen), default=0),
        first_seen=min((one.first_seen for one in seen), default=None),
        last_seen=max((one.last_seen for one in seen), default=None),
    )
