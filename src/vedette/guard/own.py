"""Our own names and networks: whatever a source says, we are not the enemy; pure."""

from __future__ import annotations

from collections.abc import Iterable

from vedette.guard.hosts import Network, host_of, network_of
from vedette.model import Key
from vedette.normalize import canonical_name


class Own:
    """``[guard] own``, ready to be asked about a million indicators."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Take domains and networks as they are written in vedette.toml, checked there."""
        self._names: dict[str, str] = {}
        self._networks: list[tuple[Network, str]] = []
        for text in entries:
            if (network := network_of(text)) is not None:
                self._networks.append((network, text))
            else:
                self._names[canonical_name(text)] = text
        self._ends = tuple(self._names)

    def __bool__(self) -> bool:
        """Whether anything is ours."""
        return bool(self._names or self._networks)

    def of(self, key: Key) -> str:
        """The entry that an indicator is at, below or within, as it was written; ``""``: none.

        A network that holds one of ours counts too: an alert on it would be an alert on us.
        """
        host = host_of(key)
        if not host:
            return ""
        if host.endswith(self._ends):
            for name, text in self._names.items():
                if host == name or host.endswith(f".{name}"):
                    return text
        network = network_of(host) if self._networks else None
        if network is None:
            return ""
        return next((text for own, text in self._networks if _overlap(own, network)), "")


def _overlap(one: Network, other: Network) -> bool:
    if one.version != other.version:
        return False
    narrow, broad = (one, other) if one.prefixlen >= other.prefixlen else (other, one)
    return narrow.network_address in broad
