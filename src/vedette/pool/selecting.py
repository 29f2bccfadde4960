"""Parts of SQL that several questions share: conditions, and what a sighting is made of."""

# ruff: noqa: S608 - all names are ours; what people give is a parameter

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa

from vedette.pool.backend import Backend, Parameter
from vedette.pool.hunting import hosts_of
from vedette.pool.joins import ASSET
from vedette.pool.records import Place, Sighting, Wanted

_FEW = 20
"""Values that are asked for one by one; more are a scratch table."""

SIGHTING = (
    "field, value, min(s.earliest) AS first,"
    " tupleElement(first, 'first_seen') AS first_seen, tupleElement(first, 'client') AS client,"
    " tupleElement(first, 'server') AS server, tupleElement(first, 'sensor') AS sensor,"
    f" {ASSET} AS patient_zero, max(s.last_seen) AS last_seen, sum(s.count) AS count"
)
"""Columns of a sighting, of rows ``s`` that are grouped by field and value."""


class Where:
    """Conditions and the parameters in them."""

    def __init__(self, wanted: Wanted) -> None:
        """Begin with what is asked of fields and values."""
        self.conditions: list[str] = ["1"]
        self.parameters: dict[str, Parameter] = {}
        if wanted.fields:
            self.add("field IN {fields:Array(String)}", fields=list(wanted.fields))
        if wanted.contains:
            self.add("positionCaseInsensitiveUTF8(value, {part:String}) > 0", part=wanted.contains)
        if wanted.below:
            self.add(
                "(value = {name:String} OR endsWith(value, {dotted:String}))",
                name=wanted.below,
                dotted=f".{wanted.below}",
            )

    def add(self, condition: str, **parameters: Parameter) -> None:
        """Add a condition that must hold as well."""
        self.conditions.append(condition)
        self.parameters.update(parameters)

    def __str__(self) -> str:
        return " AND ".join(self.conditions)


def answers(backend: Backend, sql: str, parameters: Mapping[str, Parameter]) -> Iterator[Sighting]:
    """Yield the sightings that a SELECT of the columns above gives."""
    for batch in backend.stream(sql, parameters):
        rows = pa.Table.from_batches([batch])
        hosts = hosts_of(backend, rows)
        for row in rows.drop_columns(["first"]).to_pylist():
            yield Sighting(**row, hosts=hosts.get((row["field"], row["value"]), 0))


@contextmanager
def at(
    backend: Backend, places: Sequence[Place], table: str
) -> Iterator[tuple[str, dict[str, Parameter]]]:
    """Give a SELECT of the rows of any of some places, and its parameters."""
    source = f"SELECT * FROM {backend.database}.{table} WHERE "
    few = list(dict.fromkeys(place for place in places if place.below))
    exact = list(dict.fromkeys(place for place in places if not place.below))
    if len(exact) <= _FEW:
        conditions, parameters = _conditions(exact + few)
        yield source + conditions, parameters
        return
    rows = pa.table({"field": [p.field for p in exact], "value": [p.value for p in exact]})
    with at_rows(backend, rows, table) as some:
        conditions, parameters = _conditions(few)
        yield f"{some} OR {conditions}", parameters


@contextmanager
def at_rows(backend: Backend, keys: pa.Table, table: str) -> Iterator[str]:
    """Give a SELECT of the rows of any number of fields and values."""
    with backend.scratch(keys) as scratch:
        fields = sorted(set(keys.column("field").to_pylist()))
        # Field by field, the engine goes by the primary key.
        conditions = " OR ".join(
            f"(field = {is_it} AND value GLOBAL IN (SELECT value FROM {scratch}"
            f" WHERE field = {is_it}))"
            for is_it in map(_literal, fields)
        )
        yield f"SELECT * FROM {backend.database}.{table} WHERE {conditions or 0}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _conditions(places: Sequence[Place]) -> tuple[str, dict[str, Parameter]]:
    """Return the condition for any of some places, by the primary key where that is possible."""
    grouped: dict[tuple[str, bool], list[str]] = {}
    for place in places:
        grouped.setdefault((place.value, place.below), []).append(place.field)
    conditions = ["0"]
    parameters: dict[str, Parameter] = {}
    for number, ((value, below), fields) in enumerate(grouped.items()):
        parameters |= {f"f{number}": fields, f"v{number}": value}
        is_it = f"value = {{v{number}:String}}"
        if below:
            parameters[f"d{number}"] = f".{value}"
            is_it = f"({is_it} OR endsWith(value, {{d{number}:String}}))"
        conditions.append(f"(field IN {{f{number}:Array(String)}} AND {is_it})")
    return f"({' OR '.join(conditions)})", parameters
