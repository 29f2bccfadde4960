"""Who sees what, and who may change it: MISP's distribution levels.

What a user may not see does not exist for them: no tombstone, no count, no error of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from vedette.testing.fake_misp.model import (
    INHERIT,
    OWN_ORG,
    SHARING_GROUP,
    FakeAttribute,
    FakeEvent,
    FakeObject,
    FakeUser,
)

Groups = Mapping[str, frozenset[int]]
"""Sharing group id -> ids of the organisations in it."""


def sees_event(user: FakeUser, event: FakeEvent, groups: Groups) -> bool:
    """Whether a user sees an event at all."""
    return _is_inside(user, event) or _reaches(event, user, groups)


def sees_part(
    user: FakeUser, event: FakeEvent, part: FakeAttribute | FakeObject, groups: Groups
) -> bool:
    """Whether a user who sees the event sees this attribute or object of it."""
    if _is_inside(user, event):
        return True
    if isinstance(part, FakeAttribute) and (owner := event.objects.get(part.object_id)):
        return _reaches(part, user, groups) and _reaches(owner, user, groups)
    return _reaches(part, user, groups)


def may_edit(user: FakeUser, event: FakeEvent) -> bool:
    """Whether a user may change an event: only the organisation that made it, or the admin."""
    return user.may("site_admin") or (user.may("modify") and user.org.id == event.orgc.id)


def _is_inside(user: FakeUser, event: FakeEvent) -> bool:
    return user.may("site_admin") or user.org.id == event.org.id


def _reaches(item: FakeEvent | FakeAttribute | FakeObject, user: FakeUser, groups: Groups) -> bool:
    if item.distribution == SHARING_GROUP:
        return user.org.id in groups.get(item.sharing_group_id, frozenset())
    return item.distribution == INHERIT or item.distribution != OWN_ORG
