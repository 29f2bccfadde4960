"""What a run of the command line leaves behind, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
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
