"""The table of kinds, and kinds that come from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vedette.errors import UsageError
from vedette.sources import build, find
from vedette.sources.plain_list import PlainList

PLUGIN = """
from typing import ClassVar
from msgspec import Struct

class Nothing(Struct, frozen=True, kw_only=True):
    kind: ClassVar[str] = "nothing"
    name: str
    def fetch(self, known):
        return iter(())
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vedette_nothing.py").write_text(PLUGIN)
    metadata = tmp_path / "vedette_nothing-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vedette-nothing\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[vedette.sources]\nnothing = vedette_nothing:Nothing\nbroken = vedette_absent:Broken\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "vedette_nothing", raising=False)


def test_settings_become_a_source() -> None:
    source = build("list", {"name": "x", "location": "/x", "type": "ip-dst", "tags": ["a", "b"]})
    assert isinstance(source, PlainList)
    assert source.tags == ("a", "b")


def test_a_misspelt_setting_is_answered_with_the_right_one() -> None:
    with pytest.raises(UsageError, match="no setting 'kolumn'") as failed:
        build("list", {"name": "x", "location": "/x", "type": "ip-dst", "kolumn": "2"})
    assert "'column'" in failed.value.hint


def test_a_kind_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="no kind of source 'lists'") as failed:
        find("lists")
    assert "list, misp, misp-feed" in failed.value.hint


@pytest.mark.usefixtures("plugin")
def test_a_kind_from_elsewhere_is_used_like_our_own() -> None:
    source = build("nothing", {"name": "x"})
    assert source.name == "x"
    assert list(source.fetch({})) == []


@pytest.mark.usefixtures("plugin")
def test_a_kind_from_elsewhere_that_cannot_be_loaded_says_so() -> None:
    with pytest.raises(UsageError, match="'broken' cannot be loaded"):
        build("broken", {"name": "x"})
