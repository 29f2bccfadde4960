"""``vedette hit``: one sensor that cannot be read does not keep the others."""

from __future__ import annotations

from pathlib import Path

from vedette.testing.command import Cli


def test_a_sensor_that_does_not_exist_is_said(cli: Cli) -> None:
    cli("init")
    refused = cli("hit", "read", "nobody", "--json")
    assert refused.code == 2
    assert "no sensor 'nobody'" in refused.json["failed"][0]["error"]


def test_an_eve_that_cannot_be_read_does_not_keep_the_others(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "good.json").write_text('{"event_type":"stats"}\n')
    (short_path / "bad.json").mkdir()
    for name in ("bad", "good"):
        eve = short_path / f"{name}.json"
        cli("sensor", "add", name, "--socket", "s", "--rules", "r", "--eve", eve)
    done = cli("hit", "read", "--json")
    assert done.code == 8
    assert [(one["sensor"], one["lines"]) for one in done.json["read"]] == [("good", 1)]
    assert [one["exit_code"] for one in done.json["failed"]] == [8]
    assert "good: 1 lines" not in cli("hit", "read", "bad").out
