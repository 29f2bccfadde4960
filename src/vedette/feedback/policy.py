"""What may leave: which MISPs are told, and what a sighting says of who it was.

Hard rule: nothing of a host is in a sighting, or in its uuid, that ``hosts`` does not allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from vedette.config import FeedbackSettings

SAYS_MAX = 255
"""MISP answers 500 to a longer one."""

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``[feedback]``, ready to be applied to hits."""

    instance: str
    """Who we are: random, known to nobody else, so that no uuid of ours can be guessed."""
    sources: frozenset[str]
    bucket_s: int
    """Seconds that one sighting stands for."""
    hosts: Literal["none", "class", "address"]
    classes: tuple[tuple[str, _Network], ...]
    """The narrowest network first."""
    home: tuple[_Network, ...]
    name: str
    retro: bool

    @classmethod
    def of(cls, settings: FeedbackSettings, *, home: Iterable[str], instance: str) -> Policy:
        """Take the settings, which were checked when they were read."""
        return cls(
            instance=instance,
            sources=frozenset(settings.sources),
            bucket_s=86_400 if settings.group == "day" else 3_600,
            hosts=settings.hosts,
            classes=_narrowest_first(settings.classes),
            home=tuple(ip_network(text) for text in home),
            name=settings.name,
            retro=settings.retro,
        )

    def who(self, client: str, server: str) -> str:
        """What may be said of which of our hosts it was; ``""``: nothing."""
        if self.hosts == "none":
            return ""
        ours = self._ours(client, server)
        if ours is None:
            return ""
        if self.hosts == "address":
            return str(ours)
        return next((name for name, network in self.classes if ours in network), "")

    def says(self, who: str) -> str:
        """MISP's field ``source``."""
        return (f"{self.name}/{who}" if who else self.name)[:SAYS_MAX]

    def _ours(self, client: str, server: str) -> _Address | None:
        """Return which end is a host of ours: clients first; of strangers nothing is said."""
        for text in (client, server):
            address = _address(text)
            if address is not None and self._is_ours(address):
                return address
        return None

    def _is_ours(self, address: _Address) -> bool:
        return any(address in network for network in self.home) or any(
            address in network for _, network in self.classes
        )


def _narrowest_first(classes: Mapping[str, Iterable[str]]) -> tuple[tuple[str, _Network], ...]:
    found = [(name, ip_network(text)) for name, texts in classes.items() for text in texts]
    return tuple(sorted(found, key=lambda one: -one[1].prefixlen))


def _address(text: str) -> _Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
