"""What somebody typed, as it may be kept: secrets are left out, whatever option they came by.

Hard rule: rather a word too much is masked than one too few; what was masked stays visible as ***.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

MASK = "***"

_SHOWN = 20
_NAME = re.compile(r"pass|secret|token|key|auth|credential|header|cookie|login", re.IGNORECASE)
_PLACE = ("_file", "_env", "_dir", "_path")
"""Ends of names of options that say where a secret is, not what it is."""

_USER_INFO = re.compile(r"(?<=://)[^\s/@?#]+(?=@)")
_QUERY = re.compile(r"(?P<name>[?&;][^=&;#\s]+=)(?P<value>[^&;#\s]+)")
_SEGMENT = re.compile(r"(?<=[^/:]/)(?=[^/\s]*\d)(?=[^/\s]*[A-Za-z])[A-Za-z0-9_~-]{24,}(?=/|\Z|\s)")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_TOKEN = re.compile(r"\b(vdt_[0-9a-f]{1,16})_[\w-]+")
_BEARER = re.compile(r"\b((?:Bearer|Basic|Token)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_MISP_KEY = re.compile(r"\b(?=[^\W_]*[g-zG-Z])(?=[^\W_]*\d)[A-Za-z0-9]{40}\b")
_SETTING = re.compile(r"(?P<name>[\w.-]+)=(?P<value>.*)\Z", re.DOTALL)


def masked(name: str, value: Any) -> Any:
    """Return the value of an option as it may be kept: text, number, truth, or a list of them.

    Args:
        name: Of the option or argument.
        value: What the command line made of it; of an open file only the name is kept.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): masked(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return _list(name, list(value))
    text = _text(value)
    return MASK if text and _names_a_secret(name) else masked_text(text)


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str | PurePath):
        return str(value)
    return str(getattr(value, "name", type(value).__name__))


def masked_text(text: str) -> str:
    """Return a text without the secrets that may stand in it, and that can be stored.

    Names of files, and so arguments, may be bytes that are no text.
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    setting = _SETTING.match(text)
    if setting and _names_a_secret(setting["name"]) and setting["value"]:
        return f"{setting['name']}={MASK}"
    text = _URL.sub(lambda match: _masked_url(match[0]), text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _TOKEN.sub(rf"\1_{MASK}", text)
    return _MISP_KEY.sub(MASK, text)


def _list(name: str, values: list[Any]) -> list[Any]:
    shown = [masked(name, one) for one in values[:_SHOWN]]
    more = len(values) - _SHOWN
    return [*shown, f"and {more:,} more"] if more > 0 else shown


def _names_a_secret(name: str) -> bool:
    plain = name.strip("-").replace("-", "_").lower()
    return not plain.endswith(_PLACE) and _NAME.search(plain) is not None


def _masked_url(url: str) -> str:
    url = _USER_INFO.sub(MASK, url)
    url = _QUERY.sub(lambda match: _masked_member(match["name"], match["value"]), url)
    return _SEGMENT.sub(lambda match: match[0] if _UUID.match(match[0]) else MASK, url)


def _masked_member(name: str, value: str) -> str:
    return f"{name}{MASK}" if _names_a_secret(name.strip("?&;=")) else f"{name}{value}"
