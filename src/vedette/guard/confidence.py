"""How sure an indicator of a type is, where its source does not say: 0 to 100.

Not opinions where figures exist. JA3: of seven published fingerprints that occurred in about
3,000 captures, one was the malware and six were messengers and meeting clients. Addresses change
hands, names seldom do, digests never. What many programs send (a user agent, a file's name) is a
hint at best.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from vedette.guard.facts import Claim
from vedette.model import IndicatorType as T

UNSURE_BELOW = 50
"""What is less certain is held as soon as a single host of ours met it."""

BUILT_IN: Mapping[T, int] = MappingProxyType(
    {
        T.DOMAIN: 70,
        T.HOSTNAME: 75,
        T.IP_DST: 60,
        T.IP_SRC: 50,
        T.IP_DST_PORT: 70,
        T.IP_SRC_PORT: 50,
        T.URL: 85,
        T.URI: 40,
        T.USER_AGENT: 40,
        T.HTTP_METHOD: 10,
        T.COOKIE: 50,
        T.REFERER: 50,
        T.HTTP_SERVER: 30,
        T.MD5: 95,
        T.SHA1: 95,
        T.SHA256: 95,
        T.FILENAME: 30,
        T.JA3: 30,
        T.JA3S: 30,
        T.JA4: 40,
        T.CERT_SHA1: 90,
        T.CERT_SHA256: 90,
        T.CERT_MD5: 90,
        T.HASSH: 30,
        T.HASSH_SERVER: 30,
        T.SSH_SOFTWARE: 20,
        T.EMAIL_SRC: 70,
        T.EMAIL_DST: 60,
        T.EMAIL_SUBJECT: 30,
        T.EMAIL_X_MAILER: 20,
        T.EMAIL_MESSAGE_ID: 90,
    }
)


def confidence(claims: Iterable[Claim], of_type: int) -> tuple[int, str]:
    """The highest confidence of any claim, and who says so (``""``: the type alone does).

    Args:
        claims: What the sources say; a claim's own figure, else that of its source's rules, is in
            it already.
        of_type: What the type is worth where a claim says nothing.
    """
    said = [
        (claim.confidence, claim.source) if claim.confidence >= 0 else (of_type, "")
        for claim in claims
    ]
    return max(said, default=(of_type, ""))
