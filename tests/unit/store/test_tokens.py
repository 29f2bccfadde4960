"""Tokens in the store: nothing of the secret, revoked for good, forgotten with their sensor."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.errors import UsageError
from vedette.store import Store
from vedette.store.tokens import Fetch, Scope


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "vedette.db") as opened:
        yield opened


def add(store: Store, *scopes: Scope, sensor: str = "", expires_at: int = 0) -> str:
    wanted = scopes or (Scope.FETCH,)
    return store.tokens.add(sensor, wanted, by="ada", now=1_000, expires_at=expires_at)


def test_a_token_has_256_random_bits_and_a_header_can_carry_it(store: Store) -> None:
    texts = {add(store) for _ in range(50)}
    assert len(texts) == 50
    assert all(re.fullmatch(r"vdt_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text) for text in texts)


def test_the_database_does_not_hold_the_secret(store: Store) -> None:
    text = add(store)
    secret = text[13:]
    dump = "\n".join(store._db.iterdump())
    assert secret not in dump
    assert text[4:12] in dump
    assert hashlib.sha256(secret.encode()).hexdigest() in dump


def test_a_token_is_known_again_and_nothing_else_is(store: Store) -> None:
    text, other = add(store, sensor="edge"), add(store)
    record = store.tokens.authenticate(text)
    assert record is not None
    assert (record.id, record.sensor, record.scopes) == (text[4:12], "edge", {Scope.FETCH})
    assert record.created_by == "ada"
    mixed = text[:13] + other[13:]
    for wrong in ("", "vdt_", text[:-1], f"{text}x", f" {text}", text.upper(), mixed, "é" * 56):
        assert store.tokens.authenticate(wrong) is None, wrong


def test_a_token_is_valid_until_it_expires_or_is_revoked(store: Store) -> None:
    text = add(store, expires_at=2_000)
    record = store.tokens.authenticate(text)
    assert record is not None
    assert (record.is_valid(1_999), record.is_valid(2_000)) == (True, False)
    revoked = store.tokens.revoke(record.id, by="bob", now=1_500)
    assert (revoked.revoked_at, revoked.revoked_by) == (1_500, "bob")
    again = store.tokens.revoke(record.id, by="eve", now=1_600)
    assert (again.revoked_at, again.revoked_by) == (1_500, "bob")
    assert not again.is_valid(1_999)
    known = store.tokens.authenticate(text)
    assert known is not None
    assert not known.is_valid(1_999)


def test_what_does_not_exist_cannot_be_revoked(store: Store) -> None:
    with pytest.raises(UsageError, match="no token '12345678'"):
        store.tokens.revoke("12345678", by="ada", now=1)
    with pytest.raises(UsageError, match="opens nothing"):
        store.tokens.add("", (), by="ada", now=1)


def test_the_tokens_of_a_sensor_end_with_it_and_do_not_come_back(store: Store) -> None:
    store.fleet.add_sensor("edge", {})
    store.fleet.add_sensor("other", {})
    text, kept = add(store, sensor="edge"), add(store, sensor="other")
    store.fleet.set_sensor("edge", {"ring": "canary"})
    assert store.tokens.all("edge")[0].is_valid(1_000)
    store.fleet.remove_sensor("edge")
    store.fleet.add_sensor("edge", {})
    record = store.tokens.authenticate(text)
    assert record is not None
    assert record.revoked_by == "sensor removed"
    assert not record.is_valid(1_000)
    other = store.tokens.authenticate(kept)
    assert other is not None
    assert other.is_valid(1_000)


def test_use_and_fetches_are_kept_by_token(store: Store) -> None:
    edge, tool = add(store, sensor="edge")[4:12], add(store)[4:12]
    store.tokens.note_use([(edge, 1_060, "192.0.2.1"), (edge, 1_050, "192.0.2.2")])
    assert store.tokens.all("edge")[0].used_at == 1_060
    assert store.tokens.all("")[0].used_at == 0
    first = Fetch(edge, "archive", 1, 1_060, "192.0.2.1", "X/1")
    store.tokens.note_fetches([first, Fetch(tool, "rules", 2, 1_070, "", "")])
    store.tokens.note_fetches([first._replace(generation=2, at=1_080)])
    assert [(one.what, one.generation) for one in store.tokens.fetches()] == [
        ("archive", 2),
        ("rules", 2),
    ]
    assert [one.at for one in store.tokens.fetches("edge")] == [1_080]


def test_all_tokens_of_a_sensor_are_revoked_at_once(store: Store) -> None:
    add(store, sensor="edge")
    add(store, sensor="edge")
    assert store.tokens.revoke_of("edge", by="ada", now=5) == 2
    assert store.tokens.revoke_of("edge", by="ada", now=6) == 0
    assert {record.revoked_at for record in store.tokens.all("edge")} == {5}
