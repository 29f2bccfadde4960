"""What the other objects say of an indicator: who made it, who may see it, what it indicates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from msgspec import Raw

from vedette.stix.wire import Marking, Named, Relationship, WireError, read

TLP_ORDER = ("clear", "green", "amber", "amber+strict", "red")
"""From free to secret."""

_TLP_IDS: Mapping[str, str] = MappingProxyType(
    {
        "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
        "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
        "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
        "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
        "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",
        "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
        "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
        "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
        "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
    }
)
"""TLP 1.0, then 2.0: the ids are fixed, and bundles often leave the objects out."""

INDICATED = frozenset(
    {"attack-pattern", "campaign", "infrastructure", "intrusion-set", "malware", "threat-actor"}
    | {"tool"}
)
"""Types of objects that an indicator may indicate and that have a name."""

CONTEXT = frozenset({"identity", "marking-definition", "relationship"} | INDICATED)
"""Types of objects that say something about indicators."""

OBSERVABLE = frozenset(
    {"artifact", "domain-name", "email-addr", "email-message", "file", "ipv4-addr", "ipv6-addr"}
    | {"network-traffic", "observed-data", "url", "x509-certificate", "user-agent", "hostname"}
)
"""Types of objects that hold values which somebody saw: nobody says that they are bad."""

_NAME_MAX = 100


class Surroundings:
    """Names by id, filled object by object."""

    def __init__(self) -> None:
        self._organisations: dict[str, str] = {}
        self._tlps: dict[str, str] = dict(_TLP_IDS)
        self._names: dict[str, str] = {}
        self._indicates: defaultdict[str, list[str]] = defaultdict(list)
        self.unreadable: Counter[str] = Counter()
        """Objects that could not be read, by type."""

    def take(self, kind: str, raw: bytes | Raw) -> None:
        """Remember what an object of one of the types of ``CONTEXT`` says."""
        try:
            if kind == "relationship":
                self._relate(read(raw, Relationship))
            elif kind == "marking-definition":
                self._mark(read(raw, Marking))
            elif kind == "identity":
                named = read(raw, Named)
                self._organisations[named.id] = _line(named.name)
            elif kind in INDICATED:
                named = read(raw, Named)
                self._names[named.id] = f"{kind}:{_line(named.name)}" if named.name else ""
        except WireError:
            self.unreadable[kind] += 1

    def organisation(self, ref: str | None) -> str:
        """Name of an identity, or ``""``."""
        return self._organisations.get(ref or "", "")

    def tlp(self, refs: Iterable[str]) -> str:
        """The most restrictive TLP among markings, or ``""``."""
        ranks = [TLP_ORDER.index(tlp) for ref in refs if (tlp := self._tlps.get(ref))]
        return TLP_ORDER[max(ranks)] if ranks else ""

    def indicated(self, indicator: str) -> list[str]:
        """What an indicator indicates: ``malware:NAME``, sorted."""
        names = (self._names.get(ref, "") for ref in self._indicates.get(indicator, ()))
        return sorted({name for name in names if name})

    def _relate(self, relation: Relationship) -> None:
        if relation.relationship_type == "indicates" and not relation.revoked:
            self._indicates[relation.source_ref].append(relation.target_ref)

    def _mark(self, marking: Marking) -> None:
        said = (marking.definition.tlp or "") if marking.definition else ""
        said = said or (marking.name or "")
        if tlp := tlp_in(said):
            self._tlps[marking.id] = tlp


def tlp_in(text: str) -> str:
    """Return the TLP that a marking's name or a label spells, or ``""``."""
    tlp = text.strip().lower().removeprefix("tlp").lstrip(":-_ ")
    tlp = {"white": "clear", "amber-strict": "amber+strict", "amber_strict": "amber+strict"}.get(
        tlp, tlp
    )
    return tlp if tlp in TLP_ORDER else ""


def _line(text: str | None) -> str:
    return " ".join((text or "").split())[:_NAME_MAX]
