"""The tutorial is true: its commands run as they stand, and print what it shows."""

from __future__ import annotations

import os
import re
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

_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\d+\.\d+ s\b"), "N s"),
)


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


def lines(text: str) -> list[str]:
    """Return the lines of an output without what differs from run to run."""
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def shows(expected: list[str], got: list[str]) -> bool:
    """Whether an output is as shown: ``...`` stands for any lines, or for the rest of one."""
    pattern = ""
    for line in expected:
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            rest = r".*" if line.endswith("...") else ""
            pattern += re.escape(line.removesuffix("...")) + rest + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in got)) is not None


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
        (["a", "...", "b"], ["a", "x", "y", "b"], True),
        (["a", "...", "b"], ["a", "x"], False),
        (["a"], ["a", "b"], False),
        (["took ..."], ["took 3"], True),
    ],
)
def test_dots_stand_for_what_is_not_shown(expected: list[str], got: list[str], same: bool) -> None:
    assert shows(expected, got) is same


def test_the_tutorial_runs_as_it_stands(
    suricata8: Engine, home: Path, blocks: Callable[[Path], Iterator[Any]]
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
            assert shows(lines(block.text), lines(output)), f"{block.text}\n--- is now:\n{output}"
    assert shown > 8
    assert not list(home.iterdir())


def test_the_readme_shows_what_the_demo_prints(
    suricata8: Engine, tmp_path: Path, blocks: Callable[[Path], Iterator[Any]]
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
    assert shows(lines(expected), lines(done.stdout)), done.stdout
