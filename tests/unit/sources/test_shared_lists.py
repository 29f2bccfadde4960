"""Published lists, verbatim: how many values each gives, and which few cannot be used."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from vedette.errors import SourceError, UnusableValueError
from vedette.files import open_decompressed
from vedette.model import Fetched, Indicator, Item, Key, Rejected
from vedette.model import IndicatorType as T
from vedette.normalize import Reason, normalize
from vedette.sources import build

pytestmark = pytest.mark.shared


class Read:
    """What a list said, counted."""

    def __init__(self, path: Path, kind: T, **settings: object) -> None:
        whole = {"name": "x", "location": str(path), "type": kind.value} | settings
        self.types: Counter[str] = Counter()
        self.keys: set[Key] = set()
        self.rejected: list[Rejected] = []
        item: Item | None = None
        for item in build("list", whole).fetch({}):
            if isinstance(item, Indicator):
                self.types[item.type.value] += 1
                self.keys.add(item.key)
            elif isinstance(item, Rejected):
                self.rejected.append(item)
        assert isinstance(item, Fetched)

    @property
    def reasons(self) -> Counter[str]:
        return Counter(item.reason for item in self.rejected)


def test_a_million_domains_lose_only_the_37_that_are_no_names(shared_data: Path) -> None:
    read = Read(shared_data / "lists/domains-maltrail.txt.zst", T.DOMAIN)
    assert read.types == {"domain": 1_160_700}
    assert read.reasons == {Reason.TOP_LEVEL.value: 36, Reason.TOO_LONG.value: 1}
    assert len(read.keys) == 1_160_700 - 75  # published in two cases


@pytest.mark.parametrize(
    ("name", "kind", "types", "reasons"),
    [
        ("ips-maltrail.txt.zst", T.IP_DST, {"ip-dst": 22_714}, {}),
        ("ipports-maltrail.txt.zst", T.IP_DST, {"ip-dst-port": 279_718}, {Reason.PORT: 22}),
        (
            "urls-maltrail.txt.zst",
            T.URL,
            {"uri": 92_491, "ip-dst": 59_277, "url": 17_290, "ip-dst-port": 34, "hostname": 15},
            {
                Reason.EMPTY_LABEL: 125,
                Reason.CHARACTER: 28,
                Reason.NOT_ADDRESS: 9,
                Reason.SINGLE_LABEL: 6,
            },
        ),
        ("domains-maltrail-families.csv.zst", T.DOMAIN, {"domain": 29_018}, {Reason.TOP_LEVEL: 1}),
        ("ipsum.txt", T.IP_SRC, {"ip-src": 120_430}, {}),
        ("stalkerware/hosts", T.DOMAIN, {"domain": 925}, {}),
        ("stalkerware/hosts_full", T.DOMAIN, {"domain": 989}, {}),
        ("stalkerware/network.csv", T.DOMAIN, {"domain": 966, "ip-dst": 66, "url": 2}, {}),
        ("amnesty/2021-07-18_nso__emails.txt", T.EMAIL_SRC, {"email-src": 29}, {}),
        ("amnesty/2024-12-16_serbia_novispy__domains.txt", T.DOMAIN, {"ip-dst": 7}, {}),
    ],
)
def test_a_list_gives_its_values_under_the_types_that_they_have(
    shared_data: Path, name: str, kind: T, types: dict[str, int], reasons: dict[Reason, int]
) -> None:
    read = Read(shared_data / "lists" / name, kind)
    assert read.types == types
    assert read.reasons == {reason.value: count for reason, count in reasons.items()}


def test_the_same_blocklist_in_five_formats_is_the_same_names(shared_data: Path) -> None:
    folder = shared_data / "lists/tweetfeed-blocklists"
    reads = {
        name: Read(folder / f"{name}.txt.zst", T.DOMAIN)
        for name in ("domains", "hosts", "adguard", "dnsmasq", "rpz")
    }
    assert len(reads["domains"].keys) == 4_873
    for read in reads.values():
        assert read.keys == reads["domains"].keys
        assert {item.reason for item in read.rejected} == {Reason.TOO_LONG.value}
    assert [len(read.rejected) for read in reads.values()] == [2, 2, 2, 2, 4]


def test_a_csv_without_header_wants_to_be_told_the_column(shared_data: Path) -> None:
    path = shared_data / "lists/tweetfeed-month.csv"
    with pytest.raises(SourceError, match="more than one column"):
        Read(path, T.URL)
    read = Read(path, T.URL, column="4")
    assert read.types == {"hostname": 9_207, "url": 1_067, "ip-dst": 1_004, "ip-dst-port": 126}


def test_every_hash_of_333_files_is_taken_in_either_case(shared_data: Path) -> None:
    types: Counter[str] = Counter()
    rejected = []
    for path in sorted((shared_data / "lists/eset-hashes").iterdir()):
        read = Read(path, T(path.suffix[1:]))
        assert read.types.keys() <= {path.suffix[1:]}
        types += read.types
        rejected += read.rejected
    assert types == {"md5": 4_245, "sha1": 4_245, "sha256": 4_245}
    assert [item.value for item in rejected] == ["f0295f2e46cebffaf7892a5b33ba54122781c20bs"]


@pytest.mark.parametrize(
    ("name", "types", "rejected"),
    [
        ("sslbl-cert-sha1-20231222.csv", {"cert-sha1": 5_565}, 0),
        ("sslbl-ja3.csv", {"ja3": 98}, 0),
        ("osx-nix-ja3.csv", {"ja3": 157}, 1),  # 161 lines, 4 of them one quoted licence text
    ],
)
def test_tls_fingerprints_come_as_csv(
    shared_data: Path, name: str, types: dict[str, int], rejected: int
) -> None:
    read = Read(shared_data / "tls" / name, T.JA3)
    assert read.types == types
    assert len(read.rejected) == rejected


def test_zeek_intelligence_says_its_own_types(shared_data: Path) -> None:
    reads = {path.stem: Read(path, T.DOMAIN) for path in (shared_data / "zeek-intel").iterdir()}
    assert sum(sum(read.types.values()) for read in reads.values()) == 68_076
    assert reads["abuse-ch-malware"].types == {"sha1": 828}
    assert reads["Amnesty_NSO_Domains"].types == {"domain": 1_407, "email-src": 17}
    collected = reads["cps-collected-iocs"]
    assert collected.reasons == {Reason.TOP_LEVEL.value: 3}
    assert Key(T.IP_DST, "159.135.140.82") in collected.keys  # published as a domain
    assert Key(T.URL, "ukrdopomoga.space/ws/agent/") in collected.keys  # likewise


def test_a_year_of_tweets_loses_two_glued_names_and_the_reporters_own_machine(
    shared_data: Path,
) -> None:
    values: dict[str, set[str]] = {}
    with (
        open_decompressed(shared_data / "misp/tweetfeed-feed.tar.zst") as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        for member in archive:
            if member.name.endswith(".json") and "manifest" not in member.name:
                file = archive.extractfile(member)
                assert file is not None
                for attribute in json.load(file)["Event"]["Attribute"]:
                    values.setdefault(attribute["type"], set()).add(attribute["value"])
    refused: Counter[str] = Counter()
    keys: dict[str, set[Key]] = {}
    for name, texts in values.items():
        for text in texts:
            try:
                keys.setdefault(name, set()).add(normalize(T(name), text))
            except UnusableValueError as error:
                refused[f"{name}: {error}"] += 1
    assert {name: len(texts) for name, texts in values.items()} == {
        "url": 50_379,
        "domain": 38_950,
        "ip-dst": 8_450,
        "sha256": 2_513,
        "md5": 2_279,
    }
    assert refused == {"domain: too long": 2, "url: too long": 2, "url: address of no host": 6}
    assert len(keys["domain"]) == 38_923  # 25 more are the same name in another spelling
    hosts = sum(key.type is not T.URL for key in keys["url"]) / len(keys["url"])
    assert 0.80 < hosts < 0.82
    assert Key(T.DOMAIN, "ktaliveclaim.xyz") in keys["domain"]
    assert Key(T.DOMAIN, "xn--rbby-0na.app") in keys["domain"]
