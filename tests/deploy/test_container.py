"""The container files name what there is, run as nobody, and know whether their work is done."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from vedette.cli import vedette
from vedette.cli.audited import commands
from vedette.config import Settings, load
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.web.running import Service

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "deploy/container"
HEALTH = HERE / "health.py"
CONTEXT = {"!LICENSE", "!README.md", "!deploy/container", "!hatch_build.py", "!native"}


class Stage:
    """One stage of a Containerfile."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.lines: list[tuple[str, str]] = []

    def all(self, word: str) -> list[str]:
        return [rest for instruction, rest in self.lines if instruction == word]


def stages() -> dict[str, Stage]:
    text = (HERE / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, Stage] = {}
    current = Stage("")
    for line in text.splitlines():
        if not line.strip() or line.startswith(("#", "ARG")):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found[name] = Stage(base)
        else:
            current.lines.append((word, rest))
    return found


def services() -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))
    return document["services"]  # type: ignore[no-any-return]


def test_what_is_copied_is_there_and_is_sent() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert set(ignored) >= CONTEXT
    sent = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    for stage in stages().values():
        for copy in stage.all("COPY"):
            words = copy.split()
            if words[0].startswith("--from="):
                assert words[0].removeprefix("--from=") in stages()
                continue
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == one or source.startswith(f"{one}/") for one in sent), source


@pytest.mark.parametrize("name", ["hub", "agent"])
def test_what_runs_is_nobody_starts_vedette_and_knows_its_health(name: str) -> None:
    found = stages()
    stage = found[name]
    (user,) = stage.all("USER")
    assert re.fullmatch(r"\d{4,}:\d{4,}", user), "a number: Kubernetes checks it without the image"
    position = [word for word, _ in stage.lines]
    assert "RUN" not in position[position.index("USER") :]
    assert json.loads(found[stage.base].all("ENTRYPOINT")[0]) == ["vedette"]
    assert len(stage.all("HEALTHCHECK")) == 1
    (command,) = stage.all("CMD")
    assert json.loads(command)[0] in dict(commands(vedette, ""))
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "vedette" in pyproject["project"]["scripts"]


def test_no_secret_and_nothing_unpinned_is_built_in() -> None:
    text = (HERE / "Containerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements/runtime.txt" in text
    assert "-c /constraints.txt" in text
    assert not re.search(r"(?i)token|password|secret", text)


@pytest.mark.parametrize("name", sorted(services()))
def test_each_service_is_fenced_in_and_runs_a_command_that_there_is(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    known = dict(commands(vedette, ""))
    command = known[service["command"][0]]
    options = {option for parameter in command.params for option in parameter.opts}
    assert set(service["command"][1:]) <= options
    assert service["build"]["target"] in stages()
    assert (HERE / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    health = service["healthcheck"]["test"]
    assert health == ["CMD", "python", "/opt/health.py", name]


def test_only_declared_volumes_are_mounted() -> None:
    document = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))
    for service in document["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source.startswith(("/", "./")) or source in document["volumes"]


# -- health ---------------------------------------------------------------------------------------


def health(what: str, config: Path) -> int:
    environment = {"VEDETTE_CONFIG": str(config), "PATH": ""}
    command = [sys.executable, str(HEALTH), what]
    return subprocess.run(command, env=environment, check=False, timeout=60).returncode


def test_a_server_that_answers_is_healthy_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    config = tmp_path / "vedette.toml"
    config.write_text('[serve]\nlisten = "127.0.0.1:0"\n')
    with Service(load(config)).running() as url:
        config.write_text(f'[serve]\nlisten = "{url.removeprefix("http://")}"\n')
        assert health("serve", config) == 0
    assert health("serve", config) == 1


def test_a_daemon_that_holds_its_lock_is_healthy(tmp_path: Path) -> None:
    config = tmp_path / "vedette.toml"
    config.write_text("")
    assert health("run", config) == 1
    Hub(Settings(home=str(tmp_path))).store.close()
    assert health("run", config) == 1
    with exclusive(tmp_path / "state" / "run.lock", "vedette run"):
        assert health("run", config) == 0


def test_an_agent_that_never_proved_anything_is_not_healthy(tmp_path: Path) -> None:
    assert health("agent", tmp_path / "none.toml") != 0
