"""``vedette backup`` and ``vedette restore``: what they say, what they refuse, and the trail."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.store import StateRecord
from vedette.testing.command import Cli


@pytest.fixture(autouse=True)
def begun(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "bad.txt").write_text("evil.example\n")
    cli("source", "add", "list", short_path / "bad.txt", "--type", "domain", "--name", "feed")
    cli("source", "pull")
    cli("bundle", "build")


def test_a_backup_says_what_is_in_it_and_what_is_not(cli: Cli, short_path: Path) -> None:
    key = short_path / "misp.key"
    key.write_text("x" * 40)
    key.chmod(0o600)
    cli("source", "add", "misp", "https://misp.example", "--key-file", key, "--name", "misp")
    made = cli("backup", "b")
    assert made.code == 0
    assert "wrote b (" in made.out
    assert "generations: 1; last announcement: " in made.out
    assert str(key) in made.out
    assert stat.S_IMODE((short_path / "b").stat().st_mode) == 0o600
    assert cli("restore", "b", "--check").out.startswith("  ok b is whole")


def test_a_state_that_is_there_is_not_replaced_unasked(cli: Cli, short_path: Path) -> None:
    cli("backup", "b")
    cli("source", "remove", "feed")
    refused = cli("restore", "b")
    assert refused.code == 2
    assert "Nothing was changed." in refused.err
    assert cli("source", "list", "--json").json == []
    done = cli("restore", "b", "--replace")
    assert done.code == 0
    assert "what was there is in " in done.out
    assert [one["name"] for one in cli("source", "list", "--json").json] == ["feed"]


def test_a_restore_is_the_last_thing_in_the_trail_of_the_restored(
    cli: Cli, short_path: Path
) -> None:
    cli("backup", "b")
    cli("restore", "b", "--replace")
    with Hub(load(short_path / "vedette.toml")) as hub:
        deeds = hub.store.audit.trail()
        assert hub.store.audit.restored_at() == deeds[0].at
    assert [deed.action for deed in deeds][:2] == ["restore", "backup"]
    assert deeds[0].detail["arguments"]["of"]
    assert deeds[1].ok is None, "the copy was made before the command was over"


def test_a_hub_is_made_where_nothing_was(cli: Cli, short_path: Path) -> None:
    cli("backup", "b")
    config = short_path / "new" / "vedette.toml"
    done = cli("--config", config, "restore", "b")
    assert done.code == 0
    assert f"wrote {config}" in done.out
    listed = cli("--config", config, "source", "list", "--json").json
    assert [one["name"] for one in listed] == ["feed"]
    assert (short_path / "new" / "state" / "vedette.db").exists()


def test_without_a_configuration_it_says_how_to_go_on(
    cli: Cli, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("backup", "b")
    (short_path / "empty").mkdir()
    monkeypatch.chdir(short_path / "empty")
    refused = cli("restore", "../b")
    assert refused.code == 2
    assert "vedette --config /etc/vedette/vedette.toml restore ../b" in refused.err


def test_a_damaged_backup_exits_as_a_store_that_cannot_be_read(cli: Cli, short_path: Path) -> None:
    cli("backup", "b")
    data = (short_path / "b").read_bytes()
    (short_path / "b").write_bytes(data[: len(data) // 2])
    for arguments in (("--check",), ("--replace",)):
        refused = cli("restore", "b", *arguments)
        assert refused.code == 5
        assert "is no whole backup" in refused.err
    assert cli("source", "list", "--json").json


def test_sensors_that_are_ahead_of_a_restored_hub_are_named(cli: Cli, short_path: Path) -> None:
    with Hub(load(short_path / "vedette.toml")) as hub:
        hub.store.fleet.add_sensor("edge", {"delivery": "agent"})
        newest = hub.store.announcements.last()
        assert newest is not None
        for serial, said in ((newest.serial, False), (newest.serial + 1, True)):
            record = StateRecord(sensor="edge", at=1, state="proved", serial=serial, report=b"{}")
            hub.store.reports.save(record)
            shown = cli("sensor", "list").out
            assert ("edge accepted a later announcement than this hub ever made" in shown) is said


def test_a_file_that_is_not_there_is_named(cli: Cli) -> None:
    for arguments in (("--check",), ("--replace",)):
        refused = cli("restore", "gone", *arguments)
        assert refused.code == 5
        assert "cannot restore gone: No such file or directory (gone)" in refused.err
    assert cli("source", "list", "--json").json


def test_it_is_made_while_run_and_serve_work_and_restored_only_without_them(
    cli: Cli, short_path: Path
) -> None:
    (short_path / "vedette.toml").write_text(
        '[serve]\nlisten = "127.0.0.1:0"\nmetrics = "open"\n[pool]\nenabled = false\n'
    )
    working = []
    for name in ("run", "serve"):
        with (short_path / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "vedette", name]
            working.append(subprocess.Popen(command, cwd=short_path, stderr=log))
    try:
        for name in ("run", "serve"):
            _until(lambda log=short_path / f"{name}.log": b"started" in log.read_bytes())
        address = re.search(r"address=.*?(http://[0-9.:]+)", (short_path / "serve.log").read_text())
        assert address is not None
        assert httpx2.get(f"{address[1]}/metrics").status_code == 200
        assert cli("backup", "b").code == 0
        refused = cli("restore", "b", "--replace")
        assert refused.code == 6
        working[0].terminate()
        assert working[0].wait(30) == 0
        refused = cli("restore", "b", "--replace")
        assert (refused.code, f"process {working[1].pid} has" in refused.err) == (6, True)
    finally:
        for process in working:
            process.terminate()
            process.wait(30)
    assert cli("restore", "b", "--replace").code == 0
    assert [one["name"] for one in cli("source", "list", "--json").json] == ["feed"]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_meant_as_a_directory_becomes_one(cli: Cli, short_path: Path) -> None:
    assert cli("backup", f"{short_path}/all/").code == 0
    assert cli("backup", short_path / "kept", "--keep", 2).code == 0
    for name in ("all", "kept"):
        (made,) = (short_path / name).iterdir()
        assert cli("restore", made, "--check").code == 0
        assert stat.S_IMODE((short_path / name).stat().st_mode) == 0o700
    (short_path / "file").write_bytes(b"")
    refused = cli("backup", short_path / "file", "--keep", 2)
    assert (refused.code, "cannot be a directory of backups" in refused.err) == (2, True)
