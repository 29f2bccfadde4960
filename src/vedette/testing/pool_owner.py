"""A process that has a memory open and answers, as ``vedette run`` does, for tests.

    python -m vedette.testing.pool_owner vedette.toml NAME=eve.json...

It takes in the files, each as a sensor's, says ``ready`` and answers until its input ends. The
engine wants a process of its own; a test that asks over the socket needs no engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from vedette.config import load
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pooling import lock_path
from vedette.pipeline.service import PoolService


@contextmanager
def owned(config: Path, sensors: Mapping[str, Path]) -> Iterator[subprocess.Popen[str]]:
    """Run such a process until the end of the block.

    Args:
        config: A vedette.toml; its state is made if need be.
        sensors: EVE to take in by the name of who wrote it.

    Raises:
        RuntimeError: It did not get ready; its standard error says why.
    """
    files = [f"{name}={path}" for name, path in sensors.items()]
    command = [sys.executable, "-m", "vedette.testing.pool_owner", str(config), *files]
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the owner of the pool did not get ready")
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(30)


def event(kind: str, at: str, client: str, server: str, **members: object) -> str:
    """Return one EVE event as a line; ``at`` is a time in UTC without zone."""
    port = {"dns": 53, "tls": 443, "http": 80}.get(kind, 9)
    head = {
        "timestamp": f"{at}+0000",
        "flow_id": 1_000_001,
        "event_type": kind,
        "src_ip": client,
        "src_port": 40_000,
        "dest_ip": server,
        "dest_port": port,
        "proto": "UDP" if kind == "dns" else "TCP",
    }
    return json.dumps({**head, **members}) + "\n"


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
