"""Bring a generation that came in one file into force, as the agent does with what it fetches.

Hard rule: who signed it, how old it is and whether it is whole is known before anything changes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from msgspec import Struct

from vedette.agent.holding import Holding
from vedette.agent.settings import AgentSettings
from vedette.agent.tokens import read_token
from vedette.bundle.archive import Archive, open_archive
from vedette.errors import BusyError, SensorError, TrustError
from vedette.sensor.push import Pushed, push, target_of
from vedette.sensor.release import Release
from vedette.sensor.wire import SignedAnnouncement
from vedette.trust.pins import Pins

log = structlog.get_logger(__name__)

_STAGING = ".import-"


class Brought(Struct, frozen=True, kw_only=True):
    """What came of an import."""

    serial: int
    generation: int
    content_id: str
    key: str
    """Id of the key that is trusted now."""
    pushed: Pushed


def bring(settings: AgentSettings, path: Path, *, key: str = "", older: bool = False) -> Brought:
    """Check an archive, install what is in it for this engine, bring it into force, prove it.

    Args:
        settings: The sensor, and the directory of what is trusted and was accepted.
        path: What ``vedette bundle export`` wrote.
        key: The hub's public key, which a person gives; ``""``: that of before, or of settings.
        older: Take it although a newer one was accepted.

    Raises:
        TrustError: No key is known, another one signed it, it was changed, or is an older one.
        BundleError: It cannot be read, or holds nothing for this engine.
        SensorError: The engine cannot be asked, or the files cannot be installed.
        BusyError: Another push to this sensor is going on.
    """
    state = settings.state_dir
    with _alone(state):
        holding = Holding(state)
        known = _pins(holding, key or settings.key or _key_beside_token(settings))
        with open_archive(path, known) as archive:
            archive.pins.accepting(archive.told.serial, older=older)
            target = str(target_of(settings.sensor))
            with _unpacked(archive, target, state) as files:
                _accept(holding, archive, known, older=older)
                release = Release.from_manifest(archive.manifest, target)
                pushed = push(settings.sensor, release, files)
    log.info("archive.imported", serial=archive.told.serial, generation=release.generation)
    return Brought(
        serial=archive.told.serial,
        generation=release.generation,
        content_id=release.content_id,
        key=archive.pins.public_keys[-1].id,
        pushed=pushed,
    )


def _pins(holding: Holding, key: str) -> Pins:
    held = holding.now.pins
    if key:
        return Pins.given(key, held)
    if held is None:
        raise TrustError(
            "it is not known which hub may send generations to this sensor",
            hint="Give its key, as `vedette key show` prints it on the hub: --key RW...",
        )
    return held


def _key_beside_token(settings: AgentSettings) -> str:
    if not os.path.isfile(settings.token_file):  # noqa: PTH113 - no error where it is forbidden
        return ""
    keys = read_token(Path(settings.token_file)).keys
    return keys[0] if keys else ""


def _accept(holding: Holding, archive: Archive, known: Pins, *, older: bool) -> None:
    """Remember key and serial before anything else: a crash must not make older ones good."""
    if holding.now.pins is None or known.root != holding.now.pins.root:
        holding.pin(known.root)
    holding.follow(archive.changes)
    holding.accept(
        SignedAnnouncement(document=archive.announcement, signature=archive.announcement_signature),
        older=older,
    )


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Keep a second import out, and remove what a killed one left."""
    try:
        state.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(state / ".import.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise SensorError(
            f"cannot use the directory {state}: {error.strerror}",
            hint="Run it as the user that the agent runs as, or name another with --state.",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in state.glob(f"{_STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    except BlockingIOError as error:
        raise BusyError(f"another import into {state} is going on", hint="Wait for it.") from error
    finally:
        os.close(descriptor)


@contextmanager
def _unpacked(archive: Archive, target: str, state: Path) -> Iterator[dict[str, Path]]:
    """Unpack what the engine needs, for as long as it is being installed."""
    try:
        made = TemporaryDirectory(prefix=_STAGING, dir=state, ignore_cleanup_errors=True)
    except OSError as error:
        raise SensorError(f"cannot unpack into {state}: {error.strerror}") from error
    with made as directory:
        yield archive.extract(target, Path(directory))
