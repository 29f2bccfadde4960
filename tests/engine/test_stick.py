"""A generation carried by hand to the real engines."""

from __future__ import annotations

import json
from pathlib import Path

from vedette.testing.command import Cli
from vedette.testing.engine import Engine


def test_a_stick_brings_a_generation_and_then_a_small_change(
    cli: Cli, engine: Engine, tmp_path: Path
) -> None:
    """From a hub to an engine that it never meets: proved, and by a delta the second time."""
    assert cli("init").code == 0
    Path("list.txt").write_text("\n".join(f"host{number}.example.com" for number in range(500)))
    add = ("source", "add", "list", "list.txt", "--name", "bad", "--type", "domain")
    assert cli(*add).code == 0
    rules = tmp_path / "rules"
    with engine.live(tmp_path, str(rules / "current/vedette.rules")) as live:
        island = ("--name", "island", "--socket", live.socket, "--rules", rules, "--json")
        hows = []
        for name in ("one.tar", "two.tar"):
            assert cli("source", "pull").code == 0
            assert cli("bundle", "build").code == 0
            key = json.loads(cli("bundle", "export", name, "--json").out)["key"]
            done = cli("bundle", "import", name, "--key", key, *island)
            assert done.code == 0, done.out + done.err
            brought = json.loads(done.out)
            assert all(check["ok"] for check in brought["pushed"]["proof"]["checks"])
            hows.append(brought["pushed"]["how"])
            with Path("list.txt").open("a") as listed:
                listed.write("\nnew.example.com\n")
    assert hows == ["reload", "delta"]
    assert brought["pushed"]["added"] >= 1
