"""One word in every meaning that it may have.

An address may be met at either end of a flow, 32 hex digits may be a file, a client's fingerprint
or a certificate's. Looking for what is not meant finds nothing and costs nothing: all are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import normalize, split_url
from vedette.prose import words
from vedette.prose.words import Keys

_SAME_DIGITS: Mapping[T, tuple[T, ...]] = MappingProxyType(
    {
        T.MD5: (T.MD5, T.JA3, T.JA3S, T.HASSH, T.HASSH_SERVER, T.CERT_MD5),
        T.SHA1: (T.SHA1, T.CERT_SHA1),
        T.SHA256: (T.SHA256, T.CERT_SHA256),
    }
)


def meanings(word: str, *, alone: bool, sure: bool) -> Keys:
    """Return everything that a word without defanging may be; nothing if it is just a word.

    Args:
        word: Without white space, quotes and punctuation around it.
        alone: It is all that its line or its cell has.
        sure: Somebody defanged it: a value is meant.

    Raises:
        UnusableValueError: It looks like a value and cannot be used; the text says why.
    """
    return tuple(
        Key(kind, one.value)
        for key in words.meanings(word, alone=alone, sure=sure)
        for one in widened(key)
        for kind in _SAME_DIGITS.get(one.type, (one.type,))
    )


def widened(key: Key) -> Keys:
    """Return a typed value with its other direction: lists do not know which end we will see."""
    if key.type is T.IP_DST:
        return (key, Key(T.IP_SRC, key.value))
    if key.type is T.EMAIL_SRC:
        return (key, Key(T.EMAIL_DST, key.value))
    return (key,)


def host_of(key: Key) -> Keys:
    """Return the host of a URL or of ``address,port``; nothing of another."""
    if key.type is T.URL:
        host = split_url(key.value).host
        try:
            return widened(normalize(T.HOSTNAME, host.strip("[]")))
        except UnusableValueError:
            return ()
    if key.type is T.IP_DST_PORT:
        return widened(normalize(T.IP_DST, key.value.rpartition(",")[0]))
    return ()
