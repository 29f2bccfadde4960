"""The daemon's answers: HTTP over a unix socket, JSON in, NDJSON out.

The daemon owns the store; commands and the web ask it here. What is answered is in
:mod:`vedette.pipeline.answering`, without a word about the transport.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from vedette.config import Settings
from vedette.pipeline.memory import Memory


class PoolService:
    """Answers on ``state/pool/pool.sock`` from entering to leaving; threads of its own.

    ``vedette run`` does ``with Pool(...) as pool, PoolService(LocalMemory(pool, ...), settings):``
    and goes on with its own work; leaving waits for the answers that are being given.
    """

    def __init__(self, memory: Memory, settings: Settings) -> None:
        """Take what is to be answered from; nothing listens yet."""
        self._memory = memory
        self._settings = settings

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            PoolError: The socket's path is longer than 107 bytes, or it cannot be made.
        """
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening and take the socket away."""
