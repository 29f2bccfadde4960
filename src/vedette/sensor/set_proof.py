"""The questions about one dataset, to an engine that is said to hold it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from vedette.ruleset.manifest import SetInfo
from vedette.sensor.client import SuricataSocket
from vedette.sensor.evidence import Check, Plan
from vedette.sensor.install import Installed
from vedette.sensor.protocol import Outcome, fits
from vedette.sensor.release import Release, datavalue, entry_of, file_name, is_lookable

_NAMES_SHOWN = 3
_RULE_OF_THREE = 3
_TRIES = 5


def holds(engine: SuricataSocket, release: Release) -> bool:
    """Whether the canary of every dataset is there; False where there is none to ask for."""
    sets = [info for info in release.sets if is_lookable(info)]
    return bool(sets) and all(_canary(engine, info) is Outcome.FOUND for info in sets)


def _canary(engine: SuricataSocket, info: SetInfo) -> Outcome:
    return engine.lookup(info.name, info.type, datavalue(info, info.canary))


class SetProof:
    """The questions about one dataset."""

    def __init__(
        self,
        engine: SuricataSocket,
        installed: Installed,
        info: SetInfo,
        plan: Plan,
        rng: random.Random,
    ) -> None:
        self._engine = engine
        self._installed = installed
        self._info = info
        self._plan = plan
        self._rng = rng

    def checks(self, *, file_is_good: bool) -> Iterator[Check]:
        """Ask, but not for what a changed file says: the check of the files is red then."""
        outcome = _canary(self._engine, self._info)
        yield self._held(outcome)
        if outcome is Outcome.NO_SUCH_SET:
            return
        yield from self._canary_before()
        if file_is_good:
            yield self._members()
            yield from self._there("added", self._plan.added, "new entries")
            yield from self._removed()
        yield from self._there("swept", self._plan.suspected, "entries that were missing")

    def _held(self, outcome: Outcome) -> Check:
        return Check(
            name=f"{self._info.name}.canary",
            ok=outcome is Outcome.FOUND,
            expected="the canary of this content is in the set",
            got=outcome,
            detail={
                Outcome.FOUND: "",
                Outcome.NO_SUCH_SET: "The engine does not have this dataset: its rules were not"
                " loaded, or failed.",
            }.get(outcome, "The engine holds other content: the reload has not happened."),
        )

    def _canary_before(self) -> Iterator[Check]:
        sets = self._plan.before.sets if self._plan.before else ()
        old = next((info for info in sets if info.name == self._info.name), None)
        if old is None or old.canary in {"", self._info.canary}:
            return
        outcome = _canary(self._engine, old)
        yield Check(
            name=f"{self._info.name}.canary-before",
            ok=outcome is Outcome.NOT_FOUND,
            expected="the canary of the content before is gone",
            got=outcome,
            detail="" if outcome is Outcome.NOT_FOUND else "Withdrawn entries still alert.",
        )

    def _members(self) -> Check:
        try:
            sample = _sample(self._installed, self._info, self._plan.members, self._rng)
        except OSError as error:
            return Check(
                name=f"{self._info.name}.members",
                ok=False,
                expected="entries, chosen at random from the file, are in the set",
                got=f"the file cannot be read: {error.strerror}",
                detail="The next start or reload of the engine loses this set. Push again.",
            )
        members = self._askable(sample)
        missing = self._not(Outcome.FOUND, members)
        total, asked = self._info.entries + 1, len(members)
        return Check(
            name=f"{self._info.name}.members",
            ok=not missing,
            expected=f"{asked} of {total:,} entries, chosen at random, are in the set",
            got=f"{asked - len(missing)} found",
            detail=_lost(missing) if missing else _confidence(asked, total),
        )

    def _there(self, name: str, planned: Mapping[str, Sequence[str]], what: str) -> Iterator[Check]:
        entries = self._some(planned)
        if entries:
            missing = self._not(Outcome.FOUND, entries)
            yield Check(
                name=f"{self._info.name}.{name}",
                ok=not missing,
                expected=f"{len(entries)} {what} are in the set",
                got=f"{len(entries) - len(missing)} found",
                detail=_lost(missing) if missing else "",
            )

    def _removed(self) -> Iterator[Check]:
        entries = self._some(self._plan.removed)
        if entries:
            there = self._not(Outcome.NOT_FOUND, entries)
            yield Check(
                name=f"{self._info.name}.removed",
                ok=not there,
                expected=f"{len(entries)} withdrawn entries are not in the set",
                got=f"{len(there)} still there",
                detail="Withdrawn entries still alert." if there else "",
            )

    def _some(self, entries: Mapping[str, Sequence[str]]) -> Sequence[str]:
        mine = self._askable(entries.get(self._info.name, ()))
        most = 10 * self._plan.members
        return mine if len(mine) <= most else self._rng.sample(mine, most)

    def _askable(self, entries: Sequence[str]) -> list[str]:
        """Leave out what is too long for a socket command; it came in the file like the others."""
        fixed = {"setname": self._info.name, "settype": self._info.type}
        return [e for e in entries if fits("dataset-lookup", {**fixed, "datavalue": e})]

    def _not(self, wanted: Outcome, entries: Sequence[str]) -> list[str]:
        ask, name, kind = self._engine.lookup, self._info.name, self._info.type
        return [entry for entry in entries if ask(name, kind, entry) is not wanted]


def _lost(missing: Sequence[str]) -> str:
    return (
        f"Not there: {', '.join(missing[:_NAMES_SHOWN])} (as the socket spells them). The engine"
        " forgot entries, which it does without a word when memcap is too small. Push again."
    )


def _confidence(asked: int, total: int) -> str:
    if asked >= total:
        return "All were asked for."
    if not asked:
        return "All are too long for a socket command; the canary stands for them."
    return f"With 95 % confidence at most {100 * _RULE_OF_THREE / asked:.2g} % are missing."


def _sample(installed: Installed, info: SetInfo, size: int, rng: random.Random) -> list[str]:
    """Return random entries of the set's file; all of them if there are not more."""
    path = installed.path / file_name(info)
    if info.entries < size:
        lines = path.read_bytes().splitlines()
    else:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            found: set[bytes] = set()
            for _ in range(_TRIES * size):
                if len(found) == size:
                    break
                file.seek(rng.randrange(end))
                file.readline()  # the rest of a line; at the end of the file, begin again
                found.add(file.readline() or (file.seek(0), file.readline())[1])
        lines = sorted(line.rstrip(b"\n") for line in found)
    return [entry_of(info, line).datavalue for line in lines]
