"""``vedette key``: shown, replaced, written for minisign."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from vedette.testing.command import Cli
from vedette.trust.keys import PublicKey


@pytest.fixture
def key(cli: Cli) -> str:
    """The hub's key, made by being asked for."""
    assert cli("init").code == 0
    shown = cli("key", "show", "--json")
    assert shown.code == 0, shown.err
    return str(json.loads(shown.out)["key"])


def test_the_key_is_shown(cli: Cli, key: str) -> None:
    shown = cli("key", "show")
    assert shown.code == 0
    assert key in shown.out
    assert PublicKey(key).id in shown.out
    assert "the first key" in shown.out


def test_a_rotation_is_shown_with_what_it_means(cli: Cli, key: str) -> None:
    done = cli("key", "rotate", "--why", "yearly")
    assert done.code == 0, done.err
    assert "follow by themselves" in done.out
    document = json.loads(cli("key", "show", "--json").out)
    assert document["key"] != key
    assert document["key"] in done.out
    assert [change["why"] for change in document["changes"]] == ["the first key", "yearly"]
    assert document["changes"][1]["retire"] == [PublicKey(key).id]


def test_a_lost_key_is_an_error_until_a_person_replaces_it(cli: Cli, key: str) -> None:
    Path("state/keys/signing.key").unlink()
    shown = cli("key", "show")
    assert shown.code == 11
    assert key in shown.out
    assert "signing key is gone" in shown.out
    refused = cli("key", "rotate")
    assert refused.code == 11
    assert "rotate --lost" in refused.err
    assert cli("key", "rotate", "--lost", "--json").code == 2
    done = cli("key", "rotate", "--lost", "--yes")
    assert done.code == 0, done.err
    assert "no agent believes it yet" in done.out
    assert cli("key", "show").code == 0


def test_a_replacement_that_agents_refuse_is_asked_for(
    cli: Cli, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert cli("key", "rotate", "--lost").code == 130
    assert json.loads(cli("key", "show", "--json").out)["key"] == key


def test_the_key_is_written_for_minisign(cli: Cli, key: str) -> None:
    done = cli("key", "export", "hub.pub")
    assert done.code == 0, done.err
    assert PublicKey(Path("hub.pub").read_text()).text == key
    assert cli("key", "export", "none/hub.pub").code == 2


def test_the_secret_is_never_printed(cli: Cli, key: str) -> None:
    secret = Path("state/keys/signing.key").read_text().split("\n")[1]
    for command in (("show",), ("show", "--json"), ("export", "hub.pub"), ("rotate",)):
        done = cli("-vv", "key", *command)
        assert secret[20:60] not in done.out + done.err
