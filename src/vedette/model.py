"""The nouns that stages exchange: frozen, keyword-only where wide, and without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class IndicatorType(StrEnum):
    """What an indicator is. The order of members is the order of datasets and sids."""

    DOMAIN = "domain"
    """A name and every name below it."""
    HOSTNAME = "hostname"
    """Exactly this name."""
    IP_DST = "ip-dst"
    """An address that our side contacts (command and control, drop zone)."""
    IP_SRC = "ip-src"
    """An address that contacts us (scanner, brute forcer)."""
    IP_DST_PORT = "ip-dst-port"
    """``address,port`` that our side contacts; the port is part of the match."""
    IP_SRC_PORT = "ip-src-port"
    """``address,port`` that contacts us from this source port."""
    URL = "url"
    """``host[:port]/path[?query]`` without scheme: seen where HTTP is in the clear."""
    URI = "uri"
    """A path with query as sent, on any host."""
    USER_AGENT = "user-agent"
    HTTP_METHOD = "http-method"
    COOKIE = "cookie"
    REFERER = "referer"
    HTTP_SERVER = "http-server"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"
    FILENAME = "filename"
    JA3 = "ja3"
    JA3S = "ja3s"
    JA4 = "ja4"
    CERT_SHA1 = "cert-sha1"
    """40 lower-case hex digits, no colons (the compiler adds the engine's colons)."""
    CERT_SHA256 = "cert-sha256"
    CERT_MD5 = "cert-md5"
    HASSH = "hassh"
    HASSH_SERVER = "hassh-server"
    SSH_SOFTWARE = "ssh-software"
    EMAIL_SRC = "email-src"
    """A bare address, lower case, without brackets."""
    EMAIL_DST = "email-dst"
    EMAIL_SUBJECT = "email-subject"
    EMAIL_X_MAILER = "email-x-mailer"
    EMAIL_MESSAGE_ID = "email-message-id"
    """With its angle brackets."""


class Key(NamedTuple):
    """The identity of an indicator: what is deduplicated, published and looked up."""

    type: IndicatorType
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a source says about a group of indicators (a MISP event, a list).

    Shared by all indicators of the group: an event with 5,000 attributes has one Context object.
    """

    key: str
    """Unique within the source and stable between pulls: the MISP event uuid, else ``""``."""
    info: str = ""
    """One line for people: the event's info, the list's name."""
    organisation: str = ""
    tags: tuple[str, ...] = ()
    tlp: str = ""
    """``red``, ``amber+strict``, ``amber``, ``green``, ``clear`` or ``""``."""
    threat_level: str = ""
    """``high``, ``medium``, ``low`` or ``""``."""
    date: str = ""
    """ISO date of the event, or ``""``."""
    url: str = ""
    """Where a person can read it (``https://misp/events/view/UUID``), or ``""``."""


class Indicator(Struct, frozen=True, kw_only=True, gc=False):
    """One value worth alerting on, in its canonical spelling, with its context.

    A msgspec struct because a full pull makes a million of them (2.8 M/s against 0.5 M/s).
    """

    type: IndicatorType
    value: str
    ref: str
    """Where the source keeps it: an attribute uuid; ``""`` for a list, which has no ids."""
    context: Context
    comment: str = ""
    tags: tuple[str, ...] = ()
    """Tags of this value alone, without those of its context."""
    changed: int = 0
    """When the source last changed or saw it, epoch seconds; 0: it does not say."""
    expires: int = 0
    """From when on the source itself calls it void (``valid_until``, a decayed score), epoch
    seconds; 0: never."""
    confidence: int = -1
    """0 to 100, as the source says; -1: it does not say."""

    @property
    def key(self) -> Key:
        """The identity of this indicator."""
        return Key(self.type, self.value)


class Rejected(NamedTuple):
    """A value that cannot be used, with where it came from and why."""

    value: str
    """As it was found, at most 200 characters."""
    ref: str
    reason: str
    """A few words, the same for the same cause: reasons are counted."""


class Skipped(Struct, frozen=True):
    """Values that the source's filters or the table leave out (``to_ids`` is false, too old)."""

    reason: str
    count: int = 1


class Fetched(NamedTuple):
    """A group (one MISP event, one list) has been yielded whole.

    Items that precede it, back to the last ``Fetched``, ``Unchanged`` or ``Broken``, belong to it
    and replace all that the source had under this key.
    """

    key: str
    """The context key of the group."""
    version: str
    """Opaque; compared for equality only (timestamps of synchronised events go backwards)."""
    reason: str = ""
    """Why what we held of the group and was not yielded goes; ``""``: the source changed it."""


class Withdrawn(NamedTuple):
    """Why one value of a group is not among its indicators, for people who miss it.

    It removes nothing by itself: what is not yielded goes, and this is the reason that is logged.
    """

    ref: str
    """As of the indicator that we may hold."""
    reason: str


class Unchanged(NamedTuple):
    """The group is still there in the version that we hold: its indicators stay."""

    key: str
    version: str = ""
    """The version to hold from now on; ``""``: as before."""
    reason: str = ""
    """Why it stays although the source says something else now; ``""``: it does not."""


class Broken(NamedTuple):
    """A group could not be read while others could: what we hold of it stays, and this is shown."""

    key: str
    reason: str


Item = Indicator | Rejected | Skipped | Withdrawn | Fetched | Unchanged | Broken
"""What a source yields. A group that is not mentioned at all is gone from the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One claim of one source about one value, as the store keeps it."""

    source: str
    key: Key
    ref: str
    context: Context
    comment: str
    tags: tuple[str, ...]
    changed: int = 0
    """As of :class:`Indicator`, like the two below."""
    expires: int = 0
    confidence: int = -1
    added_at: int = 0
    """When this claim came here, epoch seconds; 0: before that was kept."""


class Outcome(StrEnum):
    """What the guard decides about an indicator."""

    PUBLISH = "publish"
    EXACT = "exact"
    """A domain that is published as a hostname: never the names below it."""
    HOLD = "hold"
    """Not on the sensors until a person decides."""
    DROP = "drop"
    """Not on the sensors; still listed, with the reason."""


class Verdict(Struct, frozen=True, kw_only=True):
    """The guard's answer on one indicator."""

    outcome: Outcome = Outcome.PUBLISH
    test: str = ""
    """Name of the test that decided; ``""``: none had anything to say."""
    reason: str = ""
    """One line for people, with the figure or the name of the list; ``""`` for plain publish."""
    labels: tuple[str, ...] = ()
    """Names of the warning lists that match, whatever was decided."""
    due: int = 0
    """When time alone may change the verdict, epoch seconds; 0: never."""

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to keep: published, no label, no date."""
        return self.outcome is Outcome.PUBLISH and not (self.labels or self.due or self.test)


class RulingKind(StrEnum):
    """What a person decided."""

    ALLOW = "allow"
    """May be seen on our network: never alert on it."""
    DENY = "deny"
    """Alert on it whatever the guard thinks."""
    RELEASE = "release"
    """Publish this held indicator."""
    HOLD = "hold"
    """Keep this indicator from the sensors until it is released."""


class Ruling(Struct, frozen=True, kw_only=True):
    """A person's decision that applies to the indicator."""

    id: int
    kind: RulingKind
    type: str
    """Indicator type; ``""``: a name, an address or a network, of any type."""
    value: str
    below: bool
    """Whether names below, or addresses within, are meant too."""
    who: str
    why: str
    at: int
    until: int
    """Epoch seconds; 0: for good."""


class SourceRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator says about everything that one source lists."""

    confidence: int = -1
    """0 to 100, where the source says nothing itself; -1: the type decides."""
    age: str = ""
    """How long after its last change an indicator stays (``90d``), over ``[guard.age]``."""
    review: bool = False
    """Whether every new indicator is held until a person releases it."""


class Change(NamedTuple):
    """An indicator that appeared or went away between two states."""

    added: bool
    key: Key
    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An indicator met the network, grouped by indicator, buffer, sensor and client."""

    key: Key
    observed: str
    """The value as the network showed it (a subdomain of ``key.value``, for instance)."""
    buffer: str
    sensor: str
    client: str
    server: str
    origin: str
    """``live`` (an alert), ``eve`` (matched by the EVE reader) or ``retro`` (a hunt)."""
    first_seen: datetime
    last_seen: datetime
    count: int
    live: str = ""
    """Of a retro hit: ``yes``, or why a live alert would not have caught it."""
    hosts: int = 0
    """Of a retro hit: distinct hosts that showed the value, within the retention."""
    between: tuple[datetime, ...] = ()
    """The last moment of each other hour in which it was seen, as far as that is known."""


class MispSighting(NamedTuple):
    """What one MISP is told of one attribute: it was seen, or it is a false positive."""

    source: str
    """The source of ours that lists the attribute; it does not leave."""
    event: str
    """uuid."""
    attribute: str
    """uuid."""
    uuid: str
    """Made of everything that it says: the same statement has the same uuid, whoever repeats it."""
    at: int
    """Epoch seconds."""
    type: int
    """MISP's: 0 seen, 1 false positive."""
    says: str
    """MISP's field ``source``: who says so, as far as the policy allows."""
