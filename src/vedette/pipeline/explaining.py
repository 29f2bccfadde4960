"""The guard's tests on a few indicators, run now, with all that they look at."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from vedette.config import parse_duration
from vedette.guard.chain import Step, explain
from vedette.guard.facts import Claim, Facts, Prevalence
from vedette.guard.own import Own
from vedette.guard.policy import Policy
from vedette.model import Entry, Key, SourceRules
from vedette.pipeline.hub import Hub


def explained(hub: Hub, keys: Iterable[Key], *, now: int = 0) -> dict[Key, list[Step]]:
    """Return the tests of each listed indicator up to the one that decides."""
    policy = Policy.of(hub.settings.guard)
    return {key: explain(facts, policy) for key, facts in gathered(hub, keys, now=now).items()}


def gathered(hub: Hub, keys: Iterable[Key], *, now: int = 0) -> dict[Key, Facts]:
    """Return what the guard knows of each listed indicator; the memory is not asked anew."""
    now = now or int(time.time())
    store = hub.store
    entries = store.entries.lookup(keys)
    rules = {record.name: record.rules for record in store.sources()}
    rulings = store.rulings.applying_to(entries, now)
    verdicts = store.inbox.verdicts(entries)
    own = Own(hub.settings.guard.own)
    found = {}
    for key, claims in entries.items():
        verdict = verdicts.get(key)
        found[key] = Facts(
            key=key,
            claims=_claims(claims, rules),
            own=own.of(key),
            rulings=rulings.get(key, ()),
            is_new=verdict is not None and verdict.is_new,
            prevalence=Prevalence(verdict.hosts, verdict.times, verdict.days)
            if verdict and verdict.days
            else None,
            now=now,
        )
    return found


def _claims(entries: list[Entry], rules: Mapping[str, SourceRules]) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            source=entry.source,
            changed=entry.changed,
            expires=entry.expires,
            confidence=entry.confidence
            if entry.confidence >= 0
            else rules[entry.source].confidence,
            age_s=parse_duration(age) if (age := rules[entry.source].age) else 0,
            review=rules[entry.source].review,
        )
        for entry in entries
    )
