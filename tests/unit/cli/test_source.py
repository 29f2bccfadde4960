"""``vedette source``: add, test, pull, show, with every answer a person may get."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from vedette.testing.command import Cli
from vedette.testing.fake_misp import READ_ONLY_KEY, FakeMisp
from vedette.testing.faults import Fault, FaultKind

FEED = Path(__file__).resolve().parents[3] / "src/vedette/demo/feed"


@pytest.fixture
def key_file(short_path: Path) -> Path:
    path = short_path / "misp.key"
    path.write_text(READ_ONLY_KEY)
    path.chmod(0o600)
    return path


def test_a_feed_is_added_tested_pulled_and_shown(cli: Cli) -> None:
    cli("init")
    added = cli("source", "add", "misp-feed", FEED, "--name", "demo", "--json")
    assert added.code == 0
    assert added.json["kind"] == "misp-feed"

    tested = cli("source", "test", "demo", "--json").json
    assert tested["types"]["domain"] == 3
    assert tested["rejected"] == {"several values in one": 1}
    assert cli("source", "list", "--json").json[0]["entries"] == 0, "a test saves nothing"

    pulled = cli("source", "pull", "demo", "--json").json["pulls"][0]
    assert pulled["entries"] == sum(tested["types"].values())

    shown = cli("source", "show", "demo")
    assert "not a domain" in shown.out
    assert "several values in one" in shown.out
    assert "registry keys are on the host" in shown.out


def test_a_misp_is_added_tested_and_pulled_with_its_key(cli: Cli, key_file: Path) -> None:
    cli("init")
    with FakeMisp() as misp:
        misp.load_feed(FEED)
        added = cli("source", "add", "misp", misp.url, "--key-file", key_file, "--name", "misp")
        assert added.code == 0
        assert READ_ONLY_KEY not in added.out
        tested = cli("source", "test", "misp", "--json").json
        assert tested["connection"]["version"].startswith("2.5")
        pulled = cli("source", "pull", "--json").json["pulls"][0]
        assert pulled["entries"] == sum(tested["types"].values()) > 10
        found = cli("indicator", "show", "www.update-cdn[.]example", "--json").json
    assert found[0]["value"] == "update-cdn.example"
    context = found[0]["entries"][0]["context"]
    assert context["info"] == "Loader campaign: fake browser updates"
    assert context["tlp"] == "green"
    assert context["url"].startswith(misp.url)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(FaultKind.STATUS, status=403, body=b'{"message":"Authentication failed."}'), "key"),
        (Fault(FaultKind.BODY, body=b"<html>login</html>", content_type="text/html"), "MISP"),
        (Fault(FaultKind.BODY, body=b"Fatal error: memory"), "MISP"),
        (Fault(FaultKind.CUT), ""),
        (Fault(FaultKind.CLOSE), ""),
        (Fault(FaultKind.STATUS, status=500, body=b"{}"), ""),
    ],
    ids=["403", "html", "not json", "cut body", "closed", "500"],
)
def test_a_misp_that_fails_is_said_and_its_indicators_stay(
    cli: Cli, key_file: Path, fault: Fault, says: str
) -> None:
    cli("init")
    with FakeMisp() as misp:
        misp.load_feed(FEED)
        cli(
            "source",
            "add",
            "misp",
            misp.url,
            "--key-file",
            key_file,
            "--name",
            "misp",
            "--timeout-s",
            "2",
        )
        before = cli("source", "pull", "--json").json["pulls"][0]["entries"]
        misp.faults.add(fault)
        failed = cli("source", "pull", "misp")
    assert failed.code == 3
    assert "FAIL" in failed.out
    assert says in failed.out
    record = cli("source", "list", "--json").json[0]
    assert record["entries"] == before
    assert record["last_pull"]["outcome"] == "failed"
    assert record["last_pull"]["hint"]
    assert record["last_good_at"]


def test_a_misp_that_is_down_is_said_with_what_to_do(cli: Cli, key_file: Path) -> None:
    cli("init")
    with FakeMisp() as misp:
        url = misp.url
    cli("source", "add", "misp", url, "--key-file", key_file, "--name", "misp")
    failed = cli("source", "pull", "misp", "--json")
    assert failed.code == 3
    assert failed.json["failed"][0]["hint"]


def test_one_source_that_fails_does_not_keep_the_others(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "good.txt").write_text("evil.example\n")
    cli("source", "add", "list", "gone.txt", "--type", "domain", "--name", "a-gone")
    cli("source", "add", "list", "good.txt", "--type", "domain", "--name", "good")
    done = cli("source", "pull", "--json")
    assert done.code == 3
    assert [pull["source"] for pull in done.json["pulls"]] == ["good"]


def test_a_list_that_shrank_is_held_until_a_person_accepts(cli: Cli, short_path: Path) -> None:
    cli("init")
    path = short_path / "list.txt"
    path.write_text("".join(f"d{n}.example\n" for n in range(10)))
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    cli("source", "pull")
    path.write_text("d1.example\n")
    held = cli("source", "pull", "l")
    assert held.code == 4
    assert "--accept" in held.out
    assert cli("source", "list", "--json").json[0]["entries"] == 10
    assert cli("source", "pull", "l", "--accept").code == 0
    assert cli("source", "list", "--json").json[0]["entries"] == 1


def test_a_list_that_became_empty_is_held(cli: Cli, short_path: Path) -> None:
    cli("init")
    path = short_path / "list.txt"
    path.write_text("evil.example\n")
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    cli("source", "pull")
    path.write_text("")
    assert cli("source", "pull", "l").code == 4


def test_a_cut_archive_is_an_error_not_a_shorter_list(cli: Cli, short_path: Path) -> None:
    cli("init")
    path = short_path / "list.gz"
    packed = gzip.compress("".join(f"d{n}.example\n" for n in range(5_000)).encode())
    path.write_bytes(packed[: len(packed) // 2])
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    assert cli("source", "pull", "l").code == 3


def test_nothing_usable_is_said(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "list.txt").write_text("# only a comment\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    assert "nothing usable" in cli("source", "pull", "l").out
    assert "nothing usable" in cli("source", "test", "l").out


def test_a_source_can_be_tried_before_it_is_saved(cli: Cli) -> None:
    cli("init")
    tried = cli("source", "add", "misp-feed", FEED, "--test", "--json")
    assert tried.json["types"]["domain"] == 3
    assert cli("source", "list", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("source", "add", "list", "x", "--type", "domain", "--format", "xml"), "format"),
        (("source", "add", "misp-feed", "x", "--tlp", "purple"), "purple"),
        (("source", "add", "misp-feed", "x", "--interval", "soon"), "no duration"),
        (("source", "pull", "nobody"), "no source 'nobody'"),
        (("source", "show", "nobody"), "no source 'nobody'"),
        (("source", "remove", "nobody"), "no source 'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_code_2(
    cli: Cli, arguments: tuple[str, ...], says: str
) -> None:
    cli("init")
    refused = cli(*arguments)
    assert refused.code == 2
    assert says in refused.err + refused.out


def test_a_removed_source_takes_its_indicators_with_it(cli: Cli) -> None:
    cli("init")
    cli("source", "add", "misp-feed", FEED, "--name", "demo")
    cli("source", "pull")
    assert cli("source", "remove", "demo", "--json").json["entries"] > 0
    assert cli("indicator", "show", "update-cdn.example", "--json").json == []


def test_filters_of_the_command_line_reach_the_source(cli: Cli) -> None:
    cli("init")
    cli(
        "source",
        "add",
        "misp-feed",
        FEED,
        "--name",
        "demo",
        "--tlp",
        "amber",
        "--types",
        "hostname",
    )
    found = cli("source", "test", "demo", "--json").json
    assert found["types"] == {"hostname": 1}
