"""The contract of a source; tests/contract/test_sources.py holds every kind to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol

from vedette.model import Item


class Source(Protocol):
    """A configured place that indicators come from.

    Kinds are frozen msgspec structs whose fields are the settings of ``source add``; the store
    keeps them as JSON.

    Promises:
        * Streams: memory does not grow with the number of indicators.
        * Same input, same items, in the same order.
        * Every group ends with ``Fetched``, is ``Unchanged``, or is ``Broken``.
        * A bad value is yielded as ``Rejected``; it never ends the stream.
        * After ``SourceError`` nothing may be concluded about what was not yet ``Fetched``.
    """

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The operator's name for it; unique, ``[A-Za-z0-9][A-Za-z0-9._-]{0,62}``."""
        ...

    def fetch(self, known: Mapping[str, str]) -> Iterator[Item]:
        """Yield what the source says now.

        Args:
            known: Version by group key of what we hold; a group of the same version may be
                answered with ``Unchanged``.

        Raises:
            SourceError: The source could not be read to its end.
        """
        ...
