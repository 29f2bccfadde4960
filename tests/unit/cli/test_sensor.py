"""``vedette sensor`` against an engine's socket (a fake one: the real ones are in tests/engine)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.config import load
from vedette.pipeline.hub import Hub
from vedette.testing.command import Cli
from vedette.testing.fake_suricata import FakeSuricata


@pytest.fixture
def published(cli: Cli, short_path: Path) -> Path:
    cli("init")
    path = short_path / "list.txt"
    path.write_text("evil.example\nbad.example\nworse.example\n")
    cli("source", "add", "list", path, "--type", "domain", "--name", "l")
    cli("source", "pull")
    cli("bundle", "build")
    return path


@pytest.fixture
def suricata(short_path: Path, published: Path, cli: Cli) -> Iterator[FakeSuricata]:
    rules = short_path / "rules"
    cli("sensor", "add", "gate", "--socket", "s.sock", "--rules", rules)
    with FakeSuricata(short_path / "s.sock", rules / "current/vedette.rules") as running:
        yield running


def test_adding_a_sensor_says_the_one_line_for_its_yaml(cli: Cli, published: Path) -> None:
    added = cli("sensor", "add", "gate", "--socket", "s", "--rules", "r")
    assert "rule-files" in added.out
    assert "r/current/vedette.rules" in added.out


def test_a_push_brings_the_generation_and_proves_it(cli: Cli, suricata: FakeSuricata) -> None:
    pushed = cli("sensor", "push", "gate", "--json")
    assert pushed.code == 0
    (one,) = pushed.json["pushed"]
    assert (one["generation"], one["how"], one["proof"]["ok"]) == (1, "reload", True)
    assert cli("sensor", "push", "gate", "--json").json["pushed"][0]["how"] == "nothing"
    assert "proved" in cli("sensor", "list").out


def test_a_small_change_comes_over_the_socket(
    cli: Cli, suricata: FakeSuricata, published: Path
) -> None:
    cli("sensor", "push")
    published.write_text("evil.example\nbad.example\nnew.example\n")
    cli("source", "pull")
    cli("bundle", "build")
    (one,) = cli("sensor", "push", "--json").json["pushed"]
    assert (one["generation"], one["how"], one["proof"]["ok"]) == (2, "delta", True)


def test_a_sensor_that_lost_its_sets_is_red_with_code_9(cli: Cli, suricata: FakeSuricata) -> None:
    cli("sensor", "push")
    suricata.stop()
    suricata.rules = suricata.rules.parent / "nothing.rules"
    suricata.start()
    proved = cli("sensor", "prove")
    assert proved.code == 9
    assert "does NOT hold" in proved.out
    assert "RED" in cli("sensor", "list").out


def test_an_engine_that_is_gone_is_said_with_what_to_do(cli: Cli, suricata: FakeSuricata) -> None:
    suricata.stop()
    failed = cli("sensor", "push", "--json")
    assert failed.code == 8
    assert failed.json["failed"][0]["hint"]


def test_proving_before_pushing_says_so(cli: Cli, suricata: FakeSuricata) -> None:
    refused = cli("sensor", "prove")
    assert refused.code == 8
    assert "vedette sensor push gate" in refused.out


def test_the_last_proof_is_shown_check_by_check(cli: Cli, suricata: FakeSuricata) -> None:
    cli("sensor", "push")
    shown = cli("sensor", "show", "gate").out
    assert "canary" in shown
    assert "members" in shown


def test_a_removed_sensor_is_gone(cli: Cli, suricata: FakeSuricata) -> None:
    assert cli("sensor", "remove", "gate").code == 0
    assert cli("sensor", "list", "--json").json == []
    assert cli("sensor", "remove", "gate").code == 2


def test_the_list_has_all_that_is_asked_about_a_sensor(cli: Cli, suricata: FakeSuricata) -> None:
    assert "never heard" in cli("sensor", "list").out
    cli("sensor", "push")
    (one,) = cli("sensor", "list", "--json").json
    assert (one["state"], one["generation"], one["wanted"]) == ("proved", 1, 1)
    assert one["report"]["engine"]["version"] == one["proof"]["engine"]
    assert one["report"]["delivered"]["how"] == "reload"
    head = cli("sensor", "list").out.splitlines()[0]
    for column in ("generation", "engine", "proved", "drifts", "last reload", "alerts lost"):
        assert column in head
    assert "EVE lag" in head


def test_a_file_that_was_edited_is_named_and_what_to_do(
    cli: Cli, suricata: FakeSuricata, short_path: Path
) -> None:
    cli("sensor", "push")
    (edited,) = (short_path / "rules/current").glob("vedette-domain*.lst")
    edited.write_bytes(b"")
    assert cli("sensor", "prove").code == 9
    (why,) = [one["why"] for one in cli("sensor", "list", "--json").json]
    assert why.startswith(f"files: {edited.name} changed by hand or gone")
    assert "on_drift" in why
    assert f"gate: files: {edited.name} changed" in cli("sensor", "list").out
    assert why in cli("sensor", "show", "gate").out


def test_what_is_wrong_comes_first_and_the_same_of_several_is_said_once(
    cli: Cli, suricata: FakeSuricata
) -> None:
    cli("sensor", "push")
    for name in ("a1", "a2", "a3", "a4"):
        cli("sensor", "enrol", name)
    cli("sensor", "enrol", "u1", "--delivery", "suricata-update")
    listed = cli("sensor", "list").out
    rows = [line.split()[0] for line in listed.splitlines()[1:7]]
    assert rows == ["a1", "a2", "a3", "a4", "u1", "gate"]
    assert "6 sensors: 5 never heard, 1 proved" in listed
    assert "a1, a2, a3 and 1 more: its agent never reported" in listed
    assert "u1: it never fetched" in listed


def test_a_drift_is_counted_and_shown_with_its_reason(cli: Cli, suricata: FakeSuricata) -> None:
    cli("sensor", "push")
    suricata.stop()
    suricata.rules = suricata.rules.parent / "nothing.rules"
    suricata.start()
    cli("sensor", "prove")
    listed = cli("sensor", "list").out
    assert "RED: drifted" in listed
    assert "1 sensor: 1 RED: drifted" in listed
    assert "gate: rules.loaded: The engine has not loaded Vedette's rules file." in listed
    assert "all of it: vedette sensor show gate" in listed
    (why,) = [one["why"] for one in cli("sensor", "list", "--json").json]
    assert why in cli("sensor", "show", "gate").out
    shown = cli("sensor", "show", "gate")
    assert "RED: drifted for" in shown.out
    assert "What happened" in shown.out
    document = cli("sensor", "show", "gate", "--json").json
    assert document["report"]["drifts"] == 1
    assert [event["state"] for event in document["events"]] == ["drifted", "proved"]


def test_a_sensor_that_cannot_be_asked_is_silent_and_says_why(
    cli: Cli, suricata: FakeSuricata
) -> None:
    cli("sensor", "push")
    suricata.stop()
    assert cli("sensor", "prove").code == 8
    assert "silent" in cli("sensor", "list").out
    assert "s.sock" in cli("sensor", "show", "gate").out


def test_settings_are_changed_without_losing_what_is_known(
    cli: Cli, suricata: FakeSuricata
) -> None:
    cli("sensor", "push")
    changed = cli("sensor", "set", "gate", "--ring", "canary", "--on-drift", "report", "--json")
    assert changed.json["changed"] == ["on_drift", "ring"]
    (one,) = cli("sensor", "list", "--json").json
    assert (one["ring"], one["state"]) == ("canary", "proved")
    assert one["settings"]["on_drift"] == "report"
    cli("sensor", "set", "gate", "--ring", "others")
    assert cli("sensor", "list", "--json").json[0]["ring"] == ""
    assert "is like that already" in cli("sensor", "set", "gate").out
    assert cli("sensor", "set", "nobody", "--ring", "canary").code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--rules", "r"), "--socket is missing"),
        (("--socket", "s"), "--rules is missing"),
        (("--ssh", "u@h", "--socket", "s", "--rules", "/r"), "'s' is no absolute path"),
        (
            ("--ssh", "u@h", "--ssh-options", "'", "--socket", "/s", "--rules", "/r"),
            "--ssh-options",
        ),
        (("--socket", "s", "--rules", "r", "--ring", "outer"), "--ring"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    cli: Cli, arguments: tuple[str, ...], says: str
) -> None:
    cli("init")
    refused = cli("sensor", "add", "gate", *arguments)
    assert (refused.code, says in refused.err) == (2, True)
    assert cli("sensor", "list", "--json").json == []


def test_a_sensor_behind_ssh_keeps_the_paths_of_its_own_machine(cli: Cli) -> None:
    cli("init")
    added = cli(
        "sensor",
        "add",
        "far",
        *("--ssh", "vedette@fw", "--ssh-options", "-p 2222 -i 'my key'"),
        *("--socket", "/run/s.socket", "--rules", "/var/lib/vedette/rules"),
        "--json",
    )
    settings = added.json["settings"]
    assert settings["delivery"] == "ssh"
    assert settings["ssh_options"] == ["-p", "2222", "-i", "my key"]
    assert settings["socket"] == "/run/s.socket"
    assert "ssh vedette@fw" in cli("sensor", "list").out


def test_a_sensor_that_fetches_by_itself_is_not_pushed_to(cli: Cli, short_path: Path) -> None:
    cli("init")
    with Hub(load(short_path / "vedette.toml")) as hub:
        hub.store.fleet.add_sensor("far", {"delivery": "agent"})
    for command in ("push", "prove"):
        refused = cli("sensor", command, "far")
        assert (refused.code, "its agent fetches, proves and reports" in refused.out) == (2, True)
    assert "no sensors that the hub reaches" in cli("sensor", "push").out
    assert cli("sensor", "set", "far", "--ssh", "u@h").code == 2
    unknown = cli("sensor", "doctor", "far")
    assert (unknown.code, "vedette agent doctor" in unknown.err) == (8, True)


def test_what_the_doctor_found_stays_known(cli: Cli, suricata: FakeSuricata) -> None:
    cli("sensor", "push")
    cli("sensor", "doctor", "gate")
    cli("sensor", "prove")
    assert "What the doctor found" in cli("sensor", "show", "gate").out
    findings = cli("sensor", "show", "gate", "--json").json["report"]["findings"]
    assert findings
    with Hub(load(Path("vedette.toml"))) as hub:
        settings = hub.store.fleet.sensor("gate").settings
        hub.store.fleet.set_sensor("gate", {**settings, "delivery": "agent"})
    assert "What the agent of gate found" in cli("sensor", "doctor", "gate").out


def test_a_resolver_without_traffic_is_a_mistake(cli: Cli, suricata: FakeSuricata) -> None:
    refused = cli("sensor", "prove", "--resolver", "192.0.2.1")
    assert (refused.code, "--traffic" in refused.err) == (2, True)


def test_a_canary_that_raises_no_alert_is_red_and_the_generation_is_held_all_the_same(
    cli: Cli, suricata: FakeSuricata
) -> None:
    Path("eve.json").touch()
    cli("sensor", "set", "gate", "--eve", "eve.json")
    cli("sensor", "push")
    proved = cli("sensor", "prove", "--traffic", "--resolver", "127.0.0.1", "--wait", "0.2")
    assert proved.code == 9
    assert "holds generation 1" in proved.out
    assert "no alert of it came out of EVE" in proved.out
    (one,) = cli("sensor", "list", "--json").json
    assert (one["state"], one["report"]["drifts"]) == ("proved", 0)


def test_several_sensors_are_pushed_to_side_by_side(cli: Cli, suricata: FakeSuricata) -> None:
    cli("sensor", "add", "gone", "--socket", "gone.sock", "--rules", "gone")
    pushed = cli("sensor", "push", "--json")
    assert pushed.code == 8
    assert [one["sensor"] for one in pushed.json["pushed"]] == ["gate"]
    assert [one["sensor"] for one in pushed.json["failed"]] == ["gone"]


def test_a_new_token_needs_no_word_on_how_the_sensor_fetches(
    cli: Cli, suricata: FakeSuricata
) -> None:
    cli("sensor", "enrol", "u1", "--delivery", "suricata-update")
    again = cli("sensor", "enrol", "u1", "--again", "--json")
    assert (again.code, again.json["delivery"], again.json["revoked"]) == (0, "suricata-update", 1)
    other = cli("sensor", "enrol", "u1", "--again", "--delivery", "agent")
    assert (other.code, "gets its generations by suricata-update" in other.err) == (2, True)
    pushed = cli("sensor", "enrol", "gate", "--again")
    assert (pushed.code, "does not fetch (local)" in pushed.err) == (2, True)
