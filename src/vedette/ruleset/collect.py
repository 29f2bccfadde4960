"""Rules that collect: the engine itself remembers values and alerts on those it had not seen.

For sensors whose EVE has no protocol events. What the engine remembers is lost when it stops, and
over memcap it forgets one value for each new one, so a value may alert again: the pool knows
better. No ``state``: nothing is written on the sensor, and Scirius does not disable the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from vedette.buffers import ROWS, Buffer, DatasetType, Encoding
from vedette.errors import ConfigError
from vedette.fields import BY_NAME
from vedette.ruleset.engine import Target
from vedette.ruleset.sizing import size

COLLECT_SIDS = range(20_000, 20_100)
"""Less the sid base: one for each buffer."""

_TYPICAL_BYTES = 40
"""Of a value; names have 18 on average, user agents about 100."""


def _collectable() -> Iterator[tuple[str, tuple[Buffer, ...]]]:
    found: dict[str, dict[str, Buffer]] = {}
    for row in ROWS.values():
        for dataset in row.datasets:
            plain = dataset.encoding in {Encoding.PLAIN, Encoding.COLONS}
            for buffer in dataset.buffers if plain and dataset.type is DatasetType.STRING else ():
                if buffer.name not in BY_NAME:
                    continue  # the pool could not keep it
                found.setdefault(buffer.name, {}).setdefault(buffer.protocol, buffer)
    for name, by_protocol in found.items():
        yield name, tuple(by_protocol.values())


COLLECTABLE: Mapping[str, tuple[Buffer, ...]] = MappingProxyType(dict(_collectable()))
"""Buffers whose values are strings, by name; ``ja3.hash`` is one of TLS and one of QUIC."""


class Collect(NamedTuple):
    """What the engine shall collect."""

    buffers: tuple[str, ...] = ()
    entries: int = 100_000
    """Values of each buffer that it can remember."""

    def check(self) -> None:
        """Refuse buffers that cannot be collected.

        Raises:
            ConfigError: It names those that can.
        """
        if unknown := [name for name in self.buffers if name not in COLLECTABLE]:
            raise ConfigError(
                f"[collect] buffers: '{unknown[0]}' cannot be collected",
                hint=f"Those that can: {', '.join(sorted(COLLECTABLE))}.",
            )

    def texts(self, prefix: str, sid_base: int, target: Target) -> Iterator[tuple[int, str, str]]:
        """Yield sid, buffer and text (up to ``rev:``) of the rules that a target can have."""
        sizes = size(DatasetType.STRING, self.entries, self.entries * _TYPICAL_BYTES)
        for name in sorted(set(self.buffers)):
            keyword = (
                f"dataset:set,{prefix}-new-{name},type string,"
                f"memcap {sizes.memcap_bytes >> 20}mb,hashsize {sizes.hashsize};"
            )
            for buffer in _known(COLLECTABLE[name], target):
                sid = sid_base + COLLECT_SIDS.start + buffer.sid
                parts = (
                    f'msg:"VEDETTE new value ({name})";',
                    buffer.flow,
                    buffer.inspect,
                    keyword,
                    f"classtype:not-suspicious; metadata:vedette_collect {name};",
                    f"sid:{sid};",
                )
                rule = " ".join(filter(None, parts))
                yield sid, name, f"alert {buffer.protocol} any any -> any any ({rule}"


def _known(buffers: Sequence[Buffer], target: Target) -> Iterator[Buffer]:
    return (buffer for buffer in buffers if buffer.since <= target.profile.version)


NOTHING = Collect()
"""No rule of this kind."""
