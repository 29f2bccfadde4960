"""Commands to a Redis that may go away for a while: sent again until it answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from vedette.errors import PoolError, UsageError
from vedette.eve.inputs import Idle
from vedette.eve.redis_place import RedisPlace

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger(__name__)

_PAUSE_S = 0.5
_EXCUSED: Mapping[str | int, str] = {"RENAMENX": "no such key", "XGROUP": "BUSYGROUP"}
"""Refusals that only say that somebody, maybe we, was there before."""


class EndedError(Exception):
    """We shall end, and the server has not answered."""


class Asking:
    """A connection that survives the server's absence."""

    def __init__(self, place: RedisPlace, idle: Idle) -> None:
        """Take where to connect, and whom to ask whether to go on trying."""
        self.place = place
        self._idle = idle
        self._client: Redis | None = None
        self.lost = False
        """Whether the connection was lost since this was last set to False."""

    def open(self, kind: str) -> None:
        """Connect for the first time, and see that the key is what it should be.

        Args:
            kind: ``list`` or ``stream``, as Redis calls it.

        Raises:
            PoolError: The server cannot be reached.
            UsageError: It does not let us in, or the key holds something else.
        """
        import redis  # noqa: PLC0415 - of the extra

        self._client = self.place.connect()
        try:
            found = self._send("TYPE", self.place.key)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise PoolError(
                f"cannot reach {self.place}: {error}", hint="Does the server run, and listen there?"
            ) from error
        self.check(found, kind)

    def check(self, found: object, kind: str) -> None:
        """Refuse a key of another kind.

        Raises:
            UsageError: It says how to read it.
        """
        name = found.decode() if isinstance(found, bytes) else str(found)
        if name in {kind, "none"}:
            return
        hint = f"Read it with mode={name}." if name in {"list", "stream"} else "Is the key right?"
        raise UsageError(f"'{self.place.key}' in that Redis is a {name}, not a {kind}", hint=hint)

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()

    def __call__(self, *command: str | int, again: bool = True) -> Any:  # noqa: ANN401 - see _send
        """Send a command until there is an answer.

        Args:
            command: Its words.
            again: Whether it does no harm to send it twice. If it does, None is returned when the
                connection is lost, and ``lost`` is set.

        Raises:
            EndedError: We shall end.
            UsageError: The server refuses us, or the key is of another kind.
        """
        import redis  # noqa: PLC0415 - of the extra

        quiet = False
        while True:
            try:
                return self._send(*command)
            except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError) as error:
                if not quiet:
                    log.warning("redis.lost", place=str(self.place), error=str(error))
                quiet = self.lost = True
            if not again:
                return None
            if not self._idle():
                raise EndedError
            time.sleep(_PAUSE_S)

    def _send(self, *command: str | int) -> Any:  # noqa: ANN401 - each command has its own answer
        import redis  # noqa: PLC0415 - of the extra

        if self._client is None:
            raise EndedError
        try:
            return self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except redis.BusyLoadingError as error:
            raise redis.ConnectionError(str(error)) from error
        except (redis.AuthenticationError, redis.ResponseError) as error:
            if isinstance(error, redis.ReadOnlyError):
                raise
            if command[0] in _EXCUSED and _EXCUSED[command[0]] in str(error):
                return 0
            raise UsageError(
                f"{self.place} refuses {command[0]}: {error}",
                hint="Check user, password and rights (ACL), and that the key is of this mode.",
            ) from error
