"""The tutorial is true: its commands run as they stand, and print what it shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vedette.testing.engine import Engine, engines_home, find_engine

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("alone_on_loopback"),
]

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs/tutorial/ten-minutes.md"
HOME = "/home/you"


@pytest.fixture
def suricata8() -> Engine:
    if os.geteuid() != 0:
        lack("watching an interface needs root")
    if engine := find_engine("8"):
        return engine
    return lack(f"no Suricata 8 in {engines_home()} (run: tools/engines.sh 8)")


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a home directory; not pytest's, because a socket's path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="vedette-") as path:
        yield Path(path)


def lack(reason: str) -> Any:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(home),
        "VEDETTE_ENGINES": str(engines_home()),
        "VEDETTE_SHARED": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("a\n...\nb", "a\nx\ny\nb", True),
        ("a\n...\nb", "a\nx", False),
        ("a", "a\nb", False),
        ("took ...", "took 3", True),
        ("...found", "2 found", True),
        ("...found", "2 found more", False),
    ],
)
def test_dots_stand_for_what_is_not_shown(
    expected: str, got: str, same: bool, is_shown: Callable[[str, str], bool]
) -> None:
    assert is_shown(expected, got) is same


def test_the_tutorial_runs_as_it_stands(
    suricata8: Engine,
    home: Path,
    blocks: Callable[[Path], Iterator[Any]],
    is_shown: Callable[[str, str], bool],
) -> None:
    found = list(blocks(TUTORIAL))
    steps = [block.text for block in found if block.language == "sh"]
    script = "set -euo pipefail\n" + "".join(f"{step}\necho '=== end of step'\n" for step in steps)
    pid_file = home / "vedette-tutorial/sensor/suricata.pid"
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=environment(home),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    finally:
        with suppress(OSError, ValueError):
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = done.stdout.replace(str(home), HOME).split("=== end of step\n")
    assert len(outputs) == len(steps) + 1
    shown = 0
    remaining = iter(outputs)
    output = ""
    for block in found:
        if block.language == "sh":
            output = next(remaining)
        elif block.language == "text":
            shown += 1
            assert is_shown(block.text, output), f"{block.text}\n--- is now:\n{output}"
    assert shown > 8
    assert not list(home.iterdir())


def test_the_readme_shows_what_the_demo_prints(
    suricata8: Engine,
    tmp_path: Path,
    blocks: Callable[[Path], Iterator[Any]],
    is_shown: Callable[[str, str], bool],
) -> None:
    expected = next(b.text for b in blocks(ROOT / "README.md") if b.language == "text")
    done = subprocess.run(
        ["vedette", "demo", "--engine", "8"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert is_shown(expected, done.stdout), done.stdout
