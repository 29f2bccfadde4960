"""What reaches a generation: judged, complete, and with the reason for whatever does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.bundle.generation import Generation, open_generation
from vedette.bundle.holding import holds
from vedette.config import GuardSettings, Settings
from vedette.errors import HeldError
from vedette.model import Context, Fetched, Indicator, IndicatorType, Key, RulingKind
from vedette.pipeline import guarding
from vedette.pipeline.building import build
from vedette.pipeline.comparing import compare
from vedette.pipeline.hub import Hub

T = IndicatorType
NOW = 1_790_000_000
OURS = "ours.example"
BAD = [Key(T.DOMAIN, f"bad{n}.example") for n in range(10)]
HARM = {
    Key(T.DOMAIN, "google.com"): "itself a member of",
    Key(T.HOSTNAME, "google.com"): "itself a member of",
    Key(T.DOMAIN, OURS): "our own: ours.example",
    Key(T.HOSTNAME, f"mail.{OURS}"): "our own: ours.example",
    Key(T.URL, f"www.{OURS}/login"): "our own: ours.example",
    Key(T.IP_DST, "203.0.113.9"): "our own: 203.0.113.0/24",
    Key(T.DOMAIN, "com"): "a public suffix",
    Key(T.DOMAIN, "co.uk"): "a public suffix",
    Key(T.IP_DST, "0.0.0.0/0"): "4,294,967,296 addresses",
    Key(T.IP_SRC, "::/0"): "2^128 addresses",
    Key(T.IP_DST, "127.0.0.1"): "loopback",
    Key(T.IP_DST_PORT, "127.0.0.1,443"): "loopback",
    Key(T.IP_DST, "192.168.1.1"): "RFC 1918",
    Key(T.IP_DST, "10.0.0.0/8"): "RFC 1918",
    Key(T.IP_DST, "8.8.8.8"): "itself a member of public-dns-v4",
}
EXACT = Key(T.DOMAIN, "duckdns.org")


def warning_list(directory: Path, name: str, kind: str, *members: str) -> None:
    types = ["domain", "hostname", "url", "ip-src", "ip-dst", "domain|ip"]
    document = {
        "name": name,
        "type": kind,
        "list": members,
        "version": 1,
        "description": "",
        "matching_attributes": types,
    }
    (directory / name).mkdir(parents=True)
    (directory / name / "list.json").write_text(json.dumps(document))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    lists = tmp_path / "lists"
    warning_list(lists, "tranco10k", "hostname", "google.com", "github.com")
    warning_list(lists, "alexa", "hostname", "google.com")
    warning_list(lists, "public-dns-v4", "cidr", "8.8.8.8")
    guard = GuardSettings(own=(OURS, "203.0.113.0/24"), warning_lists=str(lists))
    with Hub(Settings(home=str(tmp_path), guard=guard)) as opened:
        yield opened


def pull(hub: Hub, *keys: Key, expires: int = 0) -> None:
    """Let a feed list exactly these, whatever a real one's parser would refuse."""
    if not hub.store.sources():
        hub.store.add_source("hostile", "list", {}, 900)
    running = hub.store.pull("hostile")
    for key in keys:
        running.take(
            Indicator(
                type=key.type, value=key.value, ref="", context=Context(key=""), expires=expires
            )
        )
    running.take(Fetched("", f"{keys}{expires}"))
    running.finish(accept=True)


def generation(hub: Hub) -> Generation:
    found = open_generation(hub.settings.bundles)
    assert found is not None
    return found


@pytest.mark.parametrize("how", ["first", "changes"])
def test_what_would_alarm_on_everybody_never_arrives_in_a_generation(hub: Hub, how: str) -> None:
    if how == "changes":
        pull(hub, *BAD)
        build(hub, now=NOW)
    pull(hub, *BAD, *HARM, EXACT)
    result = build(hub, now=NOW)
    assert result.manifest.counts == {"domain": len(BAD), "hostname": 1}
    made = generation(hub)
    assert all(holds(made, key) for key in BAD)
    assert not [key for key in HARM if holds(made, key)]
    assert not holds(made, EXACT)
    assert holds(made, Key(T.HOSTNAME, EXACT.value))
    text = b"".join(path.read_bytes() for path in made.path.rglob("*.rules"))
    assert b"0.0.0.0" not in text
    assert b"10.0.0.0" not in text
    assert not build(hub, now=NOW, whole=True).created


def test_everything_that_is_kept_away_is_reported_with_the_reason(hub: Hub) -> None:
    pull(hub, *BAD, *HARM, EXACT)
    build(hub, now=NOW)
    verdicts = hub.store.inbox.verdicts([*BAD, *HARM, EXACT])
    assert verdicts.keys() == {*HARM, EXACT}
    for key, reason in HARM.items():
        assert verdicts[key].outcome == "drop"
        assert reason in verdicts[key].reason, key
    counts = hub.store.inbox.counts(sum(hub.store.entries.counts().values()))
    assert (counts.published, counts.exact, counts.dropped) == (len(BAD), 1, len(HARM))


def test_a_third_that_the_guard_drops_is_told_by_the_difference(hub: Hub) -> None:
    pull(hub, *BAD)
    build(hub, now=NOW)
    for key in BAD[:4]:
        hub.store.rulings.add(RulingKind.ALLOW, key.value, who="mira", why="a partner", now=NOW)
    assert build(hub, now=NOW).manifest.counts == {"domain": 6}
    removed = compare(hub, 1, 2).removed
    assert [change.key for change in removed] == sorted(BAD[:4])
    assert {change.source for change in removed} == {"guard"}
    assert {change.reason for change in removed} == {
        "dropped: allowed by mira on 2026-09-21: a partner"
    }
    hub.store.rulings.end(
        [one.id for one in hub.store.rulings.in_force(NOW)], who="mira", why="not any more", now=NOW
    )
    build(hub, now=NOW)
    added = compare(hub, 2, 3).added
    assert len(added) == 4
    assert all("not dropped any more" in change.reason for change in added)


def test_even_too_much_to_name_is_told_one_by_one(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarding, "NAMED_MAX", 2)
    pull(hub, *BAD)
    build(hub, now=NOW)
    rulings = [
        hub.store.rulings.add(RulingKind.ALLOW, key.value, who="mira", why="w", now=NOW)
        for key in BAD[:5]
    ]
    build(hub, now=NOW)
    removed = compare(hub, 1, 2).removed
    assert {change.reason for change in removed} == {"drop: allowed by mira on 2026-09-21: w"}
    hub.store.rulings.end([one.id for one in rulings], who="mira", why="w", now=NOW)
    build(hub, now=NOW)
    assert {change.source for change in compare(hub, 2, 3).added} == {"guard"}


def test_what_expires_is_gone_from_the_next_generation(hub: Hub) -> None:
    pull(hub, *BAD, Key(T.IP_DST, "198.51.100.1"), Key(T.SHA256, "ab" * 32), expires=NOW + 60)
    build(hub, now=NOW)
    before = generation(hub)
    assert not build(hub, now=NOW + 59).created
    assert build(hub, now=NOW + 60).manifest.counts == {}
    after = generation(hub)
    assert holds(before, BAD[0])
    assert not holds(after, BAD[0])
    assert {change.reason for change in compare(hub, 1, 2).removed} == {
        "dropped: expired on 2026-09-21, says hostile"
    }


def test_lists_that_appear_are_felt_by_the_next_build(hub: Hub, tmp_path: Path) -> None:
    pull(hub, *BAD, Key(T.DOMAIN, "github.com"))
    assert build(hub, now=NOW).manifest.counts == {"domain": 11}
    warning_list(tmp_path / "lists", "majestic_million", "hostname", "github.com")
    assert build(hub, now=NOW).manifest.counts == {"domain": 10}
    (change,) = compare(hub, 1, 2).removed
    assert change.reason == "dropped: itself a member of majestic_million, tranco10k"


def test_a_guard_that_suddenly_withholds_nearly_everything_waits_for_a_person(hub: Hub) -> None:
    many = [Key(T.DOMAIN, f"n{number}.example") for number in range(2_000)]
    pull(hub, *many, expires=NOW + 10)
    first = build(hub, now=NOW).manifest
    assert sum(first.counts.values()) == len(many)
    with pytest.raises(HeldError, match="lets 0 indicators through, of the 2,000") as held:
        build(hub, now=NOW + 600)
    assert "--accept" in held.value.hint
    assert held.value.exit_code == 4
    generation = open_generation(hub.settings.bundles, first.generation)
    assert holds(generation, many[0])
    assert sum(build(hub, now=NOW).manifest.counts.values()) == len(
        many
    )  # the clock is right again
    assert not build(hub, now=NOW + 600, accept=True).manifest.counts
