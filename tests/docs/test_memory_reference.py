"""The reference of the memory is complete: every field, every reason, every variable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette import fields
from vedette.model import IndicatorType
from vedette.observe import folded

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_READERS = ("eve", "pipeline")
_SKIPPED = re.compile(r'\b(?:skipped|lost|_uncounted|_skipped)\b[^\n]*?["\']([a-z]+)["\']')


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def first_column(page: str, head: str) -> list[str]:
    _, _, rest = page.partition(f"| {head} |")
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1].strip().strip("`") for row in rows]


def test_every_field_is_documented_with_all_that_is_hunted_there() -> None:
    page = text("reference/fields.md")
    rows = {row.split("|")[1].strip(): row for row in page.splitlines() if row.startswith("| `")}
    for field in fields.FIELDS:
        row = rows[f"`{field.name}`"]
        assert all(f"`{kind.value}`" in row for kind, _ in field.hunted)
        assert ("only if you ask" in row) == field.private


def test_every_indicator_type_is_in_a_field_or_not_remembered() -> None:
    page = text("reference/fields.md")
    for kind in IndicatorType:
        assert f"`{kind.value}`" in page


def test_every_reason_for_which_a_line_is_not_used_is_documented() -> None:
    documented = first_column(text("explanation/the-memory.md"), "reason")
    _, _, said = Path(folded.__file__).read_text(encoding="utf-8").partition("    counts: ")
    outcomes = set(re.findall(r"``([a-z.]+)``", said.split('"""')[1])) - {"lines", "events"}
    skipped = {
        name
        for room in _READERS
        for path in (ROOT / "src/vedette" / room).glob("*.py")
        for name in _SKIPPED.findall(path.read_text(encoding="utf-8"))
    }
    assert {"gap", "torn", "oversized", "unreadable"} <= skipped
    assert {"malformed", "untimed", "value.long"} <= outcomes
    assert set(documented) == skipped | outcomes | {"damaged"}
    assert len(documented) == len(set(documented))


@pytest.mark.parametrize(
    ("module", "name"),
    [("pool/remote.py", "PASSWORD_VARIABLE"), ("eve/redis_place.py", "PASSWORD_VARIABLE")],
)
def test_every_variable_is_documented(module: str, name: str) -> None:
    source = (ROOT / "src/vedette" / module).read_text(encoding="utf-8")
    found = re.search(rf'^{name} = "(\w+)"', source, re.MULTILINE)
    assert found is not None
    assert f"| `{found[1]}` |" in text("reference/settings.md")
