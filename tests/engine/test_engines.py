"""The fixtures themselves: each engine loads, warns, refuses and runs as the other tests expect."""

from __future__ import annotations

import base64
import socket
import struct
import time
from pathlib import Path
from uuid import uuid4

from vedette.testing.engine import Engine

RULE = (
    'alert dns any any -> any any (msg:"x"; dns.query; to_lowercase; '
    "dataset:isset,names,type string,load names.lst,memcap 10mb,hashsize 1024; sid:1; rev:1;)\n"
)


def write_rules(directory: Path, *names: str, rule: str = RULE) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    lines = [base64.b64encode(name.encode()).decode() + "\n" for name in names]
    (directory / "names.lst").write_text("".join(lines))
    (directory / "vedette.rules").write_text(rule)
    return directory


def ask(name: str) -> None:
    """Send one DNS query over loopback; nobody answers."""
    question = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    packet = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(packet, ("127.0.0.1", 53))


def test_a_good_rule_passes_without_a_word(engine: Engine, tmp_path: Path) -> None:
    result = engine.check(write_rules(tmp_path, "evil.example"))
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


def test_a_bad_rule_is_an_error(engine: Engine, tmp_path: Path) -> None:
    result = engine.check(write_rules(tmp_path, "x", rule=RULE.replace("names.lst", "gone.lst")))
    assert result.rc != 0
    assert any("gone.lst" in line for line in result.errors + result.warnings)


def test_a_live_engine_alerts_and_is_gone_after_a_kill(engine: Engine, tmp_path: Path) -> None:
    name = f"{uuid4()}.example"
    directory = write_rules(tmp_path, name)
    with engine.live(directory) as live:
        assert live.socket.exists()
        time.sleep(0.2)
        ask(name.upper())
        assert live.wait_events()[0]["alert"]["signature_id"] == 1
        assert live.kill() == -9


def test_the_profile_follows_the_version(engine: Engine) -> None:
    assert engine.profile.version <= engine.version
