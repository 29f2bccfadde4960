"""Build the next generation: whole, or from the last one and the keys that changed.

One hard rule: whatever happens, disk full or kill -9, the last generation stays as it is, and
nobody sees a part of the next.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

import vedette
from vedette.bundle.generation import (
    DATASETS,
    MANIFEST,
    RULES,
    Generation,
    directory_of,
    latest_readable,
    numbers,
    repair,
    verify,
)
from vedette.bundle.writer import SetWriter, read_lines
from vedette.errors import BundleError
from vedette.files import sync_directory, write_atomically
from vedette.model import IndicatorType, Key
from vedette.ruleset.collect import NOTHING, Collect
from vedette.ruleset.compiler import NAMES, compile_all, compile_context, compile_type, name_forms
from vedette.ruleset.delta import edit_names, edit_strings
from vedette.ruleset.engine import PLAIN, Target
from vedette.ruleset.levels import moved
from vedette.ruleset.lines import decode
from vedette.ruleset.manifest import Manifest, RuleInfo, RulesInfo, SetInfo, SourceState
from vedette.ruleset.names import DOTTED, HOSTNAMES
from vedette.ruleset.rules import Ruleset, revise
from vedette.ruleset.sets import GENERATION, SetSpec, generation_entry
from vedette.ruleset.tally import Indicators, Tally

CHANGES_MAX = 20_000
"""More changed keys than this are not worth a delta."""

_WHOLE_TYPES = frozenset(
    {
        IndicatorType.IP_DST,
        IndicatorType.IP_SRC,
        IndicatorType.IP_DST_PORT,
        IndicatorType.IP_SRC_PORT,
        IndicatorType.URL,
    }
)
"""Types whose entries are shared by several indicators: written whole when one changes."""
_GENERATION = SetSpec(GENERATION.name)
_Views: TypeAlias = Mapping[str, Indicators]
"""What is in force, by the level of the sets that it goes into; only ``""``: all, untold."""


class BuildResult(NamedTuple):
    """What a build led to."""

    manifest: Manifest
    """Of the generation that holds the indicators now."""
    created: bool
    """False when nothing changed: no generation was made."""


class _Compiled(NamedTuple):
    counts: Mapping[IndicatorType, int]
    pruned: Mapping[IndicatorType, int]
    unmatched: Mapping[str, int]


class _At(NamedTuple):
    """Where the sets of a level go."""

    writer: SetWriter
    level: str


class _NotByDeltaError(Exception):
    """The last generation does not tell enough to go on from it."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Builds generations below one directory. Two at once are the caller's to prevent."""

    root: Path
    targets: Sequence[Target] = PLAIN
    prefix: str = "vedette"
    sid_base: int = 1_400_000
    collect: Collect = NOTHING
    clock: Callable[[], datetime] = _now

    def build(
        self,
        indicators: Indicators,
        sources: Sequence[SourceState] = (),
        *,
        changed: Collection[Key] | None = None,
        base: int | None = None,
        levels: Mapping[str, Indicators] | None = None,
    ) -> BuildResult:
        """Publish what is in force now, unless the last generation holds just that.

        Args:
            indicators: What is in force.
            sources: What the sources had said.
            changed: Every key that came or went since generation ``base``; None if unknown, then
                all indicators are read. The result is the same.
            base: The generation that ``changed`` counts from.
            levels: The same indicators by threat level, if each level shall have its own sets.

        A last generation of which something is missing is replaced by a new one, whatever changed;
        that a file was altered is seen only where all indicators are read.

        Raises:
            BundleError: It cannot be written; the last generation is as it was.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            repair(self.root)
            previous = latest_readable(self.root)
            if previous is None or previous.number != base:
                changed = None
            if previous is None or not self._is_sound(previous, thorough=changed is None):
                intact = changed = None
            else:
                intact = previous
            with tempfile.TemporaryDirectory(prefix=".building-", dir=self.root) as building:
                views = levels or {"": indicators}
                before = (previous, intact)
                return self._build(
                    Path(building), indicators, views, sources, before, changed=changed
                )
        except OSError as error:
            raise BundleError(
                f"cannot write a generation below {self.root}: {error.strerror}",
                hint="The last generation is still in force. Check space and permissions.",
            ) from error

    def _is_sound(self, generation: Generation, *, thorough: bool) -> bool:
        """Whether it is the last one and its files are there and, if thorough, are unchanged."""
        if generation.number != numbers(self.root)[-1]:
            return False
        if not thorough:
            return all(generation.file(info).exists() for info in generation.manifest.sets)
        try:
            verify(generation.path)
        except BundleError:
            return False
        return True

    def _build(
        self,
        building: Path,
        indicators: Indicators,
        views: _Views,
        sources: Sequence[SourceState],
        before: tuple[Generation | None, Generation | None],
        *,
        changed: Collection[Key] | None,
    ) -> BuildResult:
        previous, intact = before
        directory = building / "generation"
        (directory / RULES).mkdir(parents=True)
        writer, compiled = self._compile(directory, indicators, views, intact, changed)
        priorities = len(views) > 1
        content_id = self._content_id(writer.sets, directory, priorities=priorities)
        if intact and intact.manifest.content_id == content_id:
            return BuildResult(intact.manifest, created=False)
        number = max(numbers(self.root), default=0) + 1
        writer.write_entry(_GENERATION, generation_entry(number, content_id))
        sets = dict(sorted(writer.sets.items(), key=lambda item: item[0].rank))
        manifest = Manifest(
            generation=number,
            content_id=content_id,
            parent=previous.number if previous else None,
            created_at=self.clock(),
            vedette=vedette.__version__,
            prefix=self.prefix,
            sid_base=self.sid_base,
            priorities=priorities or msgspec.UNSET,
            sources=tuple(sources),
            counts={kind.value: n for kind, n in sorted(compiled.counts.items()) if n},
            pruned={kind.value: n for kind, n in sorted(compiled.pruned.items()) if n},
            unmatched=dict(sorted(compiled.unmatched.items())),
            sets=tuple(sets.values()),
            rules=tuple(self._write_rules(directory, sets, previous)),
        )
        write_atomically(directory / MANIFEST, [manifest.to_json()])
        self._publish(directory, number)
        return BuildResult(manifest, created=True)

    # -- datasets ---------------------------------------------------------------------------

    def _compile(
        self,
        directory: Path,
        indicators: Indicators,
        views: _Views,
        previous: Generation | None,
        changed: Collection[Key] | None,
    ) -> tuple[SetWriter, _Compiled]:
        """Write all datasets, by way of the changes if that is possible."""
        target = directory / DATASETS
        before = (previous.manifest, previous.path / DATASETS) if previous else None
        continues = previous and self._continues(previous.manifest, priorities=len(views) > 1)
        if previous and continues and changed is not None and len(changed) <= CHANGES_MAX:
            target.mkdir()
            writer = SetWriter(target, self.prefix, before)
            try:
                self._compile_changes(writer, views, previous, changed)
            except _NotByDeltaError:
                for path in target.iterdir():
                    path.unlink()
                target.rmdir()
            else:
                self._compile_context(writer, views)
                counts = indicators.counts()
                return writer, _Compiled(counts, _pruned(counts, writer.sets), {})
        target.mkdir()
        writer = SetWriter(target, self.prefix, before)
        tally = Tally()
        for level, view in views.items():
            writer.write(moved(compile_all(view, self.targets, tally), level))
        self._compile_context(writer, views)
        return writer, _Compiled(tally.listed, tally.pruned, tally.unmatched)

    def _compile_context(self, writer: SetWriter, views: _Views) -> None:
        for level, view in views.items():
            writer.write(moved(compile_context(view, self.targets), level))

    def _continues(self, manifest: Manifest, *, priorities: bool) -> bool:
        return (
            bool(manifest.priorities) == priorities
            and manifest.vedette == vedette.__version__
            and manifest.prefix == self.prefix
            and [info.profile for info in manifest.rules] == [str(t) for t in self.targets]
            and not manifest.unmatched
        )

    def _compile_changes(
        self,
        writer: SetWriter,
        views: _Views,
        previous: Generation,
        changed: Collection[Key],
    ) -> None:
        """Write all sets without context; a key that moved goes from one level's to another's."""
        tally = Tally()
        for level, view in views.items():
            specs = {
                spec._replace(level=""): info
                for spec, info in previous.specs().items()
                if spec.level == level
            }
            self._compile_level(_At(writer, level), view, specs, changed, tally)
        if tally.unmatched:
            raise _NotByDeltaError

    def _compile_level(
        self,
        at: _At,
        indicators: Indicators,
        specs: Mapping[SetSpec, SetInfo],
        changed: Collection[Key],
        tally: Tally,
    ) -> None:
        forms = name_forms(self.targets)
        by_type: dict[IndicatorType, list[str]] = {}
        for key in changed:
            by_type.setdefault(key.type, []).append(key.value)
        names = [key for key in changed if key.type in NAMES]
        edits = edit_names(names, indicators, forms, specs, tally) if names else {}
        whole = by_type.keys() & _WHOLE_TYPES
        for kind in by_type.keys() - whole - set(NAMES):
            edits.update(edit_strings(kind, by_type[kind], indicators))
        for spec in {**specs, **edits}:
            if spec.context or spec.indicator_type in whole:
                continue
            if spec in edits and self._is_wanted(spec):
                at.writer.edit(spec._replace(level=at.level), edits[spec])
            elif info := specs.get(spec):
                at.writer.keep(spec._replace(level=at.level), info)
        for kind in sorted(whole):
            chunks = compile_type(kind, indicators, self.targets, tally)
            at.writer.write(moved(chunks, at.level))

    def _is_wanted(self, spec: SetSpec) -> bool:
        """Whether any target compares the set with anything, so that it exists."""
        if spec.is_values:
            return True
        return any(
            buffer.since <= target.profile.version
            for target in self.targets
            for buffer in spec.source.buffers
        )

    # -- rules ------------------------------------------------------------------------------

    def _ruleset(self, sets: Mapping[SetSpec, SetInfo], directory: Path) -> Ruleset:
        networks: dict[IndicatorType, Sequence[str]] = {}
        for spec, info in sets.items():
            if spec.is_values and not spec.level and spec.dataset.startswith("ip-"):
                lines = read_lines(directory / DATASETS / info.file, spec, info)
                networks[IndicatorType(spec.dataset)] = [
                    value for value in (decode(spec, line) for line in lines) if "/" in value
                ]
        return Ruleset(self.prefix, self.sid_base, sets, networks, self.collect)

    def _content_id(
        self, sets: Mapping[SetSpec, SetInfo], directory: Path, *, priorities: bool
    ) -> str:
        ordered = dict(sorted(sets.items(), key=lambda item: item[0].rank))
        ruleset = self._ruleset(ordered, directory)
        digest = hashlib.sha256(self.prefix.encode())
        if priorities:  # the next build must know, whether or not any indicator has a level now
            digest.update(b"\npriorities")
        for info in ordered.values():
            digest.update(f"\n{info.file} {info.content}".encode())
        for target in self.targets:
            digest.update(f"\n{target}".encode())
            for rule in ruleset.rules(target):
                digest.update(f"\n{rule.text}".encode())
        return digest.hexdigest()

    def _write_rules(
        self, directory: Path, sets: Mapping[SetSpec, SetInfo], previous: Generation | None
    ) -> list[RulesInfo]:
        ruleset = self._ruleset(sets, directory)
        before = {i.name: i.content for i in previous.manifest.sets} if previous else {}
        now = {info.name: info.content for info in sets.values()}
        own = sets[_GENERATION].name

        def is_changed(name: str) -> bool:
            return name == own or before.get(name) != now.get(name)

        old = {info.profile: info for info in previous.manifest.rules} if previous else {}
        written = []
        for target in self.targets:
            profile = str(target)
            rules = list(ruleset.rules(target))
            revised, retired = revise(rules, old.get(profile), is_changed)
            text = [f"# Vedette: Suricata {profile}, {len(rules)} rules\n"]
            text += [rule.line(rev) for rule, rev in revised]
            name = f"{RULES}/{profile}.rules"
            written.append(
                RulesInfo(
                    profile=profile,
                    file=name,
                    sha256=write_atomically(directory / name, ["".join(text).encode()]),
                    sets=tuple(dict.fromkeys(rule.set for rule in rules if rule.set)),
                    rules=tuple(
                        RuleInfo(
                            sid=rule.sid,
                            rev=rev,
                            set=rule.set,
                            buffer=rule.buffer,
                            text=rule.digest,
                        )
                        for rule, rev in revised
                    ),
                    retired=retired,
                )
            )
        return written

    # -- publish ----------------------------------------------------------------------------

    def _publish(self, directory: Path, number: int) -> None:
        for path in (directory / DATASETS, directory / RULES, directory):
            sync_directory(path)
        os.rename(directory, directory_of(self.root, number))  # noqa: PTH104 - never replaces
        sync_directory(self.root)
        repair(self.root)


def _of_levels(sets: Mapping[SetSpec, SetInfo], spec: SetSpec) -> list[int]:
    """Return the entries of a set at each level."""
    return [info.entries for found, info in sets.items() if found._replace(level="") == spec]


def _pruned(
    counts: Mapping[IndicatorType, int], sets: Mapping[SetSpec, SetInfo]
) -> dict[IndicatorType, int]:
    """Return the names that are listed and in no set."""
    domains = [info.entries for spec, info in sets.items() if spec.labels and not spec.context]
    if dotted := _of_levels(sets, DOTTED):
        domains = dotted
    hostnames = sum(_of_levels(sets, HOSTNAMES))
    return {
        IndicatorType.DOMAIN: counts.get(IndicatorType.DOMAIN, 0) - sum(domains),
        IndicatorType.HOSTNAME: counts.get(IndicatorType.HOSTNAME, 0) - hostnames,
    }
