"""Which path of the fake MISP's API does what, and what right it takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vedette.testing.fake_misp import (
    accounts,
    attributes,
    events,
    feeds,
    lists,
    sightings,
    tagging,
)
from vedette.testing.fake_misp.call import Call, Handler, Refusal, failure, reply
from vedette.testing.loopback import Response

ROUTES: Final[Mapping[str, tuple[Handler, str]]] = {
    "servers/getVersion": (accounts.get_version, ""),
    "users/view": (accounts.view_user, ""),
    "admin/users/index": (accounts.list_users, "admin"),
    "organisations/index": (accounts.list_orgs, ""),
    "organisations/view": (accounts.view_org, ""),
    "admin/organisations/add": (accounts.add_org, "site_admin"),
    "attributes/describeTypes": (accounts.describe_types, ""),
    "events/index": (events.index, ""),
    "events/view": (events.view_event, ""),
    "events/restSearch": (events.search_events, ""),
    "events/add": (events.add_event, "add"),
    "events/edit": (events.edit_event, "modify"),
    "events/delete": (events.delete_event, "modify"),
    "events/publish": (events.publish, "publish"),
    "events/alert": (events.publish, "publish"),
    "events/unpublish": (events.unpublish, "publish"),
    "eventBlocklists/index": (events.list_blocklist, "site_admin"),
    "eventBlocklists/delete": (events.delete_from_blocklist, "site_admin"),
    "attributes/restSearch": (attributes.search, ""),
    "attributes/index": (attributes.list_attributes, ""),
    "attributes/view": (attributes.view_attribute, ""),
    "attributes/add": (attributes.add_attribute, "add"),
    "attributes/edit": (attributes.edit_attribute, "modify"),
    "attributes/delete": (attributes.delete_attribute, "modify"),
    "attributes/restore": (attributes.restore_attribute, "modify"),
    "objects/restSearch": (attributes.search_objects, ""),
    "objects/view": (attributes.view_object, ""),
    "objects/add": (attributes.add_object, "add"),
    "objects/edit": (attributes.edit_object, "modify"),
    "objects/delete": (attributes.delete_object, "modify"),
    "tags/index": (tagging.list_tags, ""),
    "tags/search": (tagging.search_tags, ""),
    "tags/view": (tagging.view_tag, ""),
    "tags/add": (tagging.add_tag, "tag_editor"),
    "tags/delete": (tagging.delete_tag, "site_admin"),
    "tags/attachTagToObject": (tagging.attach_tag, "tagger"),
    "tags/removeTagFromObject": (tagging.remove_tag, "tagger"),
    "sightings/add": (sightings.add_sighting, "sighting"),
    "sightings/bulkSaveSightings": (sightings.save_many, "sighting or sync"),
    "sightings/delete": (sightings.delete_sighting, "sighting"),
    "sightings/index": (sightings.list_sightings, ""),
    "sightings/listSightings": (sightings.list_of, ""),
    "sightings/restSearch": (sightings.search_sightings, ""),
    "warninglists/index": (lists.list_warninglists, ""),
    "warninglists/view": (lists.view_warninglist, ""),
    "warninglists/export": (lists.export_warninglist, ""),
    "warninglists/checkValue": (lists.check_values, ""),
    "warninglists/toggleEnable": (lists.toggle_warninglists, "warninglist"),
    "warninglists/update": (lists.update_warninglists, "site_admin"),
    "decayingModel/index": (lists.list_models, ""),
    "decayingModel/enable": (lists.enable_model, "decaying"),
    "decayingModel/disable": (lists.disable_model, "decaying"),
    "feeds/index": (feeds.list_feeds, ""),
    "feeds/view": (feeds.view_feed, ""),
    "feeds/add": (feeds.add_feed, "site_admin"),
    "feeds/edit": (feeds.edit_feed, "site_admin"),
    "feeds/delete": (feeds.delete_feed, "site_admin"),
    "feeds/fetchFromFeed": (feeds.fetch_feed, "site_admin"),
    "feeds/fetchFromAllFeeds": (feeds.fetch_all_feeds, "site_admin"),
    "feeds/cacheFeeds": (feeds.cache_feeds, "site_admin"),
    "feeds/compareFeeds": (feeds.compare_feeds, ""),
}
"""Action -> what answers it, and the right that it takes."""


def dispatch(call: Call, action: str) -> Response:
    """Answer a call; ``action`` is ``controller/action``.

    Raises:
        OutOfMemoryError: A search found too much for PHP.
    """
    try:
        with call.state.lock:
            answer = _handler(call, action)(call)
    except Refusal as refusal:
        return failure(refusal.status, str(refusal), call.path)
    except (KeyError, TypeError, ValueError) as error:
        return failure(500, f"An Internal Error Has Occurred: {error!r}", call.path)
    return answer if isinstance(answer, Response) else reply(answer)


def _handler(call: Call, action: str) -> Handler:
    if action not in ROUTES:
        raise Refusal(404, "Not Found")
    handler, right = ROUTES[action]
    if not call.user.may(right):
        raise Refusal(403, "You do not have permission to use this functionality.")
    return handler
