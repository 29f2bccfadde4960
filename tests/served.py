"""A hub that serves, on a real socket, for tests of what consumers see."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vedette.bundle import Builder
from vedette.config import ServeSettings, Settings
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.announcing import announce_current
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import PLAIN, Target
from vedette.ruleset.manifest import Manifest
from vedette.store.tokens import Scope
from vedette.testing.indicators import ListedKeys
from vedette.web.running import Service

KEYS = (
    Key(T.DOMAIN, "evil.example"),
    Key(T.HOSTNAME, "host.example"),
    Key(T.IP_DST, "192.0.2.1"),
    Key(T.IP_DST, "10.0.0.0/8"),
    Key(T.URL, "evil.example/path"),
    Key(T.USER_AGENT, "Bad Agent/1.0 "),
    Key(T.SHA256, "0" * 64),
    Key(T.MD5, "0" * 32),
    Key(T.CERT_SHA256, "0" * 64),
)


@dataclass
class Served:
    """A hub, its store and its address."""

    settings: Settings
    hub: Hub
    url: str

    def publish(self, *keys: Key, targets: tuple[Target, ...] = PLAIN) -> Manifest:
        """Build and announce a generation of these indicators."""
        Builder(root=self.settings.bundles, targets=targets).build(ListedKeys(keys))
        announce_current(self.hub, "test")
        manifests = self.hub.settings.bundles.glob("gen-*/manifest.json")
        return Manifest.from_json(max(manifests).read_bytes())

    def sensor(self, name: str, *, delivery: str = "suricata-update", ring: str = "") -> str:
        """Add a sensor and return its token."""
        self.hub.store.fleet.add_sensor(name, {"delivery": delivery, "ring": ring})
        return self.token(sensor=name)

    def token(self, *scopes: Scope, sensor: str = "") -> str:
        """Make a token, for fetching unless told otherwise."""
        wanted = scopes or (Scope.FETCH,)
        return self.hub.store.tokens.add(sensor, wanted, by="test", now=int(time.time()))

    def client(self, token: str = "") -> httpx2.Client:
        """Ask with a token."""
        headers = {"authorization": f"Bearer {token or self.token()}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30)


@contextmanager
def serving(path: Path, **serve: object) -> Iterator[Served]:
    """Open a hub in a directory, and serve it."""
    settings = Settings(home=str(path), serve=ServeSettings(**{"listen": "127.0.0.1:0", **serve}))
    with Hub(settings) as hub, Service(settings).running() as url:
        yield Served(settings, hub, url)


def certify(directory: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate of its own for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / "hub.pem", directory / "hub.key"
    fresh = directory / "fresh"
    fresh.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    fresh.replace(cert_file)
    fresh.touch(mode=0o600)
    fresh.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    fresh.chmod(0o600)
    fresh.replace(key_file)
    return cert_file, key_file
