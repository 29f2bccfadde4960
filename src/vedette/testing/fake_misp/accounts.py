"""The fake MISP's server, users and organisations."""

from __future__ import annotations

from typing import Any, Final

from vedette.buffers import UNMATCHABLE, misp_types
from vedette.testing.fake_misp import render
from vedette.testing.fake_misp.call import Call, Refusal, unwrapped
from vedette.testing.fake_misp.model import FakeOrg, FakeUser

VERSION: Final = "2.5.1"
_NOBODY = "-"
"""MISP says so where a read-only user asks for what only others are told."""


def get_version(call: Call) -> Any:  # noqa: ANN401
    """``servers/getVersion``."""
    return {
        "version": VERSION,
        "pymisp_recommended_version": VERSION,
        "perm_sync": call.user.may("sync"),
        "perm_sighting": call.user.may("sighting"),
        "perm_galaxy_editor": call.user.may("tag_editor"),
        "request_encoding": ["gzip"],
        "filter_sightings": True,
        "uuid": _NOBODY if not call.user.may("sync") else "5f0c2d1e-0000-4000-8000-00000000000f",
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


def view_user(call: Call) -> Any:  # noqa: ANN401
    """``users/view/me``, or for an administrator anybody."""
    if call.ref in {"me", str(call.user.id)}:
        return _me(call.user)
    for user in call.state.users.values():
        if call.user.may("site_admin") and call.ref in {str(user.id), user.email}:
            return _me(user)
    raise Refusal(404, "Invalid user")


def list_users(call: Call) -> Any:  # noqa: ANN401
    """``admin/users/index``."""
    return [_me(user) for user in call.state.users.values()]


def list_orgs(call: Call) -> Any:  # noqa: ANN401
    """``organisations/index``: the server's own, those of others, or all."""
    scope = call.named.get("scope", "local")
    found = [
        item
        for item in call.state.orgs.values()
        if scope == "all" or (scope == "local") == (item.id == 1)
    ]
    return [{"Organisation": render.org(item)} for item in found]


def view_org(call: Call) -> Any:  # noqa: ANN401
    """``organisations/view/ID``."""
    return {"Organisation": render.org(_org(call))}


def add_org(call: Call) -> Any:  # noqa: ANN401
    """``admin/organisations/add``."""
    data = unwrapped(call, "Organisation")
    if not data.get("name"):
        raise Refusal(403, "Could not add Organisation")
    return {
        "Organisation": render.org(
            call.state.org(str(data["name"]), str(data.get("uuid") or "")),
        )
    }


def _org(call: Call) -> FakeOrg:
    for item in call.state.orgs.values():
        if call.ref in {str(item.id), item.uuid, item.name}:
            return item
    raise Refusal(404, "Invalid organisation")


_RIGHTS = (
    *("add", "modify", "modify_org", "publish", "sync", "sighting", "tagger", "tag_editor"),
    *("admin", "site_admin", "warninglist", "decaying"),
)


def _me(user: FakeUser) -> dict[str, Any]:
    return {
        "User": {
            "id": str(user.id),
            "org_id": str(user.org.id),
            "email": user.email,
            "role_id": str(user.role.id),
        },
        "Role": {
            "id": str(user.role.id),
            "name": user.role.name,
            "perm_auth": True,
            **{f"perm_{right}": user.may(right) for right in _RIGHTS},
        },
        "UserSetting": {},
        "Organisation": render.org(user.org),
    }
