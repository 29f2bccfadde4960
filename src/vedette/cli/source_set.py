"""``vedette source set``: other settings for a source that stays what it is."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, get_type_hints

import click
import msgspec
from click.core import ParameterSource

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.source_saving import FILES, SAVING, located
from vedette.cli.source_show import duration, show_preview
from vedette.config import parse_duration
from vedette.errors import UsageError
from vedette.misp.http import without_secrets
from vedette.pipeline.pulling import preview
from vedette.sources import build, find
from vedette.sources.filters import Filters

_OTHER_CONTENT = frozenset({"url", "location", "collection", "filters", "type"})
"""Settings whose change may make other indicators come."""
_NAMES = {"kind": "type"}
"""Settings whose option has another name."""
_NOT_SETTINGS = frozenset({*SAVING, "as_json"})


def set_command(add: click.Group) -> click.Command:
    """Make the command.

    Args:
        add: ``source add``, whose options it takes.
    """

    @click.command("set", context_settings={"ignore_unknown_options": True})
    @click.argument("name")
    @click.argument("changes", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION]...")
    @click.option("--interval", "--every", help="How often `run` pulls it: 90s, 15m, 6h, 1d.")
    @click.option("--test", is_flag=True, help="Only show what would come; save nothing.")
    @with_output
    def command(
        out: Output, name: str, changes: tuple[str, ...], *, interval: str | None, test: bool
    ) -> None:
        """Change settings of a source; its indicators and its history stay.

        OPTION is any that `source add` has for its kind (--timeout-s 300, --page-size 5000,
        --tlp clear --tlp green), and --url or --location. SETTING=VALUE says the same
        (timeout_s=300, tlp=clear,green); SETTING= alone is the default again. `vedette run` takes
        them with the next pull.
        """
        _set(out, add, name, changes, interval=interval, is_test=test)

    return command


def _set(
    out: Output,
    add: click.Group,
    name: str,
    changes: Sequence[str],
    *,
    interval: str | None,
    is_test: bool,
) -> None:
    with hub() as opened:
        record = opened.store.source(name)
        settings = dict(record.settings)
        for key, value in _asked(add, record.kind, changes):
            _apply(settings, record.kind, key, value)
        built = build(record.kind, {**settings, "name": name})
        interval_s = parse_duration(interval) if interval else record.interval_s
        if is_test:
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
    elif _OTHER_CONTENT & set(changed):
        out.say("       The next pull compares what is there with what is held; if much is gone,")
        out.say(f"       that waits for you: vedette source pull {name} --accept")


def _asked(add: click.Group, kind: str, changes: Sequence[str]) -> Iterator[tuple[str, object]]:
    """Yield settings with their values: text as it was typed, or what an option made of it.

    Raises:
        ClickException: There is no such option, or it cannot have that value.
        UsageError: It is neither an option nor ``SETTING=VALUE``.
    """
    outer = click.get_current_context()
    parser = click.Command("set", params=_options_of(add.commands.get(kind)))
    try:
        inner = parser.make_context(
            "set", list(changes), allow_extra_args=True, help_option_names=[]
        )
    except click.UsageError as error:
        error.ctx = outer  # it shows how the command is used
        raise
    for change in inner.args:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                f"'{change}' is neither an option nor SETTING=VALUE",
                hint=f"Settings: {', '.join(_known(kind))}.",
            )
        yield key.strip().replace("-", "_").removeprefix("filters."), text.strip()
    for option, value in inner.params.items():
        if inner.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            yield _NAMES.get(option, option).removeprefix("filter_"), value


def _options_of(command: click.Command | None) -> list[click.Parameter]:
    """Return the options of a kind's ``source add``, none of them needed, and its address."""
    found: list[click.Parameter] = []
    for parameter in command.params if command else ():
        if isinstance(parameter, click.Argument):
            found.append(click.Option([f"--{parameter.name}"]))
        elif parameter.name not in _NOT_SETTINGS:
            option = copy(parameter)
            option.required = False
            found.append(option)
    return found


def _apply(settings: dict[str, Any], kind: str, key: str, value: object) -> None:
    """Put one change into the settings.

    Raises:
        UsageError: There is no such setting.
    """
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
    if value == "":
        target.pop(key, None)
    elif isinstance(value, str):
        target[key] = _value(key, value, own[key])
    else:
        target[key] = list(value) if isinstance(value, tuple) else value


def _value(key: str, text: str, wanted: object) -> object:
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
