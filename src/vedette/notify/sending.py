"""One message to one target, through Apprise, which knows how a hundred services are spoken to.

Apprise is only imported here, when something has to be sent: it takes a while.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from vedette.errors import ConfigError
from vedette.notify.targets import Target
from vedette.store.messages import Message

if TYPE_CHECKING:
    import apprise

TIMEOUT_S = 60.0
_ERROR_MAX = 200


def check(target: Target) -> None:
    """Check that Apprise understands a target; nothing is sent.

    Raises:
        ConfigError: It does not.
    """
    _open(target)


def send(target: Target, message: Message) -> str:
    """Send a message.

    Returns:
        ``""``, or why the target did not take it, without secrets.
    """
    try:
        sender = _open(target)
    except ConfigError as error:
        return str(error)
    said: list[Any] = []
    kind = "warning" if message.is_bad else "success"
    try:
        taken = sender.notify(
            body=message.body,
            title=message.title,
            notify_type=kind,
            body_format="text",
            log_callback=lambda entry, _service: said.append(entry),
        )
    except Exception as error:  # noqa: BLE001 - a plug-point: a hundred services, each its own code
        return target.without_secrets(f"{type(error).__name__}: {error}")[:_ERROR_MAX]
    if taken:
        return ""
    reasons = [one.message for one in said if one.level in {"WARNING", "ERROR", "CRITICAL"}]
    text = reasons[0] if reasons else "it was not taken, and the service does not say why"
    return target.without_secrets(" ".join(text.split()))[:_ERROR_MAX]


def _open(target: Target) -> apprise.Apprise:
    """Let Apprise read a URL.

    Raises:
        ConfigError: It knows no such service, or something is missing.
    """
    import apprise  # noqa: PLC0415

    # Apprise logs addresses; what went wrong is said by `send`, without them.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    asset = apprise.AppriseAsset(
        app_id="Vedette", app_desc="Vedette", async_mode=False, service_timeout=TIMEOUT_S
    )
    sender = apprise.Apprise(asset=asset)
    if not sender.add(target.url) or len(sender) != 1:
        raise ConfigError(
            f"{target.name} of the targets of messages is not understood",
            hint="Apprise's documentation says how the URL of each service is written.",
        )
    return sender
