"""What a run of the command line leaves behind, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Exit code and texts of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the command prints
        """The document that ``--json`` printed."""
        return json.loads(self.out)


Cli = Callable[..., Outcome]
"""Runs ``vedette`` with these arguments, as a shell would."""


def run_script(script: str, directory: Path, *, timeout_s: float = 60, **variables: str) -> str:
    """Run a script of a page in a shell with ``vedette`` on its path; return what it printed.

    Args:
        script: For bash; it ends at the first command that fails.
        directory: Where it runs.
        timeout_s: How long it may take.
        variables: More for its environment.

    Raises:
        AssertionError: It failed.
    """
    done = subprocess.run(  # noqa: S603 - our own documentation
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
        cwd=directory,
        env={
            **os.environ,
            **variables,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{script}\n{done.stdout}{done.stderr}")
    return done.stdout
