"""``indicator import`` as a person uses it: look, take, look again, take away."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vedette.testing.command import Cli

REPORT = """\
The group used evil[.]example and hxxps://c2[.]example/gate?x=1 (see www.vendor.com).

Hashes
* 9585F0C7DC287D07755E6818E1FA204C  invoice.exe
"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "Case 4711.txt"
    path.write_text(REPORT)
    return path


def test_nothing_is_taken_before_it_was_shown(cli: Cli, report: Path) -> None:
    cli("init")
    shown = cli("indicator", "import", report)
    assert shown.code == 0
    assert "3 indicators in this text" in shown.out
    assert "c2.example/gate?x=1" in shown.out
    assert "mentioned, neither defanged nor alone in its line" in shown.out
    assert "www.vendor.com" in shown.out
    assert "Nothing was taken" in shown.out
    assert json.loads(cli("source", "list", "--json").out) == []


def test_what_is_taken_is_a_source_with_all_that_was_said(cli: Cli, report: Path) -> None:
    cli("init")
    options = ("--tlp", "amber", "--tag", "case", "--expires", "90d", "--why", "case 4711", "--yes")
    taken = cli("indicator", "import", report, *options)
    assert taken.code == 0, taken.err
    assert "'case-4711' lists 3 indicators now" in taken.out
    shown = cli("indicator", "show", "evil.example").out
    assert "Case 4711.txt" in shown
    assert "TLP amber" in shown
    assert "case" in shown
    (entry,) = json.loads(cli("source", "list", "--json").out)
    assert (entry["name"], entry["kind"]) == ("case-4711", "import")

    report.write_text(REPORT.replace("evil[.]example", "other[.]example"))
    again = cli("indicator", "import", report, "--yes").out
    assert "It replaces what 'case-4711' lists: 1 more, 1 gone." in again
    assert "+ domain  other.example" in again
    assert "- domain  evil.example" in again
    assert cli("source", "pull").code == 0
    assert "removed source 'case-4711' with 3 entries" in cli("source", "remove", "case-4711").out


def test_standard_input_needs_a_name(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, report: Path
) -> None:
    def piped(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    cli("init")
    piped(REPORT)
    assert cli("indicator", "import", "-").code == 2
    piped(REPORT)
    taken = cli("indicator", "import", "-", "--name", "paste", "--yes", "--json")
    document = json.loads(taken.out)
    assert document["taken"] is True
    assert document["types"] == {"domain": 1, "url": 1, "md5": 1}
    assert {"type": "domain", "value": "evil.example"} in document["indicators"]
    piped("hhxxp.com\n")
    assert "hhxxp.com" in cli("indicator", "import", "-", "--name", "paste").out


def test_a_report_without_indicators_takes_nothing(cli: Cli, report: Path) -> None:
    cli("init")
    report.write_text("Nothing to see here.\n")
    shown = cli("indicator", "import", report, "--yes")
    assert "nothing to take" in shown.out
    assert json.loads(cli("source", "list", "--json").out) == []


def test_what_cannot_be_read_or_meant_is_a_usage_error(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    for arguments in (
        ("absent.txt",),
        (str(tmp_path),),
        (str(tmp_path / "x.txt"), "--expires", "soon"),
    ):
        (tmp_path / "x.txt").write_text("evil[.]example")
        failed = cli("indicator", "import", *arguments)
        assert failed.code == 2, failed.out
        assert failed.err


def test_a_removed_import_leaves_nothing_behind(cli: Cli, report: Path, short_path: Path) -> None:
    cli("init")
    cli("indicator", "import", report, "--name", "case", "--yes")
    kept = short_path / "state" / "imports" / "case.jsonl"
    assert kept.exists()
    assert cli("source", "remove", "case").code == 0
    assert not kept.exists()


def test_its_source_says_who_took_it_when_and_why(cli: Cli, report: Path) -> None:
    cli("init")
    said = ("--why", "the report of case 4711", "--tlp", "amber", "--tag", "case:4711")
    cli("indicator", "import", report, "--name", "case", *said, "--expires", "90d", "--yes")
    shown = cli("source", "show", "case")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    (line,) = [line for line in shown.out.splitlines() if "taken out of" in line]
    assert "taken out of Case 4711.txt (text) by " in line
    assert f"at {today}" in line
    assert line.endswith("TLP amber")
    assert "  why: the report of case 4711\n  tags: case:4711\n  until: 20" in shown.out
    taken = cli("source", "show", "case", "--json").json["taken"]
    assert (taken["why"], taken["tlp"]) == ("the report of case 4711", "amber")
    assert taken["who"]
    assert 0 < taken["taken_at"] < taken["expires"]
