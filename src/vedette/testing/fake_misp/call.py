"""One request to the fake MISP's API, taken apart, and the forms of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vedette.testing.fake_misp.bulk import BulkEvent
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent, FakeObject, FakeUser
from vedette.testing.fake_misp.state import State
from vedette.testing.loopback import Response

JSON: Final = "application/json"


@dataclass(frozen=True)
class Call:
    """One request to the API, taken apart."""

    state: State
    user: FakeUser
    path: str
    ref: str
    """The last segment: an id or a uuid."""
    named: Mapping[str, str]
    """CakePHP's ``/name:value`` segments."""
    query: Mapping[str, Any]
    items: list[Any]
    """The body, if it was a list."""
    unlimited_max: int


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        """Say what MISP would say."""
        super().__init__(message)
        self.status = status


Handler = Callable[[Call], Any]


def reply(answer: Any, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401
    """A JSON answer."""
    return Response(200, json.dumps(answer).encode(), JSON, headers or {})


def failure(status: int, message: str, path: str) -> Response:
    """MISP's form of an error."""
    body = {"name": message, "message": message, "url": path}
    return Response(status, json.dumps(body).encode(), JSON)


def event_of(call: Call) -> FakeEvent:
    """Find the event that is meant; its attributes are real."""
    event = call.state.event(call.ref)
    if event is None:
        raise Refusal(404, "Invalid event")
    if isinstance(event, BulkEvent):
        event.materialize()
    return event


def attribute_of(call: Call) -> tuple[FakeEvent, FakeAttribute]:
    """Find the attribute that is meant, with its event."""
    found = call.state.attribute(call.ref)
    if found is None:
        raise Refusal(404, "Invalid attribute")
    return found


def object_of(call: Call) -> tuple[FakeEvent, FakeObject]:
    """Find the object that is meant, with its event."""
    found = call.state.object(call.ref)
    if found is None:
        raise Refusal(404, "Invalid object")
    return found


def unwrapped(call: Call, name: str) -> Mapping[str, Any]:
    """The body, without the name it may be wrapped in."""
    inner = call.query.get(name)
    return inner if isinstance(inner, dict) else call.query


def saved(message: str, call: Call) -> dict[str, Any]:
    """What MISP answers to most changes."""
    return {
        "saved": True,
        "success": True,
        "name": message,
        "message": message,
        "url": call.path,
        "id": call.ref,
    }
