"""Alerts of rules that collect are observations; all other alerts are not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vedette.fields import BY_NAME
from vedette.observe import new_fold
from vedette.observe.observing import Observer

CLIENT, SERVER = "10.0.0.5", "192.0.2.53"
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("dns.query", {"dns": {"version": 2, "query": [{"rrname": "A.Example"}]}}, "a.example"),
    ("dns.query", {"dns": {"version": 3, "queries": [{"rrname": "a.example"}]}}, "a.example"),
    ("tls.sni", {"tls": {"sni": "b.example"}}, "b.example"),
    ("ja3.hash", {"tls": {"ja3": {"hash": "a" * 32}}}, "a" * 32),
    ("ja3.hash", {"quic": {"ja3": {"hash": "b" * 32}}}, "b" * 32),
    ("http.user_agent", {"http": {"http_user_agent": "Agent/1"}}, "Agent/1"),
    ("tls.cert_fingerprint", {"tls": {"fingerprint": ":".join(["ab"] * 20)}}, "ab" * 20),
]


def alert(name: str, more: dict[str, Any], *, direction: str = "to_server") -> bytes:
    ends = [(CLIENT, 40000), (SERVER, 53)][:: 1 if direction == "to_server" else -1]
    event = {
        "timestamp": "2026-11-24T07:00:00.000000+0000",
        "flow_id": 7,
        "event_type": "alert",
        "src_ip": ends[0][0],
        "src_port": ends[0][1],
        "dest_ip": ends[1][0],
        "dest_port": ends[1][1],
        "direction": direction,
        "alert": {"signature_id": 1, "metadata": {"vedette_collect": [name]}},
        **more,
    }
    return msgspec.json.encode(event)


@pytest.mark.parametrize(("name", "more", "value"), CASES)
@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_the_collected_value_is_kept(
    name: str, more: dict[str, Any], value: str, direction: str
) -> None:
    seen = Observer()(alert(name, more, direction=direction))
    assert (seen.outcome, seen.client, seen.server) == ("events", CLIENT, SERVER)
    assert list(seen.values) == [(BY_NAME[name].number, value)]


@pytest.mark.parametrize(
    "metadata", [None, {}, {"vedette_collect": "dns.query"}, {"vedette_collect": [1, "nope"]}, 5]
)
def test_other_alerts_are_no_observations(metadata: object) -> None:
    line = msgspec.json.decode(alert("dns.query", {"dns": {"queries": [{"rrname": "a.example"}]}}))
    line["alert"] = {"metadata": metadata, "signature": '"vedette_collect"'}
    assert Observer()(msgspec.json.encode(line)).outcome == "ignored"


def test_a_skipped_field_is_not_collected() -> None:
    assert Observer(skip=["tls.sni"])(alert("tls.sni", {"tls": {"sni": "b.example"}})).values == ()


def test_both_folds_agree_about_them() -> None:
    lines = [alert(name, more) for name, more, _ in CASES]
    lines += [alert("none", {}), lines[0].replace(b"vedette_collect", b"vedette_collec")]
    both = []
    for native in (True, False):
        fold = new_fold(native=native)
        fold.add(b"\n".join(lines) + b"\n")
        both.append(fold.take())
    assert both[0].observations.equals(both[1].observations)
    assert both[0].counts == both[1].counts
    assert both[0].counts["events"] == len(CASES)
