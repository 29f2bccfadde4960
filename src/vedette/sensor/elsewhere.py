"""The proof of an engine whose rules another tool installs: suricata-update, Scirius, a person.

We write nothing there. Which of the generations that we know the engine holds, its canaries say.
Because such tools switch rules off (``disable.conf``) or leave them out, the rules files that the
engine reads are looked at too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.configuration import Running
from vedette.sensor.drift import SWEEP_S, Watch
from vedette.sensor.held import withdrawn
from vedette.sensor.install import Installed, digest_of
from vedette.sensor.proof import Check, Plan, Proof, assemble, holds
from vedette.sensor.reach import engine_of, reached
from vedette.sensor.release import Release, file_name, is_lookable
from vedette.sensor.rules_on_disk import RuleOnDisk, RulesOnDisk, find_rules, rule_files
from vedette.sensor.seen import Seen, look_at, picture
from vedette.sensor.settings import Sensor

_SHOWN = 3


def prove_elsewhere(
    sensor: Sensor, known: Sequence[Installed], *, members: int = 100, seed: int | None = None
) -> Proof:
    """Ask an engine which of the generations that we know it holds, and prove that one.

    Args:
        sensor: Its ``rules`` are not looked at.
        known: Releases for this engine, newest first; where a file of one is in its ``path``,
            random members are asked for too.
        members: Random members of each dataset that must be found.
        seed: For the same choice again.

    Returns:
        Of the generation that it holds; of the newest, red, if it holds none.

    Raises:
        SensorError: No generation is known, or the engine cannot be asked.
    """
    with reached(sensor) as near, engine_of(near) as engine:
        return _prove(engine, sensor, known, Plan(members=members, seed=seed))


class ElsewhereWatch(Watch):
    """As :class:`vedette.sensor.drift.Watch`, for rules that another tool installs.

    Args:
        sensor: Which.
        members: Random members of each dataset in a full proof.
        sweep_s: How long each look may ask for entries; 0: not at all.
    """

    def __init__(self, sensor: Sensor, *, members: int = 100, sweep_s: float = SWEEP_S) -> None:
        """Know no generation yet."""
        super().__init__(sensor, members=members, sweep_s=sweep_s)
        self.known: Sequence[Installed] = ()
        """Newest first; to be set before :meth:`full`, whenever it changes."""
        self._held: Installed | None = None
        self._loaded: list[Path] = []

    @property
    def held(self) -> Installed | None:
        """Which of the known generations the engine held when it was asked last."""
        return self._held

    def _see(self, engine: SuricataSocket, since: Seen | None) -> Seen:
        configuration = Running(engine, engine.reloads(since.mark.reloads if since else 0))
        if since is None:
            sids = {rule.sid for one in self.known for rule in one.release.rules}
            found = find_rules(configuration, sids).rules.values()
            self._loaded = sorted({rule.loads for rule in found if rule.loads})
        files = {str(path): look_at(path) for path in (*rule_files(configuration), *self._loaded)}
        return picture(engine, files, self._held.release if self._held else None, since)

    def _prove(self, engine: SuricataSocket, plan: Plan) -> Proof:
        proof = _prove(engine, self._sensor, self.known, plan)
        held = [one for one in self.known if one.release.content_id == proof.content_id]
        self._held = held[0] if held else None
        return proof

    def _subject(self) -> Installed | None:
        """Return what it holds, if all its entries are here to be asked for."""
        return self._held if self._held and not _unusable(self._held) else None


def _prove(engine: SuricataSocket, sensor: Sensor, known: Sequence[Installed], plan: Plan) -> Proof:
    if not known:
        raise SensorError(
            f"no generation is known that sensor '{sensor.name}' could hold",
            hint="Once one was announced, the engine can be asked for it.",
        )
    at = next((n for n, one in enumerate(known) if holds(engine, one.release)), 0)
    held = known[at]
    before = next((one for one in known[at + 1 :] if _differs(one, held)), None)
    asked = msgspec.structs.replace(
        plan,
        before=before.release if before else None,
        removed=withdrawn(before, held) if before else {},
    )
    unusable = _unusable(held)
    own = [*_on_disk(engine, held.release, known), *_not_asked(held.release, unusable)]
    return assemble(engine, sensor.name, held, asked, own=own, unusable=unusable)


def _differs(one: Installed, other: Installed) -> bool:
    return one.release.content_id != other.release.content_id


def _unusable(held: Installed) -> set[str]:
    """Return the files of sets that are not here as they were published."""
    sets = filter(is_lookable, held.release.sets)
    return {
        file_name(info) for info in sets if digest_of(held.path / file_name(info)) != info.sha256
    }


def _not_asked(release: Release, unusable: set[str]) -> Iterator[Check]:
    for info in filter(is_lookable, release.sets):
        if file_name(info) in unusable:
            yield Check(
                name=f"{info.name}.members",
                ok=True,
                expected=f"{info.entries:,} entries are in the set",
                got="not asked: the entries are not on this machine",
                detail="The canary stands for them: it comes from the same file.",
                kind="indirect",
            )


# -- the files that the engine reads ------------------------------------------------------


def _on_disk(engine: SuricataSocket, held: Release, known: Sequence[Installed]) -> Iterator[Check]:
    sids = {rule.sid for one in known for rule in one.release.rules}
    found = find_rules(Running(engine, engine.reloads()), sids)
    there = _generation_on_disk(held, [one.release for one in known], found)
    yield _enabled(there, found)
    yield _files(there, found)


def _generation_on_disk(held: Release, known: Sequence[Release], found: RulesOnDisk) -> Release:
    """Return the release whose rules the files have: a tool may have written, but not reloaded."""

    def matches(release: Release) -> int:
        revs = {sid: rule.rev for sid, rule in found.rules.items()}
        return sum(revs.get(rule.sid) == rule.rev for rule in release.rules)

    return max([held, *known], key=matches)


def _enabled(release: Release, found: RulesOnDisk) -> Check:
    sids = [rule.sid for rule in release.rules]
    off = [rule for sid in sids if (rule := found.rules.get(sid)) and not rule.is_enabled]
    missing = [sid for sid in sids if sid not in found.rules]
    ok = not (off or missing)
    return Check(
        name="rules.enabled",
        ok=ok,
        expected=f"{len(sids)} rules of Vedette are in the files that the engine reads",
        got=f"{len(sids) - len(off) - len(missing)} enabled, {len(off)} commented out,"
        f" {len(missing)} missing",
        detail="" if ok else _why_not(off, missing, found),
    )


def _why_not(off: Sequence[RuleOnDisk], missing: Sequence[int], found: RulesOnDisk) -> str:
    said = []
    if off:
        places = [f"sid {rule.sid} ({rule.path}:{rule.line})" for rule in off]
        said.append(
            f"{_some(places)}: switched off, most often by a line of the disable.conf of"
            " suricata-update. What they look for is not seen. Take it out, update and reload."
        )
    if missing:
        where = _some([str(path) for path in found.paths]) or "no file: rule-files is empty"
        said.append(
            f"sid {_some(list(map(str, missing)))}: not in {where}. The source is not updated, is"
            " switched off, or drop.conf removes it."
        )
    if found.unreadable:
        said.append(
            f"Cannot read {_some(found.unreadable)}: let the user of Vedette read the rules files."
        )
    return " ".join(said)


def _files(release: Release, found: RulesOnDisk) -> Check:
    published = {info.name: info.sha256 for info in release.sets}
    sets = {rule.sid: rule.set for rule in release.rules}
    wanted: dict[Path, str] = {}
    for sid, rule in found.rules.items():
        if rule.is_enabled and rule.loads and sets.get(sid) in published:
            wanted[rule.loads] = published[sets[sid]]
    bad = [str(path) for path, digest in wanted.items() if digest_of(path) != digest]
    return Check(
        name="files",
        ok=not bad,
        expected="the datasets' files that the rules name are those that were published",
        got=f"{len(wanted)} files, {len(bad)} missing or of other content",
        detail=(
            f"{_some(bad)}: the engine loads that at its next start or reload. Have the tool that"
            " installs them fetch again."
            if bad
            else ""
        ),
    )


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
