"""A relay between two processes, over TCP or unix sockets, that damages what passes through it."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_BLOCK = 1 << 14
_CONNECT_S = 5.0
_POLL_S = 0.25

Address = tuple[str, int] | str
"""Host and port, or the path of a unix socket."""


@dataclass
class Damage:
    """What happens to each block of bytes on its way; all are probabilities."""

    cut: float = 0.0
    """Both connections end after a part of the block."""
    flip: float = 0.0
    """One bit of it is another one."""
    delay: float = 0.0
    """It comes up to ``delay_s`` later."""
    delay_s: float = 0.2
    refuse: float = 0.0
    """A new connection ends at once."""
    upwards: bool = True
    """Whether also what goes to the server is damaged, not only what comes from it."""


class Relay:
    """Listens, and passes everything on to one address, which may change.

    Args:
        listen: None: a free port on loopback; a path: a unix socket there.
        target: Where connections go.
        seed: Of what is decided by chance.
    """

    def __init__(self, target: Address, *, listen: Path | None = None, seed: int = 0) -> None:
        """Listen already."""
        self.target = target
        self.damage = Damage()
        self.done: Counter[str] = Counter()
        """How often each kind of damage was done."""
        self._rng = random.Random(seed)  # noqa: S311 - for tests
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        if listen is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = int(self._listener.getsockname()[1])
        else:
            self.port = 0
            listen.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(listen))
            self._listener.listen()
        self._listener.settimeout(_POLL_S)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """It listens."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cut everything and end."""
        self._ended.set()
        self._listener.close()
        self.cut_all()
        self._thread.join(_CONNECT_S)

    def heal(self) -> None:
        """Damage nothing any more."""
        self.damage = Damage()

    def cut_all(self) -> None:
        """Cut every connection now, in the middle of whatever it carries."""
        with self._lock:
            pairs, self._open = self._open, set()
        for one in pairs:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            if self._happens(self.damage.refuse, "refused"):
                client.close()
                continue
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            server = _connected(self.target)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        up = threading.Thread(target=self._pass, args=(client, server, True), daemon=True)
        up.start()
        self._pass(server, client, False)
        up.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pass(self, source: socket.socket, target: socket.socket, is_up: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_BLOCK):
                damaged = data if is_up and not self.damage.upwards else self._damaged(data)
                target.sendall(damaged)
                if len(damaged) < len(data):
                    break
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _damaged(self, data: bytes) -> bytes:
        damage = self.damage
        if self._happens(damage.delay, "delayed"):
            time.sleep(self._rng.uniform(0, damage.delay_s))
        if self._happens(damage.flip, "bits flipped"):
            at = self._rng.randrange(len(data))
            flipped = data[at] ^ (1 << self._rng.randrange(8))
            data = data[:at] + bytes([flipped]) + data[at + 1 :]
        if self._happens(damage.cut, "cut"):
            data = data[: self._rng.randrange(len(data))]
        return data

    def _happens(self, probability: float, what: str) -> bool:
        with self._lock:
            if probability and self._rng.random() < probability:
                self.done[what] += 1
                return True
        return False


def _connected(target: Address) -> socket.socket:
    if isinstance(target, str):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(target)
        except BaseException:
            server.close()
            raise
        return server
    return socket.create_connection(target, timeout=None)
