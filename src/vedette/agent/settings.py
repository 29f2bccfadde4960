"""agent.toml -> settings of an agent; options of the command line replace what stands there.

Every key is a field below, documented under its name in docs/reference/agent-settings.md.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from vedette.config import parse_duration
from vedette.errors import ConfigError
from vedette.sensor.settings import Delivery, Sensor

SYSTEM_FILE = Path("/etc/vedette/agent.toml")
DELIVERIES = (Delivery.AGENT, Delivery.SURICATA_UPDATE, Delivery.STICK)
"""The ways of delivery that an agent may stand for."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_SOCKETS = ("/var/run/suricata/suricata-command.socket", "/var/run/suricata-command.socket")
"""Where Suricata itself, and Debian's, have it."""
_SENSOR: Mapping[str, str] = {
    "rules": "/var/lib/vedette-agent/rules",
    "eve": "/var/log/suricata/eve.json",
}
_HINT = "All settings are in docs/reference/agent-settings.md."


class AgentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of agent.toml."""

    hub: str = ""
    """Address of ``vedette serve``: ``https://hub.example:8443/``. Without one, generations come on
    a stick, and the agent only proves and repairs."""
    token_file: str = "/etc/vedette/agent.token"  # noqa: S105 - a path
    """Its first line is the token; further lines ``key RW...`` give the hub's public key. Others
    must not be able to read it."""
    key: str = ""
    """The hub's public key (``vedette key show``, on the hub); the one in ``token_file`` if empty.
    Whatever another key signed is refused."""
    trust_on_first_use: bool = False
    """Take the key that the hub names at the first contact. Whoever answers in its place then is
    believed for ever."""
    ca_file: str = ""
    """PEM file of the authority that signed the hub's certificate, if it is your own."""
    plain_http: bool = False
    """Speak to a hub on another machine without TLS. Everybody on the way can read the token."""
    state: str = "/var/lib/vedette-agent"
    """Directory of the agent's own: what it trusts, what it has accepted, alerts to be sent."""
    delivery: Delivery = Delivery.AGENT
    """``agent``: it installs what the hub announces. ``suricata-update``: somebody else installs,
    it only proves. ``stick``: generations come by ``vedette bundle import``."""
    update_command: tuple[str, ...] = ()
    """Of delivery ``suricata-update``: run when another generation is announced."""
    rhythm: str = "60s"
    """The longest time between two proofs, and between two reports."""
    look_every: str = "2s"
    """How often it is looked whether engine and files are still those that were proved."""
    proof_members: Annotated[int, Meta(ge=1)] = 100
    """Random members of each dataset that every proof asks for."""
    yaml: str = ""
    """The engine's suricata.yaml, for the doctor; the engine is asked where it is, if empty."""
    hits: bool = True
    """Send alerts of our rules to the hub, which needs ``eve`` of the sensor."""
    spool_mb: Annotated[int, Meta(ge=1)] = 256
    """Most megabytes of alerts that wait for the hub; what comes then is counted and not kept."""
    sensor: Sensor
    """``[sensor]``: the engine; see below."""

    @property
    def state_dir(self) -> Path:
        """The state directory."""
        return Path(self.state)

    @property
    def rhythm_s(self) -> float:
        """``rhythm`` in seconds."""
        return float(parse_duration(self.rhythm))

    @property
    def look_s(self) -> float:
        """``look_every`` in seconds."""
        return float(parse_duration(self.look_every))


def load(path: Path | None, given: Mapping[str, Any]) -> AgentSettings:
    """Read agent.toml, if there is one, and the options that were given.

    Args:
        path: None: the system's file, if it is there.
        given: Settings by name that replace those of the file; a mapping under ``sensor``.

    Raises:
        ConfigError: A file cannot be read, or a setting is unknown or impossible.
    """
    if path is None and SYSTEM_FILE.is_file():
        path = SYSTEM_FILE
    raw = _read(path) if path else {}
    sensor = raw.get("sensor", {})
    if not isinstance(sensor, dict):
        raise ConfigError(f"{path}: [sensor] is a section", hint=_HINT)
    there = next(filter(os.path.exists, _SOCKETS), _SOCKETS[0])
    default = {"name": socket.gethostname(), "socket": there, **_SENSOR}
    merged = {**raw, **given, "sensor": {**default, **sensor, **given.get("sensor", {})}}
    where = str(path) if path else "the options"
    known = {field.name for field in msgspec.structs.fields(Sensor)}
    if unknown := sorted(merged["sensor"].keys() - known):
        raise ConfigError(f"{where}: [sensor] has no setting '{unknown[0]}'", hint=_HINT)
    try:
        settings = msgspec.convert(merged, type=AgentSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}", hint=_HINT) from error
    _check(settings, where)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", hint="Check that it exists, and its mode."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint="Correct that line.") from error


def _check(settings: AgentSettings, where: str) -> None:
    for text in (settings.rhythm, settings.look_every):
        parse_duration(text)
    if settings.delivery not in DELIVERIES:
        raise ConfigError(
            f"{where}: an agent has no delivery '{settings.delivery}'",
            hint=f"Write one of: {', '.join(DELIVERIES)}.",
        )
    if settings.update_command and settings.delivery is not Delivery.SURICATA_UPDATE:
        raise ConfigError(
            f"{where}: update_command belongs to delivery 'suricata-update'",
            hint="Without that the agent brings generations into force itself.",
        )
    if settings.hub:
        _check_address(settings, where)
    elif settings.delivery is not Delivery.STICK:
        raise ConfigError(
            f"{where}: no hub is named", hint="Give its address: --hub https://hub.example:8443/"
        )


def _check_address(settings: AgentSettings, where: str) -> None:
    try:
        parts = urlsplit(settings.hub)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{where}: hub is no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise ConfigError(
            f"{where}: '{settings.hub.partition('?')[0]}' is no address of a hub",
            hint="Write it as https://hub.example:8443/",
        )
    if "@" in parts.netloc:
        raise ConfigError(
            f"{where}: a login does not belong into the hub's address",
            hint="The token stands in token_file.",
        )
    if parts.scheme == "http" and host not in _LOOPBACK and not settings.plain_http:
        raise ConfigError(
            f"{where}: http://{host} would show the token to everybody on the way",
            hint="Write https://, or say plain_http = true where the way itself is protected.",
        )
