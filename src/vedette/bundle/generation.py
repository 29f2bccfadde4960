"""Generations on disk: find, open, verify, switch, roll back, forget.

A generation is published by one rename of its directory. Which one is current follows from the
directory names and, after a roll back, from the file ``pinned``; the link ``current`` is for others
to read and is repaired from them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from vedette.bundle.writer import link
from vedette.errors import BundleError
from vedette.files import sync_directory, write_atomically
from vedette.ruleset.manifest import Manifest, SetInfo
from vedette.ruleset.sets import SetSpec

MANIFEST = "manifest.json"
DATASETS = "datasets"
RULES = "rules"
RULES_FILE = "vedette.rules"
"""The name of the rules file where it stands beside its datasets."""

_NAME = re.compile(r"gen-(\d{6,})\Z")
_PIN = "pinned"
_CURRENT = "current"
_TEMPORARY = re.compile(r"\.(building|dropping|current)-")
_DAMAGED = "It stays damaged; `vedette bundle build --whole` makes a new one, which is pushed next."


class Generation:
    """A published generation. Nothing in it changes any more."""

    def __init__(self, path: Path, number: int) -> None:
        """Take the directory for what it is named; nothing is read yet."""
        self.path = path
        self.number = number

    @cached_property
    def manifest(self) -> Manifest:
        """Its index.

        Raises:
            BundleError: It cannot be read.
        """
        try:
            return Manifest.from_json((self.path / MANIFEST).read_bytes())
        except OSError as error:
            raise BundleError(
                f"cannot read {self.path / MANIFEST}: {error.strerror}", hint=_DAMAGED
            ) from error

    def file(self, info: SetInfo) -> Path:
        """Where a set's file is."""
        return self.path / DATASETS / info.file

    def sources(self, target: str) -> dict[str, Path]:
        """Return what a sensor of this target needs, by the name that it has there.

        Raises:
            BundleError: The bundle was not built for it.
        """
        rules = self.manifest.rules_for(target)
        sets = (self.manifest.set(name) for name in rules.sets)
        return {RULES_FILE: self.path / rules.file, **{info.file: self.file(info) for info in sets}}

    def flatten(self, target: str, directory: Path) -> list[Path]:
        """Put the rules and the datasets of a target beside each other into a directory.

        Raises:
            BundleError: The bundle was not built for it.
        """
        directory.mkdir(parents=True, exist_ok=True)
        placed = []
        for name, source in self.sources(target).items():
            path = directory / name
            path.unlink(missing_ok=True)
            link(source, path)
            placed.append(path)
        return placed

    def specs(self) -> dict[SetSpec, SetInfo]:
        """Return its sets by what they are; the generation's own is not among them."""
        return {spec_of(info): info for info in self.manifest.sets if info.indicator_type}


def spec_of(info: SetInfo) -> SetSpec:
    """Return which set of which dataset this is."""
    level = info.level or ""
    name = info.name.removesuffix(f"-{level}")
    context = info.file.endswith(".ndjson") or name.endswith("-ctx")
    return SetSpec(info.dataset, info.role, context, level)


def numbers(root: Path) -> list[int]:
    """Return the numbers of all generations, oldest first."""
    if not root.is_dir():
        return []
    return sorted(int(match[1]) for path in root.iterdir() if (match := _NAME.match(path.name)))


def directory_of(root: Path, number: int) -> Path:
    """Where a generation is, or would be."""
    return root / f"gen-{number:06}"


def latest(root: Path) -> Generation | None:
    """Return the generation that was built last, current or not."""
    found = numbers(root)
    return Generation(directory_of(root, found[-1]), found[-1]) if found else None


def latest_readable(root: Path) -> Generation | None:
    """Return the generation that was built last among those whose manifest can be read."""
    for generation in history(root):
        with suppress(BundleError):
            generation.manifest  # noqa: B018 - read now, or never
            return generation
    return None


def open_generation(root: Path, number: int | None = None) -> Generation | None:
    """Return a generation, by default the current one; None if nothing is published.

    Raises:
        BundleError: The number does not exist.
    """
    found = numbers(root)
    if number is None:
        number = _current(root, found)
        return Generation(directory_of(root, number), number) if number else None
    if number not in found:
        known = f"{found[0]} to {found[-1]}" if found else "none yet"
        raise BundleError(
            f"there is no generation {number}", hint=f"On disk: {known}; see: vedette bundle show"
        )
    return Generation(directory_of(root, number), number)


def verify(directory: Path) -> Manifest:
    """Check that every file of a generation is there and is what its manifest says.

    Raises:
        BundleError: Something is missing or was changed; the text names the first file.
    """
    manifest = Generation(directory, 0).manifest
    files = [(f"{DATASETS}/{info.file}", info.sha256) for info in manifest.sets]
    files += [(info.file, info.sha256) for info in manifest.rules]
    for name, wanted in files:
        try:
            found = _sha256(directory / name)
        except OSError as error:
            raise BundleError(
                f"generation {manifest.generation}: {name}: {error.strerror}", hint=_DAMAGED
            ) from error
        if found != wanted:
            raise BundleError(
                f"generation {manifest.generation}: {name} is not what was published", hint=_DAMAGED
            )
    return manifest


def rollback(root: Path, number: int) -> Generation:
    """Make an older generation the current one, until a build publishes new content.

    Raises:
        BundleError: It does not exist, or its files are damaged.
    """
    generation = open_generation(root, number)
    if generation is None:  # pragma: no cover - a number is always found or an error
        raise BundleError(f"there is no generation {number}")
    verify(generation.path)
    newest = numbers(root)[-1]
    try:
        if number == newest:
            (root / _PIN).unlink(missing_ok=True)
        else:
            write_atomically(root / _PIN, [f"{number} {newest}\n".encode()])
        _point(root)  # and no more: a build may be under way, whose files are nobody's leftovers
    except OSError as error:
        raise BundleError(f"cannot switch to generation {number}: {error.strerror}") from error
    return generation


def repair(root: Path) -> None:
    """Remove what a killed build left, and point ``current`` at the current generation."""
    for path in root.iterdir():
        if _TEMPORARY.match(path.name):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    _point(root)


def _point(root: Path) -> None:
    """Let ``current`` point at the current generation."""
    number = _current(root, numbers(root))
    if number is None:
        return
    target, current = directory_of(root, number).name, root / _CURRENT
    if not current.is_symlink() or os.readlink(current) != target:  # noqa: PTH115 - a name
        if current.is_dir() and not current.is_symlink():  # a copy that followed links
            shutil.rmtree(current.rename(root / ".dropping-current"))
        fresh = root / f".current-{number}"
        fresh.unlink(missing_ok=True)  # of somebody who was killed here
        fresh.symlink_to(target)
        fresh.replace(current)
        sync_directory(root)


def forget(root: Path, keep: int, needed: Collection[int] = ()) -> list[int]:
    """Remove the oldest generations beyond ``keep``; return which.

    Args:
        root: The directory of generations.
        keep: How many stay.
        needed: Numbers of others that stay, however old: somebody is told or holds them. The
            current one always stays.
    """
    found = numbers(root)
    stays = {_current(root, found), *needed}
    dropped = [number for number in found[: max(0, len(found) - keep)] if number not in stays]
    for number in dropped:
        path = directory_of(root, number)
        gone = path.rename(root / f".dropping-{number}")
        shutil.rmtree(gone)
    return dropped


def _current(root: Path, found: list[int]) -> int | None:
    if not found:
        return None
    with suppress(OSError, ValueError):
        number, newest = map(int, (root / _PIN).read_text().split())
        # A pin holds only until something newer is published.
        if newest == found[-1] and number in found:
            return number
    return found[-1]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def history(root: Path) -> Iterator[Generation]:
    """Yield all generations, newest first."""
    for number in reversed(numbers(root)):
        yield Generation(directory_of(root, number), number)
