"""Where each of our fields stands in the documents of the three usual layouts. Data, no code.

A column is the path of a document field; ``a|b`` is the first of them that the indices have, and
``?a`` may be absent. A source is one column, or several that make one value (host, port and path of
a URL). A field that has several sources is looked for in all of them; a document counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from vedette.fields import FIELDS

Source = tuple[str, ...]


class Roles(Struct, frozen=True, kw_only=True):
    """Columns that are no field of ours, but say when, what and who."""

    time: str
    event: str
    dns_type: str
    app_proto: str
    command: str
    """FTP command of a transfer."""
    src_ip: str
    src_port: str
    dest_ip: str
    dest_port: str
    sensor: tuple[str, ...]
    """Paths in the document, the first that holds a text counts."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All that has to be looked up in the mapping."""
        ends = (self.src_ip, self.src_port, self.dest_ip, self.dest_port)
        kinds = (self.dns_type, self.app_proto, self.command)
        return (self.time, self.event, *kinds, *ends)


class Layout(Struct, frozen=True, kw_only=True):
    """How one kind of shipper keeps EVE."""

    name: str
    roles: Roles
    sources: Mapping[str, tuple[Source, ...]]
    """By ``Field.name``."""
    unanswered: Mapping[str, str]
    """Fields that no document of this layout can answer, with the reason."""
    partly: Mapping[str, str]
    """Fields of which a document keeps less than EVE has, with what is not found."""


def _each(*columns: str) -> tuple[Source, ...]:
    return tuple((column,) for column in columns)


_PARTS = ("answers", "authorities", "additionals")
_RDATA = ("dns.rdata", *(f"dns.{part}.rdata" for part in _PARTS))

_EVE: Mapping[str, tuple[Source, ...]] = {
    "dns.query": _each("dns.rrname", "dns.queries.rrname"),
    "dns.response.rrname": _each(
        "dns.rrname",
        "dns.queries.rrname",
        *(f"dns.{part}.rrname" for part in _PARTS),
        *_RDATA,
        *(f"dns.grouped.{kind}" for kind in ("CNAME", "DNAME", "NS", "MX", "PTR")),
    ),
    "dns.response.ip": _each(*_RDATA, "dns.grouped.A", "dns.grouped.AAAA"),
    "tls.sni": _each("tls.sni"),
    "tls.cert_subject": _each("tls.subject"),
    "tls.cert_issuer": _each("tls.issuerdn"),
    "tls.cert_serial": _each("tls.serial"),
    "tls.cert_fingerprint": _each("tls.fingerprint"),
    "tls.subjectaltname": _each("tls.subjectaltname"),
    "ja3.hash": _each("tls.ja3.hash", "quic.ja3.hash"),
    "ja3s.hash": _each("tls.ja3s.hash", "quic.ja3s.hash"),
    "ja4.hash": _each("tls.ja4", "quic.ja4"),
    "quic.sni": _each("quic.sni"),
    "http.host": _each("http.hostname"),
    "http.url": (("?http.hostname", "?http.http_port", "http.url"),),
    "http.user_agent": _each("http.http_user_agent"),
    "http.method": _each("http.http_method"),
    "http.referer": _each("http.http_refer"),
    "http.server": _each("http.server"),
    "http.cookie": _each("http.cookie"),
    "filemd5": _each("fileinfo.md5"),
    "filesha1": _each("fileinfo.sha1"),
    "filesha256": _each("fileinfo.sha256"),
    "file.name": _each("fileinfo.filename"),
    "file.magic": _each("fileinfo.magic"),
    "ssh.software": _each("ssh.client.software_version", "ssh.server.software_version"),
    "ssh.hassh": _each("ssh.client.hassh.hash"),
    "ssh.hassh.server": _each("ssh.server.hassh.hash"),
    "smtp.helo": _each("smtp.helo"),
    "smtp.mail_from": _each("smtp.mail_from"),
    "smtp.rcpt_to": _each("smtp.rcpt_to"),
    "email.from": _each("email.from"),
    "email.to": _each("email.to"),
    "email.cc": _each("email.cc"),
    "email.subject": _each("email.subject"),
    "email.x_mailer": _each("email.x_mailer"),
    "email.message_id": _each("email.message_id"),
    "email.url": _each("email.url"),
    "email.attachment": _each("email.attachment"),
    "ip.dst": _each("dest_ip"),
    "ip.src": _each("src_ip"),
    "ip.dst.port": (("dest_ip", "dest_port"),),
    "krb5.cname": _each("krb5.cname"),
    "krb5.sname": _each("krb5.sname"),
    "smb.share": _each("smb.share"),
    "smb.named_pipe": _each("smb.named_pipe"),
    "smb.filename": _each("smb.filename"),
    "smb.ntlmssp_user": _each("smb.ntlmssp.user"),
    "smb.ntlmssp_domain": _each("smb.ntlmssp.domain"),
    "smb.ntlmssp_host": _each("smb.ntlmssp.host"),
}

_ROOT = "suricata.eve."


def _rooted(column: str) -> str:
    return f"?{_ROOT}{column[1:]}" if column[0] == "?" else _ROOT + column


_URL_HOST = f"{_ROOT}http.hostname|url.domain|destination.domain"
_MOVED: Mapping[str, tuple[Source, ...]] = {
    "dns.response.rrname": _each(
        *(f"{_ROOT}{path}" for path in ("dns.rrname", "dns.queries.rrname", *_RDATA)),
        *(f"{_ROOT}dns.{part}.rrname" for part in _PARTS),
        "dns.answers.name",
        "dns.answers.data",
    ),
    "dns.response.ip": _each(
        *(f"{_ROOT}{path}" for path in _RDATA), "dns.resolved_ip", "dns.answers.data"
    ),
    "tls.sni": _each(f"{_ROOT}tls.sni|tls.client.server_name"),
    "tls.cert_subject": _each(f"{_ROOT}tls.subject|tls.server.subject"),
    "tls.cert_issuer": _each(f"{_ROOT}tls.issuerdn|tls.server.issuer"),
    "tls.cert_serial": _each(f"{_ROOT}tls.serial"),
    "tls.cert_fingerprint": _each(f"{_ROOT}tls.fingerprint|tls.server.hash.sha1"),
    "ja3.hash": _each(f"{_ROOT}tls.ja3.hash|tls.client.ja3", f"{_ROOT}quic.ja3.hash"),
    "ja3s.hash": _each(f"{_ROOT}tls.ja3s.hash|tls.server.ja3s", f"{_ROOT}quic.ja3s.hash"),
    "http.host": _each(_URL_HOST),
    "http.url": (
        (f"?{_URL_HOST}", f"?{_ROOT}http.http_port|url.port", f"{_ROOT}http.url|url.original"),
    ),
    "http.user_agent": _each(f"{_ROOT}http.http_user_agent|user_agent.original"),
    "http.method": _each(f"{_ROOT}http.http_method|http.request.method"),
    "http.referer": _each(f"{_ROOT}http.http_refer|http.request.referrer"),
    "filemd5": _each(f"{_ROOT}fileinfo.md5|file.hash.md5"),
    "filesha1": _each(f"{_ROOT}fileinfo.sha1|file.hash.sha1"),
    "filesha256": _each(f"{_ROOT}fileinfo.sha256|file.hash.sha256"),
    "file.name": _each(f"{_ROOT}fileinfo.filename|file.path"),
    "ip.dst": _each("destination.ip|destination.address"),
    "ip.src": _each("source.ip|source.address"),
    "ip.dst.port": (("destination.ip|destination.address", "destination.port"),),
}
_ECS: Mapping[str, tuple[Source, ...]] = {
    name: _MOVED.get(name)
    or tuple(tuple(_ROOT + column for column in source) for source in sources)
    for name, sources in _EVE.items()
}

_NO_DIGEST = "it is computed from the certificate, and no document holds it"
_UNANSWERED = MappingProxyType({"tls.certs.sha256": _NO_DIGEST, "tls.certs.md5": _NO_DIGEST})
_HEADERS = "what Suricata 7.0 writes of HTTP/2, as a list of headers"
_PARTLY = {
    "http.host": _HEADERS,
    "http.url": _HEADERS,
    "http.server": "what the engine writes only into a list of headers",
    "http.cookie": "what the engine writes only into a list of headers",
}

_SENSOR = ("host.name", "host", "observer.name", "agent.name", "beat.hostname")
_PLAIN = Roles(
    time="@timestamp|timestamp",
    event="event_type",
    dns_type="dns.type",
    app_proto="app_proto",
    command="ftp_data.command",
    src_ip="src_ip",
    src_port="src_port",
    dest_ip="dest_ip",
    dest_port="dest_port",
    sensor=("host", "sensor_name", *_SENSOR),
)

LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "ecs": Layout(
            name="ecs",
            roles=Roles(
                time="@timestamp",
                event=f"{_ROOT}event_type",
                dns_type=f"{_ROOT}dns.type|dns.type",
                app_proto=f"{_ROOT}app_proto|network.protocol",
                command=f"{_ROOT}ftp_data.command",
                src_ip="source.ip|source.address",
                src_port="source.port",
                dest_ip="destination.ip|destination.address",
                dest_port="destination.port",
                sensor=(f"{_ROOT}host", *_SENSOR),
            ),
            sources=_ECS,
            unanswered=_UNANSWERED,
            partly={
                **_PARTLY,
                "http.url": f"{_HEADERS}; URLs in which Filebeat has decoded %XX",
                "http.referer": "addresses in which Filebeat has decoded %XX",
            },
        ),
        "logstash": Layout(
            name="logstash", roles=_PLAIN, sources=_EVE, unanswered=_UNANSWERED, partly=_PARTLY
        ),
        "eve": Layout(
            name="eve",
            roles=replace(_PLAIN, time="timestamp|@timestamp"),
            sources=_EVE,
            unanswered=_UNANSWERED,
            partly=_PARTLY,
        ),
    }
)
"""By name, in the order in which they are looked for."""

ANSWER_TYPES = ("answer", "response")
"""``dns.type`` of answers, in all versions; whatever else it is, is a query."""

EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {field.name: tuple(field.event.split("|")) for field in FIELDS}
)
