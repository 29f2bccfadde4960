"""``vedette source``: where indicators come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from vedette.cli.common import error_document, hub, with_output
from vedette.cli.output import Output, moment
from vedette.cli.source_options import (
    connection_options,
    filter_options,
    list_options,
    name_from,
    saving_options,
)
from vedette.config import parse_duration
from vedette.errors import VedetteError
from vedette.model import IndicatorType
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import Preview, preview, pull, source_of
from vedette.sources import build
from vedette.store import PullSummary, SourceRecord


@click.group()
def source() -> None:
    """Add, test, list and pull the places that indicators come from."""


@source.group()
def add() -> None:
    """Add a source; its first pull happens with `source pull` or `run`."""


def _save(out: Output, kind: str, settings: Mapping[str, Any], saving: Mapping[str, Any]) -> None:
    """Check the settings, then save them, or with ``--test`` only look at what would come."""
    name = saving["name"] or name_from(str(settings.get("url") or settings.get("location")))
    checked = {key: value for key, value in settings.items() if value is not None}
    built = build(kind, {**checked, "name": name})
    if saving["test"]:
        with out.progress(f"reading {name}") as ticker:
            _show_preview(out, preview(built, tick=ticker.tick))
        return
    with hub() as opened:
        interval_s = parse_duration(saving["interval"] or opened.settings.run.interval)
        opened.store.add_source(name, kind, checked, interval_s)
    out.good(f"added source '{name}' ({kind}), to be pulled every {interval_s // 60} min")
    out.say(f"Next: vedette source test {name}   (what would come, nothing saved)")
    out.say(f"      vedette source pull {name}")
    out.result({"name": name, "kind": kind, "settings": checked, "interval_s": interval_s})


@add.command("misp")
@click.argument("url")
@click.option("--key-file", required=True, metavar="FILE", help="File with the API key.")
@connection_options
@filter_options
@click.option("--page-size", type=int, help="Attributes in one answer (default 20000).")
@click.option("--unpublished", type=click.Choice(["keep", "drop"]), help="Events being edited.")
@saving_options
@with_output
def add_misp(out: Output, url: str, key_file: str, **options: Any) -> None:
    """Add a MISP server; a user with a read-only key is enough."""
    saving, filters, rest = _split(options)
    key_file = str(Path(key_file).absolute())
    _save(out, "misp", {"url": url, "key_file": key_file, "filters": filters, **rest}, saving)


@add.command("misp-feed")
@click.argument("location")
@connection_options
@filter_options
@saving_options
@with_output
def add_misp_feed(out: Output, location: str, **options: Any) -> None:
    """Add a MISP feed: a directory, an archive (tar, zip), one event's file, or an http(s) URL."""
    saving, filters, rest = _split(options)
    settings = {"location": _located(location), "filters": filters, **rest}
    _save(out, "misp-feed", settings, saving)


@add.command("list")
@click.argument("location")
@click.option(
    "--type",
    "kind",
    required=True,
    type=click.Choice([member.value for member in IndicatorType]),
    help="What the values are, where the format does not say.",
)
@list_options
@saving_options
@with_output
def add_list(out: Output, location: str, kind: str, **options: Any) -> None:
    """Add a list: a file or an http(s) URL, plain, .gz or .zst, in any usual format."""
    saving, _, rest = _split(options)
    _save(out, "list", {"location": _located(location), "type": kind, **rest}, saving)


def _split(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort a command's options into those of saving, of the filters, and of the kind."""
    saving = {name: options.pop(name) for name in ("name", "interval", "test")}
    filters = {
        name.removeprefix("filter_"): options.pop(name)
        for name in list(options)
        if name.startswith("filter_")
    }
    chosen = {name: value for name, value in filters.items() if value not in (None, ())}
    rest = {name: value for name, value in options.items() if value not in (None, ())}
    return saving, chosen, rest


def _located(location: str) -> str:
    """An URL as it is, a path as an absolute one: the daemon starts elsewhere."""
    return location if "://" in location else str(Path(location).absolute())


@source.command()
@click.argument("name")
@with_output
def test(out: Output, name: str) -> None:
    """Read a source and count what would come, per type, after filters; save nothing."""
    with hub() as opened:
        built = source_of(opened.store.source(name))
    with out.progress(f"reading {name}") as ticker:
        found = preview(built, tick=ticker.tick)
    _show_preview(out, found)


def _show_preview(out: Output, found: Preview) -> None:
    if found.connection:
        out.good(", ".join(f"{key}: {value}" for key, value in found.connection.items()))
    if found.types:
        out.say(f"{sum(found.types.values()):,} indicators would come:")
        rows = [
            (kind, n, ", ".join(text[:60] for text in found.samples[kind][:3]))
            for kind, n in found.types.items()
        ]
        out.table(("type", "indicators", "for example"), rows)
    else:
        out.warn("nothing usable would come")
    _show_left_out(out, found.rejected, found.skipped, found.broken)
    out.result(found)


def _show_left_out(
    out: Output, rejected: Mapping[str, int], skipped: Mapping[str, int], broken: Mapping[str, str]
) -> None:
    rows = [("rejected", reason, n) for reason, n in rejected.items()]
    rows += [("left out", reason, n) for reason, n in skipped.items()]
    rows += [("broken", f"{key}: {reason}", 1) for key, reason in list(broken.items())[:20]]
    if rows:
        out.say("Not used:")
        out.table(("what", "why", "values"), rows)


@source.command("pull")
@click.argument("names", nargs=-1)
@click.option("--accept", is_flag=True, help="Let the source lose more than a third.")
@with_output
def pull_command(out: Output, names: tuple[str, ...], *, accept: bool) -> None:
    """Pull sources into the store (all of them without NAMES)."""
    done: list[PullSummary] = []
    failed: list[VedetteError] = []
    with hub() as opened:
        for name in names or [record.name for record in opened.store.sources()]:
            try:
                done.append(_pull_one(out, opened, name, accept=accept))
            except VedetteError as error:
                failed.append(error)
                out.bad(f"{name}: {error}")
                if error.hint:
                    out.say(f"       {error.hint}")
        if not (done or failed):
            out.warn("there are no sources; see: vedette source add --help")
    out.result({"pulls": done, "failed": [error_document(error) for error in failed]})
    if failed:
        click.get_current_context().exit(failed[0].exit_code)


def _pull_one(out: Output, opened: Hub, name: str, *, accept: bool) -> PullSummary:
    with out.progress(f"pulling {name}") as ticker:
        summary = pull(opened, name, accept=accept, tick=ticker.tick)
    out.good(
        f"{name}: {summary.entries:,} entries"
        f" (+{summary.added:,} -{summary.removed:,}),"
        f" {sum(summary.rejected.values()):,} rejected,"
        f" {sum(summary.skipped.values()):,} left out,"
        f" {len(summary.broken):,} broken"
    )
    if not summary.entries:
        out.warn(f"{name}: nothing usable came; see: vedette source show {name}")
    return summary


@source.command("list")
@with_output
def list_command(out: Output) -> None:
    """List all sources with their last pull."""
    with hub() as opened:
        records = opened.store.sources()
    out.table(
        ("name", "kind", "entries", "last pull", "outcome", "last good"),
        [
            (
                record.name,
                record.kind,
                record.entries,
                moment(record.last_pull.finished_at if record.last_pull else None),
                record.last_pull.outcome if record.last_pull else "-",
                moment(record.last_good_at),
            )
            for record in records
        ],
    )
    if not records:
        out.say("No sources yet. See: vedette source add --help")
    out.result(records)


@source.command()
@click.argument("name")
@click.option("--reason", default="", help="Show values rejected for this reason only.")
@click.option("--rejected", "limit", default=20, help="How many rejected values to show.")
@with_output
def show(out: Output, name: str, reason: str, limit: int) -> None:
    """Show a source: settings, last pull, and what was refused, with where and why."""
    with hub() as opened:
        record = opened.store.source(name)
        refused = opened.store.rejected(name, reason=reason, limit=limit)
    _show_source(out, record)
    if refused:
        out.say("Rejected, for example:")
        out.table(("value", "where", "why"), refused)
    samples = [{"value": value, "ref": ref, "reason": why} for value, ref, why in refused]
    out.result({"source": record, "rejected": samples})


def _show_source(out: Output, record: SourceRecord) -> None:
    out.say(f"{record.name} ({record.kind}), {record.entries:,} entries", style="bold")
    for key, value in record.settings.items():
        out.say(f"  {key}: {value}")
    last = record.last_pull
    if last is None:
        out.say("  never pulled")
        return
    out.say(f"  last pull {moment(last.finished_at)}: {last.outcome}")
    out.say(f"  last good {moment(record.last_good_at)}")
    if last.groups:
        out.say("  groups: " + ", ".join(f"{n:,} {what}" for what, n in last.groups.items()))
    if last.error:
        out.bad(last.error)
        out.say(f"       {last.hint}")
    _show_left_out(out, last.rejected, last.skipped, last.broken)


@source.command()
@click.argument("name")
@with_output
def remove(out: Output, name: str) -> None:
    """Forget a source and all its indicators."""
    with hub() as opened, opened.working(f"removing source {name}"):
        entries = opened.store.remove_source(name)
    out.good(f"removed source '{name}' with {entries:,} entries; the next bundle has none of them")
    out.result({"name": name, "entries": entries})
