"""The pages about what leaves are true: their settings load, their commands run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vedette.config import NotifySettings, load
from vedette.misp.sightings import document
from vedette.model import MispSighting
from vedette.pipeline.hub import Hub
from vedette.testing.command import run_script as run
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.loopback import LoopbackServer, Response
from vedette.testing.told import listed, met

DOCS = Path(__file__).resolve().parents[2] / "docs"

Blocks = Callable[[Path], Iterator[Any]]


def texts(page: str, language: str, blocks: Blocks) -> list[str]:
    return [one.text for one in blocks(DOCS / page) if one.language == language]


def test_the_page_of_what_leaves_names_every_field_and_no_other() -> None:
    (sent,) = document([MispSighting("misp", "e", "a", "u", 1, 0, "vedette")])["Sighting"]
    page = (DOCS / "explanation/what-we-send-back.md").read_text(encoding="utf-8")
    table = page.partition("## What never leaves")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(named) == sorted(sent)


def test_sending_sightings_goes_as_described(tmp_path: Path, blocks: Blocks) -> None:
    page = "how-to/send-sightings.md"
    (settings,) = texts(page, "toml", blocks)
    look, preview, send, judge = texts(page, "console", blocks)
    (tmp_path / "vedette.toml").write_text(settings)
    with FakeMisp() as misp:
        key = tmp_path / "misp.key"
        key.write_text(misp.key)
        key.chmod(0o600)
        add = f"vedette source add misp {misp.url} --key-file {key} --name misp"
        with Hub(load(tmp_path / "vedette.toml")) as hub:
            some = listed(misp, 2)
            run(add, tmp_path)
            hub.store.fleet.add_hits("gate", met(some), b"", {})
        assert "perm_sighting" in run(look, tmp_path)
        assert '"source": "soc/servers"' in run(preview, tmp_path)
        assert misp.state.sightings == {}
        assert "2 sent, 0 wait" in run(send, tmp_path)
        assert "MISP will be told" in run(judge, tmp_path)
        run("vedette feedback send", tmp_path)
        assert sorted(one.type for one in misp.state.sightings.values()) == ["0", "0", "1"]


def test_being_told_goes_as_described(tmp_path: Path, blocks: Blocks) -> None:
    page = "how-to/notifications.md"
    (settings,) = texts(page, "toml", blocks)
    make, test = texts(page, "console", blocks)
    (tmp_path / "vedette.toml").write_text(settings)
    assert load(tmp_path / "vedette.toml").notify == NotifySettings(targets_file="targets.txt")
    run(make.replace("editor ", ": "), tmp_path)
    with LoopbackServer(lambda _: Response(200)) as hook:
        (targets,) = texts(page, "text", blocks)
        target = re.search(r"^jsons://\S+$", targets, re.MULTILINE)
        assert target is not None
        url = re.sub(r"^jsons://[^/]+", hook.url.replace("http", "json", 1), target[0])
        (tmp_path / "targets.txt").write_text(f"# mine\n{url}\n")
        assert "ok line 2 (json) took it" in run(test, tmp_path)
        assert json.loads(hook.requests[0].body)["title"] == "Vedette: a test"


def test_the_page_of_messages_names_every_kind() -> None:
    page = (DOCS / "how-to/notifications.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert tuple(named) == NotifySettings().events
