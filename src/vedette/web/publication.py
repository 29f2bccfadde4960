"""Generations over HTTP, in the form that each kind of consumer expects.

Below ``current`` a sensor finds what the roll-out tells it; below a number what never changes.
docs/reference/urls.md lists the addresses.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vedette.bundle.generation import MANIFEST
from vedette.pipeline.announcing import wanted_for
from vedette.pipeline.hub import Hub
from vedette.pipeline.signing import manifest_signature, signing_key
from vedette.ruleset.manifest import SetInfo
from vedette.trust.minisign import Purpose, sign
from vedette.web.artifacts import archive, compressed, decoded
from vedette.web.authentication import Caller
from vedette.web.catalogue import CURRENT, Told, engine_of
from vedette.web.consumers import index_yaml, rules_for_scirius
from vedette.web.refusing import Refusal
from vedette.web.serving import Serving
from vedette.web.state import AppState

ARCHIVE = "vedette.tar.gz"
_SUFFIX = r"(?P<suffix>|\.md5|\.sha256|\.minisig)"
_Answer = Callable[[Request, Caller, Told], Awaitable[Response]]


def routes(state: AppState) -> list[Route]:
    """Make the routes of publication; each is there with a token in its path, too."""
    publication = Publication(Serving(state))
    paths = {
        "/bundle/{which}/{name:path}": publication.bundle,
        "/suricata-{version}/{name}": publication.by_version,
        "/r/{profile}/vedette.rules": publication.rules,
        "/d/{name}": publication.raw,
        "/o/{name}": publication.verbatim,
        "/scirius/{profile}/{name}": publication.scirius,
    }
    made = [Route("/suricata-update/index.yaml", publication.index)]
    for path, endpoint in paths.items():
        made += [Route(path, endpoint), Route(f"/t/{{token}}{path}", endpoint)]
    return made


class Publication:
    """The endpoints."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._files: tuple[tuple[re.Pattern[str], Callable[..., Awaitable[Response]]], ...] = (
            (re.compile(r"manifest\.json"), self._manifest),
            (re.compile(r"manifest\.json\.minisig"), self._manifest_signature),
            (re.compile(r"announcement\.json"), self._announcement),
            (re.compile(r"datasets/(?P<name>[^/]+?)(?P<packed>\.zst)?"), self._dataset),
            (re.compile(r"rules/(?P<profile>[^/]+)\.rules"), self._rules),
            (re.compile(rf"(?P<profile>[^/]+)/{re.escape(ARCHIVE)}{_SUFFIX}"), self._archive),
            (re.compile(rf"{re.escape(ARCHIVE)}{_SUFFIX}"), self._archive_for_agent),
        )

    # -- endpoints --------------------------------------------------------------------------

    async def bundle(self, request: Request) -> Response:
        """``/bundle/current/...`` and ``/bundle/<number>/...``."""
        which, name = request.path_params["which"], request.path_params["name"]
        caller, told = await self._serving.told(request, which)
        for pattern, endpoint in self._files:
            if match := pattern.fullmatch(name):
                return await endpoint(request, caller, told, **match.groupdict())
        raise _unknown(name)

    async def by_version(self, request: Request) -> Response:
        """``/suricata-8.0.1/vedette.tar.gz``: the archive for that engine, and its checksums."""
        match = re.fullmatch(re.escape(ARCHIVE) + _SUFFIX, request.path_params["name"])
        caller, told = await self._serving.told(request, CURRENT)
        if match is None:
            raise _unknown(request.path_params["name"])
        profile = told.catalogue.profile_of(request.path_params["version"])
        return await self._archive(request, caller, told, profile=profile, suffix=match["suffix"])

    async def rules(self, request: Request) -> Response:
        """``/r/<profile>/vedette.rules``: rules that load ``<set>.lst``."""
        caller, told = await self._serving.told(request, CURRENT)
        return await self._rules(request, caller, told, profile=request.path_params["profile"])

    async def raw(self, request: Request) -> Response:
        """``/d/<set>``: strings as text, one a line; lists of hashes and addresses as they are."""
        caller, told = await self._serving.told(request, CURRENT)
        info = self._set(told, request.path_params["name"])
        if info.format != "base64":
            return await self._as_is(request, caller, told, info)
        source = told.catalogue.generation.file(info)
        path, made = await self._serving.made(
            f"raw/{info.name}", told.catalogue, partial(decoded, source)
        )
        return await self._serving.send(request, caller, told, path, made.sha256, what="dataset")

    async def verbatim(self, request: Request) -> Response:
        """``/o/<set>``: the file as the engine loads it."""
        caller, told = await self._serving.told(request, CURRENT)
        info = self._set(told, request.path_params["name"])
        return await self._as_is(request, caller, told, info)

    async def scirius(self, request: Request) -> Response:
        """``/scirius/<profile>/``: rules whose files have names that Scirius takes; the archive."""
        caller, told = await self._serving.told(request, CURRENT)
        profile, name = request.path_params["profile"], request.path_params["name"]
        if name == ARCHIVE:
            return await self._archive(request, caller, told, profile=profile, suffix="")
        if name != "vedette.rules":
            raise _unknown(name)
        info = told.catalogue.rules_of(profile)
        source = told.catalogue.generation.path / info.file
        loaded = [told.catalogue.set(name) for name in info.sets]
        path, made = await self._serving.made(
            f"scirius/{profile}.rules", told.catalogue, partial(rules_for_scirius, source, loaded)
        )
        return await self._serving.send(request, caller, told, path, made.sha256, what="rules")

    async def index(self, request: Request) -> Response:
        """The index of suricata-update, which sends no token for it; nothing in it is secret."""
        serve = self._serving.state.settings.serve
        base = serve.url.rstrip("/") or str(request.base_url).rstrip("/")
        # Without [serve] url it repeats what the client said: no cache may tell that to others.
        headers = {"cache-control": "public, max-age=300" if serve.url else "no-store"}
        return Response(index_yaml(base), media_type="application/yaml", headers=headers)

    # -- files of a generation ----------------------------------------------------------------

    async def _manifest(self, request: Request, caller: Caller, told: Told) -> Response:
        path = told.catalogue.generation.path / MANIFEST
        etag = told.catalogue.manifest_sha256
        return await self._serving.send(request, caller, told, path, etag, what="manifest")

    async def _manifest_signature(self, request: Request, caller: Caller, told: Told) -> Response:
        generation = told.catalogue.generation
        text = await self._serving.state.make(lambda hub: manifest_signature(hub, generation))
        return self._serving.text(request, caller, told, text)

    async def _announcement(self, _request: Request, caller: Caller, told: Told) -> Response:
        if not told.serial:
            raise _unknown("announcement.json")
        if not caller.sensor:
            raise Refusal(
                404,
                "announcements are made to sensors, and this token is of none",
                hint="On the hub: vedette token add --sensor NAME",
            )
        signed = await self._serving.state.read(lambda hub: wanted_for(hub, caller.sensor))
        return Response(
            msgspec.json.encode(signed),
            media_type="application/json",
            headers={"cache-control": "private, no-store"},
        )

    async def _dataset(
        self, request: Request, caller: Caller, told: Told, *, name: str, packed: str | None
    ) -> Response:
        info = self._set(told, name)
        if info.file != name:
            raise _unknown(f"datasets/{name}")
        if not packed:
            return await self._as_is(request, caller, told, info)
        source = told.catalogue.generation.file(info)
        path, made = await self._serving.made(
            f"zst/{info.file}.zst", told.catalogue, partial(compressed, source)
        )
        return await self._serving.send(request, caller, told, path, made.sha256, what="dataset")

    async def _rules(
        self, request: Request, caller: Caller, told: Told, *, profile: str
    ) -> Response:
        info = told.catalogue.rules_of(profile)
        path = told.catalogue.generation.path / info.file
        return await self._serving.send(request, caller, told, path, info.sha256, what="rules")

    async def _archive_for_agent(
        self, request: Request, caller: Caller, told: Told, *, suffix: str
    ) -> Response:
        """The archive for the engine that the User-Agent names; else what loads anywhere."""
        version = engine_of(request.headers.get("user-agent", ""))
        profile = told.catalogue.profile_of(version) if version else min(told.catalogue.rules)
        response = await self._archive(request, caller, told, profile=profile, suffix=suffix)
        response.headers["vary"] = "User-Agent"
        return response

    async def _archive(
        self, request: Request, caller: Caller, told: Told, *, profile: str, suffix: str
    ) -> Response:
        told.catalogue.rules_of(profile)
        sources = told.catalogue.generation.sources(profile)
        path, made = await self._serving.made(
            f"{profile}/{ARCHIVE}",
            told.catalogue,
            partial(archive, sources, told.catalogue.created_at),
        )
        match suffix:
            case ".md5":
                text = f"{made.md5}\n"
                return self._serving.text(request, caller, told, text, what="check")
            case ".sha256":
                return self._serving.text(request, caller, told, f"{made.sha256}  {ARCHIVE}\n")
            case ".minisig":
                comment = f"{Purpose.FILE} {ARCHIVE} {profile} generation {told.catalogue.number}"

                def signed(hub: Hub) -> str:
                    return sign(signing_key(hub), path.read_bytes(), comment)

                text = await self._serving.state.make(signed)
                return self._serving.text(request, caller, told, text)
            case _:
                return await self._serving.send(
                    request, caller, told, path, made.sha256, what="archive"
                )

    async def _as_is(self, request: Request, caller: Caller, told: Told, info: SetInfo) -> Response:
        path = told.catalogue.generation.file(info)
        return await self._serving.send(request, caller, told, path, info.sha256, what="dataset")

    @staticmethod
    def _set(told: Told, name: str) -> SetInfo:
        """Return a set by its name or its file's name; ``.txt`` may follow."""
        return told.catalogue.set(name.removesuffix(".txt"))


def _unknown(name: str) -> Refusal:
    return Refusal(
        404,
        f"a generation has no '{name[:100]}'",
        hint="manifest.json, datasets/<file>, rules/<profile>.rules, <profile>/vedette.tar.gz...",
    )
