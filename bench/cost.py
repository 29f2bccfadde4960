"""What a command costs: CPU of itself and its children, wall time, peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar

_SPAWN = Path(__file__).with_name("spawn.py")
_TIMEOUT_S = 3600

T = TypeVar("T")


class BenchError(AssertionError):
    """Something did not do what is being measured: a figure of it would be a lie."""


class Cost(NamedTuple):
    """Of one run of one command."""

    cpu_s: float
    wall_s: float
    rss_mib: float
    threads: Mapping[str, float] = {}
    """CPU seconds by thread name, where it was asked for."""
    output: str = ""
    own_mib: float = 0
    """Of a tree: peak memory without the files that it maps, such as programs and libraries."""


def run(
    command: Sequence[str], *, threads: bool = False, tree: bool = False, cwd: Path | None = None
) -> Cost:
    """Run a command to its end.

    Args:
        command: The program as a path, and its arguments.
        threads: Whether to tell CPU by name of thread.
        tree: Whether to do so for all processes that it starts, too, and to add up their memory.
        cwd: Where to run it.

    Raises:
        BenchError: It failed.
    """
    follow = "tree" if tree else "threads" if threads else "-"
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        launcher = [sys.executable, "-I", "-S", str(_SPAWN), result.name]
        done = subprocess.run(
            [*launcher, follow, *command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=True,
            cwd=cwd,
        )
        cost = json.loads(Path(result.name).read_bytes())
    if cost["code"] != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise BenchError(f"{' '.join(command)[:300]} exited with {cost['code']}:\n{tail}")
    return Cost(
        cost["cpu_s"],
        cost["wall_s"],
        cost["rss_mib"],
        cost["threads"],
        done.stdout,
        cost["own_mib"],
    )


def alternate(variants: Mapping[str, Callable[[], T]], repeat: int) -> dict[str, list[T]]:
    """Run all variants in turn, ``repeat`` times: what the machine does meanwhile hits them all."""
    found: dict[str, list[T]] = {name: [] for name in variants}
    for _ in range(repeat):
        for name, variant in variants.items():
            found[name].append(variant())
    return found


def middle(values: Sequence[float]) -> float:
    """The median."""
    return float(median(values))


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and, of several, the extremes."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
