"""The sets that the rows of the buffers table become: their names, sids, canaries and targets.

One hard rule: names and sids never move, because sensors and other tools remember them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from types import MappingProxyType
from typing import NamedTuple

from vedette.buffers import ROWS, Buffer, Dataset, DatasetType, Encoding, Row
from vedette.model import IndicatorType
from vedette.ruleset.engine import Target

LABELS_MAX = 49
"""Names of more labels are matched by ``match subdomain`` only."""
OWN_PORTS_MAX = 64
"""So many ports have a set of their own, with the port in the rule's header."""

NETWORK_RULES_MAX = 1_000
"""Rules of networks of one indicator type."""

GENERATION = Dataset(
    name="generation",
    type=DatasetType.STRING,
    buffers=(
        Buffer(
            sid=0,
            name="dns.query",
            protocol="dns",
            inspect="dns.query; to_lowercase;",
            flow="",
        ),
    ),
)
"""Holds the number of the generation, nothing else: whoever asks for that name sees an alert."""

_LONG_VARIANT = 50
_PORT_SIDS: Mapping[str, int] = MappingProxyType({"ip.dst": 100_000, "ip.src": 170_000})
_NETWORK_SIDS = 10_000

LEVELS: Mapping[str, int] = MappingProxyType({"": 0, "high": 1, "low": 3})
"""Threat levels that have sets of their own, with the priority of their rules; 0: of the type."""
LEVEL_SIDS: Mapping[str, int] = MappingProxyType({"": 0, "high": 30_000, "low": 40_000})
"""Where their sids begin, less the sid base. Networks and ports know no level."""
_LEVELS = tuple(LEVELS)


DATASETS: Mapping[str, tuple[Row, Dataset]] = MappingProxyType(
    {dataset.name: (row, dataset) for row in ROWS.values() for dataset in row.datasets}
)
"""Every dataset of the buffers table with its row, by name."""

_RANKS: Mapping[str, int] = MappingProxyType({name: at for at, name in enumerate(DATASETS)})
_JOINED = frozenset({IndicatorType.IP_DST_PORT, IndicatorType.IP_SRC_PORT, IndicatorType.URL})


class SetSpec(NamedTuple):
    """Which set of a dataset this is. Most datasets are one set, some are several."""

    dataset: str
    """The name of the dataset in the buffers table; of ``values``, the indicator type."""
    role: str = ""
    """``""``, ``l2``... (names of so many labels), ``long`` (MD5 of long strings), ``p443``...
    and ``any`` (addresses of a port), ``values`` (indicators that entries do not tell)."""
    context: bool = False
    """Whether it is JSON with context."""
    level: str = ""
    """One of ``LEVELS``: the threat level of its indicators; ``""``: medium, unknown, or any."""

    @property
    def name(self) -> str:
        """The name behind the prefix."""
        role = self.role.removeprefix("p") if self.port else self.role
        parts = (self.dataset, role, "ctx" if self.context else "", self.level)
        return "-".join(filter(None, parts))

    @property
    def port(self) -> int:
        """The port in the rule's header, or 0 for any."""
        return int(self.role[1:]) if self.role[:1] == "p" and self.role[1:].isdigit() else 0

    @property
    def labels(self) -> int:
        """The number of labels that its rules compare, or 0 for all."""
        return int(self.role[1:]) if self.role[:1] == "l" and self.role[1:].isdigit() else 0

    @property
    def is_values(self) -> bool:
        """Whether it is no dataset: indicators that cannot be read back from entries."""
        return self.role == "values"

    @property
    def source(self) -> Dataset:
        """Its dataset in the buffers table."""
        return GENERATION if self.dataset == GENERATION.name else DATASETS[self.dataset][1]

    @property
    def indicator_type(self) -> str:
        """The type of its indicators, ``""`` for the generation's own set."""
        if self.is_values:
            return self.dataset
        return "" if self.dataset == GENERATION.name else DATASETS[self.dataset][0].type.value

    @property
    def kind(self) -> DatasetType | None:
        """Suricata's type of it; None for ``values``."""
        if self.is_values:
            return None
        return DatasetType.MD5 if self.role == "long" else self.source.type

    @property
    def format(self) -> str:
        """``base64``, ``raw`` or ``ndjson``."""
        if self.context and self.role != "long":
            return "ndjson"
        return "base64" if self.kind in {DatasetType.STRING, None} else "raw"

    @property
    def dotted(self) -> bool:
        """Whether entries begin with a dot, for ``match subdomain``."""
        return not self.is_values and self.source.encoding is Encoding.SUBDOMAIN and not self.labels

    def file(self, prefix: str) -> str:
        """Return the file's name. Never ``.list``: Scirius takes those for reputation lists."""
        suffix = "values" if self.is_values else "ndjson" if self.format == "ndjson" else "lst"
        return f"{prefix}-{self.name}.{suffix}"

    def sid(self, base: int, buffer: Buffer) -> int:
        """Return the sid of its rule for a buffer."""
        if self.port:
            return base + _PORT_SIDS[buffer.name] + self.port
        variant = self.labels or (_LONG_VARIANT if self.role == "long" else 0)
        return base + LEVEL_SIDS[self.level] + 100 * buffer.sid + variant

    @property
    def rank(self) -> tuple[int, bool, bool, int, str, int]:
        """What sets are sorted by in a manifest and in the rules."""
        place = _RANKS.get(self.dataset, -1)
        number = self.port or self.labels
        level = _LEVELS.index(self.level)
        return (place, self.is_values, self.context, number, self.role, level)

    def is_for(self, target: Target) -> bool:
        """Whether a target's rules use it (as far as its buffers exist there)."""
        if self.context != (target.context and has_context(self.source)):
            return False
        if self.source.encoding is Encoding.SUBDOMAIN:
            return self.dotted == target.match_subdomain
        return True


def network_sid(base: int, buffer: Buffer, number: int) -> int:
    """Return the sid of the ``number``-th rule of networks of a buffer (from 0)."""
    ordinal = [row.datasets[0].buffers[0].sid for row in ROWS.values() if row.type in _ADDRESSES]
    return base + _NETWORK_SIDS + NETWORK_RULES_MAX * ordinal.index(buffer.sid) + number


_ADDRESSES = (
    IndicatorType.IP_DST,
    IndicatorType.IP_SRC,
    IndicatorType.IP_DST_PORT,
    IndicatorType.IP_SRC_PORT,
)


def has_context(dataset: Dataset) -> bool:
    """Whether the dataset can be JSON: one entry is one value, of a string or an address."""
    kind = DATASETS[dataset.name][0].type
    return dataset.type in {DatasetType.STRING, DatasetType.IP} and kind not in _JOINED


def buffers_for(dataset: Dataset, target: Target) -> Iterator[Buffer]:
    """Yield the buffers that the target's engine knows."""
    return (buffer for buffer in dataset.buffers if buffer.since <= target.profile.version)


def canary(spec: SetSpec, content: str) -> str:
    """Return the entry that a sensor holds exactly if it holds this content, as the engine sees it.

    Hash lists of files and ``values`` have none: nothing can look an entry up in them.
    """
    digest = hashlib.sha256(f"{spec.name} {content}".encode()).hexdigest()
    match spec.kind:
        case DatasetType.STRING:
            return _string_canary(spec, f"vedette-canary-{digest[:12]}")
        case DatasetType.IP:
            # 100::/64 is the discard prefix (RFC 6666): nobody routes it.
            return IPv6Address(int(f"0100{'0' * 12}{digest[:16]}", 16)).compressed
        case DatasetType.MD5:
            return digest[:32]
        case DatasetType.SHA256:
            return digest
        case _:
            return ""


def _string_canary(spec: SetSpec, mark: str) -> str:
    if spec.dotted:
        return f".{mark}.invalid"
    if spec.labels:
        return ".".join([*["x"] * (spec.labels - 2), mark, "invalid"][-spec.labels :])
    return f"{mark}.invalid" if spec.dataset in {"hostname", "url-host"} else mark


def generation_entry(number: int, content_id: str) -> str:
    """Return the only entry of the generation's set."""
    return f"vedette-generation-{number}-{content_id[:8]}.invalid"
