"""The engine's process, as far as /proc lets us look."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Process:
    """A running process on this machine.

    Args:
        pid: As the kernel says who listens on the socket; another one after a container's border.
    """

    def __init__(self, pid: int) -> None:
        """Look at nothing yet."""
        self._place = Path("/proc") / str(pid)

    def arguments(self) -> list[str]:
        """Return its command line; empty if it cannot be seen."""
        try:
            data = (self._place / "cmdline").read_bytes()
        except OSError:
            return []
        return [part.decode(errors="replace") for part in data.split(b"\0") if part]

    def may_read(self, path: Path) -> bool:
        """Whether it may open a file, by the modes on the way; True if that cannot be known."""
        ids = self._ids()
        if ids is None or ids[0] == 0:
            return True
        try:
            steps = [(parent, stat.S_IXOTH) for parent in path.resolve(strict=True).parents]
            return all(_allows(step.stat(), bit, *ids) for step, bit in steps) and _allows(
                path.stat(), stat.S_IROTH, *ids
            )
        except OSError:
            return True

    def _ids(self) -> tuple[int, set[int]] | None:
        try:
            lines = (self._place / "status").read_text().splitlines()
        except OSError:
            return None
        fields = {key: rest.split() for key, _, rest in (line.partition(":") for line in lines)}
        groups = {*fields.get("Groups", ()), *fields.get("Gid", ())[1:2]}
        return int(fields["Uid"][1]), {int(group) for group in groups}


def _allows(status: os.stat_result, other: int, uid: int, groups: set[int]) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & (other << 6))
    if status.st_gid in groups:
        return bool(status.st_mode & (other << 3))
    return bool(status.st_mode & other)
