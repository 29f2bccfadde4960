"""What every test may use: the shared data, where it is there, and the command line."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from vedette.cli import main
from vedette.pipeline.lock import exclusive
from vedette.pool.backend import Backend
from vedette.pool.embedded import EmbeddedBackend
from vedette.pool.remote import RemoteBackend, parse_address
from vedette.testing.clickhouse_node import ClickHouseNode
from vedette.testing.command import Cli, Outcome

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real feeds, lists and captures; absent on a user's checkout."""
    place = Path(os.environ.get("VEDETTE_SHARED", ROOT.parent / "shared")) / "data"
    if place.is_dir():
        return place
    reason = f"no shared data at {place} (set VEDETTE_SHARED to the folder that holds data/)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path is short enough for a unix socket (107 bytes)."""
    path = Path(tempfile.mkdtemp(prefix="vd-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def alone_on_loopback() -> Iterator[None]:
    """Keep other tests that send the demo's traffic out: every engine on loopback sees it."""
    path = Path(tempfile.gettempdir()) / "vedette-tests-demo-traffic.lock"
    with exclusive(path, "a test that sends the demo's traffic", wait_s=100):
        yield


@pytest.fixture(scope="session")
def pool_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one directory in which this process may open an embedded pool; see vedette.pool."""
    return tmp_path_factory.mktemp("pool")


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseNode]:
    """A ClickHouse over HTTP, shared by all tests of this process."""
    with ClickHouseNode(tmp_path_factory.mktemp("clickhouse")) as node:
        yield node


@pytest.fixture
def embedded_backend(pool_directory: Path) -> Iterator[Backend]:
    """The embedded engine, with an empty database for this test."""
    backend = EmbeddedBackend(pool_directory, _database())
    yield backend
    _forget(backend)


@pytest.fixture
def remote_backend(clickhouse: ClickHouseNode) -> Iterator[Backend]:
    """A ClickHouse over the wire, with an empty database for this test."""
    backend = RemoteBackend(parse_address(f"{clickhouse.url}/{_database()}"))
    yield backend
    _forget(backend)


@pytest.fixture(params=["embedded", "remote"])
def pool_backend(request: pytest.FixtureRequest) -> Backend:
    """Each engine in turn, with an empty database for this test."""
    backend: Backend = request.getfixturevalue(f"{request.param}_backend")
    return backend


def _database() -> str:
    return f"test_{uuid4().hex}"


def _forget(backend: Backend) -> None:
    backend.command(f"DROP DATABASE IF EXISTS {backend.database}")
    backend.close()


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], short_path: Path
) -> Iterator[Cli]:
    """Run ``vedette`` as a shell would, in an empty directory with a fresh vedette.toml."""
    monkeypatch.chdir(short_path)
    monkeypatch.delenv("VEDETTE_CONFIG", raising=False)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["vedette", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        code = left.value.code
        return Outcome(code if isinstance(code, int) else 1, printed.out, printed.err)

    yield run
    structlog.reset_defaults()  # a command configures logging for its process
