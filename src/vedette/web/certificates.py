"""The certificate of ``vedette serve``: TLS 1.2 or newer, read again when its file changes."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import structlog

from vedette.config import ServeSettings
from vedette.errors import ConfigError
from vedette.files import read_secret

log = structlog.get_logger(__name__)

LOOK_S = 10.0
"""How often the files are looked at."""


class Certificate:
    """The TLS context of a server.

    Args:
        settings: With both files.

    Raises:
        ConfigError: They cannot be read, do not fit, or everybody may read the key.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._cert = Path(settings.tls_cert)
        self._key = Path(settings.tls_key)
        self._seen = self._stamp()
        self.context = self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def refresh(self) -> bool:
        """Read the files again if they changed; new connections get the new certificate.

        A pair that cannot be used is logged, and the old one stays.

        Returns:
            Whether another certificate is in force now.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        try:
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))  # first where nobody is hurt
            self._load(self.context)
        except ConfigError as error:
            log.error("certificate.kept", error=str(error), hint=error.hint)  # noqa: TRY400
            return False
        log.info("certificate.read", file=str(self._cert))
        return True

    async def watch(self) -> None:
        """Refresh it whenever the files change, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.refresh)

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        try:
            read_secret(self._key)
            context.load_cert_chain(self._cert, self._key)
        except OSError as error:  # of ssl, too
            why = getattr(error, "reason", "") or error.strerror or str(error)
            raise ConfigError(
                f"cannot use the certificate {self._cert} with the key {self._key}: {why}",
                hint=getattr(error, "hint", "")
                or "tls_cert is a PEM file with the certificate and its chain, tls_key one with its"
                " key, mode 600; both belong together and Vedette's user may read them.",
            ) from error
        return context

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        """Return what differs when one of the files was written or replaced."""
        stamps = []
        for path in (self._cert, self._key):
            try:
                stat = path.stat()
            except OSError:
                stamps.append((0, 0))
            else:
                stamps.append((stat.st_ino, stat.st_mtime_ns))
        return tuple(stamps)
