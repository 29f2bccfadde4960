from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from vedette.errors import UsageError
from vedette.eve.directory import grouped, listed


def event(at: str, number: int = 0) -> bytes:
    return b'{"timestamp":"%s","flow_id":%d,"x":"%0300d"}\n' % (at.encode(), number, number)


def names(groups: list[list[object]]) -> list[list[str]]:
    return [[one.path.name for one in group] for group in groups]  # type: ignore[attr-defined]


def test_all_logs_of_a_directory_are_found_and_nothing_else(tmp_path: Path) -> None:
    for name in ("eve.json", "eve.json.1", "eve.json-20260102.gz", "eve-nsm.json.zst"):
        (tmp_path / name).write_bytes(b"")
    for name in ("fast.log", "stats.json", "eve.log"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "eve.json.d").mkdir()
    found = {path.name for path in listed(tmp_path)}
    assert found == {"eve.json", "eve.json.1", "eve.json-20260102.gz", "eve-nsm.json.zst"}


def test_a_file_is_itself_and_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "any.log").write_bytes(b"")
    assert listed(tmp_path / "any.log") == [tmp_path / "any.log"]
    with pytest.raises(UsageError, match="there is no"):
        listed(tmp_path / "none")


def test_files_come_in_the_order_of_their_first_events(tmp_path: Path) -> None:
    times = {"c": "2026-01-02T00:30:00.5+0100", "a": "2026-01-01T23:45:00.1+0000"}
    for name, at in times.items():
        (tmp_path / name).write_bytes(gzip.compress(event(at)))
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / "b").write_bytes(b'{"no":"time"}\n' + b"x" * 300)
    os.utime(tmp_path / "b", (0, 0))
    assert names(grouped(tmp_path.iterdir())) == [["b"], ["c"], ["a"]]


def test_files_that_begin_alike_stand_together(tmp_path: Path) -> None:
    first, second = event("2026-01-01T00:00:00+0000"), event("2026-01-02T00:00:00+0000")
    (tmp_path / "copy.gz").write_bytes(gzip.compress(second * 3))
    (tmp_path / "one").write_bytes(first)
    (tmp_path / "short").write_bytes(second[:100])
    (tmp_path / "long").write_bytes(second * 2)
    groups = names(grouped(tmp_path.iterdir()))
    assert sorted(map(sorted, groups)) == [["copy.gz", "long", "short"], ["one"]]


def test_files_without_a_byte_or_without_permission_are_on_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    assert sorted(names(grouped(tmp_path.iterdir()))) == [["a"], ["b"], ["pipe"]]
