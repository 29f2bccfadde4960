"""What a person's text means as an indicator, and as something to rule on."""

from __future__ import annotations

from msgspec import Struct

from vedette.errors import UnusableValueError, UsageError
from vedette.model import IndicatorType, Key
from vedette.normalize import Reason, normalize

_TEXTS = frozenset(
    {
        IndicatorType.URI,
        IndicatorType.USER_AGENT,
        IndicatorType.HTTP_METHOD,
        IndicatorType.COOKIE,
        IndicatorType.REFERER,
        IndicatorType.HTTP_SERVER,
        IndicatorType.FILENAME,
        IndicatorType.SSH_SOFTWARE,
        IndicatorType.EMAIL_SUBJECT,
        IndicatorType.EMAIL_X_MAILER,
        IndicatorType.EMAIL_MESSAGE_ID,
    }
)
"""Types whose values may be nearly any text: that a text can be one says nothing."""

_NO_NETWORK = frozenset({Reason.HOST_BITS, Reason.WIDE})
"""Nobody who writes such a thing means a URL."""


class Meant(Struct, frozen=True, kw_only=True):
    """A text in every meaning that it may have."""

    value: str
    """The likeliest spelling; ``""``: it is free text, or nothing at all."""
    type: str
    """Its type; ``""`` likewise."""
    keys: tuple[Key, ...]
    """All that it may be, the likeliest first."""
    refused: str
    """Why it is no name, address or URL; ``""``: it is, or it is a hash or the like."""


def meant_by(text: str) -> Meant:
    """Return what a text in any spelling, defanged or not, may be."""
    found: dict[Key, None] = {}
    refused = ""
    for kind in IndicatorType:
        try:
            found[normalize(kind, text)] = None
        except UnusableValueError as error:
            if kind is IndicatorType.DOMAIN:
                refused = str(error)
    shaped = [key for key in found if key.type not in _TEXTS]
    likeliest = shaped[0] if shaped and refused not in _NO_NETWORK else None
    return Meant(
        value=likeliest.value if likeliest else "",
        type=likeliest.type.value if likeliest else "",
        keys=(*shaped, *(key for key in found if key.type in _TEXTS)),
        refused="" if likeliest else refused,
    )


def ruled_on(text: str, kind: str = "") -> tuple[str, str]:
    """Return type and value that a ruling on a text is about; type ``""`` is any.

    Args:
        text: In any spelling.
        kind: An indicator type, where only that is meant.

    Raises:
        UsageError: It cannot be an indicator, or it may be many things.
    """
    if kind:
        try:
            key = normalize(IndicatorType(kind), text)
        except UnusableValueError as error:
            raise UsageError(
                f"'{text}' is no {kind}: {error}", hint="Check its spelling, or leave out --type."
            ) from error
        return key.type.value, key.value
    meant = meant_by(text)
    if not meant.value:
        raise UsageError(
            f"'{text}' is no name, address, network, URL or hash: {meant.refused or 'free text'}",
            hint="If it is something else, say what: --type user-agent, --type filename...",
        )
    return "", meant.value
