"""Run a command and write what it cost as JSON: ``spawn.py RESULT FOLLOW COMMAND...``.

A small process of its own: Linux credits a program with the peak memory of whatever was in its
process before the exec, which of a benchmark with a million names in memory is a lot.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

_POLL_S = 0.02


def main() -> int:
    result, follow, *command = sys.argv[1:]
    started = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    threads: dict[str, int] = {}
    options = os.WNOHANG if follow == "threads" else 0
    pid, status, usage = os.wait4(child, options)
    while not pid:
        _look(child, threads)
        time.sleep(_POLL_S)
        pid, status, usage = os.wait4(child, options)
    cost = {
        "code": os.waitstatus_to_exitcode(status),
        "wall_s": time.monotonic() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "rss_mib": usage.ru_maxrss / 1024,
        "threads": {name: ns / 1e9 for name, ns in threads.items()},
    }
    Path(result).write_text(json.dumps(cost))
    return 0


def _look(child: int, threads: dict[str, int]) -> None:
    """Keep the CPU time of each thread, by its name, as long as it can be seen."""
    for task in Path(f"/proc/{child}/task").glob("*"):
        try:
            name = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0])
        except (OSError, IndexError, ValueError):
            continue
        threads[name] = max(spent, threads.get(name, 0))


if __name__ == "__main__":
    raise SystemExit(main())
