"""What goes wrong with the embedded engine, each time in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import PoolError
from vedette.pool.backend import Backend
from vedette.pool.embedded import EmbeddedBackend

BEGIN = """
import json, os, resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from vedette.config import PoolSettings, Settings
from vedette.errors import BusyError, PoolError, VedetteError
from vedette.pool.embedded import EmbeddedBackend
from vedette.pool.records import Place, Wanted
from vedette.pool.schema import TABLES
from vedette.pool.store import Pool
from vedette.testing.plain_pool import Seen, fold
import structlog

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
settings = Settings(home=sys.argv[1], state="state")
START = datetime(2026, 11, 2, tzinfo=UTC)

def some(n):
    return fold(Seen("dns.query", f"n{k}.example", START) for k in range(n))

def count(pool):
    return sum(one.count for one in pool.sightings(Wanted(limit=0)))

def said(error):
    print(json.dumps([type(error).__name__, str(error), error.hint]), flush=True)
"""


def run(directory: Path, body: str) -> list[Any]:
    """Run some lines in another process; what it printed, line by line."""
    code = BEGIN + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_pool_is_opened_closed_and_opened_again(tmp_path: Path) -> None:
    body = """
        for _ in range(2):
            with Pool.open(settings) as pool:
                pool.commit(some(3), sensor="s1", token="t1")
                print(pool.known)
        print(count(Pool.open(settings)))
    """
    assert run(tmp_path, body) == [3, 3, 3]
    assert run(tmp_path, "print(count(Pool.open(settings)))") == [3]


def test_a_pool_that_another_process_has_open_is_busy_and_unharmed(tmp_path: Path) -> None:
    code = BEGIN + textwrap.dedent("""
        pool = Pool.open(settings)
        pool.commit(some(3), sensor="s1", token="t1")
        print("open", flush=True)
        sys.stdin.readline()
        print(pool.commit(some(5), sensor="s1", token="t2"))
    """)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        body = """
            try:
                Pool.open(settings)
            except VedetteError as error:
                said(error)
        """
        ((kind, message, hint),) = run(tmp_path, body)
        out, _ = owner.communicate("go\n")
    assert kind == "BusyError"
    assert str(tmp_path) in message
    assert "vedette run" in hint
    assert out == "2\n"
    assert run(tmp_path, "print(count(Pool.open(settings)))") == [8]


def test_a_damaged_directory_is_said_and_not_taken_for_a_busy_one(tmp_path: Path) -> None:
    store = tmp_path / "state/pool/store"
    store.parent.mkdir(parents=True)
    store.write_text("no directory")
    body = """
        try:
            Pool.open(settings)
        except VedetteError as error:
            said(error)
        Path(settings.pool_dir / "store").unlink()
        print(Pool.open(settings).known)
    """
    (kind, message, hint), known = run(tmp_path, body)
    assert kind == "PoolError"
    assert str(store) in message
    assert "Vedette's user" in hint
    assert known == 0


def test_a_damaged_part_costs_an_error_or_that_part_and_never_a_wrong_answer(
    tmp_path: Path,
) -> None:
    body = """
        with Pool.open(settings) as pool:
            pool.commit(some(3), sensor="s1", token="t1")
    """
    run(tmp_path, body)
    for path in (tmp_path / "state/pool/store").rglob("data.bin"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    for path in (tmp_path / "state/pool/store").rglob("*.cmrk*"):
        path.write_bytes(b"")
    body = """
        try:
            print(count(Pool.open(settings)))
        except VedetteError as error:
            said(error)
    """
    (answer,) = run(tmp_path, body)
    assert answer == 0 or answer[0] == "PoolError"


FULL = {
    # The engine asks before it writes.
    "little room is left": (
        """
        for table in TABLES:
            pool.backend.command(
                f"ALTER TABLE vedette.{table}"
                " MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000000"
            )
        """,
        """
        for table in TABLES:
            pool.backend.command(
                f"ALTER TABLE vedette.{table}"
                " MODIFY SETTING min_free_disk_bytes_to_perform_insert = 0"
            )
        """,
    ),
    # A write fails that the engine had no reason to fear: it does not notice, so we have to.
    "a write fails": (
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        """,
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)",
    ),
}


@pytest.mark.parametrize("how", FULL)
def test_a_full_disk_loses_nothing_and_the_pool_goes_on_when_there_is_room(
    tmp_path: Path, how: str
) -> None:
    full, room = map(textwrap.dedent, FULL[how])
    before = """
pool = Pool.open(settings)
pool.commit(some(10), sensor="s1", token="t1")
"""
    during = """
for _ in range(2):
    try:
        pool.commit(some(20_000), sensor="s1", token="t2")
    except PoolError as error:
        said(error)
print(count(pool))
"""
    after = """
print(pool.commit(some(20_000), sensor="s1", token="t2"))
print(pool.commit(some(20_000), sensor="s1", token="t2"))
print(count(pool))
print(sum(1 for _ in pool.new(Wanted(learning=True, limit=0))))
print(sum(one.count for one in pool.who([Place("dns.query", "example", True)])))
"""
    first, second, *numbers = run(tmp_path, before + full + during + room + after)
    assert first[0] == second[0] == "PoolError"
    assert "The disk is full" in first[2]
    assert "make room" in first[2]
    assert numbers == [10, 19_990, 0, 20_010, 20_000, 20_010]


def test_a_merge_that_the_disk_did_not_take_is_noticed_by_the_next_batch(tmp_path: Path) -> None:
    body = """
        pool = Pool.open(settings)
        pool.commit(some(2_000), sensor="s1", token="t1")
        pool.commit(some(3_000), sensor="s1", token="t2")
        pool.backend.command("OPTIMIZE TABLE vedette.sightings FINAL")
        (path,) = pool.backend.query(
            "SELECT path FROM system.parts WHERE active AND table = 'sightings'"
        )["path"].to_pylist()
        os.truncate(Path(path) / "data.bin", 1_000)
        try:
            pool.commit(some(10), sensor="s1", token="t3")
        except PoolError as error:
            said(error)
    """
    ((kind, message, hint),) = run(tmp_path, body)
    assert kind == "PoolError"
    assert "is damaged" in message
    assert "read the EVE files again" in hint


def test_without_the_extra_the_hint_is_how_to_install_it(tmp_path: Path) -> None:
    body = """
        sys.modules["chdb"] = None
        try:
            Pool.open(settings)
        except VedetteError as error:
            said(error)
    """
    ((kind, _, hint),) = run(tmp_path, body)
    assert kind == "PoolError"
    assert 'pip install "vedette[hub]"' in hint


def test_a_process_has_one_directory_at_a_time(tmp_path: Path) -> None:
    body = """
        one = EmbeddedBackend(Path(sys.argv[1]) / "one")
        try:
            EmbeddedBackend(Path(sys.argv[1]) / "two")
        except VedetteError as error:
            said(error)
        one.close()
        one.close()
        try:
            one.query("SELECT 1")
        except PoolError as error:
            said(error)
        two = EmbeddedBackend(Path(sys.argv[1]) / "two")
        print(two.query("SELECT 1 AS one")["one"][0].as_py())
        two.close()
    """
    (kind, message, _), closed, one = run(tmp_path, body)
    assert kind == "PoolError"
    assert str(tmp_path / "one") in message
    assert "closed" in closed[1]
    assert one == 1


def test_a_forked_process_is_told_instead_of_hanging(tmp_path: Path) -> None:
    body = """
        backend = EmbeddedBackend(Path(sys.argv[1]) / "store")
        if not (child := os.fork()):
            try:
                backend.query("SELECT 1")
            except PoolError as error:
                said(error)
            os._exit(0)
        os.waitpid(child, 0)
    """
    ((kind, message, _),) = run(tmp_path, body)
    assert kind == "PoolError"
    assert "forked" in message


@pytest.mark.parametrize("backend_here", [1, 2])
def test_several_of_one_process_share_a_directory(
    embedded_backend: Backend, pool_directory: Path, backend_here: int
) -> None:
    others = [EmbeddedBackend(pool_directory) for _ in range(backend_here)]
    for other in others:
        other.close()
    assert embedded_backend.query("SELECT 1 AS one").num_rows == 1
    assert os.getpid() == others[0]._process
    with pytest.raises(PoolError):
        others[0].command("SELECT 1")
