"""URLs reduced to what a sensor can match: ``host[:port]/path[?query]``.

Scheme, user and fragment never stand in a request line. A URL without a path says nothing but its
host, so it becomes that host. The port is dropped where the scheme implies it.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize.addresses import canonical_address, canonical_port
from vedette.normalize.defang import refang
from vedette.normalize.names import canonical_name, check_decoding
from vedette.normalize.reasons import Reason, refuse

URL_MAX = 4096

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):/{2,}", re.IGNORECASE).match
_RELATIVE = re.compile(r"//[^/?#]").match
_END_OF_AUTHORITY = re.compile(r"[/?]").search
_NOT_SENT = re.compile(r"[^\x21-\x7e]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_SECOND_URL = re.compile(
    r"[\s,;|]h..ps?://|\A(?:[a-z]+://)?[^/?#\s]*[a-z0-9]https?://", re.IGNORECASE
).search
_HTTP_PORTS = {"": "80", "http": "80", "ws": "80", "https": "443", "wss": "443"}
_WILDCARD_PATHS = frozenset({"/", "/*"})


class UrlParts(NamedTuple):
    """The parts of a canonical URL, as a sensor sees them one by one."""

    host: str
    """As in a Host header: an IPv6 address keeps its brackets."""
    port: int | None
    """None where the scheme implied it."""
    path: str
    """With its query, from the first slash."""


def split_url(canonical: str) -> UrlParts:
    """Split the value of a canonical URL indicator."""
    authority, slash, path = canonical.partition("/")
    host, colon, port = authority.rpartition(":")
    if colon and port.isdigit():
        return UrlParts(host, int(port), slash + path)
    return UrlParts(authority, None, slash + path)


def url(text: str) -> Key:
    """Return the key of a URL: URL, or what is left of it without a path, or URI without a host.

    Raises:
        UnusableValueError: No sensor can see it.
    """
    text = _checked(refang(text))
    if text.startswith("/"):
        if not _RELATIVE(text):
            return uri(text)
        text = text[2:]
    if (address := canonical_address(text)) is not None:
        return Key(T.IP_DST, address)
    scheme, authority, path = _split(text)
    host, port = _host_and_port(authority)
    default = _HTTP_PORTS.get(scheme)
    if port in {default, "80"} and default:
        port = ""
    if path in _WILDCARD_PATHS:
        return _host_key(host, port)
    if default is None:
        refuse(Reason.SCHEME)
    if host.startswith("*."):
        refuse(Reason.WILDCARD)
    netloc = f"{host}:{port}" if port else host
    return Key(T.URL, netloc + path)


def uri(text: str) -> Key:
    """Return the key of a path with query on any host.

    Raises:
        UnusableValueError: It is no path, or one that every host has.
    """
    text = _checked(refang(text))
    if _SCHEME(text):
        return url(text)
    if not text.startswith("/"):
        refuse(Reason.NOT_PATH)
    path = _path(text)
    return refuse(Reason.BARE_PATH) if path in _WILDCARD_PATHS else Key(T.URI, path)


def _checked(text: str) -> str:
    if not text:
        refuse(Reason.EMPTY)
    if len(text) > URL_MAX:
        refuse(Reason.TOO_LONG)
    if _SECOND_URL(text.replace("\\", "/")):
        refuse(Reason.SEVERAL)
    if _CONTROL(text):
        refuse(Reason.CONTROL)
    if not text.isascii():
        check_decoding(text)
    return text


def _split(text: str) -> tuple[str, str, str]:
    """Split into scheme (lower case), authority without user, and canonical path."""
    match = _SCHEME(text)
    scheme, rest = (match[1].lower(), text[match.end() :]) if match else ("", text)
    rest, question, query = rest.partition("#")[0].partition("?")
    rest = (rest.replace("\\", "/") if scheme else rest) + question + query
    end = _END_OF_AUTHORITY(rest)
    authority, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    _user, at, authority = authority.rpartition("@")
    if at and not scheme:
        refuse(Reason.EMAIL_AS_NAME)
    if not authority:
        refuse(Reason.NO_HOST)
    return scheme, authority, _path(path)


def path_as_sent(text: str) -> str:
    """Return path and query as a client sends them: no fragment, nothing but visible ASCII."""
    text = text.partition("#")[0].strip()
    path, _question, query = text.partition("?")
    if not query.strip("?"):
        text = path
    if not text.startswith("/"):
        text = f"/{text}"
    return _NOT_SENT.sub(lambda match: quote(match[0], safe=""), text)


def _path(text: str) -> str:
    sent = path_as_sent(text)
    return sent if len(sent) <= URL_MAX else refuse(Reason.TOO_LONG)


def _host_and_port(authority: str) -> tuple[str, str]:
    host, colon, port = authority.rpartition(":")
    if not colon or host.endswith(":") or authority.endswith("]"):
        host, port = authority, ""
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        refuse(Reason.PORT)
    address = canonical_address(host)
    if address is None:
        stem = host.removeprefix("*.")
        host = host[: len(host) - len(stem)] + canonical_name(stem)
    else:
        host = f"[{address}]" if ":" in address else address
    return host, canonical_port(port) if port else ""


def _host_key(host: str, port: str) -> Key:
    if host.startswith("*."):
        return Key(T.DOMAIN, host[2:])
    address = canonical_address(host)
    if address is None:
        return Key(T.HOSTNAME, host)
    return Key(T.IP_DST_PORT, f"{address},{port}") if port else Key(T.IP_DST, address)
