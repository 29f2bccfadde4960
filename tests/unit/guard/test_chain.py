"""The chain: what each test decides, in which order, and that the reasons say why."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.guard.chain import TESTS, explain, judge
from vedette.guard.facts import Claim, Facts, ListHit, Prevalence, Suffix
from vedette.guard.policy import Policy
from vedette.model import IndicatorType, Key, Outcome, Ruling, RulingKind, Verdict

NOW = 1_790_000_000
DAY = 86_400
BAD = Key(IndicatorType.DOMAIN, "evil.example")
CLAIM = Claim("feed")
POLICY = Policy()


def facts(key: Key = BAD, **known: Any) -> Facts:
    return Facts(key=key, now=NOW, **{"claims": (CLAIM,), **known})


def ruled(kind: str, *, number: int = 1, until: int = 0, below: bool = False) -> Ruling:
    return Ruling(
        id=number,
        kind=RulingKind(kind),
        type="",
        value="evil.example",
        below=below,
        who="mira",
        why="we tested it",
        at=NOW - DAY,
        until=until,
    )


def listed(name: str, *, itself: bool = True, curated: bool = True) -> ListHit:
    return ListHit(name, itself, "evil.example" if itself else "example", curated)


def decided(known: Facts, policy: Policy = POLICY) -> tuple[str, str, str]:
    verdict = judge(known, policy)
    return verdict.outcome.value, verdict.test, verdict.reason


def test_what_nobody_speaks_against_is_plain() -> None:
    assert judge(facts(), POLICY).is_plain
    assert [step.test for step in explain(facts(), POLICY)] == list(TESTS)
    assert explain(facts(), POLICY)[-1].text == "nothing speaks against it"


ADDRESS = IndicatorType.IP_DST


@pytest.mark.parametrize(
    ("known", "outcome", "test", "says"),
    [
        (facts(rulings=(ruled("allow"),)), "drop", "allow", "by mira on 2026-09-20: we tested it"),
        (facts(own="example"), "drop", "own", "our own: example"),
        (
            facts(Key(IndicatorType.DOMAIN, "co.uk"), suffix=Suffix.ICANN),
            "drop",
            "impossible",
            "public suffix",
        ),
        (facts(Key(ADDRESS, "127.0.0.1")), "drop", "impossible", "loopback"),
        (facts(Key(IndicatorType.IP_SRC_PORT, "224.0.0.1,53")), "drop", "impossible", "multicast"),
        (facts(Key(IndicatorType.URL, "127.0.0.1:8080/a")), "drop", "impossible", "loopback"),
        (facts(Key(IndicatorType.URL, "[::1]/a")), "drop", "impossible", "loopback"),
        (facts(Key(IndicatorType.DOMAIN, "169.254.1.1")), "drop", "impossible", "link-local"),
        (facts(Key(ADDRESS, "0.0.0.0/0")), "drop", "impossible", "4,294,967,296 addresses"),
        (facts(Key(ADDRESS, "::/0")), "drop", "impossible", "2^128 addresses"),
        (
            facts(claims=(Claim("feed", expires=NOW),)),
            "drop",
            "expired",
            "expired on 2026-09-21, says feed",
        ),
        (
            facts(claims=(Claim("feed", changed=NOW - 90 * DAY, age_s=90 * DAY),)),
            "drop",
            "expired",
            "last changed on 2026-06-23 in feed: older than 90 days (rules of feed)",
        ),
        (facts(rulings=(ruled("hold"),)), "hold", "hold", "held by mira"),
        (facts(rulings=(ruled("deny"),)), "publish", "deny", "denied by mira"),
        (facts(lists=(listed("top-1m"),)), "drop", "warninglist", "itself a member of top-1m"),
        (facts(Key(ADDRESS, "10.1.2.3")), "drop", "internal", "RFC 1918"),
        (facts(Key(ADDRESS, "192.0.0.0/15")), "hold", "wide", "131,072 addresses"),
        (facts(Key(ADDRESS, "2001::/31")), "hold", "wide", "2^97 addresses"),
        (
            facts(claims=(Claim("feed", review=True),)),
            "hold",
            "review",
            "new in feed, whose new indicators wait",
        ),
        (facts(suffix=Suffix.PRIVATE), "exact", "shared", "(the public suffix list)"),
        (
            facts(lists=(listed("dynamic-dns", curated=False),)),
            "exact",
            "shared",
            "names below it belong to others (dynamic-dns)",
        ),
        (
            facts(prevalence=Prevalence(34, 1_200, 7)),
            "hold",
            "prevalence",
            "met by 34 of our hosts within 7 days (1,200 times)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_test_decides_and_says_why(known: Facts, outcome: str, test: str, says: str) -> None:
    verdict = judge(known, POLICY)
    assert (verdict.outcome.value, verdict.test) == (outcome, test)
    assert says in verdict.reason


@pytest.mark.parametrize(
    "known",
    [
        facts(lists=(listed("top-1m", itself=False),)),
        facts(lists=(listed("clouds", curated=False),)),
        facts(lists=(listed("dynamic-dns", itself=False, curated=False),)),
        facts(Key(IndicatorType.HOSTNAME, "co.uk"), suffix=Suffix.ICANN),
        facts(Key(IndicatorType.HOSTNAME, "x.duckdns.org"), suffix=Suffix.PRIVATE),
        facts(Key(ADDRESS, "192.0.2.7")),
        facts(Key(ADDRESS, "192.0.2.0/24")),
        facts(Key(ADDRESS, "2001:db8::1")),
        facts(Key(IndicatorType.SHA256, "ab" * 32)),
        facts(claims=(Claim("feed", review=True), Claim("trusted"))),
        facts(claims=(Claim("feed", review=True),), is_new=False),
        facts(claims=(Claim("feed", expires=NOW), Claim("other", expires=NOW + 1))),
        facts(claims=(Claim("feed", changed=NOW - 90 * DAY),)),
        facts(prevalence=Prevalence(9, 100, 7)),
        facts(prevalence=Prevalence(34, 1_200, 7), is_new=False),
        facts(prevalence=None),
    ],
)
def test_what_is_no_reason_to_withhold_does_not(known: Facts) -> None:
    assert judge(known, POLICY).outcome is Outcome.PUBLISH


def test_labels_are_kept_whatever_is_decided() -> None:
    hits = (listed("b", curated=False), listed("a", itself=False), listed("b", itself=False))
    for known in (facts(lists=hits), facts(lists=hits, rulings=(ruled("allow"),))):
        assert judge(known, POLICY).labels == ("a", "b")
    (label, *_) = explain(facts(lists=hits), POLICY)
    assert (label.outcome, label.text) == ("label", "on warning lists: a (example), b, b (example)")


def test_ages_of_types_apply_where_the_source_has_no_rule() -> None:
    policy = Policy(age_s={"domain": 10 * DAY})
    old = Claim("feed", changed=NOW - 20 * DAY)
    assert decided(facts(claims=(old,)), policy)[1] == "expired"
    assert "[guard.age]" in decided(facts(claims=(old,)), policy)[2]
    assert judge(facts(claims=(old._replace(age_s=30 * DAY),)), policy).is_plain is False
    assert judge(facts(claims=(old._replace(age_s=30 * DAY),)), policy).due == NOW + 10 * DAY
    assert judge(facts(claims=(old._replace(changed=0),)), policy).is_plain


def test_the_next_date_that_may_change_it_is_due() -> None:
    claims = (Claim("a", expires=NOW + 9), Claim("b", expires=NOW + 5), Claim("c", expires=NOW - 1))
    assert judge(facts(claims=claims), POLICY).due == NOW + 5
    ruling = ruled("hold", until=NOW + 3)
    assert judge(facts(claims=claims, rulings=(ruling,)), POLICY).due == NOW + 3


def test_who_is_unsure_is_held_by_one_host_that_met_it() -> None:
    ja3 = Key(IndicatorType.JA3, "ab" * 16)
    once = Prevalence(1, 1, 7)
    assert decided(facts(ja3, prevalence=once)) == (
        "hold",
        "prevalence",
        "met by 1 of our hosts within 7 days (1 time), and confidence is only 30",
    )
    sure = (Claim("feed", confidence=20), Claim("lab", confidence=90))
    assert judge(facts(ja3, claims=sure, prevalence=once), POLICY).outcome is Outcome.PUBLISH


def test_what_is_less_certain_than_the_policy_wants_is_held() -> None:
    policy = Policy(min_confidence=60)
    claims = (Claim("a", confidence=50), Claim("b", confidence=59))
    assert decided(facts(claims=claims), policy) == (
        "hold",
        "confidence",
        "confidence 59 (says b), below 60 ([guard] min_confidence)",
    )
    assert judge(facts(), policy).is_plain  # the type says 70
    void = (Claim("a", confidence=99, expires=NOW), Claim("b", confidence=10))
    assert decided(facts(claims=void), policy)[1] == "confidence"


def test_the_guard_can_be_turned_off() -> None:
    known = facts(own="example", lists=(listed("top-1m"),))
    assert judge(known, Policy(enabled=False)) == Verdict()
    (step,) = explain(known, Policy(enabled=False))
    assert step.outcome == "publish"
    assert "nothing is judged" in step.text


@pytest.mark.parametrize(
    "known",
    [
        {"lists": (listed("top-1m"),)},
        {"key": Key(ADDRESS, "10.1.2.3")},
        {"key": Key(ADDRESS, "192.0.0.0/15")},
        {"claims": (Claim("feed", review=True),)},
        {"claims": (Claim("feed", confidence=0),)},
        {"prevalence": Prevalence(500, 9_999, 7)},
    ],
)
def test_a_release_overrides_every_doubt(known: dict[str, Any]) -> None:
    policy = Policy(min_confidence=1)
    assert judge(facts(**known), policy).outcome is not Outcome.PUBLISH
    released = facts(**known, rulings=(ruled("release"),))
    assert judge(released, policy).outcome is Outcome.PUBLISH
    assert explain(released, policy)[-1].text.startswith("released by mira")


def test_the_more_specific_of_hold_and_release_counts() -> None:
    hold, release = ruled("hold", below=True), ruled("release", number=2)
    assert judge(facts(rulings=(release, hold)), POLICY).outcome is Outcome.PUBLISH
    assert judge(facts(rulings=(hold, release)), POLICY).outcome is Outcome.HOLD


def test_a_release_does_not_bring_back_what_is_void() -> None:
    known = facts(claims=(Claim("feed", expires=NOW - 1),), rulings=(ruled("release"),))
    assert decided(known)[1] == "expired"


# -- properties -----------------------------------------------------------------------------------

KEYS = st.sampled_from(
    [
        BAD,
        Key(IndicatorType.HOSTNAME, "a.evil.example"),
        Key(ADDRESS, "192.0.2.1"),
        Key(ADDRESS, "10.0.0.1"),
        Key(ADDRESS, "127.0.0.1"),
        Key(ADDRESS, "192.0.0.0/12"),
        Key(IndicatorType.JA3, "ab" * 16),
        Key(IndicatorType.URL, "10.0.0.1/a"),
    ]
)
TIMES = st.sampled_from([0, NOW - 200 * DAY, NOW - 1, NOW, NOW + 1])
CLAIMS = st.builds(
    Claim,
    source=st.sampled_from("abc"),
    changed=TIMES,
    expires=TIMES,
    confidence=st.sampled_from([-1, 0, 40, 90]),
    age_s=st.sampled_from([0, DAY, 300 * DAY]),
    review=st.booleans(),
)
RULINGS = st.builds(
    ruled,
    st.sampled_from(RulingKind),
    number=st.integers(1, 9),
    until=st.sampled_from([0, NOW + 9]),
)
FACTS = st.builds(
    Facts,
    key=KEYS,
    claims=st.lists(CLAIMS, min_size=1, max_size=4).map(tuple),
    lists=st.lists(
        st.builds(
            ListHit, st.sampled_from("xyz"), st.booleans(), st.just("example"), st.booleans()
        ),
        max_size=3,
    ).map(tuple),
    suffix=st.sampled_from(Suffix),
    own=st.sampled_from(["", "", "", "example"]),
    rulings=st.lists(RULINGS, max_size=3).map(tuple),
    is_new=st.booleans(),
    prevalence=st.none()
    | st.builds(Prevalence, st.integers(0, 20), st.integers(0, 99), st.just(7)),
    now=st.just(NOW),
)
POLICIES = st.builds(
    Policy,
    min_confidence=st.sampled_from([0, 50]),
    prevalence_hosts=st.sampled_from([0, 1, 10]),
    age_s=st.sampled_from([{}, {"domain": 100 * DAY, "ip-dst": DAY}]),
)
quickly = settings(max_examples=150, deadline=None)


def with_ruling(known: Facts, kind: RulingKind) -> Facts:
    fields = {name: getattr(known, name) for name in known.__struct_fields__}
    return Facts(**{**fields, "rulings": (ruled(kind.value, number=99), *known.rulings)})


@quickly
@given(known=FACTS, policy=POLICIES, seed=st.integers(0, 99))
def test_the_order_of_claims_and_lists_does_not_matter(
    known: Facts, policy: Policy, seed: int
) -> None:
    fields = {name: getattr(known, name) for name in known.__struct_fields__}
    shuffled = random.Random(seed)
    for name in ("claims", "lists"):
        items = list(fields[name])
        shuffled.shuffle(items)
        fields[name] = tuple(items)
    assert judge(Facts(**fields), policy) == judge(known, policy)
    assert explain(Facts(**fields), policy) == explain(known, policy)


@quickly
@given(known=FACTS, policy=POLICIES)
def test_what_explains_is_what_decides(known: Facts, policy: Policy) -> None:
    verdict, said = judge(known, policy), explain(known, policy)
    assert [step.test for step in said] == list(TESTS)[: len(said)]
    assert [step.decides for step in said] == [False] * (len(said) - 1) + [True]
    assert said[-1].outcome == verdict.outcome
    assert verdict.test in (said[-1].test, "")
    assert verdict.reason in (said[-1].text, "")
    assert bool(verdict.reason) == bool(verdict.test)
    if verdict.outcome is not Outcome.PUBLISH:
        assert verdict.reason


@quickly
@given(known=FACTS, policy=POLICIES)
def test_allowing_never_publishes(known: Facts, policy: Policy) -> None:
    verdict = judge(with_ruling(known, RulingKind.ALLOW), policy)
    assert (verdict.outcome, verdict.test) == (Outcome.DROP, "allow")


@quickly
@given(known=FACTS, policy=POLICIES)
def test_denying_publishes_but_what_is_allowed_ours_impossible_or_held(
    known: Facts, policy: Policy
) -> None:
    verdict = judge(with_ruling(known, RulingKind.DENY), policy)
    if verdict.outcome is not Outcome.PUBLISH:
        assert verdict.test in ("allow", "own", "impossible", "hold")


@quickly
@given(known=FACTS, policy=POLICIES)
def test_what_is_due_is_ahead(known: Facts, policy: Policy) -> None:
    due = judge(known, policy).due
    assert due == 0 or due > known.now
