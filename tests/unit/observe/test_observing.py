"""What each shape of each protocol says, and what becomes of lines that say nothing.

The shapes are those that Suricata 4 to 8 write.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from vedette.fields import BY_NAME, FIELDS, VALUE_MAX
from vedette.observe.observing import Observed, Observer

NAMES = {field.number: field.name for field in FIELDS}
HEAD = {
    "timestamp": "2026-11-24T12:00:00.000000+0000",
    "flow_id": 7,
    "src_ip": "10.0.0.5",
    "src_port": 40_000,
    "dest_ip": "203.0.113.9",
    "dest_port": 443,
    "proto": "TCP",
}


def observe(line: bytes, skip: tuple[str, ...] = ()) -> Observed:
    return Observer(skip=skip, home=("10.0.0.0/8",))(line)


def line(kind: str, **members: Any) -> bytes:
    """One line as the engine writes it: no blanks, the type behind the head."""
    return json.dumps({**HEAD, "event_type": kind, **members}, separators=(",", ":")).encode()


def said(kind: str, **members: Any) -> dict[str, list[str]]:
    """The values of an event by field, checked to come once and the same from any spacing."""
    seen = observe(line(kind, **members))
    assert len(set(seen.values)) == len(seen.values)
    spaced = json.dumps({"event_type": kind, **HEAD, **members}, indent=1).replace("\n", " ")
    assert sorted(observe(spaced.encode()).values) == sorted(seen.values)
    found: dict[str, list[str]] = {}
    for number, value in sorted(seen.values):
        found.setdefault(NAMES[number], []).append(value)
    assert (seen.outcome == "events") == bool(found)
    return found


def test_dns_queries() -> None:
    expected = {"dns.query": ["evil.example"]}
    flat = {"type": "query", "id": 1, "rrname": "Evil.example", "rrtype": "A", "tx_id": 0}
    assert said("dns", dns=flat) == expected
    assert said("dns", dns={**flat, "version": 2, "opcode": 0}) == expected
    detailed = {"version": 3, "type": "request", "queries": [{"rrname": "EVIL.example."}]}
    assert said("dns", dns=detailed) == expected
    two = {
        "version": 3,
        "type": "request",
        "queries": [{"rrname": n} for n in ("a.x", "A.x", "b.x")],
    }
    assert said("dns", dns=two) == {"dns.query": ["a.x", "b.x"]}
    assert said("dns", dns={"type": "query", "rrname": ""}) == {}


def test_dns_answers_of_version_1_are_one_record_each() -> None:
    flat = {"type": "answer", "id": 1, "rcode": "NOERROR", "rrname": "www.x.example", "ttl": 5}
    assert said("dns", dns={**flat, "rrtype": "A", "rdata": "198.51.100.1"}) == {
        "dns.response.rrname": ["www.x.example"],
        "dns.response.ip": ["198.51.100.1"],
    }
    assert said("dns", dns={**flat, "rrtype": "CNAME", "rdata": "Evil.example"}) == {
        "dns.response.rrname": ["evil.example", "www.x.example"]
    }
    assert said("dns", dns={**flat, "rrtype": "TXT", "rdata": "evil.example"}) == {
        "dns.response.rrname": ["www.x.example"]
    }
    assert said("dns", dns={"type": "answer", "rcode": "NXDOMAIN", "rrname": "nx.example"}) == {
        "dns.response.rrname": ["nx.example"]
    }


RECORDS = [
    {"rrname": "www.x.example", "rrtype": "CNAME", "ttl": 1, "rdata": "Evil.example"},
    {"rrname": "evil.example", "rrtype": "A", "ttl": 1, "rdata": "198.51.100.1"},
    {
        "rrname": "evil.example",
        "rrtype": "AAAA",
        "rdata": "2001:0db8:0000:0000:0000:0000:0000:0001",
    },
    {"rrname": "evil.example", "rrtype": "TXT", "rdata": "v=spf1"},
    {"rrname": "evil.example", "rrtype": "SOA", "soa": {"mname": "ns.example", "serial": 1}},
]
ANSWER = {
    "dns.response.rrname": ["evil.example", "www.x.example"],
    "dns.response.ip": ["198.51.100.1", "2001:db8::1"],
}


def test_dns_answers_of_versions_2_and_3() -> None:
    grouped = {
        "CNAME": ["evil.example"],
        "A": ["198.51.100.1"],
        "AAAA": ["2001:0db8:0000:0000:0000:0000:0000:0001"],
        "TXT": ["v=spf1"],
        "SOA": [{"mname": "ns.example"}],
    }
    second = {"version": 2, "type": "answer", "rrname": "www.x.example", "rrtype": "A"}
    third = {"version": 3, "type": "response", "queries": [{"rrname": "www.x.example"}]}
    for head in (second, third):
        assert said("dns", dns={**head, "answers": RECORDS}) == ANSWER
        assert said("dns", dns={**head, "grouped": grouped}) == ANSWER
        assert said("dns", dns={**head, "answers": RECORDS, "grouped": grouped}) == ANSWER


def test_dns_names_in_all_sections_and_in_rdata() -> None:
    dns = {
        "version": 3,
        "type": "response",
        "queries": [{"rrname": "q.example"}],
        "authorities": [{"rrname": "zone.example", "rrtype": "NS", "rdata": "ns.example"}],
        "additionals": [{"rrname": "ns.example", "rrtype": "A", "rdata": "198.51.100.2"}],
        "grouped": {
            "MX": ["mx.example"],
            "PTR": ["ptr.example"],
            "DNAME": ["d.example"],
            "NS": ["n.x"],
        },
    }
    assert said("dns", dns=dns) == {
        "dns.response.rrname": [
            *("d.example", "mx.example", "n.x", "ns.example", "ptr.example", "q.example"),
            "zone.example",
        ],
        "dns.response.ip": ["198.51.100.2"],
    }


def test_tls() -> None:
    der, issuer = b"\x30\x82leaf", b"\x30\x82issuer"
    encoded = [base64.b64encode(part).decode() for part in (der, issuer)]
    tls = {
        "sni": "WWW.Evil.example",
        "subject": "CN=evil.example",
        "issuerdn": "C=XX, CN=Some CA ",
        "serial": "00:8A:51",
        "fingerprint": "0a:A1:18:c3:04:45:30:07:c8:4a:08:ba:80:02:ff:4c:6e:9d:a5:1e",
        "subjectaltname": ["*.Evil.example", "evil.example", "EVIL.example"],
        "certificate": encoded[0],
        "chain": encoded,
        "version": "TLS 1.2",
        "ja3": {"hash": "0E870CB29DD59424064948532781A7F6", "string": "769"},
        "ja3s": {"hash": "15381d64ba148f31a70eb87b53085230", "string": "769"},
        "ja4": "t00d021000_9d5106e3f751_c5203e7bca43",
    }
    assert said("tls", tls=tls) == {
        "tls.sni": ["www.evil.example"],
        "tls.cert_subject": ["CN=evil.example"],
        "tls.cert_issuer": ["C=XX, CN=Some CA"],
        "tls.cert_serial": ["00:8A:51"],
        "tls.cert_fingerprint": ["0aa118c304453007c84a08ba8002ff4c6e9da51e"],
        "tls.subjectaltname": ["*.evil.example", "evil.example"],
        "tls.certs.sha256": sorted(hashlib.sha256(part).hexdigest() for part in (der, issuer)),
        "tls.certs.md5": sorted(hashlib.md5(part).hexdigest() for part in (der, issuer)),
        "ja3.hash": ["0e870cb29dd59424064948532781a7f6"],
        "ja3s.hash": ["15381d64ba148f31a70eb87b53085230"],
        "ja4.hash": ["t00d021000_9d5106e3f751_c5203e7bca43"],
    }
    assert said("tls", tls={"certificate": "not base64!", "chain": ["", "é"]}) == {}
    assert said("tls", tls={"session_resumed": True, "version": "TLS 1.3"}) == {}


def test_quic() -> None:
    quic = {"version": "1", "sni": "Q.example", "ja3": {"hash": "AB"}, "ja3s": {"hash": "cd"}}
    assert said("quic", quic={**quic, "ja4": "q13d0310h3_5_c"}) == {
        "quic.sni": ["q.example"],
        "ja3.hash": ["ab"],
        "ja3s.hash": ["cd"],
        "ja4.hash": ["q13d0310h3_5_c"],
    }


def test_http() -> None:
    http = {
        "hostname": "Evil.example",
        "http_port": 8080,
        "url": "/Gate.php?id=1",
        "http_user_agent": " Mozilla/5.0 ",
        "http_method": "GET",
        "http_refer": "http://other.example/",
        "server": "nginx",
        "cookie": "sid=1",
        "status": 200,
    }
    assert said("http", http=http) == {
        "http.host": ["evil.example"],
        "http.url": ["evil.example:8080/Gate.php?id=1"],
        "http.user_agent": ["Mozilla/5.0"],
        "http.method": ["GET"],
        "http.referer": ["http://other.example/"],
        "http.server": ["nginx"],
        "http.cookie": ["sid=1"],
    }


def test_http_headers_in_lists() -> None:
    http = {
        "hostname": "h1.example",
        "url": "/",
        "request_headers": [
            {"name": "Host", "value": "other.example"},
            {"name": "COOKIE", "value": "a"},
        ],
        "response_headers": [{"name": "Server", "value": ""}, {"name": "server", "value": "nginx"}],
    }
    assert said("http", http=http) == {
        "http.host": ["h1.example"],
        "http.url": ["h1.example/"],
        "http.cookie": ["a"],
        "http.server": ["nginx"],
    }


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({":authority": "H2.example:8443"}, "h2.example"),
        ({":authority": "h2.example", "host": "h1.example"}, "h2.example"),
        ({"host": "h1.example"}, "h1.example"),
        ({":authority": "[2001:0db8::1]:8443"}, "2001:db8::1"),
        ({":authority": "[2001:0db8::1]"}, "2001:db8::1"),
        ({":authority": "2001:0db8::1"}, "2001:db8::1"),
    ],
)
def test_http_2_of_engines_that_do_not_name_the_host(headers: dict[str, str], host: str) -> None:
    http = {
        "version": "2",
        "url": "/x",
        "http2": {"stream_id": 1},
        "request_headers": [
            {"name": ":method", "value": "GET"},
            *({"name": name, "value": value} for name, value in headers.items()),
        ],
        "response_headers": [{"table_size_update": 4096}],
    }
    in_url = f"[{host}]" if ":" in host else host
    assert said("http", http=http) == {"http.host": [host], "http.url": [f"{in_url}/x"]}


def test_http_requests_of_other_forms() -> None:
    connect = {"hostname": "evil.example", "url": "evil.example:443", "http_method": "CONNECT"}
    assert said("http", http=connect) == {"http.host": ["evil.example"], "http.method": ["CONNECT"]}
    proxy = {"hostname": "evil.example", "url": "http://Evil.example/x"}
    assert said("http", http=proxy)["http.url"] == ["evil.example/x"]
    unseen = {"hostname": "evil.example", "url": "/libhtp::request_uri_not_seen"}
    assert said("http", http=unseen) == {"http.host": ["evil.example"]}
    assert said("http", http={"url": "/gate.php"}) == {"http.url": ["/gate.php"]}


def test_files() -> None:
    info = {
        "filename": "/dl/Evil.EXE",
        "magic": "PE32 executable",
        "md5": "D41D8CD98F00B204E9800998ECF8427E",
        "sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "state": "CLOSED",
        "size": 0,
    }
    http = {"hostname": "evil.example", "url": "/dl/Evil.EXE"}
    assert said("fileinfo", fileinfo=info, http=http, app_proto="http") == {
        "file.name": ["evil.exe"],
        "file.magic": ["PE32 executable"],
        "filemd5": ["d41d8cd98f00b204e9800998ecf8427e"],
        "filesha1": [info["sha1"]],
        "filesha256": [info["sha256"]],
    }
    assert said("fileinfo", fileinfo={"filename": "/", "state": "CLOSED"}) == {}


def test_ssh() -> None:
    ssh = {
        "client": {
            "proto_version": "2.0",
            "software_version": "libssh_0.9",
            "hassh": {"hash": "AA"},
        },
        "server": {
            "proto_version": "2.0",
            "software_version": "OpenSSH_9",
            "hassh": {"hash": "bb"},
        },
    }
    assert said("ssh", ssh=ssh) == {
        "ssh.software": ["OpenSSH_9", "libssh_0.9"],
        "ssh.hassh": ["aa"],
        "ssh.hassh.server": ["bb"],
    }
    same = {end: {"software_version": "x"} for end in ("client", "server")}
    assert said("ssh", ssh=same) == {"ssh.software": ["x"]}


def test_mail() -> None:
    smtp = {
        "helo": "BOT.example",
        "mail_from": "<A@Evil.example>",
        "rcpt_to": ["<b@x.example>", "<B@X.example>"],
    }
    email = {
        "status": "PARSE_DONE",
        "from": '"Bad Guy" <A@Evil.example>',
        "to": ["B <b@x.example>"],
        "cc": ["c@x.example", "d@x.example"],
        "subject": " Your invoice ",
        "x_mailer": "Outlook",
        "message_id": "<1@evil.example>",
        "url": ["Phish.example/Login"],
        "attachment": ["Invoice.ZIP"],
    }
    assert said("smtp", smtp=smtp, email=email) == {
        "smtp.helo": ["bot.example"],
        "smtp.mail_from": ["a@evil.example"],
        "smtp.rcpt_to": ["b@x.example"],
        "email.from": ["a@evil.example"],
        "email.to": ["b@x.example"],
        "email.cc": ["c@x.example", "d@x.example"],
        "email.subject": ["Your invoice"],
        "email.x_mailer": ["Outlook"],
        "email.message_id": ["<1@evil.example>"],
        "email.url": ["phish.example/Login"],
        "email.attachment": ["invoice.zip"],
    }
    assert said("smtp", smtp={"helo": "", "mail_from": "<>"}) == {}


def test_flows() -> None:
    assert said("flow", flow={"pkts_toserver": 1}) == {
        "ip.src": ["10.0.0.5"],
        "ip.dst": ["203.0.113.9"],
        "ip.dst.port": ["203.0.113.9,443"],
    }
    expanded = "2001:0db8:0000:0000:0000:0000:0000:0001"
    assert said("flow", dest_ip=expanded, dest_port=53)["ip.dst.port"] == ["2001:db8::1,53"]
    icmp = {name: value for name, value in HEAD.items() if not name.endswith("port")}
    seen = observe(json.dumps({**icmp, "event_type": "flow", "icmp_type": 8}).encode())
    assert {NAMES[number] for number, _ in seen.values} == {"ip.src", "ip.dst"}


def test_kerberos() -> None:
    krb5 = {"msg_type": "KRB_AS_REP", "cname": "Admin", "realm": "X", "sname": "krbtgt/X"}
    assert said("krb5", krb5=krb5) == {"krb5.cname": ["Admin"], "krb5.sname": ["krbtgt/X"]}
    assert said("krb5", krb5={"cname": "<empty>", "sname": "<empty>"}) == {}


def test_smb() -> None:
    smb = {
        "command": "SMB2_COMMAND_CREATE",
        "filename": "Share\\PsExec.EXE",
        "share": "\\\\10.0.0.9\\ADMIN$",
        "named_pipe": "\\\\10.0.0.9\\IPC$",
        "ntlmssp": {"user": "Administrator", "domain": "CORP", "host": "WS1", "version": "10.0"},
    }
    assert said("smb", smb=smb) == {
        "smb.filename": ["psexec.exe"],
        "smb.share": ["\\\\10.0.0.9\\ADMIN$"],
        "smb.named_pipe": ["\\\\10.0.0.9\\IPC$"],
        "smb.ntlmssp_user": ["Administrator"],
        "smb.ntlmssp_domain": ["CORP"],
        "smb.ntlmssp_host": ["WS1"],
    }
    assert said("smb", smb={"filename": "<share_root>"}) == {}


def test_the_head_of_an_event() -> None:
    seen = observe(line("tls", tls={"sni": "evil.example"}))
    assert seen == Observed(
        outcome="events",
        time_us=1_795_521_600_000_000,
        flow_id=7,
        client="10.0.0.5",
        server="203.0.113.9",
        values=[(BY_NAME["tls.sni"].number, "evil.example")],
    )
    answer = {"version": 3, "type": "response", "queries": [{"rrname": "evil.example"}]}
    seen = observe(line("dns", dns=answer, src_port=53, dest_ip="2001:0DB8::0001", dest_port=4000))
    assert (seen.client, seen.server) == ("2001:db8::1", "10.0.0.5")


@pytest.mark.parametrize("flow_id", [-1, 1 << 64, "7", 7.5, None, True])
def test_a_flow_id_of_no_use_is_0(flow_id: object) -> None:
    seen = observe(line("tls", tls={"sni": "evil.example"}, flow_id=flow_id))
    assert (seen.outcome, seen.flow_id) == ("events", 0)


def test_the_greatest_flow_id() -> None:
    flow_id = (1 << 64) - 1
    assert observe(line("tls", tls={"sni": "x"}, flow_id=flow_id)).flow_id == flow_id


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"{", "malformed"),
        (b'{"event_type":"dns","timestamp":"2026-11-24T12:00', "malformed"),
        (b'{"event_type":"dns"} trailing', "malformed"),
        (b"not json", "malformed"),
        (b'{"event_type":"dns","x":NaN}', "malformed"),
        (b"[" * 100_000, "malformed"),
        (b"[]", "unexpected"),
        (b"1", "unexpected"),
        (b"{}", "unexpected"),
        (b'{"event_type":7}', "unexpected"),
        (line("dns", dns=[{"rrname": "x"}]), "unexpected"),
        (line("tls", tls={"sni": 7, "ja4": ["x"]}), "unexpected"),
        (b'{"event_type":"dns","dns":{"rrname":"evil.example"}}', "untimed"),
        (line("dns", dns={"rrname": "evil.example"}, timestamp="now"), "untimed"),
        (line("dns", dns={"rrname": "evil.example"}, timestamp=1_795_521_600), "untimed"),
        (line("stats", timestamp=""), "untimed"),
        (line("alert", alert={"signature_id": 1}, dns={"rrname": "evil.example"}), "ignored"),
        (line("of-tomorrow", dns={"rrname": "evil.example"}), "ignored"),
        (line("smb", smb={"command": "SMB2_COMMAND_CLOSE"}), "empty"),
        *((line(kind), "empty") for kind in ("dns", "tls", "quic", "http", "fileinfo", "ssh")),
        *((line(kind), "empty") for kind in ("smtp", "krb5", "smb")),
        (line("smb", smb=None), "empty"),
        (line("smb", smb={"ntlmssp": None, "share": ""}), "empty"),
    ],
)
def test_lines_without_an_observation_by_reason(data: bytes, outcome: str) -> None:
    seen = observe(data)
    assert (seen.outcome, seen.values) == (outcome, ())
    timed = b"12:00:00" in data and outcome not in {"malformed", "untimed"}
    assert (seen.time_us is not None) == timed


def test_an_unexpected_shape_costs_only_itself() -> None:
    odd = {
        "sni": "evil.example",
        "subjectaltname": "a.example",
        "chain": [1],
        "ja3": "x",
        "ja4": {},
    }
    assert said("tls", tls=odd) == {
        "tls.sni": ["evil.example"],
        "tls.subjectaltname": ["a.example"],
    }
    dns = {
        "type": "answer",
        "rrname": 1,
        "answers": [5, {"rrname": "a.x", "rrtype": "A", "rdata": {}}],
    }
    assert said("dns", dns=dns) == {"dns.response.rrname": ["a.x"]}
    assert said("smtp", smtp=None, email={"to": "a@x.example"}) == {"email.to": ["a@x.example"]}
    assert said("dns", dns={"rrname": "a.x"}, dest_port="53", src_ip=None) == {"dns.query": ["a.x"]}


def test_of_repeated_members_the_last_counts() -> None:
    start = line("tls")[:-1]
    seen = observe(start + b',"tls":{"sni":"a.x","ja4":"t"},"tls":{"sni":1,"sni":"b.x"}}')
    assert [value for _, value in seen.values] == ["b.x"]
    seen = observe(start + b',"event_type":"dns","dns":{"rrname":"c.x"}}')
    assert [value for _, value in seen.values] == ["c.x"]


def test_text_that_is_not_utf_8_is_counted_and_used() -> None:
    data = line("http", http={"hostname": "evil.example", "http_user_agent": "A@B"})
    seen = observe(data.replace(b"A@B", b"A\xffB"))
    assert (seen.outcome, seen.also) == ("events", ("encoding",))
    assert {value for _, value in seen.values} == {"evil.example", "A\ufffdB"}
    seen = observe(line("alert", payload="@").replace(b"@", b"\xff"))
    assert (seen.outcome, seen.also) == ("ignored", ("encoding",))
    seen = observe(line("http", http={"http_user_agent": "\ud800 é"}))
    assert (seen.outcome, seen.also) == ("events", ("encoding",))
    assert [value for _, value in seen.values] == ["\ufffd é"]
    assert observe(line("http", http={"http_user_agent": "é"})).also == ()


def test_values_that_are_too_long_are_counted_and_the_others_kept() -> None:
    fits, long = "x" * VALUE_MAX, "é" * (VALUE_MAX // 2 + 1)
    http = {
        "hostname": "evil.example",
        "http_user_agent": long,
        "http_refer": fits,
        "url": "/" + fits,
    }
    seen = observe(line("http", http=http))
    assert (seen.outcome, seen.also) == ("events", ("value.long", "value.long"))
    assert {value for _, value in seen.values} == {"evil.example", fits}
    seen = observe(line("http", http={"http_user_agent": long}))
    assert (seen.outcome, seen.also) == ("empty", ("value.long",))


def test_a_value_grows_threefold_at_most() -> None:
    url = "/" + "é" * (VALUE_MAX // 6)
    data = json.dumps({**HEAD, "event_type": "http", "http": {"url": url}}, ensure_ascii=False)
    assert len(data.encode()) < VALUE_MAX
    assert observe(data.encode()).also == ()  # 1 + 6 * 1365 bytes as sent
    data = data.replace("/é", "/éé")
    assert observe(data.encode()).also == ("value.long",)


def test_fields_that_are_not_wanted_are_not_there() -> None:
    http = {"hostname": "evil.example", "cookie": "sid=1"}
    seen = observe(line("http", http=http), skip=("http.cookie", "ja3.hash"))
    assert [value for _, value in seen.values] == ["evil.example"]
    assert observe(line("http", http={"cookie": "x" * 9_000}), skip=("http.cookie",)).also == ()
    for kind in ("tls", "quic"):
        members = {kind: {"ja3": {"hash": "ab"}}}
        assert observe(line(kind, **members), skip=("ja3.hash",)).outcome == "empty"
        assert observe(line(kind, **members)).outcome == "events"


def test_every_field_is_seen_by_one_of_these_tests() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [field.name for field in FIELDS if f'"{field.name}"' not in source] == []
