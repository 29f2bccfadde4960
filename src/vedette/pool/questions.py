"""What analysts ask about some values: what they are, who showed them, and when."""

# ruff: noqa: S608 - all names are ours; what people give is a parameter

from __future__ import annotations

from collections.abc import Sequence

from vedette.pool.backend import Backend
from vedette.pool.joins import ASSET
from vedette.pool.records import Day, Place, Sighting, Who
from vedette.pool.selecting import SIGHTING, answers, at


def seen(backend: Backend, places: Sequence[Place]) -> list[Sighting]:
    """Return the sightings of these values, the earliest first.

    Raises:
        PoolError: The engine failed.
    """
    with at(backend, places, "sightings") as (source, parameters):
        sql = (
            f"SELECT {SIGHTING} FROM ({source}) AS s"
            " GROUP BY field, value ORDER BY first_seen, field, value"
        )
        return list(answers(backend, sql, parameters))


def who(backend: Backend, places: Sequence[Place], *, limit: int = 0) -> list[Who]:
    """Return between whom these values were seen, the last seen first.

    Raises:
        PoolError: The engine failed.
    """
    at_most = f" LIMIT {int(limit)}" if limit else ""
    with at(backend, places, "observations") as (source, parameters):
        table = backend.query(
            "SELECT field, value, client, server, sensor, min(o.first_seen) AS first_seen,"
            " max(o.last_seen) AS last_seen, sum(o.count) AS count, uniqExact(o.day) AS days,"
            f" max(o.flow_id) AS flow_id FROM ({source}) AS o"
            " GROUP BY field, value, client, server, sensor"
            f" ORDER BY last_seen DESC, field, value, client, server, sensor{at_most}",
            parameters,
        )
    return [Who(**row) for row in table.to_pylist()]


def days(backend: Backend, places: Sequence[Place]) -> list[Day]:
    """Return the days on which any of these values was seen, in order.

    Raises:
        PoolError: The engine failed.
    """
    with at(backend, places, "observations") as (source, parameters):
        table = backend.query(
            f"SELECT day, sum(o.count) AS count, uniqExact({ASSET}) AS hosts"
            f" FROM ({source}) AS o GROUP BY day ORDER BY day",
            parameters,
        )
    return [Day(**row) for row in table.to_pylist()]
