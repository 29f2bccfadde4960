"""Get the files of an announced generation here: those that are there already, a patch, or whole.

Hard rule: nothing is handed on whose SHA-256 is not in the manifest that the signed announcement
names. Nothing is installed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import structlog

from vedette.agent.failures import NotThereError
from vedette.agent.hub import Hub
from vedette.agent.staging import Staging
from vedette.errors import BundleError, HubError, TrustError
from vedette.files import mapped, open_decompressed, write_atomically
from vedette.ruleset.manifest import Manifest, SetInfo
from vedette.ruleset.patch import apply
from vedette.ruleset.patchset import WHOLE_MAX, How, Piece, read_body, read_index
from vedette.sensor.install import Installed, RulesDirectory
from vedette.sensor.release import RULES_FILE, Release, file_name
from vedette.sensor.wire import Announcement

log = structlog.get_logger(__name__)

_MANIFEST_MAX = 64 << 20
_RULES_MAX = 64 << 20
_RULE_BYTES = 2_048
_MANIFESTS_KEPT = 8
_ENTRY_BYTES = 140
"""No line of a set of addresses or hashes is longer."""
_CHUNK = 1 << 18


class Fetched(NamedTuple):
    """The files of a release, all of them compared."""

    release: Release
    sources: dict[str, Path]
    """Where each is, by its name in the release."""
    how: str
    """``local``, ``patch`` or ``whole``."""


class Manifests:
    """The manifests of the last generations, by their SHA-256.

    Args:
        path: Their directory.
    """

    def __init__(self, path: Path) -> None:
        """Touch nothing yet."""
        self._path = path
        self._last: tuple[str, Manifest] | None = None

    def known(self, digest: str) -> Manifest | None:
        """Return a manifest that was fetched before; None if it is not here, or damaged."""
        if self._last and self._last[0] == digest:
            return self._last[1]
        try:
            data = (self._path / f"{digest}.json").read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != digest:
            return None
        manifest = Manifest.from_json(data)
        self._last = (digest, manifest)
        return manifest

    def get(self, announcement: Announcement, hub: Hub | None) -> Manifest:
        """Return the manifest that an announcement names, from the hub if it is not here.

        Raises:
            TrustError: What came is another one.
            BundleError: It is of a format that this version cannot read.
            HubError: It cannot be fetched.
        """
        manifest = self.known(announcement.manifest)
        if manifest is None:
            manifest = self.add(announcement, self._fetch(announcement, hub))
        named = (manifest.generation, manifest.content_id)
        if named != (announcement.generation, announcement.content_id):
            raise TrustError("the manifest is not of the generation that was announced")
        return manifest

    def add(self, announcement: Announcement, data: bytes) -> Manifest:
        """Keep the manifest of an announcement.

        Raises:
            TrustError: It is another one.
            BundleError: It cannot be read.
        """
        digest = announcement.manifest
        if hashlib.sha256(data).hexdigest() != digest:
            raise TrustError(
                f"the manifest of generation {announcement.generation} is not the one that was"
                " announced",
                hint="Damaged on the way, or changed by somebody between hub and sensor. It is"
                " tried again.",
            )
        manifest = Manifest.from_json(data)
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path / f"{digest}.json", [data])
            self._prune()
        except OSError as error:
            log.warning("manifest.not_kept", error=str(error))  # it is fetched again, if needed
        self._last = (digest, manifest)
        return manifest

    def _fetch(self, announcement: Announcement, hub: Hub | None) -> bytes:
        number = announcement.generation
        if hub is None:
            raise HubError(f"the manifest of generation {number} is not here, and there is no hub")
        return hub.get(f"bundle/{number}/manifest.json", _MANIFEST_MAX)

    def _prune(self) -> None:
        found = sorted(self._path.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for path in found[:-_MANIFESTS_KEPT]:
            path.unlink(missing_ok=True)


def fetch(
    hub: Hub | None, release: Release, directory: RulesDirectory, staging: Staging, *, sure: bool
) -> Fetched:
    """Have every file of a release here.

    Args:
        hub: None: only what is here counts.
        release: What is wanted; of a verified manifest, or installed before.
        directory: Where generations are installed.
        staging: Where fetched files go.
        sure: Compare also the files that are here with their SHA-256; the installation does that
            too, but then it is too late to fetch another one.

    Raises:
        HubError: A file cannot be fetched, or there is no hub.
        TrustError: A file is not what was announced.
        SensorError: There is no room.
    """
    sources = _here(release, directory, staging, sure=sure)
    missing = [name for name in release.files if name not in sources]
    if not missing:
        return Fetched(release, sources, "local")
    if hub is None:
        raise HubError(
            f"{', '.join(missing[:3])} of generation {release.generation} is damaged or missing"
            " here, and there is no hub to fetch it from",
            hint="Bring it on a stick: vedette bundle import.",
        )
    needed = 2 * sum(_about(release, name) for name in missing)  # here, and where it is installed
    staging.make_room(needed, f"generation {release.generation}")
    how = "whole"
    current = directory.current()
    if current and current.release.target == release.target:
        sources |= _patched(hub, current, release, set(missing), staging)
        how = "patch" if all(name in sources for name in missing) else "whole"
    for name in missing:
        if name not in sources:
            sources[name] = _whole(hub, release, name, staging)
    log.info("generation.fetched", generation=release.generation, files=len(missing), how=how)
    return Fetched(release, sources, how)


def installed_in(directory: RulesDirectory) -> list[Installed]:
    """Return the generations that are in a directory, the newest first."""
    paths = [path for path in directory.path.glob("gen-*") if path.is_dir()]
    paths.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [found for path in paths if (found := directory.generation(path.name))]


def _here(
    release: Release, directory: RulesDirectory, staging: Staging, *, sure: bool
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    held: dict[str, list[Path]] = {}
    for installed in installed_in(directory):
        for name, digest in installed.release.files.items():
            held.setdefault(digest, []).append(installed.path / name)
    for name, digest in release.files.items():
        staged = staging.file(digest)
        places = [*held.get(digest, ()), *([staged] if staged else ())]
        good = (p for p in places if (_digest(p) == digest if sure else p.is_file()))
        if path := next(good, None):
            found[name] = path
    return found


def _patched(
    hub: Hub, current: Installed, release: Release, missing: set[str], staging: Staging
) -> dict[str, Path]:
    """Make files of those that are installed; those that cannot be made so are left out."""
    path = f"agent/v1/patch/{current.release.content_id}/{release.generation}/{release.target}"
    most = sum(_most(release, name) for name in release.files)
    patching = _Patching(current, release, missing, staging)
    try:
        with hub.stream(path, most) as body, open_decompressed(body, max_bytes=most) as stream:
            patching.read(stream)
    except NotThereError as error:
        log.info("patch.absent", why=str(error), after=release.generation)
    except (BundleError, HubError, TrustError, OSError) as error:
        log.warning("patch.unusable", error=str(error), after=release.generation)
    return patching.made


class _Patching:
    """Makes files of a new release out of those of the installed one, as a stream says."""

    def __init__(
        self, current: Installed, release: Release, missing: set[str], staging: Staging
    ) -> None:
        self._current = current
        self._release = release
        self._missing = missing
        self._staging = staging
        self.made: dict[str, Path] = {}

    def read(self, stream: BinaryIO) -> None:
        index = read_index(stream)
        held = self._current.release.content_id
        if (index.before, index.after) != (held, self._release.content_id):
            raise BundleError("the patch is for other generations")
        for piece in index.pieces:
            if piece.how in {How.PATCH, How.WHOLE}:
                self._take(piece, stream)

    def _take(self, piece: Piece, stream: BinaryIO) -> None:
        name = piece.name
        most = _most(self._release, name)
        body = read_body(stream, piece, max(most, WHOLE_MAX))
        if name not in self._missing or name in self.made:
            return
        digest = self._release.files[name]
        if piece.how is How.WHOLE:
            self.made[name] = self._staging.save(name, digest, [body])
            return
        with mapped(self._current.path / name) as old:
            self.made[name] = self._staging.save(name, digest, _joined(apply(old, body, most)))


def _joined(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces: a thousand changes must not be a thousand writes."""
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        if size >= _CHUNK:
            yield b"".join(kept)
            kept, size = [], 0
    yield b"".join(kept)


def _whole(hub: Hub, release: Release, name: str, staging: Staging) -> Path:
    if name == RULES_FILE:
        path = f"bundle/{release.generation}/rules/{release.target}.rules"
    else:
        path = f"bundle/{release.generation}/datasets/{name}.zst"
    most = _most(release, name)
    try:
        with hub.stream(path, most) as body, open_decompressed(body, max_bytes=most) as content:
            return staging.save(name, release.files[name], _chunks(content))
    except OSError as error:
        raise HubError(
            f"{name} of generation {release.generation} did not come whole: {error}",
            hint="It is tried again.",
        ) from error


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def _most(release: Release, name: str) -> int:
    """Return the most bytes that a file may have, by what the manifest says of it."""
    info = next((info for info in release.sets if file_name(info) == name), None)
    return _RULES_MAX if info is None else _set_bytes(info)


def _about(release: Release, name: str) -> int:
    """Return about how many bytes a file has, rather more."""
    return _RULE_BYTES * len(release.rules) if name == RULES_FILE else _most(release, name)


def _set_bytes(info: SetInfo) -> int:
    slack = 1 << 16  # the canary, and whatever is a line of its own
    if info.format == "base64":
        return info.value_bytes * 4 // 3 + 5 * info.entries + slack
    if info.format == "ndjson":
        return 2 * info.value_bytes + 64 * info.entries + slack
    return max(_ENTRY_BYTES * info.entries, info.value_bytes + info.entries) + slack


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
