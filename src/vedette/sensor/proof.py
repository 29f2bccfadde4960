"""The proof: what the engine itself answers about the generation that it shall hold.

Hard rule: "OK" counts for nothing. Only canaries, members that are found, removed members that are
not, and the engine's own count of failed rules do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

import structlog

from vedette.sensor.client import SuricataSocket
from vedette.sensor.evidence import Check, Plan, Proof
from vedette.sensor.install import Installed, damaged
from vedette.sensor.release import Release, file_name, is_lookable
from vedette.sensor.set_proof import SetProof, holds

__all__ = ["Check", "Plan", "Proof", "assemble", "holds", "prove"]

log = structlog.get_logger(__name__)

_NAMES_SHOWN = 3


def prove(engine: SuricataSocket, sensor: str, installed: Installed, plan: Plan) -> Proof:
    """Ask the engine whether it holds a release that was installed by us.

    Raises:
        SensorError: The engine cannot be asked.
    """
    bad = damaged(installed)
    own = [_files(installed, bad), _loaded(engine, installed)]
    return assemble(engine, sensor, installed, plan, own=own, unusable=bad)


def assemble(
    engine: SuricataSocket,
    sensor: str,
    installed: Installed,
    plan: Plan,
    *,
    own: Sequence[Check],
    unusable: Collection[str],
) -> Proof:
    """Add to some checks what can be asked of every engine, whoever installed its rules.

    Args:
        engine: Connected.
        sensor: Its name.
        installed: The release, and where its files can be read.
        plan: How much is asked.
        own: The checks that depend on who installed it.
        unusable: Files of the release that do not tell what was published.

    Raises:
        SensorError: The engine cannot be asked.
    """
    started = time.monotonic()
    release = installed.release
    version = engine.version()
    checks = [*own, _engine(release, version), _failed(engine, release), *_hash_lists(release)]
    rng = random.Random(plan.seed)  # noqa: S311 - a sample, not a secret
    for info in filter(is_lookable, release.sets):
        one = SetProof(engine, installed, info, plan, rng)
        checks += one.checks(file_is_good=file_name(info) not in unusable)
    proof = Proof(
        at=datetime.now(UTC),
        sensor=sensor,
        generation=release.generation,
        content_id=release.content_id,
        target=release.target,
        engine=".".join(map(str, version)),
        ok=all(check.ok for check in checks),
        checks=tuple(checks),
        elapsed_s=round(time.monotonic() - started, 3),
    )
    log.info(
        "sensor.proved",
        sensor=sensor,
        generation=release.generation,
        content=release.content_id[:12],
        ok=proof.ok,
        elapsed_s=proof.elapsed_s,
    )
    return proof


def _files(installed: Installed, bad: Sequence[str]) -> Check:
    return Check(
        name="files",
        ok=not bad,
        expected="the files in the rules directory are those that were published",
        got=f"{len(installed.release.files)} files, {len(bad)} damaged or missing",
        detail=(
            f"{', '.join(bad[:_NAMES_SHOWN])}{' and others' if bad[_NAMES_SHOWN:] else ''} changed"
            " by hand or gone: the engine would load that at its next start. It is put right by"
            " itself, unless on_drift is report: then push. Nobody but Vedette may write there."
            if bad
            else ""
        ),
    )


def _engine(release: Release, version: tuple[int, int, int]) -> Check:
    needed = release.profile.version
    ok = version >= needed
    return Check(
        name="engine",
        ok=ok,
        expected=f"Suricata {'.'.join(map(str, needed))} or later",
        got=f"Suricata {'.'.join(map(str, version))}",
        detail=(
            ""
            if ok
            else "The rules use what this engine ignores without a word. Push again: the rules for"
            " this version will be chosen."
        ),
    )


def _failed(engine: SuricataSocket, release: Release) -> Check:
    ours, others = _failed_sids(engine, release)
    return Check(
        name="rules.failed",
        ok=not ours,
        expected="none of Vedette's rules failed to load",
        got=f"{len(ours)} of Vedette's, {others} of others",
        detail=(
            f"sid {', '.join(map(str, ours[:_NAMES_SHOWN]))}: the engine runs on without them and"
            " sees nothing of their datasets. Its suricata.log has the reason (a missing or"
            " unreadable file, memcap, hashsize over the cap)."
            if ours
            else "Rules of other origin failed; see: suricata -T."
            if others
            else ""
        ),
    )


def _failed_sids(engine: SuricataSocket, release: Release) -> tuple[list[int], int]:
    """Return which of our rules did not load, and how many of others."""
    sids = {rule.sid for rule in release.rules}
    failed = engine.failed_rules() if engine.ruleset_stats().rules_failed else []
    ours = sorted(rule.sid for rule in failed if rule.sid in sids)
    return ours, len(failed) - len(ours)


def _loaded(engine: SuricataSocket, installed: Installed) -> Check:
    stats, rules = engine.ruleset_stats(), len(installed.release.rules)
    failed, _ = _failed_sids(engine, installed.release)
    ok = stats.rules_loaded >= rules - len(failed)  # which are red already
    return Check(
        name="rules.loaded",
        ok=ok,
        expected=f"at least {rules}",
        got=str(stats.rules_loaded),
        detail=(
            ""
            if ok
            else "The engine has not loaded Vedette's rules file. It must be in rule-files of"
            f" suricata.yaml: {installed.rules.parents[1] / 'current' / installed.rules.name}"
        ),
        kind="indirect",
    )


def _hash_lists(release: Release) -> Iterator[Check]:
    for info in release.sets:
        if not is_lookable(info):
            yield Check(
                name=f"{info.name}.list",
                ok=True,
                expected=f"{info.entries:,} hashes in force",
                got="not asked: the engine has no command to look into a hash list",
                detail="It follows from the rule: a list that cannot be read makes its rule fail.",
                kind="indirect",
            )
