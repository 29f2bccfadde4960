"""Check the settings of a new source, then save it, or only look at what would come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedette.cli.audited import is_about
from vedette.cli.common import hub
from vedette.cli.output import Output
from vedette.cli.source_options import name_from
from vedette.cli.source_rules import changed_rules, describe_rules
from vedette.cli.source_show import duration, show_preview
from vedette.config import parse_duration
from vedette.misp.http import without_secrets
from vedette.model import SourceRules
from vedette.pipeline.pulling import preview
from vedette.sources import build

FILES = frozenset(
    {"ca_file", "client_cert", "client_key", "header_file", "key_file", "password_file"}
)
"""Settings that are made absolute: the daemon starts elsewhere."""
SAVING = ("name", "interval", "test", "confidence", "age", "review")
"""Options that are no settings of a kind."""


def save(out: Output, kind: str, settings: Mapping[str, Any], saving: Mapping[str, Any]) -> None:
    """Check the settings, then save them, or with ``--test`` only look at what would come.

    Args:
        out: Where to say it.
        kind: Of the source.
        settings: Of its kind; None for what was not given.
        saving: The options of :func:`vedette.cli.source_options.saving_options`, and ``rules``
            where there is something to start from.

    Raises:
        UsageError: The settings or the name cannot be meant.
    """
    address = without_secrets(str(settings.get("url") or settings.get("location")))
    name = saving["name"] or name_from(address)
    is_about(name)
    checked = {
        key: str(Path(value).absolute()) if key in FILES else value
        for key, value in settings.items()
        if value is not None
    }
    built = build(kind, {**checked, "name": name})
    said = {option: saving[option] for option in ("confidence", "age", "review")}
    rules = changed_rules(saving.get("rules", SourceRules()), said)
    if saving["test"]:
        with out.progress(f"reading {name}") as ticker:
            found = preview(built, tick=ticker.tick)
        show_preview(out, found)
        return
    with hub() as opened:
        interval_s = parse_duration(saving["interval"] or opened.settings.run.interval)
        opened.store.add_source(name, kind, checked, interval_s)
        opened.store.set_rules(name, rules)
    out.good(f"added source '{name}' ({kind}), to be pulled every {duration(interval_s)}")
    if described := describe_rules(rules):
        out.say(f"       {described}")
    out.say(f"Next: vedette source test {name}   (what would come, nothing saved)")
    out.say(f"      vedette source pull {name}")
    shown = {key: without_secrets(v) if isinstance(v, str) else v for key, v in checked.items()}
    document = {"name": name, "kind": kind, "settings": shown, "interval_s": interval_s}
    out.result({**document, "rules": rules, **saving.get("shown", {})})


def split(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort a command's options into those of saving, of the filters, and of the kind."""
    saving = {name: options.pop(name) for name in SAVING}
    filters = {
        name.removeprefix("filter_"): options.pop(name)
        for name in list(options)
        if name.startswith("filter_")
    }
    chosen = {name: value for name, value in filters.items() if value not in (None, ())}
    rest = {name: value for name, value in options.items() if value not in (None, ())}
    return saving, chosen, rest


def located(location: str) -> str:
    """An URL as it is, a path as an absolute one: the daemon starts elsewhere."""
    return location if "://" in location else str(Path(location).absolute())
