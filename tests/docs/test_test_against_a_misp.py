"""The page about the fake MISP: its program runs, its command serves, its names exist."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vedette.demo import FEED
from vedette.testing import fake_misp
from vedette.testing.fake_misp import FakeMisp, FaultKind

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/test-against-a-misp.md"

Blocks = Callable[[Path], Iterator[Any]]


def test_the_program_of_the_page_runs(blocks: Blocks) -> None:
    (program,) = (block.text for block in blocks(PAGE) if block.language == "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_command_of_the_page_serves_and_tells_what_the_page_says(blocks: Blocks) -> None:
    (command,) = (block.text for block in blocks(PAGE) if block.language == "console")
    words = command.replace("8443", "0").replace("DIR", str(FEED)).split()
    with subprocess.Popen(
        [sys.executable, *words[1:]], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = dict(process.stdout.readline().split() for _ in range(4))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert list(said) == ["url", "key", "events", "read-only-key"]
    assert said["events"] == "3"


def test_everything_that_the_page_names_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shouted = set(re.findall(r"`([A-Z_]{3,})`", text)) - {"DIR"}
    faults, roles = {kind.name for kind in FaultKind}, set(fake_misp.__all__)
    assert shouted >= faults
    assert shouted <= faults | roles
    with FakeMisp() as misp:
        for name in re.findall(r"`misp\.(\w+)", text):
            assert hasattr(misp, name)
        listed = text[text.index("`misp.state` is") : text.index("`misp.add_key(")]
        methods = re.findall(r"`(\w+)(?:\(|`)", listed)
        assert len(methods) > 8
        for name in methods:
            assert hasattr(misp.state, name), name
