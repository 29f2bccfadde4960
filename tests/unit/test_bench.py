"""The benchmarks run and fill their tables; what they found is in bench/README.md."""

from __future__ import annotations

import os
import subprocess
import sys
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
    "misp_pull": ("Vedette, first pull", "limit: the same pages", "PyMISP search()"),
}


@pytest.mark.engine
@pytest.mark.parametrize("name", ROWS)
def test_a_benchmark_fills_its_table(name: str) -> None:
    if not (find_engine("7") and find_engine("8")):
        _lack("no Suricata 7 and 8 (run: tools/engines.sh)")
    if name == "delta" and os.geteuid() != 0:
        _lack("a live engine captures on loopback, and that needs root")
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
    assert [row for row in ROWS[name] if row not in done.stdout] == []


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
    assert [name for name in ROWS if f"<!-- {name} -->\n" not in readme] == []


def _lack(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
