"""Every value of every field, as another tool sees it: DuckDB over the raw files, in its own SQL.

Who asked is taken from the flow events, which the fold does not look at; the spelling is SQL's
lower, replace and regular expressions. A corpus written here adds what no capture shows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from vedette.errors import UnusableValueError
from vedette.fields import FIELDS, Spelling
from vedette.model import IndicatorType
from vedette.normalize import normalize
from vedette.observe import Folded, PythonFold
from vedette.observe.decoding import decode
from vedette.observe.ends import Home, is_turned
from vedette.observe.spelling import observed

pytestmark = pytest.mark.shared

HOME = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
MACROS = r"""
CREATE MACRO stripped(t) AS regexp_replace(t, '^\s+|\s+$', '', 'g');
CREATE MACRO plain(t) AS stripped(t);
CREATE MACRO groups(t) AS array_to_string(list_transform(string_split(lower(t), ':'),
    lambda g: coalesce(nullif(ltrim(g, '0'), ''), '0')), ':');
CREATE MACRO zeros(t, n) AS regexp_replace(t, '(^|:)0(:0){' || (n - 1) || '}(:|$)', '::');
CREATE MACRO shorter(t) AS coalesce(
    nullif(zeros(t, 8), t), nullif(zeros(t, 7), t), nullif(zeros(t, 6), t), nullif(zeros(t, 5), t),
    nullif(zeros(t, 4), t), nullif(zeros(t, 3), t), nullif(zeros(t, 2), t), t);
CREATE MACRO address(t) AS CASE WHEN regexp_full_match(t, '([0-9A-Fa-f]{4}:){7}[0-9A-Fa-f]{4}')
    THEN shorter(groups(t)) ELSE lower(stripped(t)) END;
CREATE MACRO hostname(t) AS regexp_replace(lower(stripped(t)), '\.$', '');
CREATE MACRO hexadecimal(t) AS replace(lower(stripped(t)), ':', '');
CREATE MACRO mail(t) AS lower(regexp_replace(stripped(t), '^.*<([^<>]*)>$', '\1'));
CREATE MACRO filename(t) AS lower(regexp_extract(stripped(t), '[^/\\]*$'));
CREATE MACRO sent(t) AS
    replace(regexp_replace(regexp_replace(t, '#.*', ''), '\?+$', ''), ' ', '%20');
CREATE MACRO url(t) AS regexp_replace(sent(regexp_replace(t, '^[Hh][Tt][Tt][Pp]s?://', '')),
    '^([^/:]*)(:80)?(/|$)',
    lower(regexp_extract(t, '^(?:[Hh][Tt][Tt][Pp]s?://)?([^/:]*)', 1)) || '/');
CREATE MACRO digest(t) AS t;
CREATE MACRO part(j, path) AS json_extract_string(j, '$.' || path);
CREATE MACRO texts(j, path) AS coalesce(json_extract_string(j, '$.' || path), []);
CREATE MACRO header(j, headers, wanted) AS list_filter(list_transform(
    coalesce(from_json(j->'http'->headers, '[{"name":"VARCHAR","value":"VARCHAR"}]'), []),
    lambda h: CASE WHEN lower(h.name) = wanted THEN h.value END), lambda v: v <> '')[1];
CREATE MACRO asked(j) AS
    coalesce(header(j, 'request_headers', ':authority'), header(j, 'request_headers', 'host'));
CREATE MACRO host(j) AS
    coalesce(part(j, 'http.hostname'), regexp_replace(asked(j), ':\d+$', ''));
"""
ANSWER = "CASE WHEN part(j, 'dns.type') IN ('answer', 'response') THEN {} ELSE [] END"
QUERY = "CASE WHEN part(j, 'dns.type') IN ('query', 'request') THEN {} ELSE [] END"
RECORDS = 'coalesce(from_json(j->\'dns\'->\'{}\', \'[{{"rrtype":"VARCHAR","rdata":"JSON"}}]\'), [])'
SECTIONS = ("answers", "authorities", "additionals")


def rdata(*kinds: str) -> str:
    """The rdata of records of some kinds, wherever an answer has them."""
    wanted = ", ".join(f"'{kind}'" for kind in kinds)
    lists = [
        f"list_transform(list_filter({RECORDS.format(section)}, lambda r: r.rrtype IN ({wanted})),"
        " lambda r: r.rdata->>'$')"
        for section in SECTIONS
    ]
    lists += [f"texts(j, 'dns.grouped.{kind}[*]')" for kind in kinds]
    lists += [
        f"CASE WHEN part(j, 'dns.rrtype') IN ({wanted}) THEN [part(j, 'dns.rdata')] ELSE [] END"
    ]
    return f"flatten([{', '.join(lists)}])"


def member(path: str) -> str:
    return f"[part(j, '{path}')]"


def each(path: str) -> str:
    return f"texts(j, '{path}[*]')"


NAMES_OF_ANSWERS = (
    "flatten([["
    "part(j, 'dns.rrname')], texts(j, 'dns.queries[*].rrname'), "
    + ", ".join(f"texts(j, 'dns.{section}[*].rrname')" for section in SECTIONS)
    + f", {rdata('CNAME', 'DNAME', 'NS', 'MX', 'PTR')}])"
)
CERTIFICATES = (
    f"list_filter(list_concat({member('tls.certificate')}, {each('tls.chain')}), lambda c: c <> '')"
)
URL_OF_REQUEST = """[CASE
    WHEN part(j, 'http.http_method') = 'CONNECT' AND part(j, 'http.url') NOT LIKE '/%' THEN NULL
    WHEN part(j, 'http.url') LIKE '/libhtp::%' THEN NULL
    WHEN regexp_matches(part(j, 'http.url'), '^[a-zA-Z]+://') THEN url(part(j, 'http.url'))
    ELSE coalesce(hostname(host(j)), '')
        || CASE WHEN (part(j, 'http.http_port'))::INT NOT IN (0, 80)
           THEN ':' || (part(j, 'http.http_port')) ELSE '' END
        || CASE WHEN part(j, 'http.url') LIKE '/%' THEN '' ELSE '/' END
        || sent(part(j, 'http.url')) END]"""
PRINCIPAL = "[nullif(part(j, 'krb5.{}'), '<empty>')]"

SQL: dict[str, tuple[str, str]] = {
    "dns.query": (
        QUERY.format(f"list_concat({member('dns.rrname')}, texts(j, 'dns.queries[*].rrname'))"),
        "hostname",
    ),
    "dns.response.rrname": (ANSWER.format(NAMES_OF_ANSWERS), "hostname"),
    "dns.response.ip": (ANSWER.format(rdata("A", "AAAA")), "address"),
    "tls.sni": (member("tls.sni"), "hostname"),
    "tls.cert_subject": (member("tls.subject"), "plain"),
    "tls.cert_issuer": (member("tls.issuerdn"), "plain"),
    "tls.cert_serial": (member("tls.serial"), "plain"),
    "tls.cert_fingerprint": (member("tls.fingerprint"), "hexadecimal"),
    "tls.subjectaltname": (each("tls.subjectaltname"), "hostname"),
    "tls.certs.sha256": (
        f"list_transform({CERTIFICATES}, lambda c: sha256(from_base64(c)))",
        "digest",
    ),
    "tls.certs.md5": (f"list_transform({CERTIFICATES}, lambda c: md5(from_base64(c)))", "digest"),
    "ja3.hash": ("[coalesce(part(j, 'tls.ja3.hash'), part(j, 'quic.ja3.hash'))]", "hexadecimal"),
    "ja3s.hash": (
        "[coalesce(part(j, 'tls.ja3s.hash'), part(j, 'quic.ja3s.hash'))]",
        "hexadecimal",
    ),
    "ja4.hash": ("[coalesce(part(j, 'tls.ja4'), part(j, 'quic.ja4'))]", "plain"),
    "quic.sni": (member("quic.sni"), "hostname"),
    "http.host": ("[host(j)]", "hostname"),
    "http.url": (URL_OF_REQUEST, "digest"),
    "http.user_agent": (member("http.http_user_agent"), "plain"),
    "http.method": (member("http.http_method"), "plain"),
    "http.referer": (member("http.http_refer"), "plain"),
    "http.server": (
        "[coalesce(part(j, 'http.server'), header(j, 'response_headers', 'server'))]",
        "plain",
    ),
    "http.cookie": (
        "[coalesce(part(j, 'http.cookie'), header(j, 'request_headers', 'cookie'))]",
        "plain",
    ),
    "filemd5": (member("fileinfo.md5"), "hexadecimal"),
    "filesha1": (member("fileinfo.sha1"), "hexadecimal"),
    "filesha256": (member("fileinfo.sha256"), "hexadecimal"),
    "file.name": (member("fileinfo.filename"), "filename"),
    "file.magic": (member("fileinfo.magic"), "plain"),
    "ssh.software": (
        "[part(j, 'ssh.client.software_version'), part(j, 'ssh.server.software_version')]",
        "plain",
    ),
    "ssh.hassh": (member("ssh.client.hassh.hash"), "hexadecimal"),
    "ssh.hassh.server": (member("ssh.server.hassh.hash"), "hexadecimal"),
    "smtp.helo": (member("smtp.helo"), "hostname"),
    "smtp.mail_from": (member("smtp.mail_from"), "mail"),
    "smtp.rcpt_to": (each("smtp.rcpt_to"), "mail"),
    "email.from": (member("email.from"), "mail"),
    "email.to": (each("email.to"), "mail"),
    "email.cc": (each("email.cc"), "mail"),
    "email.subject": (member("email.subject"), "plain"),
    "email.x_mailer": (member("email.x_mailer"), "plain"),
    "email.message_id": (member("email.message_id"), "plain"),
    "email.url": (each("email.url"), "url"),
    "email.attachment": (each("email.attachment"), "filename"),
    "ip.dst": (member("dest_ip"), "address"),
    "ip.src": (member("src_ip"), "address"),
    "ip.dst.port": ("[address(part(j, 'dest_ip')) || ',' || (part(j, 'dest_port'))]", "digest"),
    "krb5.cname": (PRINCIPAL.format("cname"), "plain"),
    "krb5.sname": (PRINCIPAL.format("sname"), "plain"),
    "smb.share": (member("smb.share"), "plain"),
    "smb.named_pipe": (member("smb.named_pipe"), "plain"),
    "smb.filename": ("[nullif(part(j, 'smb.filename'), '<share_root>')]", "filename"),
    "smb.ntlmssp_user": (member("smb.ntlmssp.user"), "plain"),
    "smb.ntlmssp_domain": (member("smb.ntlmssp.domain"), "plain"),
    "smb.ntlmssp_host": (member("smb.ntlmssp.host"), "plain"),
}
"""By field: a list of the texts of an event ``j``, and the macro that spells them."""

EVENTS = """
CREATE TABLE raw AS SELECT row_number() OVER () AS id, json AS j
    FROM read_ndjson_objects('{path}');
CREATE TABLE flow AS SELECT DISTINCT part(j, 'flow_id') AS flow_id,
    address(part(j, 'src_ip')) AS src, address(part(j, 'dest_ip')) AS dest
    FROM raw WHERE part(j, 'event_type') = 'flow';
CREATE TABLE whole AS SELECT id, j, part(j, 'event_type') AS kind,
    epoch_us(strptime(part(j, 'timestamp'), '%Y-%m-%dT%H:%M:%S.%f%z')) AS us,
    address(part(j, 'src_ip')) AS src, address(part(j, 'dest_ip')) AS dest,
    CASE WHEN part(j, 'event_type') = 'flow' THEN NULL
        ELSE coalesce(part(j, 'parent_id'), part(j, 'flow_id')) END AS flow_id FROM raw;
CREATE TABLE event AS SELECT id, j, kind, us,
    CASE WHEN flow.src IS NOT NULL THEN flow.src WHEN kind = 'flow' THEN whole.src
        ELSE whole.dest END AS client,
    CASE WHEN flow.src IS NOT NULL THEN flow.dest WHEN kind = 'flow' THEN whole.dest
        ELSE whole.src END AS server
    FROM whole LEFT JOIN flow ON flow.flow_id = whole.flow_id
        AND ((flow.src = whole.src AND flow.dest = whole.dest)
          OR (flow.src = whole.dest AND flow.dest = whole.src));
"""
"""An event has the ends of its flow; a file over FTP those of the session (``parent_id``). A file
without a flow is a download.
"""
ONE_FIELD = """
WITH value AS (SELECT DISTINCT id, us, client, server, {spell}(text) AS value FROM (
    SELECT id, us, client, server, unnest({texts}) AS text FROM event WHERE kind IN ({kinds})))
SELECT value, min(us), max(us), count(*), list_sort(list(DISTINCT client)),
    list_sort(list(DISTINCT server)) FROM value WHERE value <> '' GROUP BY value ORDER BY value
"""

Seen = dict[str, tuple[int, int, int, list[str], list[str]]]


def written(path: Path) -> Path:
    """Write events with what the captures do not show: old versions, and settings that are off."""
    ends = {"src_ip": "10.0.0.5", "src_port": 40_000, "dest_ip": "203.0.113.9", "dest_port": 80}
    turned = {"src_ip": "203.0.113.9", "src_port": 53, "dest_ip": "10.0.0.5", "dest_port": 40_000}
    encoded = ["MIIBleaf", "MIIBroot"]
    record = {"type": "answer", "rrname": "Www.x.example"}
    headers = [{"name": "Cookie", "value": "a=1"}, {"name": "Server", "value": "nginx"}]
    events: list[dict[str, Any]] = [
        {**ends, "event_type": "flow"},
        {**ends, "event_type": "dns", "dns": {"type": "query", "rrname": "Www.x.example."}},
        {**turned, "event_type": "dns", "dns": {**record, "rrtype": "A", "rdata": "198.51.100.1"}},
        {
            **turned,
            "event_type": "dns",
            "dns": {**record, "rrtype": "CNAME", "rdata": "Evil.example"},
        },
        {**ends, "event_type": "tls", "tls": {"certificate": encoded[0], "chain": encoded}},
        {
            **ends,
            "event_type": "http",
            "http": {"hostname": "x", "url": "/", "cookie": "sid=1", "server": "s"},
        },
        {
            **ends,
            "event_type": "http",
            "http": {"request_headers": headers, "response_headers": headers},
        },
        {**ends, "event_type": "fileinfo", "fileinfo": {"magic": " PE32", "filename": "a"}},
        {
            **ends,
            "event_type": "ssh",
            "ssh": {
                "client": {"software_version": "x", "hassh": {"hash": "AB"}},
                "server": {"software_version": "x", "hassh": {"hash": "cd"}},
            },
        },
        {
            **ends,
            "event_type": "smtp",
            "email": {
                "from": "A <a@X.example>",
                "cc": ["B <b@X.example>", "b@x.example"],
                "subject": "s",
                "x_mailer": "m",
                "message_id": "<1@x>",
                "url": ["Phish.example/Login", "http://phish.example:80/Login"],
            },
        },
    ]
    with path.open("w", encoding="utf-8") as lines:
        for number, event in enumerate(events * 3):
            head = {"timestamp": f"2026-11-24T12:00:{59 - number}.5+0100", "flow_id": 1}
            lines.write(json.dumps({**head, **event}, separators=(",", ":")) + "\n")
    return path


def bytes_of(path: Path) -> bytes:
    if path.suffix != ".zst":
        return path.read_bytes()
    with path.open("rb") as stream:
        return zstandard.ZstdDecompressor().stream_reader(stream).read()


CORPORA = (
    "suricata-7.0.10-shared-pcaps.jsonl.zst",
    "suricata-8.0.7-shared-pcaps.jsonl.zst",
    "suricata-verify-fileinfo-expected.jsonl",
    "written",
)


@pytest.fixture(scope="module", params=CORPORA)
def corpus(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if request.param == "written":
        return written(tmp_path_factory.mktemp("eve") / "eve.json")
    return shared_data / "eve" / str(request.param)


@pytest.fixture(scope="module")
def folded(corpus: Path) -> Folded:
    fold = PythonFold(home=HOME)
    lines = bytes_of(corpus).splitlines(keepends=True)
    for start in range(0, len(lines), 1000):
        fold.add(b"".join(lines[start : start + 1000]))
    return fold.take()


@pytest.fixture(scope="module")
def raw(corpus: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET threads = 2;" + MACROS)
    connection.execute(EVENTS.format(path=corpus))
    yield connection
    connection.close()


def test_no_corpus_and_no_field_is_left_out(shared_data: Path) -> None:
    files = {path.name for path in (shared_data / "eve").iterdir()}
    assert files == set(CORPORA) - {"written"}
    assert set(SQL) == {field.name for field in FIELDS}


def by_value(folded: Folded, name: str) -> Seen:
    clients: dict[str, set[str]] = defaultdict(set)
    servers: dict[str, set[str]] = defaultdict(set)
    for row in folded.observations.to_pylist():
        if row["field"] == name:
            clients[row["value"]].add(row["client"])
            servers[row["value"]].add(row["server"])
    times = folded.sightings.set_column(
        2, "first_seen", folded.sightings["first_seen"].cast("int64")
    )
    times = times.set_column(5, "last_seen", times["last_seen"].cast("int64"))
    return {
        row["value"]: (
            row["first_seen"],
            row["last_seen"],
            row["count"],
            sorted(clients[row["value"]]),
            sorted(servers[row["value"]]),
        )
        for row in times.to_pylist()
        if row["field"] == name
    }


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_first_last_count_and_who_are_what_duckdb_says(
    field: Any, raw: duckdb.DuckDBPyConnection, folded: Folded
) -> None:
    texts, spell = SQL[field.name]
    kinds = ", ".join(f"'{kind}'" for kind in field.event.split("|"))
    rows = raw.execute(ONE_FIELD.format(texts=texts, spell=spell, kinds=kinds)).fetchall()
    assert by_value(folded, field.name) == {row[0]: row[1:] for row in rows}


def test_clients_of_files_are_those_that_opened_the_flow(corpus: Path) -> None:
    """All of them, where the rule without a look at the flow could be wrong."""
    lines = bytes_of(corpus).splitlines()
    events = [json.loads(line) for line in lines]
    flows = defaultdict(set)
    for event in events:
        if event["event_type"] == "flow":
            flows[event["flow_id"]].add((event["src_ip"], event["dest_ip"]))
    home, right, wrong = Home(HOME), 0, []
    for line, event in zip(lines, events, strict=True):
        opened = flows[event.get("parent_id", event["flow_id"])] if "flow_id" in event else None
        decoded = decode(line)
        if event["event_type"] == "fileinfo" and opened and decoded is not None:
            ends = event["src_ip"], event["dest_ip"]
            if (ends[::-1] if is_turned(decoded, home) else ends) in opened:
                right += 1
            else:
                wrong.append(ends)
    assert not wrong
    assert right == {"7": 543, "8": 556}.get(corpus.name.removeprefix("suricata-")[:1], right)


LISTS: dict[str, tuple[IndicatorType, Spelling]] = {
    "domains-maltrail.txt.zst": (IndicatorType.HOSTNAME, Spelling.NAME),
    "ips-maltrail.txt.zst": (IndicatorType.IP_DST, Spelling.ADDRESS),
    "urls-maltrail.txt.zst": (IndicatorType.URL, Spelling.URL),
}


@pytest.mark.parametrize("name", LISTS)
def test_published_indicators_would_be_kept_as_they_are_looked_for(
    name: str, shared_data: Path
) -> None:
    kind, spelling = LISTS[name]
    same, other = 0, []
    for line in bytes_of(shared_data / "lists" / name).decode().splitlines()[::20]:
        try:
            key = normalize(kind, line)
        except UnusableValueError:
            continue
        if key.type is kind:
            if observed(spelling, line) == observed(spelling, key.value) == key.value:
                same += 1
            else:
                other.append(line)
    assert same > 500
    assert not other
