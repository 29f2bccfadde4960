"""The rules directory on the machine of a sensor that is reached by ssh.

Hard rule: a generation appears there under its name whole, verified by SHA-256 on that machine, or
not at all; ``current`` is switched by one rename. An interruption at any instant leaves the one in
force as it was.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import secrets
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import structlog
import zstandard

from vedette.errors import SensorError, UsageError
from vedette.sensor import ssh_scripts
from vedette.sensor.install import RELEASE_FILE, Installed
from vedette.sensor.release import Release
from vedette.sensor.ssh_link import Link, ThereError

log = structlog.get_logger(__name__)

_TRANSFER_S = 1_800.0
_WRONG_SUM = 6
_GENERATION = re.compile(r"gen-\d+(\.\d+)?")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_CODE = re.compile(rb"\nvedette-code (\d+)\n\Z")
_TMP = "{tmp}"


class There(NamedTuple):
    """What is in the directory."""

    current: str
    """The name that ``current`` leads to, or ``""``."""
    generations: dict[str, str]
    """SHA-256 of each one's release.json, or ``-``."""
    packer: str
    """What can unpack there: ``zstd``, ``gzip`` or ``""``."""


class FarDirectory:
    """A directory over a link; see :class:`vedette.sensor.install.Elsewhere`.

    Args:
        link: The way there.
        path: There.

    Raises:
        UsageError: It is no absolute path.
    """

    def __init__(self, link: Link, path: Path) -> None:
        if not path.is_absolute() or "\0" in str(path):
            raise UsageError(f"the rules directory {str(path)!r} is no absolute path")
        self.link = link
        self.path = path

    def look(self) -> There:
        """Return what is there; the directory is made if it is not.

        Raises:
            SensorError: The machine cannot be reached, or the directory cannot be used.
        """
        what = f"use the rules directory {self.path}"
        output = self.link.run(ssh_scripts.LOOK, str(self.path), what=what)
        lines = output.decode(errors="replace").splitlines()
        if lines[-1:] != ["end"]:
            raise SensorError(f"{self.link.host} did not say all of what is in {self.path}")
        words = [line.split(" ", 1) for line in lines[:-1]]
        found = [rest.split(" ", 1) for word, rest in words if word == "generation"]
        packers = [rest for word, rest in words if word == "packer"]
        current = next((rest for word, rest in words if word == "current"), "")
        generations = {name: digest for digest, name in found if _GENERATION.fullmatch(name)}
        return There(current, generations, packers[0] if packers else "")

    def install(self, installed: Installed, there: There, others: Mapping[str, Release]) -> None:
        """Bring a generation of the mirror there; do nothing if it is there, whole.

        Args:
            installed: It.
            there: What is there already.
            others: What the generations that are there consist of, as far as it is known.

        Raises:
            SensorError: It cannot be brought there; nothing that was there has changed.
        """
        release = installed.release
        linked = _linkable(release, others)
        try:
            self._install(installed, there.packer, linked)
        except ThereError as error:
            wrong = _wrong(error)
            if error.code != _WRONG_SUM or not wrong.intersection(linked):
                raise
            log.warning("ssh.sent_again", sensor=self.link.name, files=sorted(wrong))
            self._install(installed, there.packer, {})

    def _install(self, installed: Installed, packer: str, linked: Mapping[str, str]) -> None:
        names = [*installed.release.files, RELEASE_FILE]
        if bad := [name for name in names if not _FILE.fullmatch(name)]:
            raise SensorError(f"{bad[0]!r} is no name of a file that Vedette publishes")
        sums = {**installed.release.files, RELEASE_FILE: identity(installed.release)}
        sent = [installed.path / name for name in names if name not in linked]
        log.debug("ssh.sending", sensor=self.link.name, files=len(sent), linked=len(linked))
        self.link.run(
            ssh_scripts.INSTALL,
            str(self.path),
            _new_name(installed.path.name),
            installed.path.name,
            packer,
            *(f"{generation}/{name}" for name, generation in linked.items()),
            "--",
            "\n".join(f"{digest}  {name}" for name, digest in sums.items()),
            feed=partial(_send, sent, packer),
            timeout_s=_TRANSFER_S,
            what=f"install generation {installed.release.generation} in {self.path}",
        )

    def switch(self, name: str) -> None:
        """Make a generation current there, in one step.

        Raises:
            SensorError: It was not done, or the connection was lost and it is not known.
        """
        what = f"make {self.path / name} current"
        self.link.run(ssh_scripts.SWITCH, str(self.path), name, _new_name("current"), what=what)

    def prune(self, kept: Sequence[str]) -> None:
        """Remove all generations but those named and the current one."""
        what = f"remove old generations in {self.path}"
        self.link.run(ssh_scripts.PRUNE, str(self.path), " ".join(kept), what=what)

    def damaged(self, installed: Installed) -> list[str]:
        """Return the names of files that are missing there or are not what was published."""
        current, bad = self.look_into(installed)
        name = installed.path.name
        if current != name:
            bad.append(f"current (it leads to {current or 'nothing'}, not to {name})")
        return bad

    def look_into(self, installed: Installed) -> tuple[str, list[str]]:
        """Return where ``current`` leads to, and the damaged files of a generation.

        Raises:
            SensorError: The machine cannot be reached.
        """
        files, name = installed.release.files, installed.path.name
        what = f"read {self.path / name}"
        output = self.link.run(
            ssh_scripts.DAMAGED, str(self.path), name, *files, timeout_s=_TRANSFER_S, what=what
        )
        first, *lines = output.decode(errors="replace").splitlines()
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        return first.removeprefix("current").strip(), [
            name for name, digest in files.items() if sums.get(name) != digest
        ]

    def run(self, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        """Run a command there; see :class:`vedette.sensor.install.Elsewhere`."""
        tmp = _new_name("test")
        words = [part.replace(_TMP, str(self.path / tmp)) for part in command]
        what = f"run {command[0]}"
        output = self.link.run(
            ssh_scripts.RUN, str(self.path), tmp, *words, timeout_s=timeout_s, what=what
        )
        code = _CODE.search(output)
        if code is None:
            raise SensorError(f"{command[0]} was interrupted on {self.link.host}")
        return int(code[1]), output[: code.start()].decode(errors="replace")


def identity(release: Release) -> str:
    """Return the SHA-256 of a release's release.json, in hex."""
    return hashlib.sha256(msgspec.json.encode(release)).hexdigest()


def _new_name(name: str) -> str:
    return f".new-{name}-{secrets.token_hex(4)}"


def _linkable(release: Release, others: Mapping[str, Release]) -> dict[str, str]:
    """Return for each file that is there already in which generation."""
    return {
        name: generation
        for generation, other in others.items()
        for name, digest in release.files.items()
        if other.files.get(name) == digest
    }


def _wrong(error: ThereError) -> set[str]:
    lines = error.output.decode(errors="replace").splitlines()
    return {
        name for name, _, verdict in (line.rpartition(": ") for line in lines) if verdict != "OK"
    }


def _send(paths: Sequence[Path], packer: str, target: BinaryIO) -> None:
    """Write a tar of some files, packed as the other side can unpack it."""
    if packer == "zstd":
        with zstandard.ZstdCompressor(level=1).stream_writer(target, closefd=False) as packed:
            _tar(paths, packed)
    elif packer == "gzip":
        with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=1) as zipped:
            _tar(paths, zipped)  # type: ignore[arg-type]
    else:
        _tar(paths, target)


def _tar(paths: Sequence[Path], target: BinaryIO) -> None:
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for path in paths:
            entry = tarfile.TarInfo(path.name)
            entry.size = path.stat().st_size
            entry.mode = 0o644
            with path.open("rb") as file:
                tar.addfile(entry, file)
