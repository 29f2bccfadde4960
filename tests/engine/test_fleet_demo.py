"""``vedette demo --fleet``, as a newcomer runs it: two engines, two agents, suricata-update."""

from __future__ import annotations

from typing import Any

import pytest

from vedette.testing.command import Cli
from vedette.testing.engine import Engine

pytestmark = pytest.mark.timeout(300)


def one(story: dict[str, Any], title: str) -> dict[str, str]:
    (step,) = (step for step in story["steps"] if step["title"].startswith(title))
    proofs: dict[str, str] = step["proofs"]
    return proofs


def test_a_fleet_is_proved_broken_healed_and_rolled_back(
    cli: Cli, suricata7: Engine, suricata8: Engine, alone_on_loopback: None
) -> None:
    done = cli("demo", "--fleet", "--json")
    assert done.code == 0, done.out + done.err
    story = done.json
    seven, eight = (".".join(map(str, engine.version)) for engine in (suricata7, suricata8))
    for title, generation in (("each", 1), ("the change", 2), ("the fleet is back", 1)):
        proofs = one(story, title)
        assert proofs.keys() == {"fw-7", "fw-8", "ids-7"}
        for sensor, version in (("fw-7", seven), ("fw-8", eight), ("ids-7", seven)):
            assert proofs[sensor].startswith(f"Suricata {version} holds generation {generation}: ")
    assert "files" in one(story, "fw-7 turned red")["fw-7"]
    assert "rules" in one(story, "ids-7 turned red")["ids-7"]
    assert {hit["sensor"] for hit in story["hits"]} == {"fw-7", "fw-8", "ids-7"}
    assert {hit["contexts"][0]["source"] for hit in story["hits"]} == {"feed"}
    assert list(one(story, "fw-7 healed")) == ["fw-7"]
    assert list(one(story, "ids-7 holds it again")) == ["ids-7"]
