"""What an object path of a STIX pattern names: a type of indicator, a part of one, or nothing here.

Paths are compared without case, without the index of a list and without quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from vedette.model import IndicatorType as T


class Part(StrEnum):
    """What is no value of its own, but may stand beside one."""

    DST_PORT = "dst-port"
    SRC_PORT = "src-port"
    ASIDE = "aside"
    """A property of the thing that the value beside it names already."""


Role = T | Part | None
"""None: no sensor sees it."""

_HTTP = "network-traffic:extensions.http-request-ext."
_PATHS: Mapping[str, Role] = MappingProxyType(
    {
        "domain-name:value": T.DOMAIN,
        "domain-name:resolves_to_refs.value": Part.ASIDE,
        "domain-name:resolves_to_refs.type": Part.ASIDE,
        "hostname:value": T.HOSTNAME,
        "x-opencti-hostname:value": T.HOSTNAME,
        "ipv4-addr:value": T.IP_DST,
        "ipv6-addr:value": T.IP_DST,
        "url:value": T.URL,
        "user-agent:value": T.USER_AGENT,
        "x-opencti-user-agent:value": T.USER_AGENT,
        "email-addr:value": T.EMAIL_SRC,
        "email-message:from_ref.value": T.EMAIL_SRC,
        "email-message:sender_ref.value": T.EMAIL_SRC,
        "email-message:to_refs.value": T.EMAIL_DST,
        "email-message:cc_refs.value": T.EMAIL_DST,
        "email-message:bcc_refs.value": T.EMAIL_DST,
        "email-message:subject": T.EMAIL_SUBJECT,
        "email-message:message_id": T.EMAIL_MESSAGE_ID,
        "email-message:additional_header_fields.message-id": T.EMAIL_MESSAGE_ID,
        "email-message:additional_header_fields.x-mailer": T.EMAIL_X_MAILER,
        "email-message:body_multipart.body_raw_ref.name": T.FILENAME,
        "file:name": T.FILENAME,
        # The name or address decides by itself which of the two it is.
        "network-traffic:dst_ref.value": T.DOMAIN,
        "network-traffic:src_ref.value": T.IP_SRC,
        "network-traffic:dst_ref.type": Part.ASIDE,
        "network-traffic:src_ref.type": Part.ASIDE,
        "network-traffic:protocols": Part.ASIDE,
        "network-traffic:dst_port": Part.DST_PORT,
        "network-traffic:src_port": Part.SRC_PORT,
        f"{_HTTP}request_value": T.URI,
        f"{_HTTP}request_header.host": T.DOMAIN,
        f"{_HTTP}request_header.user-agent": T.USER_AGENT,
        f"{_HTTP}request_header.referer": T.REFERER,
        f"{_HTTP}request_header.cookie": T.COOKIE,
    }
)
_FILE_HASHES: Mapping[str, T] = MappingProxyType({"md5": T.MD5, "sha1": T.SHA1, "sha256": T.SHA256})
_CERTIFICATE_HASHES: Mapping[str, T] = MappingProxyType(
    {"md5": T.CERT_MD5, "sha1": T.CERT_SHA1, "sha256": T.CERT_SHA256}
)
_HASHED: Mapping[str, Mapping[str, T]] = MappingProxyType(
    {
        "file:hashes": _FILE_HASHES,
        "file:content_ref.hashes": _FILE_HASHES,
        "artifact:hashes": _FILE_HASHES,
        "email-message:body_multipart.body_raw_ref.hashes": _FILE_HASHES,
        "x509-certificate:hashes": _CERTIFICATE_HASHES,
    }
)
_FINGERPRINTS: Mapping[str, T] = MappingProxyType(
    {
        "ja3": T.JA3,
        "ja3s": T.JA3S,
        "ja4": T.JA4,
        "hassh": T.HASSH,
        "hasshserver": T.HASSH_SERVER,
    }
)
"""No part of STIX: every producer calls the property a little differently."""
_FINGERPRINT = re.compile(
    r"(?:x_?)?(ja3s?|ja4|hassh(?:server)?)(?:hash|fingerprint|digest|md5|value)*"
).fullmatch

IDENTIFYING = frozenset({*_FILE_HASHES.values(), *_CERTIFICATE_HASHES.values()})
"""Types whose value names one thing for good, whatever else is said about it."""


def role_of(kind: str, steps: tuple[str, ...]) -> Role:
    """Return what a path names.

    Args:
        kind: The type of the object, ``domain-name``.
        steps: Names of properties, without the indexes of lists.
    """
    path = f"{kind}:{'.'.join(steps)}".lower()
    if path in _PATHS:
        return _PATHS[path]
    parent, _, last = path.rpartition("." if len(steps) > 1 else ":")
    if (hashes := _HASHED.get(parent)) is not None:
        return hashes.get(re.sub(r"[^a-z0-9]", "", last))
    if match := _FINGERPRINT(re.sub(r"[^a-z0-9]", "", last)):
        return _FINGERPRINTS[match[1]]
    return None
