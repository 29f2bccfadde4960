"""The pages about the memory are true: their commands run, their settings and their YAML load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vedette.config import load
from vedette.testing.clickhouse_node import ClickHouseNode
from vedette.testing.command import run_script

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs/how-to"
OFFICE = ROOT / "docs/tutorial/office.eve.json.gz"
PASSWORD = "of a test"
REPORT = """\
The loader came from hxxp://files.update-cdn[.]example/stage2/loader.bin?id=7
(SHA-256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08), then it called
its relay panel[.]relay-node[.]example at 198.51.100[.]23 on port 443. The mails before that
were sent by notice[@]parcel-tracking[.]example.
"""
PAGES = (
    *("feed-the-memory", "new-sightings", "saved-hunts", "forget-and-keep"),
    "move-the-memory-to-clickhouse",
)

Blocks = Callable[[Path], Iterator[Any]]

run = partial(run_script, timeout_s=120, VEDETTE_POOL_PASSWORD=PASSWORD)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory whose memory knows the office of the tutorial."""
    path = tmp_path_factory.mktemp("filled")
    run(f"vedette init && vedette pool ingest {OFFICE} --sensor office", path)
    (path / "report.txt").write_text(REPORT)
    return path


@pytest.fixture
def office(filled: Path, tmp_path: Path) -> Path:
    """Return a copy of it, to be changed."""
    return shutil.copytree(filled, tmp_path / "office", symlinks=True)


@pytest.mark.parametrize("name", ["new-sightings", "saved-hunts", "forget-and-keep"])
def test_a_page_goes_as_described(
    name: str, office: Path, blocks: Blocks, is_shown: Callable[[str, str], bool]
) -> None:
    commands = 0
    output = ""
    for block in blocks(HOW_TO / f"{name}.md"):
        if block.language == "sh":
            commands += 1
            output = run(block.text, office)
        elif block.language == "text" and "* * *" not in block.text:  # a line for cron
            assert is_shown(block.text, output), f"{block.text}\n--- is now:\n{output}"
    assert commands > 1


def test_new_sightings_are_exported_in_the_shape_that_is_shown(
    office: Path, blocks: Blocks
) -> None:
    (shown,) = [b.text for b in blocks(HOW_TO / "new-sightings.md") if b.language == "json"]
    text = run("vedette sighting export --new --format discovery", office)
    assert json.loads(shown) in [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", PAGES)
def test_settings_of_a_page_can_be_read(name: str, tmp_path: Path, blocks: Blocks) -> None:
    path = tmp_path / "vedette.toml"
    found = [b.text for b in blocks(HOW_TO / f"{name}.md") if b.language == "toml"]
    for text in found:
        path.write_text(text)
        assert load(path).pool
    assert found or name in {"feed-the-memory", "saved-hunts"}


def test_the_past_moves_to_a_clickhouse_as_described(office: Path, blocks: Blocks) -> None:
    export, move, _ = [
        b.text for b in blocks(HOW_TO / "move-the-memory-to-clickhouse.md") if b.language == "sh"
    ]
    ask = "vedette sighting show panel.relay-node.example; vedette pool export copy{}"
    before = run(export + ask.format(1), office)
    with ClickHouseNode(office / "node", user="vedette", password=PASSWORD) as node:
        place = f"127.0.0.1:{node.port}"
        settings = (office / "vedette.toml").read_text()
        line = f'store = "clickhouse://vedette@{place}/vedette"'
        (office / "vedette.toml").write_text(settings.replace('# store = ""', line))
        assert "the store is empty" in run("vedette pool status", office)
        run(move.replace("ch1.example:8123", place), office)
        assert "known    88 values" in run("vedette pool status", office)
        assert run(ask.format(2), office) in before.replace("copy1", "copy2")
        again = run(f"vedette pool ingest {OFFICE} --sensor office", office)
    assert "nothing that had not been read before" in again


def test_the_statements_for_a_cluster_are_those_that_are_shown(
    tmp_path: Path, blocks: Blocks, is_shown: Callable[[str, str], bool]
) -> None:
    page = list(blocks(HOW_TO / "move-the-memory-to-clickhouse.md"))
    (shown,) = [b.text for b in page if b.language == "text"]
    command = [b.text for b in page if b.language == "sh"][-1]
    run("vedette init", tmp_path)
    assert is_shown(shown, run(command, tmp_path))
