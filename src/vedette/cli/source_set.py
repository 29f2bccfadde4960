"""``vedette source set``: other settings for a source that stays what it is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import click
import msgspec

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.source_saving import FILES, located
from vedette.cli.source_show import duration, show_preview
from vedette.config import parse_duration
from vedette.errors import UsageError
from vedette.misp.http import without_secrets
from vedette.pipeline.pulling import preview
from vedette.sources import build, find
from vedette.sources.filters import Filters


@click.command("set")
@click.argument("name")
@click.argument("changes", nargs=-1, metavar="[SETTING=VALUE]...")
@click.option("--interval", help="How often `run` pulls it: 90s, 15m, 6h, 1d.")
@click.option("--test", is_flag=True, help="Only show what would come; save nothing.")
@with_output
def set_command(
    out: Output, name: str, changes: tuple[str, ...], *, interval: str | None, test: bool
) -> None:
    """Change settings of a source; its indicators and its history stay.

    Settings are the options of `source add`, without the dashes: timeout_s=300, page_size=5000,
    tlp=clear,green. SETTING= alone is the default again. `vedette run` takes them with the next
    pull.
    """
    with hub() as opened:
        record = opened.store.source(name)
        settings = dict(record.settings)
        for change in changes:
            _apply(settings, record.kind, change)
        built = build(record.kind, {**settings, "name": name})
        interval_s = parse_duration(interval) if interval else record.interval_s
        if test:
            with out.progress(f"reading {name}") as ticker:
                show_preview(out, preview(built, tick=ticker.tick))
            return
        is_other = settings != record.settings or interval_s != record.interval_s
        if is_other:
            opened.store.set_source(name, settings, interval_s)
    _say(out, name, settings, record.settings, interval_s if interval else 0)
    shown = {key: without_secrets(v) if isinstance(v, str) else v for key, v in settings.items()}
    out.result({"name": name, "settings": shown, "interval_s": interval_s, "changed": is_other})


def _say(
    out: Output, name: str, now: Mapping[str, Any], before: Mapping[str, Any], interval_s: int
) -> None:
    changed = sorted(key for key in {*now, *before} if now.get(key) != before.get(key))
    for key in changed:
        value = now.get(key)
        text = without_secrets(value) if isinstance(value, str) else msgspec.json.encode(value)
        shown = text.decode() if isinstance(text, bytes) else text
        out.good(f"{name}: {key} = {shown if key in now else 'the default'}")
    if interval_s:
        out.good(f"{name}: to be pulled every {duration(interval_s)}")
    if not (changed or interval_s):
        out.say(f"{name}: nothing else than before")
    elif {"url", "location", "filters"} & set(changed):
        out.say("       The next pull compares what is there with what is held.")


def _apply(settings: dict[str, Any], kind: str, change: str) -> None:
    """Put one change into the settings.

    Raises:
        UsageError: It is no ``SETTING=VALUE``, or there is no such setting.
    """
    key, equals, text = change.partition("=")
    key = key.strip().replace("-", "_").removeprefix("filters.")
    if not equals or not key:
        raise UsageError(
            f"'{change}' is no SETTING=VALUE", hint=f"Settings: {', '.join(_known(kind))}."
        )
    own = get_type_hints(find(kind))
    target = settings
    if key not in own or key in {"name", "kind", "filters"}:
        types = get_type_hints(Filters)
        if "filters" not in own or key not in types:
            known = _known(kind)
            close = difflib.get_close_matches(key, known, n=1)
            raise UsageError(
                f"sources of kind '{kind}' have no setting '{key}'",
                hint=f"Did you mean '{close[0]}'?" if close else f"They are: {', '.join(known)}.",
            )
        own = types
        target = settings["filters"] = dict(settings.get("filters") or {})
    if not text.strip():
        target.pop(key, None)
        return
    target[key] = _value(key, text.strip(), own[key])


def _value(key: str, text: str, wanted: Any) -> object:
    """Read a value as its setting wants it."""
    if key in FILES:
        return str(Path(text).absolute())
    if key == "location":
        return located(text)
    if "tuple" in str(wanted):
        return [part.strip() for part in text.split(",") if part.strip()]
    if wanted is str or "str" in str(wanted):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text  # the kind says what it wants instead


def _known(kind: str) -> list[str]:
    own = get_type_hints(find(kind))
    names = {key for key, value in own.items() if "ClassVar" not in str(value)} - {"name"}
    if "filters" in names:
        names = (names - {"filters"}) | get_type_hints(Filters).keys()
    return sorted(names)
