"""``vedette demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vedette.cli.common import with_output
from vedette.cli.hit import show_hits
from vedette.cli.output import Output
from vedette.model import Outcome

if TYPE_CHECKING:
    from vedette.demo import Story


@click.command()
@click.option("--engine", default="", type=click.Choice(["", "7", "8"]), help="Suricata series.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Work here and keep everything, to look at it afterwards.",
)
@click.option("--fleet", is_flag=True, help="Show a fleet that is proved instead.")
@with_output
def demo(out: Output, engine: str, directory: Path | None, *, fleet: bool) -> None:
    """Run the main job here: a MISP, a real Suricata, alerts that know their context."""
    if fleet:
        _show_fleet(out, directory)
        return
    from vedette.demo import tell  # noqa: PLC0415 - its servers are nobody else's

    story = tell(directory, engine, lambda text: out.say(f"... {text}"))
    _show(out, story)
    out.result(story)


def _show_fleet(out: Output, directory: Path | None) -> None:
    from vedette.demo.fleet import Step, tell_fleet  # noqa: PLC0415

    def show(step: Step) -> None:
        out.good(f"{step.title}: {step.seconds} s")
        for name, said in step.proofs.items():
            out.say(f"       {name}: {said}")

    story = tell_fleet(directory, lambda text: out.say(f"... {text}"), show)
    out.say("")
    show_hits(out, story.hits)
    out.say("")
    out.good(f"a fleet of {len(story.steps[0].proofs)}, proved at every step: {story.seconds} s")
    out.result(story)


def _show(out: Output, story: Story) -> None:
    from vedette.demo import count_of  # noqa: PLC0415

    indicators, types = count_of(story.manifest)
    rules = story.manifest.rules_for(story.pushed.proof.target)
    proof = story.pushed.proof
    rejected = sum(sum(pull.rejected.values()) for pull in story.pulls)
    out.say("")
    show_hits(out, story.hits)
    if story.past:
        out.say("")
        out.say("And what was reported too late for an alert, from the memory:", style="bold")
        show_hits(out, story.past.hits)
    _show_kept_off(out, story)
    out.say("")
    out.say(f"What happened, in {story.seconds} s:", style="bold")
    for pull in story.pulls:
        out.good(
            f"pulled {pull.source}: {pull.entries:,} entries from"
            f" {pull.groups.get('fetched', 0):,} MISP events"
        )
    out.good(
        f"{indicators:,} indicators of {types} types; {rejected:,} rejected and"
        f" {_kept_off(story):,} kept off the sensors, each with its reason"
    )
    out.good(
        f"compiled to {len(rules.sets)} datasets and {len(rules.rules)} rules: one per buffer,"
        " not one per indicator"
    )
    out.good(
        f"pushed to a running Suricata {story.engine}: {story.pushed.how}, in force and"
        f" proved {story.pushed.live_s:.1f} s later"
    )
    out.good(f"proof: {len(proof.checks)} questions to the engine, all answered as they must be")
    events = {(c["source"], c["info"]) for hit in story.hits for c in hit.contexts}
    out.good(
        f"an infected client was seen: {len(story.hits)} hits of {len(events)} MISP events,"
        " with tags and TLP"
    )
    if story.past:
        out.good(
            f"{story.past.values:,} values of {story.past.events:,} events are remembered; the"
            " domain of a later report was hunted in them:"
            f" {len(story.past.hits)} retro hit{'s' * (len(story.past.hits) != 1)}"
        )
    else:
        out.warn('no memory here: install the extra with pip install "vedette[hub]"')
    for told in story.told:
        out.good(
            f"MISP has {told.sightings} sighting{'s' * (told.sightings != 1)} from {told.source}"
            f" ({told.organisation}) in '{told.info}'"
        )
    out.say("")
    out.say("Next, with your own MISP:", style="bold")
    out.say("  vedette init && vedette source add misp https://your-misp --key-file FILE")
    out.say(
        "  vedette sensor add NAME --socket /run/suricata-command.socket --rules"
        " /var/lib/vedette/rules --eve /var/log/suricata/eve.json"
    )
    out.say("  vedette sensor doctor NAME; vedette run")


def _kept_off(story: Story) -> int:
    return sum(one.indicators for one in story.withheld if one.outcome is not Outcome.EXACT)


def _show_kept_off(out: Output, story: Story) -> None:
    if not story.withheld:
        return
    out.say("")
    out.say("Listed, and kept off the sensors or narrowed by the guard:", style="bold")
    for one in story.kept_off:
        out.say(f"  {one.value}  {one.type}: {one.reason}")
    tests = ", ".join(f"{one.indicators:,} {one.outcome}: {one.test}" for one in story.withheld)
    out.say(f"  of all sources: {tests}")
