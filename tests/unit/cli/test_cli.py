"""The command line as a whole: configuration, errors, exit codes, ``--json`` everywhere."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vedette import __version__
from vedette.cli import EXIT_CODES, vedette
from vedette.cli.output import printable
from vedette.errors import VedetteError
from vedette.testing.command import Cli


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.parametrize(("name", "command"), list(commands(vedette)))
def test_every_command_can_answer_in_json_and_says_what_it_does(
    name: str, command: click.Command
) -> None:
    assert "as_json" in {option.name for option in command.params}
    assert command.help, name


def test_every_error_has_its_exit_code_documented(cli: Cli) -> None:
    classes = [VedetteError, *VedetteError.__subclasses__()]
    shown = cli("--help").out
    for error in classes:
        assert error.exit_code in EXIT_CODES
        assert f"  {error.exit_code}  {EXIT_CODES[error.exit_code]}" in shown


def test_init_writes_a_commented_file_once(cli: Cli, short_path: Path) -> None:
    first = cli("init")
    assert first.code == 0
    text = (short_path / "vedette.toml").read_text()
    assert "# delta_max = 20_000" in text
    assert (short_path / "state/vedette.db").exists()
    second = cli("init")
    assert second.code == 2
    assert "already there" in second.err
    assert (short_path / "vedette.toml").read_text() == text


def test_what_to_do_next_works_from_where_init_was_called(cli: Cli) -> None:
    here, there = cli("init", "sub dir"), cli("init")
    assert "vedette --config 'sub dir/vedette.toml' source add" in here.out
    assert "vedette source add" in there.out
    assert cli("--config", "sub dir/vedette.toml", "source", "list").code == 0


def test_without_a_configuration_the_way_out_is_shown(cli: Cli) -> None:
    lost = cli("source", "list")
    assert lost.code == 2
    assert "vedette init" in lost.err


def test_an_error_is_a_json_document_too(cli: Cli) -> None:
    lost = cli("source", "list", "--json")
    document = json.loads(lost.out)
    assert (document["exit_code"], lost.code) == (2, 2)
    assert "vedette init" in document["hint"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("state = ", "not TOML"),
        ("colour = 'red'", "colour"),
        ("[bundle]\nkeep = 0", "keep"),
        ("[bundle]\nprofiles = ['6.0']", "6.0"),
        ("[bundle]\nprefix = 'a b'", "prefix"),
        ("[run]\ninterval = 'often'", "no duration"),
        ("home = '/'", "home"),
    ],
)
def test_a_configuration_that_means_nothing_names_the_place(
    cli: Cli, short_path: Path, text: str, says: str
) -> None:
    (short_path / "vedette.toml").write_text(text + "\n")
    refused = cli("source", "list")
    assert refused.code == 2
    assert says in refused.err


def test_the_template_is_the_default(cli: Cli, short_path: Path) -> None:
    from vedette.config import Settings, load  # noqa: PLC0415

    cli("init")
    text = (short_path / "vedette.toml").read_text()
    uncommented = "\n".join(
        line.removeprefix("# ") if line[:3] not in ("#  ", "") and " = " in line else line
        for line in text.splitlines()
    )
    (short_path / "all.toml").write_text(uncommented)
    found = load(short_path / "all.toml")
    assert found == Settings(home=str(short_path))


def test_an_unwritable_state_directory_is_said(cli: Cli, short_path: Path) -> None:
    (short_path / "vedette.toml").write_text('state = "file/state"\n')
    (short_path / "file").write_text("in the way")
    refused = cli("source", "list")
    assert refused.code == 5
    assert "state directory" in refused.err


@pytest.mark.parametrize(
    "arguments", [("source", "list"), ("coverage",), ("hit", "list"), ("bundle", "build")]
)
def test_a_damaged_database_is_said_without_a_traceback(
    cli: Cli, short_path: Path, arguments: tuple[str, ...]
) -> None:
    cli("init")
    with sqlite3.connect(short_path / "state/vedette.db") as database:
        for table in ("source", "entry", "hit", "type_count"):
            database.execute(f"DROP TABLE {table}")
    refused = cli(*arguments)
    assert refused.code == 5
    assert "no such table" in refused.err


def test_the_version_is_shown(cli: Cli) -> None:
    assert __version__ in cli("--version").out


def test_text_from_outside_cannot_steer_a_terminal() -> None:
    assert printable("a\x1b[2Jb\u202ec\nok") == "a\\x1b[2Jb\\u202ec\\x0aok"


def test_a_feed_can_neither_steer_a_terminal_nor_write_lines_of_its_own(
    cli: Cli, short_path: Path
) -> None:
    feed = short_path / "feed"
    feed.mkdir()
    value = "a\x1b[2J\n  ok all is well"
    event = {"info": "x", "Attribute": [{"type": "domain", "value": value, "to_ids": True}]}
    (feed / "a\x1b[31mb.json").write_text("{")
    (feed / "c.json").write_text(json.dumps({"Event": event}))
    cli("init")
    cli("source", "add", "misp-feed", str(feed))
    pulled = cli("source", "pull")
    shown = cli("source", "show", "feed")
    assert "1 rejected" in pulled.out
    assert r"a\x1b[2J\x0a  ok all is well" in shown.out
    assert r"a\x1b[31mb.json" in pulled.err
    assert "\x1b" not in pulled.out + pulled.err + shown.out + shown.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("source", "add", "list", "x", "--type", "nonsense"),
        ("sensor", "push", "--colour"),
        ("source", "show"),
        ("nonsense",),
    ],
)
def test_arguments_that_mean_nothing_are_a_json_document_too(
    cli: Cli, arguments: tuple[str, ...]
) -> None:
    refused = cli(*arguments, "--json")
    assert (refused.code, refused.json["exit_code"]) == (2, 2)
    assert refused.json["error"]
    assert "--help" in refused.json["hint"]


def test_coverage_needs_no_configuration(cli: Cli) -> None:
    rows = cli("coverage", "--json").json["table"]
    domains = [row for row in rows if row["type"] == "domain"]
    assert {"dns.query", "http.host", "tls.sni", "quic.sni"} <= {row["buffer"] for row in domains}
    mail = next(row for row in rows if row["buffer"] == "smtp.mail_from")
    assert mail["support"] == {"7.0": "in EVE", "8.0": "yes", "8.0.7": "yes"}


def test_the_command_line_imports_a_command_only_when_it_is_asked_for() -> None:
    script = "import sys, vedette.cli; print(*(m for m in sys.modules if m.startswith('vedette')))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == [
        "vedette",
        "vedette.cli.audited",
        "vedette.errors",
        "vedette.cli.output",
        "vedette.cli",
    ]


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_nobody_else_writes_what_sensors_load_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    (tmp_path / "domains.txt").write_text("evil.example\n")
    (tmp_path / "domains.txt").chmod(0o600)
    tmp_path.chmod(0o700)
    for line in (
        "init",
        "source add list domains.txt --name domains --type domain --format lines",
        "source pull",
        "bundle build",
        "key show",
        "sensor enrol gate --delivery agent",
        "backup b.vedette",
    ):
        done = subprocess.run(
            [sys.executable, "-m", "vedette", *line.split()],
            cwd=tmp_path,
            umask=mask,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
    modes = {path: path.lstat().st_mode for path in tmp_path.rglob("*") if not path.is_symlink()}
    assert not {path: oct(mode) for path, mode in modes.items() if mode & 0o022}
    secrets = [*tmp_path.glob("state/keys/*.key"), tmp_path / "b.vedette"]
    assert len(secrets) == 2
    assert {oct(modes[path] & 0o777) for path in secrets} == {"0o600"}
    assert not modes[tmp_path / "state/vedette.db"] & 0o007
    assert modes[tmp_path / "state/keys"] & 0o777 == 0o700


def test_a_log_says_what_failed_and_not_what_the_variables_held() -> None:
    """Keys and tokens are among them; and what others sent, with escapes of terminals."""
    program = (
        "import structlog\n"
        "from vedette.cli import _log_to_stderr\n"
        "_log_to_stderr(2)\n"
        "def ask(key):\n"
        "    raise ValueError('no\\x1b[2J')\n"
        "try:\n"
        "    ask('vdt_0_' + 'secret')\n"
        "except ValueError:\n"
        "    structlog.get_logger().exception('asked')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "ValueError: no\\x1b[2J" in done.stderr
    assert "secret" not in done.stderr
    assert "\x1b[2J" not in done.stderr
