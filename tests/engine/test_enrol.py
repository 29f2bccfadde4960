"""What ``sensor enrol`` prints for an agent is pasted, and the engine holds what is published."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.served import KEYS, certify, serving

from vedette.testing.command import run_script
from vedette.testing.engine import Engine


def test_the_command_for_an_agent_is_pasted_and_the_sensor_is_proved(
    engine: Engine, tmp_path: Path
) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    cert, key = certify(tmp_path, "hub")
    rules = tmp_path / "rules"
    with serving(hub, tls_cert=str(cert), tls_key=str(key)) as served:
        manifest = served.publish(*KEYS)
        port = served.url.rpartition(":")[2]
        (hub / "vedette.toml").write_text(
            f'[serve]\nlisten = "127.0.0.1:{port}"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
        )
        shown = run_script("vedette sensor enrol edge", hub)
        block = shown.partition("# On the sensor, ")[2].partition("\n")[2].partition("\n   !")[0]
        with engine.live(tmp_path, str(rules / "current/vedette.rules")) as live:
            script = block.replace("/etc/vedette", str(tmp_path / "etc")).strip()
            script += f" --once --socket {live.socket} --rules {rules} --eve {live.eve}"
            script += f" --state {tmp_path / 'agent'}"
            run_script(script, tmp_path)
        state = served.hub.store.reports.state_of("edge")
        assert state is not None
        assert (state.state, state.generation) == ("proved", manifest.generation)
        (record,) = served.hub.store.tokens.all("edge")
        deadline = time.monotonic() + 10
        while not served.hub.store.tokens.all("edge")[0].used_at and time.monotonic() < deadline:
            time.sleep(0.1)
        assert served.hub.store.tokens.all("edge")[0].used_from == "127.0.0.1"
    token = (tmp_path / "etc/agent.token").read_text().split("\n")[0]
    assert token[4:12] == record.id
    assert (tmp_path / "etc/agent.token").stat().st_mode & 0o077 == 0


def test_a_token_that_is_made_again_ends_the_old_one(tmp_path: Path) -> None:
    vedette = str(Path(sys.executable).with_name("vedette"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [vedette, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    (tmp_path / "vedette.toml").write_text("")
    assert run("sensor", "enrol", "edge").returncode == 0
    twice = run("sensor", "enrol", "edge")
    assert twice.returncode == 2
    assert "vedette sensor enrol edge --again" in twice.stderr
    assert "1 old ones open nothing more" in run("sensor", "enrol", "edge", "--again").stdout
    listed = run("token", "list").stdout
    assert listed.count("edge") == 1
    assert "1 more open nothing any more" in listed
