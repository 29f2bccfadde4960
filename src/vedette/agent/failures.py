"""What can go wrong between an agent and its hub, told apart by what the agent does about it."""

from __future__ import annotations

import ssl

import httpx2

from vedette.errors import HubError, TrustError


class NotThereError(HubError):
    """The hub does not have what was asked for (404)."""


class RefusedError(TrustError):
    """The hub does not take our token, or may not be believed to be the hub."""


class UnacceptedError(HubError):
    """The hub will never take what was sent."""


class CursorError(HubError):
    """The hub has counted alerts up to another place than the one that was sent from."""

    def __init__(self, message: str, cursor: str) -> None:
        super().__init__(message)
        self.cursor = cursor


class UnavailableError(HubError):
    """The hub asks to be left alone for some time."""

    def __init__(self, message: str, *, hint: str = "", wait_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.wait_s = wait_s


def explained(error: Exception, where: str) -> HubError | RefusedError:
    """Say why the hub was not reached, and what to do about it."""
    if failure := _tls_failure(error):
        return RefusedError(
            f"TLS with {where} failed: {failure}",
            hint=_PLAIN if "WRONG_VERSION" in failure else _CERTIFICATE,
        )
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return HubError(
            f"cannot connect to {where}: {str(error) or 'no answer'}",
            hint="Does vedette serve run there? Check name, port, firewall, and HTTPS_PROXY.",
        )
    if isinstance(error, httpx2.TimeoutException):
        return HubError(f"{where} did not answer in time", hint="It may be overloaded.")
    return HubError(f"{where} hung up: {error}", hint="It may be restarting.")


_PLAIN = "Something there does not speak TLS. Is it the right port, and has [serve] a tls_cert?"
_CERTIFICATE = (
    "Is the certificate the hub's own? For an authority of your own give its PEM file: --ca FILE."
    " If it has expired: renew it on the hub."
)


def _tls_failure(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message or str(cause)
        if isinstance(cause, ssl.SSLError):
            return cause.reason or str(cause)
        cause = cause.__cause__ or cause.__context__
    return ""
