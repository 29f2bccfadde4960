"""What a ruleset is compiled for: a profile of the engine, with or without context in the alert."""

from __future__ import annotations

from dataclasses import dataclass

from vedette.buffers import Profile
from vedette.errors import UsageError

_CONTEXT = "+context"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One rules file of a bundle: ``7.0``, ``8.0``, ``8.0.7``, ``8.0+context``..."""

    profile: Profile
    context: bool = False
    """Names, strings and addresses as JSON datasets whose context is in the alert (8.x)."""

    def __str__(self) -> str:
        return self.profile.value + (_CONTEXT if self.context else "")

    @property
    def match_subdomain(self) -> bool:
        """Whether one set covers names and all below them."""
        return self.profile is Profile.V8_0_7

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read the spelling of ``str()``.

        Raises:
            UsageError: No engine is like that.
        """
        name, plus, rest = text.partition("+")
        known = {profile.value: profile for profile in Profile}
        if name not in known or plus + rest not in {"", _CONTEXT}:
            raise UsageError(
                f"there is no engine profile '{text}'",
                hint=f"Use one of {', '.join(known)}; on 8.x optionally with {_CONTEXT}.",
            )
        target = cls(known[name], bool(plus))
        if target.context and target.profile is Profile.V7_0:
            raise UsageError(
                "Suricata 7.0 has no JSON datasets: no context in its alerts",
                hint="Use '7.0'; Vedette joins the context by value.",
            )
        return target


PLAIN: tuple[Target, ...] = tuple(Target(profile) for profile in Profile)
"""The targets of a bundle unless the operator wants others."""


def profile_for(version: tuple[int, ...]) -> Profile:
    """Return what an engine of this version can do; newer than known is the newest known.

    Raises:
        UsageError: The version is older than any profile.
    """
    fitting = [profile for profile in Profile if profile.version <= version]
    if not fitting:
        spelt = ".".join(map(str, version))
        oldest = ".".join(map(str, next(iter(Profile)).version[:2]))
        raise UsageError(
            f"Suricata {spelt} is too old: Vedette needs {oldest} or later",
            hint="Upgrade the engine; 6.0 reached its end of life in 2024.",
        )
    return max(fitting, key=lambda profile: profile.version)
