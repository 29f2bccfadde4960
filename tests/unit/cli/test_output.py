"""Progress is for a terminal; a pipe gets results alone."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from vedette.cli.output import moment, size
from vedette.testing.command import Cli


@pytest.fixture
def big_list(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "l.txt").write_text("".join(f"d{n}.example\n" for n in range(150_000)))
    cli("source", "add", "list", "l.txt", "--type", "domain", "--name", "l")


def test_a_pipe_gets_no_progress(cli: Cli, big_list: None) -> None:
    done = cli("source", "pull")
    assert done.err == ""
    assert "\x1b" not in done.out
    assert "150,000 entries" in done.out


def test_a_terminal_shows_that_something_moves(big_list: None, short_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vedette", "source", "pull"],
        cwd=short_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
    out = process.communicate()[0]
    os.close(ours)
    assert process.returncode == 0
    assert b"pulling l" in shown
    assert b"150,000 entries" in out
    assert b"pulling l" not in out


def test_numbers_and_times_are_for_people() -> None:
    assert [size(n) for n in (999, 1_500, 2_500_000, 3e9)] == [
        "999 B",
        "1.5 kB",
        "2.5 MB",
        "3.0 GB",
    ]
    assert moment(None) == "never"
