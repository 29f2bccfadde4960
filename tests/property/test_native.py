"""The native fold gives what Python's gives, whatever members and values an event has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.observe import Folded, PythonFold, native
from vedette.observe.native import NativeFold

SEEDS = Path(__file__).parents[1] / "data/eve.jsonl"
EVENTS = [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]
PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
HOME = ("10.0.0.0/8", "192.168.0.0/16", "fc00::/7")

pytestmark = pytest.mark.skipif(
    bool(native.why_not()) and not os.environ.get("CI"), reason=native.why_not() or "-"
)


def same(data: bytes, skip: Iterable[str] = ()) -> Folded:
    ours, reference = NativeFold(skip, HOME), PythonFold(skip, HOME)
    ours.add(data)
    reference.add(data)
    found, expected = ours.take(), reference.take()
    assert found.counts == expected.counts, data
    assert found.hours == expected.hours, data
    assert found.observations.to_pylist() == expected.observations.to_pylist(), data
    assert found.sightings.to_pylist() == expected.sightings.to_pylist(), data
    return found


plain = st.text("aB09-_.:/\\?#@<>\"'` \t\x1f\x7fÄ税", max_size=12)
addresses = st.ip_addresses().map(str) | st.ip_addresses(v=6).map(lambda found: found.exploded)
near_addresses = st.text("0123456789abcdef:.", max_size=24)
ports = st.sampled_from(
    [0, 1, 20, 22, 53, 80, 88, 443, 445, 1023, 1024, 32767, 32768, 65535, 65536]
)
texts = (
    plain
    | addresses
    | near_addresses
    | st.sampled_from(
        [
            "",
            ".",
            "GET",
            "CONNECT",
            "RETR",
            "STOR",
            "A",
            "MX",
            "query",
            "answer",
            "request",
            "response",
            "http",
            "http2",
            "doh2",
            "smb",
            "smtp",
            "ftp-data",
            "nfs",
            "<empty>",
            "<share_root>",
            "/libhtp::x",
            "//x/y",
            "http://a.example/b",
            "<a@b>",
            "mailto:a@b.c",
            "2026-01-31T12:34:56.000000+0000",
        ]
    )
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**65) | st.floats() | ports | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=6,
)


def containers(value: Any) -> list[Any]:
    """Return all objects and lists in a value, itself included."""
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in containers(inner))]
    if isinstance(value, list):
        return [value, *(found for inner in value for found in containers(inner))]
    return []


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """Return an event with some values changed, members gone, added or moved to the end."""
    event = json.loads(json.dumps(draw(st.sampled_from(EVENTS))))
    donor = json.loads(json.dumps(draw(st.sampled_from(EVENTS))))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.sampled_from([found for found in containers(event) if found]))
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        match draw(st.sampled_from(["alike", "any", "drop", "move", "donate"])):
            case "alike":
                old = place[key]
                place[key] = draw(texts if isinstance(old, str) else ports | values)
            case "any":
                place[key] = draw(values)
            case "drop":
                del place[key]
            case "move" if isinstance(place, dict):
                place[key] = place.pop(key)
            case "donate":
                event |= {name: donor[name] for name in list(donor)[draw(st.integers(0, 9)) :]}
    return event


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Return lines of changed events, as different writers would write them."""
    lines = []
    for event in draw(st.lists(changed(), min_size=1, max_size=4)):
        compact = (",", ":") if draw(st.booleans()) else (", ", " : ")
        line = json.dumps(event, separators=compact, ensure_ascii=draw(st.booleans()))
        if draw(st.integers(0, 9)) == 0:
            line = line[:-1] + "," + line[1:]  # every member twice
        if draw(st.integers(0, 9)) == 0:
            line = line.replace("/", "\\/")
        lines.append(line.encode("utf-8", "surrogatepass"))
    return b"\n".join(lines) + b"\n"


@given(written())
@settings(max_examples=400, **PATIENT)
def test_changed_events_give_the_same(data: bytes) -> None:
    same(data)


@given(data=written(), at=st.integers(0), junk=st.binary(max_size=3), gone=st.integers(0, 3))
@settings(max_examples=200, **PATIENT)
def test_damaged_bytes_give_the_same(data: bytes, at: int, junk: bytes, gone: int) -> None:
    at %= len(data)
    same(data[:at] + junk + data[at + gone :])


@given(sent=st.sampled_from(EVENTS), field=st.data())
@settings(max_examples=300, **PATIENT)
def test_a_text_of_any_kind_gives_the_same(sent: dict[str, Any], field: st.DataObject) -> None:
    event = json.loads(json.dumps(sent))
    for place in containers(event):
        for key in place if isinstance(place, dict) else range(len(place)):
            if isinstance(place[key], str) and key not in {"timestamp", "event_type"}:
                place[key] = field.draw(texts)
    same(json.dumps(event).encode())


@given(src=ports, dest=ports, data=st.data())
@settings(max_examples=300, **PATIENT)
def test_the_ends_are_the_same(src: int, dest: int, data: st.DataObject) -> None:
    kinds = ["dns", "quic", "krb5", "fileinfo", "flow"]
    choices = [event for event in EVENTS if event["event_type"] in kinds]
    event = json.loads(json.dumps(data.draw(st.sampled_from(choices))))
    event |= {"src_port": src, "dest_port": dest}
    event |= {"src_ip": data.draw(addresses), "dest_ip": data.draw(addresses)}
    event["app_proto"] = data.draw(texts)
    if data.draw(st.booleans()):
        event["ftp_data"] = {"command": data.draw(texts)}
    if data.draw(st.booleans()):
        event["http"] = {"http_port": data.draw(ports)}
    same(json.dumps(event).encode())
