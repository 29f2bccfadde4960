"""``vedette source rules``: what an operator says about everything that a source lists."""

from __future__ import annotations

from typing import Any

import click
from msgspec.structs import replace

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.source_options import rule_options
from vedette.config import parse_duration
from vedette.model import SourceRules


def changed_rules(rules: SourceRules, options: dict[str, Any]) -> SourceRules:
    """Return rules with those changed that options name; the others stay.

    Args:
        rules: What was said before.
        options: ``confidence``, ``age`` and ``review`` of the command line; None: not given.

    Raises:
        ConfigError: The age is no duration.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if given.get("age"):
        parse_duration(given["age"])
    return replace(rules, **given)


def describe_rules(rules: SourceRules) -> str:
    """Say rules in one line; ``""`` if there are none."""
    parts = []
    if rules.confidence >= 0:
        parts.append(f"confidence {rules.confidence} where it says none")
    if rules.age:
        parts.append(f"leaves the sensors {rules.age} after its last change")
    if rules.review:
        parts.append("new indicators are held for review")
    return ", ".join(parts)


@click.command()
@click.argument("name")
@rule_options
@click.option("--clear", is_flag=True, help="Forget what was said before.")
@with_output
def rules(out: Output, name: str, *, clear: bool, **options: Any) -> None:
    """Say how sure a source is, how long its indicators stay, whether new ones are held.

    Without options it shows what was said. The next build judges by it.
    """
    with hub() as opened:
        before = opened.store.source(name).rules
        now = changed_rules(SourceRules() if clear else before, options)
        if now != before:
            opened.store.set_rules(name, now)
    if now != before:
        out.good(f"{name}: {describe_rules(now) or 'no rules'}; counts from the next build on")
    else:
        out.say(f"{name}: {describe_rules(now) or 'no rules'}")
    out.result({"source": name, "rules": now})
