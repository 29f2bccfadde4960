"""``vedette sensor``: the engines that shall hold what is published."""

from __future__ import annotations

from typing import Any

import click

from vedette.cli import enrol, sensor_doctor, sensor_list, sensor_push, sensor_show
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output
from vedette.cli.sensor_options import place_options, settings_of
from vedette.errors import UsageError
from vedette.pipeline.delivering import sensor_of
from vedette.sensor.settings import Delivery


@click.group()
def sensor() -> None:
    """Add engines, push to them, and prove what they hold."""


for command in (
    sensor_list.list_command,
    sensor_show.show,
    sensor_push.push,
    sensor_push.prove,
    sensor_doctor.doctor,
    enrol.enrol_command,
):
    sensor.add_command(command)


@sensor.command()
@click.argument("name")
@place_options
@with_output
def add(out: Output, name: str, **given: Any) -> None:
    """Add a Suricata on this machine, or one that is reached by ssh.

    One that gets its generations in another way is added by: vedette sensor enrol
    """
    plain = {"eve": "", "context": False, "test_command": []}
    settings = settings_of(given, plain)
    with hub() as opened:
        opened.store.fleet.add_sensor(name, settings)
        entry = sensor_of(opened, name).rules_entry
    out.good(f"added sensor '{name}'")
    out.say("Its suricata.yaml needs this line under rule-files (once):")
    out.say(f"  - {entry}")
    out.say(f"Next: vedette sensor doctor {name}, then vedette sensor push {name}")
    out.result({"name": name, "settings": settings, "rules_entry": entry})


@sensor.command("set")
@click.argument("name")
@place_options
@with_output
def set_command(out: Output, name: str, **given: Any) -> None:
    """Change settings of a sensor; what is not named stays, and so does what is known of it."""
    with hub() as opened:
        before = opened.store.fleet.sensor(name).settings
        settings = settings_of(given, before)
        if given.get("ssh") and Delivery(settings.get("delivery", "local")) is not Delivery.SSH:
            raise UsageError(
                f"sensor '{name}' gets its generations by {settings['delivery']}, not by ssh",
                hint=f"To change that: vedette sensor remove {name}, then vedette sensor add",
            )
        opened.store.fleet.set_sensor(name, settings)
        sensor_of(opened, name)
    changed = sorted(key for key, value in settings.items() if before.get(key) != value)
    if changed:
        out.good(f"sensor '{name}': " + ", ".join(f"{key} {settings[key]}" for key in changed))
    else:
        out.good(f"sensor '{name}' is like that already")
    out.result({"name": name, "settings": settings, "changed": changed})


@sensor.command()
@click.argument("name")
@with_output
def remove(out: Output, name: str) -> None:
    """Forget a sensor; its files and its engine stay as they are."""
    with hub() as opened:
        opened.store.fleet.remove_sensor(name)
    out.good(f"removed sensor '{name}'")
    out.result({"name": name})
