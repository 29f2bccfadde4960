"""``vedette pool``: the network's memory itself: fill it, look after it, take it elsewhere."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from vedette.cli.common import hub, settings, with_output
from vedette.cli.output import Output, size
from vedette.cli.pool_ingest import Reading, default_sensor, read_into, show_ingested
from vedette.cli.pool_status import show_status
from vedette.errors import PoolError
from vedette.pipeline.exporting import TABLES, write_parquet
from vedette.pipeline.pooling import need_extra, open_pool


@click.group()
def pool() -> None:
    """Fill the network's memory and look after it."""


@pool.command()
@click.argument("places", nargs=-1, required=True, metavar="INPUT...")
@click.option("--sensor", default="", metavar="NAME", help="Who wrote them.")
@with_output
def ingest(out: Output, places: tuple[str, ...], sensor: str) -> None:
    """Read EVE into the memory, each event once, however often it is offered.

    INPUT is a FILE (also rotated, gz or zst), a DIRECTORY of them, unix:PATH (Suricata's
    unix_stream; unixgram:PATH for unix_dgram), or redis://HOST:PORT/DB?key=NAME. What has no end
    is read until Ctrl-C; an eve.json that grows is followed by `vedette run`, beside which this
    command may run.
    """
    with hub() as opened:
        name = sensor or default_sensor(opened, places)
        with open_pool(opened, "vedette pool ingest") as memory, _stopping() as stop:
            reading = Reading(hub=opened, places=places, sensor=name, stop=stop)
            done = read_into(out, memory, reading)
    show_ingested(out, done, name)
    out.result({"sensor": name, "ingested": done})
    if done.error or any(one.outcome == "failed" for one in done.files):
        click.get_current_context().exit(PoolError.exit_code)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C or SIGTERM into a wish; the second one is as ever."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def wish(*_: object) -> None:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, wish)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pool.command()
@with_output
def status(out: Output) -> None:
    """Show how much is remembered, of which sensors and since when, and what it takes."""
    with hub() as opened, open_pool(opened) as memory:
        found = memory.status()
    show_status(out, found)
    out.result(found)


@pool.command()
@with_output
def expire(out: Output) -> None:
    """Drop who and when beyond the retention now (vedette run does it every hour)."""
    with hub() as opened, open_pool(opened) as memory, out.progress("dropping what is too old"):
        gone = memory.expire()
        since = memory.coverage().observations_since
    if gone.partitions or gone.rows:
        weeks = f"{len(gone.partitions)} weeks, " if gone.partitions else ""
        out.good(f"dropped {weeks}{gone.rows:,} rows, {size(gone.bytes)}")
    else:
        out.good("nothing is beyond the retention")
    out.say(f"       who and when is known since {since or '- (nothing is remembered yet)'}")
    out.result({"expired": gone, "observations_since": since})


@pool.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@with_output
def export(out: Output, directory: Path) -> None:
    """Write all tables to DIRECTORY as Parquet, for any other tool; each whole or not at all."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PoolError(
            f"cannot create {directory}: {error.strerror}", hint="Choose another directory."
        ) from error
    written: dict[str, dict[str, object]] = {}
    with hub() as opened, open_pool(opened) as memory:
        for table in TABLES:
            path = directory / f"{table}.parquet"
            with out.progress(f"writing {path.name}") as ticker:
                rows = write_parquet(memory, table, path, ticker.tick)
            took = path.stat().st_size
            written[table] = {"path": str(path), "rows": rows, "bytes": took}
            out.good(f"{path}: {rows:,} rows, {size(took)}")
    out.result(written)


@pool.command()
@click.option("--cluster", default=None, metavar="NAME", help="For this cluster.")
@click.option("--database", default="", metavar="NAME", help="Instead of that in vedette.toml.")
@with_output
def schema(out: Output, cluster: str | None, database: str) -> None:
    """Print the statements that make the tables, for whoever looks after a ClickHouse.

    Vedette runs them itself when it opens the memory; nothing is changed here.
    """
    need_extra()
    from vedette.pool.remote import parse_address  # noqa: PLC0415 - of the extra, and slow
    from vedette.pool.schema import statements  # noqa: PLC0415

    pool = settings().pool
    named = parse_address(pool.store).database if pool.store else "vedette"
    found = list(statements(database or named, pool.cluster if cluster is None else cluster))
    for statement in found:
        if not out.as_json:
            click.echo(f"{statement};\n")
    out.result({"statements": found})
