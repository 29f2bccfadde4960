"""STIX objects as they are written: a document into objects, an object into what we read of it.

Only what is read here is looked at: an object may hold anything else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON, or JSON nested without end."""

ID_MAX = 200
_BOM = b"\xef\xbb\xbf"

S = TypeVar("S", bound=Struct)


class WireError(ValueError):
    """A document or an object is not what STIX says; the text says why, in a few words."""


class Head(Struct, gc=False):
    """What tells objects apart."""

    type: str = ""
    id: str = ""
    modified: str | None = ""
    created: str | None = ""

    @property
    def version(self) -> str:
        """When this version of the object was made; texts of one form, which sort."""
        return self.modified or self.created or ""


class Reference(Struct, gc=False):
    """Where else something is described."""

    url: str | None = ""


class Phase(Struct, gc=False):
    """A phase of a kill chain."""

    kill_chain_name: str = ""
    phase_name: str = ""


class IndicatorObject(Struct, gc=False):
    """An indicator: a pattern and what is said of it."""

    id: str
    pattern: str = ""
    pattern_type: str | None = "stix"
    """STIX 2.0 has no other."""
    created: str | None = ""
    modified: str | None = ""
    valid_from: str | None = ""
    valid_until: str | None = ""
    revoked: bool | None = False
    confidence: float | None = None
    name: str | None = ""
    description: str | None = ""
    labels: list[str] | None = None
    indicator_types: list[str] | None = None
    kill_chain_phases: list[Phase] | None = None
    object_marking_refs: list[str] | None = None
    created_by_ref: str | None = ""
    external_references: list[Reference] | None = None


class Named(Struct, gc=False):
    """Anything with a name: an identity, malware, a threat actor."""

    id: str
    name: str | None = ""


class TlpDefinition(Struct, gc=False):
    """What a marking of type ``tlp`` says."""

    tlp: str | None = ""


class Marking(Struct, gc=False):
    """A marking definition; TLP 2.0 ones say it in their name and an extension."""

    id: str
    name: str | None = ""
    definition_type: str | None = ""
    definition: TlpDefinition | None = None


class Relationship(Struct, gc=False):
    """Something to do with something else."""

    relationship_type: str = ""
    source_ref: str = ""
    target_ref: str = ""
    revoked: bool | None = False


class _Bundle(Struct):
    type: str | None = ""
    objects: list[Raw] | None = None


def split_objects(document: bytes) -> list[Raw]:
    """Return the objects of a bundle, an envelope, a list, or of one object alone, undecoded.

    Raises:
        WireError: It is no JSON, or no STIX.
    """
    document = document.removeprefix(_BOM)
    try:
        if document.lstrip()[:1] == b"[":
            return msgspec.json.decode(document, type=list[Raw])
        bundle = msgspec.json.decode(document, type=_Bundle)
    except msgspec.ValidationError as error:
        raise WireError("no STIX bundle") from error
    except UNDECODABLE as error:
        raise WireError(_not_json(document, error)) from error
    if bundle.objects is not None:
        return bundle.objects
    if bundle.type == "bundle":
        return []
    if not bundle.type:
        raise WireError("no STIX bundle")
    return [Raw(document)]


def read(raw: bytes | Raw, kind: type[S]) -> S:
    """Decode one object.

    Raises:
        WireError: A property has the wrong type, or the object is none.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (*UNDECODABLE,) as error:
        raise WireError(str(error)[:200]) from error


def seconds(text: str | None) -> int:
    """Return a STIX timestamp in epoch seconds; 0 for none.

    Raises:
        WireError: It is no time.
    """
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise WireError(f"no time: {text[:40]}") from error


def _not_json(document: bytes, error: Exception) -> str:
    start = document.lstrip()[:100].lower()
    if not start:
        return "empty"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not JSON"
    return f"no JSON: {str(error)[:120]}"
