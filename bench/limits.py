"""What the machine itself allows: programs that only read, only write. ``limits.py WHAT PATH``.

Run as processes of their own, beside the ones that they are the limit of.
"""

from __future__ import annotations

import sys
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from pathlib import Path


def read_lines(path: Path) -> None:
    """Read a file and split it into lines, nothing else."""
    print(sum(1 for _ in path.read_text().splitlines()))


def write_base64(path: Path) -> None:
    """Read a list of names and write it as a dataset."""
    lines = path.read_bytes().splitlines()
    path.with_suffix(".limit").write_bytes(b"".join(map(b2a_base64, lines)))


def insert_rows(path: Path) -> None:
    """Read a list of names and insert them into a table of SQLite with a primary key, sorted."""
    import sqlite3  # noqa: PLC0415 - the other limits must not pay for it

    names = sorted(path.read_text().splitlines())
    with sqlite3.connect(path.with_suffix(".limit.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE name(value TEXT PRIMARY KEY) WITHOUT ROWID")
        db.executemany("INSERT OR IGNORE INTO name VALUES(?)", ((name,) for name in names))


def read_json(path: Path) -> None:
    """Decode every JSON file of a MISP feed's archive."""
    import tarfile  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from vedette.files import open_decompressed  # noqa: PLC0415

    found = 0
    with open_decompressed(path) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file:
                msgspec.json.decode(file.read())
                found += 1
    print(found)


LIMITS: Mapping[str, Callable[[Path], None]] = {
    function.__name__: function for function in (read_lines, write_base64, insert_rows, read_json)
}

if __name__ == "__main__":
    LIMITS[sys.argv[1]](Path(sys.argv[2]))
