"""Reports as people write them, against the lists that their authors published beside them.

What a list has and the text shows is found with plain text search here, not with our own reading.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vedette.hunt.documents import misp_items
from vedette.hunt.reading import Listing
from vedette.model import Indicator, Key

pytestmark = pytest.mark.shared

HASH = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{8})?(?:[0-9a-f]{24})?").fullmatch
FILE_HASHES = {"md5", "sha1", "sha256"}
NETWORK = {"domain", "hostname", "ip-dst", "ip-src", "ip-dst-port", "url", "email-src"}


def read(path: Path) -> set[Key]:
    with path.open("rb") as stream:
        return set(Listing(stream).read())


def published_hashes(folder: Path, campaign: str) -> set[str]:
    words = {
        word.lower()
        for path in folder.glob(f"{campaign}.*")
        for word in path.read_text(errors="replace").split()
    }
    return {word for word in words if HASH(word)}


def test_the_hashes_of_reports_are_those_that_were_published(shared_data: Path) -> None:
    found = missed = more = 0
    for report in sorted((shared_data / "dirty/eset").glob("*.adoc")):
        text = report.read_text(errors="replace").lower()
        listed = published_hashes(shared_data / "lists/eset-hashes", report.stem)
        shown = {value for value in listed if value in text}
        ours = {key.value for key in read(report) if key.type.value in FILE_HASHES}
        found += len(shown & ours)
        missed += len(shown - ours)
        more += len(ours - shown) if shown else 0
    recall, precision = found / (found + missed), found / (found + more)
    print(f"hashes: recall {recall:.4f} of {found + missed}, precision {precision:.4f}")
    assert found > 4_000
    assert missed <= 1, "one that stands only inside the path of a URL"
    assert precision > 0.98, "the others are in the text, and not in the list"


def test_the_names_and_addresses_of_events_are_found_in_their_reports(shared_data: Path) -> None:
    found, missed = 0, []
    for path in sorted((shared_data / "misp/eset-events").glob("*.json")):
        report = shared_data / "dirty/eset" / f"{path.name.partition('__')[0]}.adoc"
        if not report.exists():
            continue
        flat = re.sub(r"[\[\]\\`]", "", report.read_text(errors="replace")).lower()
        hosts = {re.split(r"[/,:]", key.value)[0] for key in read(report)}
        for item in misp_items(path.read_bytes()) or ():
            if isinstance(item, Indicator) and item.type.value in NETWORK:
                host = re.split(r"[/,:]", item.value)[0]
                if re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", flat):
                    found += host in hosts
                    missed += [] if host in hosts else [f"{report.name}: {item.value}"]
    print(f"names and addresses: {found} found, {len(missed)} missed")
    assert found > 80
    assert missed == []


def test_everything_that_somebody_defanged_is_taken(shared_data: Path) -> None:
    """Of prose, what has ``[.]`` in it is meant as a value, whatever stands around it."""
    defanged = re.compile(
        r"(?<![^\s\"'`(|,])[A-Za-z0-9_-]+(?:\[\.\][A-Za-z0-9_-]+)+(?![\w\[\]./:@-])"
    )
    found, missed = 0, []
    for path in sorted((shared_data / "dirty").rglob("*.*")):
        text = path.read_text(errors="replace")
        values = {word.replace("[.]", ".").lower() for word in defanged.findall(text)}
        ours = {re.split(r"[/,:]", key.value)[0] for key in read(path)}
        found += len(values & ours)
        missed += [f"{path.name}: {value}" for value in sorted(values - ours)]
    print(f"defanged: {found} found, missed {missed}")
    assert found > 1_400
    assert len(missed) <= found * 0.005
