"""Whether the way from one generation to the next is short enough for the socket.

Hard rule: what the engine could get wrong without saying so (memcap, command length, a hash list,
other rule text) is a reason for a reload, found here by comparison and arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vedette.buffers import DatasetType
from vedette.ruleset.manifest import SetInfo
from vedette.ruleset.sizing import fits
from vedette.sensor.crossover import Limit
from vedette.sensor.difference import difference
from vedette.sensor.install import Installed, digest_of
from vedette.sensor.protocol import fits as fits_line
from vedette.sensor.release import Entry, Release, datavalue, entry_of, file_name, is_lookable


class SetChange(NamedTuple):
    """Entries to remove from and to add to one set, the canaries apart."""

    info: SetInfo
    removed: list[Entry]
    added: list[Entry]
    canary_before: Entry | None
    canary_after: Entry | None

    @property
    def removals(self) -> list[Entry]:
        """In order: the old canary first, so that from then on nothing stands for the old."""
        return [*([self.canary_before] if self.canary_before else []), *self.removed]

    @property
    def additions(self) -> list[Entry]:
        """In order: the new canary last, so that whoever finds it finds all."""
        return [*self.added, *([self.canary_after] if self.canary_after else [])]


class Delta(NamedTuple):
    """All changes, set by set."""

    changes: list[SetChange]

    @property
    def added(self) -> int:
        """Entries to add, without canaries."""
        return sum(len(change.added) for change in self.changes)

    @property
    def removed(self) -> int:
        """Entries to remove, without canaries."""
        return sum(len(change.removed) for change in self.changes)


class TooFar(NamedTuple):
    """The socket cannot bring the engine there."""

    reason: str


def plan(
    before: Installed, after: Installed, memcaps: Mapping[str, int], limit: Limit
) -> Delta | TooFar:
    """Compare two generations.

    Args:
        before: What the engine holds.
        after: What it shall hold.
        memcaps: Of each set, as the engine loaded it.
        limit: More changed entries are not worth it.
    """
    if reason := _other_rules(before.release, after.release):
        return TooFar(reason)
    old_sets = {info.name: info for info in before.release.sets}
    changes: list[SetChange] = []
    left = limit.changes
    for info in after.release.sets:
        old = old_sets[info.name]
        if info.sha256 == old.sha256:
            continue
        change = _compare(before, after, old, info, left)
        if change is None:
            return TooFar(limit.reason)
        if isinstance(change, TooFar):
            return change
        if reason := _does_not_fit(change, memcaps.get(info.name, 0)):
            return TooFar(reason)
        left -= len(change.added) + len(change.removed)
        changes.append(change)
    return Delta(changes)


def _other_rules(before: Release, after: Release) -> str:
    if before.target != after.target:
        return f"the rules are for {after.target}, not {before.target} any more"
    if {r.sid: (r.text, r.set) for r in before.rules} != {
        r.sid: (r.text, r.set) for r in after.rules
    }:
        return "the text of rules has changed"
    shape = {info.name: (info.type, info.format, info.hashsize) for info in before.sets}
    if shape != {info.name: (info.type, info.format, info.hashsize) for info in after.sets}:
        return "there are other datasets"
    return ""


def _compare(
    before: Installed, after: Installed, old: SetInfo, info: SetInfo, left: int
) -> SetChange | TooFar | None:
    """None: there are more changes than are left."""
    if not is_lookable(info):
        return TooFar(f"the hash list {info.name} has changed, and only a reload reads it again")
    files = before.path / file_name(old), after.path / file_name(info)
    try:
        if digest_of(files[0]) != old.sha256:
            return TooFar(f"{files[0]} was changed or is gone: what the engine holds is not known")
        found = difference(*files, limit=left + 2)
    except OSError as error:
        return TooFar(f"{error.filename} cannot be read: {error.strerror}")
    if found is None:
        return None
    canaries = datavalue(old, old.canary), datavalue(info, info.canary)
    added = [entry_of(info, line) for line in found.added]
    removed = [entry_of(info, line) for line in found.removed]
    return SetChange(
        info,
        [entry for entry in removed if entry.datavalue != canaries[0]],
        [entry for entry in added if entry.datavalue != canaries[1]],
        next((entry for entry in removed if entry.datavalue == canaries[0]), None),
        next((entry for entry in added if entry.datavalue == canaries[1]), None),
    )


def _does_not_fit(change: SetChange, memcap_bytes: int) -> str:
    info = change.info
    canary_bytes = len(info.canary.encode()) + (1024 if info.format == "ndjson" else 0)
    total = info.value_bytes + canary_bytes
    kind = DatasetType(info.type)
    if not fits(info.entries + 1, total, memcap_bytes, info.hashsize, kind):
        return (
            f"{info.name} would have {info.entries:,} entries, more than the memcap that the"
            f" engine loaded it with holds ({memcap_bytes >> 20} MiB)"
        )
    command = "dataset-add-json" if info.format == "ndjson" else "dataset-add"
    for entry in change.additions:
        arguments = {"setname": info.name, "settype": info.type, "datavalue": entry.datavalue}
        if entry.datajson is not None:
            arguments["datajson"] = entry.datajson
        if not fits_line(command, arguments):
            return f"an entry of {info.name} is too long for a socket command"
    return ""
