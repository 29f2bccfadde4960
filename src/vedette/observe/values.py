"""The values of an event, by field: which texts are taken, and as what they are kept.

Every pair of field number and value comes once; ``""`` is taken out by the caller.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from vedette.fields import BY_NAME
from vedette.normalize import observed as spell
from vedette.observe.events import (
    Dns,
    DnsEvent,
    Email,
    Event,
    FileEvent,
    Grouped,
    Header,
    HttpEvent,
    Krb5Event,
    QuicEvent,
    Record,
    SmbEvent,
    SmtpEvent,
    SshEvent,
    TlsEvent,
)
from vedette.observe.spelling import SPELL

Values = list[tuple[int, str]]

_NUMBERS = {name: field.number for name, field in BY_NAME.items()}
_QUERY, _NAMES, _ADDRESSES = (
    _NUMBERS[name] for name in ("dns.query", "dns.response.rrname", "dns.response.ip")
)
_CERT_SHA256, _CERT_MD5 = _NUMBERS["tls.certs.sha256"], _NUMBERS["tls.certs.md5"]
_HOST, _URL = _NUMBERS["http.host"], _NUMBERS["http.url"]
_SERVER, _COOKIE = _NUMBERS["http.server"], _NUMBERS["http.cookie"]
_IP_DST, _IP_SRC, _IP_DST_PORT = (_NUMBERS[name] for name in ("ip.dst", "ip.src", "ip.dst.port"))
_ANSWERS = frozenset({"response", "answer"})
_NAME_RECORDS = frozenset({"CNAME", "DNAME", "NS", "MX", "PTR"})
_ADDRESS_RECORDS = frozenset({"A", "AAAA"})
_NO_PRINCIPAL, _SHARE_ROOT = "<empty>", "<share_root>"
"""What the engine writes for a Kerberos name that is not there, and for a share without a file."""

_Member = tuple[int, Callable[[str], str], str]


def _members(**fields: str) -> tuple[_Member, ...]:
    """Return number, spelling and attribute of fields that are one member each."""
    rows = []
    for attribute, name in fields.items():
        field = BY_NAME[name]
        rows.append((field.number, SPELL[field.spelling], attribute))
    return tuple(rows)


_TLS = _members(
    sni="tls.sni",
    subject="tls.cert_subject",
    issuerdn="tls.cert_issuer",
    serial="tls.cert_serial",
    fingerprint="tls.cert_fingerprint",
    ja4="ja4.hash",
)
_TLS_NAMES = _members(subjectaltname="tls.subjectaltname")
_QUIC = _members(sni="quic.sni", ja4="ja4.hash")
_JA3 = _members(ja3="ja3.hash", ja3s="ja3s.hash")
_HTTP = _members(
    http_user_agent="http.user_agent",
    http_method="http.method",
    http_refer="http.referer",
)
_FILE = _members(
    md5="filemd5",
    sha1="filesha1",
    sha256="filesha256",
    filename="file.name",
    magic="file.magic",
)
_SSH_SOFTWARE = _members(software_version="ssh.software")
_SSH_CLIENT = _members(hassh="ssh.hassh")
_SSH_SERVER = _members(hassh="ssh.hassh.server")
_SMTP = _members(helo="smtp.helo", mail_from="smtp.mail_from")
_SMTP_LISTS = _members(rcpt_to="smtp.rcpt_to")
_EMAIL = _members(
    sender="email.from",
    subject="email.subject",
    x_mailer="email.x_mailer",
    message_id="email.message_id",
)
_EMAIL_LISTS = _members(
    to="email.to", cc="email.cc", url="email.url", attachment="email.attachment"
)
_KRB5 = _members(cname="krb5.cname", sname="krb5.sname")
_SMB = _members(share="smb.share", named_pipe="smb.named_pipe")
_SMB_FILE = _members(filename="smb.filename")
_NTLMSSP = _members(user="smb.ntlmssp_user", domain="smb.ntlmssp_domain", host="smb.ntlmssp_host")


def _take(values: Values, owner: Struct, members: tuple[_Member, ...]) -> None:
    for number, spelt, attribute in members:
        text = getattr(owner, attribute)
        if text:
            values.append((number, spelt(text)))


def _take_lists(values: Values, owner: Struct, members: tuple[_Member, ...]) -> None:
    for number, spelt, attribute in members:
        values += [(number, value) for value in set(map(spelt, getattr(owner, attribute)))]


def _take_hashes(values: Values, owner: Struct, members: tuple[_Member, ...]) -> None:
    for number, spelt, attribute in members:
        hashed = getattr(owner, attribute)
        if hashed is not None and hashed.hash:
            values.append((number, spelt(hashed.hash)))


def _dns(event: DnsEvent) -> Values:
    dns = event.dns
    if dns is None:
        return []
    if dns.type in _ANSWERS:
        return _answer(dns)
    if not dns.queries:
        return [(_QUERY, spell.name(dns.rrname))]
    names = {spell.name(query.rrname) for query in dns.queries}
    if dns.rrname:
        names.add(spell.name(dns.rrname))
    return [(_QUERY, name) for name in names]


def _answer(dns: Dns) -> Values:
    names, addresses = {dns.rrname}, set()
    for query in dns.queries:
        names.add(query.rrname)
    records: tuple[Dns | Record, ...] = (dns, *dns.answers, *dns.authorities, *dns.additionals)
    for record in records:
        names.add(record.rrname)
        if record.rrtype in _ADDRESS_RECORDS:
            addresses.add(record.rdata)
        elif record.rrtype in _NAME_RECORDS:
            names.add(record.rdata)
    if dns.grouped is not None:
        _group(dns.grouped, names, addresses)
    values = [(_NAMES, name) for name in set(map(spell.name, names))]
    values += [(_ADDRESSES, address) for address in set(map(spell.address, addresses))]
    return values


def _group(grouped: Grouped, names: set[str], addresses: set[str]) -> None:
    addresses.update(grouped.a, grouped.aaaa)
    names.update(grouped.cname, grouped.dname, grouped.ns, grouped.mx, grouped.ptr)


def _tls(event: TlsEvent) -> Values:
    values: Values = []
    tls = event.tls
    if tls is not None:
        _take(values, tls, _TLS)
        _take_hashes(values, tls, _JA3)
        if tls.subjectaltname:
            _take_lists(values, tls, _TLS_NAMES)
        if tls.certificate or tls.chain:
            values += _certificates({tls.certificate, *tls.chain})
    return values


def _certificates(encoded: Iterable[str]) -> Values:
    values: set[tuple[int, str]] = set()
    for text in encoded:
        try:
            der = binascii.a2b_base64(text.encode(), strict_mode=True)
        except (ValueError, UnicodeEncodeError):
            continue
        if der:
            values.add((_CERT_SHA256, hashlib.sha256(der).hexdigest()))
            values.add((_CERT_MD5, hashlib.md5(der, usedforsecurity=False).hexdigest()))
    return list(values)


def _quic(event: QuicEvent) -> Values:
    values: Values = []
    if event.quic is not None:
        _take(values, event.quic, _QUIC)
        _take_hashes(values, event.quic, _JA3)
    return values


def _http(event: HttpEvent) -> Values:
    values: Values = []
    http = event.http
    if http is None:
        return values
    host = http.hostname
    if not host and http.request_headers:
        host = _host_of(http.request_headers)
    if host:
        values.append((_HOST, spell.name(host)))
    if http.url and (http.http_method != "CONNECT" or http.url[0] == "/"):
        values.append((_URL, spell.request_url(host, http.http_port, http.url)))
    _take(values, http, _HTTP)
    if server := http.server or _header(http.response_headers, "server"):
        values.append((_SERVER, spell.plain(server)))
    if cookie := http.cookie or _header(http.request_headers, "cookie"):
        values.append((_COOKIE, spell.plain(cookie)))
    return values


def _header(headers: list[Header], name: str) -> str:
    """Return the first value of a header that has one."""
    for header in headers:
        if header.value and header.name.lower() == name:
            return header.value
    return ""


def _host_of(headers: list[Header]) -> str:
    """Return the host of an HTTP/2 request, without its port."""
    host = (_header(headers, ":authority") or _header(headers, "host")).strip()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and (":" not in name or name[-1:] == "]") else host


def _file(event: FileEvent) -> Values:
    values: Values = []
    if event.fileinfo is not None:
        _take(values, event.fileinfo, _FILE)
    return values


def _ssh(event: SshEvent) -> Values:
    values: Values = []
    if event.ssh is not None:
        for end, members in ((event.ssh.client, _SSH_CLIENT), (event.ssh.server, _SSH_SERVER)):
            if end is not None:
                _take(values, end, _SSH_SOFTWARE)
                _take_hashes(values, end, members)
    return list(set(values))


def _smtp(event: SmtpEvent) -> Values:
    values: Values = []
    if event.smtp is not None:
        _take(values, event.smtp, _SMTP)
        _take_lists(values, event.smtp, _SMTP_LISTS)
    if event.email is not None:
        values += _email(event.email)
    return values


def _email(email: Email) -> Values:
    values: Values = []
    _take(values, email, _EMAIL)
    _take_lists(values, email, _EMAIL_LISTS)
    return values


def _flow(event: Event) -> Values:
    values = [(_IP_DST, spell.address(event.dest_ip)), (_IP_SRC, spell.address(event.src_ip))]
    if event.dest_port:
        values.append((_IP_DST_PORT, spell.address_port(event.dest_ip, event.dest_port)))
    return values


def _krb5(event: Krb5Event) -> Values:
    values: Values = []
    if event.krb5 is not None:
        _take(values, event.krb5, _KRB5)
    return [(number, value) for number, value in values if value != _NO_PRINCIPAL]


def _smb(event: SmbEvent) -> Values:
    values: Values = []
    if event.smb is not None:
        _take(values, event.smb, _SMB)
        if event.smb.filename != _SHARE_ROOT:
            _take(values, event.smb, _SMB_FILE)
        if event.smb.ntlmssp is not None:
            _take(values, event.smb.ntlmssp, _NTLMSSP)
    return values


VALUES: Mapping[str, Callable[[Any], Values]] = MappingProxyType(
    {
        "dns": _dns,
        "tls": _tls,
        "quic": _quic,
        "http": _http,
        "fileinfo": _file,
        "ssh": _ssh,
        "smtp": _smtp,
        "flow": _flow,
        "krb5": _krb5,
        "smb": _smb,
    }
)
"""By event type, the values of an event of that struct in ``events.TYPES``; some may be empty."""
