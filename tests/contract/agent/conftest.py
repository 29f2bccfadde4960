"""A hub behind something that can go wrong, and a machine with an engine and its agent."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import pytest
from msgspec.structs import replace

from vedette.agent.running import Agent
from vedette.agent.settings import AgentSettings
from vedette.agent.situation import judge
from vedette.bundle.generation import open_generation
from vedette.config import ServeSettings, Settings
from vedette.pipeline.announcing import announce
from vedette.pipeline.building import build
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import pull
from vedette.pipeline.signing import signing_key
from vedette.sensor.client import SuricataSocket
from vedette.sensor.settings import Sensor
from vedette.sensor.wire import Report, SignedAnnouncement, State
from vedette.store.tokens import Scope
from vedette.testing.engine import Live
from vedette.testing.fake_suricata import FakeSuricata
from vedette.testing.loopback import LoopbackServer, Request, Response
from vedette.web.running import Service

NAMES = [f"evil{n}.example" for n in range(2_000)]


class Site:
    """A hub behind something that can go wrong, and a machine with an engine and its agent."""

    def __init__(self, path: Path, live: Live | None = None) -> None:
        """Make a hub and an agent's settings; for a real engine, or a socket that answers so."""
        self.path = path
        self.config = Settings(home=str(path / "hub"), serve=ServeSettings(listen="127.0.0.1:0"))
        (path / "hub").mkdir()
        self._list = path / "domains.txt"
        with Hub(self.config) as hub:
            source = {"location": str(self._list), "type": "domain", "format": "lines"}
            hub.store.add_source("domains", "list", source, 900)
            hub.store.fleet.add_sensor("gate", {"delivery": "agent"})
            scopes = {Scope.FETCH, Scope.REPORT}
            token = hub.store.tokens.add("gate", scopes, by="test", now=int(time.time()))
            key = signing_key(hub).public.text
        self.token_file = path / "token"
        self.token_file.write_text(f"{token}\nkey {key}\n")
        self.token_file.chmod(0o600)
        self.way = LoopbackServer(self._forward)
        self._ending = ExitStack()
        self._service: ExitStack | None = None
        self.url = ""
        self._client = httpx2.Client(timeout=60)
        self.socket = live.socket if live else path / "s"
        self.eve = live.eve if live else path / "eve.json"
        self.engine = FakeSuricata(path / "s", path / "rules/current/vedette.rules")
        self._fake = not live
        self.settings = AgentSettings(
            hub=self.way.url,
            token_file=str(self.token_file),
            state=str(path / "state"),
            rhythm="30s",
            look_every="1s",
            sensor=Sensor(
                name="gate",
                socket=str(self.socket),
                rules=str(path / "rules"),
                eve=str(self.eve),
                timeout_s=5,
            ),
        )

    def __enter__(self) -> Self:
        if self._fake:
            self._ending.enter_context(self.engine)
        self._ending.enter_context(self.way)
        self._ending.enter_context(self._client)
        return self

    def __exit__(self, *_: object) -> None:
        self.hub_ends()
        self._ending.close()

    # -- the hub ------------------------------------------------------------------------

    def _forward(self, request: Request) -> Response:
        """Answer what the hub answers, over a connection to it."""
        headers = {k: v for k, v in request.headers.items() if k not in {"host", "connection"}}
        try:
            answer = self._client.request(
                request.method, self.url + request.path, headers=headers, content=request.body
            )
        except (httpx2.TransportError, httpx2.UnsupportedProtocol):
            return Response(502, b"<html>Bad Gateway</html>", "text/html")
        kind = answer.headers.get("content-type", "")
        return Response(answer.status_code, answer.content, kind)

    def hub_starts(self) -> None:
        self._service = ExitStack()
        self.url = self._service.enter_context(Service(self.config).running())

    def hub_ends(self) -> None:
        if self._service:
            self._service.close()
            self._service = None
            self.url = ""

    def publish(self, names: list[str]) -> int:
        self._list.write_text("".join(f"{name}\n" for name in names))
        with Hub(self.config) as hub:
            pull(hub, "domains")
            return build(hub).manifest.generation

    def announce(self, generation: int) -> SignedAnnouncement:
        with Hub(self.config) as hub:
            found = open_generation(self.config.bundles, generation)
            assert found is not None
            return announce(hub, found, "test", f"rollback: {generation}", at_once=True)

    def ask(self, job: Callable[[Hub], Any]) -> Any:
        with Hub(self.config) as hub:
            return job(hub)

    def asked_for(self, part: str) -> int:
        return sum(part in request.path for request in self.way.requests)

    def bundle_file(self, generation: int, name: str) -> Path:
        return self.config.bundles / f"gen-{generation:06}" / name

    # -- the agent ----------------------------------------------------------------------

    def with_settings(self, **changes: Any) -> AgentSettings:
        sensor = replace(self.settings.sensor, **changes.pop("sensor", {}))
        return replace(self.settings, sensor=sensor, **changes)

    def once(self, **changes: Any) -> Report:
        with Agent(self.with_settings(**changes)) as agent:
            return agent.once()

    @contextmanager
    def running(self, **changes: Any) -> Iterator[Agent]:
        stop = threading.Event()
        with Agent(self.with_settings(**changes)) as agent:
            thread = threading.Thread(target=agent.run, args=(stop,))
            thread.start()
            try:
                yield agent
            finally:
                stop.set()
                thread.join(20)
                assert not thread.is_alive()

    @property
    def in_force(self) -> str:
        return (self.path / "rules/current").readlink().name

    def holds(self, name: str) -> bool:
        """Whether the engine itself finds a name in our set."""
        value = b64encode(f".{name}".encode()).decode()
        with SuricataSocket(self.socket) as engine:
            return engine.lookup("vedette-domain", "string", value) == "found"


@pytest.fixture
def site(short_path: Path) -> Iterator[Site]:
    with Site(short_path) as made:
        made.hub_starts()
        yield made


def state(agent: Agent) -> State:
    return judge(agent.situation.facts)[0]


def why(agent: Agent) -> str:
    return judge(agent.situation.facts)[1]


def wait_until(said: Callable[[], object], timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not said():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def proved(agent: Agent, generation: int) -> Callable[[], bool]:
    def is_so() -> bool:
        proof = agent.situation.facts.proof
        return state(agent) is State.PROVED and proof is not None and proof.generation == generation

    return is_so
