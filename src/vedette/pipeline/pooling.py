"""Ask whoever has the network's memory open, or open it: the same answers either way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from vedette.config import Settings
from vedette.errors import BusyError, PoolError
from vedette.pipeline.asking import RemoteMemory
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.memory import Memory
from vedette.pipeline.service import socket_path

_NEEDED = ("pyarrow", "numpy", "xxhash")
WAIT_S = 10.0
"""How long an owner of the store may take to answer, or to leave."""

_RETRY_S = 0.2


def lock_path(settings: Settings) -> Path:
    """The lock that the owner of the store holds, the daemon or a command."""
    return settings.pool_dir / "lock"


@contextmanager
def open_pool(
    hub: Hub, purpose: str = "a command", *, wait_s: float | None = None
) -> Iterator[Memory]:
    """Give the memory to ask: the daemon's if one runs, else this process opens the store.

    Args:
        hub: The open state directory.
        purpose: What we do, for others who find the store open.
        wait_s: How long to wait for an owner that does not answer; None: ten seconds.

    Raises:
        BusyError: Another process has the store open and does not answer.
        PoolError: The extra is missing, or the store cannot be opened.
    """
    with ExitStack() as stack:
        deadline = time.monotonic() + (WAIT_S if wait_s is None else wait_s)
        memory = None
        while memory is None:
            memory = _ask(stack, hub.settings) or _own(stack, hub, purpose, deadline)
        yield memory


def _ask(stack: ExitStack, settings: Settings) -> Memory | None:
    """Reach the daemon; None if nobody listens."""
    remote = stack.enter_context(RemoteMemory(socket_path(settings)))
    return remote if remote.hello() else None


def _own(stack: ExitStack, hub: Hub, purpose: str, deadline: float) -> Memory | None:
    """Open the store; None if somebody has it who may answer soon."""
    need_extra()
    settings = hub.settings
    try:
        settings.pool_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PoolError(
            f"cannot create {settings.pool_dir}: {error.strerror}",
            hint="All of the state directory must belong to the user that Vedette runs as.",
        ) from error
    try:
        stack.enter_context(exclusive(lock_path(settings), purpose))
    except BusyError as error:
        if time.monotonic() < deadline:
            time.sleep(_RETRY_S)
            return None
        raise BusyError(
            f"{error}; it has the memory open and does not answer on {socket_path(settings)}",
            hint="If it is a command, wait for its end. If it is vedette run, look at its log:"
            " it opens the memory, or failed to.",
        ) from error
    from vedette.pipeline.owning import LocalMemory  # noqa: PLC0415 - of the extra, and slow

    return stack.enter_context(LocalMemory.open(settings))


def need_extra() -> None:
    """Say what is missing before anything fails for it.

    Raises:
        PoolError: Vedette was installed without what the memory is made of.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise PoolError(
            f"the memory needs {', '.join(missing)}, which this Vedette was installed without",
            hint='Install the extra: pip install "vedette[hub]"',
        )
