"""Which files a generation has, by the names that they are asked for with."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from vedette.buffers import Profile
from vedette.bundle.generation import MANIFEST, Generation, open_generation
from vedette.errors import BundleError, UsageError
from vedette.pipeline.announcing import told
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import Target, profile_for
from vedette.ruleset.manifest import RulesInfo, SetInfo
from vedette.web.authentication import Caller
from vedette.web.refusing import Refusal

CURRENT = "current"
_KEPT = 32
_NUMBER = r"[0-9]{1,4}"
_VERSION = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,2}}(?![0-9]).{{0,40}}", re.ASCII)
_AGENT_ENGINE = re.compile(rf"Suricata: ({_NUMBER}(?:\.{_NUMBER}){{1,2}})(?![0-9])")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """A generation as it is served."""

    generation: Generation
    manifest_sha256: str
    sets: dict[str, SetInfo]
    """By file name and by the set's name."""
    rules: dict[str, RulesInfo]
    """By profile."""

    @property
    def number(self) -> int:
        """Of the generation."""
        return self.generation.number

    @property
    def created_at(self) -> int:
        """Epoch seconds."""
        return int(self.generation.manifest.created_at.timestamp())

    def place(self, artifacts: Path) -> Path:
        """Where what is made of it lies: a number alone may come twice, after a restore."""
        return artifacts / self.generation.path.name / self.manifest_sha256[:16]

    def set(self, name: str) -> SetInfo:
        """Return a set by its name or its file's.

        Raises:
            Refusal: 404, it has none of that name.
        """
        if info := self.sets.get(name):
            return info
        raise Refusal(
            404,
            f"generation {self.number} has no dataset '{name}'",
            hint="A set without entries does not exist; all names are in manifest.json.",
        )

    def rules_of(self, profile: str) -> RulesInfo:
        """Return the rules for a profile.

        Raises:
            BundleError: It was not built for it.
        """
        return self.generation.manifest.rules_for(profile)

    def profile_of(self, version: str) -> str:
        """Return the newest profile that an engine of this version can do and that was built.

        Raises:
            Refusal: 404, there is none.
        """
        if not _VERSION.fullmatch(version):
            raise Refusal(
                404, f"'{version[:40]}' is no version of Suricata", hint="Such as: suricata-8.0.1"
            )
        parts = tuple(int(part) for part in re.findall(_NUMBER, version)[:3])
        try:
            known = profile_for(parts)
        except UsageError as error:
            raise Refusal(404, str(error), hint=error.hint) from error
        fitting = [
            profile
            for profile in Profile
            if profile.version <= known.version and str(Target(profile)) in self.rules
        ]
        if not fitting:
            raise Refusal(
                404,
                f"generation {self.number} was not built for Suricata {version}",
                hint=f"It has {', '.join(self.rules)}; add to profiles in vedette.toml.",
            )
        return str(Target(fitting[-1]))


class Catalogues:
    """Catalogues of the generations that were asked for last; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[int, int, int], Catalogue] = OrderedDict()

    def of(self, generation: Generation) -> Catalogue:
        """Return the catalogue of a generation.

        Raises:
            BundleError: Its manifest cannot be read.
        """
        path = generation.path / MANIFEST
        try:
            stat = path.stat()
            key = (generation.number, stat.st_ino, stat.st_mtime_ns)
            with self._lock:
                if found := self._kept.get(key):
                    self._kept.move_to_end(key)
                    return found
            made = _read(generation, path)
        except OSError as error:
            raise BundleError(f"cannot read {path}: {error.strerror}") from error
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a caller gets under ``current``, or under a number."""

    catalogue: Catalogue
    serial: int
    """Of the announcement that tells it; 0: it asked for a number."""
    since: int
    """When that was announced, epoch seconds."""


def resolve(hub: Hub, catalogues: Catalogues, caller: Caller, which: str) -> Told:
    """Return the generation that a caller gets.

    Args:
        hub: The open state directory.
        catalogues: Of this server.
        caller: Who asks; a sensor gets what the roll-out tells it, a tool what the others get.
        which: ``current`` or a number.

    Raises:
        Refusal: 404, there is none.
        BundleError: It cannot be read.
    """
    if which != CURRENT:
        return Told(catalogue=catalogues.of(_numbered(hub, which)), serial=0, since=0)
    settings = hub.store.fleet.sensor(caller.sensor).settings if caller.sensor else {}
    now = told(hub)
    record = now.told_to(settings) if now else None
    if record is None:
        raise Refusal(
            404,
            "nothing is published yet" if now is None else "nothing is published for you yet",
            hint="On the hub: vedette bundle build" if now is None else "Canaries prove it first.",
        )
    catalogue = catalogues.of(_numbered(hub, str(record.generation)))
    return Told(catalogue=catalogue, serial=record.serial, since=record.serial // 1_000)


def _numbered(hub: Hub, which: str) -> Generation:
    number = int(which) if which.isascii() and which.isdecimal() and len(which) < 10 else 0  # noqa: PLR2004
    generation = open_generation(hub.settings.bundles, number)
    if generation is None:  # pragma: no cover - a number is found, or an error
        raise BundleError(f"there is no generation {which}")
    return generation


def engine_of(agent: str) -> str:
    """Return the engine version that a User-Agent names, as suricata-update does; ``""``: none."""
    match = _AGENT_ENGINE.search(agent)
    return match[1] if match else ""


def _read(generation: Generation, path: Path) -> Catalogue:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = generation.manifest
    sets = {info.name: info for info in manifest.sets if info.type != "values"}
    sets |= {info.file: info for info in manifest.sets}
    rules = {info.profile: info for info in manifest.rules}
    return Catalogue(generation=generation, manifest_sha256=digest, sets=sets, rules=rules)
