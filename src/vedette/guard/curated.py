"""Which warning lists take an indicator off the sensors, and why; all others only label it.

Only a value that is a member itself is dropped, never a name below it. The order of the published
lists is alphabetical: how popular a name is shows only in which lists it is on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import NamedTuple

AGREEING = 2
"""So many publishers must rank a name before it counts as popular."""


class Curated(NamedTuple):
    """Why a list's own members are dropped."""

    why: str
    publisher: str = ""
    """A ranking counts only if another publisher's agrees; ``""``: the list is enough."""
    within: bool = False
    """Whether an address inside a member counts as the member itself."""
    only: frozenset[str] = frozenset()
    """The members that are meant; empty: all."""
    site: bool = False
    """Whether members are web sites: ``www.`` before one is the same site."""


RESOLVERS = frozenset(
    {
        *("1.1.1.1", "1.0.0.1", "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3"),
        *("2606:4700:4700::1111", "2606:4700:4700::1001"),
        *("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"),
        *("9.9.9.9", "9.9.9.10", "9.9.9.11", "149.112.112.112", "149.112.112.10"),
        *("149.112.112.11", "2620:fe::fe", "2620:fe::9", "2620:fe::10", "2620:fe::11"),
        *("208.67.222.222", "208.67.220.220", "208.67.222.220", "208.67.220.222"),
        *("208.67.222.123", "208.67.220.123", "2620:119:35::35", "2620:119:53::53"),
        *("94.140.14.14", "94.140.15.15", "94.140.14.15", "94.140.15.16"),
        *("64.6.64.6", "64.6.65.6", "156.154.70.1", "156.154.71.1", "156.154.70.5"),
        *("4.2.2.1", "4.2.2.2", "4.2.2.3", "4.2.2.4", "4.2.2.5", "4.2.2.6"),
        *("76.76.2.0", "76.76.10.0", "76.76.19.19", "76.223.122.150"),
        *("77.88.8.8", "77.88.8.1", "77.88.8.88", "77.88.8.2", "77.88.8.7", "77.88.8.3"),
        *("185.228.168.9", "185.228.169.9", "185.228.168.168", "185.228.169.168"),
        *("114.114.114.114", "114.114.115.115", "119.29.29.29", "180.76.76.76"),
        *("223.5.5.5", "223.6.6.6", "1.2.4.8", "210.2.4.8", "101.226.4.6"),
        *("8.26.56.26", "8.20.247.20", "84.200.69.80", "84.200.70.40", "74.82.42.42"),
        *("80.80.80.80", "80.80.81.81", "91.239.100.100", "89.233.43.71"),
    }
)
"""Resolvers of the public that operators name and networks use by the million."""

_RANKED = "popular: the names below it belong to many, so matching it alerts on all of them"
_RESOLVER = "a resolver that clients are set to; the list's other members are anybody's open ports"
_SPECIAL = "special-purpose addresses: no host of the Internet has one"
_SERVICE = "a service of its vendor that clients call by themselves"
_FILE = "the hash of a file that is harmless, published as such"
_AUTHORITY = "a trusted authority's own certificate: all sites that it signed show it"


def _ranked(publisher: str) -> Curated:
    return Curated(_RANKED, publisher=publisher, site=True)


CURATED: Mapping[str, Curated] = MappingProxyType(
    {
        "alexa": _ranked("Alexa"),
        **{f"cisco_top{n}": _ranked("Cisco") for n in ("1000", "5k", "10k", "20k")},
        **{
            f"cloudflare-top{n}": _ranked("Cloudflare")
            for n in ("200", "1k", "2k", "5k", "10k", "20k")
        },
        "majestic_million": _ranked("Majestic"),
        "moz-top500": _ranked("Moz"),
        "tranco10k": _ranked("Tranco"),
        "public-dns-v4": Curated(_RESOLVER, only=RESOLVERS),
        "public-dns-v6": Curated(_RESOLVER, only=RESOLVERS),
        "rfc1918": Curated("private networks", within=True),
        "rfc3849": Curated("addresses of documentation", within=True),
        "rfc5735": Curated(_SPECIAL, within=True),
        "rfc6598": Curated("addresses that providers share among customers", within=True),
        "multicast": Curated("multicast groups", within=True),
        "ipv6-linklocal": Curated("addresses of one link", within=True),
        "rfc6761": Curated("names that RFC 6761 reserves"),
        "captive-portals": Curated("each device asks for it to find out whether it is online"),
        "microsoft-win10-connection-endpoints": Curated(_SERVICE, site=True),
        "microsoft": Curated(_SERVICE, site=True),
        "microsoft-office365": Curated(_SERVICE, site=True),
        "google": Curated(_SERVICE, site=True),
        "crl-hostname": Curated("each TLS client asks it whether certificates are revoked"),
        "umbrella-blockpage-hostname": Curated("the page that a blocking resolver shows"),
        "umbrella-blockpage-v4": Curated("what a blocking resolver answers for every name"),
        "umbrella-blockpage-v6": Curated("what a blocking resolver answers for every name"),
        "empty-hashes": Curated("the hash of an empty file"),
        "common-ioc-false-positive": Curated(_FILE),
        "ti-falsepositives": Curated(_FILE),
        "mozilla-CA": Curated(_AUTHORITY),
        "mozilla-IntermediateCA": Curated(_AUTHORITY),
    }
)
"""List (name of its directory) -> why its own members are dropped."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "Top 1000 website from Alexa": "alexa",
        "Top 1000 websites from Cisco Umbrella": "cisco_top1000",
        "Top 5000 websites from Cisco Umbrella": "cisco_top5k",
        "Top 10 000 websites from Cisco Umbrella": "cisco_top10k",
        "Top 20 000 websites from Cisco Umbrella": "cisco_top20k",
        "Top 200 domains from Cloudflare Radar": "cloudflare-top200",
        "Top 1,000 domains from Cloudflare Radar": "cloudflare-top1k",
        "Top 2,000 domains from Cloudflare Radar": "cloudflare-top2k",
        "Top 5,000 domains from Cloudflare Radar": "cloudflare-top5k",
        "Top 10,000 domains from Cloudflare Radar": "cloudflare-top10k",
        "Top 20,000 domains from Cloudflare Radar": "cloudflare-top20k",
        "Top 10000 websites from Majestic Million": "majestic_million",
        "Top 500 domains and pages from https://moz.com/top500": "moz-top500",
        "Top 10K most-used sites from Tranco": "tranco10k",
        "List of known IPv4 public DNS resolvers": "public-dns-v4",
        "List of known IPv6 public DNS resolvers": "public-dns-v6",
        "List of RFC 1918 CIDR blocks": "rfc1918",
        "List of RFC 3849 CIDR blocks": "rfc3849",
        "List of RFC 5735 CIDR blocks": "rfc5735",
        "List of RFC 6598 CIDR blocks": "rfc6598",
        "List of RFC 5771 multicast CIDR blocks": "multicast",
        "List of IPv6 link local blocks": "ipv6-linklocal",
        "List of RFC 6761 Special-Use Domain Names": "rfc6761",
        "Captive Portal Detection Hostnames": "captive-portals",
        "List of known Windows 10 connection endpoints": "microsoft-win10-connection-endpoints",
        "List of known microsoft domains": "microsoft",
        "List of known Office 365 URLs": "microsoft-office365",
        "List of known google domains": "google",
        "CRL and OCSP domains": "crl-hostname",
        "cisco-umbrella-blockpage-hostname": "umbrella-blockpage-hostname",
        "cisco-umbrella-blockpage-ipv4": "umbrella-blockpage-v4",
        "cisco-umbrella-blockpage-ipv6": "umbrella-blockpage-v6",
        "List of known hashes for empty files": "empty-hashes",
        "List of known hashes with common false-positives (based on Florian Roth input list)": (
            "common-ioc-false-positive"
        ),
        "Hashes that are often included in IOC lists but are false positives.": "ti-falsepositives",
        "Fingerprint of trusted CA certificates": "mozilla-CA",
        "Fingerprint of known intermediate of trusted certificates": "mozilla-IntermediateCA",
    }
)
"""Title of a curated list -> its directory: MISP's API knows the title alone."""


class Curation:
    """What the lists that are there may drop: the curated ones, as the operator changed them."""

    def __init__(
        self, names: Sequence[str], drop: Iterable[str] = (), keep: Iterable[str] = ()
    ) -> None:
        """Decide for each list.

        Args:
            names: The lists.
            drop: Patterns of names (``*``) of lists whose members are dropped too.
            keep: Patterns of curated lists that are to label only; they win.
        """
        self._drop, self._keep = tuple(drop), tuple(keep)
        self._rules = tuple(map(self._rule, names))
        self._publishers = tuple(rule.publisher if rule else "" for rule in self._rules)

    @property
    def digest(self) -> str:
        """Another one for other rules."""
        rules = sorted((name, *rule[:3], sorted(rule.only)) for name, rule in CURATED.items())
        text = repr((AGREEING, rules, self._drop, self._keep))
        return hashlib.sha256(text.encode()).hexdigest()

    def rule(self, number: int) -> Curated | None:
        """Why the members of a list are dropped; None: they are not."""
        return self._rules[number]

    def is_within(self, number: int) -> bool:
        """Whether an address inside a network of the list counts as its member."""
        rule = self._rules[number]
        return rule is not None and rule.within

    def is_site(self, number: int) -> bool:
        """Whether the list has names of web sites, whose ``www.`` is the same site."""
        rule = self._rules[number]
        return rule is not None and rule.site

    def dropping(self, numbers: Iterable[int], member: str) -> frozenset[int]:
        """Of the lists that have a member, those that drop it."""
        found = {number for number in numbers if self._drops(self._rules[number], member)}
        publishers = {self._publishers[number] for number in found} - {""}
        if len(publishers) >= AGREEING:
            return frozenset(found)
        return frozenset(number for number in found if not self._publishers[number])

    def _rule(self, name: str) -> Curated | None:
        if any(fnmatchcase(name, pattern) for pattern in self._keep):
            return None
        if any(fnmatchcase(name, pattern) for pattern in self._drop):
            return Curated("[guard] drop_lists", within=name in CURATED and CURATED[name].within)
        return CURATED.get(name)

    @staticmethod
    def _drops(rule: Curated | None, member: str) -> bool:
        return rule is not None and (not rule.only or member in rule.only)
