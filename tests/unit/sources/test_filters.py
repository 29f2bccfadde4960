from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from vedette.misp.wire import Attribute, Event, Org, Tag
from vedette.sources.filters import EventFilter, Filters

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def judge(
    filters: Filters,
    *,
    tags: tuple[str, ...] = (),
    event: Event | None = None,
    published_only: bool = False,
    **attribute: Any,
) -> str:
    found = Attribute(type=attribute.pop("type", "domain"), value="a.example", **attribute)
    found.tags = [Tag(name) for name in tags]
    return EventFilter(filters, event or Event(), now=NOW, published_only=published_only).judge(
        found
    )


def tagged(*names: str) -> Event:
    return Event(tags=[Tag(name) for name in names])


def test_by_default_only_what_is_fit_for_detection_passes() -> None:
    assert judge(Filters()) == ""
    assert judge(Filters(), to_ids=False) == "to_ids is false"
    assert judge(Filters(to_ids=False), to_ids=False) == ""


def test_deleted_attributes_never_pass() -> None:
    assert judge(Filters(to_ids=False), deleted=True) == "deleted in MISP"


def test_types_are_chosen_and_excluded() -> None:
    assert judge(Filters(types=("domain", "url")), type="url") == ""
    assert judge(Filters(types=("domain",)), type="md5") == "type not wanted: md5"
    assert judge(Filters(exclude_types=("md5",)), type="md5") == "type not wanted: md5"
    assert judge(Filters(exclude_types=("md5",)), type="domain") == ""


def test_a_wanted_tag_may_be_the_attributes_or_its_events() -> None:
    filters = Filters(tags=("osint", "malware:*"))
    assert judge(filters) == "no wanted tag"
    assert judge(filters, tags=("OSINT",)) == ""
    assert judge(filters, event=tagged("malware:emotet")) == ""
    assert judge(filters, event=tagged("other"), tags=("another",)) == "no wanted tag"


def test_an_unwanted_tag_beats_a_wanted_one() -> None:
    filters = Filters(tags=("osint",), exclude_tags=("false-positive:*",))
    event = tagged("osint")
    assert judge(filters, event=event) == ""
    reason = judge(filters, event=event, tags=("false-positive:risk=high",))
    assert reason == "tag not wanted: false-positive:*"


def test_the_stricter_tlp_of_event_and_attribute_must_be_allowed() -> None:
    filters = Filters(tlp=("green", "clear"))
    assert judge(filters, event=tagged("tlp:white")) == ""
    assert judge(filters, event=tagged("tlp:green"), tags=("tlp:red",)) == "TLP not wanted: red"
    assert judge(filters, event=tagged("tlp:red"), tags=("tlp:green",)) == "TLP not wanted: red"


def test_what_has_no_tlp_passes_only_if_that_is_allowed() -> None:
    assert judge(Filters(tlp=("green",))) == "TLP not wanted: none"
    assert judge(Filters(tlp=("green", "none"))) == ""
    assert judge(Filters()) == ""


def test_organisations_are_names_or_uuids_of_the_creator() -> None:
    event = Event(orgc=Org("CIRCL", "55f6ea5e-2c60-40e5-964f-47a8950d210f"), org=Org("Us"))
    assert judge(Filters(organisations=("circl",)), event=event) == ""
    by_uuid = Filters(organisations=("55F6EA5E-2C60-40E5-964F-47A8950D210F",))
    assert judge(by_uuid, event=event) == ""
    assert judge(Filters(organisations=("Us",)), event=event) == ("organisation not wanted: CIRCL")
    assert judge(Filters(exclude_organisations=("Circl",)), event=event) == (
        "organisation not wanted: CIRCL"
    )
    assert judge(Filters(organisations=("x",))) == "organisation not wanted: unknown"


def test_old_attributes_are_left_out_by_change_or_last_sight() -> None:
    filters = Filters(max_age_days=30)
    old = int((NOW - timedelta(days=31)).timestamp())
    young = str(int((NOW - timedelta(days=29)).timestamp()))
    assert judge(filters, timestamp=young) == ""
    assert judge(filters, timestamp=old) == "older than 30 days"
    assert judge(filters, timestamp=old, last_seen="2026-06-01T00:00:00.000000+00:00") == ""
    assert judge(filters, timestamp=old, last_seen="yesterday") == "older than 30 days"
    assert judge(filters, event=Event(timestamp=old)) == "older than 30 days"


def test_what_has_no_time_is_not_old() -> None:
    assert judge(Filters(max_age_days=1)) == ""
    assert judge(Filters(max_age_days=1), timestamp="no number") == ""


def test_unpublished_events_are_left_out_whole_where_that_is_asked_for() -> None:
    assert judge(Filters(), event=Event(published=False), published_only=True) == (
        "event is not published"
    )
    assert judge(Filters(), event=Event(published=True), published_only=True) == ""
    assert judge(Filters(), event=Event(published=False)) == ""


def test_publication_defaults_to_what_the_kind_takes_for_granted() -> None:
    assert Filters().wants_published_only(default=True) is True
    assert Filters().wants_published_only(default=False) is False
    assert Filters(published_only=False).wants_published_only(default=True) is False


def test_the_fingerprint_changes_with_the_settings_and_by_day_only_with_an_age_limit() -> None:
    assert Filters().fingerprint(NOW) == Filters().fingerprint(NOW + timedelta(days=9))
    assert Filters().fingerprint(NOW) != Filters(to_ids=False).fingerprint(NOW)
    aged = Filters(max_age_days=3)
    assert aged.fingerprint(NOW) == aged.fingerprint(NOW + timedelta(hours=1))
    assert aged.fingerprint(NOW) != aged.fingerprint(NOW + timedelta(days=1))


@pytest.mark.parametrize(
    "settings", ['{"tlp": ["purple"]}', '{"max_age_days": -1}', '{"to_id": true}', '{"types": 3}']
)
def test_impossible_settings_are_refused_when_they_are_read(settings: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(settings, type=Filters)


def test_settings_survive_the_stores_json() -> None:
    filters = Filters(tlp=("green", "none"), tags=("a*",), max_age_days=7, published_only=True)
    assert msgspec.json.decode(msgspec.json.encode(filters), type=Filters) == filters
