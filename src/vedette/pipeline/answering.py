"""What can be asked from outside, and by which record each answer is made: no transport here.

A question is a struct and, for some, any number of items after it; an answer is a stream of
structs. The socket's two ends and the web face read the same table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from vedette import __version__
from vedette.errors import UsageError, VedetteError
from vedette.model import IndicatorType, Key
from vedette.pipeline.memory import Memory, Status
from vedette.pool.records import (
    Coverage,
    Cursor,
    Day,
    Expired,
    Found,
    NewSighting,
    Place,
    Prevalence,
    Sighting,
    Wanted,
    Who,
)

_ITEM = msgspec.json.Decoder(tuple[str, str])


class Nothing(Struct, frozen=True, kw_only=True):
    """A question that needs no words."""


class Hello(Struct, frozen=True, kw_only=True):
    """Who answers here."""

    version: str
    process: int


class Places(Struct, frozen=True, kw_only=True):
    """Which values are asked about."""

    places: tuple[Place, ...]
    limit: int = 0


class NewAfter(Struct, frozen=True, kw_only=True):
    """Which new sightings are asked for, and what the reader has already."""

    wanted: Wanted
    after: Cursor | None = None


class Window(Struct, frozen=True, kw_only=True):
    """In how many of the last days."""

    days: int


class Table(Struct, frozen=True, kw_only=True):
    """One table of the pool."""

    table: str


class Batch(Struct, frozen=True, kw_only=True):
    """Some rows of a table, as an Arrow IPC stream."""

    ipc: bytes


class Question(NamedTuple):
    """How one question is asked and answered."""

    asked: type[Struct]
    answered: type[Struct]
    answer: Callable[[Memory, Any, Iterable[bytes]], Iterable[Struct]]
    """Takes the memory, the question, and the items that came with it, one encoded item each."""


class Failure(Struct, frozen=True, kw_only=True):
    """An error on its way to whoever asked."""

    error: str
    hint: str = ""
    exit_code: int = 1
    kind: str = ""
    """Name of the class in :mod:`vedette.errors`."""

    @classmethod
    def of(cls, error: VedetteError) -> Failure:
        """Return an error in a form that can be sent."""
        return cls(
            error=str(error),
            hint=error.hint,
            exit_code=error.exit_code,
            kind=type(error).__name__,
        )

    def to_error(self) -> VedetteError:
        """Return the error as it was raised at the other end."""
        kinds = {cls.__name__: cls for cls in VedetteError.__subclasses__()}
        return kinds.get(self.kind, VedetteError)(self.error, hint=self.hint)


def encode_key(key: Key) -> bytes:
    """Return an indicator as an item of a question."""
    return msgspec.json.encode((key.type.value, key.value))


def _keys(items: Iterable[bytes]) -> Iterator[Key]:
    """Read indicators that come with a question.

    Raises:
        UsageError: One of them is no pair of a known type and a value.
    """
    for number, item in enumerate(items, start=1):
        try:
            kind, value = _ITEM.decode(item)
            yield Key(IndicatorType(kind), value)
        except (msgspec.DecodeError, ValueError) as error:
            raise UsageError(
                f"item {number} of the question is no indicator: {error}",
                hint='Send one ["type", "value"] a line.',
            ) from error


def _batches(memory: Memory, table: str) -> Iterator[Batch]:
    import pyarrow as pa  # noqa: PLC0415 - of the extra; commands start without it

    for rows in memory.rows(table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_batch(rows)
        yield Batch(ipc=sink.getvalue().to_pybytes())


def _hello(_memory: Memory, _asked: Nothing, _items: Iterable[bytes]) -> Iterable[Hello]:
    return (Hello(version=__version__, process=os.getpid()),)


QUESTIONS: Mapping[str, Question] = MappingProxyType(
    {
        "hello": Question(Nothing, Hello, _hello),
        "coverage": Question(Nothing, Coverage, lambda m, _q, _i: (m.coverage(),)),
        "status": Question(Nothing, Status, lambda m, _q, _i: (m.status(),)),
        "sightings": Question(Wanted, Sighting, lambda m, q, _i: m.sightings(q)),
        "seen": Question(Places, Sighting, lambda m, q, _i: m.seen(q.places)),
        "who": Question(Places, Who, lambda m, q, _i: m.who(q.places, limit=q.limit)),
        "days": Question(Places, Day, lambda m, q, _i: m.days(q.places)),
        "new": Question(NewAfter, NewSighting, lambda m, q, _i: m.new(q.wanted, q.after)),
        "found": Question(Nothing, Found, lambda m, _q, items: m.found(_keys(items))),
        "prevalence": Question(
            Window, Prevalence, lambda m, q, items: m.prevalence(_keys(items), days=q.days)
        ),
        "rows": Question(Table, Batch, lambda m, q, _i: _batches(m, q.table)),
        "expire": Question(Nothing, Expired, lambda m, _q, _i: (m.expire(),)),
    }
)
"""Every question by its name, which is also the last part of its path: ``/v1/NAME``."""


def answer(memory: Memory, name: str, lines: Iterator[bytes]) -> Iterator[Struct]:
    """Answer a question: its struct in the first line, its items in the others.

    Raises:
        UsageError: There is no such question, or it was not asked as it has to be.
        VedetteError: What the memory raised, perhaps in the middle of the answer.
    """
    question = QUESTIONS.get(name)
    if question is None:
        raise UsageError(
            f"Vedette {__version__}, which has the memory open, knows no question '{name}'",
            hint="Restart the daemon (vedette run) after an upgrade.",
        )
    try:
        asked = msgspec.json.decode(next(lines, b"{}"), type=question.asked)
    except msgspec.DecodeError as error:
        raise UsageError(
            f"the question '{name}' cannot be understood: {error}",
            hint="Restart the daemon (vedette run) after an upgrade.",
        ) from error
    yield from question.answer(memory, asked, lines)
