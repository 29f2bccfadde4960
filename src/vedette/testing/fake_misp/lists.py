"""The fake MISP's ``/warninglists`` and ``/decayingModel``."""

from __future__ import annotations

from typing import Any

from vedette.testing.fake_misp.call import Call, Refusal, page_of, saved
from vedette.testing.fake_misp.decay import FakeModel
from vedette.testing.fake_misp.memory import truth
from vedette.testing.fake_misp.terms import listed, terms, wild
from vedette.testing.fake_misp.warninglists import FakeWarninglist

_PAGE = 60


def list_warninglists(call: Call) -> Any:  # noqa: ANN401
    """``warninglists/index``: without entries; the newest first, 60 on a page."""
    query = {**call.named, **call.query}
    texts, enabled = terms(query.get("value")), query.get("enabled")
    found = [
        item
        for item in reversed(call.state.warninglists.values())
        if (texts is None or any(text in item.name.lower() for text in texts.any_of))
        and (enabled in (None, "") or item.enabled == truth(enabled))
    ]
    rows = []
    for item in page_of(found, {"limit": _PAGE, **query}):
        head = {**_head(item), "warninglist_entry_count": str(len(item.entries))}
        head["valid_attributes"] = ", ".join(head.pop("matching"))
        rows.append({"Warninglist": head})
    return {"Warninglists": rows}


def view_warninglist(call: Call) -> Any:  # noqa: ANN401
    """``warninglists/view/ID``: with its entries, numbered and commented as MISP keeps them."""
    item = _warninglist(call)
    head = _head(item)
    types = head.pop("matching")
    entries = [
        {"id": str(n), "value": value, "warninglist_id": str(item.id), "comment": None}
        for n, value in enumerate(item.entries, start=1)
    ]
    rows = [
        {"id": str(n), "type": one, "warninglist_id": str(item.id)}
        for n, one in enumerate(types, start=1)
    ]
    return {"Warninglist": {**head, "WarninglistEntry": entries, "WarninglistType": rows}}


def export_warninglist(call: Call) -> Any:  # noqa: ANN401
    """``warninglists/export/ID``: in the form of the lists' own repository."""
    item = _warninglist(call)
    return {
        "name": item.name,
        "type": item.type,
        "version": str(item.version),
        "description": item.description,
        "matching_attributes": item.matching_attributes,
        "list": item.entries,
    }


def toggle_warninglists(call: Call) -> Any:  # noqa: ANN401
    """``warninglists/toggleEnable``: by id or by name with ``%``."""
    ids = {str(ref) for ref in listed(call.query.get("id"))}
    names = [str(name).lower() for name in listed(call.query.get("name"))]
    found = [
        item
        for item in call.state.warninglists.values()
        if str(item.id) in ids or any(wild(name, item.name.lower()) for name in names)
    ]
    if not found:
        return {"saved": False, "errors": "Warninglist(s) not found."}
    for item in found:
        asked = call.query.get("enabled")
        item.enabled = not item.enabled if asked is None else truth(asked)
    word = "enabled" if found[-1].enabled else "disabled"
    return {"saved": True, "success": f"{len(found)} warninglist(s) {word}"}


def check_values(call: Call) -> Any:  # noqa: ANN401
    """``warninglists/checkValue``: which enabled lists have which of these values."""
    hits: dict[str, list[dict[str, str]]] = {}
    for value in map(str, call.items or listed(call.query.get("[]"))):
        for item in call.state.warninglists.values():
            if item.enabled and item.match(value) is not None:
                hits.setdefault(value, []).append({"id": str(item.id), "name": item.name})
    return hits or []  # PHP's empty map


def update_warninglists(call: Call) -> Any:  # noqa: ANN401
    """``warninglists/update``: nothing new, ever."""
    return saved("All warninglists are up to date already.", call)


def list_models(call: Call) -> Any:  # noqa: ANN401
    """``decayingModel/index``."""
    return [{"DecayingModel": _model(item)} for item in call.state.decaying_models.values()]


def enable_model(call: Call) -> Any:  # noqa: ANN401
    """``decayingModel/enable/ID``."""
    return _switch_model(call, enabled=True)


def disable_model(call: Call) -> Any:  # noqa: ANN401
    """``decayingModel/disable/ID``."""
    return _switch_model(call, enabled=False)


def _switch_model(call: Call, *, enabled: bool) -> Any:  # noqa: ANN401
    item = call.state.decaying_models.get(int(call.ref)) if call.ref.isdecimal() else None
    if item is None:
        raise Refusal(404, "Invalid Decaying Model")
    item.enabled = enabled
    return saved(f"Decaying model {'enabled' if enabled else 'disabled'}.", call)


def _model(item: FakeModel) -> dict[str, Any]:
    return {
        "id": str(item.id),
        "name": item.name,
        "enabled": item.enabled,
        "formula": "polynomial",
        "attribute_types": list(item.types),
        "parameters": {
            "lifetime": item.lifetime_days,
            "decay_speed": item.decay_speed,
            "threshold": item.threshold,
            "default_base_score": item.base_score,
        },
    }


def _warninglist(call: Call) -> FakeWarninglist:
    if not call.ref.isdecimal() or int(call.ref) not in call.state.warninglists:
        raise Refusal(404, "Warninglist not found.")
    return call.state.warninglists[int(call.ref)]


def _head(item: FakeWarninglist) -> dict[str, Any]:
    return {
        "id": str(item.id),
        "name": item.name,
        "type": item.type,
        "description": item.description,
        "version": str(item.version),
        "enabled": item.enabled,
        "default": True,
        "category": item.category,
        "matching": item.matching_attributes,
    }
