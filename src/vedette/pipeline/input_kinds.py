"""Which class reads which kind of input."""

from __future__ import annotations

import time
from pathlib import Path

from vedette.eve.contents import Contents
from vedette.eve.finished import Finished
from vedette.eve.followed import Followed
from vedette.eve.inputs import Idle, Input
from vedette.eve.listening import Listening, ListeningForDatagrams
from vedette.eve.redis_list import RedisList
from vedette.eve.redis_place import parse
from vedette.eve.redis_stream import RedisStream
from vedette.pipeline.link import Job, Link


def open_input(job: Job, position: str, contents: Contents, idle: Idle, link: Link) -> Input:
    """Return the input of a job, from a position on; nothing is opened yet.

    Raises:
        UsageError: The address is none.
        ValueError: The kind is none.
    """
    path = Path(job.address)
    if job.kind == Followed.kind:
        return Followed(path, position, contents, idle, lambda: time.sleep(job.poll_s))
    if job.kind.partition("/")[0] == Finished.kind:
        return Finished(link.paths(), contents, idle, sensor=job.sensor, tell=link.file)
    if job.kind == Listening.kind:
        return Listening(path, idle, job.poll_s)
    if job.kind == ListeningForDatagrams.kind:
        return ListeningForDatagrams(path, idle, job.poll_s)
    if job.kind == RedisList.kind:
        place = parse(job.address)
        reads = RedisStream if place.mode == "stream" else RedisList
        return reads(place, position, idle, job.poll_s)
    raise ValueError(f"no input is of kind '{job.kind}'")
