"""Which settings of suricata.yaml cost detection, and what the better ones would cost.

The figures are measured on 7.0.10 and 8.0.7 with their shipped suricata.yaml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from vedette.ruleset.manifest import SetInfo
from vedette.sensor.configuration import (
    Configuration,
    find_item,
    is_no,
    is_yes,
    items,
    size_bytes,
)
from vedette.sensor.finding import Finding, Severity, in_yaml
from vedette.sensor.settings import Sensor

_BODY = "app-layer.protocols.http.libhtp.default-config.response-body-limit"
_BODY_YAML = """app-layer:
  protocols:
    http:
      libhtp:
        default-config:
          request-body-limit: 0
          response-body-limit: 0"""
_CAPS_7, _CAPS_8 = (262_144, 67_108_864), (65_536, 16_777_216)
_EIGHT = (8, 0, 0)
_FINGERPRINTS = (
    ("ja3", "app-layer.protocols.tls.ja3-fingerprints", "tls", "ja3-fingerprints"),
    ("ja4", "app-layer.protocols.tls.ja4-fingerprints", "tls", "ja4-fingerprints"),
    ("hassh", "app-layer.protocols.ssh.hassh", "ssh", "hassh"),
)


def check(
    sensor: Sensor,
    configuration: Configuration,
    version: tuple[int, int, int] | None,
    sets: Sequence[SetInfo],
) -> Iterator[Finding]:
    """Look at the settings of an engine; without its version the tighter caps count."""
    caps = _CAPS_7 if version and version < _EIGHT else _CAPS_8
    yield from _caps(configuration, caps, sets)
    yield from _bodies(configuration, sets)
    if version is None or version < _EIGHT:
        yield from _hashes(configuration, sets)
    yield from _midstream(configuration)
    yield from _fingerprints(configuration, sets)
    yield from _eve(sensor, configuration)


def _caps(
    configuration: Configuration, defaults: tuple[int, int], sets: Sequence[SetInfo]
) -> Iterator[Finding]:
    single = _number(configuration.get("datasets.limits.single-hashsize"), defaults[0])
    total = _number(configuration.get("datasets.limits.total-hashsizes"), defaults[1])
    largest = max((info.hashsize for info in sets), default=0)
    wanted = sum(info.hashsize for info in sets)
    if largest <= single and wanted <= total:
        yield Finding(
            severity=Severity.OK,
            title=f"hashsize of the datasets ({largest:,}; {wanted:,} in all) is under the caps"
            f" ({single:,}; {total:,})",
        )
        return
    yield Finding(
        severity=Severity.ERROR,
        title=f"datasets need a hashsize of {largest:,} ({wanted:,} in all), the caps are"
        f" {single:,} ({total:,})",
        consequence="Suricata drops each rule whose dataset is over a cap, with an error in its"
        " log only.",
        remedy=in_yaml(
            f"datasets:\n  limits:\n    single-hashsize: {max(largest, single)}\n"
            f"    total-hashsizes: {max(wanted, total)}",
            "64 bytes of memory for each bucket that is used",
        ),
    )


def _bodies(configuration: Configuration, sets: Sequence[SetInfo]) -> Iterator[Finding]:
    hashes = sum(info.entries for info in sets if is_file(info))
    severity = Severity.WARNING if hashes else Severity.HINT
    remedy = in_yaml(_BODY_YAML, "memory for the bodies that are in flight, within memcaps")
    lost = f" {hashes:,} file hashes are affected." if hashes else ""
    limit = configuration.get(_BODY)
    if limit is None:
        yield Finding(
            severity=severity,
            title="there is no libhtp block: HTTP bodies are cut at 4,096 bytes",
            consequence="A larger file gets the hash of its first 4,096 bytes, and it is marked as"
            f" complete.{lost}",
            remedy=remedy,
        )
    elif size_bytes(limit) != 0:
        yield Finding(
            severity=severity,
            title=f"HTTP bodies are inspected up to response-body-limit {limit}",
            consequence=f"A larger file gets no hash at all.{lost}",
            remedy=remedy,
        )


def _hashes(configuration: Configuration, sets: Sequence[SetInfo]) -> Iterator[Finding]:
    """7.0 computes one kind of hash for a file, that of its first rule, unless it is forced to."""
    lists: Counter[str] = Counter()
    for info in filter(is_file, sets):
        lists[info.type.removeprefix("file")] += info.entries
    output = find_item(configuration, "outputs", lambda value: value == "eve-log")
    files = find_item(configuration, f"{output}.types", lambda value: value == "files")
    forced = set(items(configuration, f"{files}.force-hash"))
    largest = max(lists, key=lambda name: lists[name], default="")
    missed = {name: n for name, n in lists.items() if name not in {largest, *forced}}
    if missed:
        hashes = ", ".join(f"{n:,} {name}" for name, n in missed.items())
        yield Finding(
            severity=Severity.WARNING,
            title=f"Suricata 7.0 computes only the {largest} of a file",
            consequence=f"{hashes} cannot be seen: there are {len(lists)} kinds of hash lists, and"
            " 7.0 computes what the first of them needs.",
            remedy=in_yaml(
                "outputs:\n  - eve-log:\n      types:\n        - files:\n"
                "            force-hash: [" + ", ".join(sorted(lists)) + "]",
                "one more digest of each file",
            ),
        )


def is_file(info: SetInfo) -> bool:
    """Whether a set is a hash list of files."""
    return info.type in {"filemd5", "filesha1", "filesha256"}


def _midstream(configuration: Configuration) -> Iterator[Finding]:
    if not is_yes(configuration.get("stream.midstream")):
        yield Finding(
            severity=Severity.HINT,
            title="stream.midstream is off",
            consequence="TCP connections that were open before Suricata started, or whose first"
            " packets it missed, are not looked into.",
            remedy=in_yaml(
                "stream:\n  midstream: true",
                "some more flows to follow; leave it off where packets are often lost",
            ),
        )


def _fingerprints(configuration: Configuration, sets: Sequence[SetInfo]) -> Iterator[Finding]:
    for name, key, protocol, setting in _FINGERPRINTS:
        if not is_no(configuration.get(key)):
            continue
        entries = sum(info.entries for info in sets if info.indicator_type.startswith(name))
        yield Finding(
            severity=Severity.WARNING if entries else Severity.HINT,
            title=f"{setting} is off",
            consequence=f"{entries:,} {name.upper()} fingerprints cannot be seen.",
            remedy=in_yaml(
                f"app-layer:\n  protocols:\n    {protocol}:\n      {setting}: yes",
                "one hash for each handshake",
            ),
        )


def _eve(sensor: Sensor, configuration: Configuration) -> Iterator[Finding]:
    output = find_item(configuration, "outputs", lambda value: value == "eve-log")
    if output is None or not is_yes(configuration.get(f"{output}.enabled")):
        yield Finding(
            severity=Severity.ERROR,
            title="EVE is off",
            consequence="Alerts reach nobody: Vedette cannot make hits of them.",
            remedy=in_yaml(
                "outputs:\n  - eve-log:\n      enabled: yes\n      filetype: regular\n"
                "      filename: eve.json\n      community-id: yes\n      types:\n        - alert"
            ),
        )
        return
    yield from _eve_file(sensor, configuration, output)
    yield from _eve_alerts(configuration, output)
    if not is_yes(configuration.get(f"{output}.community-id")):
        yield Finding(
            severity=Severity.HINT,
            title="community-id is off",
            consequence="Hits cannot be joined with what other tools (Zeek, Arkime) saw.",
            remedy=in_yaml(
                "outputs:\n  - eve-log:\n      community-id: yes", "one field in each event"
            ),
        )


def _eve_file(sensor: Sensor, configuration: Configuration, output: str) -> Iterator[Finding]:
    kind = configuration.get(f"{output}.filetype") or "regular"
    if kind != "regular":
        yield Finding(
            severity=Severity.WARNING,
            title=f"EVE goes to {kind}, not to a file",
            consequence="Vedette reads a file: it sees no alerts. A socket also drops events when"
            " its reader is slow.",
            remedy=in_yaml(
                "outputs:\n  - eve-log:\n      filetype: regular\n      filename: eve.json"
            ),
        )
        return
    name = configuration.get(f"{output}.filename") or "eve.json"
    path = f"{(configuration.get('default-log-dir') or '/var/log/suricata').rstrip('/')}/{name}"
    path = name if name.startswith("/") else path
    if sensor.eve and sensor.eve != path:
        yield Finding(
            severity=Severity.HINT,
            title=f"EVE is written to {path}, Vedette reads {sensor.eve}",
            consequence="If these are not the same file, no alert becomes a hit.",
            remedy="Correct the path of the sensor's EVE file.",
        )


def _eve_alerts(configuration: Configuration, output: str) -> Iterator[Finding]:
    alert = find_item(configuration, f"{output}.types", lambda value: value == "alert")
    if alert is None or is_no(configuration.get(f"{alert}.enabled")):
        yield Finding(
            severity=Severity.ERROR,
            title="EVE has no alerts",
            consequence="What Suricata detects reaches nobody.",
            remedy=in_yaml("outputs:\n  - eve-log:\n      types:\n        - alert"),
        )
        return
    metadata = f"{alert}.metadata"
    if is_no(configuration.get(metadata)) or is_no(configuration.get(f"{metadata}.app-layer")):
        yield Finding(
            severity=Severity.WARNING,
            title="alerts carry no metadata of the protocol",
            consequence="An alert does not say which name or URL was met: its hit cannot be"
            " joined with an indicator by value.",
            remedy=in_yaml(
                "outputs:\n  - eve-log:\n      types:\n        - alert:\n            metadata: yes"
            ),
        )


def _number(value: str | None, default: int) -> int:
    return int(value) if value and value.isdigit() else default
