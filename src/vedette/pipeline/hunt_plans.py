"""Where the indicators of a saved hunt come from: a file that is read again, or a kept copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from vedette.errors import UsageError
from vedette.files import open_decompressed, open_regular, write_atomically
from vedette.hunt.reading import Asked
from vedette.model import IndicatorType
from vedette.pipeline.hub import Hub
from vedette.store import HuntRecord

_BLOCK = 1 << 18


class HuntPlan(Struct, frozen=True, kw_only=True):
    """How a saved hunt is run."""

    path: str
    """The file with its list."""
    kept: bool = False
    """Whether it is our own copy of what was piped in, which goes with the hunt."""
    type: str = ""
    exact: bool = False
    hosts: bool = False
    since: str = ""
    """As the option was given: an age stays an age."""
    until: str = ""
    place: str = ""
    """The OpenSearch to hunt in; ``""``: our own memory."""

    @property
    def asked(self) -> Asked:
        """How the list is meant."""
        return Asked(
            type=IndicatorType(self.type) if self.type else None,
            exact=self.exact,
            hosts=self.hosts,
        )


def plan_of(record: HuntRecord) -> HuntPlan:
    """Return how a saved hunt is run."""
    return msgspec.convert(record.body, HuntPlan)


def save(hub: Hub, name: str, plan: HuntPlan) -> None:
    """Save a hunt.

    Raises:
        UsageError: The name is taken, or cannot be one.
    """
    hub.store.hunts.save(name, msgspec.to_builtins(plan))


def remove(hub: Hub, name: str) -> int:
    """Forget a saved hunt, its runs, and the copy of its list if it was ours.

    Returns:
        How many runs went with it.

    Raises:
        UsageError: There is none of that name.
    """
    plan = plan_of(hub.store.hunts.hunt(name))
    runs = hub.store.hunts.remove(name)
    if plan.kept:
        Path(plan.path).unlink(missing_ok=True)
    return runs


def keep_copy(hub: Hub, name: str, stream: BinaryIO) -> Path:
    """Keep what is piped in, to be hunted now and again.

    Raises:
        UsageError: It cannot be kept.
    """
    folder = hub.settings.state_dir / "hunts"
    path = folder / f"{name}.list"
    try:
        folder.mkdir(exist_ok=True)
        write_atomically(path, iter(lambda: stream.read(_BLOCK), b""))
    except OSError as error:
        raise UsageError(
            f"cannot keep the list in {path}: {error.strerror}",
            hint="Make room, or put the list into a file and hunt that.",
        ) from error
    return path


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a list, unpacked.

    Raises:
        UsageError: It cannot be opened, or reading fails inside the block.
    """
    try:
        with open_regular(path) as raw, open_decompressed(raw) as stream:
            yield stream
    except OSError as error:
        raise UsageError(
            f"cannot read the list {path}: {error.strerror or error}",
            hint="Give a file that exists and may be read, or - for standard input.",
        ) from error
