"""One request to the fake MISP's API, taken apart, and the forms of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vedette.testing.fake_misp.bulk import Bulk, BulkEvent
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent, FakeObject, FakeUser
from vedette.testing.fake_misp.render import View
from vedette.testing.fake_misp.state import State
from vedette.testing.fake_misp.visibility import may_edit, sees_event
from vedette.testing.loopback import Response

JSON: Final = "application/json"
HTML: Final = "text/html; charset=UTF-8"


@dataclass(frozen=True)
class Call:
    """One request to the API, taken apart."""

    state: State
    bulk: Bulk
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

    @property
    def view(self) -> View:
        """What this user sees."""
        return View(self.state, self.user)

    def sees(self, event: FakeEvent) -> bool:
        """Whether this user sees an event."""
        return sees_event(self.user, event, self.state.sharing_groups)


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


def event_of(call: Call, *, edit: bool = False) -> FakeEvent:
    """Find the event that is meant; its attributes are real.

    Raises:
        Refusal: There is none, or the user may not see it, or not ``edit`` it.
    """
    event = call.state.event(call.ref)
    if event is None or not call.sees(event):
        raise Refusal(404, "Invalid event")
    _check_edit(call, event, edit=edit)
    if isinstance(event, BulkEvent):
        event.materialize(call.state)
    return event


def find_attribute(call: Call, ref: object) -> tuple[FakeEvent, FakeAttribute] | None:
    """Find an attribute that the user may see, by id or uuid, with its event."""
    found = call.state.attribute(ref) or call.bulk.attribute(ref)
    if found is None or not call.sees(found[0]) or not call.view.sees(*found):
        return None
    return found


def attribute_of(call: Call, *, edit: bool = False) -> tuple[FakeEvent, FakeAttribute]:
    """Find the attribute that is meant, with its event."""
    found = find_attribute(call, call.ref)
    if found is None:
        raise Refusal(404, "Invalid attribute")
    _check_edit(call, found[0], edit=edit)
    if edit and isinstance(found[0], BulkEvent):
        found[0].materialize(call.state)
    return found


def object_of(call: Call, *, edit: bool = False) -> tuple[FakeEvent, FakeObject]:
    """Find the object that is meant, with its event."""
    found = call.state.object(call.ref)
    if found is None or not call.sees(found[0]) or not call.view.sees(*found):
        raise Refusal(404, "Invalid object")
    _check_edit(call, found[0], edit=edit)
    return found


def _check_edit(call: Call, event: FakeEvent, *, edit: bool) -> None:
    if edit and not may_edit(call.user, event):
        raise Refusal(403, "You do not have permission to do that.")


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


def page_of(items: list[Any], query: Mapping[str, Any]) -> list[Any]:
    """The page that ``limit`` and ``page`` ask for; everything without a limit."""
    limit = int(query.get("limit") or 0)
    if not limit:
        return items
    start = (max(int(query.get("page") or 1), 1) - 1) * limit
    return items[start : start + limit]
