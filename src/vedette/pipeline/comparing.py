"""What one generation has and another has not, with the reason where the store knows it."""

from __future__ import annotations

from typing import NamedTuple

from vedette.bundle.diff import diff
from vedette.bundle.generation import Generation, open_generation
from vedette.errors import BundleError
from vedette.model import Change, Key, Outcome
from vedette.pipeline.hub import Hub
from vedette.store.verdicts import GUARD

_UNKNOWN = "not recorded"


class Comparison(NamedTuple):
    """Indicators that came and went, each with its source and reason."""

    added: list[Change]
    removed: list[Change]


def compare(hub: Hub, a: int, b: int) -> Comparison:
    """Compare two generations.

    Raises:
        BundleError: One of them is not on disk any more, or is damaged.
    """
    added: list[Key] = []
    removed: list[Key] = []
    for item in diff(_open(hub, a), _open(hub, b)):
        (added if item.added else removed).append(item.key)
    since, until = sorted((_reach(hub, a), _reach(hub, b)))
    return Comparison(
        _explained(hub, added, since, until, added=True),
        _explained(hub, removed, since, until, added=False),
    )


def _open(hub: Hub, number: int) -> Generation:
    generation = open_generation(hub.settings.bundles, number)
    if generation is None:
        raise BundleError("nothing is published yet", hint="Run: vedette bundle build")
    return generation


def _reach(hub: Hub, number: int) -> int:
    record = hub.store.fleet.generation(number)
    return record.change_seq if record else 0


def _explained(hub: Hub, keys: list[Key], since: int, until: int, *, added: bool) -> list[Change]:
    entries = hub.store.entries
    known = entries.reasons(keys, since, until)
    bulks = entries.bulks(since, until)
    rest = [key for key in keys if key not in known]
    if GUARD in bulks:
        known |= _withheld(hub, rest) if not added else {}
        rest = [key for key in rest if key not in known]
    # What a bulk change brought or took is not named one by one; the entries tell whose it is.
    listed = entries.lookup(rest) if added and bulks else {}
    for key in rest:
        sources = [claim.source for claim in listed.get(key, []) if claim.source in bulks]
        if added and sources:
            known[key] = Change(added, key, sources[0], bulks[sources[0]])
        elif added and key in listed and GUARD in bulks:
            known[key] = Change(added, key, GUARD, bulks[GUARD])
        elif not added and bulks:
            reason = "; ".join(f"{source}: {why}" for source, why in bulks.items())
            known[key] = Change(added, key, "", reason)
    return [known.get(key) or Change(added, key, "", _UNKNOWN) for key in keys]


def _withheld(hub: Hub, keys: list[Key]) -> dict[Key, Change]:
    """Say of what the guard keeps from the sensors now why it does."""
    withheld = (Outcome.HOLD, Outcome.DROP, Outcome.EXACT)
    return {
        key: Change(False, key, GUARD, f"{verdict.outcome}: {verdict.reason}")
        for key, verdict in hub.store.inbox.verdicts(keys).items()
        if verdict.outcome in withheld
    }
