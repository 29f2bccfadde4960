"""``vedette pool``: looking after the memory, asked of a daemon or opened here."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from vedette.cli.output import Output
from vedette.cli.pool_ingest import NAMELESS, default_sensor, describe, show_ingested
from vedette.cli.pool_status import show_status
from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.pipeline.ingesting import FileOutcome, Ingested, Progress
from vedette.pipeline.lock import exclusive
from vedette.pipeline.memory import Status
from vedette.pipeline.pooling import lock_path
from vedette.pool.records import Coverage
from vedette.store.intake import InputTotals
from vedette.testing.command import Cli


def test_status_names_engine_owner_sizes_and_sensors(ask: Cli) -> None:
    status = ask("pool", "status")
    assert status.code == 0
    for part in (
        "embedded (chDB, ClickHouse",
        "open in  a test's daemon (process",
        "spool    empty",
        "learning ended 2026-01-08 08:00:00Z",
        "edge    2026-01-01 08:00",
    ):
        assert part in status.out
    document = ask("pool", "status", "--json").json
    assert document["known"] == 7
    assert {one["table"] for one in document["tables"]} == {
        "sightings",
        "observations",
        "new_sightings",
        "coverage",
    }
    assert all(one["bytes"] > 0 for one in document["tables"])
    assert document["damaged_files"] == 0


def test_an_export_is_what_another_tool_reads(ask: Cli, short_path: Path) -> None:
    done = ask("pool", "export", short_path / "out", "--json")
    assert done.code == 0
    read = duckdb.sql(
        "SELECT value, client, server, sensor, count, epoch_us(first_seen)"
        f" FROM '{short_path}/out/sightings.parquet' WHERE field='dns.query' ORDER BY value"
    ).fetchall()
    assert read == [
        ("cdn.evil.example", "10.0.0.12", "10.0.0.53", "edge", 1, 1769076000000000),
        ("evil.example", "10.0.0.9", "10.0.0.53", "edge", 2, 1768900353500000),
        ("www.good.example", "10.0.0.1", "10.0.0.53", "edge", 1, 1767254400000001),
    ]
    for table, rows in (("observations", 8), ("new_sightings", 7), ("coverage", 5)):
        path = short_path / "out" / f"{table}.parquet"
        assert done.json[table]["rows"] == rows
        assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(rows,)]
    assert sorted(path.name for path in (short_path / "out").iterdir()) == sorted(
        f"{table}.parquet" for table in done.json
    )


def test_the_schema_of_a_cluster_is_printed_without_a_cluster(cli: Cli) -> None:
    cli("init")
    printed = cli("pool", "schema", "--cluster", "main", "--database", "soc")
    assert "CREATE DATABASE IF NOT EXISTS soc ON CLUSTER main;" in printed.out
    assert "ENGINE = Distributed(main, soc, sightings_local" in printed.out
    alone = cli("pool", "schema", "--json").json["statements"]
    assert not any("ON CLUSTER" in statement for statement in alone)
    assert cli("pool", "schema", "--cluster", "a; DROP").code == 2


def test_without_a_daemon_a_command_opens_the_memory_itself(short_path: Path) -> None:
    (short_path / "vedette.toml").write_text("")
    command = [sys.executable, "-m", "vedette", "sighting", "list"]
    done = subprocess.run(command, cwd=short_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The memory is empty" in done.stdout
    assert "vedette pool ingest" in done.stdout


def test_what_is_missing_is_said_before_anything_fails(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("init")
    monkeypatch.setattr("vedette.pipeline.pooling._NEEDED", ("pyarrow", "no_such_module_at_all"))
    refused = cli("pool", "status")
    assert refused.code == 10
    assert "needs no_such_module_at_all" in refused.err
    assert 'pip install "vedette[hub]"' in refused.err


def test_an_owner_that_does_not_answer_is_named(
    cli: Cli, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("init")
    monkeypatch.setattr("vedette.pipeline.pooling.WAIT_S", 0.3)
    lock = lock_path(load(short_path / "vedette.toml"))
    lock.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(lock, "vedette run"):
        refused = cli("pool", "status")
    assert refused.code == 6
    assert "(vedette run)" in refused.err
    assert "does not answer" in refused.err


def test_who_wrote_a_file_is_known_of_a_sensor_s_own(cli: Cli, short_path: Path) -> None:
    cli("init")
    with Hub(load(short_path / "vedette.toml")) as hub:
        assert default_sensor(hub, ["x.json"]) == NAMELESS
        for name in ("edge", "lab"):
            eve = short_path / f"{name}.json"
            assert (
                cli("sensor", "add", name, "--socket", "s", "--rules", "r", "--eve", eve).code == 0
            )
            if name == "edge":
                assert default_sensor(hub, ["x.json"]) == "edge"
        assert default_sensor(hub, [str(short_path / "lab.json")]) == "lab"
        assert default_sensor(hub, ["x.json", "unix:s.sock"]) == NAMELESS


def test_a_store_that_lost_what_was_read_into_it_is_not_called_new(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    nothing = Coverage(at=now, sensors=(), observations_since=None, learning_until=None)
    read = InputTotals(
        kind="file", place="/eve", sensor="edge", updated_at=now, counts={"lines": 9, "events": 7}
    )
    status = Status(
        engine="embedded",
        owner="this command",
        known=0,
        tables=(),
        inputs=(),
        spool_files=0,
        spool_bytes=0,
        damaged_files=2,
        native="no C compiler",
        coverage=nothing,
    )
    show_status(Output(as_json=False), status)
    printed = capsys.readouterr().out
    assert "Nothing has been read yet." in printed
    assert "Python: no C compiler" in printed
    assert "2 batches could not be read back" in printed
    show_status(Output(as_json=False), msgspec.structs.replace(status, inputs=(read,)))
    printed = capsys.readouterr().out
    assert "the store is empty, but 7 events had been read into it" in printed
    assert "Nothing has been read yet." not in printed


PROGRESS = Progress(
    bytes=12_000_000,
    bytes_done=25,
    bytes_total=100,
    files_total=4,
    counts={"lines": 30_000, "events": 20_000},
    committed={"lines": 30_000, "events": 20_000, "ignored": 9_000, "empty": 998, "malformed": 2},
    new=1_234,
    seconds=2.0,
)


def test_an_ingest_says_what_it_brought_and_what_it_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = (
        FileOutcome(path="old.json.gz", outcome="known", note="as eve.json, 1,234 bytes"),
        FileOutcome(path="new.json", outcome="read", skipped={"torn": 1}),
        FileOutcome(path="shut.json", outcome="failed", note="Permission denied"),
    )
    show_ingested(Output(as_json=False), Ingested(progress=PROGRESS, files=files), "edge")
    assert capsys.readouterr().out.splitlines() == [
        "  ok edge: 30,000 lines, 20,000 events of 12.0 MB in 2.0 s (10,000 events/s)",
        "       1,234 values that nobody had seen before",
        "       9,000 events of types of which nothing is remembered",
        "       998 events without a value to remember",
        "       not used: malformed 2",
        "   ! old.json.gz: read before (as eve.json, 1,234 bytes)",
        "   ! new.json: read (torn 1)",
        "FAIL shut.json: not read (Permission denied)",
    ]
    assert describe(PROGRESS) == "reading 25 % of 4 files at 10,000 events/s"


def test_an_ingest_of_what_is_known_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    files = (FileOutcome(path="eve.json.1", outcome="known"),)
    show_ingested(Output(as_json=False), Ingested(progress=Progress(), files=files), "edge")
    assert capsys.readouterr().out.splitlines() == [
        "  ok edge: nothing that had not been read before",
        "   ! eve.json.1: read before",
    ]


def test_an_ingest_that_failed_says_what_is_in_by_then(capsys: pytest.CaptureFixture[str]) -> None:
    done = Ingested(progress=PROGRESS, error="the disk is full", hint="Make room.")
    show_ingested(Output(as_json=False), done, "edge")
    printed = capsys.readouterr().out
    assert "FAIL edge: the disk is full" in printed
    assert "Make room." in printed
    assert "in the memory by then: 30,000 lines" in printed


def test_what_is_ingested_can_be_asked_and_is_not_counted_twice(
    short_path: Path, edge_eve: str
) -> None:
    (short_path / "vedette.toml").write_text("")
    eve = short_path / "eve.json"
    eve.write_text(edge_eve + '{"event_type"\n')

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "vedette", *arguments, "--json"]
        done = subprocess.run(command, cwd=short_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    first = run("pool", "ingest", str(eve), "--sensor", "edge")
    assert first["ingested"]["progress"]["committed"] == {
        "lines": 6,
        "events": 5,
        "malformed": 1,
    }
    eve.rename(short_path / "eve.json.1")
    again = run("pool", "ingest", str(short_path), "--sensor", "other")
    assert [one["outcome"] for one in again["ingested"]["files"]] == ["known"]
    card = run("sighting", "show", "evil.example")
    assert {one["field"]: one["count"] for one in card["sightings"]} == {
        "dns.query": 1,
        "tls.sni": 1,
        "http.host": 1,
    }
    assert {one["sensor"] for one in card["sightings"]} == {"edge"}


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["hit", "list"], 0), (["pool", "status"], 10)]
)
def test_without_the_extra_everything_else_works(
    short_path: Path, arguments: list[str], code: int
) -> None:
    (short_path / "vedette.toml").write_text("")
    without = (
        "import sys; sys.modules.update(dict.fromkeys(('pyarrow', 'numpy', 'xxhash', 'chdb')))"
    )
    start = "from vedette.cli import main; main()"
    command = [sys.executable, "-c", f"{without}; {start}", *arguments]
    done = subprocess.run(command, cwd=short_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ('pip install "vedette[hub]"' in done.stderr) == (code == 10)
