"""THE list of what is remembered, and which indicator types are looked for where.

The observer, the pool, the hunt, the prevalence and the documentation all read it. A field that is
also a buffer of the engine has the buffer's name, so live and retro hits speak of the same places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from vedette.model import IndicatorType as T


class Spelling(StrEnum):
    """How an observed text becomes the value that is kept: the same value as an indicator's."""

    NAME = "name"
    """Host name: lower case, no dot at the end, punycode."""
    ADDRESS = "address"
    """IP address, RFC 5952."""
    ADDRESS_PORT = "address-port"
    """``address,port``."""
    URL = "url"
    """``host[:port]/path[?query]`` without scheme; the port only if it is not 80."""
    HASH = "hash"
    """Lower-case hex digits, without colons."""
    MAIL = "mail"
    """A bare address, lower case, out of ``"Name" <a@b>``."""
    FILENAME = "filename"
    """The last part of a path, ASCII lower case."""
    TEXT = "text"
    """As sent, without white space around."""


class Match(StrEnum):
    """How an indicator is compared with the values of a field."""

    EXACT = "exact"
    SUBDOMAIN = "subdomain"
    """The name itself and every name below it."""
    NETWORK = "network"
    """The address itself, and every address in the network if the indicator is one."""
    PATH = "path"
    """The part of a URL from its first slash on."""


class Asset(StrEnum):
    """Which end of the flow is ours when the value is bad: who has to be looked at."""

    CLIENT = "client"
    SERVER = "server"


class Field(Struct, frozen=True, kw_only=True):
    """One place in EVE whose values are remembered."""

    number: int
    """Its id in the native reader; never reused."""
    name: str
    event: str
    """The EVE ``event_type`` that it is taken from; ``tls|quic`` for several."""
    where: str
    """The EVE paths in words, for people."""
    spelling: Spelling
    asset: Asset = Asset.CLIENT
    hunted: tuple[tuple[T, Match], ...] = ()
    """The indicator types that are looked for here."""
    private: bool = False
    """Whether it is left out unless the operator asks for it."""


def _exact(*types: T) -> tuple[tuple[T, Match], ...]:
    return tuple((kind, Match.EXACT) for kind in types)


_NAMES = ((T.DOMAIN, Match.SUBDOMAIN), (T.HOSTNAME, Match.EXACT))
_S = Spelling

FIELDS: tuple[Field, ...] = (
    Field(
        number=1,
        name="dns.query",
        event="dns",
        where="rrname and queries[].rrname of queries",
        spelling=_S.NAME,
        hunted=_NAMES,
    ),
    Field(
        number=2,
        name="dns.response.rrname",
        event="dns",
        where=(
            "of answers: rrname, queries[].rrname, rrname in answers, authorities and additionals,"
            " and the name in their rdata (CNAME, DNAME, NS, MX, PTR; grouped too)"
        ),
        spelling=_S.NAME,
        hunted=_NAMES,
    ),
    Field(
        number=3,
        name="dns.response.ip",
        event="dns",
        where="of answers: the address in rdata (A, AAAA; grouped too)",
        spelling=_S.ADDRESS,
        hunted=((T.IP_DST, Match.NETWORK),),
    ),
    Field(number=4, name="tls.sni", event="tls", where="sni", spelling=_S.NAME, hunted=_NAMES),
    Field(number=5, name="tls.cert_subject", event="tls", where="subject", spelling=_S.TEXT),
    Field(number=6, name="tls.cert_issuer", event="tls", where="issuerdn", spelling=_S.TEXT),
    Field(number=7, name="tls.cert_serial", event="tls", where="serial", spelling=_S.TEXT),
    Field(
        number=8,
        name="tls.cert_fingerprint",
        event="tls",
        where="fingerprint (SHA-1)",
        spelling=_S.HASH,
        hunted=_exact(T.CERT_SHA1),
    ),
    Field(
        number=9,
        name="tls.subjectaltname",
        event="tls",
        where="subjectaltname[]",
        spelling=_S.NAME,
        hunted=_NAMES,
    ),
    Field(
        number=10,
        name="tls.certs.sha256",
        event="tls",
        where="SHA-256 of certificate and chain[], where EVE has them",
        spelling=_S.HASH,
        hunted=_exact(T.CERT_SHA256),
    ),
    Field(
        number=11,
        name="tls.certs.md5",
        event="tls",
        where="MD5 of certificate and chain[], where EVE has them",
        spelling=_S.HASH,
        hunted=_exact(T.CERT_MD5),
    ),
    Field(
        number=12,
        name="ja3.hash",
        event="tls|quic",
        where="ja3.hash",
        spelling=_S.HASH,
        hunted=_exact(T.JA3),
    ),
    Field(
        number=13,
        name="ja3s.hash",
        event="tls|quic",
        where="ja3s.hash",
        spelling=_S.HASH,
        hunted=_exact(T.JA3S),
    ),
    Field(
        number=14,
        name="ja4.hash",
        event="tls|quic",
        where="ja4",
        spelling=_S.TEXT,
        hunted=_exact(T.JA4),
    ),
    Field(
        number=15,
        name="quic.sni",
        event="quic",
        where="sni",
        spelling=_S.NAME,
        hunted=_NAMES,
    ),
    Field(
        number=16,
        name="http.host",
        event="http",
        where="hostname; HTTP/2 on 7.0: the :authority or host header",
        spelling=_S.NAME,
        hunted=(*_NAMES, (T.IP_DST, Match.NETWORK)),
    ),
    Field(
        number=17,
        name="http.url",
        event="http",
        where="hostname, http_port and url as one value",
        spelling=_S.URL,
        hunted=((T.URL, Match.EXACT), (T.URI, Match.PATH)),
    ),
    Field(
        number=18,
        name="http.user_agent",
        event="http",
        where="http_user_agent",
        spelling=_S.TEXT,
        hunted=_exact(T.USER_AGENT),
    ),
    Field(
        number=19,
        name="http.method",
        event="http",
        where="http_method",
        spelling=_S.TEXT,
        hunted=_exact(T.HTTP_METHOD),
    ),
    Field(
        number=20,
        name="http.referer",
        event="http",
        where="http_refer",
        spelling=_S.TEXT,
        hunted=_exact(T.REFERER),
    ),
    Field(
        number=21,
        name="http.server",
        event="http",
        where="server, or the server header",
        spelling=_S.TEXT,
        hunted=_exact(T.HTTP_SERVER),
    ),
    Field(
        number=22,
        name="http.cookie",
        event="http",
        where="cookie, or the cookie header",
        spelling=_S.TEXT,
        hunted=_exact(T.COOKIE),
        private=True,
    ),
    Field(
        number=23,
        name="filemd5",
        event="fileinfo",
        where="md5",
        spelling=_S.HASH,
        hunted=_exact(T.MD5),
    ),
    Field(
        number=24,
        name="filesha1",
        event="fileinfo",
        where="sha1",
        spelling=_S.HASH,
        hunted=_exact(T.SHA1),
    ),
    Field(
        number=25,
        name="filesha256",
        event="fileinfo",
        where="sha256",
        spelling=_S.HASH,
        hunted=_exact(T.SHA256),
    ),
    Field(
        number=26,
        name="file.name",
        event="fileinfo",
        where="filename",
        spelling=_S.FILENAME,
        hunted=_exact(T.FILENAME),
    ),
    Field(number=27, name="file.magic", event="fileinfo", where="magic", spelling=_S.TEXT),
    Field(
        number=28,
        name="ssh.software",
        event="ssh",
        where="client.software_version and server.software_version",
        spelling=_S.TEXT,
        hunted=_exact(T.SSH_SOFTWARE),
    ),
    Field(
        number=29,
        name="ssh.hassh",
        event="ssh",
        where="client.hassh.hash",
        spelling=_S.HASH,
        hunted=_exact(T.HASSH),
    ),
    Field(
        number=30,
        name="ssh.hassh.server",
        event="ssh",
        where="server.hassh.hash",
        spelling=_S.HASH,
        hunted=_exact(T.HASSH_SERVER),
    ),
    Field(
        number=31,
        name="smtp.helo",
        event="smtp",
        where="smtp.helo",
        spelling=_S.NAME,
        hunted=_NAMES,
    ),
    Field(
        number=32,
        name="smtp.mail_from",
        event="smtp",
        where="smtp.mail_from",
        spelling=_S.MAIL,
        hunted=_exact(T.EMAIL_SRC),
    ),
    Field(
        number=33,
        name="smtp.rcpt_to",
        event="smtp",
        where="smtp.rcpt_to[]",
        spelling=_S.MAIL,
        hunted=_exact(T.EMAIL_DST),
    ),
    Field(
        number=34,
        name="email.from",
        event="smtp",
        where="email.from",
        spelling=_S.MAIL,
        hunted=_exact(T.EMAIL_SRC),
    ),
    Field(
        number=35,
        name="email.to",
        event="smtp",
        where="email.to[]",
        spelling=_S.MAIL,
        hunted=_exact(T.EMAIL_DST),
    ),
    Field(
        number=36,
        name="email.cc",
        event="smtp",
        where="email.cc[]",
        spelling=_S.MAIL,
        hunted=_exact(T.EMAIL_DST),
    ),
    Field(
        number=37,
        name="email.subject",
        event="smtp",
        where="email.subject",
        spelling=_S.TEXT,
        hunted=_exact(T.EMAIL_SUBJECT),
    ),
    Field(
        number=38,
        name="email.x_mailer",
        event="smtp",
        where="email.x_mailer",
        spelling=_S.TEXT,
        hunted=_exact(T.EMAIL_X_MAILER),
    ),
    Field(
        number=39,
        name="email.message_id",
        event="smtp",
        where="email.message_id",
        spelling=_S.TEXT,
        hunted=_exact(T.EMAIL_MESSAGE_ID),
    ),
    Field(
        number=40,
        name="email.url",
        event="smtp",
        where="email.url[]",
        spelling=_S.URL,
        hunted=((T.URL, Match.EXACT), (T.URI, Match.PATH)),
    ),
    Field(
        number=41,
        name="email.attachment",
        event="smtp",
        where="email.attachment[]",
        spelling=_S.FILENAME,
        hunted=_exact(T.FILENAME),
    ),
    Field(
        number=42,
        name="ip.dst",
        event="flow",
        where="dest_ip",
        spelling=_S.ADDRESS,
        hunted=((T.IP_DST, Match.NETWORK),),
    ),
    Field(
        number=43,
        name="ip.src",
        event="flow",
        where="src_ip",
        spelling=_S.ADDRESS,
        asset=Asset.SERVER,
        hunted=((T.IP_SRC, Match.NETWORK),),
    ),
    Field(
        number=44,
        name="ip.dst.port",
        event="flow",
        where="dest_ip and dest_port as one value",
        spelling=_S.ADDRESS_PORT,
        hunted=_exact(T.IP_DST_PORT),
    ),
    Field(number=45, name="krb5.cname", event="krb5", where="cname", spelling=_S.TEXT),
    Field(number=46, name="krb5.sname", event="krb5", where="sname", spelling=_S.TEXT),
    Field(number=47, name="smb.share", event="smb", where="share", spelling=_S.TEXT),
    Field(number=48, name="smb.named_pipe", event="smb", where="named_pipe", spelling=_S.TEXT),
    Field(
        number=49,
        name="smb.filename",
        event="smb",
        where="filename",
        spelling=_S.FILENAME,
        hunted=_exact(T.FILENAME),
    ),
    Field(number=50, name="smb.ntlmssp_user", event="smb", where="ntlmssp.user", spelling=_S.TEXT),
    Field(
        number=51,
        name="smb.ntlmssp_domain",
        event="smb",
        where="ntlmssp.domain",
        spelling=_S.TEXT,
    ),
    Field(number=52, name="smb.ntlmssp_host", event="smb", where="ntlmssp.host", spelling=_S.TEXT),
)

BY_NAME: Mapping[str, Field] = MappingProxyType({field.name: field for field in FIELDS})

NOT_REMEMBERED: Mapping[T, str] = MappingProxyType(
    {
        T.IP_SRC_PORT: (
            "source ports are random and are not remembered; look for the address alone: ip-src"
        )
    }
)
"""Indicator types that no hunt can answer, with the reason shown to people."""

VALUE_MAX = 8_192
"""Bytes of the longest value that is kept; longer ones are counted as ``value.long``.

Twice the longest indicator.
"""


class Place(NamedTuple):
    """A field in which indicators of one type are looked for, and how."""

    field: Field
    match: Match


def places(kind: T) -> Iterator[Place]:
    """Yield where indicators of a type are looked for; nothing for ``NOT_REMEMBERED``."""
    for field in FIELDS:
        for hunted, match in field.hunted:
            if hunted is kind:
                yield Place(field, match)
