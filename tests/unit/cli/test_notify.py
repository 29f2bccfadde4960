"""``vedette notify``: a test message to a real webhook, and how delivery stands."""

from __future__ import annotations

import json
from pathlib import Path

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.pipeline.notifying import notify
from vedette.testing.command import Cli
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Response
from vedette.testing.told import listed, met

SECRET = "T0kenThatNobodyMaySee"


def write(home: Path, *targets: str) -> None:
    (home / "targets").write_text("\n".join(targets) + "\n")
    (home / "targets").chmod(0o600)
    (home / "vedette.toml").write_text('[notify]\ntargets_file = "targets"\n')


def test_each_target_is_tested_and_the_one_that_fails_is_named(cli: Cli, short_path: Path) -> None:
    with LoopbackServer(lambda _: Response(200)) as hook:
        good = hook.url.replace("http", "json", 1)
        write(short_path, f"{good}/{SECRET}", f"json://127.0.0.1:9/{SECRET}", f"odd://{SECRET}")
        done = cli("notify", "test")
        assert done.code == 1
        assert "ok line 1 (json) took it" in done.out
        assert "FAIL line 2 (json)" in done.out
        assert "FAIL line 3 (odd)" in done.out
        assert SECRET not in done.out + done.err
        assert json.loads(hook.requests[0].body)["title"] == "Vedette: a test"


def test_the_state_of_delivery_is_shown_without_secrets(cli: Cli, short_path: Path) -> None:
    with LoopbackServer(lambda _: Response(200)) as hook, FakeMisp() as misp:
        hook.faults.add(Fault(FaultKind.STATUS, status=500))
        write(short_path, f"{hook.url.replace('http', 'json', 1)}/{SECRET}")
        with Hub(load(short_path / "vedette.toml")) as hub:
            hub.store.fleet.add_hits("gate", met(listed(misp, 1)), b"", {})
            notify(hub)
        shown = cli("notify", "status")
        assert "error=500" in shown.out
        assert "Vedette: evil0[.]example met the network" in shown.out
        found = cli("notify", "status", "--json")
        assert found.json["targets"]["line 1 (json)"]["waiting"] == 1
        assert SECRET not in shown.out + found.out


def test_nobody_to_tell_is_said(cli: Cli) -> None:
    cli("init")
    for command in ("test", "status"):
        assert "targets_file is not set" in cli("notify", command).out


def test_a_file_that_names_nobody_is_not_a_setting_that_is_missing(
    cli: Cli, short_path: Path
) -> None:
    write(short_path, "# nobody yet")
    for command in ("test", "status"):
        assert "targets names no target" in cli("notify", command).out
