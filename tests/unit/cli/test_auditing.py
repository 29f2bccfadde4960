"""Who ran a command is written before it changes anything, and how it ended when it is over."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from vedette.cli.auditing import origin, who
from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.store import Deed
from vedette.testing.command import Cli


@pytest.fixture(autouse=True)
def begun(cli: Cli, short_path: Path) -> None:
    Hub(load(_written(short_path / "vedette.toml"))).store.close()
    (short_path / "bad.txt").write_text("evil.example\n")


def _written(config: Path) -> Path:
    config.write_text("")
    return config


def trail(place: Path) -> list[Deed]:
    with Hub(load(place / "vedette.toml")) as hub:
        return hub.store.audit.trail()


def test_a_change_is_told_with_who_where_what_and_how_it_ended(cli: Cli, short_path: Path) -> None:
    before = int(time.time())
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    (deed,) = trail(short_path)
    assert (deed.action, deed.subject, deed.ok) == ("source add list", "feed", True)
    assert deed.who == who()
    assert deed.origin.startswith(f"no terminal on {socket.gethostname()}")
    assert before <= deed.at <= time.time()
    assert deed.detail["arguments"]["location"] == str(short_path / "bad.txt")


def test_a_name_that_the_command_found_itself_is_its_subject(cli: Cli, short_path: Path) -> None:
    added = cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--json").json
    assert trail(short_path)[0].subject == added["name"]


def test_what_fails_is_told_with_the_error(cli: Cli, short_path: Path) -> None:
    assert cli("sensor", "remove", "nobody").code == 2
    (deed,) = trail(short_path)
    assert (deed.action, deed.subject, deed.ok) == ("sensor remove", "nobody", False)
    assert deed.detail["error"] == "there is no sensor 'nobody'"
    assert deed.detail["exit_code"] == 2


def test_an_exit_code_of_its_own_is_no_success(cli: Cli, short_path: Path) -> None:
    cli("source", "add", "list", short_path / "gone.txt", "--type", "domain", "--name", "feed")
    assert cli("source", "pull").code == 3
    deed = trail(short_path)[0]
    assert (deed.action, deed.ok, deed.detail["exit_code"]) == ("source pull", False, 3)


def test_init_makes_the_trail_and_is_the_first_in_it(cli: Cli, short_path: Path) -> None:
    assert cli("init", "new").code == 0
    (deed,) = trail(short_path / "new")
    assert (deed.action, deed.subject, deed.ok) == ("init", str(short_path / "new"), True)


def test_reading_and_misspelling_leave_no_trace(cli: Cli, short_path: Path) -> None:
    assert cli("source", "list").code == 0
    assert cli("audit").code == 0
    assert cli("sensor", "remove").code == 2
    assert cli("sensor", "add", "edge", "--sockett", "x").code == 2
    assert trail(short_path) == []


def test_secrets_stay_out_of_the_trail(cli: Cli, short_path: Path) -> None:
    cli("source", "add", "list", "https://ada:hush@192.0.2.1/x?key=hush", "--type", "domain")
    cli("source", "set", "nobody", "header=hush", "url=https://hush@misp.example/")
    kept = [str(deed.detail) + deed.subject for deed in trail(short_path)]
    assert len(kept) == 2
    assert not any("hush" in text for text in kept)
    assert all("***" in text for text in kept)


def test_nothing_is_changed_when_the_trail_cannot_be_written(cli: Cli, short_path: Path) -> None:
    with sqlite3.connect(short_path / "state" / "vedette.db") as broken:
        broken.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'full'); END"
        )
    refused = cli("source", "add", "list", short_path / "bad.txt", "--type", "domain")
    assert refused.code == 5
    assert "who changes something is written down first, and that failed" in refused.err
    assert "Nothing was changed." in refused.err
    assert cli("source", "list", "--json").json == []


def test_what_was_done_stays_done_and_the_gap_is_said(cli: Cli, short_path: Path) -> None:
    with sqlite3.connect(short_path / "state" / "vedette.db") as broken:
        broken.execute(
            "CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.began>0"
            " BEGIN SELECT raise(ABORT, 'full'); END"
        )
    done = cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "a")
    assert done.code == 0
    assert "holds that this began, not how it ended" in done.err
    assert [one["name"] for one in cli("source", "list", "--json").json] == ["a"]
    (deed,) = trail(short_path)
    assert deed.ok is None


def test_a_killed_command_has_begun(short_path: Path, fifo: Path) -> None:
    command = [sys.executable, "-m", "vedette", "pool", "ingest", str(fifo), "--sensor", "edge"]
    with subprocess.Popen(command, cwd=short_path, stderr=subprocess.DEVNULL) as process:
        _until(lambda: trail(short_path))
        process.send_signal(signal.SIGKILL)
    (deed,) = trail(short_path)
    assert (deed.action, deed.ok) == ("pool ingest", None)


@pytest.fixture
def fifo(short_path: Path) -> Path:
    path = short_path / "eve.json"
    os.mkfifo(path)
    return path


def _until(condition: Any, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- who and where from ---------------------------------------------------------------------------


def _in_a_process(*environment: str) -> tuple[str, str]:
    script = "from vedette.cli.auditing import who, origin; print(who()); print(origin())"
    command = ["env", "-u", "SSH_CLIENT", *environment, sys.executable, "-c", script]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    one, other = done.stdout.decode().splitlines()
    return one, other


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is somebody else by sudo")
def test_whoever_became_root_is_named_first() -> None:
    logged_in = Path("/proc/self/loginuid").read_text().strip()
    if logged_in != "4294967295":
        pytest.skip("the kernel knows who logged in here; it has the first word")
    assert _in_a_process("SUDO_USER=ada")[0] == "ada as root"
    assert _in_a_process("-u", "SUDO_USER")[0] == "root"


def test_the_address_of_an_ssh_client_is_told() -> None:
    host = re.escape(socket.gethostname())
    told = _in_a_process("SSH_CLIENT=192.0.2.7 50000 22")[1]
    assert re.fullmatch(rf"no terminal on {host} from 192\.0\.2\.7", told)


def test_sudo_forgets_the_address_and_the_shell_before_it_does_not() -> None:
    script = (
        "env -u SSH_CLIENT "
        + sys.executable
        + (" -c 'from vedette.cli.auditing import origin; print(origin())'; true")
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "SSH_CLIENT": "192.0.2.8 50000 22"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip().endswith("from 192.0.2.8")


def test_a_service_has_no_terminal() -> None:
    assert _in_a_process("INVOCATION_ID=1")[1].startswith("service on ")


def test_a_terminal_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, its = os.openpty()
    try:
        with os.fdopen(os.dup(its)) as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            assert origin().startswith(os.ttyname(its).removeprefix("/dev/"))
    finally:
        os.close(ours)
        os.close(its)


# -- vedette audit --------------------------------------------------------------------------------


def test_audit_shows_the_last_first_and_finds_a_subject(cli: Cli, short_path: Path) -> None:
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    cli("source", "pull", "feed")
    cli("bundle", "build")
    cli("sensor", "remove", "nobody")
    shown = cli("audit", "--people", "--json").json
    assert [(one["what"], one["subject"], one["ok"]) for one in shown] == [
        ("sensor remove", "nobody", False),
        ("bundle build", "", True),
        ("source pull", "feed", True),
        ("source add list", "feed", True),
    ]
    of_feed = cli("audit", "--subject", "feed", "--json").json
    assert [one["what"] for one in of_feed] == ["source pull", "source add list"]
    printed = cli("audit", "--long").out
    assert "failed: there is no sensor 'nobody'" in printed
    assert "kind=domain" in printed


def test_audit_says_when_there_is_nothing(cli: Cli) -> None:
    assert "Nothing was changed yet." in cli("audit").out
    assert cli("audit", "--since", "1h", "--json").json == []


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe", b"\xe9t\xe9.tar", b"a\n2026-11-24 00:00:00Z root", b"a\x1b[2J\x1b]0;x\x07"],
)
def test_no_argument_breaks_the_trail_or_writes_another_line(tmp_path: Path, name: bytes) -> None:
    def run(*words: str | bytes) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "vedette", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)

    assert run("init").returncode == 0
    failed = run("sensor", "remove", name)
    assert failed.returncode == 2
    assert b"Traceback" not in failed.stderr
    trail = run("audit", "--long")
    assert trail.returncode == 0
    assert sum(line.startswith(b"20") for line in trail.stdout.splitlines()) == 2
    assert not set(trail.stdout) & set(range(0x20)) - {0x0A}
