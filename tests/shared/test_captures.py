"""Real captures, lists made from what tshark sees in them: exactly the hits the engine can see.

What the engine can see is read from its own protocol records (dns, tls, http...), with code that
shares nothing with the hit reader; what is listed comes from tshark, which shares nothing with
either. Each capture is read apart. The list also holds decoys that are nowhere on the network.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from vedette.bundle import Builder, latest
from vedette.hits import HitReader
from vedette.model import Entry, IndicatorType, Key
from vedette.normalize import split_url
from vedette.ruleset.engine import Target
from vedette.testing.engine import Engine, engines_home, find_engine
from vedette.testing.indicators import ListedKeys
from vedette.testing.tshark import find_tshark, indicators_in

pytestmark = [pytest.mark.shared, pytest.mark.engine, pytest.mark.timeout(900)]

T = IndicatorType
CERTIFICATES = (T.CERT_SHA256, T.CERT_MD5)
WORKERS = 2
SID_BASE = 1_400_000

# The engines write the hashes of these three files to EVE and never compare them with a list,
# whatever the rule's header: earlier answers of a connection that stays open.
UNCOMPARED = {
    "34b435fa5e925964e775ce30a23e8ce7",
    "9302f7835752dd0a2d33e7a7d28dd4e5",
    "6072c961171e662ea8d584ee668f1111",
    "259d2602c752ef42006dace562d6bab74f1c0ba4",
    "5491f5d5a8c1ea46afe54f3a4b945f0025b2417c",
    "c27478e2fcfb614454ef277c3121f455b80afe89",
    "5f3ff6fc1ad8025c71f084729804a07837871de569d12727d97bdd02df24434c",
    "37cfeedca6609c9858aed08ed3c017f8296e2144548ac6df1680e9ea7f72cc97",
    "ceab16ff1f0754250bbdee678d352efe9c974ed7a31a2a3ae814722726c5bd49",
}


class Seen(NamedTuple):
    """A hit, as far as it is compared: which indicator, in which buffer."""

    type: str
    value: str
    buffer: str


class Lists(NamedTuple):
    by_capture: Mapping[str, set[Key]]
    """What tshark sees in each, certificates' hashes included."""
    listed: frozenset[Key]
    decoys: frozenset[Key]


# -- the list ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def captures(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "pcap").iterdir())


@pytest.fixture(scope="session")
def lists(captures: list[Path]) -> Lists:
    if find_tshark() is None:
        _lack("no tshark (apt-get install tshark)")
    with ThreadPoolExecutor(WORKERS) as pool:
        by_capture = dict(
            zip([p.name for p in captures], pool.map(indicators_in, captures), strict=True)
        )
    everything = set().union(*by_capture.values()) - {(T.HTTP_METHOD, "GET")}
    decoys = set(_decoys(everything)) - everything
    listed = {_as_domain(key) for key in everything} | decoys
    return Lists(by_capture, frozenset(listed), frozenset(decoys))


def _as_domain(key: Key) -> Key:
    """List every other name by the domain above it, the rest as the hostname that it is."""
    above = ".".join(key.value.split(".")[-2:])
    if key.type is T.HOSTNAME and zlib.crc32(above.encode()) % 2:
        return Key(T.DOMAIN, above)
    return key


def _decoys(keys: Iterable[Key]) -> Iterator[Key]:
    """Yield values that resemble those on the network and are not on it."""
    urls = sorted(key.value for key in keys if key.type is T.URL)
    for one, two in zip(urls, reversed(urls), strict=True):
        host, _, _ = split_url(one)
        yield Key(T.URL, host + split_url(two).path)  # both parts are seen, never together
        yield Key(T.URL, f"{host}:9{split_url(one).path}")
    for kind, value in keys:
        if kind in {T.HOSTNAME, T.DOMAIN}:
            yield Key(T.DOMAIN, f"x{'.'.join(value.split('.')[-2:])}")
            yield Key(T.HOSTNAME, f"{value}.decoy")
        elif kind in {T.MD5, T.SHA1, T.SHA256, T.JA3, T.CERT_SHA1, T.HASSH}:
            yield Key(kind, hashlib.new("sha256", value.encode()).hexdigest()[: len(value)])
        elif kind in {T.IP_DST, T.IP_SRC} and ":" not in value:
            yield Key(kind, f"198.18.{zlib.crc32(value.encode()) % 256}.7")
        elif kind is T.IP_DST_PORT:
            yield Key(kind, f"{value.rpartition(',')[0]},9")
        elif kind in {T.USER_AGENT, T.REFERER, T.URI, T.SSH_SOFTWARE}:
            yield Key(kind, f"{value}x")


def _lack(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


# -- the engine -------------------------------------------------------------------------------


@pytest.fixture(scope="session", params=["7", "8"], ids=["suricata7", "suricata8"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found = find_engine(request.param)
    if found is None:
        _lack(f"no Suricata {request.param} in {engines_home()}")
    assert found is not None
    return found


def _compiled(engine: Engine, keys: Iterable[Key], directory: Path) -> Path:
    root, rules = directory / "generations", directory / "rules"
    target = Target(engine.profile)
    Builder(root=root, targets=[target], sid_base=SID_BASE).build(ListedKeys(keys))
    generation = latest(root)
    assert generation is not None
    generation.flatten(str(target), rules)
    return rules


def _read_all(
    engine: Engine, captures: list[Path], rules: Path, *arguments: str
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    arguments = ("--runmode", "single", *arguments)
    with ThreadPoolExecutor(WORKERS) as pool:
        events = pool.map(lambda p: engine.run_pcap(p, rules, arguments=arguments), captures)
        yield from zip([path.name for path in captures], events, strict=True)


def _hits(engine: Engine, events: list[dict[str, Any]], listed: frozenset[Key]) -> set[Seen]:
    """Return the hits; those without a value are among them, with ``""``."""
    said: list[Entry] = []
    reader = HitReader(
        "test",
        SID_BASE,
        lambda keys: {k: said for k in keys if k in listed},
        profile=engine.profile,
    )
    findings = reader.read(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return {
        Seen(hit.key.type.value, hit.key.value, hit.buffer)
        for hit, _ in (*findings.hits, *reader.finish().hits)
    }


# -- what the engine can see, from its own records ----------------------------------------------


class Records:
    """Protocol records of one capture, as (buffer, value); without the hit reader's code."""

    def __init__(self, events: list[dict[str, Any]], listed: frozenset[Key], version: int) -> None:
        self.listed = listed
        self.eight = version >= 8
        self.found: set[Seen] = set()
        late = {event["flow_id"] for event in events if event.get("app_proto_ts") == "failed"}
        doubtful = [e for e in events if e["event_type"] == "http" and e["flow_id"] in late]
        for event in events:
            if event not in doubtful:
                self._record(event)
        self.certain = self.found.copy()
        """Without the requests of flows whose client's side was recognised late or never: EVE has
        them, but rules on requests may not have run."""
        for event in doubtful:
            self._record(event)

    def _record(self, event: dict[str, Any]) -> None:
        if record := getattr(self, f"_{event['event_type']}", None):
            record(event)

    def _add(self, kind: T, value: str | None, buffer: str) -> bool:
        if value is None or (kind, value) not in self.listed:
            return False
        self.found.add(Seen(kind.value, value, buffer))
        return True

    def _name(self, text: str | None, buffer: str) -> None:
        labels = (text or "").lower().rstrip(".").split(".")
        name = ".".join(labels)
        if self._add(T.DOMAIN, name, buffer) or self._add(T.HOSTNAME, name, buffer):
            return
        for first in range(1, len(labels) - 1):
            if self._add(T.DOMAIN, ".".join(labels[first:]), buffer):
                return

    def _dns(self, event: dict[str, Any]) -> None:
        dns = event["dns"]
        asked = [q["rrname"] for q in dns.get("queries", [])] or [dns.get("rrname")]
        over_http = "http" in event  # one record for both directions
        if dns["type"] in {"query", "request"} or over_http:
            for name in asked:
                self._name(name, "dns.query")
        if self.eight and dns["type"] == "response":
            sections = ("answers", "authorities", "additionals")
            records = [record for section in sections for record in dns.get(section, [])]
            texts = [r.get(field) for r in records for field in ("rrname", "rdata")]
            for text in (*asked, *texts):
                self._name(text if isinstance(text, str) else None, "dns.response.rrname")

    def _http(self, event: dict[str, Any]) -> None:
        http = event["http"]
        headers = {h.get("name"): h.get("value") for h in http.get("request_headers", [])}
        host, url = http.get("hostname"), http.get("url")
        host = host or (headers.get(":authority") or "").partition(":")[0]
        self._name(host, "http.host")
        self._add(T.URI, url, "http.uri.raw")
        self._add(T.USER_AGENT, http.get("http_user_agent"), "http.user_agent")
        self._add(T.REFERER, http.get("http_refer"), "http.referer")
        self._add(T.HTTP_METHOD, http.get("http_method"), "http.method")
        if host and url:
            absolute = re.match(r"https?://([^/:]*)(?::\d+)?(/.*)", url)
            host, path = absolute.groups() if absolute else (host, url)
            ports = (event["dest_port"], http.get("http_port"))
            spellings = [f"{host}:{port}{path}" for port in ports] + [host + path]
            any(self._add(T.URL, spelling, "http.host") for spelling in spellings)

    def _tls(self, event: dict[str, Any]) -> None:
        tls = event["tls"]
        self._hello(tls, "tls.sni")
        self._add(T.JA3S, tls.get("ja3s", {}).get("hash"), "ja3s.hash")
        self._add(T.CERT_SHA1, tls.get("fingerprint", "").replace(":", ""), "tls.cert_fingerprint")
        for name in tls.get("subjectaltname", []) if self.eight else []:
            self._name(name, "tls.subjectaltname")
        for text in filter(None, [tls.get("certificate"), *tls.get("chain", [])]):
            der = base64.b64decode(text)
            self._add(T.CERT_SHA256, hashlib.sha256(der).hexdigest(), "tls.certs")
            self._add(T.CERT_MD5, hashlib.md5(der).hexdigest(), "tls.certs")

    def _quic(self, event: dict[str, Any]) -> None:
        self._hello(event["quic"], "quic.sni")

    def _hello(self, hello: dict[str, Any], buffer: str) -> None:
        self._name(hello.get("sni"), buffer)
        self._add(T.JA3, hello.get("ja3", {}).get("hash"), "ja3.hash")

    def _ssh(self, event: dict[str, Any]) -> None:
        sides = (("client", T.HASSH, "ssh.hassh"), ("server", T.HASSH_SERVER, "ssh.hassh.server"))
        for side, kind, buffer in sides:
            record = event["ssh"].get(side, {})
            self._add(T.SSH_SOFTWARE, record.get("software_version"), "ssh.software")
            self._add(kind, record.get("hassh", {}).get("hash"), buffer)

    def _smtp(self, event: dict[str, Any]) -> None:
        smtp, mail = event["smtp"], event.get("email", {})
        self._name(smtp.get("helo"), "smtp.helo")
        self._add(T.EMAIL_SRC, _bare(smtp.get("mail_from")), "smtp.mail_from")
        self._add(T.EMAIL_SRC, _bare(mail.get("from")), "email.from")
        for text in smtp.get("rcpt_to", []):
            # 8.x alerts once in a transaction, as soon as the first listed recipient is named.
            if self._add(T.EMAIL_DST, _bare(text), "smtp.rcpt_to") and self.eight:
                break
        for text in mail.get("to", []):
            self._add(T.EMAIL_DST, _bare(text), "email.to")

    def _fileinfo(self, event: dict[str, Any]) -> None:
        for kind in (T.MD5, T.SHA1, T.SHA256):
            self._add(kind, event["fileinfo"].get(kind.value), f"file{kind.value}")

    def _flow(self, event: dict[str, Any]) -> None:
        source, target = (str(ipaddress.ip_address(event[end])) for end in ("src_ip", "dest_ip"))
        self._add(T.IP_SRC, source, "ip.src")
        self._add(T.IP_DST, target, "ip.dst")
        self._add(T.IP_SRC_PORT, f"{source},{event.get('src_port')}", "ip.src")
        self._add(T.IP_DST_PORT, f"{target},{event.get('dest_port')}", "ip.dst")


def _bare(text: str | None) -> str | None:
    match = re.search(r"[^<\s]+@[^>\s]+", text or "")
    return match[0].lower() if match else None


def _overflowed(events: list[dict[str, Any]]) -> bool:
    """Whether a packet had over 15 alerts (``packet-alert-max``): the engine drops the rest."""
    detect = [e["stats"]["detect"] for e in events if e["event_type"] == "stats"]
    return any(d.get("alert_queue_overflow", 0) for d in detect)


def _unrecorded(seen: Seen, by_tshark: set[Key]) -> bool:
    """Whether it is of a TLS handshake that never ended: EVE has no record of those, tshark has."""
    if seen.buffer not in {"tls.sni", "ja3.hash", "ja3s.hash", "tls.cert_fingerprint"}:
        return False
    if seen.type == T.DOMAIN:
        return any(f".{key.value}".endswith(f".{seen.value}") for key in by_tshark)
    return (seen.type, seen.value) in by_tshark


# -- the tests --------------------------------------------------------------------------------


def test_the_hits_are_exactly_what_the_engine_can_see_and_none_other(
    captures: list[Path], lists: Lists, engine: Engine, tmp_path: Path
) -> None:
    listed = frozenset(key for key in lists.listed if key.type not in CERTIFICATES)
    rules = _compiled(engine, listed, tmp_path)
    wrong: dict[str, tuple[set[Seen], set[Seen]]] = {}
    total = overflows = 0
    buffers: set[str] = set()
    for name, events in _read_all(engine, captures, rules):
        records = Records(events, listed, engine.version[0])
        hits = _hits(engine, events, listed)
        others = {s for s in hits - records.found if not _unrecorded(s, lists.by_capture[name])}
        missed = {s for s in records.certain - hits if s.value not in UNCOMPARED}
        if _overflowed(events):
            overflows += 1
            missed = set()
        if others or missed:
            wrong[name] = (others, missed)
        assert not {s for s in hits if (s.type, s.value) in lists.decoys}
        total += len(hits)
        buffers |= {seen.buffer for seen in hits}
    assert not wrong
    # Enough was there to be found, and it was found everywhere.
    assert total > (3_000 if engine.version[0] >= 8 else 2_200)
    assert overflows <= 3
    assert len(buffers) >= (26 if engine.version[0] >= 8 else 22)


def test_hashes_of_certificates_are_found_where_eve_has_the_certificates(
    captures: list[Path], lists: Lists, engine: Engine, tmp_path: Path
) -> None:
    listed = frozenset(key for key in lists.listed if key.type in CERTIFICATES)
    shown = [p for p in captures if any(k.type in CERTIFICATES for k in lists.by_capture[p.name])]
    rules = _compiled(engine, listed, tmp_path)
    hits = 0
    for name, events in _read_all(engine, shown, rules, *_log_certificates(engine)):
        expected = Records(events, listed, engine.version[0]).found
        found = _hits(engine, events, listed)
        assert {s for s in found if s.value} >= expected, name
        assert {(s.type, s.value) for s in found if s.value} <= lists.by_capture[name], name
        hits += len(found)
    assert hits >= 10


def _log_certificates(engine: Engine) -> Iterator[str]:
    """Return what adds the certificates to the tls records of EVE."""
    lines = engine.yaml.read_text().splitlines()
    types = [line.strip("- :") for line in lines if re.match(r" {8}- [a-z0-9-]+:?$", line)]
    fields = ("subject", "fingerprint", "sni", "certificate", "chain")
    for number, field in enumerate(fields):
        yield "--set"
        yield f"outputs.1.eve-log.types.{types.index('tls')}.tls.custom.{number}={field}"
