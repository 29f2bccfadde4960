"""Rules that collect: which buffers, which sids, and what they promise to other tools."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette.bundle import Builder, latest
from vedette.errors import ConfigError
from vedette.hits.places import place_of
from vedette.model import IndicatorType, Key
from vedette.ruleset.collect import COLLECT_SIDS, COLLECTABLE, Collect
from vedette.ruleset.engine import Target
from vedette.testing.indicators import ListedKeys

ALL = tuple(map(Target.parse, ("7.0", "8.0", "8.0.7", "8.0+context")))


def test_every_string_buffer_can_be_collected_with_a_sid_of_its_own() -> None:
    collect = Collect(tuple(COLLECTABLE))
    for target in ALL:
        sids = [sid for sid, _, _ in collect.texts("vedette", 1_400_000, target)]
        assert len(set(sids)) == len(sids) > 10
        assert {sid - 1_400_000 for sid in sids} <= set(COLLECT_SIDS)
    assert {"dns.query", "tls.sni", "http.user_agent", "ja3.hash"} <= set(COLLECTABLE)
    assert not {"ip.dst", "filesha256", "tls.certs"} & set(COLLECTABLE)


def test_their_sids_are_no_indicators() -> None:
    assert not any(map(place_of, COLLECT_SIDS))


def test_a_buffer_of_8_is_left_out_on_7() -> None:
    collect = Collect(("dns.response.rrname", "dns.query"))
    names = {
        str(target): [name for _, name, _ in collect.texts("vedette", 1, target)] for target in ALL
    }
    assert names["7.0"] == ["dns.query"]
    assert names["8.0"] == ["dns.query", "dns.response.rrname"]


def test_the_text_writes_nothing_on_the_sensor() -> None:
    for _, _, text in Collect(tuple(COLLECTABLE)).texts("vedette", 1_400_000, ALL[1]):
        assert text.count("dataset:set,vedette-new-") == 1
        assert not re.search(r"\b(save|state|load) ", text)
        memcap, hashsize = re.findall(r"memcap (\d+)mb,hashsize (\d+);", text)[0]
        assert int(memcap) <= 100
        assert int(hashsize) <= 65_536


def test_a_buffer_that_cannot_be_collected_is_refused_with_those_that_can() -> None:
    with pytest.raises(ConfigError, match=r"'ip\.dst' cannot be collected") as raised:
        Collect(("dns.query", "ip.dst")).check()
    assert "tls.sni" in raised.value.hint


def test_switching_it_on_makes_a_generation_and_keeps_the_other_rules(tmp_path: Path) -> None:
    keys = ListedKeys([Key(IndicatorType.DOMAIN, "evil.example")])
    Builder(root=tmp_path).build(keys)
    before = latest(tmp_path)
    again = Builder(root=tmp_path, collect=Collect(("tls.sni",))).build(keys, changed=(), base=1)
    after = latest(tmp_path)
    assert before is not None
    assert after is not None
    assert again.created
    old, new = (one.manifest.rules_for("7.0").rules for one in (before, after))
    assert {rule.sid for rule in new} - {rule.sid for rule in old} == {1_400_000 + 20_013}
    kept = {rule.sid: rule.rev for rule in new if rule.set != "vedette-generation"}
    assert all(kept[r.sid] == r.rev for r in old if r.set != "vedette-generation")
