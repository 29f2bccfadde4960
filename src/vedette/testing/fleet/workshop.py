"""Where runs are played, one after the other: the processes that all come from, and the hub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vedette.testing.fleet.nursery import SPOILS, Nursery
from vedette.testing.fleet.run import Outcome, play
from vedette.testing.fleet.stage import Nurseries, Template, make_template

_FAKETIME = "usr/lib/*/faketime/libfaketimeMT.so.1"
_MEMORY = Path("/dev/shm")  # noqa: S108 - synchronous writes of 500 runs would wear out a disk


class Workshop:
    """Plays runs.

    Args:
        home: An empty directory with a short path.
        nurseries: Where processes come from.
        template: The hub that each run begins with.
        keep: Where the directories of runs with violations go.
    """

    def __init__(
        self, home: Path, nurseries: Nurseries, template: Template, keep: Path | None = None
    ) -> None:
        """Play nothing yet."""
        self._home = home
        self._nurseries = nurseries
        self._template = template
        self._keep = keep

    def play(self, seed: int, *, real: bool = False) -> Outcome:
        """Play a run and judge it."""
        place = self._home / str(seed)
        place.mkdir()
        outcome = play(seed, place, self._nurseries, self._template, real=real)
        if outcome.violations and self._keep:
            kept = self._keep / str(seed)
            shutil.copytree(place, kept, symlinks=True, dirs_exist_ok=True, ignore=_sockets)
        shutil.rmtree(place, ignore_errors=True)
        return outcome


@contextmanager
def workshop(keep: Path | None = None, *, spoils: Path | None = None) -> Iterator[Workshop]:
    """Set one up, and clear it away.

    Args:
        keep: Where the directories of runs with violations go.
        spoils: A script that breaks the product on purpose.
    """
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="vf", dir=_MEMORY if _MEMORY.is_dir() else None))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        right = stack.enter_context(Nursery({SPOILS: str(spoils)} if spoils else {}))
        nurseries = _with_wrong_clock(home, right, stack)
        yield Workshop(home, nurseries, make_template(home / "template", right), keep)


def _with_wrong_clock(home: Path, right: Nursery, stack: ExitStack) -> Nurseries:
    found = sorted(Path("/").glob(_FAKETIME))
    if not found:
        return Nurseries(right, None, None)
    clock = home / "clock"
    clock.write_text("+0\n")
    environment = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return Nurseries(right, stack.enter_context(Nursery(environment)), clock)


def _sockets(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(directory) / name).is_socket()]
