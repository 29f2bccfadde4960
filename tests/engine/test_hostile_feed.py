"""A poisoned feed on a real engine: every rule and every set loads, and only good values alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.bundle import Builder, open_generation
from vedette.ruleset.engine import Target
from vedette.sources import build
from vedette.store import Store
from vedette.testing.capture import Capture, dns_query
from vedette.testing.engine import Engine
from vedette.testing.hostile import EVIL, poisoned_feed

TARGETS = tuple(map(Target.parse, ("7.0", "8.0", "8.0.7", "8.0+context", "8.0.7+context")))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("poisoned")
    feed = poisoned_feed(root / "feed")
    with Store(root / "vedette.db") as store:
        store.add_source("poisoned", "misp-feed", {}, 900)
        pull = store.pull("poisoned")
        for item in build("misp-feed", {"name": "poisoned", "location": str(feed)}).fetch({}):
            pull.take(item)
        assert pull.finish().entries >= 4
        (root / "bundles").mkdir()
        Builder(root=root / "bundles", targets=TARGETS).build(store.published)
    return root / "bundles"


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_poisoned_feed_loads_and_alerts_on_its_good_values_only(
    engine: Engine, bundles: Path, tmp_path: Path, target: Target
) -> None:
    if target.profile.version > engine.version:
        pytest.skip(f"Suricata {engine.version} does not know {target}")
    generation = open_generation(bundles)
    assert generation is not None
    generation.flatten(str(target), tmp_path / "rules")
    assert EVIL not in (tmp_path / "rules/vedette.rules").read_text()
    checked = engine.check(tmp_path / "rules")
    assert (checked.rc, checked.errors, checked.warnings) == (0, [], [])
    capture = Capture()
    for name in ("www.good.example", "other.example"):
        capture.udp(dns_query(name))
    events = engine.run_pcap(capture.write(tmp_path / "dns.pcap"), tmp_path / "rules")
    alerts = [event["alert"] for event in events if event["event_type"] == "alert"]
    assert len(alerts) == 1
    assert 1_400_000 <= alerts[0]["signature_id"] < 1_640_000
    assert len(str(alerts[0])) < 4_000, "tags without end stay out of alerts"
    if "context" in str(target):
        assert alerts[0]["context"]["vedette"]["source"] == "poisoned"
