"""The table from indicator type to the function that spells its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import hosts, texts, urls
from vedette.normalize.names import NAME_MAX, is_clean_name

_DOMAIN, _HOSTNAME = T.DOMAIN, T.HOSTNAME

_SPELL: Mapping[T, Callable[[T, str], Key]] = MappingProxyType(
    {
        T.DOMAIN: hosts.name,
        T.HOSTNAME: hosts.name,
        T.IP_DST: hosts.address,
        T.IP_SRC: hosts.address,
        T.IP_DST_PORT: hosts.address,
        T.IP_SRC_PORT: hosts.address,
        T.URL: lambda _kind, text: urls.url(text),
        T.URI: lambda _kind, text: urls.uri(text),
        T.USER_AGENT: texts.line,
        T.HTTP_METHOD: texts.method,
        T.COOKIE: texts.line,
        T.REFERER: texts.line,
        T.HTTP_SERVER: texts.line,
        T.MD5: texts.file_hash,
        T.SHA1: texts.file_hash,
        T.SHA256: texts.file_hash,
        T.FILENAME: texts.filename,
        T.JA3: texts.fingerprint,
        T.JA3S: texts.fingerprint,
        T.JA4: texts.ja4,
        T.CERT_SHA1: texts.certificate_hash,
        T.CERT_SHA256: texts.certificate_hash,
        T.CERT_MD5: texts.certificate_hash,
        T.HASSH: texts.fingerprint,
        T.HASSH_SERVER: texts.fingerprint,
        T.SSH_SOFTWARE: texts.ssh_software,
        T.EMAIL_SRC: texts.email,
        T.EMAIL_DST: texts.email,
        T.EMAIL_SUBJECT: texts.line,
        T.EMAIL_X_MAILER: texts.line,
        T.EMAIL_MESSAGE_ID: texts.message_id,
    }
)


def normalize(kind: T, text: str) -> Key:
    """Return the identity of a value: its real type and its one spelling.

    The type may differ from ``kind``: an address in a list of domains is ``ip-dst``, a URL without
    a path is its host. Idempotent: ``normalize(*key) == key`` for every key it returns.

    Raises:
        UnusableValueError: The value cannot be used; the text is one of
            :class:`vedette.normalize.Reason`.
    """
    if (kind is _DOMAIN or kind is _HOSTNAME) and is_clean_name(text) and len(text) <= NAME_MAX:
        return Key(kind, text)
    return _SPELL[kind](kind, text)
