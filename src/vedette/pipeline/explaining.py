"""The guard's tests on a few indicators, run now, on the very facts that the guard judges by."""

from __future__ import annotations

import time
from collections.abc import Iterable

from vedette.guard.chain import Step, explain
from vedette.guard.facts import Facts
from vedette.model import IndicatorType, Key
from vedette.pipeline.figures import why_never
from vedette.pipeline.hub import Hub
from vedette.pipeline.judging import Basis, Batch
from vedette.store.keys import from_skey, to_skey
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
    wanted = list(dict.fromkeys(keys))
    found: dict[Key, Facts] = {}
    for kind in IndicatorType:
        skeys = [to_skey(*key) for key in wanted if key.type is kind]
        if not skeys:
            continue
        claims = store.claims.of(kind, skeys)
        figures = store.verdicts.figures_of(kind, skeys)
        rows = store.claims.folded_of(kind, skeys)
        new = frozenset(place for place, row in enumerate(rows) if row.seq > mark.asked_seq)
        batch = Batch(kind, rows, store.verdicts.of(kind, skeys), figures, new)
        some = [from_skey(kind, row.skey) for row in rows]
        for place, (key, hits) in enumerate(zip(some, basis.index.match_many(some), strict=True)):
            skey = rows[place].skey
            found[key] = basis.facts(
                key,
                claims[skey],
                hits,
                figures.get(skey, nobody),
                is_new=batch.is_new(place),
            )
    return found
