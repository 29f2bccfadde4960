"""A client that hangs up when time is up, whatever the other side is doing.

A read timeout is renewed by every byte: who sends one a minute, of the head or of the body, would
keep us for ever, and with us every other source.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any

import httpx2


class Client(httpx2.Client):
    """A client whose connection can be cut from another thread."""

    _socket: socket.socket | None = None

    def build_request(self, *args: Any, **kwargs: Any) -> httpx2.Request:  # noqa: ANN401 - its own
        """Build a request as usual, and learn on which connection it goes."""
        request = super().build_request(*args, **kwargs)
        request.extensions["trace"] = self._note
        return request

    def _note(self, _event: str, info: Mapping[str, Any]) -> None:
        stream = info.get("return_value")
        if stream is not None and hasattr(stream, "get_extra_info"):
            self._socket = stream.get_extra_info("socket")

    def hang_up(self) -> None:
        """Cut the connection: whoever reads from it gets an error at once."""
        if self._socket is not None:
            with suppress(OSError):
                # Of the socket itself: TLS would say goodbye first, and wait for an answer.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@contextmanager
def deadline(client: httpx2.Client, seconds: float) -> Iterator[None]:
    """Give what is inside so much time, and cut the connection then.

    Raises:
        TimeoutError: Time was up.
    """
    passed = False

    def end() -> None:
        nonlocal passed
        passed = True
        if isinstance(client, Client):
            client.hang_up()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (httpx2.TransportError, OSError) as error:
        if passed:
            raise TimeoutError(f"not complete after {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
    if passed:
        raise TimeoutError(f"not complete after {seconds:g} s")
