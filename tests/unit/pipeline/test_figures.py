"""Prevalence: what many of our hosts meet is held for a person, with the figure, once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vedette.config import GuardSettings, PoolSettings, Settings
from vedette.errors import PoolError
from vedette.model import Context, Fetched, Indicator, IndicatorType, Key, RulingKind
from vedette.observe import new_fold
from vedette.pipeline.explaining import explained
from vedette.pipeline.figures import GIVE_UP_S, Asker, why_never
from vedette.pipeline.guarding import guard
from vedette.pipeline.hub import Hub
from vedette.pipeline.hunting import hunt_new
from vedette.pool.backend import Backend
from vedette.pool.records import Prevalence
from vedette.pool.store import Pool

D = IndicatorType.DOMAIN
NOW = int(time.time())


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    guard_settings = GuardSettings(prevalence_hosts=3, prevalence_days=7)
    with Hub(Settings(home=str(tmp_path), guard=guard_settings)) as opened:
        (opened.settings.pool_dir / "store").mkdir()
        yield opened


@pytest.fixture
def memory(embedded_backend: Backend) -> Pool:
    return Pool(embedded_backend, PoolSettings())


def see(memory: Pool, name: str, *, hosts: int, days_ago: int = 0) -> None:
    """Let so many hosts look a name up."""
    at = datetime.fromtimestamp(NOW - days_ago * 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000")
    fold = new_fold((), ("10.0.0.0/8",))
    for host in range(hosts):
        event = {
            "timestamp": f"{at}+0000",
            "flow_id": 7,
            "event_type": "dns",
            "src_ip": f"10.0.0.{host}",
            "src_port": 40_000,
            "dest_ip": "192.0.2.53",
            "dest_port": 53,
            "proto": "UDP",
            "dns": {"type": "query", "rrname": name, "rrtype": "A"},
        }
        fold.add(json.dumps(event).encode() + b"\n")
    memory.commit(fold.take(), sensor="gate", token=f"{name} {hosts} {days_ago}")


def lists(hub: Hub, *values: str) -> None:
    if not hub.store.sources():
        hub.store.add_source("feed", "list", {}, 900)
    running = hub.store.pull("feed")
    for value in values:
        running.take(Indicator(type=D, value=value, ref="", context=Context(key="")))
    running.take(Fetched("", f"{values}"))
    running.finish(accept=True)


def published(hub: Hub) -> list[str]:
    return sorted(key.value for key in hub.store.published.keys(D))


def test_what_the_network_meets_all_day_is_held_with_the_figure(hub: Hub, memory: Pool) -> None:
    see(memory, "www.archive.example", hosts=4)
    see(memory, "rare.example", hosts=2)
    see(memory, "once.example", hosts=9, days_ago=30)
    lists(hub, "archive.example", "rare.example", "once.example", "unseen.example")
    assert guard(hub, Asker(memory), now=NOW).asked
    assert published(hub) == ["once.example", "rare.example", "unseen.example"]
    key = Key(D, "archive.example")
    held = hub.store.inbox.verdicts([key])[key]
    assert (held.outcome, held.test, held.hosts) == ("hold", "prevalence", 4)
    assert held.reason == "met by 4 of our hosts within 7 days (4 times)"


def test_held_by_prevalence_stays_held_until_a_person_decides(hub: Hub, memory: Pool) -> None:
    see(memory, "archive.example", hosts=4)
    lists(hub, "archive.example")
    guard(hub, Asker(memory), now=NOW)
    guard(hub, Asker(memory), now=NOW + 90 * 86_400, everything=True)
    assert published(hub) == []
    hub.store.rulings.add(
        RulingKind.RELEASE, "archive.example", type="domain", who="mira", why="seen", now=NOW
    )
    guard(hub, Asker(memory), now=NOW)
    assert published(hub) == ["archive.example"]


def test_what_was_published_is_not_held_later(hub: Hub, memory: Pool) -> None:
    lists(hub, "evil.example")
    guard(hub, Asker(memory), now=NOW)
    see(memory, "evil.example", hosts=9)
    lists(hub, "evil.example", "other.example")
    guard(hub, Asker(memory), now=NOW, everything=True)
    assert published(hub) == ["evil.example", "other.example"]


def test_what_is_held_is_not_hunted_and_what_is_released_is(hub: Hub, memory: Pool) -> None:
    see(memory, "archive.example", hosts=4)
    lists(hub, "archive.example", "other.example")
    assert hunt_new(hub, memory).indicators == 1
    assert hub.store.fleet.hits(origins=["retro"]) == []
    hub.store.rulings.add(
        RulingKind.RELEASE, "archive.example", type="domain", who="mira", why="seen", now=NOW
    )
    assert hunt_new(hub, memory).indicators == 1
    assert len(hub.store.fleet.hits(origins=["retro"])) == 4


def test_nobody_to_ask_publishes_and_asks_again_when_somebody_is_there(
    hub: Hub, memory: Pool
) -> None:
    see(memory, "archive.example", hosts=4)
    lists(hub, "archive.example", "rare.example")
    done = guard(hub, Asker(), now=NOW)
    assert not done.asked
    assert published(hub) == ["archive.example", "rare.example"]
    done = guard(hub, Asker(memory), now=NOW + 60)
    assert (done.asked, done.judged, done.withheld) == (True, 1, 1)
    assert published(hub) == ["rare.example"]
    lists(hub, "archive.example", "rare.example", "third.example")
    assert guard(hub, Asker(memory), now=NOW + 61).judged == 1


def test_after_a_day_without_an_answer_nobody_is_asked_any_more(hub: Hub, memory: Pool) -> None:
    see(memory, "archive.example", hosts=4)
    lists(hub, "archive.example")
    guard(hub, Asker(), now=NOW)
    assert not guard(hub, Asker(), now=NOW + GIVE_UP_S - 1).asked
    assert guard(hub, Asker(), now=NOW + GIVE_UP_S).asked
    guard(hub, Asker(memory), now=NOW + GIVE_UP_S + 1)
    assert published(hub) == ["archive.example"]


class Broken(Pool):
    """A memory whose engine fails in the middle of an answer."""

    def prevalence(self, keys: Iterable[Key], *, days: int) -> Iterator[Prevalence]:
        for number, one in enumerate(super().prevalence(keys, days=days)):
            if number:
                raise PoolError("the engine failed")
            yield one


def test_an_answer_that_breaks_off_is_asked_for_again(hub: Hub, embedded_backend: Backend) -> None:
    memory = Broken(embedded_backend, PoolSettings())
    see(memory, "archive.example", hosts=4)
    lists(hub, "aa.example", "archive.example")
    assert not guard(hub, Asker(memory), now=NOW).asked
    guard(hub, Asker(Pool(embedded_backend, PoolSettings())), now=NOW)
    assert published(hub) == ["aa.example"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(guard=GuardSettings(prevalence_hosts=0)), "prevalence_hosts"),
        (Settings(pool=PoolSettings(enabled=False)), "enabled"),
        (Settings(home="/nowhere"), "nothing has been remembered"),
        (Settings(pool=PoolSettings(store="clickhouse://u@localhost/d")), ""),
    ],
)
def test_a_memory_that_never_answers_is_not_waited_for(settings: Settings, said: str) -> None:
    why = why_never(settings)
    assert said in why
    assert bool(why) == bool(said)


def test_the_explanation_tells_the_figure_or_that_there_is_none(hub: Hub, memory: Pool) -> None:
    see(memory, "archive.example", hosts=4)
    lists(hub, "archive.example", "other.example")
    guard(hub, Asker(memory), now=NOW)
    keys = [Key(D, "archive.example"), Key(D, "other.example")]
    (held, plain) = (explained(hub, [key], now=NOW)[key] for key in keys)
    assert held[-1].text.startswith("met by 4 of our hosts")
    assert plain[-1].outcome == "publish"
