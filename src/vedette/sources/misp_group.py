"""One MISP event becomes one group of items, in one piece or page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from vedette.misp.convert import context_of, convert
from vedette.misp.times import is_decayed, last_change, seconds
from vedette.misp.wire import Attribute, Event, Misfit
from vedette.model import Fetched, Indicator, Item, Rejected, Skipped, Withdrawn
from vedette.sources.filters import EventFilter, Filters


class Group:
    """The items of one event; what is skipped is counted and told at the end."""

    def __init__(
        self,
        key: str,
        event: Event,
        filters: Filters,
        *,
        now: datetime,
        base_url: str = "",
        published_only: bool = False,
        held: bool = False,
    ) -> None:
        """Start a group; ``event`` needs no attributes.

        Args:
            key: Its uuid.
            event: What it says about all its attributes.
            filters: What is wanted.
            now: The time of the pull.
            base_url: The MISP that a person can open it on; feeds have none.
            published_only: Leave it out whole if it is not published.
            held: Whether we may hold some of it, so that reasons why values go are worth telling.
        """
        self.key = key
        self._held = held
        self._now = int(now.timestamp())
        self._event_time = seconds(event.timestamp)
        self._context = context_of(event, key, base_url=base_url)
        self._filter = EventFilter(filters, event, now=now, published_only=published_only)
        self._skipped: Counter[str] = Counter()

    @property
    def reason(self) -> str:
        """Why the whole event is left out, or ``""``."""
        return self._filter.reason

    def skip(self, count: int) -> None:
        """Count attributes of an event that is left out whole, without reading them."""
        self._skipped[self.reason] += count

    def items(
        self, attributes: Iterable[Attribute], misfits: Iterable[Misfit] = ()
    ) -> Iterator[Indicator | Rejected | Withdrawn]:
        """Yield what some of the event's attributes become."""
        for attribute in attributes:
            if reason := self._filter.judge(attribute):
                self._skipped[reason] += 1
                if self._held and attribute.uuid:
                    yield Withdrawn(attribute.uuid, reason)
                continue
            changed = last_change(attribute, event_time=self._event_time, now=self._now)
            # A moment that stays the same at every pull: the score changes, the claim does not.
            expires = (changed or self._now) if is_decayed(attribute) else 0
            for item in convert(attribute, self._context, changed=changed, expires=expires):
                if isinstance(item, Skipped):
                    self._skipped[item.reason] += item.count
                else:
                    yield item
        for misfit in misfits:
            yield Rejected(misfit.value, f"{self.key}/{misfit.uuid}", misfit.reason)

    def end(self, version: str) -> Iterator[Item]:
        """Yield the counts of what was skipped, then the end of the group."""
        for reason, count in sorted(self._skipped.items()):
            yield Skipped(reason, count)
        yield Fetched(self.key, version, self.reason)
