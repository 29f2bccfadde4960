"""The open state directory: settings, store and locks; every job starts from here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from vedette.config import Settings
from vedette.errors import StoreError
from vedette.pipeline.lock import exclusive
from vedette.pipeline.telling import listen
from vedette.store import Store

_WAIT_FOR_OTHERS_S = 5.0


class Hub:
    """One machine's Vedette. Not shared between threads; open one per thread."""

    def __init__(self, settings: Settings) -> None:
        """Open the state directory, creating what is missing.

        Raises:
            StoreError: It cannot be created or the database cannot be opened.
        """
        self.settings = settings
        try:
            settings.bundles.mkdir(parents=True, exist_ok=True)
            # What the network has shown is for those who run Vedette, and its group.
            settings.pool_dir.mkdir(mode=0o750, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot create the state directory {settings.state_dir}: {error.strerror}",
                hint="Choose another 'state' in vedette.toml, or create it with write permission.",
            ) from error
        self.store = Store(settings.database)
        listen(settings, self.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.store.close()

    def lock_file(self, name: str) -> Path:
        """Where a lock of this state directory lies."""
        return self.settings.state_dir / f"{name}.lock"

    @contextmanager
    def working(self, purpose: str, *, wait_s: float = _WAIT_FOR_OTHERS_S) -> Iterator[None]:
        """Pull, build and push one at a time.

        Raises:
            BusyError: Another Vedette is still at it after ``wait_s``.
            StoreError: SQLite failed (disk full, I/O).
        """
        with exclusive(self.lock_file("work"), purpose, wait_s=wait_s), self.store.guarded():
            yield

    @contextmanager
    def delivering(self, sensor: str, *, wait_s: float = 60.0) -> Iterator[None]:
        """Push to or prove one sensor, one at a time.

        Raises:
            BusyError: Another push or proof of this sensor is still running.
        """
        with exclusive(self.lock_file(f"sensor-{sensor}"), f"sensor {sensor}", wait_s=wait_s):
            yield
