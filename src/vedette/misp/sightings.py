"""Sightings to a MISP, many at once, through ``sightings/bulkSaveSightings``.

MISP answers 200 to what it did not take, and skips without a word what it has already and what it
does not know: only a count that is right is believed, everything else is asked again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx2
import msgspec
from msgspec import Struct

from vedette.errors import SourceError
from vedette.misp.client import Key
from vedette.misp.http import Connection, check_status, open_client, send
from vedette.misp.wire import UNDECODABLE, describe_not_json
from vedette.model import MispSighting

_ADDED = re.compile(r"(?:(\d+)|No) sightings? added\.?", re.IGNORECASE)
_NO_EVENT = re.compile(r"event\b.{0,20}\bnot found|invalid event|not found or not", re.IGNORECASE)
_MESSAGE_MAX = 200
_FOR_REPEATS = 2
"""Attributes come back with tombstones; nothing else may make the answer longer than the list."""

EVENT_GONE = "the event is no longer in that MISP, or not for this key to see"
ATTRIBUTE_GONE = "the attribute is no longer in that MISP, or not for this key to see"


class ForbiddenError(SourceError):
    """The key may not add sightings, or no longer do anything."""


class Delivered(NamedTuple):
    """What became of a batch; what is in neither is to be sent again, with the next one."""

    sent: list[str]
    """uuids of what MISP has now."""
    refused: dict[str, str]
    """Why, by uuid of what it will never take."""


class _Saved(Struct):
    success: str = ""
    message: str = ""
    name: str = ""
    errors: Any = None

    @property
    def text(self) -> str:
        """What MISP says, on one line."""
        found = self.success or self.message or self.name or str(self.errors or "")
        return " ".join(found.split())[:_MESSAGE_MAX]


class _EventRef(Struct):
    uuid: str = ""


class _AttributeRef(Struct):
    uuid: str
    event: _EventRef = msgspec.field(name="Event", default_factory=_EventRef)


class _Attributes(Struct):
    attribute: list[_AttributeRef] = msgspec.field(name="Attribute")


class _Found(Struct):
    response: _Attributes


class _EventGoneError(Exception):
    """The event that a batch was sent through is not there."""


class _NotTakenError(SourceError):
    """MISP refuses something in the batch, and does not say what."""


def document(batch: Sequence[MispSighting]) -> dict[str, list[dict[str, str]]]:
    """Return the JSON that leaves: this and nothing else."""
    return {
        "Sighting": [
            {
                "attribute_uuid": one.attribute,
                "uuid": one.uuid,
                "date_sighting": str(one.at),
                "source": one.says,
                "type": str(one.type),
            }
            for one in batch
        ]
    }


def through(batch: Sequence[MispSighting]) -> str:
    """Return the event that a batch is sent through: it must be there, attributes of any are taken.

    That of the most sightings: MISP passes on at once what belongs to it.
    """
    return Counter(one.event for one in batch).most_common(1)[0][0]


class SightingsClient:
    """A MISP server that takes sightings."""

    def __init__(self, url: str, key: Key, connection: Connection) -> None:
        """Open connections lazily; nothing is asked yet."""
        self._url = url.rstrip("/")
        self._connection = connection
        self._client = open_client(
            connection, {"Authorization": key.secret, "Accept": "application/json"}
        )

    def __enter__(self) -> Self:
        """Start with the client that is open already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._client.close()

    def deliver(self, batch: Sequence[MispSighting]) -> Delivered:
        """Send sightings; repeating it is harmless, MISP knows their uuids.

        Raises:
            ForbiddenError: The key may not do that: trying again is no use.
            SourceError: MISP cannot be asked, or its answer is not one; nothing is known.
        """
        event = through(batch)
        try:
            added = self._save(event, batch)
        except _EventGoneError:
            return Delivered([], {one.uuid: EVENT_GONE for one in batch if one.event == event})
        except _NotTakenError as error:
            return self._halves(batch, error)
        if added == len(batch):
            return Delivered([one.uuid for one in batch], {})
        return self._explain(event, batch)

    def _halves(self, batch: Sequence[MispSighting], error: _NotTakenError) -> Delivered:
        """Find what is not taken by sending less at once, so that it costs nothing else."""
        if len(batch) == 1:
            return Delivered([], {batch[0].uuid: str(error)})
        middle = len(batch) // 2
        first, second = self.deliver(batch[:middle]), self.deliver(batch[middle:])
        return Delivered(first.sent + second.sent, {**first.refused, **second.refused})

    def _explain(self, event: str, batch: Sequence[MispSighting]) -> Delivered:
        """Tell what MISP has already from what it does not know."""
        known = self._attributes([one.attribute for one in batch])
        refused = {one.uuid: ATTRIBUTE_GONE for one in batch if one.attribute.lower() not in known}
        if event.lower() not in known.values():
            # An old MISP that does not find the event says "No sightings added", too.
            return Delivered([], refused)
        return Delivered([one.uuid for one in batch if one.uuid not in refused], refused)

    def _save(self, event: str, batch: Sequence[MispSighting]) -> int:
        """Return how many MISP says it added."""
        path = f"/sightings/bulkSaveSightings/{event}"
        answer = self._post(path, document(batch))
        status = answer.status_code
        said = _decode(answer)
        is_gone = said is not None and _NO_EVENT.search(said.text) is not None
        if is_gone and status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
            raise _EventGoneError
        if status != HTTPStatus.OK:
            text = f" ({said.text})" if said and said.text else ""
            check_status(answer, what=f"{self._url}{path}{text}")
        if said is None:
            what = describe_not_json(answer.content, ValueError("no JSON"))
            raise SourceError(
                f"{self._url}{path} answered {what}",
                hint="Is a login page or a proxy in between, or MISP's debug mode on?",
            )
        if match := _ADDED.search(said.success):
            return int(match[1] or 0)
        if is_gone:
            raise _EventGoneError
        raise _NotTakenError(f"MISP did not take it: {said.text or 'it does not say why'}")

    def _attributes(self, uuids: Sequence[str]) -> Mapping[str, str]:
        """Return the uuid of the event of each attribute that the key may see."""
        wanted = list(dict.fromkeys(uuids))
        path = "/attributes/restSearch"
        body = {
            "returnFormat": "json",
            "uuid": wanted,
            "deleted": [0, 1],
            "limit": len(wanted) * _FOR_REPEATS,
            "page": 1,
        }
        answer = self._post(path, body)
        check_status(answer, what=f"{self._url}{path}")
        try:
            rows = msgspec.json.decode(answer.content, type=_Found, strict=False)
        except UNDECODABLE as error:
            raise SourceError(
                f"{self._url}{path} answered {describe_not_json(answer.content, error)}"
            ) from error
        found = {row.uuid.lower(): row.event.uuid.lower() for row in rows.response.attribute}
        if not found.keys() <= {one.lower() for one in wanted}:
            raise SourceError(
                f"{self._url}{path} answered attributes that were not asked for",
                hint="This MISP does not know the filter 'uuid'; upgrade it.",
            )
        return found

    def _post(self, path: str, body: object) -> httpx2.Response:
        try:
            request = self._client.build_request("POST", f"{self._url}{path}", json=body)
        except httpx2.InvalidURL as error:
            raise SourceError(f"{self._url} is not a URL: {error}", hint="https://misp/") from error
        answer = send(self._client, self._connection, request)
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            said = _decode(answer)
            raise ForbiddenError(
                f"{self._url} does not let this key add sightings ({answer.status_code})"
                f"{': ' + said.text if said and said.text else ''}",
                hint="Give the key's user a role with 'Sighting Creator' in MISP (a read-only role"
                " is not enough), or take the source out of [feedback] sources.",
            )
        return answer


def _decode(answer: httpx2.Response) -> _Saved | None:
    try:
        return msgspec.json.decode(answer.content, type=_Saved, strict=False)
    except UNDECODABLE:
        return None
