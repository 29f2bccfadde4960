"""Worker processes: start them, tell them files, hear how they are doing, end them."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from typing import IO

import msgspec
import structlog

from vedette.pipeline.link import Job, Said, Told

log = structlog.get_logger(__name__)

_END_S = 30.0


class WorkerProcess:
    """A worker as whoever started it sees it."""

    def __init__(self, job: Job, heard: queue.SimpleQueue[WorkerProcess]) -> None:
        """Start it; it puts itself into ``heard`` whenever it has said something.

        Raises:
            OSError: It cannot be started.
        """
        self.job = job
        self.bytes = 0
        self.counts: Counter[str] = Counter()
        self.seq = 0
        self.wants = False
        self.ended = False
        self.error = ""
        self.hint = ""
        self.said: queue.SimpleQueue[Said] = queue.SimpleQueue()
        """Words about files, for :meth:`hear`."""
        self._heard = heard
        # Nothing of the job stands in the arguments, which everybody on the machine can read.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vedette.pipeline.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._tell(msgspec.json.encode(job))
        self._thread = threading.Thread(target=self._listen, name=f"worker-{job.input_id}")
        self._thread.daemon = True
        self._thread.start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def give(self, paths: Sequence[str]) -> None:
        """Answer its wish for files; none: there are no more."""
        self.wants = False
        self._tell(msgspec.json.encode(Told(paths=tuple(paths))))

    def stop(self) -> None:
        """Ask it to spool what it has and to end."""
        if not self.ended:
            self._process.terminate()

    def wait(self) -> None:
        """Wait for its end; a worker that does not end is killed: the spool stays whole."""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            log.warning("worker.killed", place=self.job.place, pid=self.pid)
            self._process.kill()
            self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)

    def _tell(self, document: bytes) -> None:
        pipe = self._process.stdin
        try:
            if pipe is not None:
                pipe.write(document + b"\n")
                pipe.flush()
        except BrokenPipeError:
            pass  # it has ended: that is heard at the other pipe

    def _listen(self) -> None:
        pipe = self._process.stdout
        for line in pipe or ():
            self._hear(msgspec.json.decode(line, type=Said))
            self._heard.put(self)
        code = self._process.wait()
        if code and not self.error:
            self.error = f"the process that read {self.job.place} ended with {code}"
            self.hint = "What it had spooled is safe; it goes on from there next time."
        self.ended = True
        self._heard.put(self)

    def _hear(self, said: Said) -> None:
        if said.log:
            event = dict(said.log)
            level, name = event.pop("level", "info"), event.pop("event", "")
            log.log(_LEVELS.get(level, 20), name, **event)
        elif said.file is not None:
            self.said.put(said)
        elif said.error:
            self.error, self.hint = said.error, said.hint
        elif said.want:
            self.wants = True
        else:
            self.bytes, self.seq = said.bytes, said.seq
            self.counts = Counter(said.counts)


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass
