"""The file that an import is kept in, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.errors import SourceError
from vedette.model import Indicator, Item, Rejected, Unchanged
from vedette.model import IndicatorType as T
from vedette.sources import build
from vedette.sources.imported import FORM, Row, Taken, read_rows, write_import

TAKEN = Taken(
    vedette_import=FORM,
    origin="report.txt",
    why="case 1",
    tlp="amber",
    tags=("x",),
    taken_at=1_700_000_000,
    expires=1_800_000_000,
)
ROWS = [
    Row(type=T.DOMAIN, value="evil.example"),
    Row(type=T.MD5, value="a" * 32, comment="dropper", expires=1_750_000_000, confidence=80),
]


def fetch(path: Path, known: dict[str, str] | None = None) -> list[Item]:
    source = build("import", {"name": "case", "location": str(path)})
    return list(source.fetch(known or {}))


def test_what_was_taken_comes_back_with_all_that_was_said(tmp_path: Path) -> None:
    path = tmp_path / "case.jsonl"
    write_import(path, TAKEN, ROWS)
    assert read_rows(path) == (TAKEN, ROWS)
    assert path.stat().st_mode & 0o007 == 0
    name, digest = (item for item in fetch(path) if isinstance(item, Indicator))
    assert (name.value, name.comment, name.expires, name.confidence) == (
        "evil.example",
        "case 1",
        1_800_000_000,
        -1,
    )
    assert (digest.comment, digest.expires, digest.confidence) == ("dropper", 1_750_000_000, 80)
    assert (name.context.info, name.context.tlp, name.context.tags) == (
        "report.txt",
        "amber",
        ("x",),
    )
    assert name.changed == 1_700_000_000


def test_the_same_file_is_unchanged_and_another_is_not(tmp_path: Path) -> None:
    path = tmp_path / "case.jsonl"
    write_import(path, TAKEN, ROWS)
    version = fetch(path)[-1].version  # type: ignore[union-attr]
    assert fetch(path, {"": version}) == [Unchanged("")]
    write_import(path, TAKEN, ROWS[:1])
    assert len(fetch(path, {"": version})) == 2


def test_a_damaged_row_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "case.jsonl"
    write_import(path, TAKEN, ROWS)
    with path.open("ab") as file:
        file.write(b'{"type":"domain"\n{"type":"domain","value":"no name at all"}\n')
        file.write(b'{"type":"colour","value":"red"}\n{"type":"domain","value":"last.example"}\n')
    items = fetch(path)
    assert [item.value for item in items if isinstance(item, Indicator)][-1] == "last.example"
    assert [item.reason for item in items if isinstance(item, Rejected)] == [
        "not a row of an import",
        "several values in one",
        "not a row of an import",
    ]
    assert len(read_rows(path)[1]) == 4


@pytest.mark.parametrize("content", [b"", b"evil.example\n", b'{"origin": "x"}\n', b"\xff\n"])
def test_a_file_of_somebody_else_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "case.jsonl"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="not what `indicator import` writes"):
        fetch(path)
