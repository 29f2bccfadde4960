"""Who reads which content now: locks that the kernel frees when their holder dies, however it dies.

A claim is about content, not about a name: two processes that are offered one file under two names
must not both read it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Claims:
    """The claims of this process; each a locked file in one directory."""

    def __init__(self, directory: Path, purpose: str) -> None:
        """Open or create the directory.

        Args:
            directory: The same for all who might read the same content.
            purpose: What we do, for others who find something claimed.

        Raises:
            OSError: The directory cannot be created.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._text = f"process {os.getpid()} ({purpose})".encode()
        self._held: dict[str, int] = {}

    def take(self, name: str) -> bool:
        """Claim something; True also if it is ours already.

        Raises:
            OSError: The lock cannot be made.
        """
        if name in self._held:
            return True
        while True:
            descriptor = os.open(self._path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            if self._is_there(name, descriptor):
                break
            os.close(descriptor)  # whoever held it removed it in between: that lock is nobody's
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, self._text, 0)
        self._held[name] = descriptor
        return True

    def holder(self, name: str) -> str:
        """Say who has claimed something."""
        try:
            return self._path(name).read_text(errors="replace") or "another process"
        except OSError:
            return "another process"

    def release(self, *, keep: str = "") -> None:
        """Give all back but one."""
        for name in [name for name in self._held if name != keep]:
            self._path(name).unlink(missing_ok=True)
            os.close(self._held.pop(name))

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.lock"

    def _is_there(self, name: str, descriptor: int) -> bool:
        ours = os.fstat(descriptor)
        try:
            there = self._path(name).stat()
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
