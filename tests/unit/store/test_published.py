from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vedette.model import Context, Fetched, Indicator, IndicatorType, Key
from vedette.store import Store
from vedette.store.keys import to_skey
from vedette.store.verdicts import Mark

D, H = IndicatorType.DOMAIN, IndicatorType.HOSTNAME


def _store(tmp_path: Path, names: Sequence[tuple[IndicatorType, str]]) -> Store:
    store = Store(tmp_path / "vedette.db")
    store.add_source("a", "list", {}, 60)
    pull = store.pull("a")
    context = Context(key="")
    for kind, value in names:
        pull.take(Indicator(type=kind, value=value, ref="", context=context))
    pull.take(Fetched("", "1"))
    pull.finish()
    return store


def _judge(store: Store, kind: IndicatorType, value: str, outcome: str) -> None:
    skey = to_skey(kind, value)
    store._db.execute(
        "INSERT INTO verdict VALUES(?,?,?,'test','','',0,0,0)", (kind.value, skey, outcome)
    )
    store._db.commit()


NAMES = [
    (D, "bad.example"),
    (D, "held.example"),
    (D, "a.held.example"),
    (D, "dyn.example"),
    (H, "one.dyn.example"),
    (H, "held.host.example"),
    (IndicatorType.IP_DST, "192.0.2.1"),
]


def _judged(tmp_path: Path) -> Store:
    store = _store(tmp_path, NAMES)
    _judge(store, D, "held.example", "hold")
    _judge(store, D, "dyn.example", "exact")
    _judge(store, H, "held.host.example", "drop")
    return store


def test_streams_leave_out_what_is_withheld_and_move_what_is_exact(tmp_path: Path) -> None:
    with _judged(tmp_path) as store:
        published = store.published
        domains, hosts = ([key.value for key in published.keys(kind)] for kind in (D, H))
        assert domains == ["bad.example", "a.held.example"]
        assert hosts == ["dyn.example", "one.dyn.example"]
        assert [k.value for k in published.keys(IndicatorType.IP_DST)] == ["192.0.2.1"]
        assert published.counts() == {D: 2, H: 2, IndicatorType.IP_DST: 1}
        for kind in (D, H):
            with_context = list(published.with_context(kind))
            assert [key for key, _ in with_context] == list(published.keys(kind))
            assert all(entries for _, entries in with_context)


def test_an_exact_domain_that_is_a_hostname_too_counts_once(tmp_path: Path) -> None:
    with _store(tmp_path, [(D, "dyn.example"), (H, "dyn.example")]) as store:
        _judge(store, D, "dyn.example", "exact")
        assert list(store.published.keys(H)) == [Key(H, "dyn.example")]
        assert store.published.counts() == {H: 1}
        assert len(dict(store.published.with_context(H))[Key(H, "dyn.example")]) == 2


def test_listed_and_lookup_agree_with_the_streams(tmp_path: Path) -> None:
    with _judged(tmp_path) as store:
        published = store.published
        asked = [Key(kind, name) for _, name in NAMES[:-1] for kind in (D, H)]
        streamed = {key for kind in (D, H) for key in published.keys(kind)}
        assert published.listed(asked) == streamed
        found = published.lookup(asked)
        assert found.keys() == streamed
        assert found[Key(H, "dyn.example")][0].key == Key(D, "dyn.example")


def test_descendants_are_those_of_the_streams(tmp_path: Path) -> None:
    with _judged(tmp_path) as store:
        below = list(store.published.descendants("held.example"))
        assert below == [Key(D, "a.held.example")]
        assert list(store.published.descendants("dyn.example")) == [Key(H, "one.dyn.example")]
        assert list(store.published.descendants("example")) == [
            *store.published.keys(D),
            *store.published.keys(H),
        ]


def test_what_came_since_the_guard_was_here_waits_for_it(tmp_path: Path) -> None:
    with _judged(tmp_path) as store:
        published, before = store.published, {}
        for kind in (D, H, IndicatorType.IP_DST):
            before[kind] = list(published.keys(kind))
        store.verdicts.move(Mark(change_seq=store.claims.last_change()))
        new = [(D, "new.example"), (D, "bad.example"), (H, "bad.example")]
        store.add_source("b", "list", {}, 60)
        pull = store.pull("b")
        for kind, value in new:
            pull.take(Indicator(type=kind, value=value, ref="", context=Context(key="")))
        pull.take(Fetched("", "1"))
        pull.finish()
        for kind, keys in before.items():
            assert list(published.keys(kind)) == keys
            assert [key for key, _ in published.with_context(kind)] == keys
        assert published.counts() == {kind: len(keys) for kind, keys in before.items()}
        assert published.listed([Key(*key) for key in new]) == {Key(D, "bad.example")}
        assert set(published.descendants("example")) == {*before[D], *before[H]}
        store.verdicts.move(Mark(change_seq=store.claims.last_change()))
        assert published.listed([Key(*key) for key in new]) == {Key(*key) for key in new}


def test_the_highest_level_of_all_claims_counts(tmp_path: Path) -> None:
    claims = {
        (D, "twice.example"): ("low", "high"),
        (D, "medium.example"): ("medium", "low"),
        (D, "some.example"): ("", "low"),
        (D, "none.example"): ("", ""),
        (D, "held.example"): ("high", "high"),
        (D, "dyn.example"): ("high", ""),
        (H, "dyn.example"): ("low", "low"),
        (H, "host.example"): ("low", ""),
    }
    with Store(tmp_path / "vedette.db") as store:
        for at, source in enumerate("ab"):
            store.add_source(source, "list", {}, 60)
            pull = store.pull(source)
            for (kind, value), levels in claims.items():
                context = Context(key=levels[at], threat_level=levels[at])
                pull.take(Indicator(type=kind, value=value, ref="", context=context))
            pull.take(Fetched("", "1"))
            pull.finish()
        _judge(store, D, "held.example", "hold")
        _judge(store, D, "dyn.example", "exact")
        published = store.published
        expected = {
            Key(D, "medium.example"): 2,
            Key(D, "none.example"): 0,
            Key(D, "some.example"): 3,
            Key(D, "twice.example"): 1,
            Key(H, "dyn.example"): 1,
            Key(H, "host.example"): 3,
        }
        assert dict(item for kind in (D, H) for item in published.graded(kind)) == expected
        for kind in (D, H):
            assert [key for key, _ in published.graded(kind)] == list(published.keys(kind))
        assert published.grades([*(Key(*key) for key in claims), Key(D, "x.example")]) == expected
        _judge(store, H, "dyn.example", "drop")
        store._db.execute("UPDATE entry SET level=3 WHERE type='domain' AND level=1")
        assert dict(published.graded(H))[Key(H, "dyn.example")] == 3
        assert published.grades([Key(H, "dyn.example")]) == {Key(H, "dyn.example"): 3}


def test_a_claim_that_was_not_judged_yet_has_no_say_in_the_level(tmp_path: Path) -> None:
    with _store(tmp_path, [(D, "bad.example")]) as store:
        store._db.execute("INSERT INTO guarded VALUES(1,?,0,'',0,0,0,0)", (_last(store),))
        store._db.commit()
        store.add_source("b", "list", {}, 60)
        pull = store.pull("b")
        context = Context(key="x", threat_level="high")
        pull.take(Indicator(type=D, value="bad.example", ref="", context=context))
        pull.take(Fetched("", "1"))
        pull.finish()
        assert list(store.published.graded(D)) == [(Key(D, "bad.example"), 0)]
        assert store.published.grades([Key(D, "bad.example")]) == {Key(D, "bad.example"): 0}


def _last(store: Store) -> int:
    return store.entries.last_change()
