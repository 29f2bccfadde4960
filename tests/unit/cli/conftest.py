"""A small past that commands can ask: two sensors, one evil name, one list that names it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from vedette.testing.command import Cli, Outcome

OWNER = Path(__file__).with_name("pool_owner.py")

AGENT = "=cmd|' /C calc'!A0"


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
    command = [sys.executable, str(OWNER), str(config), *files]
    with subprocess.Popen(
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


def query(at: str, client: str, server: str, name: str) -> str:
    dns = {"type": "query", "id": 1, "rrname": name, "rrtype": "A"}
    return event("dns", at, client, server, dns=dns)


EDGE = (
    query("2026-01-01T08:00:00.000001", "10.0.0.1", "10.0.0.53", "www.good.example"),
    query("2026-01-20T09:12:33.500000", "10.0.0.9", "10.0.0.53", "Evil.example"),
    event(
        "tls", "2026-01-20T09:12:34.000000", "10.0.0.9", "192.0.2.7", tls={"sni": "evil.example"}
    ),
    query("2026-01-22T10:00:00.000000", "10.0.0.12", "10.0.0.53", "cdn.evil.example"),
    event(
        "http",
        "2026-01-23T11:00:00.000000",
        "10.0.0.12",
        "192.0.2.7",
        http={"hostname": "evil.example", "url": "/x", "http_user_agent": AGENT},
    ),
)
LAB = (query("2026-01-21T07:00:00.000000", "10.1.0.4", "10.1.0.53", "evil.example"),)


@pytest.fixture(scope="session")
def past() -> Iterator[Path]:
    """The vedette.toml of a memory that a daemon has open."""
    place = Path(tempfile.mkdtemp(prefix="vd-"))
    try:
        config = place / "vedette.toml"
        config.write_text("")
        (place / "edge.json").write_text("".join(EDGE))
        (place / "lab.json").write_text("".join(LAB))
        (place / "bad.txt").write_text("evil.example\n")
        vedette = [sys.executable, "-m", "vedette", "--config", str(config), "source"]
        subprocess.run(
            [*vedette, "add", "list", str(place / "bad.txt"), "--type", "domain"], check=True
        )
        subprocess.run([*vedette, "pull"], check=True)
        with owned(config, {"edge": place / "edge.json", "lab": place / "lab.json"}):
            yield config
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def edge_eve() -> str:
    """What the first of the two sensors wrote."""
    return "".join(EDGE)


@pytest.fixture
def ask(cli: Cli, past: Path) -> Cli:
    """Run ``vedette`` where that memory is."""

    def run(*arguments: object) -> Outcome:
        return cli("--config", past, *arguments)

    return run
