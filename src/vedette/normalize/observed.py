r"""Texts that the network showed, spelt as ``normalize`` spells an indicator of the same meaning.

Never refuses and never refangs: what no indicator could be (``wpad``, ``_ldap._tcp``, ``\x00``) is
kept too, because it was seen. ``""`` says that nothing is left to keep.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from vedette.errors import UnusableValueError
from vedette.normalize.addresses import is_clean_ipv4
from vedette.normalize.defang import unwrap
from vedette.normalize.names import canonical_name
from vedette.normalize.urls import path_as_sent

_IPV6 = re.compile(r"\[?[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*\]?", re.IGNORECASE | re.ASCII).fullmatch
_DIGITS_AND_DOTS = re.compile(r"[0-9]+(?:\.[0-9]+){3}\.", re.ASCII).fullmatch
_HEX = re.compile(r"[0-9a-f]+", re.ASCII).fullmatch
_CLEAN_MAIL = re.compile(r"[a-z0-9._+=-]+@[a-z0-9_-]+(?:\.[a-z0-9_-]+)+", re.ASCII).fullmatch
_DISPLAYED = re.compile(r"<([^<>]*)>\s*\Z").search
_BRACKETED = re.compile(r"<([^<>@]*@[^<>]*)>").search
_CLEAN_PATH = re.compile(r"/[\x21\x22\x24-\x7e]*", re.ASCII).fullmatch
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):/{2,}", re.IGNORECASE | re.ASCII).match
_END_OF_AUTHORITY = re.compile(r"[/?]").search
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII).fullmatch
_DEFAULT_PORTS = {"": "80", "http": "80", "ws": "80", "https": "443", "wss": "443"}
_HTTP_PORT = 80
_PORT_MAX = 0xFFFF
_NO_URL = "/libhtp::"
"""libhtp's texts in place of a request line that it has not seen."""
_WRAPPED = frozenset("`\"'<")


def name(text: str) -> str:
    """Return a host name; an IPv6 address in its one spelling, without brackets."""
    if (
        text.islower()
        and text.isascii()
        and text[0] > " "
        and text[-1] not in " ."
        and ":" not in text
    ):
        return text
    text = text.strip()
    if ":" in text and _IPV6(text):
        return address(text)
    try:
        return text.lower().removesuffix(".") if text.isascii() else canonical_name(text)
    except UnusableValueError:
        return text.lower().removesuffix(".")


@lru_cache(maxsize=1 << 16)
def address(text: str) -> str:
    """Return an address as RFC 5952 has it, IPv4-mapped as IPv4; other text in lower case."""
    if is_clean_ipv4(text):
        return text
    text = text.strip()
    if _DIGITS_AND_DOTS(text):
        return text[:-1]
    bare = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    if not _IPV6(bare):
        return text.lower()
    try:
        parsed = ipaddress.IPv6Address(bare)
    except ValueError:
        return text.lower()
    return str(parsed.ipv4_mapped or parsed.compressed)


def address_port(text: str, port: int) -> str:
    """Return ``address,port``; ``""`` without a port that a connection can have."""
    return f"{address(text)},{port}" if text and 0 < port <= _PORT_MAX else ""


def url(text: str) -> str:
    """Return ``host[:port]/path[?query]`` of a URL with or without scheme."""
    text = text.strip().partition("#")[0]
    match = _SCHEME(text)
    scheme, rest = (match[1].lower(), text[match.end() :]) if match else ("", text)
    rest, question, query = rest.partition("?")
    rest = (rest.replace("\\", "/") if scheme else rest) + question + query
    end = _END_OF_AUTHORITY(rest)
    authority, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if scheme:
        authority = authority.rpartition("@")[2]
    if not authority and path in {"", "/"}:
        return ""
    return _netloc(authority, _DEFAULT_PORTS.get(scheme)) + _path(path)


def request_url(hostname: str, port: int, target: str) -> str:
    """Return the URL of a request; without a host only its path.

    The target may be absolute, as a proxy sees it. ``port`` is 0 where the request names none.
    """
    if target.startswith("/"):
        if target.startswith(_NO_URL):
            return ""
    elif _SCHEME(target):
        return url(target)
    elif not target.strip():
        return ""
    host = _in_url(name(hostname))
    if 0 < port <= _PORT_MAX and port != _HTTP_PORT:
        host = f"{host}:{port}"
    return host + _path(target)


def hexadecimal(text: str) -> str:
    """Return a hash in lower case without colons; other text as it is."""
    if _HEX(text):
        return text
    text = text.strip()
    digits = text.replace(":", "").replace(" ", "").lower()
    return digits if _HEX(digits) else text


def mail(text: str) -> str:
    """Return a bare address out of ``"Name" <a@b>``; other text in lower case."""
    if _CLEAN_MAIL(text):
        return text
    text = text.strip()
    if bracketed := _DISPLAYED(text) or _BRACKETED(text):
        text = bracketed[1]
    local, at, domain = unwrap(text).removeprefix("mailto:").rpartition("@")
    if not at:
        return _ascii_lower(domain.strip())
    return f"{_ascii_lower(local.strip())}@{name(unwrap(domain))}"


def filename(text: str) -> str:
    """Return the last part of a path, in ASCII lower case."""
    value = text.strip()
    if not value.isascii() or value[:1] in _WRAPPED or "/" in value or "\\" in value:
        value = unwrap(value)
        while (last := unwrap(value.replace("\\", "/").rpartition("/")[2])) != value:
            value = last
    return _ascii_lower(value)


def plain(text: str) -> str:
    """Return a text as sent, without white space around."""
    return text.strip()


def _netloc(authority: str, default: str | None) -> str:
    host, colon, port = authority.rpartition(":")
    if not colon or host.endswith(":") or not _PORT(port) or (":" in host and host[:1] != "["):
        host, port = authority.removesuffix(":"), ""
    host = _in_url(name(host))
    port = port.lstrip("0")
    return f"{host}:{port}" if port and not (default and port in {default, "80"}) else host


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and _IPV6(host) else host


def _path(text: str) -> str:
    return text if _CLEAN_PATH(text) and text[-1] != "?" else path_as_sent(text)


def _ascii_lower(text: str) -> str:
    if text.isascii():
        return text.lower()
    return text.encode().lower().decode()  # bytes know only ASCII letters
