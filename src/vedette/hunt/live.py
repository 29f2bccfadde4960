"""Would a live alert have caught it: derived from the table of buffers, never written down twice.

A value that EVE showed proves that the engine parses it: what a buffer needs of suricata.yaml
(fingerprints, hashes) was met, and what nobody sees (certificates in TLS 1.3) is not asked about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from vedette.buffers import ROWS, Buffer, Profile
from vedette.model import IndicatorType
from vedette.ruleset.coverage import in_eve
from vedette.ruleset.sets import LABELS_MAX

YES = "yes"
TOO_EARLY = "not published yet when it was last seen; the next time alerts"

_IN_THE_ENGINE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "http.url": ("http.host", "http.uri.raw"),
        "tls.certs.sha256": ("tls.certs",),
        "tls.certs.md5": ("tls.certs",),
        "ip.dst.port": ("ip.dst",),
    }
)
"""The buffers of fields that have no buffer of the same name; all of them have to match."""


def buffers_of(kind: IndicatorType, field: str) -> Iterator[Buffer]:
    """Yield the buffers in which rules look for a type where EVE shows it in this field."""
    names = _IN_THE_ENGINE.get(field, (field,))
    for dataset in ROWS[kind].datasets:
        for buffer in dataset.buffers:
            if buffer.name in names:
                yield buffer


def verdict(
    kind: IndicatorType,
    value: str,
    field: str,
    profiles: Collection[Profile],
    *,
    published: datetime | None,
    last_seen: datetime,
) -> str:
    """Return ``yes``, or in a few words why no live alert caught an indicator.

    Args:
        kind: Type of the indicator.
        value: The indicator.
        field: Where EVE showed it.
        profiles: What the engines are that may have seen it: of the sensor, or of all.
        published: Since when the sensors have the indicator; None: they have not.
        last_seen: When the network showed it for the last time.
    """
    if reason := blind_spot(kind, value, field, profiles):
        return reason
    return YES if published is not None and published <= last_seen else TOO_EARLY


def blind_spot(kind: IndicatorType, value: str, field: str, profiles: Collection[Profile]) -> str:
    """Return why rules cannot see this, or ``""`` if they can on every one of the engines."""
    buffers = list(buffers_of(kind, field))
    if not buffers:
        return f"no rule looks for {kind.value} in {field}"
    since = max(buffer.since for buffer in buffers)
    if any(profile.version < since for profile in profiles):
        needed = next(profile for profile in Profile if profile.version >= since)
        meanwhile = "; before, it is found in EVE" if all(map(in_eve, buffers)) else ""
        return f"needs Suricata {needed.value}{meanwhile}"
    many_labels = kind is IndicatorType.DOMAIN and value.count(".") >= LABELS_MAX
    if many_labels and any(profile is not Profile.V8_0_7 for profile in profiles):
        return f"a name of so many labels needs Suricata {Profile.V8_0_7.value}"
    return ""
