"""Each level's indicators, as the compiler reads them."""

from __future__ import annotations

import pytest

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.levels import OfLevel, by_level
from vedette.testing.indicators import ListedKeys

GRADES = {
    Key(T.DOMAIN, "high.example"): 1,
    Key(T.DOMAIN, "a.high.example"): 3,
    Key(T.HOSTNAME, "h.high.example"): 1,
    Key(T.DOMAIN, "medium.example"): 2,
    Key(T.DOMAIN, "unknown.example"): 0,
    Key(T.IP_DST, "192.0.2.1"): 3,
    Key(T.IP_DST, "192.0.2.0/24"): 1,
    Key(T.IP_DST, "10.0.0.0/8"): 1,
    Key(T.IP_SRC, "2001:db8::/32"): 3,
    Key(T.IP_DST_PORT, "192.0.2.1,80"): 1,
}
ALL = ListedKeys(GRADES, levels=GRADES)
HIGH = {
    Key(T.DOMAIN, "high.example"),
    Key(T.HOSTNAME, "h.high.example"),
    Key(T.IP_DST, "192.0.2.0/24"),
}
LOW = {Key(T.DOMAIN, "a.high.example"), Key(T.IP_DST, "192.0.2.1")}
MEMBERS = {"high": HIGH, "low": LOW, "": GRADES.keys() - HIGH - LOW}


@pytest.mark.parametrize("level", ["", "high", "low"])
def test_every_way_of_reading_shows_the_same_indicators(level: str) -> None:
    view, members = by_level(ALL)[level], MEMBERS[level]
    assert {key for kind in T for key in view.keys(kind)} == members
    assert {key for kind in T for key, _ in view.with_context(kind)} == members
    assert view.listed([*GRADES, Key(T.DOMAIN, "nobody.example")]) == members
    below = (Key(T.DOMAIN, "a.high.example"), Key(T.HOSTNAME, "h.high.example"))
    assert list(view.descendants("high.example")) == [key for key in below if key in members]
    assert sum(view.counts().values()) == len(members)


def test_indicators_keep_their_order() -> None:
    names = {Key(T.DOMAIN, f"{name}.example"): 1 for name in "cab"}
    view = OfLevel(ListedKeys(names, levels=names), "high")
    assert [key.value[0] for key in view.keys(T.DOMAIN)] == ["a", "b", "c"]
