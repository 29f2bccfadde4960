"""The benchmarks run and fill their tables; what they found is in bench/README.md."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from vedette.testing.engine import find_engine

ROOT = Path(__file__).resolve().parents[2]

ROWS = {
    "suricata_load": (
        "by hand: one exact rule (dns.query)",
        "by hand: Vedette's buffers, exact",
        "Vedette, profile 7.0",
        "| 200 |",
    ),
    "packets": ("no names", "MISP's rules for 300 domains", "Vedette: 2,000, profile 7.0"),
    "memcap": ("| 7.0.10 | 4,096 | yes |", "| 8.0.7 | 4,096 | yes |", "| 20,000 | 6 |"),
    "list_to_bundle": ("limit: read lines", "source pull", "bundle build", "the bundle**"),
    "delta": ("| socket |", "| reload |"),
    "cycle": ("| 7.0.10 |", "| 8.0.7 |"),
    "misp_pull": ("Vedette, first pull", "limit: the same pages", "PyMISP search()"),
}

OF_THE_POOL = {
    "ingest": (
        "limit: read it and count lines",
        "surimisp's loop",
        "Vedette's fold in Python alone",
        "**vedette pool ingest**",
        "as Suricata 8.0.7 writes them",
        "parse and fold",
    ),
    "known": ("| 100,000 | **Vedette** |", "a Python set of integers"),
    "hunt": ("5,000 indicators, exact", "naive: SEMI JOIN", "| 5,000 |"),
    "feedback": (
        "hits recorded, sightings noted",
        "**vedette feedback send**",
        "kill -9",
        "PyMISP add_sighting",
    ),
    "warninglists": ("**Vedette**, the table is there", "a dictionary of names", "slow_search="),
    "guard": ("**all of them, for the first time**", "nothing changed", "changes brought"),
    "fleet": (
        "| 20 | one each 60 s |",
        "20, patches",
        "2, whole files",
        "on 4 simulated sensors",
        "| 8.0.7 |",
    ),
    "growth": ("bytes an event, all tables", "| 40,000 keys |", "the same by the engine's SQL"),
}
"""They need no engine."""


@pytest.mark.engine
@pytest.mark.parametrize("name", ROWS)
def test_a_benchmark_fills_its_table(name: str) -> None:
    if not (find_engine("7") and find_engine("8")):
        _lack("no Suricata 7 and 8 (run: tools/engines.sh)")
    if name == "delta" and os.geteuid() != 0:
        _lack("a live engine captures on loopback, and that needs root")
    _fills_its_table(name, ROWS[name])


@pytest.mark.parametrize("name", OF_THE_POOL)
def test_a_benchmark_of_the_pool_fills_its_table(name: str) -> None:
    _fills_its_table(name, OF_THE_POOL[name])


def test_eve_is_the_same_for_the_same_seed_and_has_the_asked_number_of_events(
    tmp_path: Path,
) -> None:
    written = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / str(number)
        command = [sys.executable, "-m", "bench.eve", "--events", "3000", "--days", "0.01"]
        subprocess.run(
            [*command, "--names", "500", "--seed", str(seed), "--out", str(out)],
            cwd=ROOT,
            check=True,
        )
        written.append(out.read_bytes())
    assert written[0] == written[1] != written[2]
    events = [json.loads(line) for line in written[0].splitlines()]
    assert len(events) == 3000
    kinds = Counter(event["event_type"] for event in events)
    assert 0.38 < kinds["dns"] / 3000 < 0.46
    assert set(kinds) == {"dns", "flow", "tls", "http", "fileinfo", "ssh", "smtp", "alert"}
    times = [event["timestamp"] for event in events]
    newest = list(accumulate(times, max))
    late = sum(time < seen for time, seen in zip(times[1:], newest, strict=False)) / 3000
    assert 0.1 < late < 0.25


def _fills_its_table(name: str, rows: Sequence[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"## {name}\n" in done.stdout
    assert "Measured on: " in done.stdout
    assert [row for row in rows if row not in done.stdout] == []


def test_figures_are_written_into_their_own_section_only(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from bench.report import Table, write;"
        "write('b', Table('T', ('x', 'y'), [(1, 'two')], ('n',)).markdown(), Path('R.md'))"
    )
    readme = tmp_path / "R.md"
    readme.write_text("one\n<!-- a -->\nA\n<!-- /a -->\n<!-- b -->\nold\n<!-- /b -->\nend\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    table = "**T**\n\n| x | y |\n| --- | --- |\n| 1 | two |\n\n- n\n"
    expected = f"one\n<!-- a -->\nA\n<!-- /a -->\n<!-- b -->\n{table}<!-- /b -->\nend\n"
    assert readme.read_text() == expected


def test_every_benchmark_has_its_section_in_the_readme() -> None:
    readme = (ROOT / "bench/README.md").read_text()
    assert [name for name in ROWS | OF_THE_POOL if f"<!-- {name} -->\n" not in readme] == []


def _lack(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
