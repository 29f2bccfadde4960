"""The index against MISP's own rules, done the plain way, on real lists and real feeds.

And the shares of real feeds that the lists mean, which is why they must not all drop.
"""

from __future__ import annotations

import io
import ipaddress
import json
import random
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from vedette.errors import UnusableValueError
from vedette.files import open_decompressed
from vedette.guard.lists_compile import compile_lists, pack, unpack
from vedette.guard.lists_model import read_list
from vedette.guard.warninglists import Index
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import normalize

pytestmark = pytest.mark.shared

SAMPLE = 1_500
SPLIT = {
    T.DOMAIN: "domain",
    T.HOSTNAME: "hostname",
    T.IP_DST: "ip-dst",
    T.MD5: "md5",
    T.EMAIL_SRC: "email-src",
}
"""The MISP type of what is asked."""


class PlainList(NamedTuple):
    """A list as it is in its file, asked as MISP's source code asks it."""

    name: str
    type: str
    members: Sequence[str]
    attributes: Sequence[str]

    def has(self, misp_type: str, value: str) -> bool:
        if self.attributes and misp_type not in self.attributes:
            return False
        if self.type == "string":
            return value in self.lookup
        if self.type == "substring":
            return any(member in value for member in self.members)
        if self.type == "regex":
            return any(_php(member).search(value) for member in self.members)
        if self.type == "hostname":
            labels = value.split(".")
            return any(".".join(labels[n:]) in self.lookup for n in range(len(labels)))
        return self._has_address(value)

    def _has_address(self, value: str) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        return any(
            address in network for network in self.networks if network.version == address.version
        )

    @property
    def lookup(self) -> set[str]:
        found = LOOKUPS.get(self.name)
        if found is None:
            members = self.members
            if self.type == "hostname":
                members = [member.strip(".").lower() for member in members]
            found = LOOKUPS[self.name] = set(members)
        return found

    @property
    def networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        if self.name not in NETWORKS:
            NETWORKS[self.name] = [ipaddress.ip_network(m, strict=False) for m in self.members]
        return NETWORKS[self.name]


LOOKUPS: dict[str, set[str]] = {}
NETWORKS: dict[str, list[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {}


def _php(pattern: str) -> re.Pattern[str]:
    text, _, flags = pattern[1:].rpartition(pattern[0])
    return re.compile(text, re.IGNORECASE if "i" in flags else 0)


@pytest.fixture(scope="module")
def files(shared_data: Path) -> Mapping[str, bytes]:
    """Name of each list -> its file."""
    archive = shared_data / "warninglists/misp-warninglists-lists.tar.zst"
    found = {}
    with archive.open("rb") as packed, _untar(packed) as members:
        for member in members:
            if member.name.endswith("/list.json") and (file := members.extractfile(member)):
                found[member.name.split("/")[-2]] = file.read()
    return found


def _untar(packed: io.BufferedReader) -> tarfile.TarFile:
    stream = zstandard.ZstdDecompressor().stream_reader(packed)
    return tarfile.open(fileobj=stream, mode="r|")


@pytest.fixture(scope="module")
def index(files: Mapping[str, bytes]) -> Index:
    compiled = compile_lists(read_list(name, files[name]) for name in sorted(files))
    return Index(unpack(memoryview(b"".join(pack(compiled)))))


@pytest.fixture(scope="module")
def plain(files: Mapping[str, bytes]) -> list[PlainList]:
    lists = []
    for name, data in files.items():
        document = json.loads(data)
        attributes = document.get("matching_attributes") or ()
        lists.append(PlainList(name, document["type"], document["list"], attributes))
    return lists


def lines(path: Path) -> list[str]:
    with open_decompressed(path) as stream:
        return [line.strip() for line in io.TextIOWrapper(stream, encoding="utf-8") if line.strip()]


def tweetfeed(shared_data: Path, kind: str) -> set[str]:
    archive = shared_data / "misp/tweetfeed-feed.tar.zst"
    found: set[str] = set()
    with archive.open("rb") as packed, _untar(packed) as members:
        for member in members:
            name = member.name.rpartition("/")[2]
            if not name.endswith(".json") or name == "manifest.json":
                continue
            if (file := members.extractfile(member)) is not None:
                event = json.load(file)["Event"]
                found |= {one["value"] for one in event["Attribute"] if one["type"] == kind}
    return found


def keys_of(kind: T, texts: Iterable[str]) -> Iterator[Key]:
    for text in texts:
        try:
            yield normalize(kind, text)
        except UnusableValueError:
            continue


def shares(index: Index, keys: Sequence[Key]) -> tuple[int, int, int]:
    """How many are on a list at all, are members themselves, are dropped."""
    answers = index.match_many(keys)
    return (
        sum(bool(hits) for hits in answers),
        sum(any(hit.itself for hit in hits) for hits in answers),
        sum(any(hit.itself and hit.curated for hit in hits) for hits in answers),
    )


def sample(values: Iterable[str], n: int = SAMPLE) -> list[str]:
    return random.Random(7).sample(sorted(values), n)


def wrong(
    index: Index, plain: Sequence[PlainList], files: Mapping[str, bytes], keys: Sequence[Key]
) -> list[tuple[Key, set[str]]]:
    """Answers that are not MISP's, apart from what dots around a member of a string list do."""
    found = []
    dotted = {
        one.name: {member.strip(".").lower() for member in one.members}
        for one in plain
        if one.type == "string"
    }
    for key, hits in zip(keys, index.match_many(keys), strict=True):
        ours = {
            hit.list
            for hit in hits
            if not (key.value.startswith("www.") and hit.member == key.value[4:])
            or next(one for one in plain if one.name == hit.list).type == "hostname"
        }
        theirs = {one.name for one in plain if one.has(SPLIT[key.type], key.value)}
        ours -= {name for name in ours - theirs if key.value in dotted.get(name, ())}
        if ours != theirs:
            found.append((key, ours ^ theirs))
    return found


def test_names_are_on_the_lists_that_misp_says(
    index: Index, plain: list[PlainList], files: Mapping[str, bytes], shared_data: Path
) -> None:
    names = sample(lines(shared_data / "lists/domains-maltrail.txt.zst"))
    names += sample(tweetfeed(shared_data, "domain"))
    popular = json.loads(files["cisco_top20k"])["list"] + json.loads(files["dynamic-dns"])["list"]
    names += [
        f"{prefix}{name.strip('.')}" for name in sample(popular, 300) for prefix in ("", "a.")
    ]
    keys = [key for key in keys_of(T.DOMAIN, names) if key.type in SPLIT]
    keys += [Key(T.HOSTNAME, key.value) for key in keys[::5] if key.type is T.DOMAIN]
    assert len(keys) > 3_000
    assert wrong(index, plain, files, keys) == []


def test_addresses_are_in_the_networks_that_misp_says(
    index: Index, plain: list[PlainList], files: Mapping[str, bytes], shared_data: Path
) -> None:
    found = sample(lines(shared_data / "lists/ips-maltrail.txt.zst"), 40)
    members = [
        member
        for one in plain
        if one.type == "cidr"
        for member in random.Random(3).sample(list(one.members), min(1, len(one.members)))
    ]
    for member in members:
        network = ipaddress.ip_network(member, strict=False)
        found += [str(network[0]), str(network[-1]), str(network[0] + network.num_addresses)]
    keys = [key for key in keys_of(T.IP_DST, found) if key.type is T.IP_DST]
    assert len(keys) > 250
    assert wrong(index, plain, files, keys) == []


def test_hashes_and_mailboxes_are_on_the_lists_that_misp_says(
    index: Index, plain: list[PlainList], files: Mapping[str, bytes]
) -> None:
    hashes = [*json.loads(files["ti-falsepositives"])["list"][::200], "0" * 32]
    mail = [f"{who}@{host}" for who in ("me", "abuse") for host in ("0-mail.com", "isp.example")]
    keys = [key for key in keys_of(T.MD5, hashes) if key.type is T.MD5]
    keys += keys_of(T.EMAIL_SRC, mail)
    assert wrong(index, plain, files, keys) == []
    assert shares(index, keys)[0] > 40


def test_dropping_whatever_is_on_a_list_would_lose_a_twelfth_of_maltrail(
    index: Index, shared_data: Path
) -> None:
    names = {name.lower() for name in lines(shared_data / "lists/domains-maltrail.txt.zst")}
    on_a_list, itself, dropped = shares(index, [Key(T.DOMAIN, name) for name in names])
    assert on_a_list / len(names) == pytest.approx(0.0861, abs=0.0002)
    assert itself / len(names) == pytest.approx(0.0014, abs=0.0001)
    assert 40 < dropped < 100


def test_dropping_whatever_is_on_a_list_would_lose_a_fifth_of_tweetfeed(
    index: Index, shared_data: Path
) -> None:
    names = sorted(tweetfeed(shared_data, "domain"))
    keys = [Key(T.DOMAIN, name.lower()) for name in names]
    on_a_list, itself, dropped = shares(index, keys)
    assert on_a_list / len(names) == pytest.approx(0.2222, abs=0.0005)
    assert 38 <= itself <= 45
    gone = {
        key.value
        for key, hits in zip(keys, index.match_many(keys), strict=True)
        if any(hit.itself and hit.curated for hit in hits)
    }
    assert gone == {"archive.is", "se.com", "share.google", "tripod.com", "dropcatch.com"}
    assert dropped == len(gone)


def test_half_of_the_addresses_are_in_some_network_and_hardly_one_is_dropped(
    index: Index, shared_data: Path
) -> None:
    keys = list(keys_of(T.IP_DST, tweetfeed(shared_data, "ip-dst")))
    on_a_list, _, dropped = shares(index, keys)
    assert on_a_list / len(keys) == pytest.approx(0.447, abs=0.005)
    assert dropped <= 6


def test_what_every_network_asks_for_is_dropped(index: Index) -> None:
    harmless = [
        Key(T.DOMAIN, "google.com"),
        Key(T.HOSTNAME, "www.google.com"),
        Key(T.DOMAIN, "archive.is"),
        Key(T.DOMAIN, "blob.core.windows.net"),
        Key(T.IP_DST, "8.8.8.8"),
        Key(T.IP_DST_PORT, "1.1.1.1,443"),
        Key(T.IP_SRC, "192.168.1.1"),
        Key(T.MD5, "d41d8cd98f00b204e9800998ecf8427e"),
    ]
    assert shares(index, harmless) == (8, 8, 8)
    shared_by_many = [
        Key(T.HOSTNAME, "evil.blob.core.windows.net"),
        Key(T.URL, "drive.google.com/uc?id=1"),
        Key(T.DOMAIN, "evil.duckdns.org"),
    ]
    on_a_list, itself, _ = shares(index, shared_by_many)
    assert (on_a_list, itself) == (3, 0)
