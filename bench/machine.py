"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from vedette.testing.engine import Engine


def facts(engines: Sequence[Engine]) -> str:
    """One line: processor, memory, versions."""
    versions = " and ".join(".".join(map(str, engine.version)) for engine in engines)
    parts = (
        f"{os.cpu_count()} cores ({_model()})",
        f"{_memory_gib():.0f} GiB",
        f"Linux {platform.release().partition('-')[0]}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        f"Suricata {versions}" if versions else "no engine",
    )
    return "; ".join(parts)


def load_average() -> str:
    """How busy the machine is: what else runs disturbs, and a benchmark itself counts as one."""
    return f"{os.getloadavg()[0]:.2f}"


def _model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
