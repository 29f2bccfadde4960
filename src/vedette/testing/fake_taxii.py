"""A TAXII 2.1 server on loopback: one collection, paged, filtered or not, and wrong on request.

What it does right is what OASIS' own server does (tests/contract/test_taxii.py asks both); what it
is for is everything that server never does wrong.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from vedette.testing.loopback import LoopbackServer, Request, Response

MEDIA_TYPE = "application/taxii+json;version=2.1"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


class FakeTaxii(LoopbackServer):
    """Serves :attr:`objects` below ``/api/collections/ID/``.

    Args:
        objects: STIX objects, in the order in which they were added.
        page_size: Most objects in one answer.
        login: ``(user, password)`` that it wants to see.
        with_next: Whether pages name a token for the next one.
        filters: Whether it knows ``match[...]``.
    """

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]] = (),
        *,
        page_size: int = 100,
        login: tuple[str, str] | None = None,
        with_next: bool = True,
        filters: bool = True,
    ) -> None:
        """Bind a port; ``with`` starts to serve."""
        super().__init__(self._answer_to)
        self.page_size = page_size
        self.roots = ["/api/"]
        self.collections: list[dict[str, Any]] = [
            {"id": COLLECTION, "title": "Indicators", "alias": "ioc", "can_read": True}
        ]
        self._login = login
        self._with_next = with_next
        self._filters = filters
        self._added = 0
        self.objects: list[tuple[str, dict[str, Any]]] = []
        self.add(*objects)

    def add(self, *objects: Mapping[str, Any]) -> None:
        """Add objects or new versions of them."""
        for one in objects:
            self._added += 1
            self.objects.append((f"2026-01-01T00:00:00.{self._added:06d}Z", dict(one)))

    def delete(self, *ids: str) -> None:
        """Delete all versions of objects."""
        self.objects = [(date, one) for date, one in self.objects if one["id"] not in ids]

    def _answer_to(self, request: Request) -> Response:
        refused = self._refuse(request)
        if refused is not None:
            return refused
        path = urlsplit(request.path).path
        asked = {name: value[0] for name, value in parse_qs(urlsplit(request.path).query).items()}
        if path.endswith("/objects/"):
            return self._objects(asked)
        documents: dict[str, object] = {
            "/taxii2/": {"title": "fake", "api_roots": self.roots},
            "/api/": {"title": "fake", "versions": [MEDIA_TYPE], "max_content_length": 9},
            "/api/collections/": {"collections": self.collections},
        }
        documents |= {f"/api/collections/{one['id']}/": one for one in self.collections}
        return _document(documents[path]) if path in documents else _error(404, "not found")

    def _refuse(self, request: Request) -> Response | None:
        if self._login is not None:
            expected = base64.b64encode(":".join(self._login).encode()).decode()
            if request.headers.get("authorization") != f"Basic {expected}":
                return _error(401, "who are you?")
        if "application/taxii+json" not in request.headers.get("accept", ""):
            return _error(406, "media type")
        return None

    def _objects(self, asked: Mapping[str, str]) -> Response:
        found = self._matching(asked)
        start = int(asked.get("next", "0"))
        size = min(int(asked.get("limit", self.page_size)), self.page_size)
        page = found[start : start + size]
        more = start + size < len(found)
        document: dict[str, Any] = {"objects": [one for _, one in page], "more": more}
        if not page:
            return _document({})
        if more and self._with_next:
            document["next"] = str(start + size)
        return _document(
            document,
            {"X-TAXII-Date-Added-First": page[0][0], "X-TAXII-Date-Added-Last": page[-1][0]},
        )

    def _matching(self, asked: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
        after = asked.get("added_after", "")
        newest = {one["id"]: one.get("modified", "") for _, one in self.objects}
        for _, one in self.objects:
            newest[one["id"]] = max(newest[one["id"]], one.get("modified", ""))
        found = [
            (date, one)
            for date, one in self.objects
            if date > after and one.get("modified", "") == newest[one["id"]]
        ]
        if not self._filters:
            return found
        types, ids = asked.get("match[type]", ""), asked.get("match[id]", "")
        return [
            (date, one)
            for date, one in found
            if (not types or one["type"] in types.split(","))
            and (not ids or one["id"] in ids.split(","))
        ]


def _document(document: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(200, json.dumps(document).encode(), MEDIA_TYPE, headers or {})


def _error(status: int, title: str) -> Response:
    return Response(status, json.dumps({"title": title}).encode(), MEDIA_TYPE)
