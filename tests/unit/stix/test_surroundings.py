"""Names, markings and relations around indicators."""

from __future__ import annotations

import json

import pytest

from vedette.stix.surroundings import Surroundings, tlp_in

TLP_1_AMBER = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
TLP_2_STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"


def around(*objects: dict[str, object]) -> Surroundings:
    made = Surroundings()
    for one in objects:
        made.take(str(one["type"]), json.dumps(one).encode())
    return made


def test_an_identity_is_the_organisation() -> None:
    found = around({"type": "identity", "id": "identity--1", "name": "A  B\n"})
    assert found.organisation("identity--1") == "A B"
    assert found.organisation("identity--2") == found.organisation(None) == ""


def test_the_most_restrictive_marking_counts() -> None:
    own = {
        "type": "marking-definition",
        "id": "marking-definition--own",
        "definition_type": "tlp",
        "definition": {"tlp": "white"},
    }
    statement = {
        "type": "marking-definition",
        "id": "marking-definition--text",
        "definition": {"statement": "Copyright"},
    }
    named = {"type": "marking-definition", "id": "marking-definition--two", "name": "TLP:GREEN"}
    found = around(own, statement, named)
    assert found.tlp(["marking-definition--own"]) == "clear"
    assert found.tlp(["marking-definition--own", "marking-definition--two"]) == "green"
    assert found.tlp([TLP_1_AMBER, TLP_2_STRICT, "marking-definition--own"]) == "amber+strict"
    assert found.tlp(["marking-definition--text", "unknown"]) == ""


def test_what_is_indicated_is_named() -> None:
    def relation(**more: object) -> dict[str, object]:
        return {
            "type": "relationship",
            "relationship_type": "indicates",
            "source_ref": "indicator--1",
            "target_ref": "malware--1",
            **more,
        }

    malware = {"type": "malware", "id": "malware--1", "name": "Ivy"}
    actor = {"type": "threat-actor", "id": "threat-actor--1", "name": "Comment"}
    found = around(malware, relation(), relation(target_ref="threat-actor--1"), actor)
    assert found.indicated("indicator--1") == ["malware:Ivy", "threat-actor:Comment"]
    assert around(malware, relation(revoked=True)).indicated("indicator--1") == []
    assert around(malware, relation(relationship_type="uses")).indicated("indicator--1") == []
    assert around(relation()).indicated("indicator--1") == []


def test_what_cannot_be_read_is_counted() -> None:
    found = around({"type": "malware", "id": "malware--1", "name": 5})
    assert found.unreadable == {"malware": 1}


@pytest.mark.parametrize(
    ("text", "tlp"),
    [
        ("TLP:WHITE", "clear"),
        ("tlp:amber+strict", "amber+strict"),
        ("TLP:AMBER-STRICT", "amber+strict"),
        ("red", "red"),
        ("redacted", ""),
        ("", ""),
    ],
)
def test_a_tlp_is_known_in_every_spelling(text: str, tlp: str) -> None:
    assert tlp_in(text) == tlp
