"""agent.toml and the options of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vedette.agent.settings import load
from vedette.errors import ConfigError
from vedette.sensor.settings import Delivery

HUB = {"hub": "https://hub.example:8443/"}


def write(path: Path, text: str) -> Path:
    file = path / "agent.toml"
    file.write_text(text)
    return file


def test_options_replace_what_the_file_says(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        'hub = "https://a.example/"\nrhythm = "2m"\n[sensor]\nname = "gate"\nsocket = "/s"\n',
    )
    settings = load(file, {**HUB, "sensor": {"socket": "/t"}})
    assert settings.hub == HUB["hub"]
    assert settings.rhythm_s == 120
    assert (settings.sensor.name, settings.sensor.socket) == ("gate", "/t")
    assert settings.sensor.rules == "/var/lib/vedette-agent/rules"


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        ("", {}, "no hub is named"),
        ("hub = 'ftp://x'", {}, "is no address of a hub"),
        ("hub = 'https://u:p@x/'", {}, "a login does not belong"),
        ("hub = 'http://hub.example/'", {}, "would show the token"),
        ("hub = 'https://x:y/'", {}, "is no address"),
        ("delivery = 'ssh'", HUB, "has no delivery 'ssh'"),
        ("rhythm = 'often'", HUB, "is no duration"),
        ("rythm = '1m'", HUB, "rythm"),
        ("spool_mb = 0", HUB, "spool_mb"),
        ("[sensor]\nsokket = '/s'", HUB, "no setting 'sokket'"),
        ("sensor = 1", HUB, "[sensor] is a section"),
        ("update_command = ['x']", HUB, "belongs to delivery"),
        ("= nothing", HUB, "is not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, text: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text), given)
    assert said in str(refused.value)


def test_a_stick_needs_no_hub_and_loopback_no_tls(tmp_path: Path) -> None:
    assert load(None, {"delivery": "stick"}).delivery is Delivery.STICK
    assert load(None, {"hub": "http://127.0.0.1:8080"}).hub
    assert load(None, {"hub": "http://hub.example", "plain_http": True}).hub


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "absent.toml", HUB)
