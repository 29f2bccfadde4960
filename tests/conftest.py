"""What every test may use: the shared data, where it is there, and the command line."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from vedette.cli import main
from vedette.pipeline.lock import exclusive
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
