"""After a run: what was promised, held against what really was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vedette.testing.fleet.contents import Generation, digests
from vedette.testing.fleet.raw import RawSocket
from vedette.testing.fleet.stage import Stage, remains
from vedette.testing.fleet.truth import Journalled, Seen, Truth
from vedette.testing.fleet.watcher import Answer, Line, Watcher, snapshot

_LOADING_S = 1.0
_SLACK_S = 1.0
"""Of a loaded machine: nobody's answer is late because of that."""
_STALE_S = 6.0
"""Looks come each second; so long may what was proved be something else before it is said."""
_GENERATIONS_MAX = 5
_TEMPORARY = (".new-*", "*.tmp", ".part-*", "*.new", "*.part")


class Off(NamedTuple):
    """Times without an answer to the question for an entry that each generation has, in seconds."""

    longest: float
    own: float
    """The longest that the campaign itself had brought about: killed to started again, frozen."""


def truth_of(stage: Stage, watcher: Watcher) -> Truth:
    """Return what the engine really held."""
    journal = stage.engine.journal
    return Journalled(journal) if journal else Seen(watcher.snapshots)


def judge_end(stage: Stage, wanted: Generation) -> Iterator[str]:
    """Say what is wrong with the sensor and with what the hub says of it, at the end."""
    yield from _engine(stage, wanted)
    yield from _files(stage, wanted)
    yield from _said(stage, wanted)
    yield from _left(stage)


def _engine(stage: Stage, wanted: Generation) -> Iterator[str]:
    with RawSocket(stage.engine.socket) as engine:
        seen = snapshot(engine, stage.catalogue)
        failed = engine.ask("ruleset-stats")["message"][0]["rules_failed"]
    if not seen.is_of(wanted):
        difference = {
            name: (len(seen.held.get(name, ())), len(values))
            for name, values in wanted.sets.items()
        }
        yield f"the engine does not hold exactly {wanted.name}: {difference}"
    if failed:
        yield f"{failed} rules failed in the engine"
    journal = stage.engine.journal
    if journal and Journalled(journal).held(wanted, seen.ended, seen.ended) is not True:
        yield f"the engine's memory is not exactly {wanted.name}"


def _files(stage: Stage, wanted: Generation) -> Iterator[str]:
    rules = stage.sensor.rules
    found = digests(rules / "current")
    if found != wanted.files:
        yield f"the files on disk are not those of {wanted.name}: {sorted(found)}"
    if len(installed := sorted(path.name for path in rules.glob("gen-*"))) > _GENERATIONS_MAX:
        yield f"too many generations stay on the sensor: {installed}"


def _said(stage: Stage, wanted: Generation) -> Iterator[str]:
    report = stage.sensor.status()
    held = (report.get("state"), report.get("content_id"))
    if held != ("proved", wanted.content_id):
        yield f"the agent says {held}: {report.get('why')}"
    said = _listed(stage)
    if (said.get("state"), said.get("generation")) != ("proved", wanted.number):
        yield f"the hub says {said.get('state')} {said.get('generation')}: {said.get('why')}"
    elif (said.get("report") or {}).get("content_id") != wanted.content_id:
        yield "the hub says another content"


def _listed(stage: Stage) -> dict[str, Any]:
    found = stage.hub.ask("sensor", "list")
    return next((one for one in found or () if one["name"] == "s1"), {})


def _left(stage: Stage) -> Iterator[str]:
    for place in (stage.sensor.disk, stage.hub.state):
        if left := remains(place, _TEMPORARY):
            yield f"left behind in {place.name}: {', '.join(left[:5])}"
    staged = stage.sensor.rules / ".fetched"
    if staged.exists() and (left := sorted(path.name for path in staged.iterdir())):
        yield f"fetched files stay: {len(left)}"


def judge_claims(stage: Stage, watcher: Watcher, truth: Truth) -> Iterator[str]:
    """Say which proofs were none."""
    for line in watcher.lines:
        event = line.event
        if event.get("event") == "sensor.proved" and event.get("ok"):
            yield from _proof(stage, truth, line)
    yield from _states(stage, watcher, truth)


def _proof(stage: Stage, truth: Truth, line: Line) -> Iterator[str]:
    number, content = line.event["generation"], line.event.get("content", "")
    began = line.after - float(line.event.get("elapsed_s", 0.2)) - 0.01
    those = _named(stage, number, content)
    said = [truth.held(one, began, line.at) for one in those]
    if not those:
        yield f"a proof of generation {number}, which nobody published"
    elif True not in said and None not in said:
        yield f"generation {number} was 'proved' while the engine did not hold it"


def _named(stage: Stage, number: int, content: str) -> list[Generation]:
    known = stage.catalogue.by_content.values()
    return [g for g in known if g.number == number and g.content_id.startswith(content)]


def _states(stage: Stage, watcher: Watcher, truth: Truth) -> Iterator[str]:
    """Look at how long the agent called a generation proved that the engine did not hold."""
    changes = [line for line in watcher.lines if line.event.get("event") == "state.changed"]
    deaths = sorted(ended for _, ended in stage.sensor.lives)
    for n, line in enumerate(changes):
        if line.event.get("state") != "proved":
            continue
        ends = [one.after for one in changes[n + 1 : n + 2]]
        ends += [death for death in deaths if death > line.at][:1]
        if not ends:
            continue
        for one in _named(stage, int(line.event["generation"]), "")[:1]:
            same = _named(stage, one.number, "")
            wrong = min(truth.longest_without(g, line.at, min(ends)) for g in same)
            if wrong > _STALE_S:
                yield f"generation {one.number} was called proved for {wrong:.1f} s and not held"


def judge_detection(stage: Stage, watcher: Watcher) -> Iterator[str]:
    """Say where the entry that each generation has was not in the engine."""
    began = _first_proof(watcher)
    if began is None:
        return
    answers = [one for one in watcher.answers if one.at > began and not one.failed]
    if absent := list(_absent(answers)):
        yield f"an entry of every generation was not in the engine {len(absent)} times"
    off = off_times(stage, watcher)
    if off.longest > off.own + _SLACK_S:
        own = f"the engine's own restarts took {off.own:.2f} s"
        yield f"no detection for {off.longest:.2f} s; {own}"


def _absent(answers: Sequence[Answer]) -> Iterator[float]:
    """Yield the moments at which the entry was not there.

    Traffic is compared with the rules in force until the next ones are loaded; the socket of a real
    engine answers from those that it is loading. So what it says there is no loss: if other rules
    are in force at once afterwards. The time counts as one without detection all the same.
    """
    for n, one in enumerate(answers):
        if one.is_there:
            continue
        before = next((a for a in reversed(answers[:n]) if a.is_there), None)
        soon = [a for a in answers[n:] if a.at < one.at + _LOADING_S]
        is_back = any(a.is_there for a in soon)
        if not (before and is_back and any(a.loaded_at != before.loaded_at for a in soon)):
            yield one.at


def off_times(stage: Stage, watcher: Watcher) -> Off:
    """Measure the longest time from a question to the next right answer, and our own outages.

    A watcher that the machine did not let run has seen nothing, neither good nor bad.
    """
    began = _first_proof(watcher)
    if began is None:
        return Off(0.0, 0.0)
    outages = [(a, b) for a, b in (*stage.engine.outages, *stage.freezes) if b > began]
    own = max((b - a for a, b in outages), default=0.0)
    longest, since = 0.0, None
    for one in watcher.answers:
        if one.at < began:
            continue
        since = one.asked_at if since is None else since
        if one.is_there:
            longest = max(longest, one.at - since - _overlap(since, one.at, watcher.stalls))
            since = None
    return Off(longest, own)


def _overlap(began: float, ended: float, stalls: Sequence[tuple[float, float]]) -> float:
    return sum(max(0.0, min(ended, b) - max(began, a)) for a, b in stalls)


def _first_proof(watcher: Watcher) -> float | None:
    proofs = (
        line.at
        for line in watcher.lines
        if line.event.get("event") == "sensor.proved" and line.event.get("ok")
    )
    return next(proofs, None)


def judge_processes(stage: Stage) -> Iterator[str]:
    """Say which process ended that nobody had killed, and what was logged as a bug."""
    if not stage.engine.is_alive:
        yield "the engine died"
    if not stage.sensor.is_alive:
        yield "the agent ended by itself"
    if not stage.hub.is_alive:
        yield "the hub ended by itself"
    for log in (stage.sensor.log, stage.hub.home / "serve.log"):
        for error in sorted(_bugs(log.read_text(errors="replace") if log.exists() else "")):
            yield f"a traceback in {log.name}: {error}"


def _bugs(text: str) -> set[str]:
    """Return the last line of each traceback, written plainly or as a member of a JSON line."""
    found: set[str] = set()
    inside = False
    for line in text.replace("\\n", "\n").splitlines():
        if line.lstrip().startswith("Traceback") or "Traceback (most" in line:
            inside = True
        elif inside and line[:1].isalpha():
            found.add(line[:300])
            inside = False
    return found
