"""EVE over a unix socket, as Suricata's ``filetype: unix_stream`` and ``unix_dgram`` write it.

We are the server. Suricata does not wait for anybody: what it writes while nobody listens, and what
we had not spooled when we were killed, is lost.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from vedette.errors import BusyError, UsageError
from vedette.eve.inputs import Idle, Lines
from vedette.eve.segment import MAX_LINE
from vedette.eve.splitting import Splitter

_MODE = 0o660
_PATH_MAX = 107
_BACKLOG = 64
_RECEIVE = 1 << 18
_BATCH = 1 << 20
_BUFFER = 8 << 20
"""What the kernel is asked to hold while we are busy; it may give less."""


class Listening:
    """A socket that any number of engines may write to."""

    kind: ClassVar[str] = "unix"
    _type: ClassVar[socket.SocketKind] = socket.SOCK_STREAM

    def __init__(self, path: Path, idle: Idle, poll_s: float) -> None:
        """Take where to listen, and how often to call ``idle`` while nothing comes."""
        self._path = path
        self._idle = idle
        self._poll_s = poll_s
        self._selector = selectors.DefaultSelector()
        self._server: socket.socket | None = None
        self._inode = 0

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            BusyError: Somebody else listens there.
            UsageError: The path is too long or taken by something else, or may not be used.
        """
        _check(self._path)
        try:
            _remove_dead(self._path, self._type)
            server = socket.socket(socket.AF_UNIX, self._type)
            self._server = server
            os.fchmod(server.fileno(), _MODE)  # before it has a name: it is never open to all
            server.bind(str(self._path))
            self._path.chmod(_MODE)
            self._inode = self._path.stat().st_ino
            self._open(server)
        except OSError as error:
            self._selector.close()
            if self._server is not None:
                self._server.close()
            raise UsageError(
                f"cannot listen on {self._path}: {error.strerror}",
                hint="The directory has to exist, and Vedette has to be allowed to write there.",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up, and take the socket away if it is still ours."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def batches(self) -> Iterator[Lines]:
        """Yield what comes until told to end."""
        while True:
            ready = self._selector.select(self._poll_s)
            if not ready:
                if not self._idle():
                    return
                continue
            parts: list[bytes] = []
            skipped: dict[str, int] = {}
            for key, _ in ready:
                self._receive(key, parts, skipped)
            if parts or skipped:
                yield Lines(data=b"".join(parts), skipped=skipped)

    def ack(self, position: str) -> None:
        """Do nothing: a socket cannot give anything twice."""

    def _open(self, server: socket.socket) -> None:
        server.listen(_BACKLOG)
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ)

    def _receive(
        self, key: selectors.SelectorKey, parts: list[bytes], skipped: dict[str, int]
    ) -> None:
        if key.data is None:
            self._accept(key)
            return
        connection, splitter = key.fileobj, key.data
        data = _read(connection) if isinstance(connection, socket.socket) else b""
        if data is None:
            return
        if lines := splitter.feed(data):
            parts.append(lines)
        if splitter.oversized:
            skipped["oversized"] = skipped.get("oversized", 0) + splitter.oversized
            splitter.oversized = 0
        if not data:
            if splitter.torn():
                skipped["torn"] = skipped.get("torn", 0) + 1
            self._selector.unregister(key.fileobj)
            if isinstance(connection, socket.socket):
                connection.close()

    def _accept(self, key: selectors.SelectorKey) -> None:
        if isinstance(key.fileobj, socket.socket):
            with suppress(BlockingIOError, ConnectionError):
                connection, _ = key.fileobj.accept()
                connection.setblocking(False)
                self._selector.register(connection, selectors.EVENT_READ, Splitter())


class ListeningForDatagrams(Listening):
    """The same for datagrams: each is one event."""

    kind: ClassVar[str] = "unixgram"
    _type: ClassVar[socket.SocketKind] = socket.SOCK_DGRAM

    def _open(self, server: socket.socket) -> None:
        self._buffer = bytearray(MAX_LINE + 2)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ)

    def _receive(
        self, key: selectors.SelectorKey, parts: list[bytes], skipped: dict[str, int]
    ) -> None:
        server, total = key.fileobj, 0
        while isinstance(server, socket.socket) and total < _BATCH:
            try:
                size = server.recv_into(self._buffer)
            except BlockingIOError:
                return
            total += size
            data = bytes(memoryview(self._buffer)[:size]).rstrip(b"\n")
            if len(data) > MAX_LINE:
                skipped["oversized"] = skipped.get("oversized", 0) + 1
            elif data:
                parts.append(data + b"\n")


def _read(connection: socket.socket) -> bytes | None:
    """Return what is there, empty at the end, None if nothing is there after all."""
    try:
        return connection.recv(_RECEIVE)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


def _check(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > _PATH_MAX:
        raise UsageError(
            f"the socket {path} would have a path of {length} bytes, the system allows {_PATH_MAX}",
            hint="Choose a shorter path.",
        )


def _remove_dead(path: Path, kind: socket.SocketKind) -> None:
    """Remove a socket that nobody listens on any more, and nothing else.

    Raises:
        BusyError: Somebody listens there.
        UsageError: It is no socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(
            f"{path} is there and is no socket", hint="Choose another path, or remove it yourself."
        )
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(str(path))
    if code == errno.ECONNREFUSED:
        path.unlink()
        return
    raise BusyError(
        f"another process listens on {path}",
        hint="Two cannot share a socket: stop the other, or choose another path.",
    )
