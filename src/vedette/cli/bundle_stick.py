"""``vedette bundle export`` and ``import``: generations for machines that no network reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vedette.agent.settings import AgentSettings, load
from vedette.agent.stick import Brought, bring
from vedette.cli.agent_status import how_text
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, size
from vedette.pipeline.carrying import export_wanted
from vedette.sensor.settings import Delivery

_RED = 9
_PATHS = ("socket", "rules")


@click.command("export")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--sensor", default="", metavar="NAME", help="What this sensor is told; else all.")
@click.option(
    "--profile", "profiles", multiple=True, help="Only for this kind of engine; can be given again."
)
@with_output
def export(out: Output, path: Path, sensor: str, profiles: tuple[str, ...]) -> None:
    """Write the generation in force, signed, into one file for a stick."""
    with hub() as opened:
        carried = export_wanted(opened, path, sensor=sensor, profiles=profiles)
    index = carried.index
    out.good(
        f"generation {index.generation} (announcement {index.serial}) for"
        f" {', '.join(index.targets)}: {path}, {size(carried.size)}"
    )
    out.say(f"Next, beside the engine: vedette bundle import {path.name} --key {carried.key}")
    out.say("     The key is needed once. Carry it another way than the file: compare it by eye.")
    out.result(
        {
            "path": str(path),
            "bytes": carried.size,
            "generation": index.generation,
            "content_id": index.content_id,
            "serial": index.serial,
            "profiles": index.targets,
            "key": carried.key,
        }
    )


@click.command("import")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="agent.toml of the sensor (default: /etc/vedette/agent.toml, if it is there).",
)
@click.option("--name", metavar="NAME", help="What the sensor is called (default: the host's name)")
@click.option("--socket", metavar="PATH", help="unix-command.filename of its suricata.yaml.")
@click.option("--rules", metavar="DIR", help="Vedette's rules directory on it.")
@click.option("--state", metavar="DIR", help="Where it is kept what is trusted and was accepted.")
@click.option("--key", default="", metavar="RW...", help="The hub's public key; needed once.")
@click.option("--older", is_flag=True, help="Take it although a newer one was accepted before.")
@with_output
def import_command(
    out: Output, path: Path, *, config: Path | None, key: str, older: bool, **given: str | None
) -> None:
    """Check what `bundle export` wrote, bring it into force on the engine here, and prove it.

    Everything is checked before anything changes: the signatures, every byte, and that it is not
    older than what was accepted before.
    """
    brought = bring(_settings(config, given), path, key=key, older=older)
    _show(out, brought)
    out.result(brought)
    if not brought.pushed.proof.ok:
        click.get_current_context().exit(_RED)


def _settings(config: Path | None, given: dict[str, str | None]) -> AgentSettings:
    """Read the file and the options; without a file, the state is beside the rules."""
    sensor = {"name": given["name"]} if given["name"] else {}
    sensor |= {key: str(Path(text).absolute()) for key in _PATHS if (text := given[key])}
    settings: dict[str, Any] = {"sensor": sensor} if sensor else {}
    if given["state"]:
        settings["state"] = given["state"]
    elif config is None and given["rules"]:
        settings["state"] = f"{sensor['rules']}.trust"
    if config is None and sensor:
        settings["delivery"] = Delivery.STICK.value
    return load(config, settings)


def _show(out: Output, brought: Brought) -> None:
    pushed = brought.pushed
    proof = pushed.proof
    total = len(proof.checks)
    line = (
        f"{pushed.sensor}: Suricata {proof.engine} holds generation {brought.generation}:"
        f" {total - len(proof.failed)} of {total} checks; it {how_text(pushed.how)},"
        f" in {pushed.install_s + pushed.live_s:.2f} s"
    )
    if proof.ok:
        out.good(line)
    else:
        out.bad(line.replace(" holds ", " does NOT hold "))
    for check in proof.failed:
        out.bad(f"  {check.name}: {check.expected}; got: {check.got}")
    out.say(f"  announcement {brought.serial}, signed by the key {brought.key}")
