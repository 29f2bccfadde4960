"""Presets: each can be added as it stands, says what to think of it, and reads the real thing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from vedette.config import parse_duration
from vedette.errors import UsageError
from vedette.files import open_decompressed
from vedette.model import Indicator, Rejected
from vedette.sources import build
from vedette.sources import presets as module
from vedette.sources.presets import Preset, find_preset, presets
from vedette.store.records import check_name

ALL = list(presets().values())


@pytest.mark.parametrize("preset", ALL, ids=lambda preset: preset.name)
def test_a_preset_can_be_added_as_it_stands(preset: Preset) -> None:
    check_name("source", preset.name)
    source = build(preset.kind, {**preset.settings, "name": preset.name})
    assert source.kind == preset.kind
    assert parse_duration(preset.interval) >= 3_600, "publishers ask for patience"
    if preset.rules.age:
        parse_duration(preset.rules.age)
    assert -1 <= preset.rules.confidence <= 100


@pytest.mark.parametrize("preset", ALL, ids=lambda preset: preset.name)
def test_a_preset_says_whose_it_is_and_what_to_think_of_it(preset: Preset) -> None:
    for address in (preset.settings["location"], preset.homepage):
        parts = urlsplit(address)
        assert (parts.scheme, bool(parts.hostname)) == ("https", True)
        assert "@" not in parts.netloc
    for text in (preset.title, preset.licence, preset.warning):
        assert len(text) >= 3
        assert text.isprintable()
    if preset.kind == "list":
        assert preset.settings["info"], "people see it with every hit"


def test_names_and_addresses_are_given_once() -> None:
    text = (Path(module.__file__).parent / "presets.toml").read_text()
    assert len(re.findall(r"^\[\[preset\]\]", text, re.MULTILINE)) == len(presets()) >= 20
    assert len({preset.settings["location"] for preset in ALL}) == len(ALL)


def test_a_misspelt_preset_is_answered_with_the_right_one() -> None:
    assert find_preset("urlhaus").kind == "misp-feed"
    with pytest.raises(UsageError) as failed:
        find_preset("url-haus")
    assert "'urlhaus'" in failed.value.hint
    with pytest.raises(UsageError) as failed:
        find_preset("q")
    assert "source presets" in failed.value.hint


# -- the publishers' own files, as far as we have them


def read(preset: Preset, location: Path) -> tuple[Counter[str], Counter[str]]:
    """Count what a preset's settings make of a file: indicators by type, and reasons."""
    settings = preset.settings | {"name": preset.name, "location": str(location)}
    types: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for item in build(preset.kind, settings).fetch({}):
        if isinstance(item, Indicator):
            types[item.type.value] += 1
        elif isinstance(item, Rejected):
            reasons[item.reason] += 1
    return types, reasons


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "file", "types", "rejected"),
    [
        ("maltrail", "lists/domains-maltrail.txt.zst", {"domain": 1_160_700}, 37),
        ("sslbl-certificates", "tls/sslbl-cert-sha1-20231222.csv", {"cert-sha1": 5_565}, 0),
        ("sslbl-ja3", "tls/sslbl-ja3.csv", {"ja3": 98}, 0),
        ("amnesty-nso", "lists/amnesty/2021-07-18_nso__domains.txt", {"domain": 1_438}, 0),
        ("amnesty-cytrox", "lists/amnesty/2021-12-16_cytrox__domains.txt", {"domain": 336}, 0),
    ],
)
def test_a_list_preset_reads_what_its_publisher_wrote(
    shared_data: Path, name: str, file: str, types: dict[str, int], rejected: int
) -> None:
    found, reasons = read(find_preset(name), shared_data / file)
    assert found == types
    assert reasons.total() == rejected


@pytest.mark.shared
def test_the_level_of_ipsum_is_what_its_whole_list_counts(
    shared_data: Path, tmp_path: Path
) -> None:
    level = tmp_path / "3.txt"
    rows = [line.split("\t") for line in lines_of(shared_data / "lists/ipsum.txt")]
    counted = [row[0] for row in rows if len(row) == 2 and row[1].isdecimal() and int(row[1]) >= 3]
    level.write_text("\n".join(counted))
    types, reasons = read(find_preset("ipsum"), level)
    assert not reasons
    assert types.keys() == {"ip-src"}
    assert 1_000 < types["ip-src"] < 60_000


@pytest.mark.shared
def test_tor_exits_and_url_lists_are_plain_lines(shared_data: Path, tmp_path: Path) -> None:
    exits = [line.split("\t")[0] for line in lines_of(shared_data / "zeek-intel/tor-exit.intel")]
    plain = tmp_path / "exits"
    plain.write_text("\n".join(line for line in exits if line[0].isdigit()))
    types, reasons = read(find_preset("tor-exits"), plain)
    assert not reasons
    assert types["ip-src"] > 500
    urls, reasons = read(
        find_preset("openphish"), shared_data / "lists/tweetfeed-blocklists/urls.txt.zst"
    )
    assert urls["hostname"] + urls["url"] > 4_000
    assert reasons.total() < 10


@pytest.mark.shared
def test_the_feeds_of_tweetfeed_and_stalkerware_are_read(shared_data: Path, tmp_path: Path) -> None:
    types, _ = read(find_preset("tweetfeed"), shared_data / "misp/tweetfeed-feed.tar.zst")
    assert types["domain"] > 40_000
    event = tmp_path / "misp_event.json"
    with open_decompressed(shared_data / "misp/stalkerware-misp_event.json.zst") as stream:
        event.write_bytes(stream.read())
    types, _ = read(find_preset("stalkerware"), event)
    assert types["sha256"] > 3_000
    assert types["domain"] > 900


def test_the_form_of_lists_that_we_have_no_copy_of_is_read(tmp_path: Path) -> None:
    forms = {
        "feodo": "###\r\n# abuse.ch Feodo Tracker #\r\n###\r\n198.51.100.7\r\n# END\r\n",
        "urlhaus-hosts": "# abuse.ch\r\n127.0.0.1\tevil.example\r\n127.0.0.1\twww.bad.example\r\n",
        "spamhaus-drop": "; Spamhaus DROP List\n203.0.113.0/24 ; SBL256894\n",
        "spamhaus-dropv6": "; Spamhaus\n2a06:f680::/29 ; SBL303641\n",
        "cins": "198.51.100.7\n203.0.113.9\n",
        "blocklist-de": "198.51.100.7\n2a06:f680::1\n",
        "et-compromised": "198.51.100.7\n203.0.113.9\n",
        "openphish": "https://login.evil.example/\nhttp://bad.example/a/b.php?c\n",
    }
    for name, text in forms.items():
        path = tmp_path / name
        path.write_bytes(text.encode())
        types, reasons = read(find_preset(name), path)
        assert not reasons, name
        assert types.total() == len([x for x in text.splitlines() if x[0] not in "#;"]), name


def test_a_preset_is_plain_data() -> None:
    assert msgspec.convert(msgspec.to_builtins(ALL), list[Preset]) == ALL
