"""What one sensor shall hold: the part of a bundle that was compiled for its engine."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple, Self

import msgspec
from msgspec import Struct

from vedette.buffers import DatasetType, Profile
from vedette.errors import BundleError, SensorError
from vedette.ruleset.engine import Target
from vedette.ruleset.manifest import Manifest, RuleInfo, RulesInfo, SetInfo

RULES_FILE = "vedette.rules"
JSON_VALUE_KEY = "v"
"""The member of a line of an ndjson set that is compared with the buffer (``value_key``)."""


_RESERVED = frozenset({".", "..", RULES_FILE, "release.json"})
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_TYPES = frozenset(DatasetType)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_ID = re.compile(r"[0-9a-f]{1,64}")
_GENERATION_MAX = 10**9
_NUMBER_MAX = 2**53


class Release(Struct, frozen=True, kw_only=True):
    """The files, sets and rules of one generation for one engine profile."""

    generation: int
    content_id: str
    target: str
    """The :class:`vedette.ruleset.engine.Target` that the rules were compiled for."""
    files: dict[str, str]
    """SHA-256 by name, as installed beside each other."""
    sets: tuple[SetInfo, ...]
    rules: tuple[RuleInfo, ...]

    @property
    def profile(self) -> Profile:
        """What the engine must be able to do."""
        return Target.parse(self.target).profile

    @classmethod
    def from_manifest(cls, manifest: Manifest, target: str) -> Self:
        """Take the part of a bundle that is for one kind of engine.

        Raises:
            BundleError: The bundle was not built for it, or cannot be installed anywhere.
        """
        rules = manifest.rules_for(target)
        try:
            sets = tuple(manifest.set(name) for name in rules.sets)
        except KeyError as error:
            raise BundleError(f"its rules load a set that it does not have: {error}") from error
        files = {file_name(info): info.sha256 for info in sets}
        if len(files) < len(sets) or not _is_sound(manifest, rules, sets):
            raise BundleError(
                "the manifest has names or numbers that Vedette gives to none",
                hint="It is damaged, or the hub was taken over. What is installed stays.",
            )
        return cls(
            generation=manifest.generation,
            content_id=manifest.content_id,
            target=target,
            files={RULES_FILE: rules.sha256, **files},
            sets=sets,
            rules=rules.rules,
        )


def _is_sound(manifest: Manifest, rules: RulesInfo, sets: Sequence[SetInfo]) -> bool:
    """Whether all that becomes a path, or is calculated with, is what it looks like.

    Whoever has the hub and its key may say which rules a sensor loads, and nothing else: not which
    other files are read or written there, nor that its agent ends.
    """
    names = [file_name(info) for info in sets]
    digests = [rules.sha256, *(info.sha256 for info in sets)]
    numbers = (
        n
        for info in sets
        for n in (info.entries, info.value_bytes, info.memcap_bytes, info.hashsize)
    )
    return (
        0 < manifest.generation < _GENERATION_MAX
        and _CONTENT_ID.fullmatch(manifest.content_id) is not None
        and all(_NAME.fullmatch(name) and name not in _RESERVED for name in names)
        and all(map(_SHA256.fullmatch, digests))
        and all(info.type in _TYPES for info in sets)
        and all(0 <= number < _NUMBER_MAX for number in numbers)
    )


def file_name(info: SetInfo) -> str:
    """Return the name of a set's file beside the rules."""
    return PurePosixPath(info.file).name


def is_lookable(info: SetInfo) -> bool:
    """Whether the socket can be asked about its members."""
    return info.is_dataset and not DatasetType(info.type).is_file_list


class Entry(NamedTuple):
    """One line of a dataset's file, as the socket takes it."""

    datavalue: str
    datajson: str | None = None


def entry_of(info: SetInfo, line: bytes) -> Entry:
    """Read a line of the set's file.

    Raises:
        SensorError: The line is not of the set's format.
    """
    try:
        if info.format != "ndjson":
            return Entry(line.decode())
        members = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        value = msgspec.json.decode(members[JSON_VALUE_KEY], type=str)
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError) as error:
        raise SensorError(f"{info.file}: not an entry: {line[:80]!r}") from error
    return Entry(datavalue(info, value), line.decode())


def datavalue(info: SetInfo, value: str) -> str:
    """Spell a raw value (a canary) as the socket takes it: strings in base64, the rest as it is."""
    if info.type == DatasetType.STRING:
        return b64encode(value.encode()).decode()
    return value
