"""The chain of tests that decides about an indicator: pure, ordered, each with its reason.

Hard rule: the first test that decides wins, and :func:`explain` runs the very functions that
:func:`judge` runs. What a test does not know it does not guess: facts are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from vedette.guard.addresses import impossible, internal, wide
from vedette.guard.confidence import UNSURE_BELOW, confidence
from vedette.guard.facts import Facts, Suffix
from vedette.guard.hosts import Network, host_of, network_of
from vedette.guard.policy import Policy
from vedette.guard.validity import live, void_at, why_void
from vedette.guard.words import day, hosts, plural, said
from vedette.model import IndicatorType, Outcome, Ruling, RulingKind, Verdict

SHARED = frozenset({"dynamic-dns", "lots-project"})
"""Warning lists whose members are hosters or dynamic DNS: the public suffix list lacks many."""
LABEL = "label"
PASS = "pass"  # noqa: S105 - an outcome


class Step(NamedTuple):
    """What one test said."""

    test: str
    outcome: str
    """``pass``, ``label``, or the :class:`Outcome` that it decided on."""
    text: str
    """One line for people."""

    @property
    def decides(self) -> bool:
        """Whether no test after it counts."""
        return self.outcome not in (PASS, LABEL)


Finding = tuple[str, str]
"""Outcome and text of a test."""
Test = Callable[[Facts, Policy], Finding]


def judge(facts: Facts, policy: Policy) -> Verdict:
    """Decide about one indicator. The same facts give the same verdict, in whatever order."""
    if not policy.enabled:
        return Verdict()
    *_, last = steps(facts, policy)
    is_plain = last.test == _LAST
    return Verdict(
        outcome=Outcome(last.outcome),
        test="" if is_plain else last.test,
        reason="" if is_plain else last.text,
        labels=labels_of(facts),
        due=_due(facts, policy),
    )


def explain(facts: Facts, policy: Policy) -> list[Step]:
    """The tests up to the one that decided, which is the last; each with what it found."""
    if not policy.enabled:
        return [Step("guard", Outcome.PUBLISH.value, "[guard] enabled is false: nothing is judged")]
    return list(steps(facts, policy))


def steps(facts: Facts, policy: Policy) -> Iterator[Step]:
    """Yield the tests in their order, up to and including the first that decides."""
    for name, test in TESTS.items():
        step = Step(name, *test(facts, policy))
        yield step
        if step.decides:
            return


def labels_of(facts: Facts) -> tuple[str, ...]:
    """Names of the warning lists that the indicator is on, or below a member of."""
    return tuple(sorted({hit.list for hit in facts.lists}))


# -- the tests, in order ------------------------------------------------------------------------


def _labels(facts: Facts, _policy: Policy) -> Finding:
    if not facts.lists:
        return PASS, "on no warning list"
    shown = ", ".join(
        sorted(f"{hit.list}" + ("" if hit.itself else f" ({hit.member})") for hit in facts.lists)
    )
    return LABEL, f"on warning lists: {shown}"


def _allow(facts: Facts, _policy: Policy) -> Finding:
    if ruling := _ruling(facts, RulingKind.ALLOW):
        return Outcome.DROP.value, f"allowed {said(ruling)}"
    return PASS, "nobody allowed it"


def _impossible(facts: Facts, _policy: Policy) -> Finding:
    if facts.suffix is Suffix.ICANN and facts.key.type is IndicatorType.DOMAIN:
        return Outcome.DROP.value, "a public suffix: every name below it would alert"
    if (network := _network(facts)) and (why := impossible(network)):
        return Outcome.DROP.value, why
    return PASS, "a value that one party can have"


def _own(facts: Facts, _policy: Policy) -> Finding:
    if facts.own:
        return Outcome.DROP.value, f"our own: {facts.own} ([guard] own)"
    return PASS, "not one of our own names or networks"


def _expired(facts: Facts, policy: Policy) -> Finding:
    counting = live(facts, policy)
    if counting:
        ends = [at for claim in counting if (at := void_at(claim, facts, policy))]
        if len(ends) == len(counting):
            return PASS, f"valid until {day(max(ends))}"
        return PASS, "does not expire"
    if not facts.claims:
        return PASS, "no source lists it"
    last = max(facts.claims, key=lambda claim: (void_at(claim, facts, policy), claim))
    why = why_void(last, facts, policy)
    if ruling := _ruling(facts, RulingKind.DENY):
        return PASS, f"{why}, but denied {said(ruling)}"
    return Outcome.DROP.value, why


def _hold(facts: Facts, _policy: Policy) -> Finding:
    ruling = _held_or_released(facts)
    if ruling and ruling.kind is RulingKind.HOLD:
        return Outcome.HOLD.value, f"held {said(ruling)}"
    return PASS, "nobody holds it"


def _deny(facts: Facts, _policy: Policy) -> Finding:
    if ruling := _ruling(facts, RulingKind.DENY):
        return Outcome.PUBLISH.value, f"denied {said(ruling)}"
    return PASS, "nobody denied it"


def _curated(facts: Facts, _policy: Policy) -> Finding:
    hits = [hit for hit in facts.lists if hit.curated and hit.itself]
    if not hits:
        return PASS, "not itself a member of a list whose members are dropped"
    names = ", ".join(sorted({hit.list for hit in hits}))
    return _unless_released(facts, Outcome.DROP, f"itself a member of {names}")


def _internal(facts: Facts, _policy: Policy) -> Finding:
    if (network := _network(facts)) and (why := internal(network)):
        return _unless_released(facts, Outcome.DROP, why)
    return PASS, "no address of internal networks"


def _wide(facts: Facts, _policy: Policy) -> Finding:
    if (network := _network(facts)) and (why := wide(network)):
        return _unless_released(facts, Outcome.HOLD, why)
    return PASS, "no wide network"


def _confidence(facts: Facts, policy: Policy) -> Finding:
    sure, text = _how_sure(facts, policy)
    if sure < policy.min_confidence:
        why = f"{text}, below {policy.min_confidence} ([guard] min_confidence)"
        return _unless_released(facts, Outcome.HOLD, why)
    return PASS, text


def _review(facts: Facts, policy: Policy) -> Finding:
    if not facts.is_new:
        return PASS, "was published before"
    counting = live(facts, policy) or facts.claims
    if not counting or not all(claim.review for claim in counting):
        return PASS, "a source that needs no review lists it"
    sources = ", ".join(sorted({claim.source for claim in counting}))
    why = f"new in {sources}, whose new indicators wait for a person"
    return _unless_released(facts, Outcome.HOLD, why)


def _shared(facts: Facts, _policy: Policy) -> Finding:
    if facts.key.type is not IndicatorType.DOMAIN:
        return PASS, "no names below it are meant"
    where = sorted({hit.list for hit in facts.lists if hit.itself and hit.list in SHARED})
    if facts.suffix is Suffix.PRIVATE:
        where.insert(0, "the public suffix list")
    if where:
        why = f"names below it belong to others ({', '.join(where)}): only it itself is matched"
        return Outcome.EXACT.value, why
    return PASS, "names below it are its own"


def _prevalence(facts: Facts, policy: Policy) -> Finding:
    met = facts.prevalence
    if not facts.is_new:
        known = f"; met by {hosts(met.hosts)} when it came" if met else ""
        return PASS, f"was published before{known}"
    if not policy.prevalence_hosts:
        return PASS, "prevalence does not hold anything ([guard] prevalence_hosts = 0)"
    if met is None:
        return PASS, "the memory was not asked, or could not answer"
    sure, _ = _how_sure(facts, policy)
    threshold = policy.prevalence_hosts if sure >= UNSURE_BELOW else 1
    if met.hosts == 0:
        return PASS, f"met by no host of ours within {plural(met.days, 'day')}"
    why = (
        f"met by {hosts(met.hosts)} within {plural(met.days, 'day')} ({plural(met.times, 'time')})"
    )
    if met.hosts < threshold:
        return PASS, f"{why}: fewer than {threshold}"
    if sure < UNSURE_BELOW:
        why += f", and confidence is only {sure}"
    return _unless_released(facts, Outcome.HOLD, why)


def _end(facts: Facts, _policy: Policy) -> Finding:
    if released := _released(facts):
        return Outcome.PUBLISH.value, f"released {said(released)}"
    return Outcome.PUBLISH.value, "nothing speaks against it"


_LAST = "publish"
TESTS: dict[str, Test] = {
    "labels": _labels,
    "allow": _allow,
    "impossible": _impossible,
    "own": _own,
    "expired": _expired,
    "hold": _hold,
    "deny": _deny,
    "warninglist": _curated,
    "internal": _internal,
    "wide": _wide,
    "confidence": _confidence,
    "review": _review,
    "shared": _shared,
    "prevalence": _prevalence,
    _LAST: _end,
}
"""In their order; ``labels`` never decides, ``publish`` always does."""


# -- what they look at --------------------------------------------------------------------------


def _ruling(facts: Facts, kind: RulingKind) -> Ruling | None:
    """The most specific ruling of a kind."""
    return next((ruling for ruling in facts.rulings if ruling.kind is kind), None)


def _held_or_released(facts: Facts) -> Ruling | None:
    """The more specific of a hold and a release."""
    kinds = (RulingKind.HOLD, RulingKind.RELEASE)
    return next((ruling for ruling in facts.rulings if ruling.kind in kinds), None)


def _released(facts: Facts) -> Ruling | None:
    ruling = _held_or_released(facts)
    return ruling if ruling and ruling.kind is RulingKind.RELEASE else None


def _unless_released(facts: Facts, outcome: Outcome, why: str) -> Finding:
    if ruling := _released(facts):
        return PASS, f"{why}; released {said(ruling)}"
    return outcome.value, why


def _network(facts: Facts) -> Network | None:
    return network_of(host) if (host := host_of(facts.key)) else None


def _how_sure(facts: Facts, policy: Policy) -> tuple[int, str]:
    claims = live(facts, policy) or facts.claims
    sure, who = confidence(claims, policy.confidence[facts.key.type.value])
    return sure, f"confidence {sure} ({f'says {who}' if who else f'type {facts.key.type.value}'})"


def _due(facts: Facts, policy: Policy) -> int:
    """When time alone may change the verdict: a claim becomes void, or a ruling ends."""
    ends = [void_at(claim, facts, policy) for claim in facts.claims]
    ends += [ruling.until for ruling in facts.rulings]
    return min((at for at in ends if at > facts.now), default=0)
