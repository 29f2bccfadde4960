"""``source set``: other settings, the same indicators."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.testing.command import Cli
from vedette.testing.fake_misp import FakeMisp

FEED = Path(__file__).resolve().parents[3] / "src/vedette/demo/feed"


@pytest.fixture
def feed(cli: Cli) -> Cli:
    cli("init")
    cli("source", "add", "misp-feed", FEED, "--name", "demo")
    cli("source", "pull")
    return cli


def settings(cli: Cli) -> dict[str, object]:
    found: dict[str, object] = cli("source", "show", "demo", "--json").json["source"]["settings"]
    return found


def test_settings_change_and_indicators_and_history_stay(feed: Cli) -> None:
    before = feed("source", "show", "demo", "--json").json["source"]
    told = feed("source", "set", "demo", "timeout_s=300", "proxy=http://proxy:3128")
    assert "timeout_s = 300" in told.out
    after = feed("source", "show", "demo", "--json").json["source"]
    assert after["entries"] == before["entries"] > 0
    assert after["last_pull"] == before["last_pull"]
    assert after["settings"] == {
        **before["settings"],
        "timeout_s": 300,
        "proxy": "http://proxy:3128",
    }
    assert "nothing else than before" in feed("source", "set", "demo", "timeout_s=300").out
    feed("source", "set", "demo", "timeout_s=", "proxy=")
    assert settings(feed) == before["settings"]


def test_filters_count_with_the_next_pull(feed: Cli) -> None:
    told = feed("source", "set", "demo", "types=domain,ip-dst", "--interval", "5m")
    assert "every 5 min" in told.out
    assert "the next pull" in told.out.lower()
    feed("source", "pull", "--accept")
    shown = feed("source", "show", "demo", "--json").json["source"]
    assert shown["interval_s"] == 300
    assert any("type not wanted" in reason for reason in shown["last_pull"]["skipped"])
    feed("source", "set", "demo", "types=")
    assert "types" not in settings(feed)["filters"]  # type: ignore[operator]


def test_every_option_of_its_kind_counts(feed: Cli) -> None:
    feed("source", "set", "demo", "--timeout-s", 300, "--tlp", "clear", "--tlp", "green")
    feed("source", "set", "demo", "--no-verify-tls", "--unpublished-too", "--every", "1h")
    shown = feed("source", "show", "demo", "--json").json["source"]
    assert shown["settings"] == {
        "location": str(FEED),
        "timeout_s": 300,
        "verify_tls": False,
        "filters": {"tlp": ["clear", "green"], "published_only": False},
    }
    assert shown["interval_s"] == 3600
    feed("source", "set", "demo", "--proxy", "http://me:secret@proxy:3128")
    told = feed("source", "set", "demo", "--proxy", "", "verify_tls=", "tlp=", "--json")
    assert told.json["changed"]
    assert told.json["settings"] == {
        "location": str(FEED),
        "timeout_s": 300,
        "filters": {"published_only": False},
    }


def test_files_and_types_are_meant_as_in_source_add(cli: Cli, short_path: Path) -> None:
    cli("init")
    for name in ("old.txt", "new.txt"):
        (short_path / name).write_text(f"{name[:3]}.example\n")
    cli("source", "add", "list", "old.txt", "--type", "domain", "--name", "demo")
    told = cli("source", "set", "demo", "--location", "new.txt", "--type", "url")
    assert "waits for you: vedette source pull demo --accept" in told.out
    cli("source", "set", "demo", "--max-bytes", 1000, "--header-file", "headers")
    assert settings(cli) == {
        "location": str(short_path / "new.txt"),
        "type": "url",
        "max_bytes": 1000,
        "header_file": str(short_path / "headers"),
    }


def test_what_shrinks_by_a_setting_is_held(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "long.txt").write_text("".join(f"a{n}.example\n" for n in range(30)))
    (short_path / "short.txt").write_text("a1.example\n")
    cli("source", "add", "list", "long.txt", "--type", "domain", "--name", "demo")
    cli("source", "pull")
    cli("source", "set", "demo", "--location", "short.txt")
    assert cli("source", "pull").code == 4
    assert cli("source", "show", "demo", "--json").json["source"]["entries"] == 30
    assert cli("source", "pull", "--accept").code == 0
    assert cli("source", "show", "demo", "--json").json["source"]["entries"] == 1


def test_a_misp_moves_and_is_compared(cli: Cli, short_path: Path) -> None:
    cli("init")
    key_file = short_path / "misp.key"
    key_file.write_text(FakeMisp.read_only_key)
    key_file.chmod(0o600)
    with FakeMisp() as first, FakeMisp() as second:
        first.load_feed(FEED)
        second.load_feed(FEED)
        cli("source", "add", "misp", first.url, "--key-file", key_file, "--name", "misp")
        entries = cli("source", "pull", "--json").json["pulls"][0]["entries"]
        moved = cli("source", "set", "misp", "--url", second.url, "--page-size", 5)
        assert "The next pull compares" in moved.out
        pulled = cli("source", "pull", "--json").json["pulls"][0]
        assert (pulled["entries"], pulled["removed"]) == (entries, 0)
        assert any("attributes" in request.path for request in second.requests), "read anew"
        tested = cli("source", "set", "misp", f"url={first.url}", "--test")
        assert tested.code == 0
        shown = cli("source", "show", "misp", "--json").json["source"]
        assert shown["settings"]["url"] == second.url, "a test saves nothing"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("timeout_s", "neither an option nor SETTING=VALUE"),
        ("--timeout-s=soon", "is not a valid float"),
        ("--timout-s=3", "No such option '--timout-s'"),
        ("--key-file=x", "No such option '--key-file'"),
        ("--timeout-s=0", "timeout_s"),
        ("--location=ftp://feeds.example/x", "ftp"),
        ("--types=ip-dest", "did you mean 'ip-dst'?"),
        ("exclude_types=md5,Domain", "did you mean 'domain'?"),
        ("timout_s=3", "Did you mean 'timeout_s'?"),
        ("nothing=3", "They are:"),
        ("name=other", "no setting 'name'"),
        ("timeout_s=soon", "cannot be set up so"),
        ("timeout_s=0", "timeout_s"),
        ("location=ftp://feeds.example/x", "ftp"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(feed: Cli, change: str, words: str) -> None:
    before = settings(feed)
    told = feed("source", "set", "demo", change)
    assert told.code == 2
    assert words in told.out + told.err
    assert settings(feed) == before


def test_there_must_be_such_a_source(feed: Cli) -> None:
    assert feed("source", "set", "other", "timeout_s=3").code == 2
