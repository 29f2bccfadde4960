"""A process that reads one input and folds it into the spool.

``python -m vedette.pipeline.worker`` is told what to do on standard input, and says how it goes on
standard output, one JSON document a line. Hard rule: it lives no longer than whoever started it,
and spools what it has read before it ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import structlog

from vedette.errors import BusyError, PoolError, VedetteError
from vedette.eve.claims import Claims
from vedette.eve.contents import Contents, Known
from vedette.eve.inputs import Input, Lines
from vedette.observe import new_fold
from vedette.pipeline.input_kinds import open_input
from vedette.pipeline.link import Job, Link, Said
from vedette.pipeline.spooling import Spooler, known_files, resume
from vedette.pool.spool import Spool

log = structlog.get_logger(__name__)

_WAIT_S = 10.0
_RETRY_S = 0.1


class Worker:
    """Reads until the input ends or we shall stop."""

    def __init__(self, job: Job, link: Link, stop: threading.Event) -> None:
        self._job = job
        self._link = link
        self._stop = stop
        self._spool = Spool(Path(job.spool))

    def run(self) -> None:
        """Work.

        Raises:
            BusyError: Another process reads this input.
            VedetteError: The input or the spool cannot be used; what was read is spooled.
        """
        job = self._job
        claims = Claims(Path(job.spool) / "claims", job.purpose)
        self._claim(claims)
        seq, position = resume(self._spool, Path(job.database), job.input_id)
        contents = Contents(
            Claims(Path(job.spool) / "claims", job.purpose), self._known, job.sensor
        )
        fold = new_fold(job.skip, job.home)
        spooler = Spooler(self._spool, job, fold, seq=seq, position=position, stop=self._stop)
        source = open_input(job, position, contents, lambda: self._idle(spooler), self._link)
        with source as opened:
            spooler.durable = lambda at: self._durable(opened, spooler, at)
            try:
                self._read(opened, spooler)
            finally:
                spooler.flush()
                self._tell(spooler)

    def _read(self, source: Input, spooler: Spooler) -> None:
        for lines in source.batches():
            self._take(spooler, lines)
            if self._stop.is_set():
                return

    def _take(self, spooler: Spooler, lines: Lines) -> None:
        spooler.take(lines)
        if spooler.due:
            spooler.flush()
        self._tell(spooler)

    def _idle(self, spooler: Spooler) -> bool:
        if spooler.due:
            spooler.flush()
        self._tell(spooler)
        return not self._stop.is_set()

    def _durable(self, source: Input, spooler: Spooler, position: str) -> None:
        source.ack(position)
        self._tell(spooler, now=True)

    def _tell(self, spooler: Spooler, *, now: bool = False) -> None:
        self._link.tell(spooler.bytes, spooler.counts, spooler.seq, now=now)

    def _known(self, head: str) -> Iterable[Known]:
        return known_files(self._spool, Path(self._job.database), head)

    def _claim(self, claims: Claims) -> None:
        """Be the only one who reads this input; one that is about to end is waited for."""
        name = f"input-{self._job.input_id}"
        waited = 0.0
        while not claims.take(name):
            if waited >= _WAIT_S or self._stop.wait(_RETRY_S):
                raise BusyError(
                    f"{self._job.place} is being read already, by {claims.holder(name)}",
                    hint="Wait for it, or stop it.",
                )
            waited += _RETRY_S


_LOST = "The file, or the pool's directory, may have been removed, or be on a disk that fails."


def main() -> int:
    """Do the job that standard input names; return the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # What writes to standard output by accident must not be taken for a message.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    # Unbuffered: the thread that reads it may not hold a lock when we end.
    link = Link(os.fdopen(0, "rb", buffering=0), out, stop)
    structlog.configure(
        processors=[structlog.processors.format_exc_info, link.log],
        wrapper_class=structlog.make_filtering_bound_logger(20),
    )
    # Arrow's own allocator keeps a batch's worth of memory and more for later.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        Worker(link.job, link, stop).run()
    except VedetteError as error:
        link.say(Said(error=str(error), hint=error.hint))
        return error.exit_code
    except BrokenPipeError:
        return 1
    except OSError as error:
        link.say(Said(error=f"reading failed: {error}", hint=_LOST))
        return PoolError.exit_code
    except Exception as error:  # noqa: BLE001 - whoever started us has to hear of it
        text = traceback.format_exc()
        link.say(Said(error=f"reading failed: {error!r}", hint=text))
        return PoolError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
