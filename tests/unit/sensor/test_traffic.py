from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from vedette.errors import SensorError
from vedette.sensor import canary_query, traffic
from vedette.sensor.canary_query import Way, dns_query, own_resolver, send_query
from vedette.sensor.client import SuricataSocket
from vedette.sensor.held import prove_held
from vedette.sensor.install import RulesDirectory
from vedette.sensor.proof import Check
from vedette.sensor.settings import Sensor
from vedette.sensor.traffic import Traffic, canary_of

HERE = Way(resolver="127.0.0.1")
SOON = Traffic(resolver="127.0.0.1", timeout_s=0.3)


class Eve:
    """An eve.json, written by an engine that sees what we send."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("")

    def write(self, *events: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)


@pytest.fixture
def eve(desk: Any, tmp_path: Path) -> Eve:
    desk.push({"names": ["a.example"]})
    desk.sensor = structs.replace(desk.sensor, eve=str(tmp_path / "eve.json"))
    return Eve(tmp_path / "eve.json")


@contextmanager
def engine_that(monkeypatch: pytest.MonkeyPatch, act: Callable[[str, int], None]) -> Iterator[None]:
    """Let an engine act on each query, a moment after it was sent: (name, port)."""
    threads: list[threading.Thread] = []

    def send(name: str, way: Way) -> tuple[int, str]:
        port, where = send_query(name, way)
        thread = threading.Timer(0.02, act, (name, port))
        thread.start()
        threads.append(thread)
        return port, where

    monkeypatch.setattr(traffic, "send_query", send)
    yield
    for thread in threads:
        thread.join()


def prove(sensor: Sensor, how: Traffic = SOON) -> Check:
    return next(c for c in prove_held(sensor, traffic=how).checks if c.name == "traffic")


def alert(name: str, port: int, sid: int = 7_000_000) -> dict[str, Any]:
    return {
        "event_type": "alert",
        "src_port": port,
        "dest_port": 53,
        "alert": {"signature_id": sid},
        "dns": {"query": [{"rrname": name}]},
    }


def test_the_alert_of_our_query_is_found(
    desk: Any, eve: Eve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_that(monkeypatch, lambda name, port: eve.write(alert(name, port))):
        check = prove(desk.sensor, Traffic(resolver="127.0.0.1", timeout_s=5))
    assert check.ok
    assert 0.01 < float(check.got.split()[1]) < 5
    assert (check.kind, check.detail) == ("direct", "")


@pytest.mark.parametrize(
    "other",
    [
        lambda name, port: alert(name, port + 1),
        lambda name, port: alert(name, port, sid=1),
        lambda _, port: alert("other.example", port),
        lambda name, port: {**alert(name, port), "alert": {}},
    ],
    ids=["another query", "another rule", "another name", "no alert"],
)
def test_nothing_else_counts(
    desk: Any,
    eve: Eve,
    monkeypatch: pytest.MonkeyPatch,
    other: Callable[[str, int], dict[str, Any]],
) -> None:
    with engine_that(monkeypatch, lambda name, port: eve.write(other(name, port))):
        assert not prove(desk.sensor).ok


def test_an_alert_of_before_does_not_count(desk: Any, eve: Eve) -> None:
    installed = RulesDirectory(desk.sensor.rules_path).current()
    assert installed is not None
    name, _ = canary_of(installed.release)
    eve.write(*(alert(name, port) for port in range(1, 65536)))
    assert not prove(desk.sensor).ok


def test_a_line_in_pieces_and_a_rotation_cost_nothing(
    desk: Any, eve: Eve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(name: str, port: int) -> None:
        text = json.dumps(alert(name, port)) + "\n"
        eve.path.rename(eve.path.with_suffix(".1"))
        time.sleep(0.03)
        with eve.path.open("w") as file:
            file.write('{"event_type":"stats"}\nnot json ' + name + "\n" + text[:50])
            file.flush()
            time.sleep(0.03)
            file.write(text[50:])

    with engine_that(monkeypatch, act):
        assert prove(desk.sensor, Traffic(resolver="127.0.0.1", timeout_s=5)).ok


def test_a_truncated_log_is_read_from_its_start(
    desk: Any, eve: Eve, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve.write(*({"event_type": "stats"} for _ in range(100)))

    def act(name: str, port: int) -> None:
        eve.path.write_text("")
        eve.write(alert(name, port))

    with engine_that(monkeypatch, act):
        assert prove(desk.sensor, Traffic(resolver="127.0.0.1", timeout_s=5)).ok


def test_it_says_which_link_is_broken(desk: Any, eve: Eve, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.engine.packets = {"eth1": 5, "eth2": 0}
    assert "no packet at all meanwhile (it watches eth1, eth2)" in prove(desk.sensor).detail

    def pass_by(_name: str, _port: int) -> None:
        desk.engine.packets = {"eth1": 6, "eth2": 0}

    with engine_that(monkeypatch, pass_by):
        assert "nothing of this query" in prove(desk.sensor).detail

    def log_only(name: str, port: int) -> None:
        eve.write({"event_type": "dns", "src_port": port, "dns": {"rrname": name}})

    with engine_that(monkeypatch, log_only):
        assert "no alert: the rule is suppressed" in prove(desk.sensor).detail
    with SuricataSocket(desk.engine.path) as engine:
        engine.ask("dataset-clear", {"setname": "names", "settype": "string"})
    assert "does not hold the canary (not found)" in prove(desk.sensor).detail


def test_without_an_eve_json_it_is_an_error(desk: Any, eve: Eve) -> None:
    eve.path.unlink()
    with pytest.raises(SensorError, match="cannot read"):
        prove(desk.sensor)
    with pytest.raises(SensorError, match="it is not known where") as caught:
        prove(structs.replace(desk.sensor, eve=""))
    assert "--eve" in caught.value.hint


def test_a_generation_without_names_has_nothing_to_ask_for(desk: Any) -> None:
    release, _ = desk.release({"file-md5": ["0" * 32]})
    with pytest.raises(SensorError, match="no rule that looks at DNS"):
        canary_of(release)


def test_the_set_of_the_generation_is_asked_for_first(desk: Any) -> None:
    release, _ = desk.release({"names": ["a.example"], "more": ["b.example"]})
    last = release.sets[1]
    marked = structs.replace(last, dataset="generation", canary=".vedette-generation-7.invalid")
    release = structs.replace(release, sets=(release.sets[0], marked))
    assert canary_of(release) == ("vedette-generation-7.invalid", marked)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", "a." * 130 + "example"])
def test_what_is_no_name_is_not_sent(name: str) -> None:
    with pytest.raises(SensorError, match="is no name"):
        send_query(name, HERE)


def test_a_query_is_one_question() -> None:
    query = dns_query("ab.example")
    assert query[2:12] == bytes([1, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    assert query[12:] == b"\x02ab\x07example\0\0\x01\0\x01"


def test_what_cannot_be_sent_is_an_error_with_a_way_out() -> None:
    with pytest.raises(SensorError, match="onto nowhere0") as caught:
        send_query("a.example", Way(interface="nowhere0"))
    assert "CAP_NET_RAW" in caught.value.hint
    with pytest.raises(SensorError, match="to not an address"):
        send_query("a.example", Way(resolver="not an address"))
    with pytest.raises(SensorError, match="from an IPv4 address"):
        send_query("a.example", Way(interface="lo", source="2001:db8::1"))


def test_a_resolver_behind_a_stub_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, behind = tmp_path / "resolv.conf", tmp_path / "behind.conf"
    monkeypatch.setattr(canary_query, "_RESOLVERS", (stub, behind))
    with pytest.raises(SensorError, match="no resolver in"):
        send_query("a.example", Way())
    stub.write_text("# stub\nnameserver 127.0.0.53\noptions edns0\n")
    assert own_resolver() == "127.0.0.53"
    behind.write_text("nameserver fe80::1%eth0\nnameserver 192.0.2.9\n")
    assert own_resolver() == "fe80::1%eth0"
    stub.write_text("nameserver\nnameserver 192.0.2.1\n")
    assert own_resolver() == "192.0.2.1"
