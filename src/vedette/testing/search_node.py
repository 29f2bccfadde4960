"""A real OpenSearch or Elasticsearch on loopback, from the jars that tools/opensearch.sh fetches.

One node serves all processes of a test run: it reads from a named pipe that each of them holds
open, and ends when the last one lets go, even if that one was killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec

CLASSES: Mapping[str, str] = {
    "opensearch": "OpenSearchNode",
    "elasticsearch": "ElasticsearchNode",
}
"""By name, the main class that starts it."""

_started: list[subprocess.Popen[bytes]] = []
"""By this process."""

_START_S = 90.0
_BATCH = 2_000


def search_home() -> Path:
    """Where ``tools/opensearch.sh`` puts what it fetches."""
    default = Path.home() / ".cache/vedette/opensearch"
    return Path(os.environ.get("VEDETTE_OPENSEARCH", default))


def missing(name: str) -> str:
    """Return why a node cannot be started; empty if it can."""
    if shutil.which("java") is None:
        return "there is no Java"
    if not (search_home() / name / "stamp").is_file():
        return f"no {name} in {search_home()} (run: tools/opensearch.sh {name})"
    return ""


class SearchNode:
    """A node that runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx2.Client(base_url=url, timeout=60)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Send anything.

        Raises:
            RuntimeError: The node refuses it.
        """
        answer = self._http.request(method, path, json=body)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.text[:500]}")
        told: dict[str, Any] = answer.json()
        return told

    def create(self, index: str, mappings: Mapping[str, Any]) -> None:
        """Make an index with one shard and room for all fields of EVE."""
        settings = {
            "number_of_shards": 1,
            "number_of_replicas": 0,
            "index.mapping.total_fields.limit": 5_000,
            "index.translog.durability": "async",
            "index.refresh_interval": "-1",
        }
        self.ask("PUT", f"/{index}", {"settings": settings, "mappings": mappings})

    def load(self, index: str, documents: Iterable[Mapping[str, Any]]) -> int:
        """Add documents, and make them visible; the number of them.

        Raises:
            RuntimeError: One is refused.
        """
        lines: list[bytes] = []
        count = 0
        for document in documents:
            count += 1
            lines += [b'{"index":{}}', msgspec.json.encode(document)]
            if len(lines) >= 2 * _BATCH:
                self._bulk(index, lines)
                lines = []
        if lines:
            self._bulk(index, lines)
        self.ask("POST", f"/{index}/_refresh")
        return count

    def _bulk(self, index: str, lines: list[bytes]) -> None:
        headers = {"Content-Type": "application/x-ndjson"}
        body = b"\n".join(lines) + b"\n"
        told = self._http.post(f"/{index}/_bulk", content=body, headers=headers).json()
        if told.get("errors", True):
            refused = [item for item in told.get("items", ()) if item["index"]["status"] >= 300]  # noqa: PLR2004
            raise RuntimeError(f"{index} refuses documents: {str(refused or told)[:500]}")

    def close(self) -> None:
        """Let go of the connection; the node goes on."""
        self._http.close()


@contextmanager
def running(name: str, run: str) -> Iterator[SearchNode]:
    """Lend a node that all processes of a test run share.

    Args:
        name: ``opensearch`` or ``elasticsearch``.
        run: What the processes have in common.

    Raises:
        RuntimeError: It does not start.
    """
    place = _room() / f"vedette-{name}-{run}"
    place.mkdir(exist_ok=True)
    mine = place / f"user-{os.getpid()}"
    with _alone(place):
        held, url = _join(place) or _start(place, name)
        mine.touch()
    node = SearchNode(url)
    try:
        yield node
    finally:
        node.close()
        with _alone(place):
            mine.unlink()
            os.close(held)
            if not list(place.glob("user-*")):
                while _started:
                    _started.pop().wait(timeout=30)
                shutil.rmtree(place, ignore_errors=True)


def _room() -> Path:
    """Return where a node writes: it syncs at every new field, which memory does not mind."""
    memory = Path("/dev/shm")  # noqa: S108 - the name is ours alone
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    lock = place.with_name(f"{place.name.rpartition('-')[0]}.lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _join(place: Path) -> tuple[int, str] | None:
    """Hold the pipe of a node that runs; None if there is none."""
    try:
        held = os.open(place / "input", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:  # no such pipe, or nobody reads it any more
        return None
    return held, (place / "url").read_text(encoding="utf-8")


def _start(place: Path, name: str) -> tuple[int, str]:
    pipe, log = place / "input", place / "log"
    pipe.unlink(missing_ok=True)
    shutil.rmtree(place / "home", ignore_errors=True)
    (place / "home").mkdir()
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    held = os.open(pipe, os.O_WRONLY)
    os.set_blocking(reading, True)
    port = _free_port()
    jars = search_home() / name
    command = [
        *("java", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        *("-Dlog4j2.disable.jmx=true", "-cp", f"{jars / 'classes'}:{jars / 'lib'}/*"),
        *(CLASSES[name], str(place / "home"), str(port)),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=reading, stdout=output, stderr=subprocess.STDOUT
        )
    os.close(reading)
    _started.append(process)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url, log)
    except BaseException:
        os.close(held)
        process.kill()
        process.wait()
        raise
    (place / "url").write_text(url, encoding="utf-8")
    return held, url


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx2.get(url, timeout=2).is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"{url} does not start: {log.read_text(errors='replace')[-1000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
