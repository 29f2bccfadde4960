"""From packets to hits on the real engines: each buffer fires, and its alert leads back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from vedette.bundle import Builder, Generation, latest
from vedette.hits import Findings, HitReader
from vedette.model import Context, Entry, IndicatorType, Key
from vedette.ruleset.engine import Target
from vedette.testing.capture import Capture, Tcp, dns_answer, dns_query
from vedette.testing.engine import Engine
from vedette.testing.indicators import ListedKeys

T = IndicatorType
SID_BASE = 1_400_000
HANDSHAKE = Path(__file__).parent.parent / "data/tls12-handshake.json"

BODY = b"MZ this is no program\n" * 50
AGENT = "EvilAgent/1.0 (x; y)"
LONG = "/long?" + "a" * 900
CERTIFICATE_SHA1 = "3287e1e60e130e90333c8be00f14302071fa162a"
CERTIFICATE_SHA256 = "19062ea571457ba06f13c91083e80dd92052dd57ec006e1c737e2dc520f9249f"
RFC_822 = (
    "From: Bad Guy <Bad@Sender.example>\r\nTo: us@ours.example, You@Victim.example\r\n"
    "Subject: Overdue invoice\r\nMessage-ID: <77@sender.example>\r\nX-Mailer: EvilMail 1\r\n"
    "\r\nHello\r\n.\r\n"
)

LISTED = {
    Key(T.DOMAIN, "evil.example"),
    Key(T.DOMAIN, "deep.down.example"),
    Key(T.HOSTNAME, "exact.example"),
    Key(T.DOMAIN, "cname-target.example"),
    Key(T.HOSTNAME, "san.bad.example"),
    Key(T.IP_DST, "192.0.2.66"),
    Key(T.IP_DST, "198.51.100.0/24"),
    Key(T.IP_DST, "203.0.0.0/16"),
    Key(T.IP_DST, "2001:db8:bad::1"),
    Key(T.IP_SRC, "203.0.113.9"),
    Key(T.IP_DST_PORT, "192.0.2.67,8443"),
    Key(T.URL, "url.example/gate.php?id=1"),
    Key(T.URL, "port.example:8080/x"),
    Key(T.URL, "proxied.example/y"),
    Key(T.URL, f"url.example{LONG}"),
    Key(T.URI, "/only/path.cgi"),
    Key(T.USER_AGENT, AGENT),
    Key(T.HTTP_METHOD, "BREW"),
    Key(T.REFERER, "http://ref.example/"),
    Key(T.MD5, hashlib.md5(BODY).hexdigest()),
    Key(T.FILENAME, "dropper.exe"),
    Key(T.SSH_SOFTWARE, "evilssh_1.0"),
    Key(T.CERT_SHA1, CERTIFICATE_SHA1),
    Key(T.EMAIL_SRC, "bad@sender.example"),
    Key(T.EMAIL_DST, "us@ours.example"),
}
"""What is met in the traffic below; each of the rest must stay silent."""

UNTOLD = {
    Key(T.COOKIE, "session=evil"),
    Key(T.HTTP_SERVER, "EvilServer"),
    Key(T.CERT_SHA256, CERTIFICATE_SHA256),
}
"""Met as well, but EVE does not show these values by default."""

UNTOLD_8 = {
    Key(T.EMAIL_SUBJECT, "Overdue invoice"),
    Key(T.EMAIL_X_MAILER, "EvilMail 1"),
    Key(T.EMAIL_MESSAGE_ID, "<77@sender.example>"),
}

SILENT = {
    Key(T.DOMAIN, "notevil.example"),
    Key(T.HOSTNAME, "example"),
    Key(T.HOSTNAME, "down.example"),
    Key(T.URL, "url.example/y"),
    Key(T.URL, "proxied.example/gate.php?id=1"),
    Key(T.URL, "port.example:81/x"),
    Key(T.IP_DST_PORT, "192.0.2.67,443"),
    Key(T.IP_SRC, "192.0.2.66"),
    Key(T.SHA256, "0" * 64),
}


def traffic(path: Path) -> Path:
    capture = Capture()
    for name in ("WwW.eViL.example", "x.deep.down.example", "exact.example", "a.exact.example"):
        capture.udp(dns_query(name))
    asked = capture.udp(dns_query("harmless.example"))
    aliases = [
        ("harmless.example", "b.cname-target.example"),
        ("b.cname-target.example", "1.2.3.4"),
    ]
    asked.reply(dns_answer("harmless.example", aliases))
    _http(capture)
    _addresses(capture)
    _tls(capture)
    ssh = capture.tcp(port=22).send(b"SSH-2.0-OpenSSH_9\r\n").reply(b"SSH-2.0-evilssh_1.0\r\n")
    ssh.send(_ssh_key_exchange()).reply(_ssh_key_exchange()).close()
    _mail(capture.tcp(port=25))
    return capture.write(path)


def _http(capture: Capture) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nServer: EvilServer\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Disposition: attachment; filename=Dropper.EXE\r\nContent-Length: %d\r\n\r\n%s"
    ) % (len(BODY), BODY)
    requests = [
        (
            80,
            "GET /gate.php?id=1 HTTP/1.1\r\nHost: url.example\r\nUser-Agent: EvilAgent/1.0 (x; y)",
        ),
        (8080, "GET /x HTTP/1.1\r\nHost: port.example:8080\r\nReferer: http://ref.example/"),
        (3128, "GET http://proxied.example/y HTTP/1.1\r\nHost: proxied.example"),
        (80, f"GET {LONG} HTTP/1.1\r\nHost: url.example"),
        (80, "GET /only/path.cgi HTTP/1.1\r\nHost: sub.evil.example\r\nCookie: session=evil"),
        (80, "BREW /coffee HTTP/1.1\r\nHost: harmless.example"),
    ]
    for port, head in requests:
        talk = capture.tcp(port=port)
        # In pieces as on a slow link: the engine sees the request line before the host.
        for piece in re.findall(r".{1,200}", f"{head}\r\n\r\n", re.DOTALL):
            talk.send(piece.encode())
        talk.reply(answer if "/gate" in head else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        talk.close()


def _addresses(capture: Capture) -> None:
    capture.tcp(server="192.0.2.66", port=4444).send(b"hello").reply(b"there").close()
    capture.tcp(server="192.0.2.67", port=8443).send(b"hello").reply(b"there").close()
    capture.tcp(server="198.51.100.77", port=4444).send(b"hello").close()
    capture.tcp(server="203.0.44.5", port=4444).send(b"hello").close()
    capture.tcp(client="203.0.113.9", server="10.0.0.80", port=23).send(b"hello").close()
    capture.tcp(client="2001:db8::5", server="2001:db8:bad::1", port=9).send(b"hello").close()


def _tls(capture: Capture) -> None:
    talk = capture.tcp(port=443)
    for who, flight in json.loads(HANDSHAKE.read_text())["flights"]:
        (talk.send if who == "client" else talk.reply)(base64.b64decode(flight))
    talk.close()


def _ssh_key_exchange() -> bytes:
    lists = [b"curve25519-sha256", b"ssh-ed25519", *[b"aes256-ctr"] * 2, *[b"hmac-sha2-256"] * 2]
    lists += [b"none", b"none", b"", b""]
    body = b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(x)) + x for x in lists) + bytes(5)
    padding = 8 - (5 + len(body)) % 8 + 8
    return struct.pack(">IB", 1 + len(body) + padding, padding) + body + bytes(padding)


def _mail(talk: Tcp) -> None:
    talk.reply(b"220 hello\r\n")
    for line in (
        "EHLO mail.evil.example",
        "MAIL FROM:<Bad@Sender.example>",
        "RCPT TO:<us@ours.example>",
        "DATA",
    ):
        talk.send(f"{line}\r\n".encode()).reply(b"354 go\r\n" if line == "DATA" else b"250 ok\r\n")
    talk.send(RFC_822.encode()).reply(b"250 ok\r\n").close()


KEYS = LISTED | UNTOLD | UNTOLD_8 | SILENT


def compiled(target: Target, directory: Path) -> Generation:
    root = directory / "generations"
    Builder(root=root, targets=[target], sid_base=SID_BASE).build(ListedKeys(KEYS))
    generation = latest(root)
    assert generation is not None
    generation.flatten(str(target), directory / "rules")
    return generation


def findings_of(engine: Engine, pcap: Path, rules: Path) -> Findings:
    events = engine.run_pcap(pcap, rules, arguments=["--runmode", "single"])
    entries = {key: [_entry(key)] for key in KEYS}

    def lookup(wanted: Iterable[Key]) -> dict[Key, list[Entry]]:
        return {key: entries[key] for key in wanted if key in entries}

    reader = HitReader("gate", SID_BASE, lookup, profile=engine.profile)
    findings = reader.read(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return findings._replace(hits=findings.hits + reader.finish().hits)


def findings_in_traffic(engine: Engine, target: Target, directory: Path) -> Findings:
    compiled(target, directory)
    return findings_of(engine, traffic(directory / "traffic.pcap"), directory / "rules")


def _entry(key: Key) -> Entry:
    return Entry(
        source="misp", key=key, ref="", context=Context(key=key.value), comment="", tags=()
    )


def expected(engine: Engine) -> set[tuple[str, str, str, str]]:
    return {
        ("domain", "evil.example", "www.evil.example", "dns.query"),
        ("domain", "deep.down.example", "x.deep.down.example", "dns.query"),
        ("hostname", "exact.example", "exact.example", "dns.query"),
        ("domain", "evil.example", "sub.evil.example", "http.host"),
        ("domain", "evil.example", "tls.evil.example", "tls.sni"),
        ("domain", "evil.example", "mail.evil.example", "smtp.helo"),
        ("ip-dst", "192.0.2.66", "192.0.2.66", "ip.dst"),
        ("ip-dst", "198.51.100.0/24", "198.51.100.77", "ip.dst"),
        ("ip-dst", "203.0.0.0/16", "203.0.44.5", "ip.dst"),
        ("ip-dst", "2001:db8:bad::1", "2001:db8:bad::1", "ip.dst"),
        ("ip-src", "203.0.113.9", "203.0.113.9", "ip.src"),
        ("ip-dst-port", "192.0.2.67,8443", "192.0.2.67,8443", "ip.dst"),
        ("url", "url.example/gate.php?id=1", "url.example/gate.php?id=1", "http.host"),
        ("url", "port.example:8080/x", "port.example:8080/x", "http.host"),
        ("url", "proxied.example/y", "proxied.example/y", "http.host"),
        ("url", f"url.example{LONG}", f"url.example{LONG}"[:300], "http.host"),
        ("uri", "/only/path.cgi", "/only/path.cgi", "http.uri.raw"),
        ("user-agent", AGENT, AGENT, "http.user_agent"),
        ("http-method", "BREW", "BREW", "http.method"),
        ("referer", "http://ref.example/", "http://ref.example/", "http.referer"),
        ("md5", _md5(BODY), _md5(BODY), "filemd5"),
        ("filename", "dropper.exe", "Dropper.EXE", "file.name"),
        ("ssh-software", "evilssh_1.0", "evilssh_1.0", "ssh.software"),
        ("cert-sha1", CERTIFICATE_SHA1, _colons(CERTIFICATE_SHA1), "tls.cert_fingerprint"),
        ("email-src", "bad@sender.example", "bad@sender.example", "smtp.mail_from"),
        ("email-src", "bad@sender.example", "bad@sender.example", "email.from"),
        ("email-dst", "us@ours.example", "us@ours.example", "smtp.rcpt_to"),
        ("email-dst", "us@ours.example", "us@ours.example", "email.to"),
        *(_only_8() if engine.version[0] >= 8 else ()),
    }


def _only_8() -> Iterator[tuple[str, str, str, str]]:
    alias = "b.cname-target.example"
    yield ("domain", "cname-target.example", alias, "dns.response.rrname")
    yield ("domain", "evil.example", "tls.evil.example", "tls.subjectaltname")
    yield ("hostname", "san.bad.example", "san.bad.example", "tls.subjectaltname")


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def _colons(digest: str) -> str:
    return ":".join(re.findall("..", digest))


def seen(findings: Findings) -> set[tuple[str, str, str, str]]:
    return {(*hit.key, hit.observed, hit.buffer) for hit, _ in findings.hits if hit.key.value}


def test_every_alert_leads_to_its_indicator_and_nothing_else_does(
    engine: Engine, tmp_path: Path
) -> None:
    findings = findings_in_traffic(engine, Target(engine.profile), tmp_path)
    assert seen(findings) == expected(engine)
    assert all(entries for hit, entries in findings.hits if hit.key.value)
    assert {hit.origin for hit, _ in findings.hits} == (
        {"live"} if engine.version[0] >= 8 else {"live", "eve"}
    )


def test_what_eve_does_not_tell_is_a_hit_all_the_same(engine: Engine, tmp_path: Path) -> None:
    findings = findings_in_traffic(engine, Target(engine.profile), tmp_path)
    untold = {hit.key.type for hit, _ in findings.hits if not hit.key.value}
    assert untold == {key.type for key in UNTOLD} | (
        {key.type for key in UNTOLD_8} if engine.version[0] >= 8 else set()
    )
    (certificate,) = [hit for hit, _ in findings.hits if hit.key == (T.CERT_SHA256, "")]
    assert certificate.observed == "TLS.Evil.Example CN=tls.evil.example"


def test_context_in_the_alert_tells_what_eve_does_not(suricata8: Engine, tmp_path: Path) -> None:
    target = Target(suricata8.profile, context=True)
    findings = findings_in_traffic(suricata8, target, tmp_path)
    told = {(*key, key.value) for key in UNTOLD | UNTOLD_8 if key.type is not T.CERT_SHA256}
    assert {one[:3] for one in seen(findings)} >= told
    assert {one for one in seen(findings) if one[:3] not in told} == expected(suricata8)
    assert {hit.key.type for hit, _ in findings.hits if not hit.key.value} == {T.CERT_SHA256}


def test_who_asks_for_the_generation_is_seen_and_is_no_hit(engine: Engine, tmp_path: Path) -> None:
    manifest = compiled(Target(engine.profile), tmp_path).manifest
    name = f"vedette-generation-{manifest.generation}-{manifest.content_id[:8]}.invalid"
    capture = Capture()
    capture.udp(dns_query(name))
    findings = findings_of(engine, capture.write(tmp_path / "canary.pcap"), tmp_path / "rules")
    assert (findings.hits, set(findings.canaries)) == ([], {name})


def test_a_query_that_the_alert_leaves_out_is_taken_from_its_own_event(
    engine: Engine, tmp_path: Path
) -> None:
    compiled(Target(engine.profile), tmp_path)
    capture = Capture()
    zone_transfer = dns_query("www.evil.example")[:-4] + struct.pack(">2H", 252, 1)
    capture.udp(zone_transfer)
    findings = findings_of(engine, capture.write(tmp_path / "axfr.pcap"), tmp_path / "rules")
    assert seen(findings) == {("domain", "evil.example", "www.evil.example", "dns.query")}
