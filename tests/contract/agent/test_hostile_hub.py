"""What a hub that was taken over, or somebody between it and the sensor, can do to an agent.

It goes on to prove what it holds, says what is wrong, and neither spins nor writes elsewhere.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from structlog.testing import capture_logs
from tests.contract.agent.conftest import NAMES, Site, proved, state, wait_until
from tests.contract.agent.test_following import forged, instead

from vedette.agent.running import Agent
from vedette.agent.sending import Sender
from vedette.agent.spool import Place, Spool
from vedette.agent.staging import Staging
from vedette.ruleset.patchset import How, PatchSet, Piece, pack
from vedette.sensor.wire import State
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response

DEEP = (
    b'{"document":"x","signature":"y","serial":1,"cursor":"x","error":"x","more":' + b"[" * 200_000
)


@pytest.fixture
def held(site: Site) -> Site:
    """A site whose agent holds generation 2, and was there when it was made."""
    site.publish(NAMES)
    site.publish([*NAMES, "new.example"])
    assert site.once().state is State.PROVED
    return site


@contextmanager
def always(site: Site, fault: Fault) -> Iterator[None]:
    site.way.faults.add(fault)
    yield
    site.way.faults.clear()


ANSWERS: dict[str, Fault] = {
    "not this token": Fault(FaultKind.STATUS, status=401, body=b'{"error": "no", "hint": ""}'),
    "not for this": Fault(FaultKind.STATUS, status=403, body=b"<html>"),
    "nothing here": Fault(FaultKind.STATUS, status=404),
    "never": Fault(FaultKind.STATUS, status=400),
    "a failure": Fault(FaultKind.STATUS, status=500, body=b"<html>oops</html>"),
    "later": Fault(FaultKind.STATUS, status=503, headers={"Retry-After": "0"}),
    "much later": Fault(FaultKind.STATUS, status=429, headers={"Retry-After": "9" * 5_000}),
    "an odd day": Fault(FaultKind.STATUS, status=503, headers={"Retry-After": "x", "Date": "y"}),
    "elsewhere": Fault(FaultKind.STATUS, status=302, headers={"Location": "http://127.0.0.1:9/"}),
    "another place": Fault(FaultKind.STATUS, status=409, body=b'{"cursor": "x"}'),
    "a page": Fault(FaultKind.BODY, body=b"<html>", content_type="text/html"),
    "nothing": Fault(FaultKind.BODY, body=b""),
    "no news": Fault(FaultKind.STATUS, status=204),
    "depth": Fault(FaultKind.BODY, body=DEEP),
    "depth and a failure": Fault(FaultKind.STATUS, status=500, body=DEEP),
    "a list": Fault(FaultKind.BODY, body=b"[]"),
    "bytes": Fault(FaultKind.BODY, body=bytes(range(256)) * 100),
    "hanging up": Fault(FaultKind.CLOSE),
    "half of it": Fault(FaultKind.CUT),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_whatever_it_answers_the_agent_proves_on_and_does_not_spin(held: Site, name: str) -> None:
    structlog.reset_defaults()
    with capture_logs() as events, held.running(rhythm="1s") as agent:
        wait_until(proved(agent, 2))
        with always(held, ANSWERS[name]):
            before, began = len(held.way.requests), agent.situation.facts.proof
            assert began is not None
            time.sleep(2)
            asked = len(held.way.requests) - before
            later = agent.situation.facts.proof
            assert later is not None
            assert (later.ok, later.generation) == (True, 2)
            assert later.at > began.at
    assert asked < 20, "in two seconds, of all threads"
    assert not [one for one in events if one["event"] == "part.failed"]


def test_a_hub_that_never_makes_it_wait_is_asked_once_a_second(held: Site) -> None:
    with held.running() as agent:
        wait_until(proved(agent, 2))
        with always(held, Fault(FaultKind.STATUS, path="announcement", status=204)):
            held.publish([*NAMES, "wake.example"])  # ends the poll that waits
            time.sleep(1)
            before = held.asked_for("announcement")
            time.sleep(3)
            assert 1 <= held.asked_for("announcement") - before <= 5
        wait_until(proved(agent, 3), 20)  # and is heard when it has news


def test_a_hub_that_wants_another_serial_each_time_hears_a_report_a_second(held: Site) -> None:
    serials = itertools.count(1)

    def answer(request: Request) -> Response:
        if "report" in request.path:
            return Response(200, msgspec.json.encode({"serial": next(serials)}))
        return held._forward(request)

    held.way._respond = answer
    with held.running() as agent:
        wait_until(lambda: state(agent) is State.REFUSED)
        time.sleep(2)
        before = held.asked_for("report")
        time.sleep(3)
        assert held.asked_for("report") - before <= 5


def test_a_hub_that_names_another_place_each_time_is_left_alone(held: Site) -> None:
    places = itertools.count()
    spool = Spool(held.path / "spool", 1 << 20)
    spool.add(b"{}\n", 1, Place())

    class Elsewhere:
        asked = 0

        def hits(self, _body: bytes, _start: str, _end: str) -> str:
            self.asked += 1
            assert self.asked < 100
            return f"place-{next(places)}"

    hub = Elsewhere()
    sender = Sender(hub, spool)  # type: ignore[arg-type]
    assert sender.once() > 0
    assert hub.asked <= 3
    assert spool.waiting == 1


# -- with the key of the hub ------------------------------------------------------------------

Change = Callable[[dict[str, Any]], None]


def first_set(**changes: Any) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        manifest["sets"][0] |= changes

    return change


def top(**changes: Any) -> Change:
    return lambda manifest: manifest.update(changes)


def all_rules(**changes: Any) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        for one in manifest["rules"]:
            one.update(changes)

    return change


HOSTILE: dict[str, Change] = {
    "the directory above": first_set(file="datasets/.."),
    "the directory itself": first_set(file="."),
    "no name": first_set(file=""),
    "a zero": first_set(file="datasets/a\0b"),
    "a line": first_set(file="datasets/a\nb"),
    "our own file": first_set(file="datasets/release.json"),
    "the rules": first_set(file="x/vedette.rules"),
    "a long name": first_set(file="x" * 5_000),
    "a file of others as its digest": first_set(sha256="../../../../../../etc/passwd"),
    "a digest that is none": first_set(sha256="x"),
    "the rules' digest": all_rules(sha256="/etc/passwd"),
    "a set that is not there": all_rules(sets=["nothing"]),
    "no such type": first_set(type="evil"),
    "less than nothing": first_set(entries=-1, value_bytes=-(2**70)),
    "more than there is": first_set(value_bytes=10**4_000),
    "a content of paths": top(content_id="../../evil"),
    "a list for a text": top(prefix=[]),
    "later than any": top(format=99),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_manifest_that_is_rightly_signed_writes_and_reads_nowhere_else(
    held: Site, name: str
) -> None:
    manifest = msgspec.json.decode(held.bundle_file(2, "manifest.json").read_bytes())
    manifest["content_id"] = "e" * 64
    HOSTILE[name](manifest)
    body = json.dumps(manifest).encode()
    serial = held.ask(lambda hub: hub.store.announcements.last()).serial + 1
    told = forged(
        held,
        serial=serial,
        generation=2,
        content_id=manifest["content_id"],
        manifest=hashlib.sha256(body).hexdigest(),
    )
    there = set(held.path.rglob("*"))
    with (
        instead(held, told),
        always(held, Fault(FaultKind.BODY, path=r"manifest\.json", body=body)),
    ):
        report = held.once()  # raises whatever would end a part of it
    assert report.state is not State.PROVED
    assert (report.generation, held.in_force) == (2, "gen-000002")
    assert report.proof is not None
    assert report.proof.ok
    new = {path.relative_to(held.path) for path in set(held.path.rglob("*")) - there}
    assert all(path.parent.name in {"manifests", "hub", "state"} for path in new), new
    held.publish([*NAMES, "later.example"])
    wait_until(lambda: held.once().state is State.PROVED)  # as soon as the server has seen it


@pytest.mark.parametrize("changes", [{"serial": 2**53}, {"generation": 2**60}])
def test_numbers_that_no_hub_counts_up_to_lock_nobody_out(
    held: Site, changes: dict[str, int]
) -> None:
    """An agent that took such a serial would refuse all that comes later, also from a new hub."""
    serial = held.ask(lambda hub: hub.store.announcements.last()).serial + 1
    with instead(held, forged(held, **{"serial": serial, **changes})):
        report = held.once()
    assert report.state is State.REFUSED
    assert "counts" in report.why
    assert held.publish([*NAMES, "later.example"]) == 3
    assert held.once().generation == 3


def test_a_patch_that_makes_one_file_a_thousand_times_makes_it_once(held: Site) -> None:
    before = msgspec.json.decode(held.bundle_file(2, "manifest.json").read_bytes())
    held.publish([*NAMES, "third.example"])
    after = msgspec.json.decode(held.bundle_file(3, "manifest.json").read_bytes())
    known = held.ask(lambda hub: hub.store.fleet.sensor("gate"))
    target = known.proof["target"]
    rules = next(one for one in after["rules"] if one["profile"] == target)
    body = held.bundle_file(3, rules["file"]).read_bytes()
    names = [Piece(name="vedette.rules", how=How.WHOLE, size=len(body))] * 40
    index = PatchSet(
        before=before["content_id"],
        after=after["content_id"],
        generation=3,
        target=target,
        pieces=tuple(names),
    )
    stream = b"".join(pack(index, [body] * 40))
    saved: list[str] = []

    class Counting(Staging):
        def save(self, name: str, digest: str, chunks: Iterable[bytes]) -> Path:
            saved.append(name)
            return super().save(name, digest, chunks)

    with (
        always(held, Fault(FaultKind.BODY, path="/patch/", body=stream)),
        Agent(held.settings) as a,
    ):
        a.applier.staging = Counting(a.applier.staging.path)
        assert a.once().generation == 3
    assert saved.count("vedette.rules") <= 1


def test_who_waits_for_a_hub_that_says_nothing_can_be_stopped(held: Site) -> None:
    with LoopbackServer(lambda _: Response()) as silent:
        silent.faults.add(Fault(FaultKind.SLOW, seconds=30))
        with held.running(hub=silent.url, rhythm="1s") as agent:
            time.sleep(1.5)
            assert agent.situation.facts.proof is not None
            began = time.monotonic()
        assert time.monotonic() - began < 10
