"""How much one sensor may send: a bucket that fills up with time."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from vedette.web.refusing import Refusal

_KEPT_MAX = 10_000


class _Bucket(NamedTuple):
    left: float
    at: float


class Allowance:
    """Of one kind of request, for each sensor.

    Args:
        what: For the answer: ``reports``.
        burst: So much at once.
        per_s: So much each second in the long run.
    """

    def __init__(self, what: str, *, burst: float, per_s: float) -> None:
        self._what = what
        self._burst = burst
        self._per_s = per_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, sensor: str, amount: float, now: float) -> None:
        """Count something that a sensor sends.

        Args:
            sensor: Which.
            amount: At most the burst; more counts as the burst.
            now: Seconds of a clock that never goes back.

        Raises:
            Refusal: 429, it is too much at this moment.
        """
        amount = min(amount, self._burst)
        before = self._buckets.pop(sensor, _Bucket(self._burst, now))
        left = min(self._burst, before.left + (now - before.at) * self._per_s)
        is_enough = left >= amount
        self._buckets[sensor] = _Bucket(left - amount if is_enough else left, now)
        while len(self._buckets) > _KEPT_MAX:
            self._buckets.popitem(last=False)
        if not is_enough:
            wait = int((amount - left) / self._per_s) + 1
            raise Refusal(
                429,
                f"too many {self._what} from sensor '{sensor}'",
                hint=f"Wait {wait} s.",
                headers={"retry-after": str(wait)},
            )
