"""The same scripts as the fake engine's, against the real ones."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from vedette.testing.engine import Engine, Live
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


def connect(live: Live) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(live.socket))
    client.sendall(GREETING)
    assert json.loads(client.recv(999)) == {"return": "OK"}
    return client


def ends(live: Live, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while live.exit_code() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return live.exit_code() is not None


def play(live: Live, script: Script, eight: bool) -> None:
    with connect(live) as client:
        for step in script.steps:
            client.sendall(step.sends)
            try:
                data = client.recv(9999)
            except ConnectionResetError:
                data = b""
            expected = step.on_8 if eight else step.on_7
            if expected in {HANGS_UP, CRASHES}:
                assert data == b"", data
                assert ends(live, 15 if expected == CRASHES else 0.3) == (expected == CRASHES)
                return
            answer = json.loads(data)
            assert f"{answer['return']} {answer['message']}" == expected, step.sends


@pytest.mark.timeout(180)
def test_the_real_engine_answers_as_the_fake_does(engine: Engine, tmp_path: Path) -> None:
    eight = engine.version >= (8, 0, 0)
    hand_made(tmp_path / "gen", 1, SCRIPT_SETS_8 if eight else SCRIPT_SETS)
    with engine.live(tmp_path / "gen") as live:
        for script in SCRIPTS:
            if script.only_8 and not eight:
                continue
            if live.exit_code() is not None:
                live.start()
                live.wait_started()
            play(live, script, eight)
