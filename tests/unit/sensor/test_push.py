from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from vedette.errors import BusyError, SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.crossover import Limit, Speed, keep_speed, speed_of
from vedette.sensor.delta import TooFar, plan
from vedette.sensor.held import prove_held
from vedette.sensor.install import RulesDirectory
from vedette.sensor.protocol import Outcome
from vedette.sensor.push import push, target_of
from vedette.testing.fake_suricata import CrashError
from vedette.testing.handmade import hand_made

NAMES = [f"host{n}.example" for n in range(300)]


def test_the_first_push_reloads_and_is_proved(desk: Any) -> None:
    pushed = desk.push({"names": NAMES, "ips": ["192.0.2.1"]})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert {check.name for check in pushed.proof.checks} >= {
        "files",
        "engine",
        "rules.failed",
        "rules.loaded",
        "names.canary",
        "names.members",
        "ips.canary",
        "ips.members",
    }


def test_the_same_again_is_nothing_but_a_proof(desk: Any) -> None:
    release, sources = desk.release({"names": NAMES})
    push(desk.sensor, release, sources)
    desk.engine.commands.clear()
    pushed = push(desk.sensor, release, sources)
    assert (pushed.how, pushed.proof.ok) == ("nothing", True)
    assert desk.sent("ruleset-reload-nonblocking") == desk.sent("dataset-add") == 0
    assert desk.sent("dataset-lookup") > 100


def test_a_small_change_goes_over_the_socket(desk: Any) -> None:
    desk.push({"names": NAMES})
    pushed = desk.push({"names": [*NAMES[3:], "new.example"]})
    assert (pushed.how, pushed.added, pushed.removed) == ("delta", 1, 3)
    assert pushed.proof.ok
    results = {check.name: check.got for check in pushed.proof.checks}
    assert results["names.added"] == "1 found"
    assert results["names.removed"] == "0 still there"
    assert results["names.canary-before"] == "not found"


def test_json_context_goes_by_its_own_command_only(desk: Any) -> None:
    desk.push({"names-ctx": NAMES}, target="8.0.7")
    pushed = desk.push({"names-ctx": [*NAMES, "new.example"]}, target="8.0.7")
    assert (pushed.how, pushed.proof.ok) == ("delta", True)
    assert (desk.sent("dataset-add-json"), desk.sent("dataset-add")) == (2, 0)
    assert not desk.engine.crashed


def test_a_busy_entry_is_tried_again(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.engine.busy.add(b"host0.example")
    pushed = desk.push({"names": NAMES[1:]})
    assert (pushed.how, pushed.proof.ok) == ("delta", True)
    assert desk.sent("dataset-remove") == 3  # the canary, the entry, the entry again


@pytest.mark.parametrize(
    ("sets", "options", "reason"),
    [
        ({"names": NAMES, "more": ["a.example"]}, {}, "the text of rules has changed"),
        ({"names": NAMES[:1]}, {"hashsize": 2048}, "the text of rules has changed"),
        ({"names": ["x" * 3100]}, {}, "too long for a socket command"),
        ({"names": [f"n{n}.example" for n in range(3000)]}, {}, "have changed"),
    ],
)
def test_what_the_socket_cannot_do_is_reloaded(
    desk: Any, sets: dict[str, list[str]], options: dict[str, int], reason: str
) -> None:
    desk.push({"names": NAMES})
    pushed = desk.push(sets, **options)
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert reason in pushed.reason
    assert desk.sent("dataset-add") == 0


def test_a_changed_hash_list_is_reloaded(desk: Any) -> None:
    desk.push({"names": NAMES, "file-md5": ["0" * 32]})
    pushed = desk.push({"names": NAMES, "file-md5": ["1" * 32]})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert "only a reload reads it again" in pushed.reason
    check = next(check for check in pushed.proof.checks if check.name == "file-md5.list")
    assert (check.kind, "not asked" in check.got) == ("indirect", True)


def test_more_changes_than_allowed_are_reloaded(desk: Any) -> None:
    desk.push({"names": NAMES})
    release, sources = desk.release({"names": NAMES[20:]})
    pushed = push(_with(desk.sensor, delta_max=10), release, sources)
    assert (pushed.how, pushed.proof.ok) == ("reload", True)


def test_what_does_not_fit_the_loaded_memcap_is_never_added(desk: Any) -> None:
    desk.push({"names": NAMES}, memcap_mb=1)
    keep_speed(RulesDirectory(desk.sensor.rules_path), Speed(entries_per_s=1e6, reload_s=60))
    pushed = desk.push({"names": [f"n{n}.example" for n in range(9000)]}, memcap_mb=1)
    # It fits no memcap of 1 MiB: the engine says "done", the proof says what is true.
    assert (pushed.how, pushed.proof.ok) == ("reload", False)
    assert "more than the memcap" in pushed.reason
    assert {check.name for check in pushed.proof.failed} == {"rules.failed", "names.canary"}
    assert desk.sent("dataset-add") == 0


def test_deltas_do_not_forget_the_memcap_that_was_loaded(desk: Any) -> None:
    desk.push({"names": NAMES[:2]}, memcap_mb=1)
    state = RulesDirectory(Path(desk.sensor.rules)).state()
    assert state is not None
    assert state.memcaps == {"names": 1 << 20}
    assert desk.push({"names": NAMES[:3]}, memcap_mb=1).how == "delta"
    state = RulesDirectory(Path(desk.sensor.rules)).state()
    assert state is not None
    assert state.memcaps == {"names": 1 << 20}


def test_an_engine_that_was_started_again_is_not_reloaded(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.engine.start()
    pushed = desk.push({"names": [*NAMES, "new.example"]})
    assert (pushed.how, pushed.proof.ok) == ("delta", True)


def test_entries_lost_by_somebody_elses_reload_are_not_trusted(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.push({"names": [*NAMES, "new.example"]})
    desk.engine.begin_reload()
    desk.engine.begin_reload()
    pushed = desk.push({"names": [*NAMES, "new.example", "newer.example"]})
    assert pushed.proof.ok


def test_a_reload_by_somebody_else_during_the_delta_is_noticed(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.engine.reload_s = 0.3

    def reload_on_add(request: dict[str, Any]) -> None:
        if request["command"] == "dataset-add":
            desk.engine.before = None
            desk.engine.begin_reload()

    desk.engine.before = reload_on_add
    pushed = desk.push({"names": [*NAMES, "new.example"]})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert "somebody else" in pushed.reason


def test_a_reload_that_began_before_the_new_files_is_waited_for(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.engine.reload_s = 2
    desk.engine.begin_reload()  # it has read the old files
    pushed = desk.push({"names": [*NAMES, "new.example"]})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert desk.sent("dataset-add") == 0


@pytest.mark.parametrize("is_put_back", [False, True])
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_files_that_were_changed_when_something_else_loaded_them_are_not_built_upon(
    desk: Any, how: str, is_put_back: bool
) -> None:
    release, sources = desk.release({"names": NAMES})
    push(desk.sensor, release, sources)
    path = Path(desk.sensor.rules) / "current/names.lst"
    right = path.read_bytes()
    wrong = base64.b64encode(b"wrong.example") + b"\n"
    path.write_bytes(wrong + b"".join(right.splitlines(keepends=True)[1:]))
    if how == "restart":
        desk.engine.start()
    else:
        desk.engine.begin_reload()
        time.sleep(2 * desk.engine.reload_s)
    if is_put_back:
        path.write_bytes(right)
    pushed = push(desk.sensor, release, sources)
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    with SuricataSocket(desk.engine.path) as engine:
        found = [engine.lookup("names", "string", line.decode()) for line in right.splitlines()]
        assert engine.lookup("names", "string", wrong.decode().strip()) is Outcome.NOT_FOUND
    assert set(found) == {Outcome.FOUND}


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_files_that_nobody_touched_are_built_upon_whatever_loaded_them(desk: Any, how: str) -> None:
    desk.push({"names": NAMES})
    if how == "restart":
        desk.engine.start()
    else:
        desk.engine.begin_reload()
        time.sleep(2 * desk.engine.reload_s)
    assert desk.push({"names": NAMES[1:]}).how == "delta"


@pytest.mark.parametrize("is_touched", [False, True])
def test_files_that_were_changed_and_put_back_around_a_foreign_reload_make_a_proof_red(
    desk: Any, is_touched: bool
) -> None:
    desk.push({"names": NAMES})
    path = Path(desk.sensor.rules) / "current/names.lst"
    right = path.read_bytes()
    if is_touched:
        wrong = base64.b64encode(b"wrong.example") + b"\n"
        path.write_bytes(wrong + b"".join(right.splitlines(keepends=True)[1:]))
    desk.engine.begin_reload()
    time.sleep(2 * desk.engine.reload_s)
    if is_touched:
        path.write_bytes(right)
    proof = prove_held(desk.sensor, members=1, seed=3)
    assert [check.name for check in proof.failed] == ["files.loaded"] * is_touched
    pushed = push(desk.sensor, *desk.release({"names": NAMES}))
    assert pushed.proof.ok
    assert prove_held(desk.sensor).ok


def test_an_engine_that_ends_in_the_middle_is_waited_for_and_proved(desk: Any) -> None:
    desk.push({"names": NAMES})

    def crash(request: dict[str, Any]) -> None:
        if request["command"] == "dataset-add":
            desk.engine.before = None
            threading.Timer(0.3, desk.engine.start).start()
            raise CrashError

    desk.engine.before = crash
    pushed = desk.push({"names": [*NAMES, "new.example"]})
    assert (pushed.how, pushed.proof.ok) == ("restart", True)


def test_an_engine_that_stays_away_is_an_error_that_says_the_files_are_there(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.engine.stop()
    with pytest.raises(SensorError, match="no socket") as caught:
        desk.push({"names": NAMES[1:]})
    assert "Generation 2 is installed" in caught.value.hint
    desk.engine.start()
    release, sources = desk.release({"names": NAMES[1:]})
    assert push(desk.sensor, release, sources).proof.ok


def test_a_missing_file_at_reload_is_red_although_the_engine_says_ok(desk: Any) -> None:
    desk.push({"names": NAMES})

    def lose_file(request: dict[str, Any]) -> None:
        if request["command"] == "ruleset-reload-nonblocking":
            (desk.engine.rules.parent / "more.lst").unlink()

    desk.engine.before = lose_file
    pushed = desk.push({"names": NAMES, "more": ["a.example"]})
    assert pushed.how == "reload"
    assert not pushed.proof.ok
    assert {check.name for check in pushed.proof.failed} == {
        "files",
        "rules.failed",
        "more.canary",
    }
    assert RulesDirectory(Path(desk.sensor.rules)).state() is None


def test_entries_that_vanish_from_the_engine_are_brought_back(desk: Any) -> None:
    release, sources = desk.release({"names": NAMES})
    push(desk.sensor, release, sources)
    for dataset in desk.engine._ruleset.sets.values():
        for value in [value for value in dataset.values if value.startswith(b"host")]:
            dataset.remove(value)
    pushed = push(desk.sensor, release, sources)
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert "the proof failed: names.members" in pushed.reason


def test_an_engine_started_with_fixed_rules_is_named(open_desk: Callable[..., Any]) -> None:
    desk = open_desk(fixed_rules=True)
    with pytest.raises(SensorError, match="-S") as caught:
        desk.push({"names": NAMES})
    assert "rule-files" in caught.value.hint


def test_rules_that_are_not_in_the_yaml_are_red(desk: Any) -> None:
    desk.engine.rules = desk.path / "elsewhere.rules"
    desk.engine.start()
    pushed = desk.push({"names": NAMES})
    details = {check.name: check.detail for check in pushed.proof.failed}
    assert "rule-files" in details["rules.loaded"]
    assert "does not have this dataset" in details["names.canary"]


def test_rules_for_a_newer_engine_are_red(open_desk: Callable[..., Any]) -> None:
    desk = open_desk("7.0.10")
    pushed = desk.push({"names": NAMES}, target="8.0.7")
    assert [check.name for check in pushed.proof.failed] == ["engine"]


def test_two_pushes_at_once_are_refused(desk: Any) -> None:
    with (
        RulesDirectory(Path(desk.sensor.rules)).lock(),
        pytest.raises(BusyError, match="another Vedette"),
    ):
        desk.push({"names": NAMES})


def test_rules_that_fail_the_test_command_do_not_come_into_force(desk: Any) -> None:
    desk.push({"names": NAMES})
    release, sources = desk.release({"names": NAMES[1:]})
    script = "echo 'E: datasets: no'; exit 1"
    refusing = _with(desk.sensor, test_command=("/bin/sh", "-c", script))
    with pytest.raises(SensorError, match="would not accept generation 2: E: datasets: no"):
        push(refusing, release, sources)
    current = RulesDirectory(Path(desk.sensor.rules)).current()
    assert current is not None
    assert current.release.generation == 1
    absent = _with(desk.sensor, test_command=("/nonexistent/suricata",))
    with pytest.raises(SensorError, match="cannot run"):
        push(absent, release, sources)
    reading = _with(desk.sensor, test_command=("/bin/grep", "-q", "dataset:", "{rules}"))
    assert push(reading, release, sources).proof.ok


@pytest.mark.parametrize(
    ("version", "context", "target"),
    [("7.0.10", True, "7.0"), ("8.0.7", True, "8.0.7+context"), ("8.0.7", False, "8.0.7")],
)
def test_the_engine_is_asked_which_rules_it_takes(
    open_desk: Callable[..., Any], version: str, context: bool, target: str
) -> None:
    desk = open_desk(version)
    assert str(target_of(_with(desk.sensor, context=context))) == target


def test_a_roll_back_is_a_push_like_any_other(desk: Any) -> None:
    first = desk.release({"names": NAMES})
    push(desk.sensor, *first)
    desk.push({"names": [*NAMES, "bad-idea.example"]})
    pushed = push(desk.sensor, *first)
    assert (pushed.how, pushed.generation, pushed.removed, pushed.proof.ok) == ("delta", 1, 1, True)


def test_old_generations_are_cleared_away(desk: Any) -> None:
    for number in range(6):
        desk.push({"names": NAMES[number:]})
    kept = {path.name for path in Path(desk.sensor.rules).glob("gen-*")}
    assert kept == {"gen-000004", "gen-000005", "gen-000006"}


def _with(sensor: Any, **changes: Any) -> Any:
    return type(sensor)(**{f: getattr(sensor, f) for f in sensor.__struct_fields__} | changes)


def test_a_damaged_bundle_changes_nothing(desk: Any) -> None:
    desk.push({"names": NAMES})
    made = hand_made(desk.path / "damaged", 2, {"names": NAMES[1:]})
    (desk.path / "damaged/names.lst").write_text("b3RoZXI=\n")
    from_manifest = type(desk.release({"names": []})[0]).from_manifest
    with pytest.raises(SensorError, match="is not the file of generation 2"):
        push(desk.sensor, from_manifest(made.manifest, "7.0"), made.sources)
    current = RulesDirectory(Path(desk.sensor.rules)).current()
    assert current is not None
    assert current.release.generation == 1


def test_rules_for_another_profile_are_reloaded(desk: Any) -> None:
    desk.push({"names": NAMES})
    pushed = desk.push({"names": NAMES[1:]}, target="8.0.7")
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert pushed.reason == "the rules are for 8.0.7, not 7.0 any more"


def test_a_change_that_the_engine_refuses_ends_in_a_reload(desk: Any) -> None:
    desk.push({"names": NAMES})

    def lose_set(request: dict[str, Any]) -> None:
        if request["command"] == "dataset-add":
            desk.engine._ruleset.sets.clear()

    desk.engine.before = lose_set
    pushed = desk.push({"names": [*NAMES, "new.example"]})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert pushed.reason == "the engine answered 'no such set' to a change of names"


def test_an_engine_that_holds_something_else_is_reloaded(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.engine._ruleset.sets["names"].values.clear()
    pushed = desk.push({"names": NAMES[1:]})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert pushed.reason == "the engine does not hold the generation before"


def test_an_engine_that_does_not_come_back_is_an_error(desk: Any) -> None:
    desk.push({"names": NAMES})

    def crash(request: dict[str, Any]) -> None:
        if request["command"] == "dataset-add":
            raise CrashError

    desk.engine.before = crash
    release, sources = desk.release({"names": [*NAMES, "new.example"]})
    with pytest.raises(SensorError, match="nobody listens") as caught:
        push(_with(desk.sensor, restart_timeout_s=0.3), release, sources)
    assert "Generation 2 is installed" in caught.value.hint


def test_a_set_of_another_shape_is_not_changed_over_the_socket(desk: Any) -> None:
    directory = RulesDirectory(Path(desk.sensor.rules))
    desk.push({"names": NAMES})
    before = directory.current()
    assert before is not None
    wider = structs.replace(before.release.sets[0], hashsize=2048)
    after = before._replace(release=structs.replace(before.release, sets=(wider,)))
    assert plan(before, after, {}, Limit(100, "")) == TooFar("there are other datasets")


def test_a_generation_before_that_was_damaged_is_no_base_for_a_delta(desk: Any) -> None:
    desk.push({"names": NAMES})
    (Path(desk.sensor.rules) / "current/names.lst").unlink()
    pushed = desk.push({"names": NAMES[1:]})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert "names.lst was changed or is gone" in pushed.reason


def test_what_is_measured_at_a_push_decides_the_next_one(desk: Any) -> None:
    directory = RulesDirectory(desk.sensor.rules_path)
    desk.engine.reload_s = 0.4
    assert desk.push({"names": NAMES}).how == "reload"
    assert speed_of(directory).last_reload_s >= 0.4
    assert desk.push({"names": NAMES[150:]}).how == "delta"
    measured = speed_of(directory)
    assert measured.entries_per_s > 100
    keep_speed(directory, Speed(entries_per_s=200, reload_s=0.5))
    pushed = desk.push({"names": NAMES})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert "more than 100 entries have changed: at 200 a second" in pushed.reason
    keep_speed(directory, Speed(entries_per_s=200, reload_s=1))
    assert desk.push({"names": NAMES[150:]}).how == "delta"


def test_another_hub_may_not_push_here_unless_it_takes_over(desk: Any) -> None:
    first, second = desk.release({"names": NAMES}), desk.release({"names": NAMES[1:]})
    assert push(desk.sensor, *first, hub="one").proof.ok
    desk.engine.commands.clear()
    with pytest.raises(SensorError, match=r"belongs to another hub \(one, since") as caught:
        push(desk.sensor, *second, hub="two")
    assert "--take-over" in caught.value.hint
    assert desk.engine.commands == []
    current = RulesDirectory(desk.sensor.rules_path).current()
    assert current is not None
    assert current.release == first[0]
    assert push(desk.sensor, *second, hub="two", take_over=True).how == "delta"
    with pytest.raises(SensorError, match="belongs to another hub"):
        push(desk.sensor, *first, hub="one")


def test_a_file_that_was_edited_does_not_hide_what_the_engine_still_holds(desk: Any) -> None:
    desk.push({"names": NAMES})
    path = desk.sensor.rules_path / "current/names.lst"
    gone = base64.b64encode(b"host7.example")
    path.write_bytes(path.read_bytes().replace(gone + b"\n", b""))
    wanted = [name for name in NAMES if name != "host7.example"]
    pushed = desk.push({"names": wanted})
    assert (pushed.how, pushed.proof.ok) == ("reload", True)
    assert "was changed or is gone" in pushed.reason
    with SuricataSocket(desk.engine.path) as engine:
        assert engine.lookup("names", "string", gone.decode()) is Outcome.NOT_FOUND


@pytest.mark.parametrize("junk", [b"\xff\xfe\0\n", b"{\n", b""])
def test_junk_in_the_files_in_force_is_red_and_repaired(desk: Any, junk: bytes) -> None:
    sets = {"names": NAMES, "names-ctx": NAMES}
    desk.push({**sets, "names": NAMES[1:]}, target="8.0.7")
    desk.push(sets, target="8.0.7")
    for name in ("names.lst", "names-ctx.ndjson"):
        (desk.sensor.rules_path / "current" / name).write_bytes(junk)
    assert {check.name for check in prove_held(desk.sensor).failed} == {"files"}
    pushed = desk.push({**sets, "names": NAMES[2:]}, target="8.0.7")
    assert pushed.proof.failed == ()
