"""The pages on review and false positives: their commands do what the text says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.testing.command import run_script as run

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
Blocks = Callable[[Path], Iterator[Any]]


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A source named misp whose new indicators are held."""
    names = ("evil.example", "cdn.example", "other.example", "mirror.example")
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in names))
    (tmp_path / "reviewed.txt").write_text("other.example\n")
    run(
        "vedette init; vedette source add list list.txt --type domain --name misp;"
        " vedette source rules misp --review; vedette source pull; vedette bundle build",
        tmp_path,
    )
    return tmp_path


def consoles(page: str, blocks: Blocks) -> list[str]:
    return [block.text for block in blocks(HOW_TO / page) if block.language == "console"]


def test_review_goes_as_described(hub: Path, blocks: Blocks) -> None:
    looks, card, decides, many, counts, fired = consoles("review-held.md", blocks)
    assert "evil.example" in run(looks, hub)
    assert "HELD" in run(card, hub)
    assert "released domain evil.example" in run(decides, hub)
    assert "released domain other.example" in run(many, hub)
    run("vedette bundle build", hub)
    assert "No indicator is held" in run("vedette indicator list", hub)
    assert "allowed by" in run(counts, hub)
    assert "0 of 4 listed indicators ever fired" in run(fired, hub)


def test_the_question_why_is_answered_as_described(hub: Path, blocks: Blocks) -> None:
    (asks,) = consoles("why-not-on-my-sensors.md", blocks)
    said = run(asks, hub)
    assert "domain  evil.example  HELD, not on the sensors" in said
    assert "no source lists" in said
    headlines = (HOW_TO / "why-not-on-my-sensors.md").read_text()
    for word in ("published through a name above it", "no generation yet", "no rule matches it"):
        assert word in headlines


def test_what_keeps_a_false_positive_away_goes_as_described(hub: Path, blocks: Blocks) -> None:
    *_, keeps = consoles("false-positives.md", blocks)
    said = run(keeps, hub)
    assert "allow mirror.example" in said
    assert "held domain mirror.example" in said
