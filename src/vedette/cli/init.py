"""``vedette init``."""

from __future__ import annotations

from pathlib import Path

import click

from vedette.cli.common import with_output
from vedette.cli.output import Output
from vedette.config import FILE_NAME, TEMPLATE, load
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
    Hub(settings).store.close()
    out.good(f"wrote {path}; state in {settings.state_dir}")
    out.say("Next: vedette source add misp https://your-misp --key-file FILE")
    out.result({"config": str(path.absolute()), "state": str(settings.state_dir)})
