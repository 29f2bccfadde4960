"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random

_DOUBLINGS_MAX = 64


class Backoff:
    """Doubles the wait with each failure, and spreads it: 500 agents must not come at once.

    Args:
        first_s: The wait after the first failure, on average.
        most_s: No wait is longer on average.
    """

    def __init__(self, first_s: float = 1.0, most_s: float = 60.0) -> None:
        """Nothing has failed."""
        self._first_s = first_s
        self._most_s = most_s
        self.failures = 0
        """In a row."""

    def failed(self, at_least_s: float = 0.0) -> float:
        """Count a failure; return the seconds to wait: half to one and a half of the doubled."""
        doublings = min(self.failures, _DOUBLINGS_MAX)  # after a day they would be no number
        wait = min(self._first_s * 2.0**doublings, self._most_s)
        self.failures += 1
        return max(at_least_s, wait * random.uniform(0.5, 1.5))  # noqa: S311 - spreads, hides nothing

    def worked(self) -> bool:
        """Begin anew; return whether anything had failed."""
        failures, self.failures = self.failures, 0
        return failures > 0
