"""A hub that serves, on a real socket, for tests of what consumers see."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

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


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    settings = Settings(home=str(tmp_path), serve=ServeSettings(listen="127.0.0.1:0"))
    with Hub(settings) as hub, Service(settings).running() as url:
        yield Served(settings, hub, url)
