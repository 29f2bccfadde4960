"""The scripts against the fake engine; tests/engine/test_sensor_scripts.py has the real ones."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from vedette.testing.fake_suricata import FakeSuricata
from vedette.testing.handmade import hand_made
from vedette.testing.socket_scripts import (
    CRASHES,
    GREETING,
    HANGS_UP,
    SCRIPT_SETS,
    SCRIPT_SETS_8,
    SCRIPTS,
    Script,
)

PLAYED = [(s, v) for s in SCRIPTS for v in ("7.0.10", "8.0.7") if v == "8.0.7" or not s.only_8]


@pytest.mark.parametrize(("script", "version"), PLAYED, ids=lambda x: getattr(x, "name", x))
def test_the_fake_answers_as_measured(script: Script, version: str, tmp_path: Path) -> None:
    eight = version.startswith("8")
    hand_made(tmp_path / "gen", 1, SCRIPT_SETS_8 if eight else SCRIPT_SETS)
    engine = FakeSuricata(tmp_path / "socket", tmp_path / "gen/vedette.rules", version)
    with engine, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(engine.path))
        client.sendall(GREETING)
        assert json.loads(client.recv(999)) == {"return": "OK"}
        for step in script.steps:
            client.sendall(step.sends)
            try:
                data = client.recv(9999)
            except ConnectionResetError:
                data = b""
            expected = step.on_8 if eight else step.on_7
            if expected in {HANGS_UP, CRASHES}:
                assert data == b""
                engine.stop()
                assert engine.crashed == (expected == CRASHES)
                return
            answer = json.loads(data)
            assert f"{answer['return']} {answer['message']}" == expected
