"""``vedette indicator``: what the sources say about one value."""

from __future__ import annotations

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.errors import UnusableValueError, UsageError
from vedette.model import Entry, IndicatorType, Key
from vedette.normalize import ancestors, normalize
from vedette.pipeline.hub import Hub


@click.group()
def indicator() -> None:
    """Look at single indicators."""


@indicator.command()
@click.argument("value")
@with_output
def show(out: Output, value: str) -> None:
    """Show who lists VALUE (any spelling, defanged too), also through a name above it."""
    with hub() as opened:
        found = _find(opened, value)
        opened_counts = opened.store.entries.counts()
    if not found:
        total = sum(opened_counts.values())
        out.say(f"no source lists '{value}' ({total:,} indicators looked at)")
    for key, entries in found.items():
        out.say(f"{key.type.value}  {key.value}", style="bold")
        for entry in entries:
            context = entry.context
            tags = ", ".join((*context.tags, *entry.tags))
            out.say(f"  {entry.source}: {context.info or '-'}")
            out.say(f"    event {context.key or '-'}  TLP {context.tlp or '-'}  tags {tags or '-'}")
            if context.url:
                out.say(f"    {context.url}")
    out.result(
        [
            {"type": key.type.value, "value": key.value, "entries": entries}
            for key, entries in found.items()
        ]
    )


def _find(opened: Hub, value: str) -> dict[Key, list[Entry]]:
    wanted: list[Key] = []
    for kind in IndicatorType:
        try:
            key = normalize(kind, value)
        except UnusableValueError:
            continue
        wanted.append(key)
        if key.type in (IndicatorType.DOMAIN, IndicatorType.HOSTNAME):
            wanted += [Key(IndicatorType.DOMAIN, name) for name in ancestors(key.value)]
    if not wanted:
        raise UsageError(
            f"'{value}' is no value of any indicator type", hint="Quote it, and check its spelling."
        )
    return opened.store.entries.lookup(wanted)
