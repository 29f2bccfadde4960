"""A made-up network whose EVE is worth measuring: hosts, names, addresses, clients' programs.

The same numbers always give the same network. What belongs together stays together: a name has its
addresses, its certificate and its canonical name, a host has its programs.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.names import made_up, real

Numbers = NDArray[Any]

_ZIPF = 1.15
_LEFT = (
    *("www", "api", "cdn", "static", "img", "mail", "login", "assets", "m", "app", "ads", "s3"),
    *("edge-12", "fe-cdn-7", "telemetry", "update", "d3ag4hukkh62yn", "outlook", "gateway.prod"),
)
_ISSUERS = (
    "C=US, O=Let's Encrypt, CN=R11",
    "C=US, O=Let's Encrypt, CN=E6",
    "C=US, O=Google Trust Services, CN=WE1",
    "C=US, O=DigiCert Inc, CN=DigiCert Global G2 TLS RSA SHA256 2020 CA1",
    (
        "C=GB, ST=Greater Manchester, L=Salford, O=Sectigo Limited,"
        " CN=Sectigo RSA Domain Validation Secure Server CA"
    ),
    "C=US, O=Amazon, CN=Amazon RSA 2048 M02",
)
AGENTS = (
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
        " Chrome/{}.0.0.0 Safari/537.36"
    ),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/17.{} Safari/605.1.15"
    ),
    "Microsoft-Delivery-Optimization/10.{}",
    "Debian APT-HTTP/1.3 (2.6.{})",
    "Microsoft-CryptoAPI/10.{}",
    "curl/7.{}.1",
    "python-requests/2.{}.0",
    "Go-http-client/1.1",
)
_CIPHERS = "4866-4867-4865-49196-49200-159-52393-52392-52394-49195-49199-158-49188-49192-107"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large the network is, and how its sensor writes."""

    events: int = 1_000_000
    names: int = 100_000
    """Host names that are met again and again, by Zipf's law."""
    hosts: int = 2_000
    days: float = 1.0
    fresh: float = 0.04
    """Share of lookups whose name nobody will ever ask for again."""
    late: float = 0.18
    """Share of events that are written after younger ones."""
    dns: int = 2
    """Version of the DNS events: 2 as of Suricata 7, 3 as of Suricata 8."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Name:
    """A host name and what a sensor sees of whom it belongs to."""

    text: str
    addresses: tuple[str, ...]
    canonical: str
    subject: str
    issuer: str
    serial: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Program:
    """What a client looks like from outside."""

    agent: str
    ja3: str
    ja3_string: str
    ja4: str


class World:
    """A network of ``shape.names`` names and ``shape.hosts`` hosts."""

    def __init__(self, shape: Shape) -> None:
        rng = random.Random(shape.seed)
        self.names = [_name(text, rng) for text in _texts(shape.names, rng)]
        self.programs = [_program(number, rng) for number in range(60)]
        self.hosts = [_host(number) for number in range(shape.hosts)]
        self.program_of = [rng.randrange(len(self.programs)) for _ in self.hosts]
        self.resolvers = ("10.0.0.53", "10.1.0.53", "192.168.0.53", "9.9.9.9")
        self.community = [
            hashlib.blake2b(b"%d" % number, digest_size=14).hexdigest() for number in range(1 << 14)
        ]
        self._names_cdf = _zipf(len(self.names), _ZIPF)
        self._hosts_cdf = _zipf(len(self.hosts), 0.6)

    def some_names(self, rng: np.random.Generator, count: int) -> Numbers:
        """Return indices of names, the popular ones more often."""
        return np.searchsorted(self._names_cdf, rng.random(count))

    def some_hosts(self, rng: np.random.Generator, count: int) -> Numbers:
        """Return indices of hosts, the busy ones more often."""
        return np.searchsorted(self._hosts_cdf, rng.random(count))


def _zipf(count: int, exponent: float) -> Numbers:
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    sums = np.cumsum(weights)
    shares: Numbers = sums / sums[-1]
    return shares


def _texts(count: int, rng: random.Random) -> Sequence[str]:
    """Names of hosts below about a third as many domains."""
    domains = list(islice(real(), count // 3 + 1)) or list(islice(made_up(), count // 3 + 1))
    found: dict[str, None] = {}
    while len(found) < count:
        domain = domains[int(len(domains) * rng.random())]
        left = rng.choice(_LEFT) if rng.random() < 0.7 else f"n{rng.randrange(10**6)}"
        found[f"{left}.{domain}"] = None
    return list(found)


def _name(text: str, rng: random.Random) -> Name:
    digest = hashlib.sha1(text.encode()).hexdigest()
    domain = text.partition(".")[2]
    canonical = ""
    if digest[0] in "0123456":
        canonical = f"{digest[:13]}.cloudfront.net" if digest[1] < "8" else f"lb.{domain}"
    pairs = [digest[start : start + 2] for start in range(0, 40, 2)]
    return Name(
        text,
        tuple(_address(rng) for _ in range(rng.choices((1, 2, 4, 8), (50, 25, 18, 7))[0])),
        canonical,
        f"CN={text}" if digest[2] < "c" else f"C=US, ST=California, O={digest[:9]}, CN=*.{domain}",
        _ISSUERS[int(digest[3], 16) % len(_ISSUERS)],
        ":".join(pairs[:16]).upper(),
        ":".join(pairs),
    )


def _address(rng: random.Random) -> str:
    """An address of a server; IPv6 as Suricata writes it, with all its zeros."""
    bits = rng.getrandbits(64)
    if bits & 0xF == 0:
        groups = [0x2600 | bits >> 60, *(bits >> shift & 0xFFFF for shift in (44, 28)), 0, 0, 0, 0]
        return ":".join(f"{group:04x}" for group in [*groups, bits >> 12 & 0xFFFF])
    first = (13, 18, 23, 34, 52, 104, 142, 151, 157, 185, 199, 216)[(bits >> 8 & 0xFF) % 12]
    return f"{first}.{bits >> 16 & 0xFF}.{bits >> 24 & 0xFF}.{bits >> 32 & 0xFF}"


def _host(number: int) -> str:
    if number % 25 == 24:
        return f"fd00:0010:0016:{number >> 8:04x}:0000:0000:0000:{number & 0xFF:04x}"
    return f"10.{number % 7}.{number // 250 % 256}.{number % 250 + 1}"


def _program(number: int, rng: random.Random) -> Program:
    digest = hashlib.md5(b"%d" % number).hexdigest()
    agent = AGENTS[number % len(AGENTS)].format(rng.randrange(90, 130))
    string = f"771,{_CIPHERS[: 40 + number]},0-11-10-35-22-23-13-43-45-51,29-23-30-25-24,0"
    return Program(agent, digest, string, f"t13d1{number:02d}6h2_{digest[:12]}_{digest[12:24]}")
