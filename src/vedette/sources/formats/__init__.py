"""The formats of lists: one small module each, and this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from vedette.sources.formats.adblock import Adblock, looks_like_adblock
from vedette.sources.formats.contract import (
    FormatError,
    Options,
    Parser,
    Refused,
    Row,
    is_content,
)
from vedette.sources.formats.csv_column import CsvColumn
from vedette.sources.formats.csv_rows import find_delimiter
from vedette.sources.formats.dnsmasq import Dnsmasq, looks_like_dnsmasq
from vedette.sources.formats.hosts import Hosts, looks_like_hosts
from vedette.sources.formats.ip_port import IpPort, looks_like_ip_port
from vedette.sources.formats.lines import WHOLE_LINE, Lines
from vedette.sources.formats.rpz import Rpz, looks_like_rpz
from vedette.sources.formats.sslbl import Sslbl, looks_like_sslbl
from vedette.sources.formats.zeek import Zeek, looks_like_zeek

__all__ = ["FORMATS", "FormatError", "FormatName", "Options", "Parser", "Refused", "Row", "detect"]

FormatName = Literal[
    "auto", "lines", "hosts", "adblock", "dnsmasq", "rpz", "csv", "zeek", "ip-port", "sslbl"
]


class Format(NamedTuple):
    """How to read a format, and how to know it."""

    parser: Callable[[Options, Sequence[str]], Parser]
    """Takes the settings and the first lines."""
    looks_like: Callable[[Sequence[str]], bool]


def _looks_like_csv(sample: Sequence[str]) -> bool:
    return bool(find_delimiter([line for line in sample if is_content(line)]))


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "zeek": Format(Zeek, looks_like_zeek),
        "sslbl": Format(Sslbl, looks_like_sslbl),
        "adblock": Format(Adblock, looks_like_adblock),
        "dnsmasq": Format(Dnsmasq, looks_like_dnsmasq),
        "rpz": Format(Rpz, looks_like_rpz),
        "hosts": Format(Hosts, looks_like_hosts),
        "ip-port": Format(IpPort, looks_like_ip_port),
        "csv": Format(CsvColumn, _looks_like_csv),
        "lines": Format(Lines, lambda _sample: True),
    }
)
"""Every format but ``auto``; the first that fits a sample is taken, so the order matters."""


def detect(options: Options, sample: Sequence[str]) -> str:
    """Return the name of the format that the first lines of a list are in."""
    if options.column:
        return "csv"
    if options.type in WHOLE_LINE:
        return "zeek" if looks_like_zeek(sample) else "lines"
    return next(name for name, known in FORMATS.items() if known.looks_like(sample))
