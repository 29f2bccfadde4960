"""Whatever happened in whatever order: what is published is what the chain says of what is listed.

Beside the store runs a model that knows only what the sources list, what people decided and what
was on the sensors; after each build its verdicts, computed from nothing, must be those of the
guard, and the bundle that grew change by change must be the one that is built whole.
"""

from __future__ import annotations

import base64
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vedette.bundle.builder import Builder, BuildResult
from vedette.config import BundleSettings, GuardSettings, Settings
from vedette.errors import PoolError
from vedette.guard.chain import judge
from vedette.model import (
    Context,
    Fetched,
    Indicator,
    IndicatorType,
    Key,
    Outcome,
    RulingKind,
    SourceRules,
    Unchanged,
    Verdict,
)
from vedette.pipeline.building import build, targets
from vedette.pipeline.figures import Asker
from vedette.pipeline.guarding import guard
from vedette.pipeline.hub import Hub
from vedette.pipeline.judging import Basis
from vedette.ruleset.levels import by_level
from vedette.store.claims import ClaimRow, Place
from vedette.store.keys import from_skey, to_skey
from vedette.store.verdicts import Figure

T = IndicatorType
START = 1_790_000_000
HOUR = 3_600
STEPS = 200
LEVELS = ("high", "medium", "low")
SOURCES = ("a", "b", "c")
GROUPS = ("e1", "e2", "e3")
POPULAR = ("google.com", "bing.com")
NAMES = [
    *POPULAR,
    *(f"{sub}{name}" for name in ("one.example", "two.example") for sub in ("", "x.", "y.x.")),
    *("duckdns.org", "me.duckdns.org", "a.me.duckdns.org", "co.uk", "ours.example"),
    *("mail.ours.example", "x.google.com", "github.io"),
    *(f"n{number}.example" for number in range(40)),
    *(f"www.n{number}.example" for number in range(0, 40, 3)),
]
UNIVERSE = [
    *(Key(T.DOMAIN, name) for name in NAMES),
    *(Key(T.HOSTNAME, name) for name in NAMES[::2]),
    *(Key(T.IP_DST, f"198.51.100.{number}") for number in range(30)),
    *(Key(T.IP_DST, value) for value in ("198.51.100.0/28", "10.0.0.1", "8.8.8.8", "127.0.0.1")),
    *(Key(T.IP_DST_PORT, f"198.51.100.{number},443") for number in range(8)),
    *(Key(T.URL, f"{name}/{number}") for number, name in enumerate(NAMES[:24])),
    *(Key(T.MD5, f"{number:032x}") for number in range(30)),
    *(Key(T.JA3, f"{number:032x}") for number in range(30)),
    *(Key(T.EMAIL_SRC, f"boss@{name}") for name in NAMES[:16]),
]
POLICIES = (
    {},
    {"own": ("ours.example", "198.51.100.16/29")},
    {"min_confidence": 50},
    {"age": {"domain": "20d", "ip-dst": "5d"}},
    {"drop_lists": ("whats-my-ip",), "keep_lists": ("alexa",)},
    {"prevalence_hosts": 0},
    {"enabled": False},
)


@dataclass
class Memory(Asker):
    """Who met what, out of a dictionary; or nobody answers."""

    met: dict[Key, int] = field(default_factory=dict)
    answers: bool = True

    def has_memory(self) -> bool:
        return True

    def figures(self, hub: Hub, places: Iterable[Place]) -> Iterator[tuple[Place, Figure]]:
        if not self.answers:
            raise PoolError("it does not answer", hint="Wait.")
        for kind, skey in places:
            if hosts := self.met.get(from_skey(T(kind), skey)):
                yield (kind, skey), Figure(hosts, hosts * 3, hub.settings.guard.prevalence_days)


class World:
    """A store, and what it ought to lead to."""

    def __init__(self, path: Path, seed: int, *, priorities: bool) -> None:
        self.path, self.chance = path, random.Random(seed)
        self.bundle = BundleSettings(priorities=priorities)
        self.policy: dict[str, object] = {}
        self.now = START
        self.hub = self._open()
        self.memory = Memory(met={key: self.chance.choice([1, 40]) for key in self.some(40)})
        self.known: set[Key] = set()
        """What was listed when the memory was asked last."""
        self.withheld: dict[Key, bool] = {}
        """What is on no sensor, and whether it never was."""
        self.published: set[Key] = set()
        self.verdicts: dict[Key, Verdict] = {}

    def _open(self) -> Hub:
        chosen = GuardSettings(warning_lists=str(self.path / "lists"), **self.policy)  # type: ignore[arg-type]
        return Hub(Settings(home=str(self.path), guard=chosen, bundle=self.bundle)).__enter__()

    def close(self) -> None:
        self.hub.__exit__(None, None, None)

    def some(self, most: int) -> list[Key]:
        return self.chance.sample(UNIVERSE, self.chance.randint(1, most))

    # -- what may happen ----------------------------------------------------------------------

    def pull(self) -> None:
        """Let a source fetch some events anew, keep others and lose the rest."""
        store, chance = self.hub.store, self.chance
        name = chance.choice(SOURCES)
        if name not in {record.name for record in store.sources()}:
            store.add_source(name, "list", {}, 900)
        running = store.pull(name, accept=True)
        versions = running.known()
        for group in GROUPS:
            what = chance.random()
            if group in versions and what < 0.4:
                running.take(Unchanged(group))
            elif what < 0.9:
                for key in self.some(60):
                    running.take(self._claim(key, group))
                running.take(Fetched(group, str(chance.random())))
        running.finish(accept=True)

    def _claim(self, key: Key, group: str) -> Indicator:
        chance = self.chance
        level = chance.choice(["", *LEVELS]) if self.bundle.priorities else ""
        return Indicator(
            type=key.type,
            value=key.value,
            ref=chance.choice(["", "r"]),
            context=Context(key=f"{group}{level}", threat_level=level),
            changed=chance.choice([0, 0, self.now - 3 * 86_400, self.now - 30 * 86_400]),
            expires=chance.choice([0] * 6 + [self.now - 1, self.now + HOUR, self.now + 86_400]),
            confidence=chance.choice([-1] * 6 + [5, 95]),
        )

    def remove_source(self) -> None:
        if sources := self.hub.store.sources():
            self.memory.answers = True
            self.judge()
            self.hub.store.remove_source(self.chance.choice(sources).name)
            self.judge()  # what only the removed source listed is new, should it come back

    def rule_source(self) -> None:
        if sources := self.hub.store.sources():
            rules = SourceRules(
                confidence=self.chance.choice([-1, -1, 10]),
                age=self.chance.choice(["", "", "10d"]),
                review=self.chance.random() < 0.3,
            )
            self.hub.store.set_rules(self.chance.choice(sources).name, rules)

    def decide(self) -> None:
        chance, rulings = self.chance, self.hub.store.rulings
        kind = chance.choice(list(RulingKind))
        key = chance.choice(UNIVERSE)
        value = chance.choice([key.value, "example", "duckdns.org", "198.51.100.0/29"])
        is_typed = value == key.value and chance.random() < 0.5
        opposite = {"allow": "deny", "deny": "allow"}.get(kind.value)
        against = [one for one in rulings.in_force(self.now) if one.kind.value == opposite]
        ended = [one.id for one in against if one.value == value]
        rulings.end(ended, who="m", why="w", now=self.now)
        rulings.add(
            kind,
            value,
            type=key.type.value if is_typed else "",
            below=chance.random() < 0.5,
            who="m",
            why="w",
            until=chance.choice([0, self.now + HOUR, self.now + 5 * 86_400]),
            now=self.now,
        )

    def undo(self) -> None:
        if in_force := self.hub.store.rulings.in_force(self.now):
            some = self.chance.sample(in_force, self.chance.randint(1, len(in_force)))
            self.hub.store.rulings.end([one.id for one in some], who="m", why="w", now=self.now)

    def wait(self) -> None:
        self.now += self.chance.choice([HOUR, 86_400, 6 * 86_400])

    def change_lists(self) -> None:
        lists = {
            "tranco10k": [*POPULAR, "one.example"][: self.chance.randint(1, 3)],
            "alexa": [*POPULAR, "one.example"][: self.chance.randint(1, 3)],
            "whats-my-ip": self.chance.sample(NAMES, 5),
        }
        for name, members in lists.items():
            document = {
                "name": name,
                "type": "hostname",
                "list": members,
                "version": self.chance.randint(1, 10**9),
                "matching_attributes": ["domain", "hostname", "url"],
            }
            (self.path / "lists" / name).mkdir(parents=True, exist_ok=True)
            (self.path / "lists" / name / "list.json").write_text(json.dumps(document))

    def change_policy(self) -> None:
        self.policy = dict(self.chance.choice(POLICIES))
        self.close()
        self.hub = self._open()

    def disturb(self) -> None:
        self.memory.answers = not self.memory.answers

    def meet(self) -> None:
        for key in self.some(20):
            self.memory.met[key] = self.chance.choice([1, 40])

    def judge(self) -> None:
        guard(self.hub, self.memory, now=self.now)
        self.check_verdicts()

    def build(self) -> None:
        whole = self.chance.random() < 0.1
        built = build(self.hub, asker=self.memory, accept=True, whole=whole, now=self.now)
        self.check_verdicts()
        self.check_bundle(built)

    # -- what must be -------------------------------------------------------------------------

    def claims(self) -> dict[Key, list[ClaimRow]]:
        found: dict[Key, list[ClaimRow]] = {}
        for kind, skey, *claim in self.hub.store._db.execute(
            "SELECT type, skey, source_id, changed, expires, confidence FROM entry"
        ):
            found.setdefault(from_skey(T(kind), skey), []).append(ClaimRow(*claim))
        return found

    def expected(self) -> dict[Key, Verdict]:
        """What the chain says of each listed indicator; moves the model on."""
        claims = self.claims()
        basis = Basis.of(self.hub, self.now)
        keys = list(claims)
        hits = dict(zip(keys, basis.index.match_many(keys), strict=True))
        verdicts = {}
        for key in keys:
            skey = to_skey(*key)
            figure = self.hub.store.verdicts.figures_of(key.type, [skey]).get(skey)
            is_new = self.withheld.get(key, key not in self.known)
            facts = basis.facts(key, claims[key], hits[key], figure, is_new=is_new)
            verdicts[key] = judge(facts, basis.policy)
        self.withheld = {
            key: self.withheld.get(key, key not in self.known)
            for key, verdict in verdicts.items()
            if verdict.outcome in (Outcome.HOLD, Outcome.DROP)
        }
        if not self.hub.store.verdicts.mark().unasked_at:  # type: ignore[union-attr]
            self.known = set(claims)
        return verdicts

    def check_verdicts(self) -> None:
        expected = self.expected()
        kept = {
            from_skey(T(kind), skey): (outcome, test, labels)
            for kind, skey, outcome, test, labels in self.hub.store._db.execute(
                "SELECT type, skey, outcome, test, labels FROM verdict"
            )
        }
        wanted = {
            key: (verdict.outcome.value, verdict.test, "\t".join(verdict.labels))
            for key, verdict in expected.items()
            if verdict.test or verdict.labels or verdict.outcome is not Outcome.PUBLISH
        }
        assert kept == wanted
        counts = self.hub.store.inbox.counts(len(expected))
        by = [verdict.outcome for verdict in expected.values()]
        assert counts.published == by.count(Outcome.PUBLISH)
        assert (counts.exact, counts.held) == (by.count(Outcome.EXACT), by.count(Outcome.HOLD))
        assert (counts.dropped, counts.waiting) == (by.count(Outcome.DROP), 0)
        exact = {key.value for key, one in expected.items() if one.outcome is Outcome.EXACT}
        self.verdicts = expected
        self.published = {key for key, one in expected.items() if one.outcome is Outcome.PUBLISH}
        self.published |= {Key(T.HOSTNAME, name) for name in exact}

    def check_bundle(self, built: BuildResult) -> None:
        newest = max(self.hub.settings.bundles.glob("gen-*"))
        whole = self.path / "whole"
        published = self.hub.store.published
        levels = by_level(published) if self.bundle.priorities else None
        Builder(root=whole, targets=targets(self.hub)).build(published, levels=levels)
        assert files(newest) == files(max(whole.glob("gen-*")))
        if levels is None:
            assert members(newest) == set(uncovered(self.published))
        else:
            self.check_levels(newest)
        if built.created:  # what comes below a listed name makes no other files
            assert sum(built.manifest.counts.values()) == len(self.published)

    def check_levels(self, newest: Path) -> None:
        """Look for each indicator where the highest level of its claims says, and only there."""
        said: defaultdict[Key, set[int]] = defaultdict(set)
        for kind, skey, grade in self.hub.store._db.execute("SELECT type, skey, level FROM entry"):
            said[from_skey(T(kind), skey)].add(grade)
        exact = {key for key in self.published if key.type is T.HOSTNAME and self._is_moved(key)}
        at: dict[str, set[Key]] = {"": set(), "high": set(), "low": set()}
        for key in self.published:
            grades = said[key] if self._is_published(key) else set()
            if key in exact:
                grades = grades | said[Key(T.DOMAIN, key.value)]
            highest = min(grades - {0}, default=0) if key.type is not T.IP_DST_PORT else 0
            at[{1: "high", 3: "low"}.get(highest, "")].add(key)
        for level, keys in at.items():
            assert members(newest, level) == set(uncovered(keys))

    def _is_moved(self, key: Key) -> bool:
        verdict = self.verdicts.get(Key(T.DOMAIN, key.value))
        return verdict is not None and verdict.outcome is Outcome.EXACT

    def _is_published(self, key: Key) -> bool:
        return key in self.verdicts and self.verdicts[key].outcome is Outcome.PUBLISH


def files(generation: Path) -> dict[str, bytes]:
    """The datasets by name, but for the one that has the number."""
    return {
        path.name: path.read_bytes()
        for path in (generation / "datasets").iterdir()
        if "generation" not in path.name
    }


def members(generation: Path, level: str = "") -> set[Key]:
    """The indicators that the datasets of a level hold, read without any of our own code."""
    manifest = json.loads((generation / "manifest.json").read_bytes())
    sets = [info for info in manifest["sets"] if info.get("level", "") == level]
    listed_beside = {info["dataset"] for info in sets if info["role"] == "values"}
    found: set[Key] = set()
    for info in sets:
        lines = (generation / "datasets" / info["file"]).read_text().split()
        if info["format"] == "base64":
            lines = [base64.b64decode(line).decode() for line in lines]
        values = {line for line in lines if line != info["canary"]}
        kind = info["indicator_type"]
        if kind and (info["role"] == "values" or kind not in listed_beside):
            plain = (value.removeprefix(".").removeprefix("::ffff:") for value in values)
            found |= {Key(T(kind), value) for value in plain}
    return found


def uncovered(published: Iterable[Key]) -> Iterator[Key]:
    """Names below a published domain are left out of the files: they alert by it."""
    domains = {key.value for key in published if key.type is T.DOMAIN}
    for key in published:
        if key.type not in (T.DOMAIN, T.HOSTNAME):
            yield key
            continue
        labels = key.value.split(".")
        above = {".".join(labels[at:]) for at in range(1, len(labels))}
        if key.type is T.HOSTNAME:
            above.add(key.value)
        if not above & domains:
            yield key


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("priorities", [False, True], ids=["plain", "levels"])
def test_any_sequence(tmp_path: Path, seed: int, *, priorities: bool) -> None:
    world = World(tmp_path, seed, priorities=priorities)
    actions: dict[Callable[[], None], int] = {
        world.pull: 12,
        world.decide: 12,
        world.undo: 2,
        world.wait: 5,
        world.rule_source: 2,
        world.remove_source: 1,
        world.change_lists: 2,
        world.change_policy: 3,
        world.disturb: 2,
        world.meet: 2,
        world.judge: 5,
        world.build: 20,
    }
    world.change_lists()
    try:
        for _ in range(STEPS):
            (action,) = world.chance.choices(list(actions), list(actions.values()))
            action()
        world.build()
    finally:
        world.close()
