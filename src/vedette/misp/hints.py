"""MISP's ZeroMQ publisher, as a hint to look sooner: nothing that it says is read or believed.

It has no replay, is silent about bulk edits, and announces a publication before it has happened:
what is true is only what the next pull finds, and without it nothing is missed but time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

from vedette.errors import SourceError

TOPICS: Final = (
    b"misp_json ",
    b"misp_json_event ",
    b"misp_json_attribute ",
    b"misp_json_object ",
    b"misp_json_tag ",
)
"""What may change an indicator; not sightings, of which we send many ourselves."""
_POLL_MS = 200
_QUEUE_MAX = 100
_MESSAGE_MAX = 1 << 28


def listen(
    address: str,
    stop: threading.Event,
    *,
    quiet_s: float = 1.0,
    longest_s: float = 5.0,
    again_s: float = 10.0,
) -> Iterator[None]:
    """Yield whenever it is time to look at the server; ends when ``stop`` is set.

    A publisher that is away is waited for: the connection is made again and again.

    Args:
        address: ``tcp://host:50000``.
        stop: Ends the iteration.
        quiet_s: Many messages are one hint: it comes when none has come for so long ...
        longest_s: ... or the first one is so old.
        again_s: After so long a second hint follows: the publication that was announced may have
            taken place only now.

    Raises:
        SourceError: pyzmq is not installed, or the address cannot be one.
    """
    try:
        import zmq  # noqa: PLC0415 - of the extra
    except ImportError as error:
        raise SourceError(
            "hints over ZeroMQ need pyzmq, which is not installed",
            hint='Install the extra: pip install "vedette[hub]"; until then the interval counts.',
        ) from error
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, _QUEUE_MAX)
        socket.setsockopt(zmq.MAXMSGSIZE, _MESSAGE_MAX)
        for topic in TOPICS:
            socket.setsockopt(zmq.SUBSCRIBE, topic)
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise SourceError(
                f"cannot listen to {address}: {error}",
                hint="Write MISP's ZeroMQ publisher as tcp://misp.example.org:50000.",
            ) from error
        moments = _Moments(quiet_s, longest_s, again_s)
        while not stop.is_set():
            if socket.poll(_POLL_MS):
                socket.recv(copy=False)
                moments.note(time.monotonic())
            if moments.is_time(time.monotonic()):
                yield


class _Moments:
    """When to look: once messages have ended, and once more a little later."""

    def __init__(self, quiet_s: float, longest_s: float, again_s: float) -> None:
        self._quiet_s, self._longest_s, self._again_s = quiet_s, longest_s, again_s
        self._first = self._last = self._again = 0.0

    def note(self, now: float) -> None:
        """A message came."""
        self._first = self._first or now
        self._last = now

    def is_time(self, now: float) -> bool:
        """Whether to look now; said once."""
        waited = self._first and (
            now - self._last >= self._quiet_s or now - self._first >= self._longest_s
        )
        if waited:
            self._first, self._again = 0.0, now + self._again_s
            return True
        if self._again and not self._first and now >= self._again:
            self._again = 0.0
            return True
        return False
