"""``vedette bundle``: build, show, diff, rollback, verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.testing.command import Cli


@pytest.fixture
def listed(cli: Cli, short_path: Path) -> Path:
    cli("init")
    path = short_path / "list.txt"
    path.write_text("evil.example\nwww.evil.example\nbad.example\n")
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    cli("source", "pull")
    return path


def test_nothing_is_published_before_the_first_build(cli: Cli, listed: Path) -> None:
    refused = cli("bundle", "show")
    assert refused.code == 7
    assert "vedette bundle build" in refused.err


def test_a_build_publishes_and_an_unchanged_one_does_not(cli: Cli, listed: Path) -> None:
    first = cli("bundle", "build", "--json").json
    assert (first["created"], first["manifest"]["generation"]) == (True, 1)
    assert first["manifest"]["pruned"] == {"domain": 1}
    second = cli("bundle", "build", "--json").json
    assert (second["created"], second["manifest"]["generation"]) == (False, 1)
    assert "nothing changed" in cli("bundle", "build").out


def test_a_diff_names_what_came_and_went_and_why(cli: Cli, listed: Path) -> None:
    cli("bundle", "build")
    listed.write_text("evil.example\nwww.evil.example\nnew.example\n")
    cli("source", "pull")
    cli("bundle", "build")
    found = cli("bundle", "diff", 1, 2, "--json").json
    assert [(row["value"], row["source"]) for row in found["added"]] == [("new.example", "l")]
    assert [row["value"] for row in found["removed"]] == ["bad.example"]
    assert found["removed"][0]["reason"] == "updated by the source"
    backwards = cli("bundle", "diff", 2, 1, "--json").json
    assert [row["value"] for row in backwards["added"]] == ["bad.example"]
    assert "new.example" in cli("bundle", "diff", 1, 2).out


def test_a_lost_database_publishes_no_emptiness(cli: Cli, listed: Path, short_path: Path) -> None:
    cli("bundle", "build")
    for path in (short_path / "state").glob("vedette.db*"):
        path.unlink()
    held = cli("bundle", "build", "--json")
    assert (held.code, held.json["exit_code"]) == (4, 4)
    assert "0 indicators are left of the 3" in held.json["error"]
    cli("source", "add", "list", listed, "--type", "domain", "--name", "l")
    assert cli("bundle", "build").code == 4
    cli("source", "pull")
    assert cli("bundle", "build").code == 0
    assert cli("bundle", "show", "--json").json["on_disk"] == [1]


def test_a_source_added_anew_takes_nothing_away_before_its_first_pull(
    cli: Cli, listed: Path
) -> None:
    cli("bundle", "build")
    cli("source", "remove", "l")
    cli("source", "add", "list", "gone.txt", "--type", "domain", "--name", "l")
    assert cli("source", "pull").code == 3
    held = cli("bundle", "build")
    assert (held.code, "never pulled: l" in held.err) == (4, True)
    assert cli("bundle", "build", "--accept", "--json").json["manifest"]["counts"] == {}


def test_a_source_that_was_removed_takes_its_indicators_along(cli: Cli, listed: Path) -> None:
    cli("bundle", "build")
    cli("source", "remove", "l")
    assert cli("bundle", "build", "--json").json["manifest"]["counts"] == {}


def test_a_delta_build_equals_a_whole_one(cli: Cli, listed: Path) -> None:
    cli("bundle", "build")
    listed.write_text("www.evil.example\nbad.example\na.new.example\nnew.example\n")
    cli("source", "pull")
    by_delta = cli("bundle", "build", "--json").json["manifest"]
    whole = cli("bundle", "build", "--whole", "--json").json
    assert not whole["created"]
    assert whole["manifest"]["content_id"] == by_delta["content_id"]


def test_rules_of_a_profile_are_printed(cli: Cli, listed: Path) -> None:
    cli("bundle", "build")
    shown = cli("bundle", "show", "--rules", "7.0").out
    assert "dataset:isset,vedette-domain-l2" in shown
    assert cli("bundle", "show", "--rules", "9.9").code == 7


def test_roll_back_makes_an_older_generation_current(cli: Cli, listed: Path) -> None:
    cli("bundle", "build")
    listed.write_text("evil.example\nbad.example\nnew.example\n")
    cli("source", "pull")
    cli("bundle", "build")
    assert cli("bundle", "rollback", 1).code == 0
    assert cli("bundle", "show", "--json").json["manifest"]["generation"] == 1
    assert cli("bundle", "rollback", 9).code == 7
    built = cli("bundle", "build")
    assert "generation 1 is current by a roll back" in built.out
    assert "vedette bundle rollback 2" in built.out
    assert "roll back" not in cli("bundle", "rollback", 2).out + cli("bundle", "build").out


def test_a_damaged_file_is_found(cli: Cli, listed: Path, short_path: Path) -> None:
    cli("bundle", "build")
    assert cli("bundle", "verify").code == 0
    victim = short_path / "state/bundles/current/datasets/vedette-domain.lst"
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-2])
    refused = cli("bundle", "verify")
    assert refused.code == 7
    assert "vedette-domain.lst" in refused.err
    assert "--whole" in refused.err
    assert "published generation 2" in cli("bundle", "build", "--whole").out
    assert cli("bundle", "verify").code == 0
    (short_path / "state/bundles/gen-000001/manifest.json").unlink()
    assert "1 (damaged)" in cli("bundle", "show").out


def test_old_generations_are_forgotten_beyond_keep(
    cli: Cli, listed: Path, short_path: Path
) -> None:
    with (short_path / "vedette.toml").open("a") as toml:
        toml.write("\n[bundle]\nkeep = 2\n")
    text = (short_path / "vedette.toml").read_text()
    (short_path / "vedette.toml").write_text(
        text.replace("[bundle]\n\n", "", 1)
        if text.count("[bundle]") == 1
        else text.replace("[bundle]\n", "", 1)
    )
    for number in range(4):
        listed.write_text(f"evil.example\nbad.example\nd{number}.example\n")
        cli("source", "pull")
        cli("bundle", "build")
    assert cli("bundle", "show", "--json").json["on_disk"] == [4, 3]


def test_a_diff_says_that_a_source_came_or_went(cli: Cli, listed: Path) -> None:
    cli("bundle", "build")
    Path("more.txt").write_text("more.example\n")
    cli("source", "add", "list", "more.txt", "--type", "domain", "--name", "more")
    cli("source", "pull")
    cli("bundle", "build")
    (came,) = cli("bundle", "diff", 1, 2, "--json").json["added"]
    assert (came["source"], came["reason"]) == ("more", "first pull")
    cli("source", "remove", "more")
    cli("bundle", "build")
    (went,) = cli("bundle", "diff", 2, 3, "--json").json["removed"]
    assert went["reason"] == "more: source removed"


def test_a_build_that_loses_most_of_the_last_one_says_why(
    cli: Cli, listed: Path, short_path: Path
) -> None:
    assert "are left of" not in cli("bundle", "build").out
    (short_path / "vedette.toml").write_text('[guard]\nown = ["evil.example", "bad.example"]\n')
    told = cli("bundle", "build").out
    assert "0 indicators are left of the 3 of generation 1" in told
    assert "own 3" in told
    assert "vedette bundle rollback 1" in told
    listed.write_text("evil.example\nother.example\n")
    cli("source", "pull")
    assert "are left of" not in cli("bundle", "build").out
