"""A TAXII 2.1 server, asked for one collection.

On our own connection and not on taxii2-client, which has no time-outs and no limit for an answer,
follows redirects, and does not wait when a server says that it is asked too often. The password
goes to the configured host alone, whatever other hosts the server names.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2
import msgspec
import structlog
from msgspec import Raw, Struct

from vedette.errors import SourceError
from vedette.misp.http import (
    Connection,
    check_status,
    open_client,
    retry_after_s,
    send,
    without_secrets,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/taxii+json;version=2.1"
PAGE_BYTES_MAX = 1 << 28

_ACCEPTED = ("application/taxii+json", "application/json", "application/vnd.oasis.stix+json")
_EMPTY_PAGES_MAX = 3
_SHOWN = 20
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

S = TypeVar("S", bound=Struct)


class Page(NamedTuple):
    """One answer with objects."""

    objects: list[Raw]
    last: str
    """When the server added the last of them, in its own words; ``""``: it does not say."""


class Collection(Struct):
    """A collection as the server describes it."""

    id: str
    title: str | None = ""
    alias: str | None = ""
    can_read: bool | None = True
    url: str = ""
    """Where it is; filled in by the client."""

    def is_called(self, text: str) -> bool:
        """Whether an operator means this one."""
        names = (self.id, self.title or "", self.alias or "")
        return text.casefold() in {name.casefold() for name in names if name}


class _Resource(Struct):
    """Whatever may stand at the configured address."""

    api_roots: list[str] | None = None
    collections: list[Collection] | None = None
    versions: list[str] | None = None
    id: str | None = None


class _Envelope(Struct):
    more: bool | None = False
    next: str | None = ""
    objects: list[Raw] | None = None


class TaxiiClient:
    """One server, one login."""

    def __init__(
        self,
        url: str,
        connection: Connection,
        *,
        login: tuple[str, str] | None = None,
        rate_limit_wait_s: float = 60.0,
    ) -> None:
        """Prepare; nothing is asked yet.

        Raises:
            SourceError: A file of the connection cannot be used.
        """
        self._url = url
        self._connection = connection
        self._auth = httpx2.BasicAuth(*login) if login else None
        self._rate_limit_wait_s = rate_limit_wait_s
        self._client = open_client(connection, {"Accept": MEDIA_TYPE})

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    # -- where the collection is ----------------------------------------------------------

    def find(self, wanted: str) -> Collection:
        """Find a collection from any address of its server.

        Args:
            wanted: Its id, title or alias; ``""``: the one that there is.

        Raises:
            SourceError: There is none of that name, several, or none that may be read.
        """
        if "/collections/" in urlsplit(self._url).path.rstrip("/"):
            base, _, rest = self._url.partition("/collections/")
            url = f"{base}/collections/{rest.partition('/')[0]}/"
            return self._readable([self._located(self._get(url, Collection), url)], wanted)
        found, elsewhere = self._listed()
        if not found and elsewhere:
            raise SourceError(
                f"{self._shown} names collections on another host only: {elsewhere[0][:200]}",
                hint="The login is for this host alone; configure that address if you trust it.",
            )
        return self._readable(found, wanted)

    def _listed(self) -> tuple[list[Collection], list[str]]:
        """Return all collections below the address, and the roots that are on other hosts."""
        url = self._url if urlsplit(self._url).path.strip("/") else urljoin(self._url, "/taxii2/")
        resource = self._get(url, _Resource)
        if resource.collections is not None:
            base = _with_slash(url)
            return [self._located(one, f"{base}{one.id}/") for one in resource.collections], []
        if resource.api_roots is None:
            return self._collections_of(url), []
        roots = [urljoin(_with_slash(url), root) for root in resource.api_roots]
        here = [root for root in roots if _origin(root) == _origin(self._url)]
        found = [one for root in here for one in self._collections_of(root)]
        return found, [root for root in roots if root not in here]

    def _collections_of(self, root: str) -> list[Collection]:
        base = f"{_with_slash(root)}collections/"
        found = self._get(base, _Resource).collections or []
        return [self._located(one, f"{base}{one.id}/") for one in found]

    @staticmethod
    def _located(collection: Collection, url: str) -> Collection:
        return msgspec.structs.replace(collection, url=url)

    def _readable(self, found: list[Collection], wanted: str) -> Collection:
        matching = [one for one in found if not wanted or one.is_called(wanted)]
        readable = [one for one in matching if one.can_read is not False]
        if len(readable) == 1:
            return readable[0]
        shown = ", ".join(f"{one.title or '-'} ({one.id})" for one in found[:_SHOWN]) or "none"
        if matching and not readable:
            raise SourceError(
                f"this login may not read the collection at {self._shown}",
                hint=f"Ask its owner. There are: {shown}.",
            )
        if len(readable) > 1:
            raise SourceError(
                f"{self._shown} has {len(readable)} collections that fit",
                hint=f"Name one with --collection: {shown}.",
            )
        if not found:
            raise SourceError(
                f"{self._shown} shows no collection to this login",
                hint="Is it the address of discovery or an API root, and may this login read any?",
            )
        raise SourceError(
            f"{self._shown} has no collection {wanted!r}", hint=f"There are: {shown}."
        )

    # -- what is in it --------------------------------------------------------------------

    def pages(
        self,
        collection: Collection,
        *,
        types: Sequence[str] = (),
        ids: Sequence[str] = (),
        added_after: str = "",
        limit: int,
    ) -> Iterator[Page]:
        """Yield the newest versions of objects, in the order in which they were added.

        Raises:
            SourceError: They cannot be had to their end.
        """
        asked = {
            "limit": str(limit),
            "match[type]": ",".join(types),
            "match[id]": ",".join(ids),
            "added_after": added_after,
        }
        asked = {name: value for name, value in asked.items() if value}
        before: tuple[bytes, ...] = ()
        empty = 0
        while True:
            page, envelope = self._page(collection, asked)
            yield page
            if not envelope.more:
                return
            empty = 0 if page.objects else empty + 1
            ends = tuple(bytes(page.objects[place]) for place in (0, -1)) if page.objects else ()
            if empty == _EMPTY_PAGES_MAX or (ends and ends == before):
                raise self._stuck("gives the same page again")
            before = ends
            asked = self._following(asked, envelope, page)

    def _following(
        self, asked: Mapping[str, str], envelope: _Envelope, page: Page
    ) -> dict[str, str]:
        if envelope.next:
            return {**asked, "next": envelope.next}
        # Servers of a draft of 2.1 have no token: what was added later is the next page.
        if not page.last or page.last == asked.get("added_after"):
            raise self._stuck("says that there is more, and not how to get it")
        return {**asked, "added_after": page.last}

    def _page(self, collection: Collection, asked: Mapping[str, str]) -> tuple[Page, _Envelope]:
        answer = self._ask(f"{collection.url}objects/", asked)
        envelope = self._decode(answer, _Envelope)
        last = answer.headers.get("X-TAXII-Date-Added-Last", "")[:64]
        return Page(envelope.objects or [], last), envelope

    # -- asking ---------------------------------------------------------------------------

    def _get(self, url: str, kind: type[S]) -> S:
        return self._decode(self._ask(_with_slash(url), {}), kind)

    def _ask(self, url: str, asked: Mapping[str, str]) -> httpx2.Response:
        answer = self._send(url, asked)
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            self._wait(answer)
            answer = self._send(url, asked)
        self._check(answer)
        return answer

    def _send(self, url: str, asked: Mapping[str, str]) -> httpx2.Response:
        try:
            request = self._client.build_request("GET", url, params=dict(asked))
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise SourceError(
                f"{self._shown} is no address that can be asked: {error}",
                hint="Write it as https://host/taxii2/.",
            ) from error
        if self._auth is not None:
            request = next(self._auth.sync_auth_flow(request))
        return send(self._client, self._connection, request, max_bytes=PAGE_BYTES_MAX)

    def _wait(self, answer: httpx2.Response) -> None:
        wait_s = retry_after_s(answer)
        if wait_s > self._rate_limit_wait_s:
            raise SourceError(
                f"{self._shown} allows no more requests for {wait_s:.0f} s (429)",
                hint="The next pull tries again; less often: vedette source set NAME --interval 1h",
            )
        log.warning("taxii.rate_limited", server=self._shown, wait_s=wait_s)
        time.sleep(wait_s)

    def _check(self, answer: httpx2.Response) -> None:
        status = answer.status_code
        where = without_secrets(str(answer.request.url)).partition("?")[0]
        hint = _HINTS.get(status)
        if hint:
            name = f"{status} {answer.reason_phrase}".strip()
            raise SourceError(f"{where} answered {name}{_said(answer.content)}", hint=hint)
        check_status(answer, what=where)
        media = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if media not in _ACCEPTED:
            raise SourceError(
                f"{where} answered with {media[:60] or 'no media type'}, which is not TAXII",
                hint="Is it a login page, or the address of something else on that server?",
            )

    def _decode(self, answer: httpx2.Response, kind: type[S]) -> S:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except _UNDECODABLE as error:
            where = without_secrets(str(answer.request.url)).partition("?")[0]
            raise SourceError(
                f"{where} answered what is no TAXII 2.1: {str(error)[:120]}",
                hint="Its address may be that of another version, or an answer was cut off.",
            ) from error

    def _stuck(self, what: str) -> SourceError:
        return SourceError(
            f"{self._shown} {what}",
            hint="Its paging is broken, or something in between answers from a cache.",
        )

    @property
    def _shown(self) -> str:
        return without_secrets(self._url)


_HINTS: Mapping[int, str] = {
    401: "Check --user and --password-file, or the key in --header-file.",
    403: "This login may not read it: ask the owner of the collection.",
    404: "Check the address: discovery is usually /taxii2/, a collection .../collections/ID/.",
    406: "This server does not speak TAXII 2.1; versions 1 and 2.0 are not supported.",
    429: "The next pull tries again; pull it less often: vedette source set NAME --interval 1h",
}


class _Error(Struct):
    title: str | None = ""
    description: str | None = ""


def _said(body: bytes) -> str:
    """What a server says about an error, in its own words."""
    try:
        error = msgspec.json.decode(body, type=_Error)
    except _UNDECODABLE:
        return ""
    text = " ".join(f"{error.title or ''} {error.description or ''}".split())[:200]
    return f": {text}" if text else ""


def _with_slash(url: str) -> str:
    return f"{url.rstrip('/')}/"


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port
