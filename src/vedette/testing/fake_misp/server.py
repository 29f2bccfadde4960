"""The fake MISP itself: keys, content types, rate limit, and the routes behind them."""

from __future__ import annotations

import gzip
import json
import math
import ssl
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from vedette.testing.fake_misp.bulk import Bulk
from vedette.testing.fake_misp.call import HTML, Call, failure
from vedette.testing.fake_misp.memory import HOME
from vedette.testing.fake_misp.model import READ_ONLY, FakeRole
from vedette.testing.fake_misp.routes import dispatch
from vedette.testing.fake_misp.search import OutOfMemoryError
from vedette.testing.fake_misp.state import State
from vedette.testing.faults import Faults
from vedette.testing.loopback import LoopbackServer, Request, Response

ADMIN_KEY = "A" * 40
READ_ONLY_KEY = "r" * 40

_LIMITED = frozenset({"events/restSearch", "attributes/restSearch"})
_BAD_KEY = (
    "Authentication failed. Please make sure you pass the API key of an API enabled user along"
    " in the Authorization header."
)
_PAGE = b"<!DOCTYPE html><html><head><title>MISP</title></head><body>MISP</body></html>"
_DEBUG = (
    b'<pre class="cake-error">Fatal Error (1): Allowed memory size of 2147483648 bytes exhausted'
    b" (tried to allocate 20480 bytes) in [app/Model/MispAttribute.php]</pre>"
)


class FakeMisp:
    """A MISP on a loopback port, for the time of a ``with``.

    Example::

        with FakeMisp() as misp:
            event = misp.state.add_event({"info": "Emotet", "published": True})
            requests.post(f"{misp.url}/events/index", headers={"Authorization": misp.key})

    Args:
        attributes: Add this many generated attributes, ``per_event`` in each event.
        per_event: Size of a generated event.
        rendered: Render the generated attributes now, to serve them as fast as a file.
        clock: What time it is; MISP's timestamps are whole seconds of it.
        tls: Serve https with this context.
        port: 0 for a free one.
        unlimited_max: A search without ``limit`` that finds more than this exhausts PHP's memory.
        rate_limit: Searches allowed in ``rate_window_s``; 0 for no limit.
        rate_window_s: MISP's is 900.
        debug: MISP's debug mode: running out of memory is 200 with HTML instead of 500.
    """

    key = ADMIN_KEY
    read_only_key = READ_ONLY_KEY

    def __init__(
        self,
        *,
        attributes: int = 0,
        per_event: int = 1_000,
        rendered: bool = False,
        clock: Callable[[], float] = time.time,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        unlimited_max: int = 100_000,
        rate_limit: int = 0,
        rate_window_s: float = 900.0,
        debug: bool = False,
    ) -> None:
        """Bind the port and fill the memory."""
        self.state = State(clock)
        self.state.add_user(ADMIN_KEY, email="admin@misp.test")
        self.state.add_user(READ_ONLY_KEY, READ_ONLY, email="reader@misp.test")
        self.rate_limit = rate_limit
        self.rate_window_s = rate_window_s
        self.debug = debug
        self._bulk = Bulk(self.state, attributes, per_event, rendered=rendered)
        self._unlimited_max = unlimited_max
        self._window: tuple[float, int] = (-math.inf, 0)
        self._tls = tls
        self._server = LoopbackServer(self._respond, port=port, tls=tls)
        self.url = self._server.url

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on."""
        return self._server.faults

    @property
    def requests(self) -> list[Request]:
        """Every request so far."""
        return self._server.requests

    def __enter__(self) -> Self:
        """Start to serve."""
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.stop()

    def start(self) -> None:
        """Serve in the background until :meth:`stop`."""
        self._server.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop()
        self._bulk.close()

    def outage(self) -> None:
        """Go away: connections are refused until :meth:`recover`; nothing is forgotten."""
        self._server.stop()

    def recover(self) -> None:
        """Come back on the same port, with what was there before."""
        old, port = self._server, int(self.url.rpartition(":")[2])
        self._server = LoopbackServer(self._respond, port=port, tls=self._tls)
        self._server.faults = old.faults
        self._server.requests = old.requests
        self._server.start()

    def add_key(self, role: FakeRole, organisation: str = HOME.name) -> str:
        """Make a user with this role in this organisation, and return their key."""
        key = f"{role.name[:1]}{len(self.state.users):039d}"
        self.state.add_user(key, role, self.state.org(organisation))
        return key

    def load_feed(self, directory: Path) -> int:
        """Add the events of a feed directory, published; returns how many."""
        count = 0
        for path in sorted(directory.glob("*.json")):
            if path.name == "manifest.json":
                continue
            event = json.loads(path.read_bytes()).get("Event")
            if isinstance(event, dict):
                self.state.add_event({**event, "published": True})
                count += 1
        return count

    def _respond(self, request: Request) -> Response:
        parts = urlsplit(request.path)
        path = parts.path
        user = self.state.users.get(request.headers.get("authorization", ""))
        if user is None:
            return failure(403, _BAD_KEY, path)
        if "application/json" not in request.headers.get("accept", "") and ".json" not in path:
            return Response(200, _PAGE, HTML)
        plain = [part for part in path.strip("/").split("/") if part and ":" not in part]
        named = dict(part.split(":", 1) for part in path.split("/") if ":" in part)
        action = "/".join(plain[: 3 if plain[:1] == ["admin"] else 2]).removesuffix(".json")
        headers: dict[str, str] = {}
        if action in _LIMITED and self.rate_limit:
            refused, headers = self._count(path)
            if refused is not None:
                return refused
        query, items = _decode(request)
        call = Call(
            state=self.state,
            bulk=self._bulk,
            user=user,
            path=path,
            ref=plain[-1].removesuffix(".json") if plain else "",
            named=named,
            query={**dict(parse_qsl(parts.query)), **query},
            items=items,
            unlimited_max=self._unlimited_max,
        )
        answer = self._answer(call, action)
        date = formatdate(self.state.clock(), usegmt=True)
        merged = {"Date": date, **answer.headers, **headers}
        return Response(answer.status, answer.body, answer.content_type, merged)

    def _answer(self, call: Call, action: str) -> Response:
        try:
            return dispatch(call, action)
        except OutOfMemoryError:
            if self.debug:
                return Response(200, _DEBUG, HTML)
            return failure(500, "An Internal Error Has Occurred.", call.path)

    def _count(self, path: str) -> tuple[Response | None, dict[str, str]]:
        """MISP's rate limit: so many searches in a window that starts with the first."""
        now = time.monotonic()
        started, used = self._window
        if now - started >= self.rate_window_s:
            started, used = now, 0
        reset = str(math.ceil(self.rate_window_s - (now - started)))
        if used >= self.rate_limit:
            headers = _rate_headers(self.rate_limit, 0, reset)
            answer = failure(429, "Rate limit exceeded.", path)
            return Response(429, answer.body, answer.content_type, headers), headers
        self._window = (started, used + 1)
        return None, _rate_headers(self.rate_limit, self.rate_limit - used - 1, reset)


def _rate_headers(limit: int, remaining: int, reset: str) -> dict[str, str]:
    return {
        "X-Rate-Limit-Limit": str(limit),
        "X-Rate-Limit-Remaining": str(remaining),
        "X-Rate-Limit-Reset": reset,
    }


def _decode(request: Request) -> tuple[dict[str, Any], list[Any]]:
    body = request.body
    try:
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        data = json.loads(body) if body.strip() else {}
    except (ValueError, OSError):
        return {}, []
    if isinstance(data, list):
        return {}, data
    return (data, []) if isinstance(data, dict) else ({}, [])
