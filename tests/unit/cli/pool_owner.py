"""A process that has a memory open and answers, as ``vedette run`` does.

    python pool_owner.py vedette.toml NAME=eve.json...

It takes in the files, each as a sensor's, says ``ready`` and answers until its input ends. The
engine wants a process of its own; a test that asks over the socket needs no engine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import structlog

from vedette.config import load
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pooling import lock_path
from vedette.pipeline.service import PoolService


def main(arguments: list[str]) -> None:
    """Take in files, and answer until standard input ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    from vedette.observe import new_fold  # noqa: PLC0415 - of the extra
    from vedette.pipeline.hub import Hub  # noqa: PLC0415
    from vedette.pipeline.owning import LocalMemory  # noqa: PLC0415

    settings = load(Path(arguments[0]))
    settings.pool_dir.mkdir(parents=True, exist_ok=True)
    with (
        Hub(settings),
        exclusive(lock_path(settings), "a test's daemon"),
        LocalMemory.open(settings) as memory,
    ):
        memory.owner = "a test's daemon"
        fold = new_fold(settings.pool.skip, settings.pool.home)
        for number, argument in enumerate(arguments[1:]):
            name, _, path = argument.partition("=")
            fold.add(Path(path).read_bytes())
            memory.commit(fold.take(), sensor=name, token=f"test:{number}")
        with PoolService(memory, settings):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
