"""What is quick says what the chain says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vedette.config import GuardSettings, Settings
from vedette.guard.chain import judge
from vedette.guard.lists_model import ListKind, WarningList
from vedette.guard.warninglists import Index
from vedette.model import (
    Context,
    Fetched,
    Indicator,
    IndicatorType,
    RulingKind,
    SourceRules,
    Verdict,
)
from vedette.normalize import normalize
from vedette.pipeline.hub import Hub
from vedette.pipeline.judging import Basis, Batch, Judge
from vedette.store.verdicts import Figure, Kept

NOW = 1_790_000_000
DAY = 86_400
T = IndicatorType
POPULAR = ("bing.com", "live.com", "msn.com", "yahoo.com")
VALUES: dict[IndicatorType, list[str]] = {
    T.DOMAIN: [
        *POPULAR,
        *("evil.example", "google.com", "sub.google.com", "co.uk", "duckdns.org", "x.duckdns.org"),
        *("amazonaws.com", "ours.example", "a.ours.example", "allowed.example", "b.ck", "www.ck"),
        *("a.denied.example", "3322.org", "x.3322.org", "held.example", "release.google.com"),
    ],
    T.HOSTNAME: ["co.uk", "duckdns.org", "www.google.com", "h.ours.example", "h.evil.example"],
    T.IP_DST: [
        *("192.0.2.1", "8.8.8.8", "10.0.0.1", "172.16.0.0/12", "224.0.0.1", "169.254.0.9"),
        *("203.0.113.4", "198.51.100.0/24", "64.0.0.0/12", "fd00::1", "2001:db8::1", "fe80::1"),
    ],
    T.IP_SRC_PORT: ["192.0.2.1,443", "10.0.0.1,443", "8.8.8.8,53"],
    T.URL: ["10.0.0.1/a", "google.com/a", "[fe80::1]/a", "h.ours.example:8080/b", "evil.example/7"],
    T.SHA256: ["ab" * 32, f"{7:064x}"],
    T.JA3: ["ab" * 16, f"{7:032x}"],
    T.FILENAME: ["duckdns.org", "10.0.0.1"],
    T.EMAIL_SRC: ["boss@ours.example", "x@evil.example", "x@google.com"],
}
LISTS = [
    WarningList(
        name=name,
        title=name,
        kind=ListKind.HOSTNAME,
        version="1",
        members=members,
        attributes=("domain", "hostname", "url"),
    )
    for name, members in (
        ("tranco10k", ("google.com", *POPULAR)),
        ("alexa", ("google.com", *POPULAR)),
        ("dynamic-dns", ("3322.org",)),
    )
]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(Settings(home=str(tmp_path))) as opened:
        yield opened


def fill(hub: Hub, chance: random.Random) -> None:
    """Let three sources list random parts of it, with random facts."""
    for source in ("a", "b", "c"):
        hub.store.add_source(source, "list", {}, 900)
        running = hub.store.pull(source)
        for kind, values in VALUES.items():
            for value in values:
                if chance.random() < 0.6:
                    running.take(
                        Indicator(
                            **normalize(kind, value)._asdict(),
                            ref="",
                            context=Context(key=""),
                            changed=chance.choice([0, 0, NOW - DAY, NOW - 90 * DAY]),
                            expires=chance.choice([0, 0, 0, NOW - 1, NOW + 1]),
                            confidence=chance.choice([-1, -1, 5, 95]),
                        )
                    )
        running.take(Fetched("", "1"))
        running.finish()


def rule(hub: Hub) -> None:
    for kind, value, below in (
        ("allow", "allowed.example", False),
        ("deny", "denied.example", True),
        ("hold", "held.example", False),
        ("release", "google.com", True),
        ("allow", "198.51.100.0/25", True),
    ):
        hub.store.rulings.add(
            RulingKind(kind), value, below=below, who="m", why="w", until=NOW + 9, now=NOW
        )


SETTINGS = [
    GuardSettings(),
    GuardSettings(own=("ours.example", "203.0.113.0/24")),
    GuardSettings(min_confidence=50),
    GuardSettings(age={"domain": "30d", "ip-dst": "1d"}, own=("ours.example",)),
    GuardSettings(prevalence_hosts=0, min_confidence=1),
]
RULES = [
    {},
    {"a": SourceRules(review=True), "c": SourceRules(review=True)},
    {"b": SourceRules(confidence=10), "c": SourceRules(age="60d")},
]


@pytest.mark.parametrize("number", range(len(SETTINGS)))
@pytest.mark.parametrize("rules", RULES, ids=["plain", "review", "rules"])
@pytest.mark.parametrize("are_ruled", [False, True], ids=["alone", "ruled"])
def test_every_verdict_is_that_of_the_chain(
    hub: Hub, number: int, rules: dict[str, SourceRules], *, are_ruled: bool
) -> None:
    chance = random.Random(number)
    fill(hub, chance)
    for source, said in rules.items():
        hub.store.set_rules(source, said)
    if are_ruled:
        rule(hub)
    settings = Settings(home=hub.settings.home, guard=SETTINGS[number])
    hub.settings = settings
    basis = replace(Basis.of(hub, NOW), index=Index.of(LISTS))
    deciding = set()
    for kind in VALUES:
        rows = hub.store.claims.folded(kind, "", 1_000)
        assert len(rows)
        figures = {row.skey: Figure(12, 99, 7) for row in rows if chance.random() < 0.2}
        kept = {
            row.skey: Kept("hold", "review", "", "", 0, 0, chance.randrange(2))
            for row in rows
            if chance.random() < 0.2
        }
        new = frozenset(place for place in range(len(rows)) if chance.random() < 0.5)
        batch = Batch(kind, rows, kept, figures, new)
        quick = Judge(basis, hub.store.claims).verdicts(batch)
        keys = list(hub.store.entries.keys(kind))
        claims = hub.store.claims.of(kind, [row.skey for row in rows])
        for place, (row, key) in enumerate(zip(rows, keys, strict=True)):
            is_new = batch.is_new(place)
            facts = basis.facts(
                key,
                claims[row.skey],
                basis.index.match(key),
                figures.get(row.skey),
                is_new=is_new,
            )
            slow = judge(facts, basis.policy)
            deciding.add(slow.test)
            verdict, said_new = quick.get(place, (Verdict(), is_new))
            assert Kept.of(verdict, at=0, is_new=said_new) == Kept.of(slow, at=0, is_new=is_new), (
                key
            )
    assert {"impossible", "warninglist", "internal", "expired"} <= deciding


def test_another_basis_has_another_digest(hub: Hub) -> None:
    def digest() -> str:
        return Basis.of(hub, NOW).digest

    plain = digest()
    assert digest() == plain
    hub.store.add_source("a", "list", {}, 900)
    with_source = digest()
    hub.store.set_rules("a", SourceRules(review=True))
    ruled = digest()
    lists = replace(Basis.of(hub, NOW), index=Index.of(LISTS)).digest
    assert len({plain, with_source, ruled, lists}) == 4


def test_a_claim_carries_the_rules_of_its_source(hub: Hub) -> None:
    fill(hub, random.Random(1))
    hub.store.set_rules("a", SourceRules(confidence=7, age="2d", review=True))
    basis = Basis.of(hub, NOW)
    skeys = [row.skey for row in hub.store.claims.folded(T.DOMAIN, "", 100)]
    rows = [row for rows in hub.store.claims.of(T.DOMAIN, skeys).values() for row in rows]
    assert {basis.claim(row).source for row in rows} == {"a", "b", "c"}
    for row in rows:
        claim = basis.claim(row)
        is_ruled = claim.source == "a"
        assert (claim.age_s, claim.review) == ((2 * DAY, True) if is_ruled else (0, False))
        said = row.confidence
        assert claim.confidence == (7 if is_ruled and said < 0 else said)
