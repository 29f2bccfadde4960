"""What answers in the place of a hub is an error with a hint, whatever bytes it sends."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from vedette.agent.hub import Endpoint, Hub
from vedette.errors import HubError
from vedette.sensor.wire import Report, SignedAnnouncement, State
from vedette.testing.loopback import LoopbackServer, Response

ANNOUNCED = msgspec.json.encode(SignedAnnouncement(document='{"serial":1}', signature="x"))


def flipped(data: bytes) -> list[bytes]:
    """Return it with the highest bit of each byte flipped: no UTF-8 any more."""
    return [data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :] for at in range(len(data))]


def answers(status: int, body: bytes) -> Callable[[object], Response]:
    return lambda _: Response(status, body)


def asking(url: str) -> Hub:
    return Hub(Endpoint(f"{url}/", "vdt_token", ssl.create_default_context()))


@pytest.mark.parametrize("status", [200, 401, 503])
def test_bytes_that_are_no_text_are_an_error_with_a_hint(status: int) -> None:
    for body in flipped(ANNOUNCED)[:20]:
        with LoopbackServer(answers(status, body)) as server:
            hub = asking(server.url)
            with pytest.raises(Exception) as caught:  # noqa: PT011 - its kind is what is looked at
                hub.announcement(1, 0.0)
            hub.close()
        assert hasattr(caught.value, "hint"), repr(caught.value)


def test_an_answer_to_a_report_that_is_no_text_is_an_error() -> None:
    report = Report(at=datetime.now(UTC), by="agent", delivery="agent", state=State.BEHIND)
    with LoopbackServer(answers(200, b'{"serial": \xac}')) as server:
        hub = asking(server.url)
        with pytest.raises(HubError, match="did not answer like a hub"):
            hub.report(report)
        hub.close()
