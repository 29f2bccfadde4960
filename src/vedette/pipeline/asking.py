"""The memory as the daemon shows it: each question goes over its socket.

An answer that was cut off, by whatever, is an error and never a short answer.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import httpx2
import msgspec
from msgspec import Struct

from vedette.errors import BusyError, PoolError
from vedette.model import Key
from vedette.pipeline import lines
from vedette.pipeline.answering import (
    QUESTIONS,
    Batch,
    Failure,
    Hello,
    NewAfter,
    Nothing,
    Places,
    Table,
    Window,
    encode_key,
)
from vedette.pipeline.memory import Status
from vedette.pipeline.service import PREFIX
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

if TYPE_CHECKING:
    import pyarrow as pa

R = TypeVar("R", bound=Struct)

_HELLO_S = 5.0
_ANSWER_S = 600.0
_END = b'{"end":'


class _End(Struct, frozen=True):
    end: Failure | None


class RemoteMemory:
    """A :class:`vedette.pipeline.memory.Memory` at the other end of a unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client = httpx2.Client(
            transport=httpx2.HTTPTransport(uds=str(path), trust_env=False),
            base_url="http://vedette",
            timeout=httpx2.Timeout(_ANSWER_S, connect=_HELLO_S),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def hello(self) -> Hello | None:
        """Who answers; None if nobody listens.

        Raises:
            PoolError: The socket may not be used by us.
            BusyError: Somebody listens and does not answer.
        """
        if not self._is_open():
            return None
        try:
            with self._client.stream("POST", f"{PREFIX}hello", timeout=_HELLO_S) as response:
                return msgspec.json.decode(next(lines.split(response.iter_bytes())), type=Hello)
        except (httpx2.TransportError, msgspec.DecodeError, StopIteration) as error:
            raise BusyError(
                f"whoever listens on {self._path} does not answer ({_words(error)})",
                hint="Look at the log of vedette run; restart it if it hangs.",
            ) from error

    def _is_open(self) -> bool:
        """Knock: the HTTP client would leak a socket for each door that is closed."""
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(_HELLO_S)
            try:
                knock.connect(str(self._path))
            except PermissionError as error:
                raise PoolError(
                    f"the daemon's socket {self._path} is not open to this user",
                    hint="Run as the user or the group that Vedette runs as.",
                ) from error
            except TimeoutError as error:
                raise BusyError(
                    f"whoever listens on {self._path} takes no more questions",
                    hint="Look at the log of vedette run; restart it if it hangs.",
                ) from error
            except OSError:
                return False
        return True

    def coverage(self) -> Coverage:
        """How much of the past the answers cover."""
        return self._one("coverage", Coverage)

    def status(self) -> Status:
        """Sizes, backlog, and where reading stands."""
        return self._one("status", Status)

    def sightings(self, wanted: Wanted) -> Iterator[Sighting]:
        """Sightings, the last seen first."""
        return self._ask("sightings", Sighting, wanted)

    def seen(self, places: Sequence[Place]) -> list[Sighting]:
        """The sightings of these values, the earliest first."""
        return list(self._ask("seen", Sighting, Places(places=tuple(places))))

    def who(self, places: Sequence[Place], *, limit: int = 0) -> list[Who]:
        """Who showed these values and to whom, the last seen first."""
        return list(self._ask("who", Who, Places(places=tuple(places), limit=limit)))

    def days(self, places: Sequence[Place]) -> list[Day]:
        """The days on which any of these values was seen, in order."""
        return list(self._ask("days", Day, Places(places=tuple(places))))

    def new(self, wanted: Wanted, after: Cursor | None = None) -> Iterator[NewSighting]:
        """Values that nobody had seen before, in the order in which they came in."""
        return self._ask("new", NewSighting, NewAfter(wanted=wanted, after=after))

    def found(self, keys: Iterable[Key]) -> Iterator[Found]:
        """Which of any number of indicators the network has already met."""
        return self._ask("found", Found, Nothing(), keys)

    def prevalence(self, keys: Iterable[Key], *, days: int) -> Iterator[Prevalence]:
        """How common each of any number of candidates is."""
        return self._ask("prevalence", Prevalence, Window(days=days), keys)

    def rows(self, table: str) -> Iterator[pa.RecordBatch]:
        """All of a table, merged, in batches of bounded size."""
        import pyarrow as pa  # noqa: PLC0415 - of the extra; commands start without it

        for batch in self._ask("rows", Batch, Table(table=table)):
            with pa.ipc.open_stream(batch.ipc) as stream:
                yield from stream

    def expire(self) -> Expired:
        """Drop the observations that the retention no longer keeps."""
        return self._one("expire", Expired)

    def _one(self, name: str, answered: type[R]) -> R:
        return next(iter(list(self._ask(name, answered, Nothing()))))

    def _ask(
        self, name: str, answered: type[R], asked: Struct, keys: Iterable[Key] = ()
    ) -> Iterator[R]:
        """Send a question and its items, and yield the answer as it comes in.

        Raises:
            VedetteError: What the other end raised.
            PoolError: The answer broke off.
        """
        assert QUESTIONS[name].answered is answered  # noqa: S101 - both ends read one table
        decoder = msgspec.json.Decoder(answered)
        with (
            self._failing(),
            self._client.stream(
                "POST", PREFIX + name, content=lines.chunks(_lines(asked, keys))
            ) as response,
        ):
            if response.is_error:
                raise msgspec.json.decode(response.read(), type=Failure).to_error()
            for line in lines.split(response.iter_bytes()):
                if line.startswith(_END):
                    end = msgspec.json.decode(line, type=_End).end
                    if end is not None:
                        raise end.to_error()
                    return
                yield decoder.decode(line)
        raise self._broken("the answer has no end")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.TransportError, msgspec.DecodeError) as error:
            raise self._broken(_words(error)) from error

    def _broken(self, why: str) -> PoolError:
        return PoolError(
            f"the daemon's answer on {self._path} broke off: {why}",
            hint="Ask again; look at the log of vedette run if it happens twice.",
        )


def _lines(asked: Struct, keys: Iterable[Key]) -> Iterator[bytes]:
    yield msgspec.json.encode(asked)
    yield from map(encode_key, keys)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
