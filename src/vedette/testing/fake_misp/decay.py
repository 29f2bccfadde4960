"""The fake MISP's decaying models: MISP's polynomial, from a base score down to zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vedette.testing.fake_misp.model import FakeAttribute, FakeSighting

_DAY_S = 86_400


@dataclass
class FakeModel:
    """How the worth of some types of attributes ends."""

    id: int
    name: str
    types: Sequence[str]
    lifetime_days: float
    decay_speed: float = 1.0
    threshold: float = 30.0
    base_score: float = 80.0
    enabled: bool = True

    def score(self, attribute: FakeAttribute, sightings: Sequence[FakeSighting], now: int) -> float:
        """The score now; it starts again with each sighting."""
        seen = [sighting.date for sighting in sightings if sighting.type == "0"]
        days = max(0, now - max([attribute.timestamp, *seen])) / _DAY_S
        if days >= self.lifetime_days:
            return 0.0
        spent: float = (days / self.lifetime_days) ** (1 / self.decay_speed)
        return self.base_score * (1 - spent)


def decay_scores(
    models: Sequence[FakeModel],
    attribute: FakeAttribute,
    sightings: Sequence[FakeSighting],
    now: int,
    *,
    threshold: float | None = None,
) -> list[dict[str, Any]]:
    """One score for each enabled model whose types match, as ``includeDecayScore`` shows them.

    A ``threshold`` stands instead of the models' own (``score`` of the query).
    """
    found = []
    for model in models:
        if not model.enabled or attribute.type not in model.types:
            continue
        score = model.score(attribute, sightings, now)
        found.append(
            {
                "score": round(score, 2),
                "base_score": model.base_score,
                "decayed": score < (model.threshold if threshold is None else threshold),
                "DecayingModel": {"id": str(model.id), "name": model.name},
            }
        )
    return found
