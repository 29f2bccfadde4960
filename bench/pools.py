"""A pool opened in the process that measures it."""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from bench.cost import run
from vedette.config import Settings
from vedette.pool.store import Pool

_CALM_S = 2.0
_PROJECT = Path(__file__).parent.parent


def open_pool(state: Path) -> Pool:
    """Open the embedded pool of a state directory, and say nothing about it."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    return Pool.open(Settings(home=str(state)))


def settle(pool: Pool) -> None:
    """Wait until the engine has merged what it wants to merge."""
    busy = time.monotonic()
    while time.monotonic() - busy < _CALM_S:
        if pool.backend.query("SELECT count() AS n FROM system.merges")["n"][0].as_py():
            busy = time.monotonic()
        time.sleep(0.1)


def rss_mib() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(module: str, *arguments: object) -> Mapping[str, Any]:
    """Run a module of the benchmarks as a process of its own; return the JSON that it prints."""
    command = [sys.executable, "-m", f"bench.{module}", *map(str, arguments)]
    found: Mapping[str, Any] = json.loads(run(command, cwd=_PROJECT).output)
    return found
