"""Where the lists lie, and the index beside the state."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from vedette.config import GuardSettings, Settings
from vedette.errors import ConfigError
from vedette.guard.warninglists import Index
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.warninglists import (
    fetched_lists,
    list_files,
    open_index,
    package_lists,
    place_of,
)


def write(directory: Path, name: str, members: Sequence[str], kind: str = "hostname") -> Path:
    path = directory / name / "list.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"name": name, "type": kind, "version": 1, "list": list(members)}
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "state").mkdir()
    return Settings(home=str(tmp_path))


def lists_of(index: Index, name: str) -> list[str]:
    return [hit.list for hit in index.match(Key(T.DOMAIN, name))]


def test_without_lists_the_index_is_empty_and_says_how_to_get_some(settings: Settings) -> None:
    with capture_logs() as logs:
        index = open_index(settings)
    assert lists_of(index, "a.example") == []
    assert [(one["event"], one["hint"]) for one in logs] == [
        ("warninglist.none", "vedette warninglist update")
    ]
    assert place_of(settings).what == "none"


def test_the_setting_goes_before_what_was_fetched(settings: Settings, tmp_path: Path) -> None:
    write(fetched_lists(settings), "fetched", ["a.example"])
    assert lists_of(open_index(settings), "a.example") == ["fetched"]
    write(tmp_path / "mine" / "lists", "mine", ["a.example"])
    own = Settings(home=str(tmp_path), guard=GuardSettings(warning_lists="mine"))
    assert lists_of(open_index(own), "x.a.example") == ["mine"]
    assert place_of(own) == ("[guard] warning_lists", tmp_path / "mine")


def test_a_setting_without_lists_is_an_error(settings: Settings, tmp_path: Path) -> None:
    own = Settings(home=str(tmp_path), guard=GuardSettings(warning_lists="nowhere"))
    with pytest.raises(ConfigError, match="nowhere"):
        open_index(own)


def test_the_package_alone_is_not_in_force(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path))
    assert package_lists() is not None
    assert place_of(settings) == ("none", None)
    write(fetched_lists(settings), "fetched", ["a.example"])
    assert place_of(settings).what == "state"


def test_a_list_that_changed_is_seen_at_once(settings: Settings) -> None:
    path = write(fetched_lists(settings), "one", ["a.example"])
    before = open_index(settings)
    write(fetched_lists(settings), "one", ["b.example"])  # as long, so only the time tells
    os.utime(path, ns=(1, 1))
    after = open_index(settings)
    assert (lists_of(after, "a.example"), lists_of(after, "b.example")) == ([], ["one"])
    assert before.version != after.version
    assert lists_of(before, "a.example") == ["one"]  # the old table stays as long as it is open


def test_the_table_is_made_once(settings: Settings) -> None:
    write(fetched_lists(settings), "one", ["a.example"])
    with capture_logs() as logs:
        versions = {open_index(settings).version for _ in range(3)}
    assert [one["event"] for one in logs] == ["warninglist.indexed"]
    assert len(versions) == 1


@pytest.mark.parametrize("damage", [b"", b"\0" * 4096, None])
def test_a_damaged_table_is_made_again(settings: Settings, damage: bytes | None) -> None:
    write(fetched_lists(settings), "one", ["a.example"])
    open_index(settings)
    table = settings.state_dir / "warninglists.table"
    whole = table.read_bytes()
    table.write_bytes(whole[:-100] if damage is None else damage)
    assert lists_of(open_index(settings), "a.example") == ["one"]
    assert table.read_bytes() == whole


def test_a_broken_list_costs_only_itself(settings: Settings) -> None:
    write(fetched_lists(settings), "good", ["a.example"])
    write(fetched_lists(settings), "cut", ["a.example"]).write_text('{"name": "cut", "list": ["a')
    fifo = fetched_lists(settings) / "pipe" / "list.json"
    fifo.parent.mkdir()
    os.mkfifo(fifo)
    with capture_logs() as logs:
        index = open_index(settings)
    assert lists_of(index, "a.example") == ["good"]
    assert index.broken.keys() == {"cut", "pipe"}
    assert {one["list"] for one in logs if one["event"] == "warninglist.broken"} == {"cut", "pipe"}
    assert open_index(settings).broken == index.broken  # kept in the table


def test_where_the_table_cannot_be_kept_the_index_is_there_all_the_same(
    settings: Settings,
) -> None:
    write(fetched_lists(settings), "one", ["a.example"])
    (settings.state_dir / "warninglists.table").mkdir()
    with capture_logs() as logs:
        assert lists_of(open_index(settings), "a.example") == ["one"]
    assert "warninglist.table_not_kept" in {one["event"] for one in logs}


def test_the_operators_lists_reach_the_index(settings: Settings, tmp_path: Path) -> None:
    write(fetched_lists(settings), "mine", ["a.example"])
    (hit,) = open_index(settings).match(Key(T.DOMAIN, "a.example"))
    own = Settings(home=str(tmp_path), guard=GuardSettings(drop_lists=("mi*",)))
    (dropped,) = open_index(own).match(Key(T.DOMAIN, "a.example"))
    assert (hit.curated, dropped.curated) == (False, True)


def test_a_directory_without_lists_has_none(tmp_path: Path) -> None:
    assert list_files(tmp_path) == list_files(tmp_path / "nowhere") == {}
