"""What the operator wants of the guard, in the form in which verdicts are computed from it."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct, field

from vedette.config import GuardSettings, parse_duration
from vedette.guard.confidence import BUILT_IN


class Policy(Struct, frozen=True, kw_only=True):
    """``[guard]`` with its defaults filled in; times in seconds."""

    enabled: bool = True
    own: tuple[str, ...] = ()
    prevalence_hosts: int = 10
    prevalence_days: int = 7
    min_confidence: int = 0
    confidence: dict[str, int] = field(
        default_factory=lambda: {kind.value: n for kind, n in BUILT_IN.items()}
    )
    """Of every indicator type, 0 to 100."""
    age_s: dict[str, int] = {}
    """Of the types that age."""

    @classmethod
    def of(cls, settings: GuardSettings) -> Policy:
        """Fill in what vedette.toml leaves open.

        Raises:
            ConfigError: An age is no duration.
        """
        plain = cls()
        return cls(
            enabled=settings.enabled,
            own=settings.own,
            prevalence_hosts=settings.prevalence_hosts,
            prevalence_days=settings.prevalence_days,
            min_confidence=settings.min_confidence,
            confidence=plain.confidence | settings.confidence,
            age_s={kind: parse_duration(text) for kind, text in settings.age.items()},
        )

    @property
    def digest(self) -> str:
        """Another one for another policy."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()
