"""What goes on alerting on a withheld value is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.config import Settings
from vedette.model import Context, Fetched, Indicator, IndicatorType, Key, RulingKind
from vedette.pipeline.covering import above, covering, still_alerting
from vedette.pipeline.guarding import guard
from vedette.pipeline.hub import Hub

T = IndicatorType
NOW = 1_790_000_000
PARENT = Key(T.DOMAIN, "evil.example")
CHILD = Key(T.DOMAIN, "cdn.evil.example")
HOST = Key(T.HOSTNAME, "evil.example")
NETWORK = Key(T.IP_DST, "203.0.113.0/24")
ADDRESS = Key(T.IP_DST, "203.0.113.7")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        opened.store.add_source("feed", "list", {}, 900)
        running = opened.store.pull("feed")
        for key in (PARENT, CHILD, HOST, NETWORK, ADDRESS):
            running.take(Indicator(type=key.type, value=key.value, ref="", context=Context(key="")))
        running.take(Fetched("", "1"))
        running.finish(accept=True)
        guard(opened, now=NOW)
        yield opened


def test_names_are_below_domains_and_addresses_in_networks() -> None:
    assert Key(T.DOMAIN, "evil.example") in above(CHILD)
    assert next(above(HOST)) == PARENT, "a domain matches the host of its name"
    assert not list(above(PARENT))
    assert next(above(ADDRESS)) == Key(T.IP_DST, "203.0.113.6/31")
    assert Key(T.IP_SRC, "2001:db8::/32") in above(Key(T.IP_SRC, "2001:db8::7"))
    assert not list(above(Key(T.MD5, "0" * 32)))


def test_the_nearest_that_is_published_covers(hub: Hub) -> None:
    assert covering(hub, CHILD) == PARENT
    assert covering(hub, HOST) == PARENT
    assert covering(hub, ADDRESS) == NETWORK
    assert covering(hub, PARENT) is None
    hub.store.rulings.add(RulingKind.HOLD, PARENT.value, who="m", why="w", now=NOW)
    hub.store.rulings.add(RulingKind.ALLOW, NETWORK.value, below=True, who="m", why="w", now=NOW)
    guard(hub, now=NOW)
    assert covering(hub, CHILD) is covering(hub, ADDRESS) is None


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("cdn.evil.example", [PARENT]),
        ("never.listed.evil.example", [CHILD]),
        ("evil.example", []),
        ("203.0.113.7", [NETWORK]),
        ("203.0.113.0/28", [NETWORK]),
        ("0" * 32, []),
    ],
)
def test_who_allows_a_value_is_told_what_still_alerts(
    hub: Hub, value: str, left: list[Key]
) -> None:
    if left == [CHILD]:
        value = value.replace("listed", "cdn")
    made = hub.store.rulings.add(RulingKind.ALLOW, value, below=True, who="m", why="w")
    assert list(still_alerting(hub, made)) == left


def test_what_is_taken_off_together_is_not_told(hub: Hub) -> None:
    made = hub.store.rulings.add_all(
        RulingKind.ALLOW, [], words=["cdn.evil.example", "evil.example"], who="m", why="w"
    )
    assert [list(still_alerting(hub, one)) for one in made] == [[], []]
