"""Every row of the buffers table, on both engines and their unmodified suricata.yaml.

What is compiled here is loaded with ``-T`` and must fire on traffic that has the value, and only
there. A row that no capture makes fire fails ``test_every_row_has_traffic``.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vedette.buffers import ROWS, Profile
from vedette.bundle import Builder, Generation, open_generation
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.testing.capture import Capture, dns_answer, dns_query
from vedette.testing.engine import Engine
from vedette.testing.indicators import ListedKeys

TARGETS = tuple(map(Target.parse, ("7.0", "8.0", "8.0.7", "8.0+context", "8.0.7+context")))
BODY = b"MZ this is no program, but it has a hash\n"
LONG = "x" * 800

OWN = {
    T.DOMAIN: ["evil.example", "deep.bad.co.uk", "child.evil.example"],
    T.HOSTNAME: ["host.example"],
    T.IP_DST: [
        "198.51.100.1",
        "198.51.100.16/30",
        "203.0.113.0/24",
        "100.64.0.0/10",
        "2001:db8::1",
    ],
    T.IP_SRC: ["198.51.100.2"],
    T.IP_DST_PORT: ["198.51.100.3,4444"],
    T.IP_SRC_PORT: ["198.51.100.4,6666"],
    T.URL: ["url.example/a/b.php?x=1", f"url.example/{LONG}", "phish.example/login"],
    T.URI: ["/gate.php?id=7"],
    T.USER_AGENT: ["EvilAgent/1.0", f"EvilAgent/{LONG}"],
    T.HTTP_METHOD: ["XEVIL"],
    T.COOKIE: ["session=evil"],
    T.REFERER: ["http://referer.example/"],
    T.HTTP_SERVER: ["EvilServer/1.0"],
    T.MD5: [hashlib.md5(BODY).hexdigest()],
    T.SHA1: [hashlib.sha1(BODY).hexdigest()],
    T.SHA256: [hashlib.sha256(BODY).hexdigest(), "0" * 64],
    T.FILENAME: ["evil.exe"],
    T.EMAIL_SRC: ["bad@mail.example"],
    T.EMAIL_DST: ["victim@mail.example"],
    T.EMAIL_SUBJECT: ["An evil subject"],
    T.EMAIL_X_MAILER: ["EvilMailer 1.0"],
    T.EMAIL_MESSAGE_ID: ["<evil@mail.example>"],
}
"""Values that the captures written here have."""

SHARED = {
    "zeek__tls__google-cert-repeat.pcap": {
        T.DOMAIN: ["google.com"],
        T.JA3: ["fbe7e189e37a07ee33706f86bc746344"],
        T.JA3S: ["2b341b88c742e940cfb485ce7d93dde7"],
        T.JA4: ["t12i280600_d943125447b4_e7e480e5a997"],
        # of the leaf in the server's Certificate message, computed with sha1sum and its sisters
        T.CERT_SHA1: ["ebc250ba6debefeca596cb4a8b610b7f3a608bab"],
        T.CERT_SHA256: ["7c4cb8ef8d84a20171b3ee521b2be4d973b5fcf9cfbd1786e5581c7fed14da47"],
        T.CERT_MD5: ["43d815f5ecd575bba4d01af3a0e9a372"],
    },
    "sv__ja4-quic.pcap": {
        T.DOMAIN: ["blogspot.com"],
        T.JA3: ["7ce1d0b5a39f63d19a78ab79d70cd950"],
        T.JA4: ["q13d0310h3_55b375c5d22e_cd85d2d88918"],
    },
    "sv__tls__tls-subjectaltname.pcap": {T.HOSTNAME: ["www.havenyt.dk"]},
    "sv__quic-retry.pcap": {T.HOSTNAME: ["www.gravatar.com"]},
    "zeek__ssh__ssh1-ssh2-fingerprints.pcap": {
        # as tshark computes them
        T.HASSH: ["ae8bd7dd09970555aa4c6ed22adbbf56"],
        T.HASSH_SERVER: ["3ccd1778a76049721c71ad7d2bf62bbc"],
        T.SSH_SOFTWARE: ["OpenSSH_8.2p1"],
    },
}
"""Values that captures of the shared data have."""

NAMED = {("filename", "file.name")}

SHARED_ROWS = {
    *itertools.product([T.DOMAIN, T.HOSTNAME], ["tls.sni", "quic.sni", "tls.subjectaltname"]),
    (T.JA3, "ja3.hash"),
    (T.JA3S, "ja3s.hash"),
    (T.JA4, "ja4.hash"),
    (T.CERT_SHA1, "tls.cert_fingerprint"),
    (T.CERT_SHA256, "tls.certs"),
    (T.CERT_MD5, "tls.certs"),
    (T.HASSH, "ssh.hassh"),
    (T.HASSH_SERVER, "ssh.hassh.server"),
    (T.SSH_SOFTWARE, "ssh.software"),
}


def keys_of(*tables: dict[T, list[str]]) -> set[Key]:
    return {Key(kind, value) for table in tables for kind, vs in table.items() for value in vs}


def rows(profile: Profile) -> set[tuple[str, str]]:
    """All (type, buffer) that alert on a profile's engine."""
    return {
        (row.type.value, buffer.name)
        for row in ROWS.values()
        for dataset in row.datasets
        for buffer in dataset.buffers
        if buffer.since <= profile.version and "noalert" not in buffer.after
    }


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Generation:
    """A bundle with every indicator type, for every target."""
    root = tmp_path_factory.mktemp("bundles")
    Builder(root=root, targets=TARGETS).build(ListedKeys(keys_of(OWN, *SHARED.values())))
    generation = open_generation(root)
    assert generation is not None
    return generation


@pytest.fixture(params=TARGETS, ids=str)
def target(request: pytest.FixtureRequest, engine: Engine) -> Target:
    """Return each target that the engine can load."""
    chosen: Target = request.param
    if chosen.profile.version > engine.version:
        pytest.skip(f"Suricata {engine.version} does not know {chosen}")
    return chosen


@pytest.fixture
def loaded(engine: Engine, everything: Generation, tmp_path: Path) -> Path:
    """Return a directory with the rules for the engine."""
    everything.flatten(engine.profile, tmp_path / "rules")
    return tmp_path / "rules"


def alerts(
    engine: Engine, generation: Generation, target: Target, capture: Path, directory: Path
) -> list[dict[str, Any]]:
    generation.flatten(str(target), directory)
    events = engine.run_pcap(capture, directory)
    return [event for event in events if event["event_type"] == "alert"]


def rows_of(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (metadata["vedette_type"][0], metadata["vedette_buffer"][0])
        for metadata in (alert["alert"]["metadata"] for alert in found)
        if "vedette_type" in metadata
    }


def request(host: str, path: str = "/", method: str = "GET", *headers: str) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", "")
    return "\r\n".join(lines).encode()


def answer(body: bytes = b"ok", *headers: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def fetch(capture: Capture, *asked: bytes, response: bytes | None = None) -> None:
    connection = capture.tcp()
    for one in asked:
        connection.send(one).reply(response or answer())
    connection.close()


def own_traffic() -> Capture:
    """Traffic for every row of ``OWN``."""
    capture = Capture()
    for name in ("evil.example", "host.example"):
        capture.udp(dns_query(name)).reply(
            dns_answer(name, [(name, "target.example"), ("target.example", "192.0.2.9")])
        )
        fetch(capture, request(name))
        mail(capture, name)
    for address in ("198.51.100.1", "198.51.100.17", "203.0.113.9", "100.100.1.1"):
        capture.tcp(server=address, port=9).close()
    capture.tcp(client="2001:db8::f", server="2001:db8::1", port=9).close()
    capture.tcp(client="198.51.100.2", port=9).close()
    capture.tcp(server="198.51.100.3", port=4444).close()
    capture.next_port = 6665
    capture.tcp(client="198.51.100.4", port=9).close()
    capture.next_port = 50000
    fetch(capture, request("url.example", "/a/b.php?x=1"))
    fetch(capture, request("good.example", "/gate.php?id=7"))
    fetch(capture, request("good.example", "/", "GET", "User-Agent: EvilAgent/1.0"))
    fetch(capture, request("good.example", "/", "XEVIL"))
    fetch(capture, request("good.example", "/", "GET", "Cookie: session=evil"))
    fetch(capture, request("good.example", "/", "GET", "Referer: http://referer.example/"))
    fetch(capture, request("good.example"), response=answer(b"ok", "Server: EvilServer/1.0"))
    named = 'Content-Disposition: attachment; filename="Evil.EXE"'
    fetch(capture, request("good.example", "/get"), response=answer(BODY, named))
    return capture


def mail(capture: Capture, helo: str) -> None:
    connection = capture.tcp(port=25).reply(b"220 mail\r\n")
    for line in (f"EHLO {helo}", "MAIL FROM:<Bad@Mail.example>", "RCPT TO:<victim@mail.example>"):
        connection.send(f"{line}\r\n".encode()).reply(b"250 ok\r\n")
    connection.send(b"DATA\r\n").reply(b"354 go\r\n")
    connection.send(
        b'From: "Bad Guy" <bad@MAIL.example>\r\nTo: Victim <victim@mail.example>\r\n'
        b"Subject: An evil subject\r\nX-Mailer: EvilMailer 1.0\r\n"
        b"Message-ID: <evil@mail.example>\r\nContent-Type: text/plain\r\n\r\n"
        b"See http://phish.example/login now.\r\n.\r\n"
    ).reply(b"250 ok\r\n")
    connection.send(b"QUIT\r\n").reply(b"221 bye\r\n").close()


# -- loading ---------------------------------------------------------------------------------


def test_all_types_at_once_load_without_a_word(
    engine: Engine, target: Target, everything: Generation, tmp_path: Path
) -> None:
    everything.flatten(str(target), tmp_path)
    result = engine.check(tmp_path)
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


def test_an_empty_bundle_loads_without_a_word(engine: Engine, tmp_path: Path) -> None:
    Builder(root=tmp_path / "bundles").build(ListedKeys(()))
    generation = open_generation(tmp_path / "bundles")
    assert generation is not None
    generation.flatten(engine.profile, tmp_path)
    result = engine.check(tmp_path)
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


def test_thousands_of_large_networks_load(engine: Engine, tmp_path: Path) -> None:
    v4 = [Key(T.IP_DST, f"10.{a}.{b}.0/23") for a in range(30) for b in range(0, 256, 2)]
    v6 = [Key(T.IP_DST, f"2001:db8:{a:x}::/48") for a in range(1000)]
    Builder(root=tmp_path / "bundles").build(ListedKeys(v4 + v6))
    generation = open_generation(tmp_path / "bundles")
    assert generation is not None
    generation.flatten(engine.profile, tmp_path)
    assert max(map(len, (tmp_path / "vedette.rules").read_text().splitlines())) < 8191
    result = engine.check(tmp_path)
    assert (result.rc, result.warnings, result.errors) == (0, [], [])


# -- firing ----------------------------------------------------------------------------------


def test_every_row_has_traffic() -> None:
    own = {(row, buffer) for row, buffer in rows(Profile.V8_0_7) if row in set(OWN)}
    assert rows(Profile.V8_0_7) == own | SHARED_ROWS


def test_every_row_fires(
    engine: Engine, target: Target, everything: Generation, tmp_path: Path
) -> None:
    capture = own_traffic().write(tmp_path / "own.pcap")
    found = alerts(engine, everything, target, capture, tmp_path)
    expected = rows(target.profile) - SHARED_ROWS
    if engine.version < (8,):
        expected -= {("md5", "filemd5"), ("sha1", "filesha1")}  # see the next test
    assert rows_of(found) == expected


@pytest.mark.parametrize("most", [T.MD5, T.SHA1, T.SHA256])
def test_7_0_computes_the_hash_of_the_largest_list(
    suricata7: Engine, tmp_path: Path, most: T
) -> None:
    hashes = {kind: OWN[kind] for kind in (T.MD5, T.SHA1, T.SHA256)}
    more = [Key(most, "0" * len(OWN[most][0]))]
    Builder(root=tmp_path / "bundles").build(ListedKeys([*keys_of(hashes), *more]))
    generation = open_generation(tmp_path / "bundles")
    assert generation is not None
    capture = Capture()
    fetch(capture, request("good.example", "/get"), response=answer(BODY))
    target = Target.parse("7.0")
    found = alerts(suricata7, generation, target, capture.write(tmp_path / "f.pcap"), tmp_path)
    assert rows_of(found) == {(most.value, f"file{most.value}")}


@pytest.mark.shared
def test_every_row_of_encrypted_protocols_fires(
    engine: Engine, target: Target, everything: Generation, shared_data: Path, tmp_path: Path
) -> None:
    found = set()
    for name in SHARED:
        found |= rows_of(alerts(engine, everything, target, shared_data / "pcap" / name, tmp_path))
    assert found & SHARED_ROWS == rows(target.profile) & SHARED_ROWS


def test_traffic_without_indicators_is_silent(
    engine: Engine, target: Target, tmp_path: Path
) -> None:
    other = {kind: [f"other{value}" for value in OWN[kind]] for kind in OWN if kind in TEXTS}
    Builder(root=tmp_path / "bundles", targets=TARGETS).build(ListedKeys(keys_of(other)))
    generation = open_generation(tmp_path / "bundles")
    assert generation is not None
    capture = own_traffic().write(tmp_path / "own.pcap")
    assert alerts(engine, generation, target, capture, tmp_path) == []


TEXTS = {T.DOMAIN, T.HOSTNAME, T.URL, T.URI, T.USER_AGENT, T.FILENAME, T.EMAIL_SRC}


MATCHING = (
    "evil.example",
    "sub.evil.example",
    "a.b.c.d.evil.example",
    "EVIL.Example",
    "wWw.eViL.eXaMpLe",
    "child.evil.example",
    "deep.bad.co.uk",
    "x.deep.bad.co.uk",
    "host.example",
    "HOST.example",
)
OTHERS = (
    "notevil.example",
    "evil.example.org",
    "example",
    "bad.co.uk",
    "xdeep.bad.co.uk",
    "sub.host.example",
    "xhost.example",
)


def test_a_name_matches_below_and_in_any_case_but_nothing_else(
    engine: Engine, target: Target, everything: Generation, tmp_path: Path
) -> None:
    capture = Capture()
    for name in MATCHING + OTHERS:
        capture.udp(dns_query(name))
        for host in (name, f"{name}:8080"):
            fetch(capture, request(host, "/", "GET", f"X-Asked: {name}"))
    found = alerts(engine, everything, target, capture.write(tmp_path / "n.pcap"), tmp_path)
    asked: Counter[tuple[str, str]] = Counter()
    for alert in found:
        (buffer,) = alert["alert"]["metadata"]["vedette_buffer"]
        dns = alert.get("dns", {})
        name = (
            alert["http"]["hostname"]
            if "http" in alert
            else (dns.get("queries") or dns["query"])[0]["rrname"]
        )
        asked[buffer, name.lower()] += 1
    expected: Counter[tuple[str, str]] = Counter()
    for name in MATCHING:
        expected["dns.query", name.lower()] += 1
        expected["http.host", name.lower()] += 2
    assert asked == expected


def test_an_address_alerts_once_per_flow(
    engine: Engine, target: Target, everything: Generation, tmp_path: Path
) -> None:
    capture = Capture()
    for _ in range(2):
        connection = capture.tcp(server="198.51.100.1", port=9)
        for _ in range(10):
            connection.send(b"hello").reply(b"world")
        connection.close()
    found = alerts(engine, everything, target, capture.write(tmp_path / "ip.pcap"), tmp_path)
    assert [alert["dest_ip"] for alert in found] == ["198.51.100.1"] * 2


def test_a_network_ends_where_it_ends(
    engine: Engine, target: Target, everything: Generation, tmp_path: Path
) -> None:
    inside = ["198.51.100.16", "198.51.100.19", "203.0.113.255", "100.64.0.0", "100.127.255.255"]
    outside = ["198.51.100.15", "198.51.100.20", "203.0.114.0", "100.63.255.255", "100.128.0.0"]
    capture = Capture()
    for server in inside + outside:
        capture.tcp(server=server, port=9).send(b"hello").close()
    found = alerts(engine, everything, target, capture.write(tmp_path / "net.pcap"), tmp_path)
    assert sorted(alert["dest_ip"] for alert in found) == sorted(inside)


def test_the_port_is_part_of_an_address_with_port(
    engine: Engine, everything: Generation, tmp_path: Path
) -> None:
    capture = Capture()
    capture.tcp(server="198.51.100.3", port=4444).send(b"a").close()
    capture.tcp(server="198.51.100.3", port=4445).send(b"a").close()
    target = Target(engine.profile)
    found = alerts(engine, everything, target, capture.write(tmp_path / "port.pcap"), tmp_path)
    assert [alert["dest_port"] for alert in found] == [4444]


def test_two_indicators_on_one_flow_alert_both(engine: Engine, tmp_path: Path) -> None:
    values = ["198.51.100.3,4444", "198.51.100.4,4444"]
    both = keys_of({T.IP_DST_PORT: values, T.IP_DST: ["198.51.100.3"], T.IP_SRC: ["10.0.0.5"]})
    Builder(root=tmp_path / "bundles").build(ListedKeys(both))
    generation = open_generation(tmp_path / "bundles")
    assert generation is not None
    capture = Capture()
    capture.tcp(server="198.51.100.3", port=4444).send(b"a").close()
    found = alerts(
        engine, generation, Target(engine.profile), capture.write(tmp_path / "x.pcap"), tmp_path
    )
    assert rows_of(found) == {
        ("ip-dst", "ip.dst"),
        ("ip-dst-port", "ip.dst"),
        ("ip-src", "ip.src"),
    }


@pytest.mark.parametrize(
    ("asked", "hits"),
    [
        ([("url.example", "/a/b.php?x=1")], 1),
        ([("url.example", "http://url.example/a/b.php?x=1")], 1),
        ([("url.example", "/other"), ("url.example", "/a/b.php?x=1")], 1),
        ([("good.example", "/a/b.php?x=1"), ("url.example", "/a/b.php?x=1")], 1),
        ([("url.example", "/a/b.php?x=1"), ("url.example", "/a/b.php?x=1")], 2),
        ([("good.example", "/a/b.php?x=1")], 0),
        ([("url.example", "/a/b.php")], 0),
        ([("url.example", "/A/b.php?x=1")], 0),
        ([("url.example", f"/{LONG}")], 1),
    ],
    ids=["plain", "proxy", "second", "other-first", "twice", "other", "path", "case", "long"],
)
def test_a_url_needs_host_and_path_of_one_connection(
    engine: Engine,
    everything: Generation,
    tmp_path: Path,
    asked: list[tuple[str, str]],
    hits: int,
) -> None:
    capture = Capture()
    fetch(capture, *(request(host, path) for host, path in asked))
    target = Target(engine.profile)
    found = alerts(engine, everything, target, capture.write(tmp_path / "url.pcap"), tmp_path)
    assert [alert["http"]["hostname"] for alert in found] == ["url.example"] * hits
    assert rows_of(found) == ({("url", "http.host")} if hits else set())


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("evil.exe", "/get", NAMED),
        ("EVIL.EXE", "/get", NAMED),
        ("C:\\\\Temp\\\\evil.exe", "/get", NAMED),
        ("notevil.exe", "/get", set()),
        ("evil.exe.txt", "/get", set()),
        ("", "/path/Evil.exe", NAMED),
        ("", "/path/Evil.exe?query=1", NAMED),
        ("", "/evil.exe/other", set()),
    ],
)
def test_a_file_name_is_the_last_part_of_its_path(
    engine: Engine, loaded: Path, name: str, path: str, expected: set[tuple[str, str]]
) -> None:
    capture = Capture()
    headers = [f'Content-Disposition: attachment; filename="{name}"'] if name else []
    fetch(capture, request("good.example", path), response=answer(b"text", *headers))
    events = engine.run_pcap(capture.write(loaded.parent / "file.pcap"), loaded)
    assert rows_of([event for event in events if event["event_type"] == "alert"]) == expected


def test_a_long_value_matches_by_its_hash(
    engine: Engine, target: Target, everything: Generation, tmp_path: Path
) -> None:
    capture = Capture()
    fetch(capture, request("good.example", "/", "GET", f"User-Agent: EvilAgent/{LONG}"))
    fetch(capture, request("good.example", "/", "GET", f"User-Agent: EvilAgent/{LONG}x"))
    found = alerts(engine, everything, target, capture.write(tmp_path / "long.pcap"), tmp_path)
    assert rows_of(found) == {("user-agent", "http.user_agent")}
    assert len(found) == 1


def test_the_context_is_in_the_alert(
    suricata8: Engine, everything: Generation, tmp_path: Path
) -> None:
    capture = Capture()
    capture.udp(dns_query("sub.EVIL.example"))
    capture.tcp(server="198.51.100.1", port=9).close()
    path = capture.write(tmp_path / "context.pcap")
    for spelt, entry in (("8.0.7+context", ".evil.example"), ("8.0+context", "evil.example")):
        target = Target.parse(spelt)
        found = alerts(suricata8, everything, target, path, tmp_path)
        contexts = [alert["alert"]["context"]["vedette"] for alert in found]
        assert sorted(contexts, key=lambda context: str(context["v"])) == [
            *sorted(
                [{"v": entry, **CONTEXT}, {"v": "198.51.100.1", **CONTEXT}],
                key=lambda context: context["v"],
            )
        ]


CONTEXT = {
    "source": "test",
    "event": "5f5f0000-0000-4000-8000-000000000000",
    "info": "A test",
    "tlp": "green",
}


def test_asking_for_a_canary_alerts(
    engine: Engine, target: Target, everything: Generation, tmp_path: Path
) -> None:
    manifest = everything.manifest
    used = [manifest.set(name) for name in manifest.rules_for(str(target)).sets]
    names = {
        info.name: info.canary.removeprefix(".")
        for info in used
        if info.dataset in {"domain", "hostname", "generation"}
    }
    capture = Capture()
    for name in names.values():
        capture.udp(dns_query(name))
    found = alerts(engine, everything, target, capture.write(tmp_path / "c.pcap"), tmp_path)
    sets = {alert["alert"]["metadata"]["vedette_set"][0] for alert in found}
    assert sets == set(names)
    assert "VEDETTE canary" in {alert["alert"]["signature"] for alert in found}
