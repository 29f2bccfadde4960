"""What an engine pays to load names: as MISP's rules, as one set by hand, as Vedette's generation.

Every run proves itself: all rules loaded, and a capture with one listed name gives its alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from bench.cost import BenchError, alternate, middle, spread
from bench.names import flat
from bench.options import Options
from bench.peers import NAME_BUFFERS, dataset_rules, misp_rules, no_rules
from bench.reading import Reading, read
from bench.report import Table
from bench.subject import Vedette
from vedette.buffers import Profile
from vedette.ruleset.engine import PLAIN
from vedette.testing.capture import Capture, dns_query
from vedette.testing.engine import Engine

_BASE = "one trivial rule"
_ONE = "by hand: one exact rule (dns.query)"
_SAME = "by hand: Vedette's buffers, exact"
_NOISE = 0.05
_SUBDOMAIN = "by hand: Vedette's buffers, match subdomain"


def tables(options: Options) -> Iterable[Table]:
    """One table of a million names, one of MISP's rules against sets of the same names."""
    return [_million(options), _against_rules(options)]


def _million(options: Options) -> Table:
    count = options.size(1_000_000, 2_000)
    names = flat(count)
    pcap = _one_query(options.scratch / "one.pcap", names[0])
    vedette = Vedette(options.scratch / "vedette")
    vedette.build_from(names)
    place = options.scratch / "million"
    hand = {
        _BASE: no_rules(place / "base"),
        _ONE: dataset_rules(place / "one", names),
    }
    rows = []
    for engine in options.engines:
        directories = {**hand, **_by_hand(engine, place, names)}
        ours = [target for target in PLAIN if target.profile.version <= engine.version]
        for target in ours:
            directory = place / f"{engine.version[0]}-{target}"
            directories[f"Vedette, profile {target}"] = vedette.install(str(target), directory)
        rows += _rows(engine, directories, pcap, options.repeat)
    return Table(
        f"Load of {count:,} domains (none of them below another one)",
        (
            "engine",
            "what is loaded",
            "rules",
            "CPU s",
            "peak RSS MiB",
            "CPU above base, to one rule",
            "RSS above base, to one rule",
        ),
        rows,
        ("median of CPU seconds of the whole process, extremes in brackets",),
    )


def _by_hand(engine: Engine, place: Path, names: Sequence[str]) -> dict[str, Path]:
    major = engine.version[0]
    buffers = NAME_BUFFERS[major]
    found = {_SAME: dataset_rules(place / f"{major}-same", names, buffers)}
    if engine.version >= Profile.V8_0_7.version:
        dotted = dataset_rules(place / f"{major}-dotted", names, buffers, dotted=True)
        found[_SUBDOMAIN] = dotted
    return found


def _rows(
    engine: Engine, directories: dict[str, Path], pcap: Path, repeat: int
) -> list[tuple[object, ...]]:
    found = _load(engine, directories, pcap, repeat)
    base, one = (_costs(found[name]) for name in (_BASE, _ONE))
    rows: list[tuple[object, ...]] = []
    for name, readings in found.items():
        cpu, rss = _costs(readings)
        rows.append(
            (
                _version(engine),
                name,
                readings[0].rules,
                spread([reading.cost.cpu_s for reading in readings]),
                f"{rss:.0f}",
                _ratio(cpu - base[0], one[0] - base[0]),
                _ratio(rss - base[1], one[1] - base[1]),
            )
        )
    return rows


def _against_rules(options: Options) -> Table:
    rows: list[tuple[object, ...]] = []
    sizes = options.size((1_000, 10_000, 50_000), (200,))
    names = flat(sizes[-1])
    pcap = _one_query(options.scratch / "few.pcap", names[0])
    for count in sizes:
        some, place = names[:count], options.scratch / f"rules-{count}"
        vedette = Vedette(place / "vedette")
        vedette.build_from(some)
        shared = {
            _BASE: no_rules(place / "base"),
            "misp": misp_rules(place / "misp", some),
            "one": dataset_rules(place / "one", some),
        }
        for engine in options.engines:
            target = str(engine.profile)
            ours = vedette.install(target, place / f"vedette-{target}")
            # 50,000 domains are 100,000 rules and a minute and a half
            repeat = 1 if count >= 50_000 else options.repeat
            found = _load(engine, {**shared, "vedette": ours}, pcap, repeat)
            rows.append(_comparison(engine, count, {k: _costs(v) for k, v in found.items()}))
    return Table(
        "Load of N domains: MISP's export (2 rules a domain) against sets",
        (
            "engine",
            "N",
            "MISP's rules",
            "one rule by hand",
            "Vedette",
            "CPU, MISP's to Vedette",
            "RSS above base, MISP's to Vedette",
        ),
        rows,
        ("CPU seconds and peak RSS of the whole process",),
    )


def _comparison(
    engine: Engine, count: int, costs: dict[str, tuple[float, float]]
) -> tuple[object, ...]:
    base, misp, one, ours = (costs[name] for name in (_BASE, "misp", "one", "vedette"))
    shown = [f"{cpu:.2f} s, {rss:.0f} MiB" for cpu, rss in (misp, one, ours)]
    ratios = (_ratio(misp[0], ours[0], "x"), _ratio(misp[1] - base[1], ours[1] - base[1], "x"))
    return (_version(engine), f"{count:,}", *shown, *ratios)


def _load(
    engine: Engine, directories: dict[str, Path], pcap: Path, repeat: int
) -> dict[str, list[Reading]]:
    variants: dict[str, Callable[[], Reading]] = {
        name: partial(_read, engine, directory, pcap) for name, directory in directories.items()
    }
    found = alternate(variants, repeat)
    for name, readings in found.items():
        if name != _BASE and not all(reading.alerts["dns.query"] for reading in readings):
            raise BenchError(f"{name} on {_version(engine)}: no alert for a listed name")
    return found


def _read(engine: Engine, directory: Path, pcap: Path) -> Reading:
    ours = (directory / "vedette.rules").exists()
    return read(engine, directory, pcap, "vedette.rules" if ours else "bench.rules")


def _one_query(path: Path, name: str) -> Path:
    capture = Capture()
    capture.udp(dns_query(name))
    return capture.write(path)


def _costs(readings: Sequence[Reading]) -> tuple[float, float]:
    """Medians of CPU seconds and of MiB."""
    costs = [reading.cost for reading in readings]
    return middle([cost.cpu_s for cost in costs]), middle([cost.rss_mib for cost in costs])


def _ratio(one: float, other: float, unit: str = "") -> str:
    if other < _NOISE or one < 0:
        return "-"
    ratio = one / other
    return f"{ratio:.0f}{unit}" if ratio >= 10 else f"{ratio:.2f}{unit}"


def _version(engine: Engine) -> str:
    return ".".join(map(str, engine.version))
