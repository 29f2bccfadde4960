"""Where EVE lies in a Redis: ``redis://[USER:PASSWORD@]HOST[:PORT][/DB]?key=suricata&mode=list``.

Hard rule: a password is in the connection and nowhere else: not in a place, a log or an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

from msgspec import Struct

from vedette.errors import UsageError

if TYPE_CHECKING:
    from redis import Redis  # of the extra; its types are as loose as its answers

SCHEMES = ("redis", "rediss")
PASSWORD_VARIABLE = "VEDETTE_REDIS_PASSWORD"  # noqa: S105 - the name, not the password
"""Environment variable for a password that must not stand on a command line."""

_PORT = 6379
_DATABASES_MAX = 1 << 16
_TIMEOUT_S = 10.0
_LISTS = frozenset({"list", "lpush", "rpush"})
_STREAMS = frozenset({"stream", "xadd"})
_LOSSY = frozenset({"channel", "publish"})
_KNOWN = frozenset({"key", "mode", "group"})


class RedisPlace(Struct, frozen=True, kw_only=True):
    """One key of one Redis, and how its entries are read."""

    scheme: str
    host: str
    port: int
    db: int
    user: str
    password: str
    key: str
    mode: str
    """``list`` or ``stream``."""
    group: str
    """The consumer group of a stream."""

    def __repr__(self) -> str:
        """The place: a password must not get into a traceback."""
        return str(self)

    def __str__(self) -> str:
        """The address without the password: what is stored and logged."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        group = f"&group={quote(self.group, safe='')}" if self.mode == "stream" else ""
        key = quote(self.key, safe="")
        return (
            f"{self.scheme}://{user}{host}:{self.port}/{self.db}?key={key}&mode={self.mode}{group}"
        )

    def connect(self) -> Redis:
        """Return a client; it connects when it is first used.

        Raises:
            UsageError: The extra is missing.
        """
        try:
            from redis import Redis  # noqa: PLC0415 - of the extra
            from redis.backoff import NoBackoff  # noqa: PLC0415
            from redis.retry import Retry  # noqa: PLC0415
        except ImportError as error:
            raise UsageError(
                "reading a Redis needs the package redis, which is not installed",
                hint='Install the extra: pip install "vedette[hub]"',
            ) from error
        return Redis(
            host=self.host,
            port=self.port,
            db=self.db,
            username=self.user or None,
            password=self.password or None,
            ssl=self.scheme == "rediss",
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # what may be sent twice is decided by us
            protocol=2,  # one shape of answers, whatever the server
        )


def parse(text: str) -> RedisPlace:
    """Read an address.

    Raises:
        UsageError: It cannot mean anything, or names a mode that loses events.
    """
    try:
        url = urlsplit(text)
        port = url.port or _PORT
        query = parse_qs(url.query, strict_parsing=bool(url.query), max_num_fields=8)
    except ValueError as error:
        raise _no_address("it cannot be read") from error
    if url.scheme not in SCHEMES or not url.hostname:
        raise _no_address("it has no host")
    if unknown := sorted(set(query) - _KNOWN):
        raise _no_address(f"'{unknown[0]}' is not known")
    name = url.path.strip("/")
    if name and not (name.isascii() and name.isdigit() and int(name) < _DATABASES_MAX):
        raise _no_address("behind the host is the number of the database")
    return RedisPlace(
        scheme=url.scheme,
        host=url.hostname,
        port=port,
        db=int(name or "0"),
        user=unquote(url.username or ""),
        password=unquote(url.password or "") or os.environ.get(PASSWORD_VARIABLE, ""),
        key=_one(query, "key", "suricata"),
        mode=_mode(_one(query, "mode", "list")),
        group=_one(query, "group", "vedette"),
    )


def _one(query: Mapping[str, list[str]], name: str, default: str) -> str:
    values = query.get(name, [default])
    if len(values) > 1:
        raise _no_address(f"'{name}' is given twice")
    return values[0]


def _mode(name: str) -> str:
    if name in _LISTS:
        return "list"
    if name in _STREAMS:
        return "stream"
    if name in _LOSSY:
        raise UsageError(
            "a Redis channel keeps nothing: events are lost whenever nobody listens",
            hint="Set 'mode: list' (or on Suricata 8 'mode: stream') in eve-log's redis section.",
        )
    raise _no_address(f"mode '{name}' is not known")


def _no_address(why: str) -> UsageError:
    return UsageError(
        f"this is no address of a Redis: {why}",
        hint="redis://[USER:PASSWORD@]HOST[:PORT][/DB]?key=suricata&mode=list|stream&group=vedette"
        f" (the password may also be in ${PASSWORD_VARIABLE})",
    )
