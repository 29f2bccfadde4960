"""What names cost per packet: CPU of the engine's worker thread on one capture, the load left out.

All variants that hold the same names must raise the same alerts, or the figures mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bench.cost import BenchError, alternate, middle, spread
from bench.names import flat
from bench.options import Options
from bench.peers import NAME_BUFFERS, dataset_rules, misp_rules, no_rules
from bench.reading import Reading, read
from bench.report import Table
from bench.subject import Vedette
from bench.traffic import Traffic, generate
from vedette.buffers import Profile
from vedette.testing.engine import Engine

_NONE = "no names"
_BUFFERS = ("dns.query", "http.host", "tls.sni")


def tables(options: Options) -> Iterable[Table]:
    """One table: worker CPU by what is loaded."""
    place = options.scratch
    few, packets = options.size((10_000, 300_000), (300, 3_000))
    names = flat(options.size(1_000_000, 2_000))
    listed = names[:few]
    traffic = generate(place / "traffic.pcap", listed, names, packets)
    vedette = Vedette(place / "vedette")
    vedette.build_from(names)
    shared = {
        _NONE: no_rules(place / "none"),
        f"by hand: {few:,} in one set, 3 buffers": dataset_rules(place / "few", listed, _BUFFERS),
        f"by hand: {len(names):,} in one set, 3 buffers": dataset_rules(
            place / "many", names, _BUFFERS
        ),
        f"MISP's rules for {few:,} domains": misp_rules(place / "misp", listed),
    }
    rows: list[Sequence[object]] = []
    for engine in options.engines:
        target = str(engine.profile)
        ours = vedette.install(target, place / f"vedette-{target}")
        variants = {**shared, **_same_buffers(engine, place, names)}
        variants[f"Vedette: {len(names):,}, profile {target}"] = ours
        rows += _rows(engine, variants, traffic, options)
    total = ", ".join(f"{traffic.listed[name]:,} {name}" for name in _BUFFERS)
    return [
        Table(
            f"{traffic.packets:,} packets, 1 % of the names listed ({total})",
            (
                "engine",
                "what is loaded",
                "rules",
                "worker CPU s",
                "us a packet",
                "to no names",
                *(f"alerts {name}" for name in _BUFFERS),
                "alerts in answers",
            ),
            rows,
            (
                "only alerts are logged; CPU of the one worker thread, so the load is not in it",
                "MISP's export has no rule for TLS names of a `domain`, and none for answers",
            ),
        )
    ]


def _same_buffers(engine: Engine, place: Path, names: Sequence[str]) -> dict[str, Path]:
    """Sets written by hand for the buffers that Vedette watches, where it can also subdomains."""
    major = engine.version[0]
    buffers = NAME_BUFFERS[major]
    title = f"by hand: {len(names):,} in one set, {len(buffers)} buffers"
    found = {title: dataset_rules(place / f"{major}-same", names, buffers)}
    if engine.version >= Profile.V8_0_7.version:
        dotted = dataset_rules(place / f"{major}-dotted", names, buffers, dotted=True)
        found[f"{title}, match subdomain"] = dotted
    return found


def _rows(
    engine: Engine, directories: Mapping[str, Path], traffic: Traffic, options: Options
) -> list[Sequence[object]]:
    variants = {
        name: partial(read, engine, directory, traffic.path, _rules_name(directory))
        for name, directory in directories.items()
    }
    found = alternate(variants, options.size(options.repeat + 2, 1))
    idle = middle([reading.worker_s for reading in found[_NONE]])
    rows: list[Sequence[object]] = []
    for name, readings in found.items():
        _check(name, readings, traffic)
        worker = [reading.worker_s for reading in readings]
        alerts = readings[0].alerts
        rows.append(
            (
                ".".join(map(str, engine.version)),
                name,
                readings[0].rules,
                spread(worker),
                f"{middle(worker) / traffic.packets * 1e6:.2f}",
                f"{middle(worker) / idle:.2f}",
                *(alerts[buffer] for buffer in _BUFFERS),
                alerts["dns.response.rrname"],
            )
        )
    return rows


def _rules_name(directory: Path) -> str:
    ours = directory / "vedette.rules"
    return ours.name if ours.exists() else "bench.rules"


def _check(name: str, readings: Sequence[Reading], traffic: Traffic) -> None:
    buffers = () if name == _NONE else _BUFFERS[:2] if name.startswith("MISP") else _BUFFERS
    for reading in readings:
        wrong = [b for b in buffers if reading.alerts[b] != traffic.listed[b]]
        if wrong or (name == _NONE and reading.alerts):
            raise BenchError(f"{name}: alerts {dict(reading.alerts)}, not {dict(traffic.listed)}")
