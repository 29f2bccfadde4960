"""Databases of every earlier Vedette become one of today, and lose nothing on the way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.errors import StoreError
from vedette.store import Store
from vedette.store.schema import MIGRATIONS, _statements, migrate

SOURCE = {
    "id": 1,
    "name": "feed",
    "kind": "list",
    "settings": '{"location": "/bad.txt", "type": "domain"}',
    "interval_s": 900,
    "created_at": "2026-01-01T00:00:00+00:00",
    "complete": 1,
    "entries": 1,
}
PROOF = msgspec.json.encode({"ok": True, "generation": 7}).decode()
KNOWN: dict[str, dict[str, Any]] = {
    "source": SOURCE,
    "context": {"id": 1, "source_id": 1, "key": "c", "group_key": "g", "body": "{}"},
    "entry": {
        "type": "domain",
        "skey": "example!evil!",
        "source_id": 1,
        "ref": "1",
        "context_id": 1,
        "comment": "",
        "tags": "",
    },
    "sensor": {
        "name": "edge",
        "settings": '{"socket": "/s", "rules": "/r"}',
        "created_at": "2026-01-01T00:00:00+00:00",
    },
    "proof": {
        "id": 1,
        "sensor": "edge",
        "at": "2026-01-02T00:00:00+00:00",
        "generation": 7,
        "ok": 1,
        "body": PROOF,
    },
    "pull": {
        "id": 1,
        "source_id": 1,
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:00:01+00:00",
        "outcome": "changed",
        "body": '{"source": "feed", "outcome": "changed", "started_at": "2026-01-01T00:00:00Z"}',
    },
    "generation": {
        "number": 7,
        "content_id": "c",
        "parent": 6,
        "created_at": "2026-01-02T00:00:00+00:00",
        "change_seq": 3,
    },
}
"""Rows that are read as what they are; other tables get rows that are only kept."""


def filled(path: Path, version: int) -> dict[str, list[dict[str, Any]]]:
    """Make a database of an earlier schema with a row in each of its tables."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version={version}")
        for table in tables(db):
            row = KNOWN.get(table) or invented(db, table)
            names, marks = ",".join(row), ",".join("?" * len(row))
            db.execute(f"INSERT INTO {table}({names}) VALUES({marks})", list(row.values()))
        db.commit()
        return {
            table: [dict(row) for row in db.execute(f"SELECT * FROM {table}")]
            for table in tables(db)
        }


def tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute(
        "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite%'"
    )
    return [row[0] for row in rows]


def invented(db: sqlite3.Connection, table: str) -> dict[str, Any]:
    return {
        column["name"]: 1 if column["type"] in {"INTEGER", "REAL"} else f"{table} {column['name']}"
        for column in db.execute(f"PRAGMA table_info({table})")
    }


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_every_row_of_an_earlier_schema_is_kept(tmp_path: Path, version: int) -> None:
    path = tmp_path / "vedette.db"
    before = filled(path, version)
    assert len(before) > 10
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        for table, rows in before.items():
            columns = ",".join(rows[0])
            after = [dict(row) for row in db.execute(f"SELECT {columns} FROM {table}")]
            assert after == rows, table


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_what_was_there_is_read_and_what_is_new_works(tmp_path: Path, version: int) -> None:
    path = tmp_path / "vedette.db"
    filled(path, version)
    with Store(path) as store:
        assert [record.name for record in store.sources()] == ["feed"]
        assert store.fleet.sensor("edge").proof == {"ok": True, "generation": 7}
        assert store.fleet.generation(7) is not None
        assert store.announcements.last() is None
        store.audit.add(who="ada", origin="here", action="sensor add")
        assert len(store.timeline.last()) == 1


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_an_upgraded_database_is_the_same_as_a_new_one(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as old:
        for script in MIGRATIONS[:version]:
            old.executescript(script)
        old.execute(f"PRAGMA user_version={version}")
        migrate(old)
        upgraded = schema_of(old)
    with closing(sqlite3.connect(tmp_path / "new.db")) as new:
        migrate(new)
        assert upgraded == schema_of(new)


def schema_of(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    return set(db.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master"))


def test_a_database_of_a_newer_vedette_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=rf"schema {len(MIGRATIONS) + 1}, .* {len(MIGRATIONS)}"):
        Store(path)
    assert path.read_bytes() == before


def test_a_migration_that_is_killed_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    before = filled(path, len(MIGRATIONS) - 1)
    script = (
        "import os, sqlite3, sys; from vedette.store.schema import MIGRATIONS;"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.create_function('die', 0, lambda: os.kill(os.getpid(), 9));"
        "db.executescript('BEGIN IMMEDIATE;' + MIGRATIONS[-1] + ';SELECT die();COMMIT;')"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -9
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) - 1
        assert set(tables(db)) == set(before)
    with Store(path) as store:
        assert store.source("feed").entries == 1


def test_who_waits_for_another_to_migrate_finds_it_done(tmp_path: Path) -> None:
    path = tmp_path / "vedette.db"
    filled(path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("PRAGMA journal_mode=WAL")
        first.execute("BEGIN IMMEDIATE")
        script = "import sys; from pathlib import Path; from vedette.store import Store;"
        script += "print('go', flush=True); Store(Path(sys.argv[1]))"
        command = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == b"go\n"
            time.sleep(0.5)  # it has read the version by now, and waits
            for statement in (one for script in MIGRATIONS[1:] for one in _statements(script)):
                first.execute(statement)
            first.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
            first.execute("COMMIT")
            errors = second.communicate(timeout=60)[1].decode()
    assert second.returncode == 0, errors
