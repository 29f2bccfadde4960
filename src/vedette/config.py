"""vedette.toml -> settings. Sources and sensors are not here: they live in the store.

Every key is a field below, documented under its name in docs/reference/settings.md.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from vedette.buffers import Profile
from vedette.errors import ConfigError, UnusableValueError
from vedette.fields import BY_NAME
from vedette.model import IndicatorType
from vedette.normalize import canonical_name

FILE_NAME = "vedette.toml"
SYSTEM_FILE = Path("/etc/vedette") / FILE_NAME

PlaceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]

_CLASS_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

_OWN_WIDEST = {4: 8, 6: 16}
"""The shortest prefix of a network of our own, by version of the protocol."""


def parse_duration(text: str) -> int:
    """Seconds of ``90s``, ``15m``, ``6h`` or ``1d``.

    Raises:
        ConfigError: The text is no duration.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*([smhd])\s*", text)
    if match is None or int(match[1]) == 0:
        raise ConfigError(
            f"'{text}' is no duration", hint="Write a number and a unit: 90s, 15m, 6h or 1d."
        )
    return int(match[1]) * _UNITS[match[2]]


class BundleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[bundle]: what is compiled and how it is named."""

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,20}$")] = "vedette"
    """First part of every dataset and file name."""
    sid_base: Annotated[int, Meta(ge=1, le=2_147_000_000)] = 1_400_000
    """First sid; 240,000 sids from here on are ours. 1,000,000 to 1,999,999 is for local use."""
    profiles: tuple[Profile, ...] = (Profile.V7_0, Profile.V8_0, Profile.V8_0_7)
    """Engine profiles to compile; those of the configured sensors are always added."""
    keep: Annotated[int, Meta(ge=2)] = 10
    """How many generations stay on disk for roll back and diff."""
    priorities: bool = False
    """Whether indicators of high and of low threat level get rules of their own: priority 1, 3."""


class PushSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[push]: how a generation reaches a running engine."""

    delta_max: Annotated[int, Meta(ge=0)] = 20_000
    """Most additions and removals that go over the socket; more is a reload."""
    proof_members: Annotated[int, Meta(ge=1)] = 50
    """Random members of each dataset that a proof looks up, and as many removed ones."""
    socket_timeout: str = "10s"
    """How long an answer of the engine may take."""
    reload_timeout: str = "10m"
    """How long a reload may take before it counts as failed."""


class RunSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[run]: the rhythm of ``vedette run``."""

    interval: str = "15m"
    """How often a source is pulled that has no interval of its own."""
    prove_every: str = "1m"
    """How often each sensor is proved again when nothing changed."""
    eve_poll: str = "1s"
    """How often eve.json is looked at for new lines."""


class CollectSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[collect]: what the engines themselves shall remember, where EVE has no protocol events."""

    buffers: tuple[str, ...] = ()
    """Buffers whose new values make an alert: dns.query, tls.sni, http.user_agent, ja3.hash..."""
    entries: Annotated[int, Meta(ge=1_000, le=5_000_000)] = 100_000
    """Values of each buffer that an engine has room for; over it, it forgets and alerts again."""


class PoolSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[pool]: the network's memory."""

    enabled: bool = True
    """Whether ``vedette run`` remembers what the sensors' EVE shows (needs ``vedette[hub]``)."""
    store: str = ""
    """Empty: embedded, in the state directory. Else a ClickHouse:
    ``clickhouse://USER@HOST:8123/DATABASE`` (``clickhouses://`` for TLS); the password is in
    ``$VEDETTE_POOL_PASSWORD``."""
    cluster: str = ""
    """Name of the ClickHouse cluster whose shards and replicas hold the tables; empty: one node."""
    retention: str = "90d"
    """How long it is remembered who showed a value and when; the values themselves stay."""
    retention_bytes: Annotated[int, Meta(ge=0)] = 0
    """The most bytes that these observations may take; the oldest weeks go first. 0: no limit."""
    learning: str = "7d"
    """For how long from the first event on every value is expected to be new."""
    skip: tuple[str, ...] = ("http.cookie",)
    """Fields that are not remembered."""
    home: tuple[str, ...] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    """Our own networks, to tell which end of a file transfer is the client."""
    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    """Processes that read large inputs side by side; 0: one for each processor."""
    commit_every: str = "2s"
    """How often what was read becomes visible, at a sensor with little traffic."""
    batch_rows: Annotated[int, Meta(ge=1_000)] = 200_000
    """Folded rows that are committed at once, at a sensor with much traffic."""


class OpenSearchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[opensearch.NAME]: an OpenSearch or Elasticsearch with Suricata events to hunt in."""

    url: Annotated[str, Meta(pattern=r"^https?://[^/@?#]+(/[^?#]*)?$")]
    """Where it answers: ``https://search.example:9200``. It is only read, never written."""
    index: Annotated[str, Meta(min_length=1)] = "logstash-*"
    """The indices to hunt in: names and patterns, with commas between."""
    layout: Literal["auto", "logstash", "eve", "ecs"] = "auto"
    """How the events are kept: ``logstash`` (SELKS, Logstash), ``eve`` (EVE as it is), ``ecs``
    (Filebeat's suricata module); ``auto`` looks at the fields of the indices."""
    user: str = ""
    """User with the right to read these indices; empty: an API key, or nobody."""
    password_env: str = "VEDETTE_OPENSEARCH_PASSWORD"  # noqa: S105 - a name, not the password
    """Environment variable that holds the user's password, or the API key if there is no user."""
    ca_file: str = ""
    """PEM file of the authority that signed the server's certificate, if it is your own."""
    verify_tls: bool = True
    """Whether the server's certificate is checked."""
    timeout: str = "60s"
    """How long one request may take; an answer that is cut short by it is called partial."""
    pause: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """Seconds of rest between two requests; there is never more than one at a time."""
    page: Annotated[int, Meta(ge=10, le=50_000)] = 10_000
    """Distinct values that are read with one request."""


class GuardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[guard]: what must not reach the sensors, and what a person should look at first."""

    enabled: bool = True
    """Whether indicators are judged at all; ``false`` publishes whatever the sources list."""
    own: tuple[str, ...] = ()
    """Our own domains and networks: indicators at or below them are dropped."""
    warning_lists: str = ""
    """Directory of MISP warning lists; empty: what ``vedette warninglist update`` fetched into the
    state directory."""
    lists_every: str = "1d"
    """How often ``vedette run`` fetches them again, from where they came last (if nobody fetched
    any: from the first MISP among the sources); empty: never."""
    drop_lists: tuple[str, ...] = ()
    """More warning lists (names of their directories, ``*`` allowed) whose own members are dropped,
    beside the curated ones that ``vedette warninglist list`` marks."""
    keep_lists: tuple[str, ...] = ()
    """Curated warning lists whose members are to be labelled only."""
    prevalence_hosts: Annotated[int, Meta(ge=0)] = 10
    """A new indicator that at least so many of our hosts met is held for review; 0: never."""
    prevalence_days: Annotated[int, Meta(ge=1, le=90)] = 7
    """How far back that is counted."""
    min_confidence: Annotated[int, Meta(ge=0, le=100)] = 0
    """What is less certain than this (0 to 100) is held."""
    confidence: dict[str, Annotated[int, Meta(ge=0, le=100)]] = {}
    """Confidence of indicator types whose sources state none, over the built-in ones:
    ``ja3 = 30``. Below 50, one host that met it is enough to hold it."""
    age: dict[str, str] = {}
    """How long after its last change an indicator of a type stays: ``ip-dst = "90d"``."""


class FeedbackSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[feedback]: which hits go back to MISP as sightings, and what they give away."""

    sources: tuple[str, ...] = ()
    """MISP sources that are told of hits on what they list; empty: nothing ever leaves."""
    group: Literal["day", "hour"] = "day"
    """One sighting for each indicator, class of hosts and day (or hour)."""
    hosts: Literal["none", "class", "address"] = "none"
    """What a sighting's source says of who it was: nothing, the class below, or the address."""
    classes: dict[str, tuple[str, ...]] = {}
    """Classes of hosts by network: ``servers = ["10.1.0.0/16"]``."""
    name: Annotated[str, Meta(max_length=100)] = "vedette"
    """First part of the ``source`` of each sighting; the sensor's name never leaves."""
    retro: bool = True
    """Whether what a hunt found in the past is told too."""
    max_per_day: Annotated[int, Meta(ge=1)] = 10_000
    """Most sightings that leave for one MISP in a day; the rest waits for the next."""
    every: str = "1m"
    """How often they are sent."""


class NotifySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[notify]: who is told of what needs a person."""

    targets_file: str = ""
    """File with one Apprise URL a line (webhooks, mail...); they hold secrets: mode 600."""
    events: tuple[
        Literal["hit", "retro", "held", "source", "proof", "rollout", "feedback"], ...
    ] = (
        "hit",
        "retro",
        "held",
        "source",
        "proof",
        "rollout",
        "feedback",
    )
    """What is told: new hits, hits of hunts, held indicators, sources that fail or are held,
    proofs that fail, roll-outs that stop, sightings that MISP does not take."""
    repeat: str = "6h"
    """The same thing is not told again sooner."""
    gather: str = "30s"
    """How long news is gathered into one message."""


class ServeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[serve]: ``vedette serve``, where sensors and other tools fetch generations."""

    listen: str = "127.0.0.1:8443"
    """Address and port; ``0.0.0.0:8443`` for all interfaces, ``[::]:8443`` for IPv6 too."""
    url: Annotated[str, Meta(pattern=r"^(https?://[^/@?#]+(/[^?#]*)?)?$")] = ""
    """What others call it: ``https://vedette.example:8443``, with the prefix of a proxy; empty: it
    follows from listen."""
    tls_cert: str = ""
    """PEM file with the certificate and its chain; empty: no TLS, which only loopback may do."""
    tls_key: str = ""
    """PEM file with its key, mode 600."""
    behind_proxy: tuple[str, ...] = ()
    """Addresses or networks of proxies that end TLS and whose X-Forwarded-For is believed."""
    metrics: Literal["token", "open", "off"] = "token"
    """Who may read ``/metrics``: whoever has a token with that scope, everybody, or nobody."""


class RolloutSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rollout]: how a new generation spreads. Canaries are sensors with ``ring = canary``."""

    soak: str = "5m"
    """How long all canaries must hold it, proved, before the others get it; none: at once."""
    proof_timeout: str = "15m"
    """How long canaries have to prove it; after that the roll-out stops."""
    alerts_per_minute: Annotated[int, Meta(ge=0)] = 10_000
    """More alerts of our rules in a minute on one sensor stop it; 0: no limit."""
    watch: str = "15m"
    """How long that is looked at after the others got it."""
    on_stop: Literal["rollback", "pause"] = "rollback"
    """What a stop does: back to the generation before everywhere, or no further."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of vedette.toml."""

    state: str = "state"
    """Directory of the database, the bundles and the locks; relative to vedette.toml."""
    bundle: BundleSettings = field(default_factory=BundleSettings)
    push: PushSettings = field(default_factory=PushSettings)
    run: RunSettings = field(default_factory=RunSettings)
    pool: PoolSettings = field(default_factory=PoolSettings)
    collect: CollectSettings = field(default_factory=CollectSettings)
    guard: GuardSettings = field(default_factory=GuardSettings)
    feedback: FeedbackSettings = field(default_factory=FeedbackSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    serve: ServeSettings = field(default_factory=ServeSettings)
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    opensearch: dict[PlaceName, OpenSearchSettings] = {}
    """Places to hunt in that you have already, each in a section ``[opensearch.NAME]``."""
    home: str = ""
    """Directory of vedette.toml; filled in when it is read."""

    @property
    def state_dir(self) -> Path:
        """The state directory as an absolute path."""
        return (Path(self.home) / self.state).absolute()

    @property
    def database(self) -> Path:
        """The control database."""
        return self.state_dir / "vedette.db"

    @property
    def bundles(self) -> Path:
        """The directory of generations."""
        return self.state_dir / "bundles"

    @property
    def keys_dir(self) -> Path:
        """The directory of the signing keys; nobody but Vedette's user may look into it."""
        return self.state_dir / "keys"

    @property
    def artifacts(self) -> Path:
        """What is made of generations to be served (archives, deltas); can be made again."""
        return self.state_dir / "artifacts"

    @property
    def pool_dir(self) -> Path:
        """The directory of the embedded pool, its spool and its socket."""
        return self.state_dir / "pool"


def find_config(given: str | None) -> Path:
    """Where vedette.toml is: the option, $VEDETTE_CONFIG, this directory, or the system's.

    Raises:
        ConfigError: None of them is there.
    """
    named = given or os.environ.get("VEDETTE_CONFIG")
    places = [Path(named)] if named else [Path(FILE_NAME), SYSTEM_FILE]
    for place in places:
        if place.is_file():
            return place
    raise ConfigError(
        f"no configuration at {' or '.join(str(place) for place in places)}",
        hint="Write one with: vedette init",
    )


def load(path: Path) -> Settings:
    """Read and check vedette.toml.

    Raises:
        ConfigError: It cannot be read, is no TOML, or has an unknown or impossible setting.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", hint="Check its permissions."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint="Correct that line.") from error
    if "home" in raw:
        raise ConfigError(f"{path}: unknown setting 'home'", hint="Remove it.")
    try:
        settings = msgspec.convert({**raw, "home": str(path.absolute().parent)}, type=Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{path}: {error}", hint="All settings are in docs/reference/settings.md."
        ) from error
    for text in (
        settings.run.interval,
        settings.run.prove_every,
        settings.run.eve_poll,
        settings.push.socket_timeout,
        settings.push.reload_timeout,
        settings.pool.retention,
        settings.pool.learning,
        settings.pool.commit_every,
        settings.feedback.every,
        settings.notify.repeat,
        settings.notify.gather,
        settings.rollout.soak,
        settings.rollout.proof_timeout,
        settings.rollout.watch,
        *settings.guard.age.values(),
        *filter(None, [settings.guard.lists_every]),
        *(place.timeout for place in settings.opensearch.values()),
    ):
        parse_duration(text)
    _check(settings.pool)
    _check_feedback(settings.feedback)
    _check_guard(settings.guard)
    return settings


def _check(pool: PoolSettings) -> None:
    """Check what a misspelt word would turn off without anybody noticing.

    Raises:
        ConfigError: A field or a network is none.
    """
    if unknown := [name for name in pool.skip if name not in BY_NAME]:
        raise ConfigError(
            f"[pool] skip: there is no field '{unknown[0]}'",
            hint=f"Fields are: {', '.join(BY_NAME)}.",
        )
    for text in pool.home:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(
                f"[pool] home: {error}", hint="Write networks as 10.0.0.0/8 or fc00::/7."
            ) from error


def _check_guard(guard: GuardSettings) -> None:
    """Check what a misspelt word would let through without anybody noticing.

    Raises:
        ConfigError: A type, a name or a network is none.
    """
    types = [kind.value for kind in IndicatorType]
    for section, keys in (("confidence", guard.confidence), ("age", guard.age)):
        if unknown := [name for name in keys if name not in types]:
            raise ConfigError(
                f"[guard.{section}]: there is no indicator type '{unknown[0]}'",
                hint=f"Types are: {', '.join(types)}.",
            )
    for text in guard.own:
        try:
            if text[-1:].isdigit() or ":" in text:
                network = ipaddress.ip_network(text)
                if network.prefixlen < _OWN_WIDEST[network.version]:
                    raise ValueError(f"wider than /{_OWN_WIDEST[network.version]}")  # noqa: TRY301
            else:
                canonical_name(text)
        except (ValueError, UnusableValueError) as error:
            raise ConfigError(
                f"[guard] own: '{text}' is no domain or network that can be ours: {error}",
                hint="Write example.org (names below it are meant too) or 203.0.113.0/24.",
            ) from error


def _check_feedback(feedback: FeedbackSettings) -> None:
    """Check what would say nothing, or more than it should, without anybody noticing.

    Raises:
        ConfigError: A class has a name that cannot be one, or a network that is none.
    """
    for name, networks in feedback.classes.items():
        if not re.fullmatch(_CLASS_NAME, name):
            raise ConfigError(
                f"[feedback.classes]: '{name}' cannot name a class of hosts",
                hint="It leaves as it stands: 1 to 40 letters, digits, '_' and '-'.",
            )
        for text in networks:
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                raise ConfigError(
                    f"[feedback.classes] {name}: {error}",
                    hint="Write networks as 10.0.0.0/8 or fc00::/7.",
                ) from error


TEMPLATE = (files("vedette") / "template.toml").read_text(encoding="utf-8")
"""The commented vedette.toml that ``vedette init`` writes."""
