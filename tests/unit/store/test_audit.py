"""The audit trail: only appended to, one deed a command, refusals that cannot fill the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.store import Deed, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        yield opened


DEED = Deed(who="ada", origin="pts/1 on hub1", action="sensor add", subject="edge")


def test_a_command_is_one_deed_from_its_beginning_to_its_end(store: Store) -> None:
    number = store.audit.began(DEED, now=100)
    (running,) = store.audit.trail()
    assert (running.ok, running.at) == (None, 100)
    store.audit.ended(number, ok=False, detail={"error": "no such file"}, now=107)
    (deed,) = store.audit.trail()
    assert (deed.id, deed.at, deed.who, deed.origin) == (number, 100, "ada", "pts/1 on hub1")
    assert (deed.action, deed.subject, deed.ok, deed.took_s) == ("sensor add", "edge", False, 7)
    assert deed.detail == {"error": "no such file"}


def test_what_began_tells_its_arguments_and_what_ended_its_error(store: Store) -> None:
    began = Deed(who="a", origin="b", action="c", detail={"arguments": {"eve": "/x"}})
    store.audit.ended(store.audit.began(began), ok=False, detail={"error": "full"})
    assert store.audit.trail()[0].detail == {"arguments": {"eve": "/x"}, "error": "full"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who='eve'",
        "DELETE FROM audit",
        (
            "INSERT OR REPLACE INTO audit"
            " SELECT id, at, 'eve', origin, action, subject, ok, detail, began FROM audit"
        ),
        (
            "INSERT INTO audit SELECT id, at, 'eve', origin, action, subject, ok, detail, began"
            " FROM audit WHERE true ON CONFLICT(id) DO UPDATE SET who='eve'"
        ),
    ],
)
def test_the_database_itself_refuses_to_change_it(store: Store, statement: str) -> None:
    store.audit.began(DEED)
    with sqlite3.connect(store.path) as other, pytest.raises(sqlite3.IntegrityError, match="only"):
        other.execute(statement)
    assert [deed.who for deed in store.audit.trail()] == ["ada"]


def test_one_of_several_subjects_is_found_and_nothing_else(store: Store) -> None:
    for subject in ("edge", "edge, lab", "edge2", "ed_e", "lab"):
        store.audit.add(who="a", origin="b", action="sensor push", subject=subject)
    found = [deed.subject for deed in store.audit.trail(subject="edge")]
    assert found == ["edge, lab", "edge"]
    assert [deed.subject for deed in store.audit.trail(subject="ed_e")] == ["ed_e"]


def test_since_and_limit(store: Store) -> None:
    for at in (10, 20, 30):
        store.audit.add(who="a", origin="b", action="c", now=at)
    assert [deed.at for deed in store.audit.trail(since=20)] == [30, 20]
    assert [deed.at for deed in store.audit.trail(limit=1)] == [30]


def test_refusals_are_written_once_a_minute_for_each_address(store: Store) -> None:
    refused = store.audit.refused
    assert refused(origin="192.0.2.1", action="token refused", why="unknown", now=1_000)
    assert not refused(origin="192.0.2.1", action="token refused", now=1_059)
    assert refused(origin="192.0.2.2", action="token refused", now=1_059)
    assert refused(origin="192.0.2.1", action="token refused", now=1_060)
    assert len(store.audit.trail()) == 3
    assert store.audit.counts() == {("token refused", False): 3}


def test_refusals_from_everywhere_do_not_fill_the_disk(store: Store) -> None:
    written = [
        store.audit.refused(origin=f"2001:db8::{n:x}", action="token refused", now=5_000)
        for n in range(700)
    ]
    assert sum(written) == 600
    assert store.audit.refused(origin="192.0.2.1", action="token revoked", now=5_000)


def test_a_long_detail_is_cut_and_says_so(store: Store) -> None:
    store.audit.add(who="a", origin="b", action="c", detail={"values": "x" * 100_000})
    (deed,) = store.audit.trail()
    assert len(deed.detail["cut"]) == 16_384
