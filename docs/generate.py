"""Write the parts of the documentation that the source decides, so that they cannot lag.

    python docs/generate.py            write them
    python docs/generate.py --check    name the pages that are out of date

A part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; the rest is ours.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path

import click
import msgspec

from vedette import config, fields
from vedette.agent import settings as agent_settings
from vedette.buffers import ROWS, Profile
from vedette.cli import EXIT_CODES, vedette
from vedette.cli.audited import CHANGING
from vedette.cli.source_rules import describe_rules
from vedette.misp import http
from vedette.pipeline import standing
from vedette.pipeline.gauge_table import GAUGES
from vedette.ruleset import manifest
from vedette.ruleset.coverage import markdown
from vedette.ruleset.sets import SetSpec
from vedette.sensor import settings as sensor_settings
from vedette.sensor import wire
from vedette.sources import filters, imported, misp_api, misp_feed, plain_list, stix, taxii
from vedette.sources.presets import presets

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))

_PART = re.compile(r"(<!-- begin (\S+) -->\n)(.*?)(<!-- end \2 -->)", re.DOTALL)
_ROLE = re.compile(r":\w+:`~?(?:\w+\.)*(\w+)`")
_WIDTH = 92
_NOT_WRITTEN = {"home"}
"""Settings that are filled in when the file is read."""


def commands() -> str:
    """Every command with what ``--help`` says."""
    return "\n".join(_commands(vedette, None, "vedette"))


def _commands(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    width = {"max_content_width": _WIDTH, "terminal_width": _WIDTH}
    context = click.Context(
        command, parent=parent, info_name=name, **{**command.context_settings, **width}
    )
    path = context.command_path
    yield f"{'#' * (2 if parent is None else 3 if ' ' not in path[8:] else 4)} {path}\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from _commands(found, context, child)


def exit_codes() -> str:
    """The table of exit codes."""
    return _table(("code", "means"), [(str(code), text) for code, text in EXIT_CODES.items()])


def settings() -> str:
    """Every key of vedette.toml, under a heading of its own."""
    fields = msgspec.structs.fields(config.Settings)
    sections: list[tuple[str, type]] = [("top level", config.Settings)]
    sections += [(f"[{field.name}]", field.type) for field in fields if _is_struct(field)]
    parts = []
    for heading, cls in sections:
        parts.append(f"## {heading}\n")
        said = _docstrings(cls)
        for field in msgspec.structs.fields(cls):
            if field.name in _NOT_WRITTEN or _is_struct(field):
                continue
            value = field.default_factory() if callable(field.default_factory) else field.default
            default = msgspec.json.encode(value).decode().replace(",", ", ")
            parts.append(f"### {field.name}\n\nDefault: `{default}`\n\n{said[field.name]}\n")
    return "\n".join(parts)


def _is_struct(field: msgspec.structs.FieldInfo) -> bool:
    return isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)


def fields_of(*classes: type) -> Callable[[], str]:
    """Return a part: the fields of classes, with their defaults and what the source says."""

    def part() -> str:
        rows = [
            (f"`{field.name}`", _default(field), said[field.name])
            for cls in classes
            for said in (_docstrings(cls),)
            for field in msgspec.structs.fields(cls)
            if field.name in said
        ]
        return _table(("field", "default", "means"), rows)

    return part


def said_of(cls: type) -> Callable[[], str]:
    """Return a part: the members of what is printed or sent, with what the source says."""

    def part() -> str:
        rows = [(f"`{name}`", text) for name, text in _docstrings(cls).items()]
        return _table(("member", "means"), rows)

    return part


def values_of(cls: type[Enum], head: str) -> Callable[[], str]:
    """Return a part: the values of an enumeration, with what the source says."""

    def part() -> str:
        rows = [(f"`{value}`", text) for value, text in _members(cls)]
        return _table((head, "means"), rows)

    return part


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    default = field.default
    if default is msgspec.NODEFAULT:
        default = field.default_factory() if callable(field.default_factory) else None
    if isinstance(default, msgspec.Struct):
        return "see below"
    if default is msgspec.UNSET:
        return "left out"
    text = msgspec.json.encode(default).decode()
    return "" if text in {'""', "[]", "{}", "null"} else f"`{text}`"


def _docstrings(cls: type) -> dict[str, str]:
    """Return what the source says about each field of a class; ``""`` for a name that says all."""
    source = Path(sys.modules[cls.__module__].__file__ or "").read_text(encoding="utf-8")
    tree = ast.parse(source)
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls.__name__)
    said: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        if "ClassVar" in ast.unparse(node.annotation):
            continue
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = " ".join(str(after.value.value).split())
        said[node.target.id] = _ROLE.sub(r"`\1`", text).replace("``", "`")
    return said


def eve_fields() -> str:
    """Where a hit's value stands in EVE."""
    rows = []
    for row in ROWS.values():
        for dataset in row.datasets:
            for buffer in dataset.buffers:
                places = ", ".join(f"`{place}`" for place in buffer.eve) or "not in EVE"
                rows.append((f"`{row.type.value}`", f"`{buffer.name}`", places))
    return _table(("indicator type", "buffer", "EVE fields, any version"), rows)


def remembered() -> str:
    """Every field that is remembered."""
    rows = []
    for field in fields.FIELDS:
        hunted = ", ".join(_hunted(kind.value, match) for kind, match in field.hunted)
        ours = "" if field.asset is fields.Asset.CLIENT else "; our end is the server"
        skipped = "; only if you ask for it" if field.private else ""
        event = field.event.replace("|", ", ")
        where = f"{field.where}{ours}{skipped}"
        rows.append((f"`{field.name}`", event, where, field.spelling.value, hunted or "-"))
    return _table(("field", "event", "taken from", "spelling", "hunted for"), rows)


def _hunted(kind: str, match: fields.Match) -> str:
    return f"`{kind}`" if match is fields.Match.EXACT else f"`{kind}` ({match.value})"


def spellings() -> str:
    """How an observed text becomes a value."""
    return _table(("spelling", "means"), list(_members(fields.Spelling)))


def matches() -> str:
    """How an indicator is compared."""
    said = dict(_members(fields.Match))
    said["exact"] = said["exact"] or "The value itself."
    return _table(("compared", "means"), list(said.items()))


def _members(cls: type[Enum]) -> Iterator[tuple[str, str]]:
    """Yield the values of an enumeration with what the source says about each."""
    source = Path(sys.modules[cls.__module__].__file__ or "").read_text(encoding="utf-8")
    tree = ast.parse(source)
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls.__name__)
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            is_said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = " ".join(str(after.value.value).split()) if is_said else ""
            yield str(node.value.value), text.replace("``", "`")


def public_feeds() -> str:
    """Every preset, with its address and what it gets wrong."""
    rows = [
        (
            f"`{preset.name}`",
            f"[{preset.title}]({preset.homepage}); `{preset.kind}` `{preset.settings['location']}`",
            preset.licence,
            ", ".join(filter(None, (f"every {preset.interval}", describe_rules(preset.rules)))),
            preset.warning,
        )
        for preset in presets().values()
    ]
    return _table(("preset", "what, and where", "licence", "suggested", "what it gets wrong"), rows)


def not_remembered() -> str:
    """Indicator types that no hunt can answer."""
    rows = [(f"`{kind.value}`", why) for kind, why in fields.NOT_REMEMBERED.items()]
    return _table(("indicator type", "because"), rows)


def rules() -> str:
    """Each rule: its sid at the default sid base, and what it compares."""
    rows = []
    base = config.BundleSettings().sid_base
    for row in ROWS.values():
        for dataset in row.datasets:
            for buffer in dataset.buffers:
                since = ".".join(map(str, buffer.since[:2]))
                name = f"`{config.BundleSettings().prefix}-{dataset.name}`"
                sid = str(SetSpec(dataset.name).sid(base, buffer))
                rows.append((sid, name, dataset.type.value, f"`{buffer.name}`", since))
    return _table(("first sid", "dataset", "type", "buffer", "from Suricata"), rows)


def profiles() -> str:
    """The engine profiles."""
    spelt = [".".join(map(str, profile.version)) for profile in Profile]
    ends = [f"and later, before {version}" for version in spelt[1:]] + ["and later"]
    rows = [
        (f"`{profile.value}`", f"{version} {end}")
        for profile, version, end in zip(Profile, spelt, ends, strict=True)
    ]
    return _table(("profile", "engines"), rows)


def log_events() -> str:
    """Every event of the log."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    try:
        known = importlib.import_module("log_events")
    finally:
        sys.path.pop(0)
    rows = [
        (
            f"`{event.name}`",
            ", ".join(event.levels),
            event.who,
            known.MEANS[event.name],
            ", ".join(f"`{field}`" for field in event.fields),
        )
        for event in known.events()
    ]
    return _table(("event", "level", "of", "means", "with"), rows)


def metrics() -> str:
    """Every number of /metrics."""
    rows = [
        (f"`{gauge.name}`", gauge.kind, ", ".join(f"`{one}`" for one in gauge.labels), gauge.says)
        for gauge in GAUGES
    ]
    return _table(("name", "kind", "labels", "says"), rows)


def audited() -> str:
    """Every command that writes who ran it."""
    return _table(
        ("command", "changes"),
        [(f"`{path}`", change.what) for path, change in sorted(CHANGING.items())],
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "audited": audited,
    "coverage": markdown,
    "exit-codes": exit_codes,
    "log-events": log_events,
    "metrics": metrics,
    "settings": settings,
    "opensearch-settings": fields_of(config.OpenSearchSettings),
    "connection-settings": fields_of(http.Connection),
    "misp-settings": fields_of(misp_api.MispApi),
    "misp-feed-settings": fields_of(misp_feed.MispFeed),
    "list-settings": fields_of(plain_list.PlainList),
    "stix-settings": fields_of(stix.StixBundles),
    "taxii-settings": fields_of(taxii.Taxii),
    "import-settings": fields_of(imported.Imported),
    "filter-settings": fields_of(filters.Filters),
    "agent-settings": fields_of(agent_settings.AgentSettings),
    "sensor-settings": fields_of(sensor_settings.Sensor),
    "manifest": fields_of(manifest.Manifest),
    "manifest-source": fields_of(manifest.SourceState),
    "manifest-set": fields_of(manifest.SetInfo),
    "manifest-rules": fields_of(manifest.RulesInfo),
    "manifest-rule": fields_of(manifest.RuleInfo),
    "eve-fields": eve_fields,
    "fields": remembered,
    "spellings": spellings,
    "matches": matches,
    "not-remembered": not_remembered,
    "presets": public_feeds,
    "profiles": profiles,
    "rules": rules,
    "sensor-states": values_of(wire.State, "state"),
    "standing": said_of(standing.Standing),
    "report": said_of(wire.Report),
    "engine-state": said_of(wire.EngineState),
    "eve-state": said_of(wire.EveState),
    "delivered": said_of(wire.Delivered),
}


def render(page: str) -> str:
    """Return a page with its generated parts as they have to be.

    Raises:
        KeyError: It asks for a part that does not exist.
    """
    return _PART.sub(lambda m: f"{m[1]}\n{PARTS[m[2]]().strip()}\n\n{m[4]}", page)


def stale() -> dict[Path, str]:
    """Return the pages that are out of date, with what they should be."""
    pages = {path: path.read_text(encoding="utf-8") for path in PAGES}
    return {path: new for path, old in pages.items() if (new := render(old)) != old}


def main() -> int:
    """Write or check; 1 when a check finds something."""
    found = stale()
    for path, text in found.items():
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    return int("--check" in sys.argv and bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
