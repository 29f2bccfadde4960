"""``vedette source presets``: well-known public feeds, and how one of them is added."""

from __future__ import annotations

from typing import Any

import click

from vedette.cli.common import with_output
from vedette.cli.output import Output
from vedette.cli.source_options import connection_options, keeping_options
from vedette.cli.source_rules import describe_rules
from vedette.cli.source_saving import save
from vedette.sources.presets import Preset, find_preset, presets


class AddGroup(click.Group):
    """``source add NAME --preset PRESET``, beside ``source add KIND ...``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take a name that is no kind for the name of the new source, if a preset is given."""
        if args[0] not in self.commands and any(arg.startswith("--preset") for arg in args):
            return "preset", self.commands["preset"], args
        return super().resolve_command(ctx, args)


@click.command("presets")
@click.argument("name", default="")
@with_output
def presets_command(out: Output, name: str) -> None:
    """List public feeds that can be added by name, or show NAME; none is on by default."""
    if name:
        preset = find_preset(name)
        out.say(f"{preset.name} ({preset.kind})", style="bold")
        _say(out, preset)
        out.say(f"Add it: vedette source add {preset.name} --preset {preset.name}")
        out.result(preset)
        return
    out.table(
        ("name", "what", "licence"),
        [(preset.name, preset.title, preset.licence) for preset in presets().values()],
    )
    out.say("What one gets wrong, and where it is: vedette source presets NAME")
    out.say("Add one:                              vedette source add NAME --preset NAME")
    out.result(list(presets().values()))


@click.command("preset")
@click.argument("name")
@click.option("--preset", "chosen", required=True, metavar="PRESET", help="See `source presets`.")
@connection_options
@keeping_options
@with_output
def add_preset(out: Output, name: str, chosen: str, **options: Any) -> None:
    """Add a public feed: vedette source add NAME --preset PRESET."""
    preset = find_preset(chosen)
    saving = {option: options.pop(option) for option in ("interval", "test")}
    saving |= {option: options.pop(option) for option in ("confidence", "age", "review")}
    saving["name"] = name
    saving["interval"] = saving["interval"] or preset.interval
    given = {option: value for option, value in options.items() if value is not None}
    out.say(preset.title, style="bold")
    _say(out, preset)
    shown = {"preset": preset.name, "licence": preset.licence, "warning": preset.warning}
    save(
        out,
        preset.kind,
        {**preset.settings, **given},
        {**saving, "rules": preset.rules, "shown": shown},
    )


def _say(out: Output, preset: Preset) -> None:
    out.say(f"  from      {preset.settings['location']}")
    out.say(f"  about it  {preset.homepage}")
    out.say(f"  licence   {preset.licence}")
    out.say(f"  interval  {preset.interval}")
    if described := describe_rules(preset.rules):
        out.say(f"  rules     {described}")
    out.warn(preset.warning)
