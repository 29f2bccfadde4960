"""The page on warning lists: its commands work, its table is the one in the code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from vedette.guard.curated import CURATED, Curation
from vedette.testing.command import Cli
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_misp.warninglists import FakeWarninglist

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/warning-lists.md"
LABELS = ("sinkholes", "tranco", "google-chrome-crux-1million", "lots-project", "dynamic-dns")


def named(row: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", row.split("|")[1]))


def test_the_table_names_every_curated_list_and_no_other() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    patterns = {name for row in rows for name in named(row)}
    exact = {one for one in patterns if "*" not in one} - {"top20k"}  # "cisco_top1000 to top20k"
    assert exact <= set(CURATED)
    spelt_out = {
        name
        for name in CURATED
        if name in exact
        or any(fnmatchcase(name, pattern) for pattern in patterns)
        or name.startswith(("cisco_top", "cloudflare-top"))
    }
    assert spelt_out == set(CURATED)


def test_lists_that_the_page_calls_labels_are_labels() -> None:
    curation = Curation(LABELS)
    assert [curation.rule(number) for number in range(len(LABELS))] == [None] * len(LABELS)


def test_its_commands_do_what_it_says(
    cli: Cli, short_path: Path, blocks: Callable[[Path], Iterator[Any]]
) -> None:
    place = short_path / "lists" / "public-dns-v4"
    place.mkdir(parents=True)
    document = {"name": "x", "type": "cidr", "version": 1, "list": ["9.9.9.9"]}
    (place / "list.json").write_text(json.dumps(document))
    key_file = short_path / "misp.key"
    key_file.write_text(FakeMisp.read_only_key)
    key_file.chmod(0o600)
    cli("init")
    with FakeMisp() as misp:
        misp.state.warninglists[1] = FakeWarninglist(1, "Ours", ["partner.example"])
        cli("source", "add", "misp", misp.url, "--key-file", key_file, "--name", "misp")
        commands = [
            line.removeprefix("vedette ").replace("/srv/misp-warninglists", str(short_path))
            for block in blocks(PAGE)
            if block.language == "console"
            for line in block.text.splitlines()
        ]
        assert len(commands) == 5
        outputs = [cli(*command.split()) for command in commands[1:]]  # 0: all of the package
    assert [one.code for one in outputs] == [0, 0, 0, 0], outputs
    from_directory, from_misp, listed, checked = (one.out for one in outputs)
    assert "1 new" in from_directory
    assert "1 new" in from_misp
    assert "drop the well-known" in listed
    assert "ours" in listed
    assert "9.9.9.9: dropped" in checked
