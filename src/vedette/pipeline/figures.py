"""How common new indicators are on our network: asking the memory, wherever it is open.

A memory that cannot answer delays nothing: what is new is published, and asked about again for a
day. Hard rule: what was published unasked is still new, so that a late figure can hold it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from vedette.config import Settings
from vedette.errors import PoolError
from vedette.model import IndicatorType, Key
from vedette.pipeline.asking import RemoteMemory
from vedette.pipeline.hub import Hub
from vedette.pipeline.memory import Memory
from vedette.pipeline.pooling import need_extra, open_pool
from vedette.pipeline.service import socket_path
from vedette.store.claims import Place
from vedette.store.keys import from_skey, to_skey
from vedette.store.verdicts import Figure

GIVE_UP_S = 86_400
"""What was published for so long without a figure would have shown itself by its alerts."""
_OPEN_WAIT_S = 2.0


def why_never(settings: Settings) -> str:
    """Why nobody will ever answer, in a few words; ``""``: somebody may."""
    if not settings.guard.prevalence_hosts:
        return "[guard] prevalence_hosts is 0"
    if not settings.pool.enabled:
        return "[pool] enabled is false"
    if not settings.pool.store and not (settings.pool_dir / "store").is_dir():
        return "nothing has been remembered yet"
    try:
        need_extra()
    except PoolError as error:
        return str(error)
    return ""


class Asker:
    """Whom to ask."""

    def __init__(self, memory: Memory | None = None, *, may_open: bool = False) -> None:
        """Take the memory, if it is open here.

        Args:
            memory: Ours; None: ask the daemon.
            may_open: Whether to open the memory if there is no daemon. Not in a process that has
                it open, or is about to.
        """
        self._memory = memory
        self._may_open = may_open

    def has_memory(self) -> bool:
        """Whether it is open here, so that somebody will answer."""
        return self._memory is not None

    def figures(self, hub: Hub, places: Iterable[Place]) -> Iterator[tuple[Place, Figure]]:
        """Yield who met these indicators, for those that anybody met.

        Raises:
            BusyError: Another process has the memory open and does not answer.
            PoolError: It cannot be opened or asked, or nobody has it open and we may not.
        """
        days = hub.settings.guard.prevalence_days
        keys = (from_skey(IndicatorType(kind), skey) for kind, skey in places)
        with self._opened(hub) as memory:
            for one in memory.prevalence(keys, days=days):
                if one.hosts:
                    key = Key(IndicatorType(one.type), one.value)
                    yield (one.type, to_skey(*key)), Figure(one.hosts, one.count, days)

    @contextmanager
    def _opened(self, hub: Hub) -> Iterator[Memory]:
        if self._memory is not None:
            yield self._memory
        elif self._may_open:
            with open_pool(hub, "judging indicators", wait_s=_OPEN_WAIT_S) as memory:
                yield memory
        else:
            with RemoteMemory(socket_path(hub.settings)) as remote:
                if remote.hello() is None:
                    raise PoolError(
                        "nobody has the memory open", hint="vedette run opens it as it starts."
                    )
                yield remote
