"""The guard's tests on a few indicators, run now, on the very facts that the guard judges by."""

from __future__ import annotations

import time
from collections.abc import Iterable

from vedette.guard.chain import Step, explain
from vedette.guard.facts import Facts
from vedette.model import Key
from vedette.pipeline.figures import why_never
from vedette.pipeline.hub import Hub
from vedette.pipeline.judging import Basis
from vedette.store.keys import to_skey
from vedette.store.verdicts import Figure, Mark


def explained(hub: Hub, keys: Iterable[Key], *, now: int = 0) -> dict[Key, list[Step]]:
    """Return the tests of each listed indicator up to the one that decides.

    Raises:
        ConfigError: A setting of [guard] means nothing.
    """
    basis = Basis.of(hub, now or int(time.time()))
    return {key: explain(facts, basis.policy) for key, facts in _gathered(hub, basis, keys).items()}


def gathered(hub: Hub, keys: Iterable[Key], *, now: int = 0) -> dict[Key, Facts]:
    """Return what the guard knows of each listed indicator; the memory is not asked anew.

    Raises:
        ConfigError: A setting of [guard] means nothing.
    """
    return _gathered(hub, Basis.of(hub, now or int(time.time())), keys)


def _gathered(hub: Hub, basis: Basis, keys: Iterable[Key]) -> dict[Key, Facts]:
    store = hub.store
    mark = store.verdicts.mark() or Mark()
    is_asked = not (mark.unasked_at or why_never(hub.settings))
    nobody = Figure(0, 0, hub.settings.guard.prevalence_days) if is_asked else None
    came = store.inbox.came(dict.fromkeys(keys))
    is_any_late = any(seq > mark.asked_seq for seq in came.values())
    known = store.claims.listed_before(mark.asked_seq) if is_any_late else set()
    hits = basis.index.match_many(list(came))
    found: dict[Key, Facts] = {}
    for (key, seq), on_lists in zip(came.items(), hits, strict=True):
        skey = to_skey(*key)
        kept = store.verdicts.of(key.type, [skey]).get(skey)
        found[key] = basis.facts(
            key,
            store.claims.of(key.type, [skey])[skey],
            on_lists,
            store.verdicts.figures_of(key.type, [skey]).get(skey, nobody),
            # What is withheld remembers whether it was ever published.
            is_new=bool(kept.is_new)
            if kept and kept.is_withheld
            else seq > mark.asked_seq and (key.type.value, skey) not in known,
        )
    return found
