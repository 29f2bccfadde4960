"""Run the server: sockets, TLS, limits, an orderly end.

One hard rule: tokens never travel in the clear over a network: without TLS it listens on loopback
only, unless a proxy that ends TLS is named.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import threading
import time
from asyncio import create_task, get_running_loop
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog
import uvicorn

from vedette.config import ServeSettings, Settings
from vedette.errors import ConfigError
from vedette.pipeline.hub import Hub
from vedette.structs import prepare
from vedette.web.app import create
from vedette.web.certificates import Certificate
from vedette.web.connection import HEAD_MAX, KEEP_ALIVE_S, Connection, raise_file_limit
from vedette.web.state import AppState

log = structlog.get_logger(__name__)

_BACKLOG = 2_048
_HANDSHAKE_S = 10.0
_SAID_EACH_S = 60.0
_SAID_MAX = 100
_SAID_LENGTH = 1_000
_END_S = 10
"""How long those who are being answered have when the server ends."""


class Service:
    """A server that listens already; :meth:`run` answers.

    Args:
        settings: All of vedette.toml.

    Raises:
        ConfigError: It may not, or cannot, listen there; or its certificate cannot be used.
        StoreError: The state directory cannot be opened.
    """

    def __init__(self, settings: Settings) -> None:
        prepare()
        serve = settings.serve
        certificate = _certificate(serve)
        with Hub(settings):
            pass  # say now what is wrong with it, not to the first client
        self.socket = _listen(serve, encrypted=certificate is not None)
        self.state = AppState(settings)
        host, port = self.socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if certificate else 'http'}://{shown}:{port}"
        """Where it listens."""
        self._server = _Server(_config(self.state, certificate), self.state, certificate)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until :meth:`stop`; those who are being answered get the rest of it."""
        raise_file_limit()
        self._server.ready = ready
        with _uvicorn_said():
            self._server.run(sockets=[self.socket])

    def stop(self) -> None:
        """End; from any thread, or from a signal handler."""
        self._server.should_exit = True

    @contextmanager
    def running(self) -> Iterator[str]:
        """Answer in a thread as long as the block runs; yields the address."""
        started = threading.Event()
        thread = threading.Thread(target=self.run, args=(started.set,), name="serve")
        thread.start()
        try:
            while not started.wait(0.05) and thread.is_alive():
                pass
            yield self.url
        finally:
            self.stop()
            thread.join()


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, state: AppState, certificate: Certificate | None
    ) -> None:
        super().__init__(config)
        self._state = state
        self._certificate = certificate
        self.ready: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._certificate:
            # asyncio waits a minute; nobody who speaks TLS needs that, and uvicorn cannot be told.
            loop = get_running_loop()
            create = partial(loop.create_server, ssl_handshake_timeout=_HANDSHAKE_S)
            loop.create_server = create  # type: ignore[method-assign]
        await super().startup(sockets)
        self.ready()

    async def main_loop(self) -> None:
        watching = create_task(self._certificate.watch()) if self._certificate else None
        await super().main_loop()
        if watching:
            watching.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.stopping.set()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command."""
        yield


def check(serve: ServeSettings) -> tuple[str, int, bool]:
    """Return host, port and whether to use TLS.

    Raises:
        ConfigError: That would be no address, or would send tokens in the clear.
    """
    host, colon, port = serve.listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(host)
        for text in serve.behind_proxy:
            ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(
            f"[serve]: {error}",
            hint='Write listen = "127.0.0.1:8443", and behind_proxy = ["192.0.2.7"].',
        ) from error
    if not colon or not port.isdecimal() or int(port) > 0xFFFF:  # noqa: PLR2004
        raise ConfigError(f"[serve] listen: '{serve.listen}' has no port", hint="127.0.0.1:8443")
    if bool(serve.tls_cert) != bool(serve.tls_key):
        raise ConfigError(
            "[serve]: tls_cert and tls_key belong together", hint="Set both, or neither."
        )
    if not (serve.tls_cert or address.is_loopback or serve.behind_proxy):
        raise ConfigError(
            f"[serve]: without TLS, tokens and indicators would be readable on the way to {host}",
            hint="Set tls_cert and tls_key; or listen on 127.0.0.1; or, behind a proxy that ends"
            " TLS, name its address in behind_proxy.",
        )
    return host, int(port), bool(serve.tls_cert)


def _certificate(serve: ServeSettings) -> Certificate | None:
    _, _, encrypted = check(serve)
    return Certificate(serve) if encrypted else None


def _listen(serve: ServeSettings, *, encrypted: bool) -> socket.socket:
    host, port, _ = check(serve)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        server = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
        # Connections inherit it. asyncio sets it only on sockets that name their protocol, and
        # without it the body of each answer waits 40 ms for the client to confirm the head.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        scheme = "https" if encrypted else "http"
        raise ConfigError(
            f"cannot listen on {scheme}://{serve.listen}: {error.strerror}",
            hint="Does another vedette serve run, or something else on that port? Set [serve]"
            " listen.",
        ) from error
    return server


def _config(state: AppState, certificate: Certificate | None) -> uvicorn.Config:
    proxies = list(state.settings.serve.behind_proxy)

    def context(_config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        if certificate is None:  # pragma: no cover - only asked for if there is one
            raise AssertionError
        return certificate.context

    return uvicorn.Config(
        create(state),
        http=Connection,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=_END_S,
        h11_max_incomplete_event_size=HEAD_MAX,
        ssl_context_factory=context if certificate else None,
    )


class _Bridge(logging.Handler):
    """Says what uvicorn says, the same thing once a minute: clients decide how often it says it."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self._said: dict[tuple[str, str], tuple[float, int]] = {}
        """When it was said last, and how often it was not said since."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        key = text, repr(record.exc_info[0]) if record.exc_info else ""
        now = time.monotonic()
        at, unsaid = self._said.get(key, (-_SAID_EACH_S, 0))
        if now - at < _SAID_EACH_S:
            self._said[key] = at, unsaid + 1
            return
        if len(self._said) >= _SAID_MAX:
            self._said.clear()
        self._said[key] = now, 0
        more = {"more": unsaid} if unsaid else {}
        log.log(
            record.levelno,
            "server.said",
            text=text[:_SAID_LENGTH],
            exc_info=record.exc_info or None,
            **more,
        )


@contextmanager
def _uvicorn_said() -> Iterator[None]:
    """Let what uvicorn complains about be an event like all others."""
    logger = logging.getLogger("uvicorn")
    bridge = _Bridge()
    logger.addHandler(bridge)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(bridge)
