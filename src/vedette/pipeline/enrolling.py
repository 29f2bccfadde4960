"""Enrol a sensor that fetches its generations itself, and say what to paste on its machine.

One hard rule: what is printed works as it stands; a test pastes it.
"""

from __future__ import annotations

import ipaddress
import shlex
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from vedette.bundle.generation import open_generation
from vedette.config import ServeSettings
from vedette.errors import ConfigError, UsageError, VedetteError
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import signing_key
from vedette.ruleset.engine import Target
from vedette.ruleset.manifest import Manifest
from vedette.sensor.settings import Delivery
from vedette.store.tokens import Scope

FETCHING = (Delivery.AGENT, Delivery.SURICATA_UPDATE, Delivery.SCIRIUS)
"""The ways of delivery that a sensor is enrolled for."""

_TOKEN_FILE = "/etc/vedette/agent.token"  # noqa: S105 - a path
_CA_FILE = "/etc/vedette/hub.pem"
_SCOPES: dict[Delivery, tuple[Scope, ...]] = {
    Delivery.AGENT: (Scope.FETCH, Scope.REPORT),
    Delivery.SURICATA_UPDATE: (Scope.FETCH, Scope.REPORT),
    Delivery.SCIRIUS: (Scope.FETCH,),
}


class Block(Struct, frozen=True, kw_only=True):
    """Something to do on the sensor's machine."""

    about: str
    """What it is, one line."""
    text: str
    """To paste."""
    is_shell: bool = True
    """Whether a shell takes it; else it is typed into a form."""


class _Given(NamedTuple):
    """What a sensor needs to know of its hub."""

    url: str
    token: str
    key: str
    ca: str
    """PEM text of the hub's own authority; ``""``: it has none."""


class Enrolled(Struct, frozen=True, kw_only=True):
    """A sensor that may fetch now."""

    sensor: str
    delivery: Delivery
    ring: str
    url: str
    """Of the hub, as the sensor's machine reaches it."""
    token: str
    """Shown this once."""
    key: str
    """The hub's public key."""
    revoked: int
    """So many older tokens of it open nothing any more."""
    blocks: tuple[Block, ...]
    warnings: tuple[str, ...]


def enrol(
    hub: Hub,
    name: str,
    delivery: Delivery | None,
    *,
    by: str,
    now: int,
    ring: str = "",
    engine: str = "7.0",
    again: bool = False,
) -> Enrolled:
    """Add a sensor, make its token, and say what to paste.

    Args:
        hub: The open state directory.
        name: Of the sensor.
        delivery: One of ``FETCHING``; None: as it is, or by an agent.
        by: Who does it.
        now: Epoch seconds.
        ring: ``canary``, or with all the others.
        engine: The profile to name where the consumer does not say it itself (Scirius).
        again: It is known already: make a new token, and revoke the old ones.

    Raises:
        UsageError: It is known already, or not; or gets its generations in another way.
        TrustError: There is no key to sign with.
        ConfigError: The certificate of the hub cannot be read.
    """
    Target.parse(engine)
    known = {record.name: record.settings for record in hub.store.fleet.sensors()}
    if again and name not in known:
        raise UsageError(f"there is no sensor '{name}'", hint="Enrol it without --again.")
    if not again and name in known:
        raise UsageError(
            f"there is already a sensor '{name}'",
            hint="Its token is lost? vedette sensor enrol " + name + " --again",
        )
    key, ca = signing_key(hub).public.text, authority(hub.settings.serve)
    revoked = 0
    if again:
        delivery = _same(name, delivery, str(known[name].get("delivery", Delivery.LOCAL)))
        ring = str(known[name].get("ring", ""))
        revoked = hub.store.tokens.revoke_of(name, by=by, now=now)
    else:
        delivery = delivery or Delivery.AGENT
        hub.store.fleet.add_sensor(name, {"delivery": delivery.value, "ring": ring})
    given = _Given(
        url=address(hub.settings.serve),
        token=hub.store.tokens.add(name, _SCOPES[delivery], by=by, now=now),
        key=key,
        ca=ca,
    )
    return Enrolled(
        sensor=name,
        delivery=delivery,
        ring=ring,
        url=given.url,
        token=given.token,
        key=given.key,
        revoked=revoked,
        blocks=tuple(_blocks(hub, delivery, given, engine)),
        warnings=tuple(_warnings(hub, delivery, given.url)),
    )


def _same(name: str, delivery: Delivery | None, known: str) -> Delivery:
    if known not in FETCHING:
        raise UsageError(
            f"sensor '{name}' does not fetch ({known}), so that it has no token",
            hint=f"To have it fetch: vedette sensor remove {name}, then enrol it without --again.",
        )
    if delivery not in {None, known}:
        raise UsageError(
            f"sensor '{name}' gets its generations by {known}",
            hint=f"Leave --delivery out; or remove it first: vedette sensor remove {name}",
        )
    return Delivery(known)


def address(serve: ServeSettings) -> str:
    """Return what others call the hub, from ``[serve]``."""
    if serve.url:
        return serve.url.rstrip("/")
    host, _, port = serve.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            host = socket.getfqdn()
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if serve.tls_cert else 'http'}://{shown}:{port}"


def authority(serve: ServeSettings) -> str:
    """Return the PEM text of an authority of one's own, if the chain of tls_cert ends in one.

    Raises:
        ConfigError: The file cannot be read.
    """
    if not serve.tls_cert:
        return ""
    try:
        chain = x509.load_pem_x509_certificates(Path(serve.tls_cert).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read the certificate {serve.tls_cert}: {error}", hint="See tls_cert."
        ) from error
    last = chain[-1]
    return last.public_bytes(Encoding.PEM).decode().strip() if last.issuer == last.subject else ""


def _blocks(hub: Hub, delivery: Delivery, given: _Given, engine: str) -> list[Block]:
    match delivery:
        case Delivery.SURICATA_UPDATE:
            agent = _agent(given, "--delivery suricata-update")
            about = "To have it proved, too: an agent beside the engine, which writes no rules"
            return [*_suricata_update(given), Block(about=about, text=agent)]
        case Delivery.SCIRIUS:
            return _scirius(hub, given, engine)
        case _:
            about = "On the sensor, as root, with Vedette installed"
            return [Block(about=about, text=_agent(given))]


def _agent(given: _Given, more: str = "") -> str:
    """Return one command: it writes the token (and the authority) and starts the agent."""
    lines = [
        f"(umask 077 && mkdir -p {Path(_TOKEN_FILE).parent} &&",
        f" printf '%s\\n' {given.token} 'key {given.key}' > {_TOKEN_FILE}) &&",
    ]
    if given.ca:
        lines.append(f"printf '%s\\n' {shlex.quote(given.ca)} > {_CA_FILE} &&")
    options = [f"--hub {shlex.quote(given.url)}", f"--token-file {_TOKEN_FILE}", more]
    options += [f"--ca {_CA_FILE}"] if given.ca else []
    lines.append(f"vedette agent {' '.join(filter(None, options))}")
    return "\n".join(lines)


def _suricata_update(given: _Given) -> list[Block]:
    source = shlex.quote(f"{given.url}/suricata-%(__version__)s/vedette.tar.gz")
    header = f"--http-header 'Authorization: Bearer {given.token}'"
    lines = [f"suricata-update add-source vedette {source} {header} &&", "suricata-update"]
    blocks = [Block(about="On the sensor", text="\n".join(lines))]
    if given.ca:
        trusted = f"mkdir -p {Path(_CA_FILE).parent} &&\n"
        trusted += f"printf '%s\\n' {shlex.quote(given.ca)} > {_CA_FILE} &&\n"
        trusted += f"export SSL_CERT_FILE={_CA_FILE}"
        about = "Before, in that shell and in every job that runs suricata-update: our authority"
        blocks.insert(0, Block(about=about, text=trusted))
    return blocks


def _scirius(hub: Hub, given: _Given, engine: str) -> list[Block]:
    form = "Name: {name}\nMethod: HTTP URL\nData type: {kind}\nURI: {uri}\nAuthorization key: {key}"

    def block(about: str, name: str, kind: str, uri: str) -> Block:
        text = form.format(name=name, kind=kind, uri=f"{given.url}{uri}", key=given.token)
        return Block(about=about, text=text, is_shell=False)

    whole = block(
        "Sources > Add custom source: all of it in one",
        "vedette",
        "Signatures files in tar archive",
        f"/scirius/{engine}/vedette.tar.gz",
    )
    manifest = _published(hub)
    if manifest is None:
        return [whole]
    parts = [
        block(
            "Or, instead, one source for the rules and one for each of these sets",
            "vedette-rules",
            "Individual Signatures file",
            f"/scirius/{engine}/vedette.rules",
        )
    ]
    with suppress(VedetteError):
        for name in manifest.rules_for(engine).sets:
            info = manifest.set(name)
            raw = info.format == "base64"
            kind = "String dataset file" if raw else "Other content"
            parts.append(block("", name, kind, f"/{'d' if raw else 'o'}/{name}"))
    return [whole, *parts]


def _published(hub: Hub) -> Manifest | None:
    with suppress(VedetteError):
        if generation := open_generation(hub.settings.bundles):
            return generation.manifest
    return None


def _warnings(hub: Hub, delivery: Delivery, url: str) -> Sequence[str]:
    serve, said = hub.settings.serve, []
    host = serve.listen.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if not serve.url and ipaddress.ip_address(host).is_loopback:
        said.append(
            f"{url} is reached from this machine only: set listen, tls_cert and url in [serve]"
        )
    if delivery is Delivery.SURICATA_UPDATE:
        said.append(
            "suricata-update without any source loads et/open; with one it does not any more."
            " To keep it: suricata-update enable-source et/open"
        )
    if delivery is Delivery.SCIRIUS and not hub.settings.bundle.prefix.replace("-", "").isalnum():
        said.append(
            f"Scirius takes no '.' or '_' in names of sets: 'vedette' instead of"
            f" '{hub.settings.bundle.prefix}' as prefix in [bundle], or the archive"
        )
    return said
