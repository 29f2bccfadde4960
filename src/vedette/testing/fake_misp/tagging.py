"""The fake MISP's ``/tags``."""

from __future__ import annotations

from typing import Any

from vedette.testing.fake_misp.bulk import BulkEvent
from vedette.testing.fake_misp.call import (
    Call,
    Refusal,
    find_attribute,
    page_of,
    saved,
    unwrapped,
)
from vedette.testing.fake_misp.memory import truth
from vedette.testing.fake_misp.model import FakeAttribute, FakeEvent
from vedette.testing.fake_misp.terms import wild
from vedette.testing.fake_misp.visibility import may_edit


def attach_tag(call: Call) -> Any:  # noqa: ANN401
    """``tags/attachTagToObject``: a local tag may be put on what others made."""
    local = truth(call.query.get("local"))
    call.state.tag(_tagged(call, edit=not local), str(call.query.get("tag")), local=local)
    return saved("Tag attached", call)


def remove_tag(call: Call) -> Any:  # noqa: ANN401
    """``tags/removeTagFromObject``."""
    target = _tagged(call, edit=False)
    name = str(call.query.get("tag"))
    if any(tag.name == name and not tag.local for tag in target.tags):
        _tagged(call, edit=True)
    call.state.untag(target, name)
    return saved("Tag removed", call)


def list_tags(call: Call) -> Any:  # noqa: ANN401
    """``tags/index``: every tag that was ever used."""
    return {"Tag": page_of([_tag(name, number) for name, number in _all(call)], call.query)}


def search_tags(call: Call) -> Any:  # noqa: ANN401
    """``tags/search``."""
    pattern = str(call.query.get("tagname") or "").lower()
    return [
        {"Tag": _tag(name, number)} for name, number in _all(call) if wild(pattern, name.lower())
    ]


def view_tag(call: Call) -> Any:  # noqa: ANN401
    """``tags/view/ID``."""
    for name, number in _all(call):
        if call.ref in {str(number), name}:
            return _tag(name, number)
    raise Refusal(404, "Invalid tag")


def add_tag(call: Call) -> Any:  # noqa: ANN401
    """``tags/add``: known ones are given back."""
    name = str(unwrapped(call, "Tag").get("name") or "")
    if not name:
        raise Refusal(403, "Could not add Tag")
    return {"Tag": _tag(name, call.state.tag_id(name))}


def delete_tag(call: Call) -> Any:  # noqa: ANN401
    """``tags/delete/ID``: from everything; no timestamp moves."""
    name = view_tag(call)["name"]
    del call.state.tag_ids[name]
    for event in call.state.events.values():
        targets: list[FakeEvent | FakeAttribute] = [event, *event.attributes.values()]
        for item in targets:
            item.tags = [tag for tag in item.tags if tag.name != name]
    return saved("Tag deleted.", call)


def _all(call: Call) -> list[tuple[str, int]]:
    return list(call.state.tag_ids.items())


def _tag(name: str, number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "name": name,
        "colour": "#204a87",
        "exportable": True,
        "hide_tag": False,
        "org_id": "0",
        "user_id": "0",
        "numerical_value": None,
    }


def _tagged(call: Call, *, edit: bool) -> FakeEvent | FakeAttribute:
    ref = str(call.query.get("uuid"))
    event = call.state.event(ref)
    target: FakeEvent | FakeAttribute | None = event
    if event is None and (found := find_attribute(call, ref)) is not None:
        event, target = found
    if event is None or target is None or not call.sees(event):
        raise Refusal(404, "Invalid Target.")
    if edit and not may_edit(call.user, event):
        raise Refusal(403, "You do not have permission to do that.")
    if isinstance(event, BulkEvent):
        event.materialize(call.state)
    return target
