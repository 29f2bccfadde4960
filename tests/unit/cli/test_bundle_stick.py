"""From ``bundle export`` on a hub to ``bundle import`` beside an engine that it never meets."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vedette.testing.command import Cli, Outcome
from vedette.testing.fake_suricata import FakeSuricata


@dataclass
class Island:
    """A hub, and an engine on a machine that only a stick reaches."""

    cli: Cli
    engine: FakeSuricata
    rules: Path

    def publish(self, *names: str) -> None:
        Path("list.txt").write_text("\n".join(names) + "\n")
        done = self.cli("source", "pull", "--accept")
        assert done.code == 0, done.err
        done = self.cli("bundle", "build")
        assert done.code == 0, done.err

    def export(self, name: str, *more: str) -> dict[str, Any]:
        done = self.cli("bundle", "export", name, "--json", *more)
        assert done.code == 0, done.err
        document: dict[str, Any] = json.loads(done.out)
        return document

    def bring(self, name: str, *more: str) -> Outcome:
        return self.cli(
            "bundle", "import", name, "--name", "island", "--socket", self.engine.path,
            "--rules", self.rules, *more,
        )  # fmt: skip

    @property
    def held(self) -> int:
        release = json.loads((self.rules / "current" / "release.json").read_bytes())
        return int(release["generation"])


@pytest.fixture
def island(cli: Cli, tmp_path: Path) -> Iterator[Island]:
    assert cli("init").code == 0
    assert cli("source", "add", "list", "list.txt", "--name", "bad", "--type", "domain").code == 0
    rules = tmp_path / "rules"
    engine = FakeSuricata(Path("s").absolute(), rules / "current/vedette.rules", "8.0.7")
    engine.start()
    try:
        yield Island(cli, engine, rules)
    finally:
        engine.stop()


def test_a_generation_goes_by_stick(island: Island) -> None:
    island.publish("bad.example.com")
    document = island.export("one.tar")
    assert document["profiles"] == ["7.0", "8.0", "8.0.7"]
    assert document["bytes"] == Path("one.tar").stat().st_size
    done = island.bring("one.tar", "--key", document["key"])
    assert done.code == 0, done.out + done.err
    assert "island: Suricata 8.0.7 holds generation 1" in done.out
    assert island.held == 1
    island.publish("bad.example.com", "worse.example.com")
    island.export("two.tar")
    done = island.bring("two.tar", "--json")  # the key is known by now
    assert done.code == 0, done.err
    brought = json.loads(done.out)
    assert brought["pushed"]["proof"]["checks"]
    assert brought["pushed"]["how"] == "delta"
    assert island.held == 2
    state = Path(f"{island.rules}.trust")
    assert [path.name for path in state.iterdir() if path.name.startswith(".import-")] == []


def test_without_a_key_nothing_is_believed(island: Island) -> None:
    island.publish("bad.example.com")
    island.export("one.tar")
    done = island.bring("one.tar")
    assert done.code == 11
    assert "vedette key show" in done.err
    assert not island.rules.exists()
    stranger = "RWTQBYe4SulYLNfTFmcNS+q7wuNE8i1eMj+z1uWsMUFtBETLlUuFAcZ3"
    done = island.bring("one.tar", "--key", stranger)
    assert done.code == 11
    assert "not trusted" in done.err
    assert not island.rules.exists()


def test_what_was_changed_on_its_way_changes_nothing(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    assert island.bring("one.tar", "--key", key).code == 0
    island.publish("other.example.com")
    island.export("two.tar")
    data = bytearray(Path("two.tar").read_bytes())
    data[len(data) // 2] ^= 1
    Path("two.tar").write_bytes(data)
    done = island.bring("two.tar")
    assert done.code == 11, done.out
    assert island.held == 1


def test_an_older_one_is_refused_unless_a_person_says_so(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    island.publish("other.example.com")
    island.export("two.tar")
    assert island.bring("two.tar", "--key", key).code == 0
    done = island.bring("one.tar")
    assert done.code == 11
    assert "older than" in done.err
    assert island.held == 2
    done = island.bring("one.tar", "--older")
    assert done.code == 0, done.err
    assert island.held == 1
    assert island.bring("two.tar").code == 0
    assert island.held == 2


def test_the_same_stick_twice_is_the_same(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    assert island.bring("one.tar", "--key", key).code == 0
    again = island.bring("one.tar", "--json")
    assert again.code == 0
    assert json.loads(again.out)["pushed"]["how"] == "nothing"


def test_an_island_follows_the_rotations_that_it_missed(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    assert island.bring("one.tar", "--key", key).code == 0
    old = island.export("old.tar")
    for _ in range(2):
        assert island.cli("key", "rotate").code == 0
    assert old["key"] == key
    island.publish("other.example.com")
    island.export("two.tar")
    done = island.bring("two.tar")
    assert done.code == 0, done.err
    assert island.held == 2
    refused = island.bring("old.tar", "--older")
    assert refused.code == 11
    assert "has retired" in refused.err


def test_a_hub_that_lost_its_key_is_believed_when_the_new_one_is_given(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    assert island.bring("one.tar", "--key", key).code == 0
    Path("state/keys/signing.key").unlink()
    assert island.cli("key", "rotate", "--lost", "--yes").code == 0
    new = island.export("again.tar")["key"]
    refused = island.bring("again.tar")
    assert refused.code == 11
    assert "cannot be believed" in refused.err
    assert island.bring("again.tar", "--key", new).code == 0


def test_what_is_not_for_this_engine_says_how_to_get_it(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("seven.tar", "--profile", "7.0")["key"]
    done = island.bring("seven.tar", "--key", key)
    assert done.code == 7
    assert "--profile 8.0.7" in done.err
    assert not island.rules.exists()
    assert not (Path(f"{island.rules}.trust") / "holding.json").exists()


def test_an_engine_that_is_away_changes_nothing(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    island.engine.stop()
    done = island.bring("one.tar", "--key", key)
    assert done.code == 8
    assert not island.rules.exists()


def test_an_engine_that_does_not_load_it_is_red(island: Island, tmp_path: Path) -> None:
    """Its rule-files name another file: everything is installed, and nothing is in force."""
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    island.engine.stop()
    with FakeSuricata(Path("t").absolute(), tmp_path / "other.rules", "8.0.7") as engine:
        island.engine = engine
        done = island.bring("one.tar", "--key", key, "--state", str(tmp_path / "state"))
    assert done.code == 9
    assert "does NOT hold generation 1" in done.out
    assert "canary" in done.out
    assert (tmp_path / "state" / "holding.json").exists()


def test_settings_of_an_agent_are_taken(island: Island, tmp_path: Path) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    Path("agent.toml").write_text(
        f'delivery = "stick"\nkey = "{key}"\nstate = "{tmp_path}/agent"\n'
        f'[sensor]\nname = "deep"\nsocket = "{island.engine.path}"\nrules = "{island.rules}"\n'
    )
    done = island.cli("bundle", "import", "one.tar", "--config", "agent.toml")
    assert done.code == 0, done.err
    assert "deep: Suricata" in done.out
    assert (tmp_path / "agent" / "holding.json").exists()


def test_what_one_sensor_is_told_is_exported(island: Island) -> None:
    island.publish("bad.example.com")
    assert island.cli("bundle", "export", "one.tar", "--sensor", "nobody").code == 2
    assert not Path("one.tar").exists()


def test_what_only_canaries_are_told_is_exported_for_them_only(island: Island) -> None:
    add = ("sensor", "add", "first", "--socket", "/nowhere", "--rules", "r", "--ring", "canary")
    done = island.cli(*add)
    assert done.code == 0, done.err
    island.publish("bad.example.com")
    refused = island.cli("bundle", "export", "one.tar")
    assert refused.code == 2
    assert "canary sensors only" in refused.err
    assert island.export("one.tar", "--sensor", "first")["generation"] == 1


def test_nothing_published_is_said(island: Island) -> None:
    done = island.cli("bundle", "export", "one.tar")
    assert done.code == 7
    assert "bundle build" in done.err


def test_a_second_import_at_the_same_time_is_refused(island: Island) -> None:
    island.publish("bad.example.com")
    key = island.export("one.tar")["key"]
    state = Path(f"{island.rules}.trust")
    state.mkdir(parents=True)
    with (state / ".import.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert island.bring("one.tar", "--key", key).code == 6
    (state / ".import-left").mkdir()
    assert island.bring("one.tar", "--key", key).code == 0
    assert not (state / ".import-left").exists()
