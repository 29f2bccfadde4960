"""The page about feeds is true: its commands do what the text says, against a local server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vedette.demo import FEED
from vedette.sources.presets import presets
from vedette.testing.command import run_script
from vedette.testing.loopback import LoopbackServer, files_of

ROOT = Path(__file__).resolve().parents[2]

Blocks = Callable[[Path], Iterator[Any]]

run = partial(run_script, KEY="hush")


def test_the_page_goes_as_described(tmp_path: Path, blocks: Blocks) -> None:
    texts = [b.text for b in blocks(ROOT / "docs/how-to/add-a-feed.md") if b.language == "console"]
    listed, one, added, partner, cloned, keyed, rules, shown = texts
    run("vedette init", tmp_path)
    assert "circl-osint" in run(listed, tmp_path)
    assert "false positives" in run(one, tmp_path)
    assert "added source 'tls-clients'" in run(added, tmp_path)
    with LoopbackServer(files_of(FEED)) as server:
        output = run(partner.replace("https://feeds.example.org/misp/", server.url), tmp_path)
        assert "indicators would come" in output
        assert "partner: 14 entries" in output
        run(cloned.splitlines()[1].replace("/srv/feeds/team", str(FEED)), tmp_path)
        headers = tmp_path / "partner.headers"
        headers.touch(mode=0o640)
        words = keyed.replace("/etc/vedette/partner.headers", str(headers))
        words = words.replace("--name partner", "--name keyed").splitlines()
        assert words[0].startswith("install -m 0640 ")
        run("\n".join(words[1:]).replace("https://feeds.example.org/misp/", server.url), tmp_path)
        server.requests.clear()
        run("vedette source pull keyed", tmp_path)
        assert {request.headers["auth-key"] for request in server.requests} == {"hush"}
    assert "held for review" in run(rules, tmp_path)
    output = run(shown, tmp_path)
    assert "Pulls:" in output
    assert "Rejected, for example:" in output


def test_every_preset_is_on_the_reference_page() -> None:
    page = (ROOT / "docs/reference/presets.md").read_text(encoding="utf-8")
    for preset in presets().values():
        assert f"| `{preset.name}` |" in page
        assert preset.settings["location"] in page
