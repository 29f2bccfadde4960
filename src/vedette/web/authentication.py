"""Who asks: tokens, and what becomes of those who have none.

One hard rule: a token that is valid opens, whoever else at its address guesses; what is limited is
how often wrong ones are answered, counted and written down.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from vedette.store.tokens import Scope, TokenRecord, Tokens
from vedette.web.refusing import Refusal

log = structlog.get_logger(__name__)

FAILURES_MAX = 20
"""So many refusals in a window are answered 401; after that 429, without looking further."""
WINDOW_S = 60.0
_ADDRESSES_MAX = 10_000
_HEADER_MAX = 400
_SCHEMES = frozenset({"bearer", "token"})
_CHALLENGE = {"www-authenticate": 'Bearer realm="vedette"'}


class Caller(NamedTuple):
    """Whoever asks, authenticated."""

    token: str
    """Id of the token."""
    sensor: str
    """``""``: a tool that is no sensor."""
    scopes: frozenset[Scope]
    origin: str
    """The address that it asks from."""


def candidates(header: str) -> Iterator[str]:
    """Yield what may be a token in ``Authorization``: the value itself, of Bearer, or of Basic.

    Tools that know no schemes (Scirius) send the configured text verbatim; with Basic the token is
    the password, or the user where there is none.
    """
    scheme, _, rest = header[:_HEADER_MAX].strip().partition(" ")
    rest = rest.strip()
    if not rest:
        yield scheme
    elif scheme.lower() in _SCHEMES:
        yield rest
    elif scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return
        yield password or user


def identify(tokens: Tokens, presented: Iterable[str]) -> TokenRecord | None:
    """Return the record of the first of these texts that is a token of ours, valid or not."""
    for text in presented:
        if record := tokens.authenticate(text):
            return record
    return None


@dataclass
class _Failures:
    since: float
    count: int = 0
    told: int = 0


@dataclass
class Gate:
    """Decides about records of tokens, and counts refusals by reason and by address."""

    refused: Counter[str] = field(default_factory=Counter)
    """By reason, since the start."""
    _by_address: OrderedDict[str, _Failures] = field(default_factory=OrderedDict)

    def admit(
        self, record: TokenRecord | None, scope: Scope, *, given: bool, origin: str, now: float
    ) -> Caller:
        """Return the caller.

        Args:
            record: Whose token was presented; None: nobody's.
            scope: What it has to be good for.
            given: Whether any token was presented at all.
            origin: The address that it came from.
            now: Epoch seconds.

        Raises:
            Refusal: 401, 403 (another scope), or 429 after too many of them from this address.
        """
        if record is not None and record.is_valid(int(now)):
            if scope in record.scopes:
                return Caller(record.id, record.sensor, record.scopes, origin)
            self._count("scope", origin, record.id, now)
            raise Refusal(
                403,
                f"token {record.id} is not for this: it lacks the scope '{scope}'",
                hint=f"On the hub: vedette token add --scope {scope}",
            )
        reason, error, hint = _why(record, given=given)
        self._count(reason, origin, record.id if record else "", now)
        raise Refusal(401, error, hint=hint, headers=_CHALLENGE)

    def _count(self, reason: str, origin: str, token: str, now: float) -> None:
        """Count a refusal, and log the first of an address and each time that it is too much.

        Raises:
            Refusal: There were too many from this address.
        """
        self.refused[reason] += 1
        address = _network(origin)
        entry = self._by_address.pop(address, None)
        if entry is None or now - entry.since > WINDOW_S or now < entry.since:
            entry = _Failures(now)
        entry.count += 1
        self._by_address[address] = entry
        while len(self._by_address) > _ADDRESSES_MAX:
            self._by_address.popitem(last=False)
        if entry.count == 1 or entry.count == FAILURES_MAX + 1:
            log.warning(
                "token.refused", origin=origin, reason=reason, token=token, count=entry.count
            )
        if entry.count > FAILURES_MAX:
            wait = max(1, int(entry.since + WINDOW_S - now) + 1)
            raise Refusal(
                429,
                f"too many requests without a valid token from {origin}",
                hint="Correct the token where it is configured; valid ones are always served.",
                headers={"retry-after": str(wait)},
            )


def _new_one(record: TokenRecord) -> str:
    if record.sensor:
        return f"A new one, on the hub: vedette sensor enrol {record.sensor} --again"
    return "A new one, on the hub: vedette token add"


def _why(record: TokenRecord | None, *, given: bool) -> tuple[str, str, str]:
    """Return the reason, for counting, the error and the hint of a refusal."""
    if record is not None and record.revoked_at:
        return "revoked", f"token {record.id} was revoked", _new_one(record)
    if record is not None:
        return "expired", f"token {record.id} has expired", _new_one(record)
    if not given:
        return "none", "a token is needed", "Send it as: Authorization: Bearer vdt_..."
    hint = "Is it complete? It is shown once, when it is made: vedette token add"
    return "wrong", "this token is not valid", hint


def _network(origin: str) -> str:
    """Return what is counted as one address: all of a /64 is one customer's."""
    try:
        address = ipaddress.ip_address(origin)
    except ValueError:
        return origin
    if address.version == 4:  # noqa: PLR2004
        return origin
    return str(ipaddress.ip_network((address, 64), strict=False))
