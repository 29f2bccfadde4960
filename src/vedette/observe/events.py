"""EVE events as structs, as far as something in them is remembered.

One struct for each event type, with what Suricata 4 to 8 write; nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct, field


class Event(Struct, gc=False):
    """What every event has; alone, one of a type in which nothing is remembered."""

    event_type: str = ""
    timestamp: str = ""
    flow_id: int = 0
    src_ip: str = ""
    src_port: int = 0
    dest_ip: str = ""
    dest_port: int = 0


class Query(Struct, gc=False):
    """A question, version 3."""

    rrname: str = ""


class Record(Struct, gc=False):
    """A record of an answer."""

    rrname: str = ""
    rrtype: str = ""
    rdata: str = ""


class Grouped(Struct, gc=False):
    """Rdata of an answer by record type."""

    a: list[str] = field(name="A", default_factory=list)
    aaaa: list[str] = field(name="AAAA", default_factory=list)
    cname: list[str] = field(name="CNAME", default_factory=list)
    dname: list[str] = field(name="DNAME", default_factory=list)
    ns: list[str] = field(name="NS", default_factory=list)
    mx: list[str] = field(name="MX", default_factory=list)
    ptr: list[str] = field(name="PTR", default_factory=list)


class Dns(Struct, gc=False):
    """A query or an answer, any version."""

    type: str = ""
    rrname: str = ""
    rrtype: str = ""
    rdata: str = ""
    """Version 1: one event for each record of an answer."""
    queries: list[Query] = []
    answers: list[Record] = []
    authorities: list[Record] = []
    additionals: list[Record] = []
    grouped: Grouped | None = None


class DnsEvent(Event, gc=False):
    """``dns``."""

    dns: Dns | None = None


class Hashed(Struct, gc=False):
    """A fingerprint; its hash is enough."""

    hash: str = ""


class Tls(Struct, gc=False):
    """A TLS handshake."""

    sni: str = ""
    subject: str = ""
    issuerdn: str = ""
    serial: str = ""
    fingerprint: str = ""
    subjectaltname: list[str] = []
    certificate: str = ""
    chain: list[str] = []
    ja3: Hashed | None = None
    ja3s: Hashed | None = None
    ja4: str = ""


class TlsEvent(Event, gc=False):
    """``tls``."""

    tls: Tls | None = None


class Quic(Struct, gc=False):
    """A QUIC handshake."""

    sni: str = ""
    ja3: Hashed | None = None
    ja3s: Hashed | None = None
    ja4: str = ""


class QuicEvent(Event, gc=False):
    """``quic``."""

    quic: Quic | None = None


class Header(Struct, gc=False):
    """A header, as HTTP/2 and ``dump-all-headers`` write them."""

    name: str = ""
    value: str = ""


class Http(Struct, gc=False):
    """A request and its answer."""

    hostname: str = ""
    http_port: int = 0
    url: str = ""
    http_user_agent: str = ""
    http_method: str = ""
    http_refer: str = ""
    server: str = ""
    cookie: str = ""
    request_headers: list[Header] = []
    response_headers: list[Header] = []


class HttpEvent(Event, gc=False):
    """``http``."""

    http: Http | None = None


class FileInfo(Struct, gc=False):
    """A file that was transferred."""

    filename: str = ""
    magic: str = ""
    md5: str = ""
    sha1: str = ""
    sha256: str = ""


class HttpOfFile(Struct, gc=False):
    """The request that a file belongs to."""

    http_port: int = 0


class FtpOfFile(Struct, gc=False):
    """The command that a file belongs to (8.x)."""

    command: str = ""


class FileEvent(Event, gc=False):
    """``fileinfo``."""

    app_proto: str = ""
    fileinfo: FileInfo | None = None
    http: HttpOfFile | None = None
    ftp_data: FtpOfFile | None = None


class SshEnd(Struct, gc=False):
    """One end of an SSH session."""

    software_version: str = ""
    hassh: Hashed | None = None


class Ssh(Struct, gc=False):
    """An SSH session."""

    client: SshEnd | None = None
    server: SshEnd | None = None


class SshEvent(Event, gc=False):
    """``ssh``."""

    ssh: Ssh | None = None


class Smtp(Struct, gc=False):
    """An envelope."""

    helo: str = ""
    mail_from: str = ""
    rcpt_to: list[str] = []


class Email(Struct, gc=False):
    """The header of a message."""

    sender: str = field(name="from", default="")
    to: list[str] = []
    cc: list[str] = []
    subject: str = ""
    x_mailer: str = ""
    message_id: str = ""
    url: list[str] = []
    attachment: list[str] = []


class SmtpEvent(Event, gc=False):
    """``smtp``."""

    smtp: Smtp | None = None
    email: Email | None = None


class Krb5(Struct, gc=False):
    """A Kerberos exchange."""

    cname: str = ""
    sname: str = ""


class Krb5Event(Event, gc=False):
    """``krb5``."""

    krb5: Krb5 | None = None


class Ntlmssp(Struct, gc=False):
    """Who logged in over NTLM."""

    user: str = ""
    domain: str = ""
    host: str = ""


class Smb(Struct, gc=False):
    """An SMB command."""

    share: str = ""
    named_pipe: str = ""
    filename: str = ""
    ntlmssp: Ntlmssp | None = None


class SmbEvent(Event, gc=False):
    """``smb``."""

    smb: Smb | None = None


class FlowEvent(Event, gc=False):
    """A flow that has ended."""


TYPES: Mapping[str, type[Event]] = MappingProxyType(
    {
        "dns": DnsEvent,
        "tls": TlsEvent,
        "quic": QuicEvent,
        "http": HttpEvent,
        "fileinfo": FileEvent,
        "ssh": SshEvent,
        "smtp": SmtpEvent,
        "flow": FlowEvent,
        "krb5": Krb5Event,
        "smb": SmbEvent,
    }
)
"""The event types in which something is remembered."""
