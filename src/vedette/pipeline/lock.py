"""One Vedette at a time per state directory; the second one says who is there."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vedette.errors import BusyError, StoreError

_RETRY_S = 0.1


@contextmanager
def exclusive(path: Path, purpose: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold an advisory lock; the kernel frees it when the process dies, however it dies.

    Args:
        path: The lock file; it is created and stays.
        purpose: What we do, for whoever finds the lock taken.
        wait_s: How long to wait for another holder before giving up.

    Raises:
        BusyError: Somebody else holds it; the message names process and purpose.
        StoreError: The file cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"cannot lock {path}: {error.strerror}",
            hint="Was another user's Vedette here before? All of the state directory must belong"
            " to the user that Vedette runs as.",
        ) from error
    try:
        _acquire(descriptor, path, time.monotonic() + wait_s)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} ({purpose})".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_RETRY_S)
                continue
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
            raise BusyError(
                f"another Vedette works on {path.parent}: {holder}",
                hint="Wait for it, or stop it; two at once would undo each other's work.",
            ) from None
        else:
            return
