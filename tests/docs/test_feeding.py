"""The YAML of the page about feeding the memory: a real engine loads it, and all events arrive."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from vedette.testing.capture import Capture, dns_query
from vedette.testing.engine import Engine, engines_home, find_engine
from vedette.testing.redis_server import RedisServer

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/feed-the-memory.md"
NAMES = 40
_WAIT_S = 40.0

Blocks = Callable[[Path], Iterator[Any]]


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return a directory whose name is short: a socket's path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="v") as path:
        yield Path(path)


def lack(reason: str) -> Any:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def engine_of(series: str) -> Engine:
    found = find_engine(series)
    return found or lack(f"no Suricata {series} in {engines_home()} (run: tools/engines.sh)")


def shown(blocks: Blocks, filetype: str) -> tuple[str, str]:
    """Return the YAML for a way in, and the command that stands below it."""
    found = list(blocks(PAGE))
    for one, then in pairwise(found):
        if one.language == "yaml" and filetype in one.text:
            return one.text, then.text.strip()
    raise AssertionError(filetype)


def changed(text: str, changes: Mapping[str, str]) -> str:
    """Return a text with places of this test instead of the page's; each must be there."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


@contextmanager
def ingesting(command: str, directory: Path) -> Iterator[Path]:
    """Run the page's command until the block ends; yield the file for what it says."""
    said = directory / "said.json"
    with said.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", f"vedette init >/dev/null && exec {command} --json"],
            cwd=directory,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=file,
            stderr=subprocess.PIPE,
        )
    try:
        yield said
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=_WAIT_S)
        assert process.returncode == 0, errors.decode()
    finally:
        process.kill()
        process.communicate()


def await_that(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def replay(engine: Engine, yaml: str, directory: Path) -> None:
    """Let an engine with this output read a capture of some DNS queries."""
    capture = Capture()
    for number in range(NAMES):
        capture.udp(dns_query(f"n{number}.example", number=number + 1))
    pcap = capture.write(directory / "some.pcap")
    (directory / "vedette.rules").touch()
    (directory / "logs").mkdir()
    configuration = directory / "suricata.yaml"
    engine.write_yaml(configuration, directory)
    with configuration.open("a") as file:
        file.write(yaml)
    words = ["-c", configuration, "-l", directory / "logs", "-k", "none", "-r", pcap]
    words += ["--set", f"pid-file={directory / 'suricata.pid'}"]
    words += ["--set", "unix-command.enabled=no"]
    done = subprocess.run(
        [str(engine.binary), *map(str, words)], capture_output=True, text=True, check=False
    )
    log = (directory / "logs/suricata.log").read_text()
    assert done.returncode == 0, log
    assert "dropped due to" not in log


def counted(said: Path) -> Mapping[str, int]:
    found: Mapping[str, int] = json.loads(said.read_text())["ingested"]["progress"]["committed"]
    return found


@pytest.mark.parametrize("series", ["7", "8"])
def test_a_socket_as_described(series: str, blocks: Blocks, directory: Path) -> None:
    engine = engine_of(series)
    socket = directory / "eve.sock"
    yaml, command = shown(blocks, "unix_stream")
    changes = {"/run/vedette/eve.sock": str(socket)}
    with ingesting(changed(command, changes), directory) as said:
        await_that(socket.exists)
        replay(engine, changed(yaml, changes), directory)
        time.sleep(1)  # what is in the socket when we are told to stop is not waited for
    assert counted(said)["events"] == 2 * NAMES


def is_done(client: Any, key: str, mode: str) -> bool:
    """Whether all entries were read and acknowledged, which is when they are in the spool."""
    if mode == "list":
        return not client.keys("*")
    groups = client.xinfo_groups(key)
    return bool(groups) and groups[0]["lag"] == 0 and groups[0]["pending"] == 0


@pytest.mark.parametrize(
    ("series", "mode", "key"),
    [("7", "list", "suricata"), ("8", "list", "suricata"), ("8", "stream", "suricata-stream")],
)
def test_a_redis_as_described(
    series: str, mode: str, key: str, blocks: Blocks, directory: Path
) -> None:
    engine = engine_of(series)
    if not shutil.which("redis-server"):
        lack("no redis-server (run: tools/apt.sh redis-server)")
    yaml, command = shown(blocks, f"mode: {mode}")
    with RedisServer(directory, password="") as server:
        replay(engine, changed(yaml, {"6379": str(server.port)}), directory)
        client = server.client()
        waiting = client.llen(key) if mode == "list" else client.xlen(key)
        with ingesting(changed(command, {"6379": str(server.port)}), directory) as said:
            await_that(lambda: is_done(client, key, mode))
    assert waiting == 2 * NAMES
    assert counted(said)["events"] == waiting
