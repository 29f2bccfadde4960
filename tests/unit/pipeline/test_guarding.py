"""The guard on a real store: what changed is judged, once, and the next build is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from vedette.config import GuardSettings, Settings
from vedette.errors import BusyError, PoolError
from vedette.model import Context, Fetched, Indicator, IndicatorType, Key, RulingKind, SourceRules
from vedette.pipeline import guarding
from vedette.pipeline.building import build
from vedette.pipeline.figures import Asker
from vedette.pipeline.guarding import Guarded, guard, is_due
from vedette.pipeline.hub import Hub
from vedette.pipeline.lock import exclusive
from vedette.store.claims import Place
from vedette.store.verdicts import Figure

D, H, IP = IndicatorType.DOMAIN, IndicatorType.HOSTNAME, IndicatorType.IP_DST
NOW = 1_790_000_000
DAY = 86_400


def hub_of(path: Path, **guard_settings: object) -> Hub:
    chosen = GuardSettings(**guard_settings)  # type: ignore[arg-type]
    return Hub(Settings(home=str(path), guard=chosen))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with hub_of(tmp_path, own=("ours.example",)) as opened:
        yield opened


def pull(
    hub: Hub, *values: str, source: str = "feed", kind: IndicatorType = D, **facts: int
) -> None:
    """Make a source list exactly these."""
    if source not in {record.name for record in hub.store.sources()}:
        hub.store.add_source(source, "list", {}, 900)
    running = hub.store.pull(source)
    context = Context(key="")
    for value in values:
        running.take(
            Indicator(type=kind, value=value, ref="", context=context, **facts)  # type: ignore[arg-type]
        )
    running.take(Fetched("", f"{values}{facts}"))
    running.finish(accept=True)


def published(hub: Hub, kind: IndicatorType = D) -> list[str]:
    return [key.value for key in hub.store.published.keys(kind)]


def verdict(hub: Hub, value: str, kind: IndicatorType = D) -> tuple[str, str]:
    found = hub.store.inbox.verdicts([Key(kind, value)]).get(Key(kind, value))
    return (found.outcome.value, found.test) if found else ("publish", "")


def flips(hub: Hub) -> list[tuple[bool, str, str, str]]:
    rows = hub.store._db.execute(
        "SELECT added, type, skey, reason FROM change WHERE claim=0 AND source_id=0 ORDER BY seq"
    )
    return [
        (bool(added), kind, skey.replace("!", ".")[::-1] if kind in (D, H) else skey, reason)
        for added, kind, skey, reason in rows
    ]


def test_what_comes_is_judged_before_it_is_published(hub: Hub) -> None:
    guard(hub, now=NOW)
    pull(hub, "evil.example", "www.ours.example", "co.uk", "duckdns.org")
    assert published(hub) == []
    assert not hub.store.published.counts()
    assert not hub.store.published.listed([Key(D, "evil.example")])
    done = guard(hub, now=NOW)
    assert (done.judged, done.verdicts) == (4, 3)
    assert published(hub) == ["evil.example"]
    assert published(hub, H) == ["duckdns.org"]
    assert verdict(hub, "www.ours.example") == ("drop", "own")
    assert verdict(hub, "co.uk") == ("drop", "impossible")
    assert verdict(hub, "duckdns.org") == ("exact", "shared")
    assert hub.store.published.counts() == {D: 1, H: 1}


def test_nothing_changed_is_nothing_done(hub: Hub) -> None:
    pull(hub, "evil.example", "www.ours.example")
    guard(hub, now=NOW)
    before = hub.store._db.total_changes
    again = guard(hub, now=NOW + 5)
    assert (again.judged, again.everything, again.verdicts) == (0, False, 0)
    assert hub.store._db.total_changes == before
    assert not is_due(hub, NOW + 5)


def test_only_what_changed_is_judged(hub: Hub) -> None:
    pull(hub, *(f"a{n}.example" for n in range(50)))
    assert guard(hub, now=NOW).everything
    pull(hub, *(f"a{n}.example" for n in range(49)), "b.ours.example", "c.example")
    assert is_due(hub, NOW)
    done = guard(hub, now=NOW)
    assert (done.judged, done.everything) == (2, False)
    assert verdict(hub, "b.ours.example") == ("drop", "own")
    assert flips(hub) == []  # its claim is told, and it never was on a sensor


def test_what_is_gone_leaves_no_verdict(hub: Hub) -> None:
    pull(hub, "evil.example", "www.ours.example", "duckdns.org")
    guard(hub, now=NOW)
    pull(hub, "evil.example")
    guard(hub, now=NOW)
    assert hub.store._db.execute("SELECT count(*) FROM verdict").fetchone() == (0,)
    assert flips(hub)[-1] == (
        False,
        "hostname",
        "duckdns.org",
        "no source lists the domain any more",
    )
    assert published(hub, H) == []


def test_another_policy_judges_everything_and_tells_what_flips(tmp_path: Path) -> None:
    with hub_of(tmp_path) as hub:
        pull(hub, "a.example", "b.example", "sub.a.example")
        guard(hub, now=NOW)
        assert len(published(hub)) == 3
    with hub_of(tmp_path, own=("a.example",)) as hub:
        done = guard(hub, now=NOW)
        assert (done.everything, done.judged, done.withheld) == (True, 3, 2)
        assert published(hub) == ["b.example"]
        assert min(flips(hub)) == (
            False,
            "domain",
            "a.example",
            "dropped: our own: a.example ([guard] own)",
        )
    with hub_of(tmp_path) as hub:
        done = guard(hub, now=NOW)
        assert (done.published, done.withheld) == (2, 0)
        assert flips(hub)[-1][3] == "not dropped any more (our own: a.example ([guard] own))"
        assert len(published(hub)) == 3
    with hub_of(tmp_path, enabled=False, own=("a.example",)) as hub:
        guard(hub, now=NOW)
        assert len(published(hub)) == 3


def test_expiry_takes_an_indicator_off_by_itself(hub: Hub) -> None:
    pull(hub, "short.example", "long.example", expires=NOW + 100)
    pull(hub, "long.example", source="other")
    guard(hub, now=NOW)
    assert len(published(hub)) == 2
    assert not is_due(hub, NOW + 99)
    assert is_due(hub, NOW + 100)
    done = guard(hub, now=NOW + 100)
    assert (done.judged, done.withheld) == (2, 1)
    assert published(hub) == ["long.example"]
    assert verdict(hub, "short.example") == ("drop", "expired")
    assert not is_due(hub, NOW + 101)
    pull(hub, "short.example", "long.example", expires=NOW + 900)
    guard(hub, now=NOW + 101)
    assert len(published(hub)) == 2


def test_ages_are_looked_at_every_hour_and_a_sources_own_age_goes_first(tmp_path: Path) -> None:
    with hub_of(tmp_path, age={"domain": "10d"}) as hub:
        pull(hub, "old.example", changed=NOW - 10 * DAY + 60)
        pull(hub, "kept.example", source="slow", changed=NOW - 10 * DAY + 60)
        hub.store.set_rules("slow", SourceRules(age="20d"))
        guard(hub, now=NOW)
        assert len(published(hub)) == 2
        assert not is_due(hub, NOW + 60)
        assert is_due(hub, NOW + 3_600)
        guard(hub, now=NOW + 3_600)
        assert published(hub) == ["kept.example"]
        guard(hub, now=NOW + 10 * DAY + 60)
        assert published(hub) == []


def test_rulings_are_felt_at_once_and_end_by_themselves(hub: Hub) -> None:
    pull(hub, "evil.example", "a.evil.example", "b.example")
    guard(hub, now=NOW)
    allowed = hub.store.rulings.add(
        RulingKind.ALLOW,
        "evil.example",
        below=True,
        who="mira",
        why="a test",
        until=NOW + 50,
        now=NOW,
    )
    assert is_due(hub, NOW)
    assert guard(hub, now=NOW).judged == 2
    assert published(hub) == ["b.example"]
    assert "allowed by mira" in flips(hub)[0][3]
    assert not is_due(hub, NOW + 49)
    assert is_due(hub, NOW + 50)
    guard(hub, now=NOW + 50)
    assert len(published(hub)) == 3
    assert allowed.until == NOW + 50
    hold = hub.store.rulings.add(RulingKind.HOLD, "b.example", who="mira", why="why", now=NOW + 60)
    guard(hub, now=NOW + 60)
    assert verdict(hub, "b.example") == ("hold", "hold")
    hub.store.rulings.end([hold.id], who="mira", why="fine", now=NOW + 61)
    guard(hub, now=NOW + 61)
    assert verdict(hub, "b.example") == ("publish", "")


def test_a_ruling_on_nothing_that_is_listed_is_due_once(hub: Hub) -> None:
    pull(hub, "evil.example")
    guard(hub, now=NOW)
    hub.store.rulings.add(RulingKind.ALLOW, "x.test", who="m", why="w", until=NOW + 5, now=NOW)
    assert is_due(hub, NOW)
    guard(hub, now=NOW)
    assert not is_due(hub, NOW)
    assert is_due(hub, NOW + 5)
    guard(hub, now=NOW + 5)
    assert not is_due(hub, NOW + 5)


def test_a_source_under_review_holds_what_is_new_until_somebody_decides(hub: Hub) -> None:
    pull(hub, "old.example")
    guard(hub, now=NOW)
    hub.store.set_rules("feed", SourceRules(review=True))
    guard(hub, now=NOW)
    pull(hub, "old.example", "new.example", "other.example")
    guard(hub, now=NOW)
    assert published(hub) == ["old.example"]
    assert guard(hub, now=NOW, everything=True).verdicts == 0
    assert published(hub) == ["old.example"]
    hub.store.rulings.add(
        RulingKind.RELEASE, "new.example", type="domain", who="mira", why="seen", now=NOW
    )
    guard(hub, now=NOW)
    assert published(hub) == ["old.example", "new.example"]
    pull(hub, "other.example", source="trusted")
    guard(hub, now=NOW)
    assert len(published(hub)) == 3


def test_what_changes_its_event_in_one_pull_is_not_new(hub: Hub) -> None:
    hub.store.add_source("misp", "misp", {}, 900)
    hub.store.set_rules("misp", SourceRules(review=True))

    def event(key: str) -> None:
        running = hub.store.pull("misp")
        running.take(Indicator(type=D, value="evil.example", ref=key, context=Context(key=key)))
        running.take(Fetched(key, "1"))
        running.finish(accept=True)

    event("one")
    guard(hub, now=NOW)
    hub.store.rulings.add(RulingKind.RELEASE, "evil.example", who="m", why="w", now=NOW)
    guard(hub, now=NOW)
    assert published(hub) == ["evil.example"]
    released = hub.store.rulings.in_force(NOW)
    hub.store.rulings.end([one.id for one in released], who="m", why="w", now=NOW)
    guard(hub, now=NOW)
    event("two")
    guard(hub, now=NOW)
    assert published(hub) == ["evil.example"]


def test_too_much_to_name_is_told_as_one_change(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "NAMED_MAX", 5)
    pull(hub, *(f"a{n}.example" for n in range(20)))
    guard(hub, now=NOW)
    before = hub.store.entries.last_change()
    hub.store.rulings.add(RulingKind.ALLOW, "example", below=True, who="m", why="w", now=NOW)
    for n in range(20):
        hub.store.rulings.add(RulingKind.ALLOW, f"a{n}.example", who="m", why="w", now=NOW)
    assert guard(hub, now=NOW).withheld == 20
    assert hub.store.entries.changed_since(before) is None
    assert guard(hub, now=NOW).judged == 0  # its own line does not make it judge again


def test_batches_end_anywhere(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "BATCH", 3)
    names = [f"a{n}.{'ours' if n % 2 else 'else'}.example" for n in range(20)]
    pull(hub, *names)
    pull(hub, "192.0.2.1", "127.0.0.1", "10.0.0.1", source="addresses", kind=IP)
    guard(hub, now=NOW)
    assert sorted(published(hub)) == sorted(name for name in names if "else" in name)
    assert published(hub, IP) == ["192.0.2.1"]
    pull(hub, *names[:3])
    guard(hub, now=NOW, everything=True)
    assert len(published(hub)) == 2
    rows = hub.store._db.execute("SELECT count(*) FROM verdict WHERE type='domain'").fetchone()
    assert rows == (1,)


def test_a_build_is_told_of_every_flip(hub: Hub) -> None:
    pull(hub, *(f"a{n}.example" for n in range(30)), "duckdns.org", expires=NOW + 10)
    first = build(hub, now=NOW)
    assert first.manifest.counts == {"domain": 30, "hostname": 1}
    hub.store.rulings.add(RulingKind.ALLOW, "a1.example", who="m", why="w", now=NOW)
    hub.store.rulings.add(RulingKind.ALLOW, "duckdns.org", who="m", why="w", now=NOW)
    by_changes = build(hub, now=NOW)
    assert by_changes.manifest.counts == {"domain": 29}
    assert not build(hub, now=NOW, whole=True).created
    expired = build(hub, now=NOW + 10)
    assert expired.manifest.counts == {}
    assert not build(hub, now=NOW + 10, whole=True).created


KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from vedette.pipeline import guarding
    from vedette.store.verdicts import Verdicts
    from test_guarding import hub_of, guard, NOW
    guarding.BATCH = 7
    write, calls = Verdicts.write, []
    def killing(self, *args):
        write(self, *args)
        calls.append(1)
        if len(calls) == {after}:
            os.kill(os.getpid(), signal.SIGKILL)
    Verdicts.write = killing
    guard(hub_of(Path({home!r}), own=("ours.example",)), now=NOW)
"""


@pytest.mark.parametrize("after", [1, 3])
def test_a_kill_between_two_batches_costs_nothing(tmp_path: Path, after: int) -> None:
    names = [f"a{n:02}.{'ours' if n % 3 else 'else'}.example" for n in range(60)]
    with hub_of(tmp_path) as hub:
        pull(hub, *names)
        guard(hub, now=NOW)
        assert len(published(hub)) == 60
        seq = hub.store.entries.last_change()
    script = textwrap.dedent(KILLED).format(
        tests=str(Path(__file__).parent), after=after, home=str(tmp_path)
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, env={**os.environ}
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    with hub_of(tmp_path, own=("ours.example",)) as hub:
        some = len(flips(hub))
        assert 0 < some < 40
        guard(hub, now=NOW)
        assert len(published(hub)) == 20
        changed = hub.store.entries.changed_since(seq)
        assert changed is not None
        assert {key.value for key in changed} == {name for name in names if "ours" in name}
        assert len(flips(hub)) == 40


def test_two_at_once_do_not_undo_each_other(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "_WAIT_S", 0.1)
    with exclusive(hub.lock_file("guard"), "another"), pytest.raises(BusyError, match="another"):
        guard(hub)


def test_an_upgraded_database_is_judged_and_nothing_in_it_is_new(hub: Hub) -> None:
    hub.store.add_source("feed", "list", {}, 900)
    hub.store.set_rules("feed", SourceRules(review=True))
    pull(hub, "old.example")
    hub.store._db.execute("UPDATE entry SET seq=0")
    hub.store._db.commit()
    done: Guarded = guard(hub, now=NOW)
    assert done.judged == 1
    assert published(hub) == ["old.example"]


def test_what_another_claim_replaces_while_the_memory_is_silent_stays_published(hub: Hub) -> None:
    class Silent(Asker):
        def has_memory(self) -> bool:
            return True

        def figures(self, hub: Hub, places: Iterable[Place]) -> Iterator[tuple[Place, Figure]]:
            raise PoolError(f"it does not answer {hub} about {places}", hint="")

    pull(hub, "evil.example")
    guard(hub, now=NOW)
    hub.store.verdicts.note_figures([((D.value, "elpmaxe!live"), Figure(40, 80, 7))], NOW)
    pull(hub, "evil.example", "new.example", source="other")
    guard(hub, Silent(), now=NOW)
    pull(hub)
    guard(hub, Silent(), now=NOW)
    guard(hub, Silent(), now=NOW, everything=True)
    assert published(hub) == ["evil.example", "new.example"]


def test_a_first_pull_at_the_same_time_makes_nothing_new(hub: Hub) -> None:
    pull(hub, "evil.example", "left.example")
    pull(hub, "another.example", source="other")
    for source in ("feed", "other"):
        hub.store.set_rules(source, SourceRules(review=True))
    guard(hub, now=NOW)
    ids = [
        hub.store.rulings.add(
            RulingKind.RELEASE, "evil.example", who="m", why="w", now=NOW, until=NOW + DAY
        ).id
    ]
    guard(hub, now=NOW)
    hub.store.rulings.end(ids, who="m", why="w", now=NOW)
    pull(hub, "left.example")
    pull(hub, "another.example", "evil.example", source="other")
    pull(hub, "third.example", source="third")
    guard(hub, now=NOW)
    assert published(hub) == ["third.example", "evil.example"]
