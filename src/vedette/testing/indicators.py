"""A set of indicators in memory, as the compiler reads them from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from vedette.model import Context, Entry, IndicatorType, Key
from vedette.normalize import reverse_key

_NAMES = (IndicatorType.DOMAIN, IndicatorType.HOSTNAME)
_CONTEXT = Context(key="5f5f0000-0000-4000-8000-000000000000", info="A test", tlp="green")


class ListedKeys:
    """Keys that one source with one event lists; sorted streams like the store's."""

    def __init__(
        self,
        keys: Iterable[Key],
        context: Context = _CONTEXT,
        levels: Mapping[Key, int] | None = None,
    ) -> None:
        """Take the keys, each of which is listed once, and the threat levels of some."""
        self._keys = frozenset(keys)
        self._levels = levels or {}
        self._context = context

    def keys(self, kind: IndicatorType, /) -> Iterator[Key]:
        """All of a type, names by their reversed spelling."""
        found = [key for key in self._keys if key.type is kind]
        order = _name_order if kind in _NAMES else _value_order
        return iter(sorted(found, key=order))

    def with_context(self, kind: IndicatorType, /) -> Iterator[tuple[Key, list[Entry]]]:
        """The same with what the source says."""
        for key in self.keys(kind):
            yield (
                key,
                [
                    Entry(
                        source="test",
                        key=key,
                        ref="",
                        context=self._context,
                        comment="",
                        tags=(),
                    )
                ],
            )

    def listed(self, keys: Iterable[Key], /) -> set[Key]:
        """Those of the keys that are here."""
        return set(self._keys.intersection(keys))

    def descendants(self, name: str, /) -> Iterator[Key]:
        """Domains, then hostnames below a name."""
        for kind in _NAMES:
            yield from (key for key in self.keys(kind) if key.value.endswith(f".{name}"))

    def graded(self, kind: IndicatorType, /) -> Iterator[tuple[Key, int]]:
        """All of a type, each with its threat level."""
        return ((key, self._levels.get(key, 0)) for key in self.keys(kind))

    def grades(self, keys: Iterable[Key], /) -> dict[Key, int]:
        """The threat levels of those of the keys that are here."""
        return {key: self._levels.get(key, 0) for key in self.listed(keys)}

    def counts(self) -> Mapping[IndicatorType, int]:
        """How many there are of each type."""
        return Counter(key.type for key in self._keys)


def _name_order(key: Key) -> str:
    return reverse_key(key.value)


def _value_order(key: Key) -> str:
    return key.value
