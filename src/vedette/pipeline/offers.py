"""What is offered to be read, as it is written on a command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from vedette.config import Settings, parse_duration
from vedette.errors import UsageError
from vedette.eve import redis_list, redis_stream
from vedette.eve.directory import Found, grouped, listed
from vedette.eve.finished import Finished
from vedette.eve.listening import Listening, ListeningForDatagrams
from vedette.eve.redis_list import RedisList
from vedette.eve.redis_place import SCHEMES, parse
from vedette.pipeline.link import Job
from vedette.store import Store

_SOCKETS = (Listening.kind, ListeningForDatagrams.kind)


class Offer(Struct, frozen=True, kw_only=True):
    """Something that one worker can read."""

    kind: str
    address: str
    """May hold a password."""
    place: str
    """The same without; what is stored and shown."""
    position: str = ""
    """Where reading begins if it never did."""


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that is to be read."""

    endless: tuple[Offer, ...]
    """Sockets and queues."""
    groups: tuple[tuple[Found, ...], ...]
    """Files; each group is for one worker."""
    files_place: str
    """The directory that holds them all."""


def plan(places: Sequence[str]) -> Plan:
    """Find out what is offered.

    Raises:
        UsageError: A place is none, or is not there.
    """
    endless: list[Offer] = []
    paths: dict[Path, None] = {}
    for place in places:
        scheme, colon, rest = place.partition(":")
        if colon and scheme in _SOCKETS:
            endless.append(_socket(scheme, rest))
        elif colon and scheme in SCHEMES:
            endless.append(_redis(place))
        else:
            paths |= dict.fromkeys(path.absolute() for path in listed(Path(place)))
    if len({(offer.kind, offer.place) for offer in endless}) < len(endless):
        raise UsageError("the same input is offered twice", hint="Give it once.")
    return Plan(
        endless=tuple(endless),
        groups=tuple(map(tuple, grouped(paths))),
        files_place=os.path.commonpath([path.parent for path in paths]) if paths else "",
    )


def job(settings: Settings, store: Store, offer: Offer, *, sensor: str, purpose: str) -> Job:
    """Return what a worker has to know to read something; its record is made if need be.

    Raises:
        StoreError: The database cannot be written.
    """
    with store.guarded():
        record = store.intake.open(offer.kind, offer.place, sensor, position=offer.position)
    pool = settings.pool
    return Job(
        kind=offer.kind,
        address=offer.address,
        place=offer.place,
        sensor=sensor,
        input_id=record.id,
        spool=str(settings.pool_dir / "spool"),
        database=str(settings.database),
        skip=pool.skip,
        home=pool.home,
        batch_rows=pool.batch_rows,
        commit_every_s=float(parse_duration(pool.commit_every)),
        poll_s=min(0.2, float(parse_duration(settings.run.eve_poll))),
        purpose=purpose,
    )


def files(place: str, number: int) -> Offer:
    """Offer the files of a directory to one of several workers."""
    kind = f"{Finished.kind}/{number}" if number else Finished.kind
    return Offer(kind=kind, address=place, place=place)


def _socket(kind: str, text: str) -> Offer:
    if not text:
        raise UsageError(f"'{kind}:' needs a path behind it", hint=f"{kind}:/run/vedette/eve.sock")
    path = str(Path(text).absolute())
    return Offer(kind=kind, address=path, place=path)


def _redis(text: str) -> Offer:
    place = parse(text)
    begin = redis_stream if place.mode == "stream" else redis_list
    return Offer(
        kind=RedisList.kind, address=text, place=str(place), position=begin.first_position()
    )
