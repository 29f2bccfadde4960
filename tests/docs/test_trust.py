"""The pages about trust are true: their commands do what the text says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.testing.command import run_script as run
from vedette.testing.fake_suricata import FakeSuricata

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"

Blocks = Callable[[Path], Iterator[Any]]

SOCKET = "/run/suricata/suricata-command.socket"
RULES = "/var/lib/vedette/rules"


def consoles(name: str, blocks: Blocks) -> list[str]:
    return [block.text for block in blocks(HOW_TO / name) if block.language == "console"]


@pytest.fixture
def hub(short_path: Path) -> Path:
    """A hub with a generation."""
    (short_path / "list.txt").write_text("bad.example.com\n")
    run(
        "vedette init\n"
        "vedette source add list list.txt --name bad --type domain\n"
        "vedette source pull\nvedette bundle build",
        short_path,
    )
    return short_path


def with_minisign(script: str) -> str:
    """Take the commands of minisign out where it is not installed (in CI that is an error)."""
    if shutil.which("minisign") or os.environ.get("CI"):
        return script
    return "\n".join(line for line in script.splitlines() if not line.startswith("minisign"))


def test_the_air_gap_is_crossed_as_described(hub: Path, blocks: Blocks) -> None:
    show, export, bring, with_file, by_hand = consoles("air-gap.md", blocks)
    key = run(show, hub).split()[0]
    island, stick, rules = hub / "island", hub / "stick", hub / "island" / "rules"
    island.mkdir()
    stick.mkdir()

    def here(script: str) -> str:
        for text, real in (
            ("/media/stick", str(stick)),
            ("RW...", key),
            (SOCKET, str(hub / "s")),
            (RULES, str(rules)),
            ("/etc/vedette/agent.toml", str(island / "agent.toml")),
        ):
            script = script.replace(text, real)
        return script

    assert "generation 1" in run(here(export), hub)
    assert {path.name for path in stick.iterdir()} == {"vedette.tar", "vedette-8.tar"}
    (island / "agent.toml").write_text(
        f'delivery = "stick"\nkey = "{key}"\nstate = "{island}/agent"\n'
        f'[sensor]\nsocket = "{hub}/s"\nrules = "{rules}"\n'
    )
    with FakeSuricata(hub / "s", rules / "current/vedette.rules", "8.0.7"):
        assert run(here(bring), island).count("holds generation 1") == 2
        assert "holds generation 1" in run(here(with_file), island)
    assert (island / "rules.trust").is_dir()
    run(f"vedette key export {stick}/hub.pub", hub)
    run(with_minisign(by_hand), stick)
    assert (stick / "rules" / "8.0.7.rules.zst").is_file()


def test_the_table_of_refusals_has_the_words_that_are_said(blocks: Blocks) -> None:
    """Each first cell is held together by what the source says somewhere."""
    source = Path(__file__).resolve().parents[2] / "src/vedette"
    said = " ".join(
        path.read_text(encoding="utf-8")
        for room in ("agent", "bundle", "trust")
        for path in (source / room).rglob("*.py")
    )
    for words in (
        "it is not known which hub may send",
        "which is not trusted",
        "which the hub has retired",
        "cut off",
        "is older than",
        "nothing for an engine of profile",
        "announcement of another hub",
    ):
        assert words in (HOW_TO / "air-gap.md").read_text(encoding="utf-8")
        assert words in said


def test_the_key_is_rotated_as_described(hub: Path, blocks: Blocks) -> None:
    usual, export, lost, agent, check = consoles("rotate-the-signing-key.md", blocks)
    shown = run(usual, hub)
    assert "follow by themselves" in shown
    run(export, hub)
    (hub / "state/keys/signing.key").unlink()
    with pytest.raises(AssertionError, match="the signing key is gone"):
        run("vedette bundle export it.tar", hub)
    assert "no agent believes it yet" in run(lost, hub)
    document = json.loads(run("vedette key show --json", hub))
    assert [change["why"] for change in document["changes"]][1:] == ["yearly", "the key was lost"]
    assert "--key RW..." in agent
    run("vedette key export hub.pub && vedette bundle export it.tar && tar xf it.tar", hub)
    run(with_minisign(check), hub)
