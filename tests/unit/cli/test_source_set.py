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
        assert cli("source", "set", "misp", f"url={second.url}", "page_size=5").code == 0
        pulled = cli("source", "pull", "--json").json["pulls"][0]
        assert (pulled["entries"], pulled["removed"]) == (entries, 0)
        assert second.requests
        tested = cli("source", "set", "misp", f"url={first.url}", "--test")
        assert tested.code == 0
        shown = cli("source", "show", "misp", "--json").json["source"]
        assert shown["settings"]["url"] == second.url, "a test saves nothing"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("timeout_s", "no SETTING=VALUE"),
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
