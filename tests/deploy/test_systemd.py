"""The units are what systemd takes, and keep Vedette away from everything that it does not need."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from vedette.cli import vedette
from vedette.cli.audited import commands

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy/systemd"
PAGE = ROOT / "docs/how-to/run-as-a-service.md"
SERVICES = sorted(UNITS.glob("*.service"))

EXPOSURE = {
    "vedette-agent.service": 1.3,
    "vedette-backup.service": 0.2,
    "vedette-run.service": 1.4,
    "vedette-serve.service": 1.1,
}
"""What ``systemd-analyze security`` says at most, of 10."""


class Unit(configparser.RawConfigParser):
    """A unit file; a key that comes again is a list in systemd, here the last one stays."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))
        self.read(path, encoding="utf-8")

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


def test_these_are_the_units() -> None:
    assert [path.name for path in SERVICES] == sorted(EXPOSURE)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_the_exposure_is_what_the_page_says(path: Path) -> None:
    command = [tool("systemd-analyze"), "security", "--offline=true", "--no-pager", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert match is not None, done.stdout + done.stderr
    assert float(match[1]) <= EXPOSURE[path.name]
    page = PAGE.read_text(encoding="utf-8")
    assert f"| `{path.name}` | {EXPOSURE[path.name]} |" in page


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_unit_without_its_fences_is_told_apart(path: Path, tmp_path: Path) -> None:
    bare = tmp_path / path.name
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not re.match(r"(Protect|Private|Restrict|System)", line)]
    bare.write_text("\n".join(kept))
    limit = str(int(EXPOSURE[path.name] * 10))
    command = [tool("systemd-analyze"), "security", "--offline=true", f"--threshold={limit}"]
    assert subprocess.run([*command, str(path)], check=False, capture_output=True).returncode == 0
    assert subprocess.run([*command, str(bare)], check=False, capture_output=True).returncode != 0


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    program = tmp_path / "vedette"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copies = []
    for path in (*SERVICES, *UNITS.glob("*.timer")):
        copy = tmp_path / path.name
        text = path.read_text(encoding="utf-8").replace("/opt/vedette/bin/vedette", str(program))
        copy.write_text(text)
        copies.append(str(copy))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", *copies],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "vedette" in line]
    assert complaints == []


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_what_is_started_is_a_command_with_options_that_it_has(path: Path) -> None:
    words = Unit(path)["Service"]["ExecStart"].split()[1:]
    known = dict(commands(vedette, ""))
    if words[0] == "--config":
        words = words[2:]
    command = known[words[0]]
    options = {name for parameter in command.params for name in parameter.opts}
    given = [word for word in words[1:] if word.startswith("--")]
    assert set(given) <= options
    assert isinstance(command, click.Command)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_nobody_is_root_and_nothing_can_become_it(path: Path) -> None:
    service = Unit(path)["Service"]
    assert service["User"].startswith("vedette")
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"


def test_the_agent_is_in_the_group_of_the_socket_and_the_hub_is_not() -> None:
    groups = {path.name: Unit(path)["Service"].get("SupplementaryGroups") for path in SERVICES}
    assert [name for name, group in groups.items() if group] == ["vedette-agent.service"]
    assert groups["vedette-agent.service"] == "suricata"


def test_users_and_directories_are_made_as_the_units_want_them(tmp_path: Path) -> None:
    for name, program in (("sysusers", "systemd-sysusers"), ("tmpfiles", "systemd-tmpfiles")):
        for path in UNITS.glob(f"*.{name}"):
            root = tmp_path / path.name
            (root / "etc").mkdir(parents=True)
            (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nvedette:x:901:901::/:/x\n")
            with (root / "etc/passwd").open("a") as passwd:
                passwd.write("vedette-agent:x:902:902::/:/x\n")
            (root / "etc/group").write_text("root:x:0:\nvedette:x:901:\nvedette-agent:x:902:\n")
            arguments = ["--create"] if name == "tmpfiles" else ["--dry-run"]
            if name == "sysusers" and "--dry-run" not in _help(tool(program)):
                arguments = []
            done = subprocess.run(
                [tool(program), f"--root={root}", *arguments, str(path)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "ignoring" not in done.stderr.lower()


def _help(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout


MDWE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(77)
os.execv(sys.executable, [sys.executable, "-m", "vedette", *sys.argv[1:]])
"""


@pytest.mark.parametrize("arguments", [["serve", "--help"], ["agent", "--help"]])
def test_the_programs_start_where_no_memory_is_both_written_and_run(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MDWE, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.returncode == 0, done.stderr
