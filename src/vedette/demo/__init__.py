"""``vedette demo``: the main job end to end on this machine, with a real engine.

Its MISP is the fake one of :mod:`vedette.testing`; the real TweetFeed feed is pulled where it is
at hand.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from vedette.config import TEMPLATE, load
from vedette.demo import traffic
from vedette.demo.misp import FEED, SOURCE, Told, demo_misp, told
from vedette.demo.past import NAME as UNKNOWN
from vedette.demo.past import Past, look_back
from vedette.errors import ProofError, SensorError
from vedette.files import write_atomically
from vedette.model import IndicatorType, Outcome
from vedette.pipeline.building import build
from vedette.pipeline.delivering import push_current
from vedette.pipeline.feeding_back import feed_back
from vedette.pipeline.fetching_lists import fetch_lists
from vedette.pipeline.hub import Hub
from vedette.pipeline.pulling import pull
from vedette.pipeline.watching import read_hits
from vedette.ruleset.manifest import Manifest
from vedette.sensor.push import Pushed
from vedette.store import HitRecord, Judged, PullSummary, TestCount, Wanted
from vedette.testing.engine import Engine, Live, find_engine
from vedette.testing.fake_misp import FakeMisp

__all__ = ["FEED", "Story", "count_of", "tell"]

_TWEETFEED = Path("data/misp/tweetfeed-feed.tar.zst")
_SERIES = ("8", "7")
_WAIT_FOR_ALERTS_S = 20.0
_POLL_S = 0.25

# What the infected client does; each value is in an event of our MISP.
_DOMAIN = "wWw.UpDaTe-CdN.eXaMpLe"  # listed: update-cdn.example; resolvers mix the case
_HOST = "files.update-cdn.example"
_PATH = "/stage2/loader.bin?id=7"
_USER_AGENT = "Mozilla/5.0 (compatible; Loader/2.1)"
_SNI = "panel.relay-node.example"
_EXPECTED_HITS = 4

Say = Callable[[str], None]


class Story(Struct, kw_only=True):
    """What happened, for the summary."""

    engine: str
    pulls: list[PullSummary]
    manifest: Manifest
    pushed: Pushed
    kept_off: list[Judged]
    """What our MISP lists and the guard keeps off the sensors."""
    withheld: list[TestCount]
    """What the guard keeps off the sensors or narrows, of all sources, by test."""
    hits: list[HitRecord]
    past: Past | None
    """None without the memory's extra."""
    told: list[Told]
    """What MISP knows of it in the end."""
    seconds: float
    directory: str


def tell(directory: Path | None, series: str, say: Say) -> Story:
    """Pull, build, push, prove, send traffic and read the hits.

    Args:
        directory: Where to work and leave everything; None for a temporary directory.
        series: ``7`` or ``8``; ``""`` takes what is there.
        say: Called with one line before each step.

    Raises:
        SensorError: There is no engine, or this user may not capture on loopback.
        ProofError: The engine does not hold what was published, or saw nothing.
    """
    engine = _engine(series)
    if os.geteuid() != 0:
        raise SensorError(
            "the demo lets Suricata watch the loopback interface, and that needs root",
            hint="Run: sudo make demo. Pulling, building and `suricata -T` need no root.",
        )
    started = time.monotonic()
    with ExitStack() as stack:
        home = (
            directory.absolute()
            if directory
            else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vedette-demo-")))
        )
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "vedette.toml").exists():
            write_atomically(home / "vedette.toml", [_settings().encode()])
        hub = stack.enter_context(Hub(load(home / "vedette.toml")))
        story = _play(hub, home, engine, say, stack)
    story.seconds = round(time.monotonic() - started, 1)
    return story


def _engine(series: str) -> Engine:
    for one in (series,) if series else _SERIES:
        if engine := find_engine(one):
            return engine
    wanted = f"Suricata {series}" if series else "Suricata"
    raise SensorError(
        f"no {wanted} was found for the demo",
        hint="Run: tools/engines.sh (or make demo, which runs it): it unpacks Debian's packages"
        " beside your system and changes nothing else.",
    )


def _settings() -> str:
    """The template, and whom to tell of hits."""
    return TEMPLATE.replace("[feedback]\n", f'[feedback]\nsources = ["{SOURCE}"]\n', 1)


def _play(hub: Hub, home: Path, engine: Engine, say: Say, stack: ExitStack) -> Story:
    began_at = datetime.now(UTC)
    say("starting a MISP with three events, and pulling them with a key over its API")
    misp = stack.enter_context(demo_misp(home))
    pulls = [_pull_misp(hub, misp, home)]
    say("fetching MISP's warning lists")
    fetch_lists(hub, SOURCE)
    if (real := _tweetfeed()) is not None:
        say("pulling the real TweetFeed MISP feed (110,682 attributes)")
        pulls.append(_pull(hub, "tweetfeed", real))
    say("judging each indicator, and compiling what passes to datasets, one rule for each buffer")
    built = build(hub)
    say(f"starting a real Suricata {'.'.join(map(str, engine.version))} on loopback")
    rules = home / "rules"
    live = stack.enter_context(_running(engine, rules))
    _add_sensor(hub, rules, live)
    say("pushing the generation to the running engine and proving that it holds it")
    pushed = push_current(hub, "loopback")
    if not pushed.proof.ok:
        failed = ", ".join(check.name for check in pushed.proof.failed)
        raise ProofError(f"the engine does not hold generation {pushed.generation}: {failed}")
    say("behaving like an infected client: a DNS query, a download, a TLS session")
    traffic.ask(UNKNOWN)
    traffic.ask(_DOMAIN)
    traffic.browse(_HOST, _PATH, _USER_AGENT)
    traffic.greet(_SNI)
    say("reading the engine's alerts")
    hits = _hits(hub, began_at)
    past = look_back(hub, misp, live.eve, "loopback", say, since=began_at)
    say("telling MISP what its indicators met")
    feed_back(hub, anyway=True)
    return Story(
        engine=".".join(map(str, engine.version)),
        pulls=pulls,
        manifest=built.manifest,
        pushed=pushed,
        kept_off=hub.store.inbox.judged(Outcome.DROP, Wanted(source=SOURCE)),
        withheld=hub.store.inbox.tests(),
        hits=hits,
        past=past,
        told=told(misp),
        seconds=0,
        directory=str(home),
    )


def _pull_misp(hub: Hub, misp: FakeMisp, home: Path) -> PullSummary:
    if SOURCE in {record.name for record in hub.store.sources()}:
        hub.store.remove_source(SOURCE)  # of an earlier demo here, whose MISP had another port
    settings = {"url": misp.url, "key_file": str(home / "misp.key")}
    hub.store.add_source(SOURCE, "misp", settings, 900)
    return pull(hub, SOURCE)


def _pull(hub: Hub, name: str, location: Path) -> PullSummary:
    if name not in {record.name for record in hub.store.sources()}:
        hub.store.add_source(name, "misp-feed", {"location": str(location)}, 900)
    return pull(hub, name)


def _tweetfeed() -> Path | None:
    """The real feed, where it is at hand: $VEDETTE_SHARED, or ``shared`` beside this checkout."""
    beside = Path(__file__).resolve().parents[4] / "shared"
    place = Path(os.environ.get("VEDETTE_SHARED") or beside) / _TWEETFEED
    return place if place.is_file() else None


@contextmanager
def _running(engine: Engine, rules: Path) -> Iterator[Live]:
    rules.mkdir(exist_ok=True)
    with engine.live(rules, "current/vedette.rules") as live:
        yield live


def _add_sensor(hub: Hub, rules: Path, live: Live) -> None:
    if "loopback" in {record.name for record in hub.store.fleet.sensors()}:
        hub.store.fleet.remove_sensor("loopback")
    settings = {"socket": str(live.socket), "rules": str(rules), "eve": str(live.eve)}
    hub.store.fleet.add_sensor("loopback", settings)


def _hits(hub: Hub, since: datetime) -> list[HitRecord]:
    """Wait for the alerts of this demo, not those of an earlier one in this directory."""
    deadline = time.monotonic() + _WAIT_FOR_ALERTS_S
    while True:
        read_hits(hub, "loopback")
        hits = hub.store.fleet.hits(since=since, sensor="loopback", origins=("live", "eve"))
        if len({hit.type for hit in hits}) >= _EXPECTED_HITS:
            return hits
        if time.monotonic() > deadline:
            if hits:
                return hits
            raise ProofError(
                "the engine holds the generation, but no alert came within"
                f" {_WAIT_FOR_ALERTS_S:.0f} s",
                hint="Is another packet filter or a container policy hiding loopback traffic?",
            )
        time.sleep(_POLL_S)


def count_of(manifest: Manifest) -> tuple[int, int]:
    """Indicators in a generation, and how many types they are of."""
    counts = {IndicatorType(kind): n for kind, n in manifest.counts.items() if n}
    return sum(counts.values()), len(counts)
