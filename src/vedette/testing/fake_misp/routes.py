"""Which path of the fake MISP's API does what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from vedette.buffers import UNMATCHABLE, misp_types
from vedette.testing.fake_misp import attributes, events, render
from vedette.testing.fake_misp.call import Call, Handler, Refusal, failure, reply, saved, unwrapped
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent
from vedette.testing.fake_misp.search import OutOfMemoryError
from vedette.testing.fake_misp.state import truth
from vedette.testing.loopback import Response

VERSION: Final = "2.5.1"


def dispatch(call: Call, action: str) -> Response:
    """Answer a call; ``action`` is ``controller/action``."""
    try:
        with call.state.lock:
            answer = _handler(call, action)(call)
    except Refusal as refusal:
        return failure(refusal.status, str(refusal), call.path)
    except OutOfMemoryError:
        return failure(500, "An Internal Error Has Occurred.", call.path)
    return answer if isinstance(answer, Response) else reply(answer)


def _handler(call: Call, action: str) -> Handler:
    if action not in ROUTES:
        raise Refusal(404, "Not Found")
    handler, writes = ROUTES[action]
    if writes and not call.user.may_write:
        raise Refusal(403, "You do not have permission to use this functionality.")
    return handler


# -- server and user


def get_version(call: Call) -> Any:  # noqa: ANN401
    """``servers/getVersion``."""
    return {
        "version": VERSION,
        "pymisp_recommended_version": VERSION,
        "perm_sync": call.user.may_write,
        "perm_sighting": call.user.may_write,
        "perm_galaxy_editor": call.user.may_write,
        "request_encoding": ["gzip"],
        "filter_sightings": True,
    }


def describe_types(_: Call) -> Any:  # noqa: ANN401
    """``attributes/describeTypes``: the types of the buffers table and some others."""
    types = sorted({*misp_types(), *UNMATCHABLE})
    default = {"default_category": "Network activity", "to_ids": 1}
    return {
        "result": {
            "sane_defaults": dict.fromkeys(types, default),
            "types": types,
            "categories": ["Network activity", "Payload delivery"],
            "category_type_mappings": {"Network activity": types, "Payload delivery": types},
        }
    }


# -- tags and feeds


def attach_tag(call: Call) -> Any:  # noqa: ANN401
    """``tags/attachTagToObject``."""
    local = truth(call.query.get("local"))
    call.state.tag(_tagged(call), str(call.query.get("tag")), local=local)
    return saved("Tag attached", call)


def remove_tag(call: Call) -> Any:  # noqa: ANN401
    """``tags/removeTagFromObject``."""
    call.state.untag(_tagged(call), str(call.query.get("tag")))
    return saved("Tag removed", call)


def list_feeds(call: Call) -> Any:  # noqa: ANN401
    """``feeds/index``."""
    return [{"Feed": feed} for feed in call.state.feeds.values()]


def view_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/view/ID``."""
    return {"Feed": _feed(call)}


def add_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/add``."""
    number = call.state.next_id("feed")
    feed = {"id": str(number), "enabled": False} | dict(unwrapped(call, "Feed"))
    call.state.feeds[number] = feed
    return {"Feed": feed}


def edit_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/edit/ID``."""
    feed = _feed(call)
    feed.update(unwrapped(call, "Feed"))
    return {"Feed": feed}


def delete_feed(call: Call) -> Any:  # noqa: ANN401
    """``feeds/delete/ID``."""
    del call.state.feeds[int(_feed(call)["id"])]
    return saved("Feed deleted.", call)


ROUTES: Final[Mapping[str, tuple[Handler, bool]]] = {
    "servers/getVersion": (get_version, False),
    "users/view": (lambda call: render.me(call.user), False),
    "attributes/describeTypes": (describe_types, False),
    "events/index": (events.index, False),
    "events/view": (events.view_event, False),
    "events/restSearch": (events.search_events, False),
    "events/add": (events.add_event, True),
    "events/edit": (events.edit_event, True),
    "events/delete": (events.delete_event, True),
    "events/publish": (events.publish, True),
    "events/alert": (events.publish, True),
    "events/unpublish": (events.unpublish, True),
    "attributes/restSearch": (attributes.search, False),
    "attributes/view": (attributes.view_attribute, False),
    "attributes/add": (attributes.add_attribute, True),
    "attributes/edit": (attributes.edit_attribute, True),
    "attributes/delete": (attributes.delete_attribute, True),
    "attributes/restore": (attributes.restore_attribute, True),
    "objects/view": (attributes.view_object, False),
    "objects/add": (attributes.add_object, True),
    "objects/delete": (attributes.delete_object, True),
    "tags/attachTagToObject": (attach_tag, True),
    "tags/removeTagFromObject": (remove_tag, True),
    "feeds/index": (list_feeds, False),
    "feeds/view": (view_feed, False),
    "feeds/add": (add_feed, True),
    "feeds/edit": (edit_feed, True),
    "feeds/delete": (delete_feed, True),
}
"""Action -> what answers it, and whether it changes anything."""


def _tagged(call: Call) -> FakeEvent | FakeAttribute:
    ref = str(call.query.get("uuid"))
    if (event := call.state.event(ref)) is not None:
        return event
    if (found := call.state.attribute(ref)) is not None:
        return found[1]
    raise Refusal(404, "Invalid Target.")


def _feed(call: Call) -> dict[str, Any]:
    if not re.fullmatch(r"\d+", call.ref) or int(call.ref) not in call.state.feeds:
        raise Refusal(404, "Invalid feed.")
    return call.state.feeds[int(call.ref)]
