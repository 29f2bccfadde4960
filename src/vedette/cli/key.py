"""``vedette key``: the hub's signing key, which every agent is given once."""

from __future__ import annotations

from pathlib import Path

import click

from vedette.cli.common import hub, with_output
from vedette.cli.output import Output, moment
from vedette.errors import TrustError, UsageError
from vedette.files import write_atomically
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import key_changes, public_key, rotate, signing_key
from vedette.trust.keys import PublicKey


@click.group()
def key() -> None:
    """Show and replace the key that signs what sensors are told."""


@key.command()
@with_output
def show(out: Output) -> None:
    """Print the public key that agents are given, and the keys before it."""
    with hub() as opened:
        trouble = _trouble(opened)
        current = public_key(opened)
        changes = [change.read() for change in key_changes(opened)]
    if current is None:
        raise trouble or TrustError("there is no key yet")
    out.say(current.text, style="bold")
    out.say(f"  id {current.id}, in force since {moment(changes[-1].at)}: {changes[-1].why}")
    out.table(
        ("number", "since", "key", "why"),
        [(one.number, moment(one.at), PublicKey(one.add).id, one.why) for one in changes],
    )
    if trouble:
        out.bad(str(trouble))
        out.say(f"       {trouble.hint}")
    out.result({"key": current.text, "id": current.id, "usable": not trouble, "changes": changes})
    if trouble:
        click.get_current_context().exit(trouble.exit_code)


def _trouble(opened: Hub) -> TrustError | None:
    """Make the first key if there is none; return why there is none to sign with."""
    try:
        signing_key(opened)
    except TrustError as error:
        return error
    return None


@key.command("rotate")
@click.option("--lost", is_flag=True, help="The old key is gone, or somebody else has it.")
@click.option("--why", default="", metavar="TEXT", help="Is kept with the change.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def rotate_command(out: Output, *, lost: bool, why: str, yes: bool) -> None:
    """Replace the signing key; agents follow by themselves, also those that were away.

    With --lost nothing leads from the old key to the new one: every agent must be given it.
    """
    if lost and not yes:
        if out.as_json:
            raise UsageError("--lost with --json needs --yes, too")
        click.confirm(
            "Every agent will refuse this hub until it is given the new key. Go on?",
            abort=True,
            err=True,
        )
    with hub() as opened:
        made = rotate(opened, lost=lost, why=why)
        number = len(key_changes(opened))
    out.good(f"the key in force is {made.public.id}")
    out.say(made.public.text, style="bold")
    if lost:
        out.warn("no agent believes it yet; each must be given it: vedette agent --key RW...")
    else:
        out.say("Agents follow by themselves. New ones, and `bundle import`, are given this key.")
    out.result({"key": made.public.text, "id": made.public.id, "number": number, "lost": lost})


@key.command("export")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@with_output
def export(out: Output, path: Path) -> None:
    """Write the public key into a file, as `minisign -V -p FILE` reads it."""
    with hub() as opened:
        public = signing_key(opened).public
    try:
        write_atomically(path, [public.file_text.encode()])
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    out.good(f"the public key {public.id} is in {path}")
    out.result({"key": public.text, "id": public.id, "path": str(path)})
