"""Hits become MISP sightings: each once, through kills and outages, and nothing else leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vedette.config import load
from vedette.errors import BusyError
from vedette.misp.sightings import ATTRIBUTE_GONE
from vedette.model import IndicatorType, Key
from vedette.pipeline.feeding_back import BATCH, FeedbackLoop, feed_back, preview, state_of
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.pipeline.pulling import pull
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.told import NOON, SENSOR, listed, met, write_settings

SAVE = "bulkSaveSightings"
SENDER = """
import sys
from pathlib import Path
from vedette.config import load
from vedette.pipeline import feeding_back
from vedette.pipeline.hub import Hub
feeding_back.BATCH = 100
with Hub(load(Path(sys.argv[1]))) as hub:
    feeding_back.feed_back(hub, anyway=True)
"""


@pytest.fixture
def misp() -> Iterator[FakeMisp]:
    with FakeMisp() as running:
        yield running


def opened(home: Path, misp: FakeMisp, more: str = "") -> Hub:
    key = write_settings(home, misp, more)
    hub = Hub(load(home / "vedette.toml"))
    if not hub.store.sources():
        settings = {"url": misp.url, "key_file": str(key), "retries": 1}
        hub.store.add_source("misp", "misp", settings, 900)
    return hub


def record(hub: Hub, misp: FakeMisp, count: int, *, events: int = 1) -> None:
    hub.store.fleet.add_hits("gate", met(listed(misp, count, events=events)), b"", {})


def told(misp: FakeMisp) -> int:
    """How many sightings MISP has; each attribute of these tests has at most one."""
    attributes = [one.attribute_uuid for one in misp.state.sightings.values()]
    assert len(set(attributes)) == len(attributes), "something was told twice"
    return len(attributes)


def body(misp: FakeMisp) -> bytes:
    return b"\n".join(one.body for one in misp.requests)


def test_a_hit_reaches_misp_once_however_often_it_is_seen_and_sent(
    misp: FakeMisp, tmp_path: Path
) -> None:
    with opened(tmp_path, misp) as hub:
        some = listed(misp, 3)
        for _ in range(2):
            hub.store.fleet.add_hits("gate", met(some), b"", {})
            feed_back(hub)
        assert told(misp) == 3
        state = state_of(hub, "misp")
        assert (state.waiting, state.sent, state.left_today) == (0, 3, 3)
        assert {one.date for one in misp.state.sightings.values()} == {
            int(NOON.timestamp()) + n for n in range(3)
        }


def test_until_it_leaves_a_sighting_says_when_it_was_seen_last(
    misp: FakeMisp, tmp_path: Path
) -> None:
    with opened(tmp_path, misp) as hub:
        some = listed(misp, 1)
        late = NOON + timedelta(hours=3)
        for moment in (NOON, late, NOON + timedelta(hours=1)):
            hits = met(some, first_seen=moment, last_seen=moment)
            hub.store.fleet.add_hits("gate", hits, b"", {})
        feed_back(hub)
        (one,) = misp.state.sightings.values()
        assert one.date == int(late.timestamp())


def test_retro_hits_are_told_on_their_own_days(misp: FakeMisp, tmp_path: Path) -> None:
    with opened(tmp_path, misp) as hub:
        old = NOON - timedelta(days=40)
        hits = list(met(listed(misp, 1), origin="retro", first_seen=old))
        for _ in range(2):
            hub.store.retro.record(hits)
        feed_back(hub)
        days = sorted(one.date // 86_400 for one in misp.state.sightings.values())
        assert days == [int(old.timestamp()) // 86_400, int(NOON.timestamp()) // 86_400]


def test_a_composite_that_was_pulled_as_two_indicators_is_told_once(
    misp: FakeMisp, tmp_path: Path
) -> None:
    both = {"type": "domain|ip", "value": "evil.example|192.0.2.66", "to_ids": True}
    event = misp.state.add_event({"info": "campaign", "published": True, "Attribute": [both]})
    keys = (
        Key(IndicatorType.DOMAIN, "evil.example"),
        Key(IndicatorType.IP_DST, "192.0.2.66"),
    )
    with opened(tmp_path, misp) as hub:
        pull(hub, "misp")
        entries = hub.store.entries.lookup(keys)
        assert set(entries) == set(keys)
        (pattern, _), *_ = met([(event, next(iter(event.attributes.values())))])
        hits = [(replace(pattern, key=key, observed=key.value), entries[key]) for key in keys]
        hub.store.fleet.add_hits("gate", hits, b"", {})
        assert len(hub.store.fleet.hits()) == 2
        feed_back(hub)
        assert told(misp) == 1


def test_nothing_is_noted_or_sent_unless_a_source_is_named(misp: FakeMisp, tmp_path: Path) -> None:
    with opened(tmp_path, misp, "[feedback]\nsources = []\n") as hub:
        record(hub, misp, 3)
        assert feed_back(hub) == []
        assert state_of(hub, "misp").waiting == 0
        assert misp.requests == []


def test_a_hit_that_is_rolled_back_is_not_told(misp: FakeMisp, tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[object, object]]:
        yield from met(listed(misp, 2))
        raise RuntimeError("the disk is full")

    with opened(tmp_path, misp) as hub:
        with pytest.raises(RuntimeError):
            hub.store.fleet.add_hits("gate", broken(), b"", {})  # type: ignore[arg-type]
        assert (hub.store.fleet.hits(), state_of(hub, "misp").waiting) == ([], 0)


# -- what never leaves


LEAKS = re.compile(rb"10\.\d+\.\d+\.\d+|evil\d*\.example|cellar|www|dns\.query|analyst|campaign")


def wire(misp: FakeMisp, home: Path, more: str) -> str:
    """All bytes that left, heads and bodies, after hits and a false positive."""
    with opened(home, misp, more) as hub:
        record(hub, misp, 5)
        hub.store.retro.record(met(listed(misp, 2), origin="retro"))
        feed_back(hub)
        assert state_of(hub, "misp").sent == 7
        head = [f"{one.method} {one.path} {dict(one.headers)}".encode() for one in misp.requests]
        return b"\n".join([*head, body(misp)]).replace(b"127.0.0.1", b"").decode()


def test_no_address_sensor_host_or_value_leaves(misp: FakeMisp, tmp_path: Path) -> None:
    said = wire(misp, tmp_path, "")
    assert LEAKS.search(said.encode()) is None
    assert SENSOR not in said
    assert said.count('"source": "vedette"') + said.count('"source":"vedette"') == 7


def test_of_a_host_only_its_class_leaves_if_that_is_the_policy(
    misp: FakeMisp, tmp_path: Path
) -> None:
    more = (
        '[feedback]\nsources = ["misp"]\nhosts = "class"\nname = "soc"\n'
        '[feedback.classes]\nclients = ["10.1.0.0/16"]\n'
    )
    said = wire(misp, tmp_path, more)
    assert LEAKS.search(said.encode()) is None
    assert said.count("soc/clients") == 7


def test_an_address_leaves_only_if_the_policy_says_so(misp: FakeMisp, tmp_path: Path) -> None:
    said = wire(misp, tmp_path, '[feedback]\nsources = ["misp"]\nhosts = "address"\n')
    assert set(re.findall(r"10\.\d+\.\d+\.\d+", said)) == {f"10.1.0.{n}" for n in range(5)}
    assert SENSOR not in said
    assert "evil" not in said


def test_the_preview_is_what_leaves(misp: FakeMisp, tmp_path: Path) -> None:
    with opened(tmp_path, misp) as hub:
        record(hub, misp, 5)
        (shown,) = preview(hub, "misp", limit=100)
        assert misp.requests == []
        feed_back(hub)
        (asked,) = misp.requests
        assert (asked.path, json.loads(asked.body)) == (shown["path"], shown["body"])
        assert preview(hub, "misp", limit=100) == []


# -- limits and failures


def test_no_more_leave_in_a_day_than_the_policy_allows(misp: FakeMisp, tmp_path: Path) -> None:
    more = '[feedback]\nsources = ["misp"]\nmax_per_day = 7\n'
    today = datetime(2026, 11, 24, 23, 0, tzinfo=UTC).timestamp()
    with opened(tmp_path, misp, more) as hub:
        record(hub, misp, 10)
        (fed,) = feed_back(hub, now=lambda: today)
        assert (fed.sent, fed.waiting, fed.limit_reached) == (7, 3, True)
        (fed,) = feed_back(hub, now=lambda: today + 60)
        assert (fed.sent, fed.waiting, fed.limit_reached) == (0, 3, True)
        dates = sorted(one.date for one in misp.state.sightings.values())
        assert dates == [int(NOON.timestamp()) + n for n in range(7)], "the oldest go first"
        (fed,) = feed_back(hub, now=lambda: today + 3_700)
        assert (fed.sent, fed.waiting, fed.limit_reached) == (3, 0, False)
        assert told(misp) == 10


def test_what_may_have_left_does_not_count_twice_against_the_limit(
    misp: FakeMisp, tmp_path: Path
) -> None:
    more = '[feedback]\nsources = ["misp"]\nmax_per_day = 5\n'
    misp.faults.add(Fault(FaultKind.CUT, path=SAVE, times=1))
    with opened(tmp_path, misp, more) as hub:
        record(hub, misp, 5)
        (fed,) = feed_back(hub)
        assert (fed.sent, fed.waiting) == (0, 5)
        (fed,) = feed_back(hub, anyway=True)
        assert (fed.sent, fed.waiting, told(misp)) == (5, 0, 5)


def test_a_misp_that_is_down_is_asked_later_and_later(misp: FakeMisp, tmp_path: Path) -> None:
    clock = [time.time()]
    misp.faults.add(Fault(FaultKind.STATUS, path=SAVE, status=500))
    with opened(tmp_path, misp) as hub:
        record(hub, misp, 2)
        waits = []
        for _ in range(10):
            (fed,) = feed_back(hub, now=lambda: clock[0])
            assert fed.error
            state = hub.store.outbox.addressee("misp", int(clock[0]))
            waits.append(state.retry_at - int(clock[0]))
            assert feed_back(hub, now=lambda: clock[0]) == [], "left alone until then"
            clock[0] = state.retry_at
        assert waits == [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]
        misp.faults.clear()
        (fed,) = feed_back(hub, now=lambda: clock[0])
        assert (fed.sent, state_of(hub, "misp").failures, state_of(hub, "misp").error) == (2, 0, "")


def test_a_key_without_the_right_is_no_storm_of_requests(misp: FakeMisp, tmp_path: Path) -> None:
    with opened(tmp_path, misp) as hub:
        (tmp_path / "misp.key").write_text(misp.read_only_key)
        record(hub, misp, 2_500)
        for _ in range(3):
            feed_back(hub)
        assert len(misp.requests) == 1
        state = state_of(hub, "misp")
        assert (state.forbidden, state.waiting) == (True, 2_500)
        assert "Sighting Creator" in state.hint
        (tmp_path / "misp.key").write_text(misp.key)
        (fed,) = feed_back(hub, anyway=True)
        assert (fed.sent, state_of(hub, "misp").forbidden) == (2_500, False)


def test_what_is_gone_from_misp_is_given_up_alone_with_its_reason(
    misp: FakeMisp, tmp_path: Path
) -> None:
    with opened(tmp_path, misp) as hub:
        record(hub, misp, 12, events=3)
        some = list(misp.state.events.values())
        misp.state.delete_event(some[0])
        misp.state.delete_attribute(some[1], next(iter(some[1].attributes.values())), hard=True)
        (fed,) = feed_back(hub)
        assert fed.sent == told(misp) == 7
        assert sum(fed.refused.values()) == 5
        assert fed.waiting == 0
        assert hub.store.outbox.refusals("misp") == fed.refused
        assert ATTRIBUTE_GONE in fed.refused
        assert feed_back(hub) == [], "and it is not tried again"


def test_a_source_that_takes_no_sightings_is_said(misp: FakeMisp, tmp_path: Path) -> None:
    with opened(tmp_path, misp) as hub:
        record(hub, misp, 1)
        hub.store.remove_source("misp")
        (fed,) = feed_back(hub)
        assert "no source 'misp'" in fed.error
        hub.store.add_source("misp", "list", {"location": "x", "type": "domain"}, 900)
        (fed,) = feed_back(hub, anyway=True)
        assert "takes no sightings" in fed.error
        assert state_of(hub, "misp").waiting == 1


def test_a_misp_that_takes_the_name_of_a_removed_one_is_told_too(
    misp: FakeMisp, tmp_path: Path
) -> None:
    with opened(tmp_path, misp) as hub:
        some = listed(misp, 3)
        hub.store.fleet.add_hits("gate", met(some), b"", {})
        feed_back(hub)
        assert told(misp) == 3
        misp.faults.add(Fault(FaultKind.STATUS, path=SAVE, status=503))
        hub.store.fleet.add_hits("gate", met(listed(misp, 4)[3:]), b"", {})
        assert feed_back(hub)[0].error
        misp.faults.clear()
        hub.store.remove_source("misp")
        state = state_of(hub, "misp")
        assert (state.waiting, state.sent, state.retry_at, state.error) == (1, 0, 0, "")
        settings = {"url": misp.url, "key_file": str(tmp_path / "misp.key"), "retries": 1}
        hub.store.add_source("misp", "misp", settings, 900)
        misp.state.sightings.clear()  # another MISP with the same events
        hub.store.fleet.add_hits("gate", met(some), b"", {})
        (fed,) = feed_back(hub)
        assert (fed.sent, told(misp)) == (4, 4), "at once, though the one before was failing"


def test_two_processes_never_send_at_once(misp: FakeMisp, tmp_path: Path) -> None:
    with opened(tmp_path, misp) as hub:
        record(hub, misp, 1)
        with exclusive(hub.lock_file("feedback"), "a test"), pytest.raises(BusyError):
            feed_back(hub)
        assert misp.requests == []


# -- exactly once


def until(true: Callable[[], bool], *, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def sender(home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SENDER, str(home / "vedette.toml")])


def test_each_arrives_once_whenever_the_sender_is_killed(misp: FakeMisp, tmp_path: Path) -> None:
    count = 3_000
    # A kill hits some requests before MISP saves, some after, some in between.
    misp.faults.add(Fault(FaultKind.SLOW, path=SAVE, seconds=0.01))
    with opened(tmp_path, misp) as hub:
        record(hub, misp, count)
    for goal in (1, 700, 1_400, 2_100):
        process = sender(tmp_path)
        until(lambda goal=goal: len(misp.state.sightings) >= goal)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert told(misp) < count
    process = sender(tmp_path)
    assert process.wait(60) == 0
    assert told(misp) == count
    with opened(tmp_path, misp) as hub:
        state = state_of(hub, "misp")
        assert (state.waiting, state.sent, state.refused) == (0, count, 0)


def test_each_arrives_once_through_an_outage_and_cut_answers(tmp_path: Path) -> None:
    count = 2_000
    misp = FakeMisp()
    misp.start()
    with opened(tmp_path, misp) as hub:
        record(hub, misp, count // 2)
        # MISP saves, and the answer is cut: we cannot know, and send again.
        misp.faults.add(Fault(FaultKind.CUT, path=SAVE, times=1))
        (fed,) = feed_back(hub)
        assert (fed.sent, told(misp)) == (0, BATCH)
        misp.stop()
        hub.store.fleet.add_hits("gate", met(listed(misp, count // 2)), b"", {})
        (fed,) = feed_back(hub, anyway=True)
        assert fed.error
        assert (fed.sent, fed.waiting) == (0, count)
        again = FakeMisp(port=int(misp.url.rpartition(":")[2]))
        again.state = misp.state
        with again:
            again.faults.add(Fault(FaultKind.CUT, path=SAVE, skip=1, times=1))
            feed_back(hub, anyway=True)
            feed_back(hub, anyway=True)
            assert told(again) == count
            assert state_of(hub, "misp").sent == count


def test_the_loop_sends_by_itself_until_it_is_left(misp: FakeMisp, tmp_path: Path) -> None:
    with opened(tmp_path, misp, '[feedback]\nsources = ["misp"]\nevery = "1s"\n') as hub:
        with FeedbackLoop(hub.settings, threading.Event()):
            record(hub, misp, 5)
            until(lambda: len(misp.state.sightings) == 5)
        assert not [one for one in threading.enumerate() if one.name == "feedback"]
