"""The unmodified suricata-update against the real server, and what the real engine makes of it."""

from __future__ import annotations

import os
import pty
import re
import shlex
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from tests.served import KEYS, Served, certify, serving

from vedette.bundle import open_generation
from vedette.bundle.generation import rollback
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.announcing import announce
from vedette.ruleset.engine import Target
from vedette.ruleset.manifest import Manifest
from vedette.sensor.client import SuricataSocket
from vedette.sensor.protocol import Outcome
from vedette.sensor.release import datavalue
from vedette.testing.engine import Engine, Live

RELOAD = """\
import sys
from pathlib import Path
from vedette.sensor.client import SuricataSocket
with SuricataSocket(Path(sys.argv[1])) as engine:
    print("reload:", engine.ask("ruleset-reload-rules").outcome)
"""


@dataclass
class Consumer:
    """A machine with suricata-update, which reloads its engine."""

    path: Path
    engine: Engine
    live: Live | None = None

    @property
    def rules(self) -> Path:
        return self.path / "rules"

    @property
    def program(self) -> list[str]:
        """suricata-update with its own directories, as a packager would set them."""
        return [
            str(Path(sys.executable).with_name("suricata-update")),
            *("--data-dir", str(self.path / "data"), "--suricata", str(self.engine.binary)),
            *("--suricata-conf", str(self.engine.yaml)),
        ]

    @property
    def options(self) -> list[str]:
        """What only an update takes."""
        words = ["--output", str(self.rules), "--no-test"]
        if self.live is None:
            return [*words, "--no-reload"]
        script = self.path / "reload.py"
        script.write_text(RELOAD)
        return [*words, "--reload-command", f"{sys.executable} {script} {self.live.socket}"]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.shell(shlex.join(["suricata-update", *arguments]), **environment)

    def shell(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Paste a script into a shell on that machine."""
        tools = self.path / "bin"
        tools.mkdir(exist_ok=True)
        program = shlex.join(self.program)
        (tools / "suricata-update").write_text(
            f'#!/bin/bash\ncase "$1" in *-source*) exec {program} "$@";; esac\n'
            f'exec {program} {shlex.join(self.options)} "$@"\n'
        )
        (tools / "suricata-update").chmod(0o755)
        return subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def consumer(engine: Engine, tmp_path: Path) -> Consumer:
    return Consumer(tmp_path, engine)


def add_source(consumer: Consumer, served: Served, token: str) -> None:
    url = f"{served.url}/suricata-%(__version__)s/vedette.tar.gz"
    header = f"Authorization: Bearer {token}"
    said(consumer.run("add-source", "vedette", url, "--http-header", header))


def rules_of(manifest: Manifest, consumer: Consumer) -> int:
    return len(manifest.rules_for(str(Target(consumer.engine.profile))).rules)


def test_all_rules_with_their_files_are_installed_and_load(
    served: Served, consumer: Consumer
) -> None:
    count = rules_of(served.publish(*KEYS), consumer)
    add_source(consumer, served, served.sensor("edge"))
    text = said(consumer.run())
    assert f"total: {count}; enabled: {count};" in text
    warnings = {line.split("> -- ")[1] for line in text.splitlines() if "<Warning>" in line}
    assert warnings <= {
        "No index exists, will use bundled index.",
        "Please run suricata-update update-sources.",
        "No distribution rule directory found.",
    }
    result = consumer.engine.check(consumer.rules, "suricata.rules")
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


def test_what_did_not_change_is_not_fetched_again(served: Served, consumer: Consumer) -> None:
    served.publish(*KEYS)
    add_source(consumer, served, served.sensor("edge"))
    said(consumer.run())
    assert "Last download less than 15 minutes ago" in said(consumer.run())
    text = said(consumer.run("--now"))
    assert "Remote checksum has not changed. Not fetching." in text
    assert "No changes detected" in text
    deadline = time.monotonic() + 10
    tokens = served.hub.store.tokens
    reports = served.hub.store.reports
    while time.monotonic() < deadline and not (
        "check" in {f.what for f in tokens.fetches("edge")} and reports.state_of("edge")
    ):
        time.sleep(0.1)
    whats = {fetch.what: fetch.agent for fetch in tokens.fetches("edge")}
    assert whats.keys() == {"archive", "check"}
    assert whats["archive"].startswith("Suricata-Update/")
    state = reports.state_of("edge")
    assert state is not None
    assert (state.state, state.generation) == ("fetched", 1)


@pytest.mark.parametrize("kind", ["wrong", "revoked", "none", "other"])
def test_a_token_that_is_not_valid_fails_clearly_and_changes_nothing(
    served: Served, consumer: Consumer, kind: str
) -> None:
    served.publish(*KEYS)
    token = served.sensor("edge")
    add_source(consumer, served, token)
    said(consumer.run())
    before = {path: path.read_bytes() for path in consumer.rules.rglob("*") if path.is_file()}
    served.publish(*KEYS, Key(T.DOMAIN, "more.example"))
    code = "403" if kind == "other" else "401"
    if kind == "revoked":
        served.hub.store.tokens.revoke_of("edge", by="test", now=int(time.time()))
    else:
        (source,) = (consumer.path / "data/update/sources").glob("*.yaml")
        text = source.read_text()
        from vedette.store.tokens import Scope  # noqa: PLC0415

        other = {
            "wrong": f"vdt_00000000_{'A' * 43}",
            "none": "",
            "other": served.token(Scope.METRICS),
        }[kind]
        source.write_text(text.replace(token, other))
    done = consumer.run("--now", "--fail")
    text = done.stdout + done.stderr
    assert f"HTTP Error {code}" in text
    assert done.returncode != 0
    assert token not in text
    after = {path: path.read_bytes() for path in consumer.rules.rglob("*") if path.is_file()}
    assert after == before


def test_the_index_offers_the_source_and_asks_for_the_token(
    served: Served, consumer: Consumer
) -> None:
    count = rules_of(served.publish(*KEYS), consumer)
    token = served.sensor("edge")
    index = {"SOURCE_INDEX_URL": f"{served.url}/suricata-update/index.yaml"}
    assert "Saved" in said(consumer.run("update-sources", **index))
    said(consumer.run("enable-source", "vedette/indicators", f"secret-token={token}", **index))
    text = said(consumer.run())
    assert f"total: {count}; enabled: {count};" in text
    assert token not in text


def ask(name: str) -> None:
    """Send one DNS query over loopback; nobody answers."""
    question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    packet = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(packet, ("127.0.0.1", 53))


def holds(live: Live, manifest: Manifest) -> bool:
    """Whether the engine has the canary of this generation."""
    info = manifest.set("vedette-generation")
    with SuricataSocket(live.socket) as engine:
        found = engine.lookup(info.name, info.type, datavalue(info, info.canary))
    return found is Outcome.FOUND


def test_a_change_of_one_dataset_reaches_the_running_engine_and_so_does_a_roll_back(
    served: Served, engine: Engine, tmp_path: Path
) -> None:
    name = f"new-{uuid4()}.example"
    first = served.publish(*KEYS)
    token = served.sensor("edge")
    seeded = Consumer(tmp_path, engine)
    add_source(seeded, served, token)
    said(seeded.run())
    with engine.live(seeded.rules, "suricata.rules") as live:
        consumer = Consumer(tmp_path, engine, live)
        assert holds(live, first)
        second = served.publish(*KEYS, Key(T.DOMAIN, name))
        text = said(consumer.run("--now"))
        assert "No changes detected" not in text
        assert "reload: done" in text
        assert holds(live, second)
        assert not holds(live, first)
        ask(f"www.{name}")
        (alert,) = live.wait_events(1)
        assert f"www.{name}" in str(alert["dns"])

        announce(served.hub, rollback(served.settings.bundles, 1), "test", "rollback", at_once=True)
        assert "reload: done" in said(consumer.run("--now"))
        assert holds(live, first)
        assert not holds(live, second)
    result = engine.check(seeded.rules, "suricata.rules")
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


# -- what enrol prints ----------------------------------------------------------------------------


def on_a_terminal(command: list[str], directory: Path, columns: int) -> str:
    """Run a command on a terminal of so many columns; return what is seen there."""
    pid, terminal = pty.fork()
    if not pid:  # pragma: no cover - another process
        os.chdir(directory)
        os.environ.update(COLUMNS=str(columns), TERM="xterm-256color")
        os.execv(command[0], command)
    shown = b""
    try:
        while part := os.read(terminal, 1 << 16):
            shown += part
    except OSError:  # the other side has ended
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


def test_what_enrol_prints_on_a_narrow_terminal_is_pasted_and_works(
    engine: Engine, tmp_path: Path
) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    cert, key = certify(tmp_path, "hub")
    with serving(hub, tls_cert=str(cert), tls_key=str(key)) as served:
        count = rules_of(served.publish(*KEYS), Consumer(tmp_path, engine))
        port = served.url.rpartition(":")[2]
        (hub / "vedette.toml").write_text(
            f'[serve]\nlisten = "127.0.0.1:{port}"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
        )
        vedette = str(Path(sys.executable).with_name("vedette"))
        command = [vedette, "sensor", "enrol", "edge", "--delivery", "suricata-update"]
        shown = on_a_terminal(command, hub, columns=60)
        blocks = [block.partition("\n") for block in re.split(r"^# ", shown, flags=re.MULTILINE)]
        texts = {about: text.split("\n   ! ")[0] for about, _, text in blocks[1:]}
        script = next(t for about, t in texts.items() if "our authority" in about)
        script += next(t for about, t in texts.items() if about.startswith("On the sensor"))
        script = script.replace("/etc/vedette", str(tmp_path / "etc"))
        text = said(Consumer(tmp_path, engine).shell(script))
    assert f"total: {count}; enabled: {count};" in text
    assert open_generation(served.settings.bundles, 1) is not None
