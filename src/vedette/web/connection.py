"""One client's connection: nobody may keep it for nothing.

A client that sends no complete request, sends a body for ever, or does not read its answer loses
its connection; those that wait for an answer of ours (long polls) keep it. Hard rule: when there is
no room for more, those go that wait for nothing, the longest first; never who is being answered.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from contextlib import suppress
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_MAX = 16_384
"""Most bytes of a request's head."""
HEAD_S = 20.0
"""For a whole head, from the first byte or the connection on."""
BODY_S = 120.0
"""For a whole body."""
STALL_S = 60.0
"""Longest time in which a client reads nothing of its answer."""
KEEP_ALIVE_S = 75
"""How long a connection is kept between two requests."""

_FILES_RESERVED = 512
"""For the store, for files that are sent, and for handshakes."""
_FILES_MAX = 16_384

_MAPPED = "::ffff:"


def raise_file_limit() -> None:
    """Make room for many connections, as far as this user may, and for no more than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(_FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    files = _FILES_MAX if soft == resource.RLIM_INFINITY else min(soft, _FILES_MAX)
    Connection.most = max(files // 2, files - _FILES_RESERVED)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 with time limits for what it leaves open."""

    most: ClassVar[int] = _FILES_MAX - _FILES_RESERVED
    """So many connections of this process at once."""
    _idle: ClassVar[OrderedDict[Connection, None]] = OrderedDict()
    """Those that are not being answered, in the order in which they became so."""

    _limit: asyncio.TimerHandle | None = None
    _limited = ""
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        if self.client and self.client[0].startswith(_MAPPED):
            # On a socket for both protocols; it is counted, and believed, as what it is.
            self.client = (self.client[0].removeprefix(_MAPPED), self.client[1])
        self._expect("head", HEAD_S)
        self._sort()
        if len(self.connections) > self.most:
            oldest = next(iter(self._idle), self)
            oldest.transport.abort()
            self._idle.pop(oldest, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limits."""
        self._expect("", 0)
        self._idle.pop(self, None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and see what is still missing."""
        super().data_received(data)
        self._look()
        self._sort()

    def on_response_complete(self) -> None:
        """See whether the next request has begun."""
        super().on_response_complete()
        self._look()
        self._sort()

    def pause_writing(self) -> None:
        """The client reads too slowly: begin to count."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self.flow is not None:
            super().resume_writing()

    def _sort(self) -> None:
        """Count it to those that may go, or to those that may not."""
        cycle: RequestResponseCycle | None = self.cycle
        is_answered = cycle is not None and not cycle.response_complete
        if is_answered or self.transport.is_closing():
            self._idle.pop(self, None)
        else:
            self._idle.setdefault(self)

    def _look(self) -> None:
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._expect("body", BODY_S)
        elif state is h11.IDLE and self.conn.trailing_data[0]:
            self._expect("head", HEAD_S)
        else:
            self._expect("", 0)

    def _expect(self, what: str, within_s: float) -> None:
        if what == self._limited:
            return
        self._limited = what
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if what:
            self._limit = self.loop.call_later(within_s, self.transport.abort)
