from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket
from vedette.sensor.held import prove_held
from vedette.sensor.install import RulesDirectory
from vedette.sensor.proof import Check, Plan, Proof, holds, prove
from vedette.sensor.push import push
from vedette.sensor.release import Release, entry_of
from vedette.testing.handmade import hand_made

NAMES = [f"host{n}.example" for n in range(300)]


def by_name(proof: Proof) -> dict[str, Check]:
    return {check.name: check for check in proof.checks}


def test_a_proof_is_json_and_back(desk: Any) -> None:
    proof = desk.push({"names": NAMES}).proof
    assert msgspec.json.decode(msgspec.json.encode(proof), type=Proof) == proof


def test_the_same_seed_asks_for_the_same_members(desk: Any) -> None:
    desk.push({"names": NAMES})
    asked = []
    for seed in (1, 1, 2):
        desk.engine.commands.clear()
        prove_held(desk.sensor, members=20, seed=seed)
        asked.append([c["arguments"] for c in desk.engine.commands if "arguments" in c])
    assert asked[0] == asked[1] != asked[2]


def test_a_small_set_is_asked_for_whole(desk: Any) -> None:
    check = by_name(desk.push({"names": NAMES[:5]}).proof)["names.members"]
    assert (check.got, check.detail) == ("6 found", "All were asked for.")


def test_a_sample_says_how_sure_it_is(desk: Any) -> None:
    check = by_name(desk.push({"names": NAMES}).proof)["names.members"]
    assert check.expected == "100 of 301 entries, chosen at random, are in the set"
    assert check.detail == "With 95 % confidence at most 3 % are missing."


def test_entries_too_long_for_a_command_are_left_to_the_canary(desk: Any) -> None:
    names = ["x" * 4000 + str(n) for n in range(200)]
    proof = desk.push({"names": names}, memcap_mb=4).proof
    check = by_name(proof)["names.members"]
    assert proof.ok
    assert check.expected.startswith(("0 of", "1 of"))


def test_withdrawn_entries_that_are_back_are_red(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.push({"names": NAMES[1:]})
    assert by_name(prove_held(desk.sensor))["names.removed"].got == "0 still there"
    with SuricataSocket(desk.engine.path) as engine:
        engine.add("names", "string", "aG9zdDAuZXhhbXBsZQ==")
    proof = prove_held(desk.sensor)
    assert [check.name for check in proof.failed] == ["names.removed"]
    assert "still alert" in proof.failed[0].detail


def test_the_old_content_in_force_is_red(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.push({"names": NAMES[1:]})
    directory = RulesDirectory(desk.sensor.rules_path)
    old = directory.generation("gen-000001")
    assert old is not None
    directory.switch(old)
    desk.engine.begin_reload()
    desk.engine._end_reload()
    new = directory.generation("gen-000002")
    assert new is not None
    with SuricataSocket(desk.engine.path) as engine:
        while engine.reload_time() and holds(engine, new.release):
            pass
        proof = prove(engine, "probe", new, Plan(before=old.release))
        assert not holds(engine, new.release)
        assert holds(engine, old.release)
    details = {check.name: check.detail for check in proof.failed}
    assert details["names.canary-before"] == "Withdrawn entries still alert."
    assert "other content" in details["names.canary"]


def test_rules_of_others_that_failed_do_not_make_it_red(desk: Any) -> None:
    def fail_another(request: dict[str, Any]) -> None:
        if request["command"] == "ruleset-stats":
            rule = {"tenant_id": 0, "rule": "alert x (sid:1;)", "filename": "/other", "line": 1}
            desk.engine._ruleset.failed = [rule]

    desk.engine.before = fail_another
    proof = desk.push({"names": NAMES}).proof
    check = by_name(proof)["rules.failed"]
    assert proof.ok
    assert (check.got, "other origin" in check.detail) == ("0 of Vedette's, 1 of others", True)


def test_nothing_is_held_where_there_is_no_canary(desk: Any) -> None:
    release, sources = desk.release({"file-md5": ["0" * 32]})
    push(desk.sensor, release, sources)
    with SuricataSocket(desk.engine.path) as engine:
        assert not holds(engine, release)


def test_nothing_installed_is_an_error(desk: Any) -> None:
    with pytest.raises(SensorError, match="no generation is installed") as caught:
        prove_held(desk.sensor)
    assert "vedette sensor push probe" in caught.value.hint


def test_a_set_that_came_or_changed_its_type_has_no_withdrawn_entries(
    open_desk: Callable[..., Any],
) -> None:
    desk = open_desk("8.0.7")
    desk.push({"names": NAMES})
    desk.push({"names": NAMES, "more": NAMES})
    assert prove_held(desk.sensor).ok


def test_a_line_of_another_format_is_named(desk: Any) -> None:
    made = hand_made(desk.path / "made", 1, {"names-ctx": NAMES}, target="8.0.7")
    info = Release.from_manifest(made.manifest, "8.0.7").sets[0]
    assert entry_of(info, b'{"v":"a"}').datavalue == "YQ=="
    for line in (b"YQ==", b'{"w":"a"}', b'{"v":1}'):
        with pytest.raises(SensorError, match="not an entry"):
            entry_of(info, line)


def test_a_file_that_is_gone_is_red_and_nothing_else_breaks(desk: Any) -> None:
    desk.push({"names": NAMES})
    desk.push({"names": NAMES[1:]})
    (desk.sensor.rules_path / "current/names.lst").unlink()
    assert {check.name for check in prove_held(desk.sensor).failed} == {"files"}
