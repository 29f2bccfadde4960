"""Real STIX bundles, against what a plain reading of their JSON with expressions finds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.errors import UnusableValueError
from vedette.model import Broken, Indicator, Item, Key, Rejected, Skipped
from vedette.model import IndicatorType as T
from vedette.normalize import normalize
from vedette.sources import build

pytestmark = pytest.mark.shared

COMPARISON = re.compile(r"([a-z0-9-]+):([A-Za-z_.0-9\[\]*']+(?:'SHA-256')?)\s*=\s*'([^']*)'")
TYPES = {
    "domain-name:value": T.DOMAIN,
    "ipv4-addr:value": T.IP_DST,
    "url:value": T.URL,
    "email-addr:value": T.EMAIL_SRC,
    "file:name": T.FILENAME,
    "file:hashes.MD5": T.MD5,
    "file:hashes.md5": T.MD5,
    "file:hashes.sha256": T.SHA256,
    "file:hashes.'SHA-256'": T.SHA256,
}


def read(path: Path) -> list[Item]:
    return list(build("stix", {"name": "example", "location": str(path)}).fetch({}))


def keys(items: list[Item]) -> set[Key]:
    return {item.key for item in items if isinstance(item, Indicator)}


def compared(path: Path) -> Iterator[tuple[str, str]]:
    for one in json.loads(path.read_text()).get("objects", ()):
        if one["type"] == "indicator" and " AND " not in one["pattern"]:
            for kind, steps, value in COMPARISON.findall(one["pattern"]):
                yield f"{kind}:{steps}", value


FILES = (
    "cytrox.stix2",
    "malware.stix2",
    "novispy.stix2",
    "pegasus.stix2",
    "wintego_helios.stix2",
    "tweetfeed-week.json",
    "oasis-examples/apt1.json",
    "oasis-examples/poisonivy.json",
)


@pytest.mark.parametrize("name", FILES)
def test_the_indicators_are_those_that_an_expression_finds(shared_data: Path, name: str) -> None:
    path = shared_data / "stix" / name
    expected: set[Key] = set()
    unmatched = refused = 0
    for where, value in compared(path):
        if where not in TYPES:
            unmatched += 1
            continue
        try:
            expected.add(normalize(TYPES[where], value))
        except UnusableValueError:
            refused += 1
    items = read(path)
    assert expected
    assert keys(items) == expected
    assert sum(isinstance(item, Rejected) for item in items) == refused
    skipped = sum(item.count for item in items if isinstance(item, Skipped))
    together = sum(" AND " in line for line in path.read_text().splitlines() if '"pattern"' in line)
    assert skipped >= unmatched
    assert skipped <= unmatched + together
    assert not any(isinstance(item, Broken) for item in items)


def test_amnesty_publishes_the_same_names_as_a_list(shared_data: Path) -> None:
    lists = {"cytrox": "cytrox", "wintego_helios": "wintego_helios", "malware": "android_campaign"}
    for bundle, listed in lists.items():
        (path,) = (shared_data / "lists/amnesty").glob(f"*_{listed}__domains.txt")
        names = set()
        for line in path.read_text().split():
            try:
                names.add(normalize(T.DOMAIN, line))
            except UnusableValueError:
                continue
        found = keys(read(shared_data / f"stix/{bundle}.stix2"))
        share = len(names & found) / len(names)
        print(f"{bundle}: {share:.3f} of {len(names)}")
        assert share > 0.98


def test_what_stands_around_the_indicators_travels(shared_data: Path) -> None:
    tweets = read(shared_data / "stix/tweetfeed-week.json")
    contexts = [item.context for item in tweets if isinstance(item, Indicator)]
    assert {context.organisation for context in contexts} == {"TweetFeed"}
    assert {context.tlp for context in contexts} == {"clear"}
    assert all(context.url.startswith("https://") for context in contexts)
    spyware = [i for i in read(shared_data / "stix/pegasus.stix2") if isinstance(i, Indicator)]
    assert all("malware:Pegasus" in item.context.tags for item in spyware)


def test_the_examples_of_the_specification_are_read_or_refused_with_a_reason(
    shared_data: Path,
) -> None:
    items = read(shared_data / "stix/oasis-examples")
    reasons = {item.reason for item in items if isinstance(item, (Rejected, Skipped))}
    assert "regular expression: MATCHES" in reasons
    assert "no engine can match x509-certificate:issuer" in reasons
    assert "seen, not called bad: ipv4-addr" in reasons
    assert not any(isinstance(item, Broken) for item in items)
    assert len(keys(items)) > 50
