"""``vedette indicator import``: a report becomes a source, after a look at what it holds."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.ruling_options import login, until_of
from vedette.cli.source_options import name_from
from vedette.errors import UsageError
from vedette.files import open_decompressed, open_regular
from vedette.model import IndicatorType
from vedette.pipeline.importing import Difference, difference, take
from vedette.pipeline.reports import Reading, read_report
from vedette.sources.imported import FORM, Taken

_MAX = 1 << 30
_NAMED = 5
_TYPES = [kind.value for kind in IndicatorType]
_TLPS = ["clear", "green", "amber", "amber+strict", "red"]


@click.command("import")
@click.argument("file")
@click.option("--name", default="", help="Name of the source (default: from the file's name).")
@click.option("--type", "kind", type=click.Choice(_TYPES), help="What every value is.")
@click.option("--all", "everything", is_flag=True, help="Take what is only mentioned, too.")
@click.option("--tlp", type=click.Choice(_TLPS), help="TLP of all (default: what it says).")
@click.option("--tag", "tags", multiple=True, help="Tag for all its values; repeatable.")
@click.option("--expires", default="", metavar="WHEN", help="An age (90d) or a day (2026-12-24).")
@click.option("--why", default="", metavar="TEXT", help="The reason, shown with every hit.")
@click.option("--yes", is_flag=True, help="Take it without asking.")
@with_output
def import_command(out: Output, file: str, **options: Any) -> None:
    """Take the indicators out of FILE (- for standard input): a report, an e-mail, a list.

    Defanged values, HTML, tables, MISP events and STIX bundles are understood. It shows what it
    found before it takes anything; the same name again replaces what was taken before.
    """
    name = _name(file, options["name"])
    kind = IndicatorType(options["kind"]) if options["kind"] else None
    with _opened(file) as stream:
        reading = read_report(stream, where=file, kind=kind, everything=options["everything"])
    taken = Taken(
        vedette_import=FORM,
        origin=name if file == "-" else Path(file).name,
        form=reading.form,
        tags=options["tags"],
        tlp=options["tlp"] or reading.tlp,
        why=options["why"],
        who=login(),
        taken_at=int(time.time()),
        expires=until_of(options["expires"]),
    )
    with hub() as opened:
        changes = difference(opened, name, reading.rows)
        _show(out, name, reading, changes)
        accepted = bool(reading.rows) and _accepted(out, file, yes=options["yes"])
        if accepted:
            summary = take(opened, name, taken, reading.rows.values())
            out.good(f"'{name}' lists {summary.entries:,} indicators now; the next build has them")
            out.say(f"       Take them away again: vedette source remove {name}")
    out.result(_document(name, reading, changes, taken=accepted))


def _name(file: str, given: str) -> str:
    if given:
        return given
    if file == "-":
        raise UsageError("standard input has no name", hint="Give it one with --name.")
    return name_from(file)


@contextmanager
def _opened(file: str) -> Iterator[io.BufferedReader]:
    try:
        raw = io.BytesIO(sys.stdin.buffer.read()) if file == "-" else open_regular(Path(file))
        with open_decompressed(raw, max_bytes=_MAX) as stream:
            yield stream
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror or error}",
            hint="Give the path of a report, or - for standard input.",
        ) from error


def _accepted(out: Output, file: str, *, yes: bool) -> bool:
    if yes:
        return True
    if out.as_json or file == "-" or not sys.stdin.isatty():
        out.say("Nothing was taken. Take it with --yes.")
        return False
    return click.confirm("Take these?", default=False)


def _show(out: Output, name: str, reading: Reading, changes: Difference) -> None:
    types = reading.types()
    if types:
        out.say(f"{sum(types.values()):,} indicators in this {reading.form}:")
        rows = [(kind, n, ", ".join(reading.examples(kind))[:100]) for kind, n in types.items()]
        out.table(("type", "indicators", "for example"), rows)
    else:
        out.warn(f"nothing to take in this {reading.form}")
    _show_not_taken(out, reading)
    if not changes.is_new:
        added, removed = len(changes.added), len(changes.removed)
        out.say(f"It replaces what '{name}' lists: {added:,} more, {removed:,} gone.")
        for sign, keys in (("+", changes.added), ("-", changes.removed)):
            for key in keys[:_NAMED]:
                out.say(f"  {sign} {key.type.value}  {key.value}")


def _show_not_taken(out: Output, reading: Reading) -> None:
    rows = [
        (reason, n, ", ".join(reading.samples.get(reason, ()))[:100])
        for reason, n in (*reading.rejected.most_common(), *reading.skipped.most_common())
    ]
    if rows:
        out.say("Not taken (--all takes what is only mentioned, --type says what values are):")
        out.table(("why", "values", "for example"), rows)


def _document(name: str, reading: Reading, changes: Difference, *, taken: bool) -> dict[str, Any]:
    return {
        "name": name,
        "taken": taken,
        "form": reading.form,
        "types": reading.types(),
        "indicators": [{"type": key.type.value, "value": key.value} for key in reading.rows],
        "rejected": dict(reading.rejected.most_common()),
        "skipped": dict(reading.skipped.most_common()),
        "added": len(changes.added),
        "removed": len(changes.removed),
    }
