"""People are told few times, once, and even if their mail server is down for a while."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.config import load
from vedette.errors import ConfigError, SourceError
from vedette.model import Hit, IndicatorType, Key
from vedette.pipeline.hub import Hub
from vedette.pipeline.notifying import NotifyLoop, deliver, gather, notify, targets_of
from vedette.sensor.wire import Report, State
from vedette.store import RolloutRecord, StateRecord, Status
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Response
from vedette.testing.smtp import SmtpServer

NOW = 1_800_000_000
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOURS = 3_600


@pytest.fixture
def hook() -> Iterator[LoopbackServer]:
    with LoopbackServer(lambda _: Response(200)) as server:
        yield server


@pytest.fixture
def hub(hook: LoopbackServer, tmp_path: Path) -> Iterator[Hub]:
    with opened(tmp_path, f"{as_json(hook)}/T0ken\n") as made:
        yield made


def as_json(hook: LoopbackServer) -> str:
    return hook.url.replace("http", "json", 1)


def opened(home: Path, targets: str, more: str = "") -> Hub:
    (home / "targets").write_text(targets)
    (home / "targets").chmod(0o600)
    (home / "vedette.toml").write_text(f'[notify]\ntargets_file = "targets"\n{more}')
    return Hub(load(home / "vedette.toml"))


def meet(hub: Hub, *values: str, **changes: Any) -> None:
    hits = []
    for value in values:
        fields: dict[str, Any] = {
            "key": Key(IndicatorType.DOMAIN, value),
            "observed": value,
            "buffer": "dns.query",
            "sensor": "gate",
            "client": "10.1.0.7",
            "server": "10.0.0.1",
            "origin": "live",
            "first_seen": NOON,
            "last_seen": NOON,
            "count": 1,
        }
        hits.append((Hit(**{**fields, **changes}), []))
    hub.store.fleet.add_hits("gate", hits, b"", {})


def tell(hub: Hub, now: int = NOW) -> int:
    targets = targets_of(hub.settings)
    gather(hub, targets, now)
    return deliver(hub, targets, now)


def titles(hook: LoopbackServer) -> list[str]:
    return [json.loads(one.body)["title"] for one in hook.requests]


def test_ten_thousand_hits_make_one_message(hub: Hub, hook: LoopbackServer) -> None:
    meet(hub, *(f"evil{n}.example" for n in range(5_000)))
    meet(hub, *(f"evil{n}.example" for n in range(5_000)), client="10.1.0.8")
    assert tell(hub) == 1
    assert titles(hook) == ["Vedette: 5,000 indicators met the network"]
    assert tell(hub, NOW + 30) == 0


def test_the_same_indicator_is_not_told_again_within_repeat_but_after_it(
    hub: Hub, hook: LoopbackServer
) -> None:
    meet(hub, "evil.example")
    assert tell(hub) == 1
    meet(hub, "evil.example", client="10.1.0.8")
    meet(hub, "other.example")
    assert tell(hub, NOW + 60) == 1
    assert titles(hook)[-1] == "Vedette: other[.]example met the network"
    assert tell(hub, NOW + 7 * HOURS) == 1, "what came meanwhile was not forgotten"
    assert "evil[.]example" in titles(hook)[-1]


def test_a_restart_does_not_tell_again(hub: Hub, hook: LoopbackServer, tmp_path: Path) -> None:
    meet(hub, "evil.example")
    tell(hub)
    with Hub(hub.settings) as again:
        assert tell(again, NOW + 60) == 0
    assert len(hook.requests) == 1


def test_the_same_group_is_news_again_after_a_quiet_day(hub: Hub, hook: LoopbackServer) -> None:
    meet(hub, "evil.example")
    tell(hub)
    for hours in (1, 20):
        later = NOON + timedelta(hours=hours)
        meet(hub, "evil.example", first_seen=later, last_seen=later)
    assert tell(hub, NOW + 20 * HOURS) == 0, "it beacons on: that was told"
    later = NOON + timedelta(hours=60)
    meet(hub, "evil.example", first_seen=later, last_seen=later)
    assert tell(hub, NOW + 60 * HOURS) == 1


def test_retro_hits_are_told_apart(hub: Hub, hook: LoopbackServer) -> None:
    fields = {"first_seen": NOON, "last_seen": NOON, "count": 1}
    for _ in range(2):
        hub.store.retro.record(
            [
                (
                    Hit(
                        key=Key(IndicatorType.DOMAIN, "old.example"),
                        observed="old.example",
                        buffer="dns.query",
                        sensor="gate",
                        client="10.1.0.7",
                        server="",
                        origin="retro",
                        **fields,
                    ),
                    [],
                )
            ]
        )
        tell(hub)
    assert titles(hook) == ["Vedette: old[.]example was here before it was watched for"]


def test_what_a_person_called_false_is_no_news(hub: Hub, hook: LoopbackServer) -> None:
    meet(hub, "fine.example")
    (record,) = hub.store.fleet.hits()
    hub.store.marks.mark([record.id], Status.FALSE_POSITIVE, who="me", note="")
    meet(hub, "fine.example", client="10.1.0.8")
    assert (hub.store.news.waiting(), tell(hub)) == (0, 0)


def test_kinds_that_nobody_asked_for_are_not_told(hook: LoopbackServer, tmp_path: Path) -> None:
    with opened(tmp_path, as_json(hook), 'events = ["retro", "source"]\n') as hub:
        meet(hub, "evil.example")
        assert tell(hub) == 0
        assert hub.store.news.waiting() == 0, "and they do not pile up"


def test_nobody_is_noted_for_where_nobody_is_told(tmp_path: Path) -> None:
    (tmp_path / "vedette.toml").write_text("")
    with Hub(load(tmp_path / "vedette.toml")) as hub:
        meet(hub, "evil.example")
        assert hub.store.news.waiting() == 0
        assert notify(hub) == (0, 0)


# -- what is held, and what goes wrong


def hold(hub: Hub, at: int, *values: str, test: str = "prevalence") -> None:
    with hub.store._db:
        hub.store._db.executemany(
            "INSERT INTO verdict(type, skey, outcome, test, reason, labels, due, at)"
            " VALUES('domain',?,'hold',?,?,'',0,?)",
            [(value, test, f"by {test}", at) for value in values],
        )


def test_what_is_held_is_told_once_with_counts_by_reason(hub: Hub, hook: LoopbackServer) -> None:
    hold(hub, NOW - 10, *(f"a{n}" for n in range(30)))
    hold(hub, NOW - 10, "b", test="review")
    assert tell(hub) == 1
    message = json.loads(hook.requests[0].body)
    assert message["title"] == "Vedette: 31 indicators are held for review"
    assert "30 by prevalence: by prevalence\n1 by review" in message["message"]
    hold(hub, NOW, "c", "d")
    assert tell(hub, NOW + 60) == 0, "not again so soon"
    assert tell(hub, NOW + 7 * HOURS) == 1
    assert titles(hook)[-1] == "Vedette: 2 indicators are held for review"


def test_what_a_person_holds_is_no_news_and_puts_nothing_off(
    hub: Hub, hook: LoopbackServer
) -> None:
    hold(hub, NOW - 10, "a", test="hold")
    assert tell(hub) == 0
    hold(hub, NOW + 50, "b")
    assert tell(hub, NOW + 60) == 1
    assert titles(hook) == ["Vedette: 1 indicator is held for review"]


def pulled(hub: Hub, error: str = "") -> None:
    pull = hub.store.pull("l")
    if error:
        pull.fail(str(SourceError(error)), "")
    else:
        pull.finish(accept=True)


def test_a_source_that_fails_is_told_once_and_its_recovery_too(
    hub: Hub, hook: LoopbackServer
) -> None:
    hub.store.add_source("l", "list", {"location": "x", "type": "domain"}, 900)
    pulled(hub)
    assert tell(hub) == 0
    for retry in range(3):
        pulled(hub, "cannot connect to https://lists.example")
        tell(hub, NOW + retry)
    assert titles(hook) == ["Vedette: source l cannot be read"]
    assert "https[:]//lists[.]example" in json.loads(hook.requests[0].body)["message"]
    pulled(hub)
    for retry in range(3, 6):
        tell(hub, NOW + retry)
    assert titles(hook)[1:] == ["Vedette: source l is read again"]
    pulled(hub, "again")
    assert tell(hub, NOW + 60) == 0, "it flaps: not again so soon"
    assert tell(hub, NOW + 7 * HOURS) == 1


def prove(hub: Hub, *, ok: bool) -> None:
    check = {"name": "canary", "ok": ok, "expected": "1", "got": "0"}
    proof = {
        "at": NOON.isoformat(),
        "sensor": "gate",
        "generation": 5,
        "content_id": "x",
        "target": "7.0",
        "engine": "7.0.10",
        "ok": ok,
        "checks": [check],
        "elapsed_s": 1.0,
    }
    hub.store.fleet.add_proof("gate", NOON, 5, ok, json.dumps(proof).encode())


def said(hub: Hub, state: str, *, at: int = NOW, why: str = "") -> None:
    report = Report(at=NOON, by="hub", delivery="local", state=State(state), why=why, generation=5)
    body = msgspec.json.encode(report)
    record = StateRecord(sensor="gate", at=at, state=state, generation=5, report=body)
    hub.store.reports.save(record, why=why)


def test_a_proof_that_fails_and_one_that_heals_are_told(hub: Hub, hook: LoopbackServer) -> None:
    hub.store.fleet.add_sensor("gate", {"socket": "s", "rules": "r"})
    prove(hub, ok=True)
    assert tell(hub) == 0
    for ok in (False, False, True, True):
        prove(hub, ok=ok)
        tell(hub)
    said(hub, "silent", why="cannot connect")
    tell(hub, NOW + 7 * HOURS)
    said(hub, "proved")
    tell(hub, NOW + 7 * HOURS)
    assert titles(hook) == [
        "Vedette: sensor gate does not hold generation 5",
        "Vedette: sensor gate holds generation 5",
        "Vedette: sensor gate does not answer",
        "Vedette: sensor gate holds generation 5",
    ]
    assert "canary: 1; got: 0" in json.loads(hook.requests[0].body)["message"]


def test_an_agent_that_went_silent_is_told_once_and_when_it_is_back(
    hub: Hub, hook: LoopbackServer
) -> None:
    hub.store.fleet.add_sensor("gate", {"delivery": "agent"})
    said(hub, "proved")
    assert tell(hub, NOW + 60) == 0
    assert tell(hub, NOW + 200) == 1
    assert tell(hub, NOW + 260) == 0
    said(hub, "proved", at=NOW + 300)
    assert tell(hub, NOW + 301) == 1
    assert titles(hook) == [
        "Vedette: sensor gate does not answer",
        "Vedette: sensor gate holds generation 5",
    ]
    assert "not heard of for 3 min" in json.loads(hook.requests[0].body)["message"]


def announced(hub: Hub, serial: int, rollout: RolloutRecord) -> None:
    hub.store.announcements.add(
        lambda number: (str(number), ""),
        generation=serial,
        content_id="c",
        at_ms=serial,
        who="ann",
        why="build",
        then=lambda _: hub.store.rollouts.begin(rollout),
    )


def test_a_roll_out_that_stopped_is_told_and_when_it_goes_on(
    hub: Hub, hook: LoopbackServer
) -> None:
    why = "12,345 alerts a minute on fw-1, limit 10,000"
    for serial in (1, 2):
        state = RolloutRecord(serial=serial, state="stopped", started_at=1, why=why)
        announced(hub, serial, state)
        assert tell(hub, NOW + serial) == serial, "another stop is news, and the first is over"
    announced(hub, 3, RolloutRecord(serial=3, state="watch", started_at=1))
    assert tell(hub, NOW + 3) == 1
    assert tell(hub, NOW + 4) == 0
    stopped = "Vedette: the roll-out of generation {} was stopped"
    on = "Vedette: new generations are rolled out again"
    assert titles(hook) == [stopped.format(1), stopped.format(2), on, on]
    assert why in json.loads(hook.requests[0].body)["message"]


@pytest.mark.parametrize("why", ["lunch", ""])
def test_a_pause_by_a_person_is_no_news(hub: Hub, why: str) -> None:
    announced(hub, 1, RolloutRecord(serial=1, state="paused", was="watch", started_at=1, why=why))
    assert tell(hub) == 0


def test_a_misp_that_takes_no_sightings_is_told(hook: LoopbackServer, tmp_path: Path) -> None:
    more = '[feedback]\nsources = ["misp"]\n'
    with opened(tmp_path, as_json(hook), more) as hub:
        fail = hub.store.outbox.fail
        fail("misp", "does not answer", "", forbidden=False, now=NOW, wait_s=30)
        assert tell(hub) == 0, "it may answer again"
        assert tell(hub, NOW + 2 * HOURS) == 1
        hub.store.outbox.settle("misp", [], {}, NOW)
        fail("misp", "no right", "", forbidden=True, now=NOW, wait_s=30)
        hub.store.outbox.settle("other", [], {}, NOW)
        assert titles(hook) == ["Vedette: MISP misp takes no sightings"]


# -- delivery


def test_a_target_that_is_down_gets_it_later_and_delays_no_other(
    hook: LoopbackServer, tmp_path: Path
) -> None:
    hook.faults.add(Fault(FaultKind.STATUS, status=500))
    with SmtpServer() as mail:
        url = f"mailto://127.0.0.1:{mail.port}?smtp=127.0.0.1&mode=insecure&from=v@a.example&to=s@a.example"
        with opened(tmp_path, f"{as_json(hook)}\n{url}\n") as hub:
            meet(hub, "one.example")
            assert tell(hub) == 1
            meet(hub, "two.example")
            assert tell(hub, NOW + 10) == 1
            assert len(mail.mails) == 2
            assert len(hook.requests) == 1, "it is left alone"
            state = hub.store.messages.state(targets_of(hub.settings)[0].id)
            assert (state.waiting, bool(state.error)) == (2, True)
            hook.faults.clear()
            assert tell(hub, NOW + 40) == 2
            assert len(mail.mails) == 2
            state = hub.store.messages.state(targets_of(hub.settings)[0].id)
            assert (state.waiting, state.delivered) == (0, 2)


def test_after_a_day_a_message_is_given_up_and_counted(hub: Hub, hook: LoopbackServer) -> None:
    hook.faults.add(Fault(FaultKind.CLOSE))
    meet(hub, "evil.example")
    now = NOW
    for _ in range(60):
        tell(hub, now)
        now += HOURS
    state = hub.store.messages.state(targets_of(hub.settings)[0].id)
    assert (state.waiting, state.given_up) == (0, 1)
    assert 20 < len(hook.requests) < 40


def test_a_target_that_was_removed_is_not_waited_for(hub: Hub, hook: LoopbackServer) -> None:
    hook.faults.add(Fault(FaultKind.CLOSE, times=1))
    meet(hub, "evil.example")
    tell(hub)
    old = targets_of(hub.settings)[0].id
    (Path(hub.settings.home) / "targets").write_text(f"{as_json(hook)}/new\n")
    tell(hub, NOW + 100)
    assert hub.store.messages.state(old).given_up == 1


def test_targets_that_others_may_read_are_not_used(hub: Hub) -> None:
    (Path(hub.settings.home) / "targets").chmod(0o644)
    with pytest.raises(ConfigError, match="holds a secret"):
        notify(hub)


def test_the_loop_tells_by_itself_until_it_is_left(hook: LoopbackServer, tmp_path: Path) -> None:
    with opened(tmp_path, as_json(hook), 'gather = "1s"\n') as hub:
        with NotifyLoop(hub.settings, threading.Event()):
            meet(hub, "evil.example")
            deadline = time.monotonic() + 20
            while not hook.requests:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert titles(hook) == ["Vedette: evil[.]example met the network"]
        assert not [one for one in threading.enumerate() if one.name == "notify"]
