"""THE table: which indicator type is matched in which Suricata buffer, by which rule.

The compiler, the EVE reader, the coverage page and the docs all read it; what is not here cannot be
matched. Each row was loaded and fired on Suricata 7.0.10 and 8.0.7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from vedette.model import IndicatorType as T


class Profile(StrEnum):
    """What an engine version can do; a sensor has exactly one."""

    V7_0 = "7.0"
    V8_0 = "8.0"
    """8.0.0 to 8.0.6: more buffers and JSON datasets, no ``match subdomain``."""
    V8_0_7 = "8.0.7"
    """8.0.7 and later: ``match subdomain``."""

    @property
    def version(self) -> tuple[int, int, int]:
        """The first engine version with these capabilities."""
        return _FIRST_VERSION[self]


_FIRST_VERSION: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"7.0": (7, 0, 0), "8.0": (8, 0, 0), "8.0.7": (8, 0, 7)}
)


class DatasetType(StrEnum):
    """Suricata's ``type`` of a dataset; FILE_* are hash lists of filemd5 and its sisters."""

    STRING = "string"
    IP = "ip"
    MD5 = "md5"
    SHA256 = "sha256"
    FILE_MD5 = "filemd5"
    FILE_SHA1 = "filesha1"
    FILE_SHA256 = "filesha256"

    @property
    def is_file_list(self) -> bool:
        """Whether it is a hash list: no dataset, no socket, only a reload changes it."""
        return self.value.startswith("file")


class Encoding(StrEnum):
    """How an indicator's canonical value becomes the entry that the engine compares."""

    PLAIN = "plain"
    SUBDOMAIN = "subdomain"
    """8.0.7: ``.name`` with ``match subdomain``; before: one set per number of labels."""
    COLONS = "colons"
    """``aa:bb:cc`` as Suricata prints certificate fingerprints."""
    URL_HOST = "url-host"
    """The host of a URL, without port."""
    URL_PATH = "url-path"
    """Path and query of a URL, and the absolute form that a proxy sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """One place where the engine compares values with a dataset: exactly one rule."""

    sid: int
    """Offset from the sid base, in hundreds; never reused, never renumbered."""
    name: str
    """Suricata's name of the sticky buffer, as in its documentation."""
    protocol: str
    """The protocol in the rule header."""
    inspect: str
    """The rule text from the sticky buffer up to the dataset keyword, transforms included."""
    flow: str = "flow:established,to_server;"
    after: str = ""
    """Rule text behind the dataset keyword."""
    once_per_flow: bool = False
    """Whether the rule looks at every packet: a flowbit of its own makes it alert once per flow."""
    since: tuple[int, int, int] = (7, 0, 0)
    """First engine version that knows the keyword."""
    eve: tuple[str, ...] = ()
    """Where the value stands in EVE (alert or protocol event), any version.

    Dotted; ``[]`` for each item of a list, ``[name]`` for the header of that name.
    """
    needs: str = ""
    """The setting in suricata.yaml without which it stays silent, or ``""``."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A set of values and the buffers that are compared with it."""

    name: str
    """Without prefix; the file is ``<prefix>-<name>.lst``."""
    type: DatasetType
    buffers: tuple[Buffer, ...]
    encoding: Encoding = Encoding.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one indicator type is matched."""

    type: T
    datasets: tuple[Dataset, ...]
    misp: tuple[str, ...]
    """MISP attribute types that become it; of a composite, the named part (``domain|ip#1``)."""
    classtype: str = "trojan-activity"
    priority: int = 0
    """Of its rules, over the classtype's (1 is the highest); 0: the classtype's."""
    target: str = "src_ip"
    """The end that is ours, for the rule's ``target`` keyword."""
    confirm: str = ""
    """What the hit reader must still compare, because one dataset cannot."""


UNSURE = 3
"""Priority of what many programs send as well: a hint, no verdict."""

_V8 = (8, 0, 0)
_DNS_EVE = ("dns.queries[].rrname", "dns.query[].rrname", "dns.rrname")
_DNS_RESPONSE_EVE = (
    "dns.answers[].rrname",
    "dns.answers[].rdata",
    "dns.authorities[].rrname",
    "dns.authorities[].rdata",
    "dns.additionals[].rrname",
    "dns.queries[].rrname",
)
_HOST_EVE = ("http.hostname", "http.request_headers[:authority]", "http.request_headers[host]")
"""The headers are HTTP/2 on 7.0, which has no ``hostname`` there."""
_CERTIFICATES_EVE = ("tls.certificate", "tls.chain[]")
"""Only with ``custom: [certificate, chain]`` in the tls output of EVE."""
_BASENAME = 'pcrexform:"([^\\/\\\\]+)$";'
_ADDRESS = 'pcrexform:"([^<,\\s]+@[^>,\\s]+)"; to_lowercase;'


def _names(first: int) -> tuple[Buffer, ...]:
    """The places where a name is seen; ``first`` is the first sid offset of seven."""
    return (
        Buffer(
            sid=first,
            name="dns.query",
            protocol="dns",
            inspect="dns.query; to_lowercase;",
            flow="",  # `established` is never true on the first UDP packet
            eve=_DNS_EVE,
        ),
        Buffer(
            sid=first + 1,
            name="http.host",
            protocol="http",
            inspect="http.host; to_lowercase;",  # 7.0.10 keeps the case before a port
            eve=_HOST_EVE,
            note="without port in the engine",
        ),
        Buffer(
            sid=first + 2,
            name="tls.sni",
            protocol="tls",
            inspect="tls.sni; to_lowercase;",
            eve=("tls.sni",),
        ),
        Buffer(
            sid=first + 3,
            name="quic.sni",
            protocol="quic",
            inspect="quic.sni; to_lowercase;",
            flow="",
            eve=("quic.sni",),
        ),
        Buffer(
            sid=first + 4,
            name="dns.response.rrname",
            protocol="dns",
            inspect="dns.response.rrname; to_lowercase;",
            flow="",
            since=_V8,
            eve=_DNS_RESPONSE_EVE,
            note="names in answers: a CNAME to a listed name",
        ),
        Buffer(
            sid=first + 5,
            name="tls.subjectaltname",
            protocol="tls",
            inspect="tls.subjectaltname; to_lowercase;",
            flow="flow:established,to_client;",
            since=_V8,
            eve=("tls.subjectaltname[]",),
            note="names in a certificate; invisible in TLS 1.3",
        ),
        Buffer(
            sid=first + 6,
            name="smtp.helo",
            protocol="smtp",
            inspect="smtp.helo; to_lowercase;",
            since=_V8,
            eve=("smtp.helo",),
        ),
    )


def _ip(sid: int, name: str, eve: str) -> Buffer:
    return Buffer(
        sid=sid,
        name=name,
        protocol="ip",
        inspect=f"{name};",
        flow="flow:to_server;",
        once_per_flow=True,
        eve=(eve,),
        note="once per flow",
    )


def _http(sid: int, name: str, eve: tuple[str, ...], flow: str = "to_server") -> Buffer:
    return Buffer(
        sid=sid,
        name=name,
        protocol="http",
        inspect=f"{name};",
        flow=f"flow:established,{flow};",
        eve=eve,
    )


def _string(name: str, *buffers: Buffer) -> tuple[Dataset, ...]:
    return (Dataset(name=name, type=DatasetType.STRING, buffers=buffers),)


def _file_hash(sid: int, kind: DatasetType) -> tuple[Dataset, ...]:
    algorithm = kind.value.removeprefix("file")
    buffer = Buffer(
        sid=sid,
        name=kind.value,
        protocol="ip",
        inspect="",
        flow="",
        eve=(f"fileinfo.{algorithm}", f"files[].{algorithm}"),
        needs=(
            "HTTP bodies beyond response-body-limit (100kb) have no hash; 7.0 computes only one of"
            " md5, sha1, sha256 for a file (the largest list's) unless force-hash names all"
        ),
    )
    return (Dataset(name=algorithm, type=kind, buffers=(buffer,)),)


def _tls_hash(
    sid: int, name: str, protocol: str, eve: str, flow: str, *, needs: str = ""
) -> Buffer:
    return Buffer(
        sid=sid,
        name=name,
        protocol=protocol,
        inspect=f"{name};",
        flow=flow,
        eve=(eve,),
        needs=needs,
    )


def _email(sid: int, name: str, eve: tuple[str, ...], transforms: str = "") -> Buffer:
    return Buffer(
        sid=sid,
        name=name,
        protocol="smtp",
        inspect=f"{name}; {transforms}".rstrip(),
        since=_V8,
        eve=eve,
    )


_EST_S = "flow:established,to_server;"
_EST_C = "flow:established,to_client;"
_JA3_SETTING = "app-layer.protocols.tls.ja3-fingerprints (auto is enough)"
_JA4_SETTING = "app-layer.protocols.tls.ja4-fingerprints (auto is enough)"
_HASSH_SETTING = "app-layer.protocols.ssh.hassh (auto is enough)"

_ROWS: tuple[Row, ...] = (
    Row(
        type=T.DOMAIN,
        misp=("domain", "domain|ip#1"),
        datasets=(
            Dataset(
                name="domain",
                type=DatasetType.STRING,
                encoding=Encoding.SUBDOMAIN,
                buffers=_names(1),
            ),
        ),
    ),
    Row(
        type=T.HOSTNAME,
        misp=("hostname", "hostname|port#1"),
        datasets=_string("hostname", *_names(11)),
    ),
    Row(
        type=T.IP_DST,
        misp=("ip-dst", "domain|ip#2"),
        datasets=(
            Dataset(name="ip-dst", type=DatasetType.IP, buffers=(_ip(21, "ip.dst", "dest_ip"),)),
        ),
    ),
    Row(
        type=T.IP_SRC,
        misp=("ip-src",),
        target="dest_ip",
        datasets=(
            Dataset(name="ip-src", type=DatasetType.IP, buffers=(_ip(22, "ip.src", "src_ip"),)),
        ),
    ),
    Row(
        type=T.IP_DST_PORT,
        misp=("ip-dst|port",),
        confirm="port",
        datasets=(
            Dataset(
                name="ip-dst-port", type=DatasetType.IP, buffers=(_ip(23, "ip.dst", "dest_ip"),)
            ),
        ),
    ),
    Row(
        type=T.IP_SRC_PORT,
        misp=("ip-src|port",),
        confirm="port",
        target="dest_ip",
        datasets=(
            Dataset(
                name="ip-src-port", type=DatasetType.IP, buffers=(_ip(24, "ip.src", "src_ip"),)
            ),
        ),
    ),
    Row(
        type=T.URL,
        misp=("url", "link"),
        confirm="url",
        datasets=(
            Dataset(
                name="url-host",
                type=DatasetType.STRING,
                encoding=Encoding.URL_HOST,
                buffers=(
                    Buffer(
                        sid=31,
                        name="http.host",
                        protocol="http",
                        inspect="flowbits:isset,vedette.url-path; http.host; to_lowercase;",
                        eve=_HOST_EVE,
                        note="the hit reader compares host, port and path as one value",
                    ),
                ),
            ),
            Dataset(
                name="url-path",
                type=DatasetType.STRING,
                encoding=Encoding.URL_PATH,
                buffers=(
                    Buffer(
                        sid=32,
                        name="http.uri.raw",
                        protocol="http",
                        inspect="http.uri.raw;",
                        after="flowbits:set,vedette.url-path; noalert;",
                        eve=("http.url",),
                        note="marks the flow for the host rule, because 8.x sees it first",
                    ),
                ),
            ),
            Dataset(
                name="url-mail",
                type=DatasetType.STRING,
                buffers=(_email(33, "email.url", ("email.url[]",)),),
            ),
        ),
    ),
    Row(
        type=T.URI,
        priority=UNSURE,
        misp=("uri",),
        datasets=_string("uri", _http(34, "http.uri.raw", ("http.url",))),
    ),
    Row(
        type=T.USER_AGENT,
        priority=UNSURE,
        misp=("user-agent",),
        datasets=_string("user-agent", _http(35, "http.user_agent", ("http.http_user_agent",))),
    ),
    Row(
        type=T.HTTP_METHOD,
        priority=UNSURE,
        misp=("http-method",),
        datasets=_string("http-method", _http(36, "http.method", ("http.http_method",))),
    ),
    Row(
        type=T.COOKIE,
        misp=("cookie",),
        datasets=_string(
            "cookie", _http(37, "http.cookie", ("http.cookie", "http.request_headers[cookie]"))
        ),
    ),
    Row(
        type=T.REFERER,
        misp=(),
        datasets=_string("referer", _http(38, "http.referer", ("http.http_refer",))),
    ),
    Row(
        type=T.HTTP_SERVER,
        priority=UNSURE,
        misp=(),
        datasets=_string(
            "http-server",
            _http(39, "http.server", ("http.server", "http.response_headers[server]"), "to_client"),
        ),
    ),
    Row(
        type=T.MD5,
        misp=("md5", "filename|md5#2", "malware-sample#2"),
        datasets=_file_hash(41, DatasetType.FILE_MD5),
    ),
    Row(
        type=T.SHA1,
        misp=("sha1", "filename|sha1#2"),
        datasets=_file_hash(42, DatasetType.FILE_SHA1),
    ),
    Row(
        type=T.SHA256,
        misp=("sha256", "filename|sha256#2"),
        datasets=_file_hash(43, DatasetType.FILE_SHA256),
    ),
    Row(
        type=T.FILENAME,
        priority=UNSURE,
        misp=("filename", "attachment", "email-attachment"),
        datasets=_string(
            "filename",
            Buffer(
                sid=44,
                name="file.name",
                protocol="ip",
                inspect=f"file.name; to_lowercase; {_BASENAME}",
                flow="",
                eve=("fileinfo.filename", "files[].filename"),
                note="the last part of a path; an HTTP file may be named after its URL",
            ),
        ),
    ),
    Row(
        type=T.JA3,
        priority=UNSURE,
        misp=("ja3-fingerprint-md5",),
        datasets=_string(
            "ja3",
            _tls_hash(51, "ja3.hash", "tls", "tls.ja3.hash", _EST_S, needs=_JA3_SETTING),
            _tls_hash(52, "ja3.hash", "quic", "quic.ja3.hash", "", needs=_JA3_SETTING),
        ),
    ),
    Row(
        type=T.JA3S,
        priority=UNSURE,
        misp=(),
        datasets=_string(
            "ja3s", _tls_hash(53, "ja3s.hash", "tls", "tls.ja3s.hash", _EST_C, needs=_JA3_SETTING)
        ),
    ),
    Row(
        type=T.JA4,
        priority=UNSURE,
        misp=("ja4-plus",),
        datasets=_string(
            "ja4",
            _tls_hash(54, "ja4.hash", "tls", "tls.ja4", _EST_S, needs=_JA4_SETTING),
            _tls_hash(55, "ja4.hash", "quic", "quic.ja4", "", needs=_JA4_SETTING),
        ),
    ),
    Row(
        type=T.CERT_SHA1,
        misp=("x509-fingerprint-sha1",),
        datasets=(
            Dataset(
                name="cert-sha1",
                type=DatasetType.STRING,
                encoding=Encoding.COLONS,
                buffers=(
                    Buffer(
                        sid=56,
                        name="tls.cert_fingerprint",
                        protocol="tls",
                        inspect="tls.cert_fingerprint;",
                        flow=_EST_C,
                        eve=("tls.fingerprint",),
                        note="TLS 1.3 shows no certificate",
                    ),
                ),
            ),
        ),
    ),
    Row(
        type=T.CERT_SHA256,
        misp=("x509-fingerprint-sha256",),
        datasets=(
            Dataset(
                name="cert-sha256",
                type=DatasetType.SHA256,
                buffers=(
                    Buffer(
                        sid=57,
                        name="tls.certs",
                        protocol="tls",
                        inspect="tls.certs; to_sha256;",
                        flow=_EST_C,
                        eve=_CERTIFICATES_EVE,
                        note="hashed from the certificate; without it the hit has SNI and subject",
                    ),
                ),
            ),
        ),
    ),
    Row(
        type=T.CERT_MD5,
        misp=("x509-fingerprint-md5",),
        datasets=(
            Dataset(
                name="cert-md5",
                type=DatasetType.MD5,
                buffers=(
                    Buffer(
                        sid=58,
                        name="tls.certs",
                        protocol="tls",
                        inspect="tls.certs; to_md5;",
                        flow=_EST_C,
                        eve=_CERTIFICATES_EVE,
                        note="hashed from the certificate; without it the hit has SNI and subject",
                    ),
                ),
            ),
        ),
    ),
    Row(
        type=T.HASSH,
        priority=UNSURE,
        misp=("hassh-md5",),
        datasets=_string(
            "hassh",
            _tls_hash(
                61, "ssh.hassh", "ssh", "ssh.client.hassh.hash", _EST_S, needs=_HASSH_SETTING
            ),
        ),
    ),
    Row(
        type=T.HASSH_SERVER,
        priority=UNSURE,
        misp=("hasshserver-md5",),
        datasets=_string(
            "hassh-server",
            _tls_hash(
                62, "ssh.hassh.server", "ssh", "ssh.server.hassh.hash", _EST_C, needs=_HASSH_SETTING
            ),
        ),
    ),
    Row(
        type=T.SSH_SOFTWARE,
        priority=UNSURE,
        misp=(),
        datasets=_string(
            "ssh-software",
            Buffer(
                sid=63,
                name="ssh.software",
                protocol="ssh",
                inspect="ssh.software;",
                flow="",
                eve=("ssh.client.software_version", "ssh.server.software_version"),
            ),
        ),
    ),
    Row(
        type=T.EMAIL_SRC,
        misp=("email-src", "email"),
        datasets=_string(
            "email-src",
            _email(71, "smtp.mail_from", ("smtp.mail_from",), _ADDRESS),
            _email(72, "email.from", ("email.from",), _ADDRESS),
        ),
    ),
    Row(
        type=T.EMAIL_DST,
        misp=("email-dst",),
        datasets=_string(
            "email-dst",
            _email(73, "smtp.rcpt_to", ("smtp.rcpt_to[]",), _ADDRESS),
            _email(74, "email.to", ("email.to[]",), _ADDRESS),
        ),
    ),
    Row(
        type=T.EMAIL_SUBJECT,
        priority=UNSURE,
        misp=("email-subject",),
        datasets=_string("email-subject", _email(75, "email.subject", ("email.subject",))),
    ),
    Row(
        type=T.EMAIL_X_MAILER,
        priority=UNSURE,
        misp=("email-x-mailer",),
        datasets=_string("email-x-mailer", _email(76, "email.x_mailer", ("email.x_mailer",))),
    ),
    Row(
        type=T.EMAIL_MESSAGE_ID,
        misp=("email-message-id",),
        datasets=_string("email-message-id", _email(77, "email.message_id", ("email.message_id",))),
    ),
)

ROWS: Mapping[T, Row] = MappingProxyType({row.type: row for row in _ROWS})
"""One row for each indicator type, in the order of :class:`vedette.model.IndicatorType`."""

UNMATCHABLE: Mapping[str, str] = MappingProxyType(
    {
        "jarm-fingerprint": "JARM needs an active scan of the server; a sensor only listens",
        "regkey": "registry keys are on the host, not on the network",
        "regkey|value": "registry keys are on the host, not on the network",
        "mutex": "mutexes are on the host, not on the network",
        "ssdeep": "Suricata has no fuzzy hash",
        "filename|ssdeep": "Suricata has no fuzzy hash",
        "imphash": "Suricata does not parse executables",
        "filename|imphash": "Suricata does not parse executables",
        "sha224": "Suricata computes MD5, SHA-1 and SHA-256 only",
        "sha384": "Suricata computes MD5, SHA-1 and SHA-256 only",
        "sha512": "Suricata computes MD5, SHA-1 and SHA-256 only",
        "filename|sha512": "Suricata computes MD5, SHA-1 and SHA-256 only",
        "text": "free text is not a network value",
        "comment": "free text is not a network value",
        "other": "free text is not a network value",
        "yara": "content rules are not indicators of one value",
        "sigma": "content rules are not indicators of one value",
        "snort": "content rules are not indicators of one value",
        "pattern-in-file": "content patterns are not indicators of one value",
        "pattern-in-traffic": "content patterns are not indicators of one value",
        "pattern-in-memory": "content patterns are not indicators of one value",
        "AS": "an AS number is not in the packet",
        "mac-address": "Suricata has no rule keyword for MAC addresses",
        "email-body": "Suricata has no keyword for a mail body",
    }
)
"""MISP types that no engine can match, with the reason shown to people."""

LIST_STRING_MAX = 765
"""Longest value, in bytes, that 7.0 reads whole from a base64 file (measured; 8.x has no limit)."""


def misp_types() -> Mapping[str, tuple[tuple[int, T], ...]]:
    """MISP attribute type -> ((part, indicator type), ...); part 0 is the whole value."""
    table: dict[str, list[tuple[int, T]]] = {}
    for row in _ROWS:
        for name in row.misp:
            misp, _, part = name.partition("#")
            table.setdefault(misp, []).append((int(part or 0), row.type))
    return MappingProxyType({name: tuple(parts) for name, parts in table.items()})
