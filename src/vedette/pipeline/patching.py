"""The patches from one generation to another, for one kind of engine; made once, kept on disk.

Hard rule: a patch that is kept was applied once and made what the manifest says.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import structlog
import zstandard

from vedette.bundle.generation import Generation, history, open_generation
from vedette.errors import BundleError, UsageError
from vedette.files import mapped, write_atomically
from vedette.pipeline.hub import Hub
from vedette.ruleset.engine import Target
from vedette.ruleset.patch import Content, apply, make
from vedette.ruleset.patchset import WHOLE_MAX, How, PatchSet, Piece, pack
from vedette.sensor.release import Release

log = structlog.get_logger(__name__)

SUFFIX = ".patches.zst"
_SHARE = 4  # a patch of more than a quarter of the file is hardly smaller than the file, compressed
_PATCH_MAX = 4 << 20
_LEVEL = 3
_CONTENT_ID = re.compile(r"[0-9a-f]{16,64}")


class _Made(NamedTuple):
    piece: Piece
    body: bytes = b""


def patches(hub: Hub, before: str, number: int, target: str) -> Path:
    """Return the file with the patches that lead to a generation; it is made if it is not there.

    Args:
        hub: The open state directory.
        before: ``content_id`` of the generation that the sensor holds.
        number: Of the generation that it shall get.
        target: For which engine; both generations were built for it.

    Raises:
        UsageError: That is no ``content_id``, or no target.
        BundleError: One of the generations is not here any more, or was not built for this.
        OSError: There is no room for it.
    """
    if not _CONTENT_ID.fullmatch(before):
        raise UsageError("this is no content_id", hint="It is in the manifest that you hold.")
    target = str(Target.parse(target))
    new = open_generation(hub.settings.bundles, number)
    if new is None:  # pragma: no cover - a number is always found or an error
        raise BundleError(f"there is no generation {number}")
    path = hub.settings.artifacts / new.path.name / f"{before[:16]}-{target}{SUFFIX}"
    if path.is_file():
        return path
    old = _held(hub, before)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        made = list(_pieces(old, new, target))
    except OSError as error:
        raise BundleError(
            f"a file of generation {old.number} or {number} cannot be read: {error.strerror}",
            hint="It may have been forgotten just now; see: vedette bundle show",
        ) from error
    index = PatchSet(
        before=before,
        after=new.manifest.content_id,
        generation=number,
        target=target,
        pieces=tuple(one.piece for one in made),
    )
    stream = b"".join(pack(index, (one.body for one in made)))
    compressor = zstandard.ZstdCompressor(_LEVEL, write_checksum=True)
    compressed = compressor.compress(stream)
    write_atomically(path, [compressed])
    log.info(
        "patches.made",
        before=old.number,
        generation=number,
        target=target,
        bytes=len(compressed),
        files={one.piece.name: one.piece.how.value for one in made if one.piece.how != How.SAME},
    )
    return path


def _held(hub: Hub, content_id: str) -> Generation:
    """Return the newest generation with this content that is still here.

    Raises:
        BundleError: There is none.
    """
    for generation in history(hub.settings.bundles):
        with suppress(BundleError):  # its manifest is damaged
            if generation.manifest.content_id == content_id:
                return generation
    raise BundleError(
        "the generation that the sensor holds is not on this hub (any more)",
        hint="Fetch whole files: /bundle/<generation>/datasets/<file>.zst",
    )


def _pieces(old: Generation, new: Generation, target: str) -> Iterator[_Made]:
    before = Release.from_manifest(old.manifest, target)
    after = Release.from_manifest(new.manifest, target)
    sources, targets = old.sources(target), new.sources(target)
    for name, sha256 in after.files.items():
        known = before.files.get(name)
        if known == sha256:
            yield _Made(Piece(name=name, how=How.SAME))
            continue
        with mapped(targets[name]) as content:
            body = _patch(sources[name], content, sha256) if known else None
            if body is not None:
                yield _Made(Piece(name=name, how=How.PATCH, size=len(body)), body)
            elif len(content) <= WHOLE_MAX:
                yield _Made(Piece(name=name, how=How.WHOLE, size=len(content)), content[:])
            else:
                yield _Made(Piece(name=name, how=How.FETCH))


def _patch(path: Path, new: Content, sha256: str) -> bytes | None:
    """Return a patch that is worth it and right."""
    with mapped(path) as old:
        patch = make(old, new, min(len(new) // _SHARE, _PATCH_MAX))
        if patch is None:
            return None
        digest = hashlib.sha256()
        for part in apply(old, patch, len(new)):
            digest.update(part)
    if digest.hexdigest() != sha256:
        log.error("patches.damaged", file=str(path), hint="Run: vedette bundle verify")
        return None
    return patch
