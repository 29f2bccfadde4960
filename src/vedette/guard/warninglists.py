"""Which warning lists an indicator is on: all lists merged into one table, asked in batches.

The semantics are MISP's (a name is on a list of names if a name above it is), with each list asked
only for the types that it is for. Beyond them: dots around a member mean nothing, case neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

from vedette.guard.curated import Curation
from vedette.guard.facts import ListHit
from vedette.guard.lists_compile import Compiled, compile_lists
from vedette.guard.lists_model import ListInfo, ListKind, WarningList, bit_of
from vedette.guard.lists_networks import VERSIONS, Network, Networks, Span, span_of
from vedette.guard.lists_patterns import Patterns
from vedette.guard.lists_texts import Texts
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import split_url

Hits = tuple[ListHit, ...]
_NONE: Hits = ()
_NAMES = frozenset({T.DOMAIN, T.HOSTNAME})
_WITH_PORT = frozenset({T.IP_DST_PORT, T.IP_SRC_PORT})
_ADDRESSES = _WITH_PORT | {T.IP_DST, T.IP_SRC}
_OCTETS = tuple({str(n): n << shift for n in range(256)} for shift in (24, 16, 8, 0))
"""The decimal numbers of an address by place: three times faster than reading them."""
_TEXTS = frozenset({ListKind.STRING, ListKind.HOSTNAME})
_KEPT_MAX = 100_000
_WWW = len("www.")

_ITSELF, _ABOVE, _SITE, _HOST = range(10, 14)
"""How a member stands to a value: it, a name above it, it without ``www.``, the host of a URL."""


class Index:
    """All warning lists, for questions; not shared between threads."""

    def __init__(
        self, compiled: Compiled, *, drop: Iterable[str] = (), keep: Iterable[str] = ()
    ) -> None:
        """Open a table.

        Args:
            compiled: The lists.
            drop: Patterns of names of lists whose own members are dropped too.
            keep: Patterns of names of curated lists that are to label only.
        """
        header = compiled.header
        numbers = range(len(header.lists))
        self.lists: tuple[ListInfo, ...] = tuple(header.lists)
        self.curation = Curation([info.name for info in self.lists], drop, keep)
        self.contents = header.contents
        """Digest of the lists alone."""
        self.broken = header.broken
        """Lists that could not be read, and why."""
        self._sets = header.sets
        self._texts = Texts(compiled.sections)
        self._networks = {n: Networks(n, compiled.sections) for n in VERSIONS}
        self._patterns = Patterns(header.patterns)
        self._with_patterns = frozenset(pattern.list for pattern in header.patterns)
        self._asked = frozenset(kind for kind in T if any(self._is_for(n, kind) for n in numbers))
        self._asked_texts = frozenset(
            kind
            for kind in self._asked
            if any(self.lists[n].kind in _TEXTS and self._is_for(n, kind) for n in numbers)
        )
        self._kept: dict[T, dict[tuple[int, int], Hits]] = {kind: {} for kind in T}
        """Answers that were given: (row, relation) of texts, (network, version) of addresses."""

    @classmethod
    def of(
        cls, lists: Iterable[WarningList], *, drop: Iterable[str] = (), keep: Iterable[str] = ()
    ) -> Self:
        """Make an index of lists."""
        return cls(compile_lists(lists), drop=drop, keep=keep)

    @classmethod
    def empty(cls) -> Self:
        """An index without lists."""
        return cls.of(())

    @property
    def version(self) -> str:
        """Another one whenever the same indicator may get another answer."""
        return hashlib.sha256(f"{self.contents}{self.curation.digest}".encode()).hexdigest()

    def match(self, key: Key) -> Hits:
        """The lists that one indicator is on."""
        return self.match_many([key])[0]

    def match_many(self, keys: Sequence[Key]) -> list[Hits]:
        """The lists that each indicator is on: one hit a list, the nearest member of it."""
        answers = [_NONE] * len(keys)
        by_type: dict[T, list[int]] = {}
        for place, key in enumerate(keys):
            by_type.setdefault(key.type, []).append(place)
        for kind, places in by_type.items():
            if kind not in self._asked and kind is not T.URL:
                continue
            values = [keys[place].value for place in places]
            for position, hits in self._of_type(kind, values):
                place = places[position]
                before = answers[place]
                answers[place] = _merged(before, hits) if before else hits
        return answers

    def _of_type(self, kind: T, values: Sequence[str]) -> Iterator[tuple[int, Hits]]:
        if kind in _NAMES:
            yield from self._names(kind, values)
        elif kind in _ADDRESSES:
            if kind in _WITH_PORT:
                values = [value.partition(",")[0] for value in values]
            yield from self._addresses(kind, values)
        elif kind is T.URL:
            yield from self._hosts(values)
        if kind not in _NAMES and kind in self._asked_texts:
            for position, row, _ in self._texts.whole([value.lower() for value in values]):
                yield position, self._text_hits(kind, row, _ITSELF)
        yield from self._seen(kind, values)

    def _names(self, kind: T, values: Sequence[str]) -> Iterator[tuple[int, Hits]]:
        kept = self._kept[kind]
        for position, row, cut in self._texts.names(values):
            if not cut:
                relation = _ITSELF
            elif cut == _WWW and values[position].startswith("www."):
                relation = _SITE
            else:
                relation = _ABOVE
            hits = kept.get((row, relation))
            yield position, self._text_hits(kind, row, relation) if hits is None else hits

    def _hosts(self, values: Sequence[str]) -> Iterator[tuple[int, Hits]]:
        """What is said of a URL's host: names in lists for URLs, addresses in those for them."""
        hosts = [split_url(value).host.strip("[]") for value in values]
        for position, row, cut in self._texts.names(hosts):
            yield position, self._text_hits(T.URL, row, _ABOVE if cut else _HOST)
        for position, host in enumerate(hosts):
            if (":" in host or host[-1:].isdigit()) and (span := span_of(host)):
                hits = self._span_hits(T.IP_DST, span)
                yield position, tuple(hit._replace(itself=False, curated=False) for hit in hits)

    def _addresses(self, kind: T, values: Sequence[str]) -> Iterator[tuple[int, Hits]]:
        places, addresses = [], []
        one, two, three, four = _OCTETS
        for position, value in enumerate(values):
            try:
                a, b, c, d = value.split(".")
                addresses.append(one[a] | two[b] | three[c] | four[d])
            except (ValueError, KeyError):
                if span := span_of(value):
                    yield position, self._span_hits(kind, span)
            else:
                places.append(position)
        kept = self._kept[kind]
        for position, owner in zip(places, self._networks[4].owners(addresses), strict=True):
            if owner >= 0:
                hits = kept.get((owner, 4))
                yield position, self._address_hits(kind, 4, owner) if hits is None else hits

    def _seen(self, kind: T, values: Sequence[str]) -> Iterator[tuple[int, Hits]]:
        lists = frozenset(n for n in self._with_patterns if self._is_for(n, kind))
        if not lists:
            return
        for seen in self._patterns.find(values, lists):
            dropping = self.curation.dropping([seen.list], seen.member) if seen.itself else ()
            name = self.lists[seen.list].name
            yield seen.position, (ListHit(name, seen.itself, seen.member, seen.list in dropping),)

    def _is_for(self, number: int, kind: T) -> bool:
        return bool(self.lists[number].types & bit_of(kind))

    def _text_hits(self, kind: T, row: int, relation: int) -> Hits:
        hits = self._kept[kind].get((row, relation))
        if hits is None:
            numbers = self._sets[self._texts.set_of(row)]
            asked = [number for number in numbers if self._is_for(number, kind)]
            hits = self._related(asked, relation, self._texts.member(row))
            self._keep(kind, (row, relation), hits)
        return hits

    def _related(self, numbers: Sequence[int], relation: int, member: str) -> Hits:
        """Hits of the lists that have a member, as far as they mean a value with this relation."""
        itself = [
            number
            for number in numbers
            if relation == _ITSELF or (relation == _SITE and self.curation.is_site(number))
        ]
        dropping = self.curation.dropping(itself, member)
        return tuple(
            ListHit(self.lists[n].name, n in itself, member, n in dropping)
            for n in numbers
            if n in itself or relation == _HOST or self.lists[n].kind is ListKind.HOSTNAME
        )

    def _span_hits(self, kind: T, span: Span) -> Hits:
        networks = self._networks[span.version]
        owner = networks.owner(span)
        if owner < 0:
            return _NONE
        if span.prefix == networks.width:
            return self._address_hits(kind, span.version, owner)
        return self._network_hits(kind, networks.around(owner), span.prefix)

    def _address_hits(self, kind: T, version: int, owner: int) -> Hits:
        hits = self._kept[kind].get((owner, version))
        if hits is None:
            networks = self._networks[version]
            hits = self._network_hits(kind, networks.around(owner), networks.width)
            self._keep(kind, (owner, version), hits)
        return hits

    def _network_hits(self, kind: T, around: Iterable[Network], prefix: int) -> Hits:
        """Hits of the lists with networks around an address or network with this prefix."""
        hits: dict[int, ListHit] = {}
        for network in around:
            numbers = [n for n in self._sets[network.lists] if self._is_for(n, kind)]
            equal = network.prefix == prefix
            itself = [n for n in numbers if equal or self.curation.is_within(n)]
            dropping = self.curation.dropping(itself, network.text)
            for n in numbers:
                hit = ListHit(self.lists[n].name, n in itself, network.text, n in dropping)
                hits.setdefault(n, hit)
        return tuple(hits.values())

    def _keep(self, kind: T, what: tuple[int, int], hits: Hits) -> None:
        kept = self._kept[kind]
        if len(kept) >= _KEPT_MAX:
            kept.clear()
        kept[what] = hits


def _merged(some: Hits, more: Hits) -> Hits:
    """All hits, one a list: those of the value itself, and the nearest, come first."""
    names = {hit.list for hit in some}
    return some + tuple(hit for hit in more if hit.list not in names)
