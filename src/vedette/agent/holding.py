"""What the agent trusts and what it has accepted: one file, replaced in one step.

Hard rule: only serials decide what is newer, no clock does. What is not accepted changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from vedette.errors import SensorError, TrustError
from vedette.files import write_atomically
from vedette.sensor.wire import Announcement, SignedAnnouncement
from vedette.trust.minisign import Purpose
from vedette.trust.pins import Pins, SignedChange

log = structlog.get_logger(__name__)

FILE = "holding.json"
_DOCUMENT_MAX = 1 << 16
_NUMBER_MAX = 2**53
"""Serials are milliseconds, of a clock or one more than the last."""


class Held(Struct, frozen=True, kw_only=True):
    """``holding.json``."""

    hub: str = ""
    """Instance id of the hub whose announcements are followed; ``""``: none was accepted yet."""
    pins: Pins | None = None
    accepted: SignedAnnouncement | None = None
    """The last; it is wanted until another one is accepted."""

    @property
    def wanted(self) -> Announcement | None:
        """What is wanted."""
        return self.accepted.read() if self.accepted else None


class Holding:
    """The file, and what it holds now; used by several threads.

    Args:
        directory: The agent's state directory.
    """

    def __init__(self, directory: Path) -> None:
        """Read it; from a damaged one nothing is known, and nothing is accepted."""
        self._path = directory / FILE
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._held = Held()
        self.damage: TrustError | SensorError | None = None
        """Why the file cannot be used."""
        with suppress(TrustError, SensorError):
            self.refresh()

    @property
    def now(self) -> Held:
        """What is held."""
        return self._held

    @property
    def wanted(self) -> Announcement | None:
        """What is wanted."""
        return self._held.wanted

    @property
    def serial(self) -> int:
        """The greatest that was accepted; 0: none."""
        return self._held.pins.serial if self._held.pins else 0

    def refresh(self) -> bool:
        """Read the file again if another process has changed it; return whether it has.

        Raises:
            TrustError: It is damaged: it is not known any more what was trusted.
            SensorError: It may not be read.
        """
        with self._lock:
            try:
                return self._read()
            except (TrustError, SensorError) as error:
                self.damage = error
                raise

    def _read(self) -> bool:
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns)
            if stamp == self._stamp:
                return False
            held = msgspec.json.decode(self._path.read_bytes(), type=Held)
            held.wanted  # noqa: B018 - decode it now, or say so
        except FileNotFoundError:
            return False
        except OSError as error:
            raise SensorError(f"cannot read {self._path}: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeError) as error:
            raise TrustError(
                f"{self._path} is damaged: {error}",
                hint="What is installed goes on to be proved. To follow the hub again, compare its"
                " key (vedette key show), remove the file and start the agent with --key.",
            ) from error
        self._held, self._stamp, self.damage = held, stamp, None
        return True

    def pin(self, key: str) -> None:
        """Trust a key that a person gave.

        Raises:
            TrustError: It is no key, or the file is damaged.
        """
        self._check_whole()
        pins = Pins.given(key, self._held.pins)
        if pins != self._held.pins:
            self._keep(pins=pins)
            log.info("key.pinned", key=pins.public_keys[0].id)

    def follow(self, changes: Sequence[SignedChange]) -> bool:
        """Follow the hub's key changes; return whether anything is different.

        Raises:
            TrustError: They do not follow from what is trusted.
        """
        if (held := self._held.pins) is None:
            return False
        pins = held.follow(changes)
        if pins == held:
            return False
        self._keep(pins=pins)
        log.info("key.followed", changes=pins.changes, keys=[key.id for key in pins.public_keys])
        return True

    def accept(self, signed: SignedAnnouncement, *, older: bool = False) -> Announcement | None:
        """Take an announcement for what is wanted from now on.

        Args:
            signed: As it came.
            older: A person wants it although a greater serial was accepted.

        Returns:
            What it says; None if it is the one that was accepted already.

        Raises:
            TrustError: No trusted key signed it, it is another hub's, or it is an older one.
        """
        self._check_whole()
        if (pins := self._held.pins) is None:
            raise TrustError("no key of the hub is pinned", hint=NO_KEY)
        if len(signed.document) > _DOCUMENT_MAX:
            raise TrustError("the announcement is too long to be one")
        pins.verify(signed.document, signed.signature, Purpose.ANNOUNCEMENT)
        try:
            announcement = signed.read()
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise TrustError(
                f"the announcement cannot be read: {error}", hint="Upgrade Vedette here."
            ) from error
        self._check(announcement, signed, older=older)
        if self._held.accepted and signed.document == self._held.accepted.document:
            return None
        pins = pins.accepting(announcement.serial, older=older)
        if older:
            pins = msgspec.structs.replace(pins, serial=announcement.serial)
        self._keep(pins=pins, hub=announcement.hub, accepted=signed)
        log.info(
            "announcement.accepted",
            serial=announcement.serial,
            generation=announcement.generation,
            why=announcement.why,
        )
        return announcement

    def _check_whole(self) -> None:
        if self.damage:
            raise self.damage

    def _check(self, new: Announcement, signed: SignedAnnouncement, *, older: bool) -> None:
        held = self._held
        if not 0 < new.serial < _NUMBER_MAX or not 0 < new.generation < _NUMBER_MAX:
            raise TrustError("the announcement has numbers that no hub counts up to")
        if held.hub and new.hub != held.hub:
            raise TrustError(
                f"it is the announcement of another hub ({new.hub}) than the one followed"
                f" ({held.hub})",
                hint="Two hubs with the same key or address? If the hub was set up anew, remove"
                f" {self._path} and start the agent with --key.",
            )
        if held.pins and not older:
            held.pins.accepting(new.serial)
        is_same = held.accepted is not None and signed.document == held.accepted.document
        if new.serial == self.serial and held.accepted is not None and not (is_same or older):
            raise TrustError(
                f"there are two announcements with the serial {new.serial}",
                hint="A hub and a copy of it are running; stop one. The next announcement with a"
                " greater serial is followed.",
            )

    def _keep(
        self, *, pins: Pins, hub: str = "", accepted: SignedAnnouncement | None = None
    ) -> None:
        with self._lock:
            held = Held(
                hub=hub or self._held.hub, pins=pins, accepted=accepted or self._held.accepted
            )
            data = msgspec.json.format(msgspec.json.encode(held), indent=1) + b"\n"
            try:
                self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                write_atomically(self._path, [data])
                status = self._path.stat()
            except OSError as error:
                raise SensorError(
                    f"cannot write {self._path}: {error.strerror}",
                    hint="Nothing was changed. Is there room, and does the directory belong to the"
                    " user that the agent runs as?",
                ) from error
            self._held = held
            self._stamp = (status.st_ino, status.st_mtime_ns)


NO_KEY = (
    "Take the hub's key from `vedette key show` there: --key RW... or a line `key RW...` in the"
    " token file. --trust-on-first-use takes the one that answers now."
)
