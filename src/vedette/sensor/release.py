"""What one sensor shall hold: the part of a bundle that was compiled for its engine."""

from __future__ import annotations

from base64 import b64encode
from pathlib import PurePosixPath
from typing import NamedTuple, Self

import msgspec
from msgspec import Struct

from vedette.buffers import DatasetType, Profile
from vedette.errors import SensorError
from vedette.ruleset.engine import Target
from vedette.ruleset.manifest import Manifest, RuleInfo, SetInfo

RULES_FILE = "vedette.rules"
JSON_VALUE_KEY = "v"
"""The member of a line of an ndjson set that is compared with the buffer (``value_key``)."""


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
            BundleError: The bundle was not built for it.
        """
        rules = manifest.rules_for(target)
        sets = tuple(manifest.set(name) for name in rules.sets)
        files = {file_name(info): info.sha256 for info in sets}
        return cls(
            generation=manifest.generation,
            content_id=manifest.content_id,
            target=target,
            files={RULES_FILE: rules.sha256, **files},
            sets=sets,
            rules=rules.rules,
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
