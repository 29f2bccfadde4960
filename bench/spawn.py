"""Run a command and write what it cost as JSON: ``spawn.py RESULT FOLLOW COMMAND...``.

FOLLOW is ``threads`` (CPU by name of thread), ``tree`` (that, and the memory of all processes that
the command starts, added up at each instant; the greatest sum is told), or ``-``.

A small process of its own: Linux credits a program with the peak memory of whatever was in its
process before the exec, which of a benchmark with a million names in memory is a lot.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

_POLL_S = 0.02

Threads = dict[tuple[int, int], tuple[str, int]]
"""Name and CPU nanoseconds of each thread that was seen, by process and thread."""


def main() -> int:
    result, follow, *command = sys.argv[1:]
    started = time.monotonic()
    child = os.posix_spawn(command[0], command, os.environ)
    threads: Threads = {}
    tree_kib = own_kib = 0
    options = os.WNOHANG if follow in {"threads", "tree"} else 0
    pid, status, usage = os.wait4(child, options)
    while not pid:
        processes = [child, *_below(child)] if follow == "tree" else [child]
        for process in processes:
            _look(process, threads)
        sizes = [_resident_kib(process) for process in processes]
        tree_kib = max(tree_kib, sum(size for size, _ in sizes))
        own_kib = max(own_kib, sum(size - mapped for size, mapped in sizes))
        time.sleep(_POLL_S)
        pid, status, usage = os.wait4(child, options)
    spent: dict[str, int] = {}
    for name, ns in threads.values():
        spent[name] = spent.get(name, 0) + ns
    cost = {
        "code": os.waitstatus_to_exitcode(status),
        "wall_s": time.monotonic() - started,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "rss_mib": max(usage.ru_maxrss, tree_kib) / 1024,
        "own_mib": own_kib / 1024,
        "threads": {name: ns / 1e9 for name, ns in spent.items()},
    }
    Path(result).write_text(json.dumps(cost))
    return 0


def _below(parent: int) -> list[int]:
    """Return the processes that a process started, and those that they started."""
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return found + [one for child in found for one in _below(child)]


def _resident_kib(process: int) -> tuple[int, int]:
    """Return what a process has in memory now, and how much of that are files and shared memory."""
    with suppress(OSError, IndexError):
        _, resident, mapped, *_ = map(int, Path(f"/proc/{process}/statm").read_text().split())
        page = os.sysconf("SC_PAGE_SIZE") // 1024
        return resident * page, mapped * page
    return 0, 0


def _look(process: int, threads: Threads) -> None:
    """Keep the CPU time of each thread as long as it can be seen."""
    for task in Path(f"/proc/{process}/task").glob("*"):
        with suppress(OSError, IndexError, ValueError):
            name = (task / "comm").read_text().strip()
            spent = int((task / "schedstat").read_text().split()[0])
            threads[process, int(task.name)] = (name, spent)


if __name__ == "__main__":
    raise SystemExit(main())
