"""``vedette backup`` and ``vedette restore``: the hub in one file, and back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from vedette.cli.auditing import note
from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment, size
from vedette.config import FILE_NAME, Settings, find_config, load
from vedette.errors import ConfigError, UsageError
from vedette.pipeline.backing_up import back_up
from vedette.pipeline.backup_index import Index
from vedette.pipeline.hub import Hub
from vedette.pipeline.restoring import belongs_to, check
from vedette.pipeline.restoring import restore as put_back


@click.command()
@click.argument("file", type=click.Path())
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=0,
    help="With a directory: so many backups stay there; 0: all.",
)
@with_output
def backup(out: Output, file: str, *, keep: int) -> None:
    """Write a backup of the hub to FILE, or with the time as its name into the directory FILE.

    What ends with / is a directory, and with --keep it is one, too; it is made if it is not there.

    It may run while `vedette run` and `vedette serve` work. In it: the database, the signing keys,
    vedette.toml, the generations that sensors are told or hold, lists and reports that were taken
    in. Not in it: the memory (see `vedette pool export`). Whoever has it is the hub: keep it safe.
    """
    config = find_config(click.get_current_context().find_root().obj)
    with hub() as opened, out.progress("copying"):
        made = back_up(opened, _target(file, keep=keep), config=config, keep=keep)
    out.good(f"wrote {made.path} ({size(made.size)})")
    _say(out, made.index)
    for path in made.removed:
        out.say(f"     removed {path}")
    if made.index.outside:
        out.warn("not in it, because they lie elsewhere; keep copies of them, too:")
        for path in made.index.outside:
            out.say(f"       {path}")
    out.result(made)


def _target(file: str, *, keep: int) -> Path:
    """Return where to write; make the directory if it is meant to be one."""
    target = Path(file)
    if file.endswith("/") or keep:
        try:
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{file} cannot be a directory of backups: {error.strerror or error}",
                hint="Name another one; for a single file leave out --keep and the last /.",
            ) from error
    return target


def _say(out: Output, index: Index) -> None:
    generations = ", ".join(map(str, index.generations)) or "none"
    out.say(f"     made {moment(index.created_at)} on {index.host} by Vedette {index.vedette}")
    out.say(f"     generations: {generations}; last announcement: {index.serial or 'none'}")
    for kind, n in belongs_to(index).items():
        out.say(f"     {kind}: {size(n)}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Put aside what is in the state directory.")
@click.option("--check", "only_check", is_flag=True, help="Only look whether FILE is whole.")
@with_output
def restore(out: Output, file: Path, *, replace: bool, only_check: bool) -> None:
    """Put the backup FILE in the place of a hub that is gone.

    All of it is verified before anything is changed. The state directory is the one that
    vedette.toml names; is there no vedette.toml, --config says where to write that of the backup.
    """
    if only_check:
        with tempfile.TemporaryDirectory(prefix="vedette-") as stage:
            index = check(file, Path(stage))
        out.good(f"{file} is whole")
        _say(out, index)
        out.result(index)
        return
    settings, config = _place(file)
    done = put_back(settings, file, config=config, replace=replace)
    with Hub(settings) as opened, opened.store.guarded():
        of = {"of": done.index.created_at.isoformat(), "serial": done.index.serial}
        note(opened, "restore", str(file.absolute()), {**of, "replace": replace})
    out.good(f"restored {file} into {settings.state_dir}")
    _say(out, done.index)
    if done.config:
        out.say(f"     wrote {done.config}")
    if done.aside:
        out.say(f"     what was there is in {done.aside}")
    out.say("Sensors stay at what they hold until the next build announces what they shall hold.")
    out.say("Next: vedette source pull; vedette bundle build; then start the services")
    out.result(done)


def _place(file: Path) -> tuple[Settings, Path | None]:
    """Return the settings to restore by, and where to write the backup's own, if none are there.

    Raises:
        ConfigError: There are none, and nobody said where to write them.
    """
    given = click.get_current_context().find_root().obj
    if not given or Path(given).exists():
        try:
            return load(find_config(given)), None
        except ConfigError as error:
            if given:
                raise
            raise ConfigError(
                str(error),
                hint=f"Say where to write that of the backup: vedette --config"
                f" /etc/vedette/{FILE_NAME} restore {file}",
            ) from error
    with tempfile.TemporaryDirectory(prefix="vedette-") as stage:
        check(file, Path(stage))
        own = Path(stage) / FILE_NAME
        if not own.exists():
            raise ConfigError(f"{file} holds no {FILE_NAME}", hint="Write one with: vedette init")
        target = Path(given).absolute()
        (target.parent).mkdir(parents=True, exist_ok=True)
        settings = load(own)
    return _moved(settings, target), target


def _moved(settings: Settings, config: Path) -> Settings:
    """Return settings as they mean when their file lies elsewhere."""
    raw = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return Settings(**{**raw, "home": str(config.parent)})
