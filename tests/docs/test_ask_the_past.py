"""The tutorial about the past is true: its commands run as they stand, and print what it shows."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/tutorial/ask-the-past.md"
HOME = "/home/you"
END = "=== end of step"
COLUMNS = 110

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def in_a_terminal(script: str, home: Path) -> str:
    """Run a script in a terminal of its own, and return what it shows.

    Raises:
        AssertionError: It failed.
    """
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 40, COLUMNS, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with (home / "stderr").open("wb") as errors:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=ROOT,
            env={**environment, "HOME": str(home), "PATH": path, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=its,
            stderr=errors,
        )
    os.close(its)
    shown = b"".join(_read(ours))
    os.close(ours)
    code = process.wait(10)
    text = _STYLE.sub("", shown.decode()).replace("\r\n", "\n")
    assert code == 0, f"{text}\n{(home / 'stderr').read_text()}"
    (home / "stderr").unlink()
    return text


def _read(terminal: int) -> Iterator[bytes]:
    try:
        while data := os.read(terminal, 65_536):
            yield data
    except OSError:  # how Linux says that the other end is closed
        return


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a home directory whose name is short: long ones break lines elsewhere."""
    with tempfile.TemporaryDirectory(prefix="v") as path:
        yield Path(path)


def test_the_tutorial_runs_as_it_stands(
    home: Path,
    blocks: Callable[[Path], Iterator[Any]],
    is_shown: Callable[[str, str], bool],
) -> None:
    found = list(blocks(PAGE))
    steps = [block.text for block in found if block.language == "sh"]
    script = "set -euo pipefail\n" + "".join(f"{step}\necho '{END}'\n" for step in steps)
    shown = in_a_terminal(script, home).replace(str(home), HOME)
    outputs = shown.split(f"{END}\n")
    assert len(outputs) == len(steps) + 1
    compared = 0
    remaining = iter(outputs)
    output = ""
    for block in found:
        if block.language == "sh":
            output = next(remaining)
        elif block.language == "text":
            compared += 1
            assert is_shown(block.text, output), f"{block.text}\n--- is now:\n{output}"
    assert compared > 8
    assert not list(home.iterdir())
