"""``vedette source``: add, test, pull, show, with every answer a person may get."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from vedette.testing.command import Cli
from vedette.testing.fake_misp import READ_ONLY_KEY, FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response

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
        found = cli("indicator", "show", "www.update-cdn[.]example", "--json").json["indicators"]
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
    assert [failed["source"] for failed in done.json["failed"]] == ["a-gone"]
    shown = cli("source", "show", "a-gone").out
    assert "Nothing ever came of it." in shown
    assert "groups:" not in shown


def test_a_list_behind_a_login_gets_what_the_error_asks_for(cli: Cli, short_path: Path) -> None:
    cli("init")
    headers = short_path / "list.headers"
    headers.touch(mode=0o600)
    headers.write_text("Auth-Key: hush\n")

    def answer(request: Request) -> Response:
        is_known = request.headers.get("auth-key") == "hush"
        return Response(200, b"evil.example\n") if is_known else Response(401, b"who?")

    with LoopbackServer(answer) as server:
        arguments = ("source", "add", "list", server.url, "--type", "domain", "--test")
        refused = cli(*arguments)
        assert "--header-file" in refused.err
        tried = cli(*arguments, "--header-file", headers, "--json")
    assert tried.json["types"] == {"domain": 1}


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
        (("source", "add", "misp", "misp.example.org", "--key-file", "k"), "no address like"),
        (("source", "add", "misp-feed", "ftp://x.example/"), "no address like"),
        (("source", "add", "list", "ftp://x.example/", "--type", "domain"), "no address like"),
        (("source", "add", "stix", "ftp://x.example/"), "no address like"),
        (("source", "add", "taxii", "x.example"), "no address like"),
        (("source", "add", "misp-feed", "x", "--timeout-s", "nan"), "timeout_s"),
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
    assert cli("indicator", "show", "update-cdn.example", "--json").json["indicators"] == []


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


# -- presets and rules


def test_public_feeds_are_listed_and_none_is_on(cli: Cli) -> None:
    cli("init")
    listed = cli("source", "presets", "--json").json
    assert {"circl-osint", "urlhaus", "sslbl-ja3", "tor-exits"} <= {row["name"] for row in listed}
    assert all(row["licence"] and row["warning"] for row in listed)
    assert cli("source", "list", "--json").json == []
    shown = cli("source", "presets", "sslbl-ja3")
    assert "6 as harmless clients" in shown.out
    assert "confidence 25" in shown.out
    assert cli("source", "presets", "nothing").code == 2


def test_a_public_feed_is_added_by_name_with_its_licence_and_warning_said(cli: Cli) -> None:
    cli("init")
    added = cli("source", "add", "fingerprints", "--preset", "sslbl-ja3")
    assert added.code == 0
    assert "CC0-1.0" in added.out
    assert "Many false positives" in added.out
    (record,) = cli("source", "list", "--json").json
    assert record["name"] == "fingerprints"
    assert record["kind"] == "list"
    assert record["settings"]["format"] == "sslbl"
    assert record["interval_s"] == 86_400
    assert record["rules"] == {"confidence": 25, "age": "", "review": True}


def test_what_a_preset_suggests_may_be_overruled(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "headers").write_text("Auth-Key: x\n")
    options = ("--interval", "2d", "--confidence", 60, "--age", "30d", "--no-review")
    added = cli(
        "source", "add", "x", "--preset=sslbl-ja3", *options, "--header-file", "headers", "--json"
    ).json
    assert added["preset"] == "sslbl-ja3"
    assert added["interval_s"] == 2 * 86_400
    assert added["rules"] == {"confidence": 60, "age": "30d", "review": False}
    assert added["settings"]["header_file"] == str(short_path.resolve() / "headers")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "x", "--preset", "url-haus"), "Did you mean 'urlhaus'?"),
        (("add", "nokind", "x"), "No such command"),
        (("add", "list", "x", "--type", "domain", "--age", "soon"), "no duration"),
        (("add", "list", "x", "--type", "domain", "--confidence", "101"), "0<=x<=100"),
        (("rules", "nobody", "--confidence", "5"), "no source 'nobody'"),
    ],
)
def test_a_preset_or_rule_that_cannot_be_meant_is_refused(
    cli: Cli, arguments: tuple[str, ...], says: str
) -> None:
    cli("init")
    refused = cli("source", *arguments)
    assert refused.code == 2
    assert says in refused.err + refused.out
    assert cli("source", "list", "--json").json == []


def test_rules_are_given_changed_shown_and_forgotten(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l", "--age", "90d")
    assert cli("source", "rules", "l", "--json").json["rules"]["age"] == "90d"
    changed = cli("source", "rules", "l", "--confidence", 40, "--review")
    assert "confidence 40" in changed.out
    shown = cli("source", "show", "l")
    for part in ("confidence 40", "90d after its last change", "held for review"):
        assert part in shown.out
    cli("source", "rules", "l", "--no-review", "--age", "")
    now = cli("source", "rules", "l", "--json").json["rules"]
    assert now == {"confidence": 40, "age": "", "review": False}
    assert "no rules" in cli("source", "rules", "l", "--clear").out
    assert cli("source", "rules", "l", "--age", "x").code == 2


# -- what became of a source


def test_the_last_pulls_are_shown_with_what_left_and_why(cli: Cli, short_path: Path) -> None:
    cli("init")
    path = short_path / "list.txt"
    path.write_text("".join(f"d{n}.example\n" for n in range(10)) + "no name\n")
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    assert "never pulled" in cli("source", "show", "l").out
    cli("source", "pull")
    path.write_text("".join(f"d{n}.example\n" for n in range(1, 11)) + "no name\n")
    cli("source", "pull")
    path.unlink()
    cli("source", "pull")
    shown = cli("source", "show", "l", "--json").json
    assert [pull["outcome"] for pull in shown["pulls"]] == ["failed", "changed", "changed"]
    assert [(pull["added"], pull["removed"]) for pull in shown["pulls"]] == [
        (0, 0),
        (1, 1),
        (10, 0),
    ]
    (removed,) = shown["removed"]
    assert (removed["type"], removed["value"]) == ("domain", "d0.example")
    assert removed["reason"] == "updated by the source"
    text = cli("source", "show", "l").out
    assert "No such file" in text
    assert "In force is what came by" in text
    assert "d0.example" in text
    assert "no name" in text


def test_a_held_source_says_so_and_how_to_accept(cli: Cli, short_path: Path) -> None:
    cli("init")
    path = short_path / "list.txt"
    path.write_text("".join(f"d{n}.example\n" for n in range(10)))
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    cli("source", "pull")
    path.write_text("d1.example\n")
    cli("source", "pull")
    text = cli("source", "show", "l").out
    assert "shrank from 10 to 1" in text
    assert "--accept" in text


def test_a_password_in_an_address_is_never_shown(cli: Cli) -> None:
    cli("init")
    url = "https://user:hush@lists.example.org/x"
    said = cli("source", "add", "list", url, "--type", "domain", "--name", "l", "--json")
    texts = [said.out, cli("source", "show", "l").out, cli("source", "show", "l", "--json").out]
    texts += [cli("source", "list", "--json").out]
    assert not [text for text in texts if "hush" in text]
    assert "lists.example.org" in texts[1]


def test_tries_are_not_told_of_unless_asked_for(cli: Cli, key_file: Path) -> None:
    cli("init")
    with FakeMisp() as misp:
        url = misp.url
    cli("source", "add", "misp", url, "--key-file", key_file, "--name", "misp")
    assert "retry" not in cli("source", "test", "misp").err
    assert "request.tried_again" in cli("-v", "source", "test", "misp").err


@pytest.mark.parametrize("empty", ["{}", "[]"])
def test_a_feed_whose_manifest_names_nothing_any_more_is_held(
    cli: Cli, short_path: Path, empty: str
) -> None:
    cli("init")
    shutil.copytree(FEED, short_path / "feed")
    cli("source", "add", "misp-feed", "feed", "--name", "f")
    entries = cli("source", "pull", "--json").json["pulls"][0]["entries"]
    manifest = short_path / "feed/manifest.json"
    full = manifest.read_text()
    manifest.write_text(empty)
    for _ in range(2):
        held = cli("source", "pull")
        assert held.code == 4
        assert f"shrank from {entries} to 0 entries" in held.out
        assert "vedette source pull f --accept" in held.out
        assert cli("source", "show", "f", "--json").json["source"]["entries"] == entries > 0
    manifest.write_text(full)
    again = cli("source", "pull", "--json").json["pulls"][0]
    assert (again["entries"], again["added"], again["removed"]) == (entries, 0, 0)
    manifest.write_text(empty)
    assert cli("source", "pull", "--accept", "--json").json["pulls"][0]["removed"] == entries
