"""A diff names indicators as they were listed, whatever form their profile has."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.bundle import Builder, Generation, RuleChange, diff, latest, rule_changes
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.testing.indicators import ListedKeys

A, B = Key(T.DOMAIN, "a.com"), Key(T.DOMAIN, "x.b.com")


def build(root: Path, *keys: Key, targets: str = "7.0 8.0.7") -> Generation:
    builder = Builder(root=root, targets=[Target.parse(text) for text in targets.split()])
    builder.build(ListedKeys(keys))
    generation = latest(root)
    assert generation is not None
    return generation


def changes(before: Generation, after: Generation) -> set[tuple[bool, Key]]:
    return {(item.added, item.key) for item in diff(before, after)}


@pytest.mark.parametrize(
    ("older", "newer"),
    [("7.0", "7.0"), ("8.0.7", "8.0.7"), ("7.0 8.0.7", "7.0"), ("7.0", "8.0.7"), ("8.0.7", "7.0")],
)
def test_names_are_compared_over_all_profiles(tmp_path: Path, older: str, newer: str) -> None:
    kept = [Key(T.DOMAIN, f"n{number}.{top}") for number in range(20) for top in ("net", "co.uk")]
    before = build(tmp_path, A, *kept, targets=older)
    after = build(tmp_path, B, *kept, targets=newer)
    assert changes(before, after) == {(False, A), (True, B)}
    assert changes(after, before) == {(True, A), (False, B)}
    assert changes(before, before) == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([Key(T.IP_DST, "192.0.2.0/24")], [Key(T.IP_DST, "192.0.2.1")]),
        ([Key(T.IP_DST, "192.0.2.1")], [Key(T.IP_DST, "192.0.2.1"), Key(T.IP_DST, "10.0.0.0/8")]),
        ([Key(T.IP_DST_PORT, "192.0.2.1,80")], [Key(T.IP_DST_PORT, "192.0.2.1,81")]),
        ([Key(T.URL, "a.com/x"), Key(T.URL, "b.com/y")], [Key(T.URL, "a.com/y")]),
        ([Key(T.USER_AGENT, "x" * 900)], [Key(T.USER_AGENT, "x" * 901), Key(T.USER_AGENT, "x")]),
        ([Key(T.CERT_SHA1, "ab" * 20)], [Key(T.CERT_SHA1, "cd" * 20)]),
        ([Key(T.MD5, "0" * 32)], []),
        ([], [Key(T.HOSTNAME, "h.com")]),
    ],
)
def test_indicators_are_named_as_they_were_listed(
    tmp_path: Path, before: list[Key], after: list[Key]
) -> None:
    found = changes(build(tmp_path, A, *before), build(tmp_path, A, *after))
    gone, new = set(before) - set(after), set(after) - set(before)
    assert found == {(False, key) for key in gone} | {(True, key) for key in new}


def test_rules_that_changed_came_or_went_are_named(tmp_path: Path) -> None:
    before = build(tmp_path, A, Key(T.URI, "/x"), targets="8.0.7")
    after = build(tmp_path, A, Key(T.COOKIE, "c"), targets="8.0.7 7.0")
    found = set(rule_changes(before, after))
    assert RuleChange("8.0.7", 1_400_000, 1, 2) in found
    assert RuleChange("8.0.7", 1_403_400, 1, 0) in found
    assert RuleChange("8.0.7", 1_403_700, 0, 1) in found
    assert RuleChange("7.0", 1_403_700, 0, 1) in found
    assert not any(change.sid == 1_400_100 for change in found if change.profile == "8.0.7")
