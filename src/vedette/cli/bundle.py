"""``vedette bundle``: compile, look at, compare and switch generations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from vedette.bundle.generation import Generation, history, open_generation, verify
from vedette.cli import bundle_rollback, bundle_stick
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment, size
from vedette.cli.rollout_lines import show_news
from vedette.errors import BundleError
from vedette.model import Outcome
from vedette.pipeline.building import build, shrunk_from
from vedette.pipeline.comparing import compare
from vedette.pipeline.figures import Asker
from vedette.pipeline.rolling import Overview, overview
from vedette.ruleset.manifest import Manifest
from vedette.store.inbox import TestCount


@click.group()
def bundle() -> None:
    """Build, show and compare generations."""


bundle.add_command(bundle_stick.export)
bundle.add_command(bundle_stick.import_command)
bundle.add_command(bundle_rollback.rollback_command)


@bundle.command("build")
@click.option("--whole", is_flag=True, help="Read all indicators, not only the changes.")
@click.option("--accept", is_flag=True, help="Publish even if most is missing.")
@with_output
def build_command(out: Output, *, whole: bool, accept: bool) -> None:
    """Compile the indicators in force and publish them, if anything changed."""
    with hub() as opened, out.progress("building"):
        result = build(opened, whole=whole, accept=accept, asker=Asker(may_open=True))
        current = open_generation(opened.settings.bundles)
        manifest = result.manifest
        before = shrunk_from(opened, manifest) if result.created else 0
        tests = opened.store.inbox.tests() if before else []
        told = overview(opened)
    if result.created:
        out.good(f"published generation {manifest.generation}")
    else:
        out.good(f"nothing changed: generation {manifest.generation} stays")
    if current and current.number != manifest.generation:
        out.warn(
            f"generation {current.number} is current by a roll back;"
            f" to end it: vedette bundle rollback {manifest.generation}"
        )
    _show_counts(out, manifest)
    if before:
        _warn_of_loss(out, manifest, before, tests)
    _show_next(out, told)
    out.result({"created": result.created, "manifest": manifest})


def _show_next(out: Output, told: Overview | None) -> None:
    """Say who is told what was built."""
    if told is not None and (told.rollout.is_held or told.rollout.state == "canary"):
        show_news(out, told)
    out.say("Next: vedette sensor push")


def _warn_of_loss(out: Output, manifest: Manifest, before: int, tests: Sequence[TestCount]) -> None:
    left = sum(manifest.counts.values())
    out.warn(f"{left:,} indicators are left of the {before:,} of generation {manifest.parent}")
    withheld = [one for one in tests if one.outcome is not Outcome.EXACT][:3]
    if withheld:
        why = ", ".join(f"{one.test} {one.indicators:,}" for one in withheld)
        out.say(f"     The guard withholds: {why}. See: vedette indicator list --summary")
    out.say(f"     If that is wrong: vedette bundle rollback {manifest.parent}")


def _show_counts(out: Output, manifest: Manifest) -> None:
    total = sum(manifest.counts.values())
    out.say(
        f"  {total:,} indicators: " + ", ".join(f"{n:,} {k}" for k, n in manifest.counts.items())
    )
    if manifest.pruned:
        pruned = ", ".join(f"{n:,} {kind}" for kind, n in manifest.pruned.items())
        out.say(f"  covered by a listed name above them, so not written twice: {pruned}")
    for reason, n in manifest.unmatched.items():
        out.warn(f"{n:,} not matched: {reason}")
    for rules in manifest.rules:
        out.say(f"  Suricata {rules.profile}: {len(rules.rules)} rules, {len(rules.sets)} datasets")


@bundle.command()
@click.argument("generation", type=int, required=False)
@click.option("--rules", "profile", metavar="PROFILE", help="Print the rules of a profile.")
@with_output
def show(out: Output, generation: int | None, profile: str | None) -> None:
    """Show a generation (default: the current one): datasets, sizes, rules, sources."""
    with hub() as opened:
        root = opened.settings.bundles
        found = open_generation(root, generation)
        others = [(other.number, _built(other)) for other in history(root)]
    if found is None:
        raise BundleError("nothing is published yet", hint="Run: vedette bundle build")
    manifest = found.manifest
    if profile:
        text = (found.path / manifest.rules_for(profile).file).read_text(encoding="utf-8")
        for line in text.splitlines():
            out.say(line)
        out.result({"generation": manifest.generation, "profile": profile, "rules": text})
        return
    parent = manifest.parent or "none"
    out.say(
        f"generation {manifest.generation}, built {moment(manifest.created_at)},"
        f" parent {parent}, content {manifest.content_id[:12]}",
        style="bold",
    )
    _show_counts(out, manifest)
    out.table(
        ("dataset", "type", "entries", "memcap", "hashsize", "file"),
        [
            (
                info.name,
                info.type,
                info.entries,
                size(info.memcap_bytes) if info.hashsize else "-",
                info.hashsize or "-",
                info.file,
            )
            for info in manifest.sets
        ],
    )
    out.say("On disk: " + ", ".join(f"{number} ({when})" for number, when in others))
    out.result({"manifest": manifest, "path": str(found.path), "on_disk": [n for n, _ in others]})


def _built(generation: Generation) -> str:
    try:
        return moment(generation.manifest.created_at)
    except BundleError:
        return "damaged"


@bundle.command()
@click.argument("a", type=int)
@click.argument("b", type=int)
@click.option("--limit", default=50, show_default=True, help="Name at most so many each way.")
@with_output
def diff(out: Output, a: int, b: int, limit: int) -> None:
    """Name the indicators that generation B has and A has not, and the other way, with why."""
    with hub() as opened:
        found = compare(opened, a, b)
    for sign, changes in (("+", found.added), ("-", found.removed)):
        out.say(f"{sign}{len(changes):,}", style="bold")
        rows = [
            (sign, change.key.type.value, change.key.value, change.source or "-", change.reason)
            for change in changes[:limit]
        ]
        if rows:
            out.table(("", "type", "indicator", "source", "why"), rows)
        if len(changes) > limit:
            out.say(f"  ... and {len(changes) - limit:,} more (--limit)")
    document: dict[str, Any] = {"from": a, "to": b}
    for name, changes in (("added", found.added), ("removed", found.removed)):
        document[name] = [
            {
                "type": change.key.type.value,
                "value": change.key.value,
                "source": change.source,
                "reason": change.reason,
            }
            for change in changes
        ]
    out.result(document)


@bundle.command("verify")
@click.argument("generation", type=int, required=False)
@with_output
def verify_command(out: Output, generation: int | None) -> None:
    """Check every file of a generation against its manifest."""
    with hub() as opened:
        found = open_generation(opened.settings.bundles, generation)
    if found is None:
        raise BundleError("nothing is published yet", hint="Run: vedette bundle build")
    manifest = verify(found.path)
    files = len(manifest.sets) + len(manifest.rules)
    out.good(f"generation {manifest.generation}: all {files} files are what was published")
    out.result({"generation": manifest.generation, "files": files})
