"""``vedette init``."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from vedette.cli.auditing import note
from vedette.cli.common import with_output
from vedette.cli.output import Output
from vedette.config import FILE_NAME, TEMPLATE, find_config, load
from vedette.errors import ConfigError
from vedette.files import write_atomically
from vedette.pipeline.hub import Hub


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=".")
@with_output
def init(out: Output, directory: Path) -> None:
    """Write a commented vedette.toml into DIRECTORY and create its state directory."""
    path = directory / FILE_NAME
    if path.exists():
        raise ConfigError(f"{path} is already there", hint="Edit it, or remove it first.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(path, [TEMPLATE.encode()])
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", hint="Choose a directory you may write to."
        ) from error
    settings = load(path)
    with Hub(settings) as hub, hub.store.guarded():
        note(hub, "init", str(directory.absolute()), {})
    out.good(f"wrote {path}; state in {settings.state_dir}")
    named = "" if _is_found(path) else f"--config {shlex.quote(str(path))} "
    out.say(f"Next: vedette {named}source add misp https://your-misp --key-file FILE")
    out.result({"config": str(path.absolute()), "state": str(settings.state_dir)})


def _is_found(path: Path) -> bool:
    """Whether commands that are given here find this file by themselves."""
    try:
        return find_config(None).samefile(path)
    except ConfigError:
        return False
