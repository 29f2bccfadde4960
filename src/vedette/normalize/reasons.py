"""Why a value cannot be used: the whole list, because reasons are counted and shown."""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from vedette.errors import UnusableValueError


class Reason(StrEnum):
    """The text of every :class:`vedette.errors.UnusableValueError` of this package."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    SEVERAL = "several values in one"
    CONTROL = "control character"
    CHARACTER = "character not allowed"
    MISDECODED = "wrongly decoded text"
    SINGLE_LABEL = "single label"
    EMPTY_LABEL = "empty label"
    TOP_LEVEL = "impossible top-level domain"
    WILDCARD = "wildcard inside a name"
    EMAIL_AS_NAME = "e-mail address, not a name"
    NOT_ADDRESS = "not an IP address"
    OCTAL = "octal-padded address"
    SPECIAL = "address of no host"
    PORT = "bad port"
    HOST_BITS = "network with host bits set"
    WIDE = "network too wide"
    NO_HOST = "no host in the URL"
    SCHEME = "scheme is not HTTP"
    NOT_PATH = "path without leading slash"
    BARE_PATH = "path that matches everything"
    NOT_HEX = "not hexadecimal"
    HASH_LENGTH = "wrong hash length"
    NOT_JA4 = "not a JA4 client fingerprint"
    NOT_EMAIL = "not an e-mail address"
    NO_FILENAME = "no file name"
    NOT_METHOD = "not an HTTP method"


def refuse(reason: Reason) -> NoReturn:
    """Raise the error that the caller of ``normalize`` turns into ``Rejected``."""
    raise UnusableValueError(reason)
