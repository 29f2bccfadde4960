"""How sources, sensors and feedback stand, in the words in which people are told."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vedette.notify.wording import Condition
from vedette.pipeline.hub import Hub
from vedette.sensor.proof import Proof

_PATIENCE_S = 3_600
"""A MISP that cannot be told for less is no news: it gets everything when it answers."""


def conditions(hub: Hub, now: int) -> Iterator[Condition]:
    """Yield everything that can go wrong, whether it has or not."""
    yield from _sources(hub)
    yield from _sensors(hub)
    yield from _feedback(hub, now)


def _sources(hub: Hub) -> Iterator[Condition]:
    for source in hub.store.sources():
        pull = source.last_pull
        if pull is None:
            continue
        state = pull.outcome if pull.outcome in {"failed", "held"} else ""
        titles = {
            "": f"source {source.name} is read again",
            "failed": f"source {source.name} cannot be read",
            "held": f"source {source.name} is held",
        }
        text = pull.error or f"{pull.entries:,} entries"
        yield Condition(
            kind="source",
            subject=source.name,
            state=state,
            title=titles[state],
            text=f"{text}; what it said before stays in force" if state else text,
            command=f"vedette source show {source.name}",
        )


def _sensors(hub: Hub) -> Iterator[Condition]:
    silent = {one.subject: one.text for one in hub.store.news.troubles() if one.kind == "proof"}
    for record in hub.store.fleet.sensors():
        name = record.name
        if name in silent:
            state, title = "silent", f"sensor {name} does not answer"
            text = silent[name]
        elif record.proof is None:
            continue
        else:
            proof = msgspec.convert(record.proof, type=Proof)
            state = "" if proof.ok else "failed"
            holds = "holds" if proof.ok else "does not hold"
            title = f"sensor {name} {holds} generation {proof.generation}"
            text = "failed: " + ", ".join(one.name for one in proof.failed) if state else "proved"
        yield Condition(
            kind="proof",
            subject=name,
            state=state,
            title=title,
            text=text,
            command=f"vedette sensor prove {name}",
        )


def _feedback(hub: Hub, now: int) -> Iterator[Condition]:
    for source in hub.settings.feedback.sources:
        one = hub.store.outbox.addressee(source, now)
        is_down = 0 < one.failing_since < now - _PATIENCE_S
        state = "forbidden" if one.forbidden else "failed" if is_down else ""
        title = "takes no sightings" if state else "takes sightings"
        yield Condition(
            kind="feedback",
            subject=source,
            state=state,
            title=f"MISP {source} {title}",
            text=f"{one.error}; {one.waiting:,} wait" if state else f"{one.waiting:,} wait",
            command="vedette feedback status",
        )
        if one.refused:
            yield Condition(
                kind="feedback",
                subject=f"{source}/refused",
                state=str(one.refused),
                title=f"MISP {source} refused sightings for good",
                text="; ".join(
                    f"{n:,}: {reason}" for reason, n in hub.store.outbox.refusals(source).items()
                ),
                command="vedette feedback status",
            )
