"""Until when a claim counts: what its source says, or the age that it may reach; pure."""

from __future__ import annotations

from vedette.guard.facts import Claim, Facts
from vedette.guard.policy import Policy
from vedette.guard.words import day, span


def void_at(claim: Claim, facts: Facts, policy: Policy) -> int:
    """From when on a claim says nothing any more, epoch seconds; 0: never.

    An age by the source's rules goes before the one of the type.
    """
    age_s = _age_s(claim, facts, policy)
    aged = claim.changed + age_s if age_s and claim.changed > 0 else 0
    if claim.expires > 0 and aged:
        return min(claim.expires, aged)
    return max(claim.expires, aged, 0)


def live(facts: Facts, policy: Policy) -> list[Claim]:
    """The claims that count now."""
    return [claim for claim in facts.claims if not 0 < void_at(claim, facts, policy) <= facts.now]


def why_void(claim: Claim, facts: Facts, policy: Policy) -> str:
    """Why a claim does not count any more."""
    at = void_at(claim, facts, policy)
    if at == claim.expires:
        return f"expired on {day(at)}, says {claim.source}"
    whose = f"rules of {claim.source}" if claim.age_s else "[guard.age]"
    return (
        f"last changed on {day(claim.changed)} in {claim.source}:"
        f" older than {span(_age_s(claim, facts, policy))} ({whose})"
    )


def _age_s(claim: Claim, facts: Facts, policy: Policy) -> int:
    return claim.age_s or policy.age_s.get(facts.key.type.value, 0)
