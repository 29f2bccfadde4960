"""Published lists and a MISP against the past of real captures, compared with plain Python.

The expected findings are computed here from the raw events and the raw lists, with neither our
spelling, our reading of lists nor our joins; the commands run as a shell would run them.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard

from vedette.testing.fake_misp import READ_ONLY_KEY, FakeMisp

pytestmark = pytest.mark.shared

MEMORY_MAX_KIB = 600 << 10
_MEASURED = """
import atexit, os, pathlib, runpy
def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    pathlib.Path("peak").write_text(next(l.split()[1] for l in lines if l.startswith("VmHWM")))
atexit.register(peak)
runpy.run_module("vedette", run_name="__main__")
"""
"""The command, which leaves behind its peak in KiB; getrusage would count the parent's in."""


class Seen(NamedTuple):
    """One value in one event."""

    at: datetime
    client: str
    server: str


Past = dict[tuple[str, str], list[Seen]]


def events(shared_data: Path) -> Iterator[dict[str, Any]]:
    path = shared_data / "eve/suricata-7.0.10-shared-pcaps.jsonl.zst"
    with path.open("rb") as raw, zstandard.open(raw, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def shown(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield some of what one event of Suricata 7 shows, by field."""
    kind, body = event["event_type"], event.get(event["event_type"]) or {}
    if kind == "dns" and body["type"] == "query" and body.get("rrname"):
        yield "dns.query", body["rrname"].lower().rstrip(".")
    elif kind == "dns":
        for answer in body.get("answers", ()):
            if answer["rrtype"] in {"A", "AAAA"}:
                yield "dns.response.ip", str(ipaddress.ip_address(answer["rdata"]))
    elif kind == "tls":
        if sni := body.get("sni"):
            yield "tls.sni", sni.lower()
        if ja3 := body.get("ja3", {}).get("hash"):
            yield "ja3.hash", ja3
    elif kind == "fileinfo" and "md5" in body:
        yield "filemd5", body["md5"]
    elif kind == "flow":
        yield from ends(event)


def ends(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    server = ipaddress.ip_address(event["dest_ip"])
    yield "ip.dst", str(server)
    yield "ip.src", str(ipaddress.ip_address(event["src_ip"]))
    if event.get("dest_port"):
        yield "ip.dst.port", f"{server},{event['dest_port']}"


@pytest.fixture(scope="module")
def raw(shared_data: Path) -> Past:
    """What the events show, by field and value."""
    past: Past = defaultdict(list)
    for event in events(shared_data):
        for field, value in set(shown(event)):
            at = datetime.fromisoformat(event["timestamp"]).astimezone(UTC)
            past[field, value].append(Seen(at, event["src_ip"], event["dest_ip"]))
    return past


class Vedette:
    """The command line, each command a process of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: object, text: str | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-c", _MEASURED, *map(str, arguments)],
            cwd=self.home,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: object, text: str | None = None) -> Any:
        return json.loads(self(*arguments, "--json", text=text))


@pytest.fixture(scope="module")
def vedette(shared_data: Path) -> Iterator[Vedette]:
    """A Vedette that has read the events of the captures."""
    home = Path(tempfile.mkdtemp(prefix="vd-"))
    try:
        command = Vedette(home)
        command("init")
        eve = shared_data / "eve/suricata-7.0.10-shared-pcaps.jsonl.zst"
        command("pool", "ingest", eve, "--sensor", "lab")
        yield command
    finally:
        shutil.rmtree(home, ignore_errors=True)


def plain(shared_data: Path, name: str) -> list[str]:
    path = shared_data / "lists" / f"{name}.txt.zst"
    with path.open("rb") as raw, zstandard.open(raw, "rt", encoding="utf-8") as lines:
        return [line.strip() for line in lines]


def hunted(vedette: Vedette, *arguments: object, text: str | None = None) -> dict[Any, Any]:
    """Return what a hunt found in the fields that are looked at here, by indicator."""
    answer = vedette.json("hunt", "run", *arguments, text=text)
    return {
        (one["found"]["indicator"], one["found"]["field"], one["found"]["observed"]): one["found"]
        for one in answer["findings"]
    }


def agree(found: dict[Any, Any], raw: Past) -> None:
    """Check first, last and count of findings with the raw events."""
    for (_, field, observed), told in found.items():
        seen = raw[field, observed]
        assert datetime.fromisoformat(told["first_seen"]) == min(one.at for one in seen)
        assert datetime.fromisoformat(told["last_seen"]) == max(one.at for one in seen)
        assert told["count"] == len(seen)


def test_published_addresses_with_port_are_those_that_plain_python_finds(
    vedette: Vedette, raw: Past, shared_data: Path
) -> None:
    listed = {line.replace(":", ",") for line in plain(shared_data, "ipports-maltrail")}
    expected = {
        (value, field, value) for field, value in raw if field == "ip.dst.port" and value in listed
    }
    found = hunted(vedette, shared_data / "lists/ipports-maltrail.txt.zst")
    assert expected
    assert set(found) == expected
    agree(found, raw)


def test_published_addresses_of_a_zeek_file_are_found_wherever_they_were_seen(
    vedette: Vedette, raw: Past, shared_data: Path
) -> None:
    path = shared_data / "zeek-intel/cps-collected-iocs.intel"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    listed = {row[0] for row in rows if len(row) > 1 and row[1] == "Intel::ADDR"}
    fields = {"ip.dst", "ip.src", "dns.response.ip"}
    expected = {
        (value, field, value) for field, value in raw if field in fields and value in listed
    }
    answered = hunted(vedette, path)
    found = {key: one for key, one in answered.items() if key[1] in fields and key[0] in listed}
    assert expected
    assert set(found) == expected
    agree(found, raw)


def test_a_million_published_domains_are_hunted_in_little_memory(
    vedette: Vedette, raw: Past, shared_data: Path
) -> None:
    listed = {name.lower() for name in plain(shared_data, "domains-maltrail")}
    names = {(field, value) for field, value in raw if field in {"dns.query", "tls.sni"}}

    def above(name: str) -> Iterator[str]:
        labels = name.split(".")
        return (".".join(labels[n:]) for n in range(len(labels) - 1))

    # Nearly nothing of it was ever seen here; so some of what was seen is added.
    some = {"wikimedia.org", "evil.com", "google.com"}
    expected = {
        (parent, field, name)
        for field, name in names
        for parent in above(name)
        if parent in listed or parent in some
    }
    assert {parent for parent, _, _ in expected} >= some
    text = "\n".join([*plain(shared_data, "domains-maltrail"), *some])
    found = hunted(vedette, "-", text=text)
    peak_kib = int((vedette.home / "peak").read_text())
    looked = {key: one for key, one in found.items() if key[1] in {"dns.query", "tls.sni"}}
    assert set(looked) == expected
    agree(looked, raw)
    assert peak_kib < MEMORY_MAX_KIB


def test_what_a_misp_publishes_is_hunted_by_itself_and_has_its_context(
    vedette: Vedette, raw: Past
) -> None:
    """Domains whose names below were seen, an address, a client's fingerprint, a file."""
    attributes = {
        "wikimedia.org": "domain",
        next(value for field, value in sorted(raw) if field == "ip.dst"): "ip-dst",
        next(value for field, value in sorted(raw) if field == "ja3.hash"): "ja3-fingerprint-md5",
        next(value for field, value in sorted(raw) if field == "filemd5"): "md5",
        "never.seen.example": "domain",
    }
    (vedette.home / "misp.key").write_text(READ_ONLY_KEY)
    (vedette.home / "misp.key").chmod(0o600)
    with FakeMisp() as misp:
        event = misp.state.add_event({"info": "Captured in the lab"})
        misp.state.tag(event, "tlp:amber")
        for value, kind in attributes.items():
            misp.state.add_attribute(event, {"type": kind, "value": value, "to_ids": True})
        misp.state.publish(event)
        vedette("source", "add", "misp", misp.url, "--key-file", "misp.key", "--name", "misp")
        vedette("source", "pull")
    told = vedette.json("hunt", "new")
    hits = vedette.json("hit", "list", "--retro", "--limit", "10000")
    fields = {"dns.query", "tls.sni", "ip.dst", "ja3.hash", "filemd5", "dns.response.ip"}
    expected = {
        (value, field, observed)
        for field, observed in raw
        for value in attributes
        if field in fields
        and (observed == value or (value == "wikimedia.org" and observed.endswith(f".{value}")))
        and (field != "dns.response.ip" or attributes[value] == "ip-dst")
    }
    met = [hit for hit in hits if hit["buffer"] in fields]
    assert {(hit["value"], hit["buffer"], hit["observed"]) for hit in met} == expected
    assert {hit["value"] for hit in met} == attributes.keys() - {"never.seen.example"}
    for hit in met:
        seen = raw[hit["buffer"], hit["observed"]]
        assert datetime.fromisoformat(hit["first_seen"]) >= min(one.at for one in seen)
        assert datetime.fromisoformat(hit["last_seen"]) <= max(one.at for one in seen)
        (context,) = hit["contexts"]
        assert (context["source"], context["info"]) == ("misp", "Captured in the lab")
        assert context["tlp"] == "amber"
        assert hit["live"]
    by_value: dict[tuple[str, str], int] = defaultdict(int)
    for hit in met:
        by_value[hit["buffer"], hit["observed"]] += hit["count"]
    assert by_value == {key: len(raw[key]) for key in by_value}
    assert told["new_hits"] == len(hits)
    again = vedette.json("hunt", "new", "--all")
    assert again["new_hits"] == 0
    assert vedette.json("hit", "list", "--retro", "--limit", "10000") == hits
