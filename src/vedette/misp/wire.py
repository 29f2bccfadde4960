"""MISP's JSON as typed structs: events of feeds, pages of the API, every shape seen in the wild.

An attribute that does not fit its struct is set aside as ``Misfit``; it never costs its event.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Raw, Struct

Scalar = str | int | float | None
"""MISP writes ids and times as strings, others write numbers."""


UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON, or JSON nested without end."""


_ODD = (msgspec.ValidationError, UnicodeDecodeError)
"""What it raises where one value is to blame and the rest may be fine."""


class WireError(ValueError):
    """A document is not what MISP writes; the text says why, in a few words."""


class Tag(Struct, gc=False):
    """A tag on an event or an attribute."""

    name: str | None = ""
    inherited: bool | int | str | None = False
    """True where ``includeEventTags`` copied the event's tag to the attribute."""


class Org(Struct, gc=False):
    """An organisation."""

    name: str | None = ""
    uuid: str | None = ""


class Decay(Struct, gc=False):
    """What one decaying model says about an attribute."""

    decayed: bool | None = False


class Publication(Struct, gc=False):
    """What a search tells about an attribute's event."""

    publish_timestamp: Scalar = ""


class Attribute(Struct, gc=False):
    """One attribute, also of an object."""

    type: str
    value: str | int | float
    id: Scalar = 0
    uuid: str | None = ""
    event_id: Scalar = ""
    timestamp: Scalar = 0
    to_ids: bool | None = True
    """MISP's own default, for feeds that leave it out."""
    deleted: bool | None = False
    comment: str | None = ""
    last_seen: str | None = None
    decay_score: list[Decay] | None = None
    """One for each model that MISP applies to it, if that was asked for."""
    tags: list[Tag] | None = msgspec.field(name="Tag", default=None)
    event: Publication | None = msgspec.field(name="Event", default=None)


class Object(Struct, gc=False):
    """A MISP object: only its attributes matter here."""

    deleted: bool | None = False
    attributes: list[Attribute] | None = msgspec.field(name="Attribute", default=None)


class Event(Struct):
    """An event with or without its attributes."""

    uuid: str | None = ""
    id: Scalar = ""
    info: str | None = ""
    date: str | None = ""
    timestamp: Scalar = ""
    publish_timestamp: Scalar = ""
    published: bool | None = None
    threat_level_id: Scalar = ""
    attribute_count: Scalar = None
    orgc: Org | None = msgspec.field(name="Orgc", default=None)
    org: Org | None = msgspec.field(name="Org", default=None)
    tags: list[Tag] | None = msgspec.field(name="Tag", default=None)
    attributes: list[Attribute] | None = msgspec.field(name="Attribute", default=None)
    objects: list[Object] | None = msgspec.field(name="Object", default=None)

    def all_attributes(self) -> Iterator[Attribute]:
        """Attributes of the event, then of its objects; those of a deleted object as deleted."""
        yield from self.attributes or ()
        for item in self.objects or ():
            for attribute in item.attributes or ():
                if item.deleted:
                    attribute.deleted = True
                yield attribute


class Misfit(Struct, gc=False):
    """An attribute that is not what MISP writes."""

    value: str
    uuid: str
    reason: str


class ManifestEntry(Struct, gc=False):
    """What a feed's manifest says about one event; the rest is in the event itself."""

    timestamp: Scalar = ""


class IndexRow(Struct, gc=False):
    """One event of ``/events/index`` with ``minimal``."""

    uuid: str
    id: Scalar
    timestamp: Scalar = 0
    published: bool | None = False


class _Looser(Event):
    attributes: list[Raw] | None = msgspec.field(name="Attribute", default=None)  # type: ignore[assignment]
    objects: list[dict[str, Raw]] | None = msgspec.field(name="Object", default=None)  # type: ignore[assignment]


class _Page(Struct):
    attributes: list[Attribute] = msgspec.field(name="Attribute")


class _LooserPage(Struct):
    attributes: list[Raw] = msgspec.field(name="Attribute")


class _PageAnswer(Struct):
    response: _Page


class _LooserPageAnswer(Struct):
    response: _LooserPage


_attribute = msgspec.json.Decoder(Attribute, strict=False)
_event = msgspec.json.Decoder(Event, strict=False)
_looser = msgspec.json.Decoder(_Looser, strict=False)
_page = msgspec.json.Decoder(_PageAnswer, strict=False)
_looser_page = msgspec.json.Decoder(_LooserPageAnswer, strict=False)
_envelope = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


def split_events(document: bytes) -> list[bytes | Raw]:
    """Find the events: ``{"Event": …}``, ``{"response": [{"Event": …}]}``, a list, or bare.

    Raises:
        WireError: It is not JSON, or there is no event in it.
    """
    try:
        return list(_unwrap(document))
    except msgspec.ValidationError as error:
        raise WireError("not an event") from error
    except UNDECODABLE as error:
        raise WireError(describe_not_json(document, error)) from error


def read_event(raw: bytes | Raw) -> tuple[Event, list[Misfit]]:
    """Decode one event as :func:`split_events` found it.

    Raises:
        WireError: It is not an event.
    """
    try:
        return _event.decode(raw), []
    except _ODD:
        pass
    except UNDECODABLE as error:
        raise WireError(describe_not_json(bytes(raw), error)) from error
    try:
        return _read_loosely(raw)
    except msgspec.ValidationError as error:
        raise WireError(f"not an event: {error}") from error
    except UNDECODABLE as error:
        raise WireError(describe_not_json(bytes(raw), error)) from error


def read_manifest(document: bytes) -> dict[str, ManifestEntry]:
    """Decode a manifest: event uuid -> entry; an odd entry counts as one without a time.

    Raises:
        WireError: It is not JSON, or not a manifest.
    """
    if document.strip() == b"[]":  # PHP's empty map
        return {}
    try:
        return msgspec.json.decode(document, type=dict[str, ManifestEntry], strict=False)
    except _ODD as error:
        odd = error
    except UNDECODABLE as error:
        raise WireError(describe_not_json(document, error)) from error
    try:
        rows = _envelope.decode(document)
    except UNDECODABLE as error:
        raise WireError(describe_not_json(document, error)) from error
    known = {key: entry for key, raw in rows.items() if (entry := _manifest_entry(raw))}
    if not known:
        raise WireError(describe_not_json(document, odd))
    return {key: known.get(key, ManifestEntry()) for key in rows}


def _manifest_entry(raw: Raw) -> ManifestEntry | None:
    try:
        return msgspec.json.decode(raw, type=ManifestEntry, strict=False)
    except UNDECODABLE:
        return None


def read_page(document: bytes) -> tuple[list[Attribute], list[Misfit]]:
    """Decode a page of ``/attributes/restSearch``.

    Raises:
        WireError: It is not JSON, or has no ``response.Attribute``.
    """
    try:
        return _page.decode(document).response.attributes, []
    except _ODD:
        pass
    except UNDECODABLE as error:
        raise WireError(describe_not_json(document, error)) from error
    try:
        raws = _looser_page.decode(document).response.attributes
    except msgspec.ValidationError as error:
        raise WireError("the answer has no response.Attribute") from error
    except UNDECODABLE as error:
        raise WireError(describe_not_json(document, error)) from error
    misfits: list[Misfit] = []
    return list(_one_by_one(raws, misfits)), misfits


def describe_not_json(document: bytes, error: Exception) -> str:
    """Say in a few words what a body is that should have been JSON."""
    start = document[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "HTML instead of JSON"
    if isinstance(error, RecursionError):
        return "JSON that is nested too deeply"
    if not start:
        return "an empty answer instead of JSON"
    if isinstance(error, msgspec.ValidationError):
        return f"not the expected JSON: {error}"
    if start.startswith((b"{", b"[")):
        return f"JSON that is cut short or invalid: {error}"
    return "something that is not JSON"


def _unwrap(document: bytes | Raw) -> Iterator[bytes | Raw]:
    if memoryview(document)[:64].tobytes().lstrip().startswith(b"["):
        for item in _list.decode(document):
            yield from _unwrap(item)
        return
    fields = _envelope.decode(document)
    if "Event" in fields:
        yield fields["Event"]
    elif "response" in fields:
        yield from _unwrap(fields["response"])
    elif "info" in fields and ("Attribute" in fields or "Object" in fields):
        yield document
    else:
        raise WireError("not an event")


def _read_loosely(raw: bytes | Raw) -> tuple[Event, list[Misfit]]:
    """Decode attribute by attribute, so that one odd attribute costs only itself."""
    loose = _looser.decode(raw)
    misfits: list[Misfit] = []
    event = Event(
        **{
            field: getattr(loose, field)
            for field in Event.__struct_fields__
            if field not in {"attributes", "objects"}
        }
    )
    event.attributes = list(_one_by_one(loose.attributes or (), misfits))
    event.objects = [_read_object(item, misfits) for item in loose.objects or ()]
    return event, misfits


def _read_object(fields: dict[str, Raw], misfits: list[Misfit]) -> Object:
    try:
        attributes = _list.decode(fields.get("Attribute", b"[]"))
    except msgspec.ValidationError:
        attributes = []
    deleted = bytes(fields.get("deleted", b"")) in {b"true", b"1", b'"1"'}
    return Object(deleted=deleted, attributes=list(_one_by_one(attributes, misfits)))


def _one_by_one(raws: Any, misfits: list[Misfit]) -> Iterator[Attribute]:  # noqa: ANN401
    for raw in raws:
        try:
            yield _attribute.decode(raw)
        except UNDECODABLE as error:
            misfits.append(_misfit(raw, error))


def _misfit(raw: Raw, error: Exception) -> Misfit:
    what = "invalid UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    fields: dict[str, object] = {}
    with suppress(*UNDECODABLE):
        fields = msgspec.json.decode(bytes(raw).decode(errors="replace"), type=dict[str, object])
    return Misfit(
        value=str(fields.get("value", ""))[:200],
        uuid=str(fields.get("uuid", ""))[:64],
        reason=f"not a MISP attribute: {what.partition(' - ')[0]}",
    )
