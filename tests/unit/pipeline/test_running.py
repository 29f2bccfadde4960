"""``vedette run --once`` and what a failed job means for the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vedette.config import PoolSettings, load
from vedette.pipeline.hub import Hub
from vedette.pipeline.proving import Proving
from vedette.pipeline.running import Runner
from vedette.testing.command import Cli
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_suricata import FakeSuricata
from vedette.testing.loopback import LoopbackServer, Response
from vedette.testing.told import listed, met, write_settings


def test_once_does_everything_and_a_second_time_changes_nothing(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules, "--eve", "eve.json")
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules"):
        assert cli("run", "--once").code == 0
        assert cli("sensor", "list", "--json").json[0]["proof"]["generation"] == 1
        assert cli("run", "--once").code == 0
        assert cli("bundle", "show", "--json").json["on_disk"] == [1]


def test_a_source_that_fails_does_not_keep_the_rest_from_the_sensor(
    cli: Cli, short_path: Path
) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "gone.txt", "--type", "domain", "--name", "a")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "b")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules"):
        done = cli("run", "--once")
        assert done.code == 1, "what failed is said by the exit code"
        assert "gone.txt" in done.err
        assert cli("sensor", "list", "--json").json[0]["proof"]["ok"]


def test_an_engine_that_was_upgraded_gets_the_rules_of_its_new_profile(
    cli: Cli, short_path: Path
) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules", "7.0.10") as engine:
        assert cli("run", "--once").code == 0
        assert cli("sensor", "list", "--json").json[0]["proof"]["target"] == "7.0"
        engine.stop()
    with (
        FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules", "8.0.7"),
        Hub(load(short_path / "vedette.toml")) as hub,
    ):
        Proving(hub.settings, threading.Event()).look(hub, "gate")
        assert cli("sensor", "list", "--json").json[0]["proof"]["target"] == "8.0.7"


@contextmanager
def running(home: Path) -> Iterator[threading.Thread]:
    stop = threading.Event()
    # The memory wants a process of its own: see test_remembering.
    settings = msgspec.structs.replace(
        load(home / "vedette.toml"), pool=PoolSettings(enabled=False)
    )
    runner = threading.Thread(target=Runner(settings, stop).run)
    runner.start()
    try:
        yield runner
    finally:
        stop.set()
        runner.join()


def wait_until(state: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not state():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def counts(cli: Cli) -> dict[str, int]:
    shown = cli("bundle", "show", "--json")
    return dict(shown.json["manifest"]["counts"]) if shown.code == 0 else {"nothing": 1}


def test_a_source_that_is_removed_leaves_the_bundle_though_no_pull_is_due(
    cli: Cli, short_path: Path
) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    with running(short_path):
        wait_until(lambda: counts(cli) == {"domain": 1})
        cli("source", "remove", "l")
        wait_until(lambda: counts(cli) == {})


def test_other_settings_count_from_the_next_pull_on(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "one.txt").write_text("evil.example\n")
    (short_path / "two.txt").write_text("evil.example\nworse.example\n")
    cli("source", "add", "list", "one.txt", "--type", "domain", "--name", "l", "--interval", "1d")
    with running(short_path):
        wait_until(lambda: counts(cli) == {"domain": 1})
        cli("source", "set", "l", "--location", "two.txt", "--every", "1s")
        wait_until(lambda: counts(cli) == {"domain": 2})


def test_a_source_that_is_refused_today_does_not_stop_the_others(
    cli: Cli, short_path: Path
) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    with Hub(load(short_path / "vedette.toml")) as hub:
        hub.store.add_source("before", "list", {"location": "ftp://h/x", "type": "domain"}, 3600)
    pulled = cli("source", "pull", "before")
    assert pulled.code == 3
    assert "vedette source set before SETTING=VALUE" in pulled.out
    assert "'ftp://h/x' is no address like https://host/" in pulled.out
    with running(short_path):
        wait_until(lambda: counts(cli) == {"domain": 1})
    failed = cli("source", "list", "--json").json[0]["last_pull"]
    assert failed["outcome"] == "failed"
    assert "ftp://h/x" in failed["error"]


def test_without_sources_nothing_is_published(cli: Cli, short_path: Path) -> None:
    cli("init")
    with running(short_path):
        time.sleep(1)
    assert cli("bundle", "show").code == 7


def test_a_damaged_generation_does_not_end_the_run(cli: Cli, short_path: Path) -> None:
    cli("init")
    (short_path / "list.txt").write_text("evil.example\n")
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "l")
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with (
        FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules"),
        running(short_path) as runner,
    ):
        wait_until((rules / "current").exists)
        (short_path / "state/bundles/gen-000001/manifest.json").unlink()
        time.sleep(1.5)
        assert runner.is_alive()


def test_a_sensor_that_moved_is_read_where_it_is_now(cli: Cli, short_path: Path) -> None:
    cli("init")
    for name in ("old.json", "new.json"):
        (short_path / name).write_text(f'{{"event_type":"stats","host":"{name}"}}\n')
    add = ("sensor", "add", "gate", "--socket", "s", "--rules", "r", "--eve")

    def has_read(name: str) -> bool:
        with Hub(load(short_path / "vedette.toml")) as hub:
            return name.encode() in (hub.store.fleet.bookmark("gate") or b"")

    cli(*add, "old.json")
    with running(short_path):
        wait_until(lambda: has_read("old.json"))
        cli("sensor", "remove", "gate")
        cli(*add, "new.json")
        wait_until(lambda: has_read("new.json"))


def test_once_tells_misp_and_people_of_hits(cli: Cli, short_path: Path) -> None:
    with FakeMisp() as misp, LoopbackServer(lambda _: Response(200)) as hook:
        key = write_settings(short_path, misp, _tell(short_path, hook.url))
        cli("source", "add", "misp", misp.url, "--key-file", key, "--name", "misp")
        with Hub(load(short_path / "vedette.toml")) as hub:
            hub.store.fleet.add_hits("gate", met(listed(misp, 3)), b"", {})
        for _ in range(2):
            assert cli("run", "--once").code == 0
        assert len(misp.state.sightings) == 3
        assert [one.path for one in hook.requests] == ["/"]
        (short_path / "misp.key").write_text(misp.read_only_key)
        with Hub(load(short_path / "vedette.toml")) as hub:
            hub.store.fleet.add_hits("gate", met(listed(misp, 3)), b"", {})
        failed = cli("run", "--once")
        assert failed.code == 1
        assert "add sightings" in failed.err


def test_run_tells_misp_and_people_of_hits(cli: Cli, short_path: Path) -> None:
    with FakeMisp() as misp, LoopbackServer(lambda _: Response(200)) as hook:
        key = write_settings(short_path, misp, _tell(short_path, hook.url))
        cli("source", "add", "misp", misp.url, "--key-file", key, "--name", "misp")
        with running(short_path), Hub(load(short_path / "vedette.toml")) as hub:
            hub.store.fleet.add_hits("gate", met(listed(misp, 3)), b"", {})
            wait_until(lambda: len(misp.state.sightings) == 3 and bool(hook.requests))


def _tell(home: Path, hook: str) -> str:
    (home / "targets").write_text(hook.replace("http", "json", 1))
    (home / "targets").chmod(0o600)
    feedback = '[feedback]\nsources = ["misp"]\nevery = "1s"\n'
    return f'{feedback}[notify]\ntargets_file = "targets"\ngather = "1s"\nevents = ["hit"]\n'
