"""What is kept of a report: a source like any other, replaced by the same name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.config import Settings
from vedette.errors import BusyError, StoreError, UsageError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.hub import Hub
from vedette.pipeline.importing import difference, take
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pulling import pull
from vedette.sources.imported import FORM, Row, Taken

TAKEN = Taken(vedette_import=FORM, origin="report.txt", taken_at=1_700_000_000)


def rows(*names: str) -> list[Row]:
    return [Row(type=T.DOMAIN, value=name) for name in names]


def keys(*names: str) -> list[Key]:
    return [Key(T.DOMAIN, name) for name in names]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=tmp_path)) as opened:
        yield opened


def test_the_same_name_replaces_and_says_what_changes(hub: Hub) -> None:
    first = difference(hub, "case", keys("a.example", "b.example"))
    assert (first.is_new, len(first.added), first.removed) == (True, 2, ())
    assert take(hub, "case", TAKEN, rows("a.example", "b.example", "c.example")).entries == 3
    again = difference(hub, "case", keys("c.example", "d.example"))
    assert not again.is_new
    assert again.added == (Key(T.DOMAIN, "d.example"),)
    assert again.removed == tuple(keys("a.example", "b.example"))
    summary = take(hub, "case", TAKEN, rows("d.example"))
    assert (summary.entries, summary.added, summary.removed) == (1, 1, 3)


def test_it_is_removed_like_any_source_and_starts_anew(hub: Hub) -> None:
    take(hub, "case", TAKEN, rows("a.example"))
    assert hub.store.remove_source("case") == 1
    assert difference(hub, "case", keys("b.example")).is_new
    assert take(hub, "case", TAKEN, rows("b.example")).entries == 1


def test_a_name_of_another_kind_or_no_name_is_refused(hub: Hub) -> None:
    hub.store.add_source("list", "list", {"location": "/x", "type": "domain"}, 60)
    with pytest.raises(UsageError, match="of kind list already"):
        difference(hub, "list", [])
    for name in ("../../etc/x", "", "a/b"):
        with pytest.raises(UsageError):
            difference(hub, name, [])
        with pytest.raises(UsageError):
            take(hub, name, TAKEN, [])
    assert not (hub.settings.state_dir / "imports").exists()


def test_what_cannot_be_written_changes_nothing(hub: Hub) -> None:
    take(hub, "case", TAKEN, rows("a.example"))
    directory = hub.settings.state_dir / "imports"
    kept = (directory / "case.jsonl").read_bytes()

    def failing() -> Iterator[Row]:
        yield from rows("b.example")
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        take(hub, "case", TAKEN, failing())
    assert (directory / "case.jsonl").read_bytes() == kept
    assert [path.name for path in directory.iterdir()] == ["case.jsonl"]


@pytest.mark.parametrize("name", ["case", "another"])
def test_while_another_works_nothing_changes(hub: Hub, name: str) -> None:
    take(hub, "case", TAKEN, rows("a.example"))
    directory = hub.settings.state_dir / "imports"
    kept = (directory / "case.jsonl").read_bytes()
    with (
        exclusive(hub.lock_file("work"), "a long pull"),
        pytest.raises(BusyError, match="a long pull"),
    ):
        take(hub, name, TAKEN, rows("b.example", "c.example"))
    assert [path.name for path in directory.iterdir()] == ["case.jsonl"]
    assert (directory / "case.jsonl").read_bytes() == kept
    assert [record.name for record in hub.store.sources()] == ["case"]
    assert pull(hub, "case").entries == 1
