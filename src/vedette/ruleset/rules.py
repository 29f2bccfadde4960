"""Rule text: one rule for each set and buffer, each on one line with one whole dataset keyword.

What other tools need of it: ``load`` only, and never the words ``save`` or ``state`` with a blank
behind the keyword (Scirius disables such rules); the keyword repeated whole and once per rule
(suricata-update rewrites the file's path in it).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from vedette.buffers import ROWS, Buffer, DatasetType, Profile, Row
from vedette.model import IndicatorType
from vedette.ruleset.addresses import network_groups
from vedette.ruleset.collect import NOTHING, Collect
from vedette.ruleset.context import CONTEXT_KEY
from vedette.ruleset.engine import Target
from vedette.ruleset.manifest import RuleInfo, RulesInfo, SetInfo
from vedette.ruleset.sets import GENERATION, LEVELS, SetSpec, buffers_for, network_sid

_PATH_MARK = "vedette.url-path"


class Rule(NamedTuple):
    """A rule but for its rev."""

    sid: int
    set: str
    """The set's name, ``""`` for networks, which stand in the text, and for what is collected."""
    buffer: str
    text: str
    """Up to ``rev:``."""

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def marked_first(self) -> Rule:
        """Return the rule with a flowbit, by which the engine puts it before those without."""
        head, sid, tail = self.text.rpartition(" sid:")
        return self._replace(text=f"{head} flowbits:set,vedette.first-hash;{sid}{tail}")

    def line(self, rev: int) -> str:
        """Return the line of the rules file."""
        return f"{self.text} rev:{rev};)\n"


class Ruleset(NamedTuple):
    """What rules are made of."""

    prefix: str
    sid_base: int
    sets: Mapping[SetSpec, SetInfo]
    networks: Mapping[IndicatorType, Sequence[str]]
    """Values of the types of addresses that may hold networks."""
    collect: Collect = NOTHING

    def rules(self, target: Target) -> Iterator[Rule]:
        """Yield the rules of one target, in the order of the buffers table."""
        generation = SetSpec(GENERATION.name)
        if info := self.sets.get(generation):
            for buffer in GENERATION.buffers:
                yield self._rule(generation, info, buffer, None)
        preferred = self._preferred_hash_lists() if target.profile is Profile.V7_0 else ()
        for row in ROWS.values():
            for rule in self._rules_of(row, target):
                yield rule.marked_first() if rule.set in preferred else rule
        for sid, name, text in self.collect.texts(self.prefix, self.sid_base, target):
            yield Rule(sid, "", name, text)

    def _preferred_hash_lists(self) -> Collection[str]:
        """Return the hash lists that 7.0 shall not miss: those of the hash with most entries.

        7.0 computes for a file only the hash that its first file hash rule needs, in the order of
        its own, where rules that set a flowbit come first (seen on 7.0.10, not on 8.0.7; in
        ``SigGroupHeadSetFileHashFlag``). A sample is mostly listed under all its hashes.
        """
        lists = [(s.kind, info) for s, info in self.sets.items() if s.kind and s.kind.is_file_list]
        entries: Counter[DatasetType] = Counter()
        for kind, info in lists:
            entries[kind] += info.entries
        if len(entries) < 2:  # noqa: PLR2004 - no choice
            return ()
        most = max(entries, key=lambda kind: entries[kind])
        return [info.name for kind, info in lists if kind is most]

    def _rules_of(self, row: Row, target: Target) -> Iterator[Rule]:
        for dataset in row.datasets:
            for spec, info in self.sets.items():
                if spec.dataset == dataset.name and not spec.is_values and spec.is_for(target):
                    for buffer in buffers_for(dataset, target):
                        yield self._rule(spec, info, buffer, row)
        if networks := self.networks.get(row.type):
            yield from self._network_rules(row, network_groups(networks)[0])

    def _rule(self, spec: SetSpec, info: SetInfo, buffer: Buffer, row: Row | None) -> Rule:
        transform = "to_md5;" if spec.role == "long" else _label_transform(spec.labels)
        bit = info.name if buffer.once_per_flow else ""
        keyword = f"{buffer.name}:{info.file};" if not info.is_dataset else _dataset(spec, info)
        ends = "any any -> any any"
        if spec.port:
            by_source = buffer.name == "ip.src"
            ends = f"any {spec.port} -> any any" if by_source else f"any any -> any {spec.port}"
        parts = (
            f'msg:"{_message(row, buffer)}";',
            buffer.flow,
            f"flowbits:isnotset,{bit};" if bit else "",
            _of_level(buffer.inspect, spec.level),
            "dotprefix;" if spec.dotted else transform,
            keyword,
            f"flowbits:set,{bit};" if bit else "",
            _of_level(buffer.after, spec.level),
            _about(row, info.name, buffer, confirm=not spec.port, level=spec.level),
            f"sid:{spec.sid(self.sid_base, buffer)};",
        )
        text = f"alert {buffer.protocol} {ends} ({' '.join(filter(None, parts))}"
        return Rule(spec.sid(self.sid_base, buffer), info.name, buffer.name, text)

    def _network_rules(self, row: Row, groups: Sequence[str]) -> Iterator[Rule]:
        buffer = row.datasets[0].buffers[0]
        name = f"{self.prefix}-{row.type.value}-network"
        for number, group in enumerate(groups):
            sid = network_sid(self.sid_base, buffer, number)
            bit = f"{name}-{number}"
            header = (
                f"[{group}] any -> any any"
                if buffer.name == "ip.src"
                else (f"any any -> [{group}] any")
            )
            parts = (
                f'msg:"{_message(row, buffer)}";',
                buffer.flow,
                f"flowbits:isnotset,{bit}; flowbits:set,{bit};",
                _about(row, name, buffer, confirm=True),
                f"sid:{sid};",
            )
            yield Rule(sid, "", buffer.name, f"alert ip {header} ({' '.join(parts)}")


def _label_transform(labels: int) -> str:
    """Cut a name to its last labels; one that has fewer stays as it is, and is in no such set."""
    pattern = r"\.".join(["[^.]+"] * labels)
    return f'pcrexform:"({pattern})$";' if labels else ""


def _dataset(spec: SetSpec, info: SetInfo) -> str:
    context = f"format ndjson,value_key v,context_key {CONTEXT_KEY}," * (info.format == "ndjson")
    subdomain = "match subdomain," * spec.dotted
    return (
        f"dataset:isset,{info.name},type {info.type},load {info.file},{context}{subdomain}"
        f"memcap {info.memcap_bytes >> 20}mb,hashsize {info.hashsize};"
    )


def _message(row: Row | None, buffer: Buffer) -> str:
    return f"VEDETTE {row.type.value} ({buffer.name})" if row else "VEDETTE canary"


def _of_level(keywords: str, level: str) -> str:
    """Name the mark of a URL's path after the level: hosts of another shall not see it."""
    return keywords.replace(_PATH_MARK, f"{_PATH_MARK}-{level}") if level else keywords


def _about(row: Row | None, name: str, buffer: Buffer, *, confirm: bool, level: str = "") -> str:
    metadata = [f"vedette_set {name}", f"vedette_buffer {buffer.name}"]
    if row is None:
        return f"classtype:misc-activity; metadata:{', '.join(metadata)};"
    metadata.insert(1, f"vedette_type {row.type.value}")
    if row.confirm and confirm:
        metadata.append(f"vedette_confirm {row.confirm}")
    number = LEVELS[level] or row.priority
    priority = f" priority:{number};" if number else ""
    return (
        f"classtype:{row.classtype};{priority} target:{row.target}; metadata:{', '.join(metadata)};"
    )


def revise(
    rules: Sequence[Rule], previous: RulesInfo | None, changed: Callable[[str], bool]
) -> tuple[list[tuple[Rule, int]], dict[str, int]]:
    """Give each rule its rev: one more exactly when the rule or its set's content changed.

    Args:
        rules: The rules of one target.
        previous: The same target's in the previous generation.
        changed: Whether the content of a set, by name, is another one than then.

    Returns:
        Rules with rev, and the revs of rules that are not here (any more) by sid.
    """
    before: Mapping[int, RuleInfo] = {rule.sid: rule for rule in previous.rules} if previous else {}
    retired = dict(previous.retired) if previous else {}
    revised: list[tuple[Rule, int]] = []
    for rule in rules:
        old = before.get(rule.sid)
        if old is None:
            revised.append((rule, retired.pop(str(rule.sid), 0) + 1))
        else:
            same = old.text == rule.digest and old.set == rule.set and not changed(rule.set)
            revised.append((rule, old.rev if same else old.rev + 1))
    here = {rule.sid for rule in rules}
    retired.update({str(sid): old.rev for sid, old in before.items() if sid not in here})
    return revised, dict(sorted(retired.items()))
