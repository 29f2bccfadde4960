"""What ``vedette serve`` promises agents, on real sockets: docs/reference/agent-api.md."""

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import msgspec
import pytest
import zstandard

from vedette.bundle.generation import open_generation
from vedette.config import ServeSettings, Settings
from vedette.pipeline.announcing import announce
from vedette.pipeline.building import build
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import pull
from vedette.pipeline.signing import public_key, rotate
from vedette.ruleset.patch import apply
from vedette.ruleset.patchset import How, read_body, read_index
from vedette.sensor.proof import Check, Proof
from vedette.sensor.release import Release
from vedette.sensor.wire import Rate, Report, SignedAnnouncement, State
from vedette.store.tokens import Scope
from vedette.trust.minisign import Purpose, verify
from vedette.trust.pins import changes_from_json
from vedette.web.running import Service

T = TypeVar("T")
HOSTNAME_IN_DNS = 1_401_100
TARGET = "7.0"


class Desk:
    """A hub with a list, a sensor with a token, and a server."""

    def __init__(self, path: Path) -> None:
        self.settings = Settings(home=str(path), serve=ServeSettings(listen="127.0.0.1:0"))
        self._list = path / "domains.txt"
        self.names = [f"name-{number:05}.example" for number in range(3_000)]
        with Hub(self.settings) as hub:
            hub.store.add_source(
                "domains",
                "list",
                {"location": str(self._list), "type": "domain", "format": "lines"},
                900,
            )
            for name in ("gate", "edge"):
                hub.store.fleet.add_sensor(name, {"delivery": "agent"})
            self.tokens = {
                name: hub.store.tokens.add(name, set(Scope), by="test", now=int(time.time()))
                for name in ("gate", "edge", "")
            }
        self.publish()

    def publish(self, *extra: str) -> int:
        self.names += extra
        self._list.write_text("".join(f"{name}\n" for name in self.names))
        with Hub(self.settings) as hub:
            pull(hub, "domains")
            return build(hub).manifest.generation

    def ask(self, job: Callable[[Hub], T]) -> T:
        with Hub(self.settings) as hub:
            return job(hub)


class Agent(httpx2.Client):
    """Asks as an agent does."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(
            base_url=f"{url}/agent/v1", headers={"Authorization": f"Bearer {token}"}, timeout=20
        )

    def wanted(self, after: int = 0, wait: float = 0) -> SignedAnnouncement | None:
        answer = self.get("/announcement", params={"after": after, "wait": wait})
        if answer.status_code == 204:
            return None
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=SignedAnnouncement)

    def report(self, report: Report | bytes, **headers: str) -> httpx2.Response:
        body = report if isinstance(report, bytes) else msgspec.json.encode(report)
        return self.post(
            "/report", content=body, headers={"Content-Type": "application/json", **headers}
        )

    def hits(self, lines: bytes, before: str, after: str) -> httpx2.Response:
        headers = {
            "Content-Type": "application/x-ndjson",
            "X-Vedette-From": before,
            "X-Vedette-To": after,
        }
        return self.post("/hits", content=lines, headers=headers)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    with Service(desk.settings).running() as address:
        yield address


@pytest.fixture
def agent(desk: Desk, url: str) -> Iterator[Agent]:
    with Agent(url, desk.tokens["gate"]) as client:
        yield client


def said(**fields: Any) -> Report:
    known = {
        "at": datetime.now(UTC),
        "by": "agent 0.5.0",
        "delivery": "agent",
        "state": State.BEHIND,
        "why": "it is on its way",
    }
    return Report(**{**known, **fields})


def proof(*, ok: bool = True, **fields: Any) -> Proof:
    known = {
        "at": datetime.now(UTC),
        "sensor": "gate",
        "generation": 1,
        "content_id": "a" * 64,
        "target": TARGET,
        "engine": "7.0.10",
        "ok": ok,
        "checks": (Check(name="files", ok=ok, expected="x", got="y"),),
        "elapsed_s": 0.1,
    }
    return Proof(**{**known, **fields})


def alert(name: str, flow: int, **fields: Any) -> bytes:
    event = {
        "timestamp": "2026-11-24T07:00:00.000000+0000",
        "flow_id": flow,
        "event_type": "alert",
        "src_ip": "10.0.0.5",
        "src_port": 40000,
        "dest_ip": "192.0.2.53",
        "dest_port": 53,
        "proto": "UDP",
        "tx_id": 0,
        "alert": {"gid": 1, "signature_id": HOSTNAME_IN_DNS},
        "dns": {"query": [{"type": "query", "rrname": name, "rrtype": "A"}]},
    }
    return msgspec.json.encode({**event, **fields}) + b"\n"


# -- what is wanted ------------------------------------------------------------------------


def test_what_is_wanted_is_signed_by_the_hub(desk: Desk, agent: Agent) -> None:
    signed = agent.wanted()
    assert signed is not None
    announcement = signed.read()
    generation = open_generation(desk.settings.bundles)
    assert generation is not None
    assert announcement.generation == generation.number == 1
    manifest = (generation.path / "manifest.json").read_bytes()
    assert announcement.manifest == hashlib.sha256(manifest).hexdigest()
    key = desk.ask(public_key)
    assert key is not None
    verify(signed.signature, signed.document.encode(), [key], Purpose.ANNOUNCEMENT)


def test_who_knows_it_waits_and_is_told_nothing_at_the_end(agent: Agent) -> None:
    signed = agent.wanted()
    assert signed is not None
    started = time.monotonic()
    assert agent.wanted(signed.read().serial, wait=1) is None
    assert 0.9 < time.monotonic() - started < 5


def test_a_hub_that_tells_less_than_is_known_is_heard_at_the_end_of_the_wait(agent: Agent) -> None:
    """Its state was restored from an old copy: the agent shall say so, and not ask in a circle."""
    started = time.monotonic()
    signed = agent.wanted(2**52, wait=1)
    assert signed is not None
    assert time.monotonic() - started > 0.9


def test_an_announcement_of_another_process_ends_the_wait(desk: Desk, agent: Agent) -> None:
    signed = agent.wanted()
    assert signed is not None
    told: list[tuple[float, SignedAnnouncement | None]] = []

    def wait() -> None:
        answer = agent.wanted(signed.read().serial, wait=20)
        told.append((time.time(), answer))

    waiting = threading.Thread(target=wait)
    waiting.start()
    script = (
        "import sys, time; from pathlib import Path; from vedette.config import Settings;"
        "from vedette.pipeline.hub import Hub; from vedette.pipeline.announcing import announce;"
        "from vedette.bundle.generation import open_generation\n"
        "with Hub(Settings(home=sys.argv[1])) as hub:\n"
        "    announce(hub, open_generation(hub.settings.bundles), 'ann', 'again')\n"
        "    print(time.time())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, desk.settings.home], capture_output=True, check=True
    )
    waiting.join(25)
    ((at, answer),) = told
    assert answer is not None
    assert answer.read().serial > signed.read().serial
    assert at - float(done.stdout.split()[-1]) < 1  # bench/fleet.py has the figure


def test_each_sensor_is_told_what_is_its_own(desk: Desk, url: str) -> None:
    """The canary first, the other when it has spread."""

    def make_canary(hub: Hub) -> None:
        hub.store.fleet.set_sensor("edge", {"delivery": "agent", "ring": "canary"})

    desk.ask(make_canary)
    with Agent(url, desk.tokens["gate"]) as gate, Agent(url, desk.tokens["edge"]) as edge:
        before = gate.wanted()
        assert before is not None
        desk.publish("new.example")
        serial = before.read().serial
        first = edge.wanted(serial, wait=10)
        assert first is not None
        assert first.read().generation == 2
        assert gate.wanted(serial, wait=0) is None


def test_many_waits_of_one_sensor_end_the_oldest(agent: Agent) -> None:
    signed = agent.wanted()
    assert signed is not None
    serial = signed.read().serial
    ends: list[float] = []
    started = time.monotonic()

    def wait() -> None:
        agent.wanted(serial, wait=3)
        ends.append(time.monotonic() - started)

    threads = [threading.Thread(target=wait) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(end < 2 for end in ends) == 2
    assert sum(end >= 2.9 for end in ends) == 4


def test_a_server_that_ends_lets_all_go_at_once(desk: Desk) -> None:
    service = Service(desk.settings)
    answers: list[SignedAnnouncement | None] = []
    with service.running() as url, Agent(url, desk.tokens["gate"]) as agent:
        signed = agent.wanted()
        assert signed is not None
        serial = signed.read().serial
        waiting = threading.Thread(target=lambda: answers.append(agent.wanted(serial, wait=60)))
        waiting.start()
        time.sleep(0.3)
        started = time.monotonic()
        service.stop()
        waiting.join(10)
        assert time.monotonic() - started < 3
    assert answers == [None]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "wait=1e9", f"after={10**40}"])
def test_a_question_that_means_nothing_is_refused(agent: Agent, query: str) -> None:
    answer = agent.get(f"/announcement?{query}")
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "hint"}


def test_key_changes_are_those_beyond_a_number(desk: Desk, agent: Agent) -> None:
    agent.wanted()
    desk.ask(lambda hub: rotate(hub, why="test"))
    changes = changes_from_json(agent.get("/keys").content)
    assert [change.read().number for change in changes] == [1, 2]
    later = changes_from_json(agent.get("/keys?after=1").content)
    assert later == changes[1:]
    assert changes_from_json(agent.get("/keys?after=9").content) == ()


def test_after_a_rotation_the_same_announcement_has_the_new_signature(
    desk: Desk, agent: Agent
) -> None:
    before = agent.wanted()
    assert before is not None
    desk.ask(lambda hub: rotate(hub, why="test"))
    key = desk.ask(public_key)
    assert key is not None
    deadline = time.monotonic() + 5
    while (now := agent.wanted()) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert now is not None
    assert now.document == before.document
    verify(now.signature, now.document.encode(), [key], Purpose.ANNOUNCEMENT)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/announcement"),
        ("GET", "/keys"),
        ("GET", f"/patch/{'a' * 64}/1/7.0"),
        ("POST", "/report"),
        ("POST", "/hits"),
    ],
)
def test_nothing_is_said_to_who_has_no_token_of_a_sensor(
    desk: Desk, url: str, method: str, path: str
) -> None:
    with Agent(url, "vdt_00000000_" + "a" * 43) as stranger:
        assert stranger.request(method, path).status_code == 401
    with Agent(url, desk.tokens[""]) as tool:
        answer = tool.request(method, path)
        assert answer.status_code == 403
        assert "belongs to no sensor" in answer.json()["error"]


# -- patches -------------------------------------------------------------------------------


def test_the_patches_make_the_files_of_the_new_generation(desk: Desk, agent: Agent) -> None:
    root = desk.settings.bundles
    old = open_generation(root)
    assert old is not None
    desk.names = desk.names[5:]
    number = desk.publish("new.example", "other.example")
    new = open_generation(root, number)
    assert new is not None
    answer = agent.get(f"/patch/{old.manifest.content_id}/{number}/{TARGET}")
    assert answer.status_code == 200
    assert len(answer.content) < 20_000
    stream = io.BytesIO(zstandard.ZstdDecompressor().decompress(answer.content))
    index = read_index(stream)
    assert (index.before, index.after) == (old.manifest.content_id, new.manifest.content_id)
    release = Release.from_manifest(new.manifest, TARGET)
    assert [piece.name for piece in index.pieces] == list(release.files)
    hows = set()
    for piece in index.pieces:
        body = read_body(stream, piece, 1 << 20)
        hows.add(piece.how)
        before = old.sources(TARGET).get(piece.name)
        match piece.how:
            case How.SAME:
                assert before is not None
                made = before.read_bytes()
            case How.PATCH:
                assert before is not None
                made = b"".join(apply(before.read_bytes(), body, 1 << 20))
            case _:
                made = body
        assert hashlib.sha256(made).hexdigest() == release.files[piece.name]
    assert How.PATCH in hows
    assert agent.get(f"/patch/{old.manifest.content_id}/{number}/{TARGET}").content == (
        answer.content
    )


def test_patches_of_what_is_not_here_are_not_found(desk: Desk, agent: Agent) -> None:
    held = open_generation(desk.settings.bundles)
    assert held is not None
    there = held.manifest.content_id
    for path, status in (
        (f"/patch/{'0' * 64}/1/{TARGET}", 404),
        (f"/patch/{there}/99/{TARGET}", 404),
        (f"/patch/{there}/{10**30}/{TARGET}", 400),
        (f"/patch/{there}/1/8.0+context", 404),
        (f"/patch/{there}/1/9.9", 400),
        ("/patch/..%2f..%2fetc/1/7.0", 400),
        (f"/patch/{there}/1/..%2fx", 400),
    ):
        answer = agent.get(path)
        assert answer.status_code in {status, 404}, path
        assert answer.json()["hint"]


def test_patches_lead_only_to_what_the_sensor_is_told(desk: Desk, agent: Agent) -> None:
    """Whoever has a token could else have the hub make, and keep, one for each pair."""
    first = open_generation(desk.settings.bundles)
    assert first is not None
    second = desk.publish("new.example")
    third = desk.publish("other.example")
    there = first.manifest.content_id
    assert agent.get(f"/patch/{there}/{third}/{TARGET}").status_code == 200
    refused = agent.get(f"/patch/{there}/{second}/{TARGET}")
    assert refused.status_code == 404
    assert "not told" in refused.json()["error"]
    assert len(list(desk.settings.artifacts.rglob("*.patches.zst"))) == 1


# -- reports -------------------------------------------------------------------------------


def test_a_report_is_kept_under_the_tokens_sensor(desk: Desk, agent: Agent) -> None:
    signed = agent.wanted()
    assert signed is not None
    answer = agent.report(
        said(state=State.PROVED, why="", generation=1, proof=proof(sensor="edge"))
    )
    assert answer.status_code == 200
    assert answer.json()["serial"] == signed.read().serial
    heard_at = datetime.fromisoformat(answer.json()["time"])
    assert abs(datetime.now(UTC) - heard_at) < timedelta(seconds=10)
    state = desk.ask(lambda hub: hub.store.reports.state_of("gate"))
    assert state is not None
    assert (state.state, state.generation, state.origin) == ("proved", 1, "127.0.0.1")
    assert abs(state.clock_s) < 10
    record = desk.ask(lambda hub: hub.store.fleet.sensor("gate"))
    assert record.proof is not None
    assert record.proof["sensor"] == "gate"
    assert desk.ask(lambda hub: hub.store.reports.state_of("edge")) is None
    assert desk.ask(lambda hub: hub.store.fleet.sensor("edge")).proof is None


def test_a_report_may_be_compressed(desk: Desk, agent: Agent) -> None:
    body = zstandard.ZstdCompressor().compress(msgspec.json.encode(said()))
    assert agent.report(body, **{"Content-Encoding": "zstd"}).status_code == 200


def test_a_wrong_clock_is_seen_and_taken_into_account(desk: Desk, agent: Agent) -> None:
    """Two hours ahead: its proof is of now, its alerts of our minute."""
    now = datetime.now(UTC)
    its = now + timedelta(hours=2)
    minute = int(its.timestamp()) // 60
    rates = (Rate(minute, 7), Rate(minute + 600, 9), Rate(minute - 9_999, 9))
    assert agent.report(said(at=its, proof=proof(at=its), rates=rates)).status_code == 200
    state = desk.ask(lambda hub: hub.store.reports.state_of("gate"))
    assert state is not None
    assert 7_190 < state.clock_s < 7_210
    record = desk.ask(lambda hub: hub.store.fleet.sensor("gate"))
    assert record.proof is not None
    assert abs(datetime.fromisoformat(record.proof["at"]) - now) < timedelta(seconds=10)
    counted = desk.ask(lambda hub: hub.store.reports.rates("gate", since=0))
    assert list(counted.values()) == [7]
    assert abs(next(iter(counted)) - int(now.timestamp()) // 60) <= 1


def test_what_a_report_says_cannot_move_a_terminals_cursor(desk: Desk, agent: Agent) -> None:
    agent.report(said(why="fine\x1b[2J\x1b]0;x\x07\r\u202egnp.exe", by="agent\x9b31m"))
    state = desk.ask(lambda hub: hub.store.reports.state_of("gate"))
    assert state is not None
    kept = msgspec.json.decode(state.report, type=Report)
    assert kept.why == "fine\ufffd[2J\ufffd]0;x\ufffd\ufffd\ufffdgnp.exe"
    assert kept.by == "agent\ufffd31m"


@pytest.mark.parametrize(
    "fields",
    [
        {"serial": -1},
        {"serial": 2**60},
        {"generation": -5},
        {"at": datetime(2026, 11, 24)},  # noqa: DTZ001 - that is the point
        {"at": datetime(9_999, 12, 31, tzinfo=UTC)},
        {"delivery": "../../x"},
        {"content_id": "a; rm"},
        {"proof": proof(ok=False), "state": State.PROVED},
        {"proof": msgspec.structs.replace(proof(ok=False), ok=True)},
        {"rates": tuple(Rate(1, 1) for _ in range(2_000))},
    ],
    ids="+".join,
)
def test_a_report_that_no_sensor_can_mean_is_refused(
    desk: Desk, agent: Agent, fields: dict[str, Any]
) -> None:
    answer = agent.report(said(**fields))
    assert answer.status_code == 400
    assert answer.json()["hint"]
    assert desk.ask(lambda hub: hub.store.reports.state_of("gate")) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"at":' * 30_000,
        b"\x28\xb5\x2f\xfdbroken",
        msgspec.json.encode({**msgspec.to_builtins(said()), "state": "perfect"}),
    ],
    ids=range(8),
)
def test_what_is_no_report_is_refused(agent: Agent, body: bytes) -> None:
    answer = agent.report(body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "hint"}


def test_a_report_that_unpacks_to_too_much_is_refused(agent: Agent) -> None:
    bomb = zstandard.ZstdCompressor(19).compress(b" " * (64 << 20))
    answer = agent.report(bomb)
    assert answer.status_code == 400
    assert "more than its limit" in answer.json()["error"]


def test_a_body_that_is_too_long_or_of_another_type_is_refused(agent: Agent) -> None:
    assert agent.report(b" " * ((1 << 20) + 1)).status_code == 413
    answer = agent.post("/report", content=b"{}", headers={"Content-Type": "text/html"})
    assert answer.status_code == 415


def test_members_that_this_version_does_not_know_are_left_alone(agent: Agent) -> None:
    body = msgspec.json.encode({**msgspec.to_builtins(said()), "mood": "good"})
    assert agent.report(body).status_code == 200


def test_one_sensor_cannot_report_without_end(desk: Desk, url: str, agent: Agent) -> None:
    answers = [agent.report(said()) for _ in range(70)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert int(limited[0].headers["retry-after"]) >= 1
    with Agent(url, desk.tokens["edge"]) as other:
        assert other.report(said()).status_code == 200


# -- hits ----------------------------------------------------------------------------------


def counts(desk: Desk) -> dict[tuple[str, str, str], int]:
    records = desk.ask(lambda hub: hub.store.fleet.hits())
    return {(one.sensor, one.value, one.origin): one.count for one in records}


def test_hits_come_with_their_context_as_those_of_local_sensors(desk: Desk, agent: Agent) -> None:
    name = desk.names[7]
    answer = agent.hits(alert(name, 1), "", "a1")
    assert (answer.status_code, answer.json()) == (200, {"cursor": "a1"})
    assert counts(desk) == {("gate", name, "live"): 1}
    (hit,) = desk.ask(lambda hub: hub.store.fleet.hits())
    assert [context["source"] for context in hit.contexts] == ["domains"]


def test_what_is_sent_again_counts_once(desk: Desk, agent: Agent) -> None:
    lines = alert(desk.names[7], 1) + alert(desk.names[7], 2)
    for _ in range(3):
        answer = agent.hits(lines, "", "a1")
        assert (answer.status_code, answer.json()) == (200, {"cursor": "a1"})
    assert counts(desk) == {("gate", desk.names[7], "live"): 2}


def test_what_begins_elsewhere_is_not_counted_and_the_agent_is_told_where(
    desk: Desk, agent: Agent
) -> None:
    agent.hits(alert(desk.names[7], 1), "", "a1")
    answer = agent.hits(alert(desk.names[7], 2), "a0", "a2")
    assert answer.status_code == 409
    assert answer.json()["cursor"] == "a1"
    assert answer.json()["hint"]
    assert agent.hits(alert(desk.names[7], 2), "a1", "a2").status_code == 200
    assert counts(desk) == {("gate", desk.names[7], "live"): 2}


def test_an_alert_waits_for_the_event_of_the_next_request(desk: Desk, agent: Agent) -> None:
    bare = alert(desk.names[7], 5, dns={})
    event = alert("", 5, event_type="dns", dns={"rrname": desk.names[7], "type": "query"})
    agent.hits(bare, "", "a1")
    assert counts(desk) == {}
    agent.hits(event, "a1", "a2")
    assert counts(desk) == {("gate", desk.names[7], "live"): 1}


def test_lines_that_are_no_events_are_counted_by_reason(desk: Desk, agent: Agent) -> None:
    lines = b"".join(
        [
            b"\n",
            b"not json\n",
            b'{"timestamp": 3, "event_type": []}\n',
            b"\xff\xfe\n",
            alert(desk.names[7], 1),
            b'{"event_type": "alert", "x": "' + b"a" * (2 << 20) + b'"}\n',
            alert(desk.names[8], 2).rstrip(b"\n"),
        ]
    )
    assert agent.hits(lines, "", "a1").status_code == 200
    counted = desk.ask(lambda hub: hub.store.fleet.counters("gate"))
    skipped = {name: n for name, n in counted.items() if name.startswith("skipped.")}
    assert sum(skipped.values()) == 4
    assert skipped["skipped.oversized"] == 1
    assert skipped["skipped.malformed"] >= 1
    assert len(counts(desk)) == 2


def test_hits_of_one_sensor_are_never_those_of_another(desk: Desk, url: str) -> None:
    with Agent(url, desk.tokens["edge"]) as edge:
        line = alert(desk.names[7], 1, host="gate", sensor="gate", sensor_name="gate")
        assert edge.hits(line, "", "a1").status_code == 200
    assert set(counts(desk)) == {("edge", desk.names[7], "live")}
    assert desk.ask(lambda hub: hub.store.fleet.bookmark("gate")) is None


def test_times_that_cannot_be_calculated_with_hurt_nobody(desk: Desk, agent: Agent) -> None:
    lines = b"".join(
        alert(desk.names[7], flow, timestamp=text)
        for flow, text in enumerate(
            ["0001-01-01T00:00:00+1400", "9999-12-31T23:59:59-1400", "x", "2026-11-24"]
        )
    )
    assert agent.hits(lines, "", "a1").status_code == 200
    assert counts(desk) == {("gate", desk.names[7], "live"): 4}


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [("", "", 400), ("a", "a", 400), ("", "b c", 400), ("", "x" * 201, 400)],
)
def test_places_that_are_none_are_refused(
    agent: Agent, before: str, after: str, status: int
) -> None:
    assert agent.hits(b"", before, after).status_code == status


def test_hits_that_unpack_to_too_much_are_refused_and_not_counted(desk: Desk, agent: Agent) -> None:
    bomb = zstandard.ZstdCompressor(3).compress(b" " * (17 << 20))
    assert agent.hits(bomb, "", "a1").status_code == 400
    assert desk.ask(lambda hub: hub.store.fleet.bookmark("gate")) is None


def test_hits_count_by_what_they_unpack_to(desk: Desk, agent: Agent) -> None:
    """A megabyte can be said in a hundred bytes, and costs the hub what it unpacks to."""
    bomb = zstandard.ZstdCompressor(3).compress(b"\n" * (15 << 20))
    place, answers = "", []
    for number in range(6):
        answers.append(agent.hits(bomb, place, f"a{number}"))
        if answers[-1].status_code == 200:
            place = f"a{number}"
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


def test_hits_of_one_sensor_keep_no_report_of_another_waiting(
    desk: Desk, url: str, agent: Agent
) -> None:
    """Many names of very many labels: the dearest lines that there are."""
    labels = ".".join("a" * 120)
    name = {"query": [{"type": "query", "rrname": labels}]}
    flood = b"".join(alert("x", flow, dns=name, src_ip=f"10.1.{flow}.1") for flow in range(6_000))
    with ThreadPoolExecutor(3) as pool, Agent(url, desk.tokens["edge"]) as other:
        sent = pool.submit(agent.hits, flood, "", "a1")
        time.sleep(0.3)
        second = agent.hits(alert("y.example", 1), "", "b1")
        assert other.report(said()).status_code == 200
        assert not sent.done()  # the report was taken while the hits were still being read
        assert sent.result().status_code == 200
    assert second.status_code == 429  # one after the other
    assert int(second.headers["retry-after"]) == 1


def test_a_sensor_that_was_removed_is_told_so(desk: Desk, agent: Agent) -> None:
    desk.ask(lambda hub: hub.store.fleet.remove_sensor("gate"))
    for answer in (agent.report(said()), agent.hits(alert("x.example", 1), "", "a1")):
        assert answer.status_code in {400, 401, 403}
        assert answer.json()["hint"]


def test_a_roll_back_is_another_announcement(desk: Desk, agent: Agent) -> None:
    desk.publish("new.example")
    before = agent.wanted()
    assert before is not None

    def roll_back(hub: Hub) -> None:
        generation = open_generation(hub.settings.bundles, 1)
        assert generation is not None
        announce(hub, generation, "ann", "rollback: test", at_once=True)

    desk.ask(roll_back)
    after = agent.wanted(before.read().serial, wait=10)
    assert after is not None
    assert after.read().generation == 1
    assert after.read().serial > before.read().serial


def test_small_answers_do_not_wait_for_the_client_to_confirm_their_head(desk: Desk) -> None:
    """Nagle's algorithm would add 40 ms to each."""
    service = Service(desk.settings)
    with (
        service.socket,
        socket.create_connection(service.socket.getsockname()),
    ):
        accepted, _ = service.socket.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
