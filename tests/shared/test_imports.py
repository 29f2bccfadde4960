"""What `indicator import` takes of real reports: what their authors meant, and little else.

The reports' own lists, published beside them, say what was meant; plain text search says which of
it a report shows.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from vedette.files import open_decompressed
from vedette.hunt.documents import misp_items
from vedette.model import Indicator
from vedette.pipeline.reports import Reading, read_report

pytestmark = pytest.mark.shared

HASHES = {"md5", "sha1", "sha256"}
NETWORK = {"domain", "hostname", "ip-dst", "ip-src", "ip-dst-port", "url", "email-src"}
HASH = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{8})?(?:[0-9a-f]{24})?").fullmatch
OF_THE_AUTHORS = re.compile(
    r"(?:.*\.)?(?:welivesecurity|eset|paloaltonetworks|virustotal|misp-project)\.(?:com|org)"
).fullmatch


def read(path: Path) -> Reading:
    with open_decompressed(path) as stream:
        return read_report(stream, where=path.name)


def hosts(reading: Reading) -> set[str]:
    return {re.split(r"[/,:]", key.value)[0] for key in reading.rows if key.type.value in NETWORK}


def test_the_hashes_that_were_published_are_taken(shared_data: Path) -> None:
    found, missed = 0, []
    for report in sorted((shared_data / "dirty/eset").glob("*.adoc")):
        text = report.read_text(errors="replace").lower()
        listed = {
            word.lower()
            for path in (shared_data / "lists/eset-hashes").glob(f"{report.stem}.*")
            for word in path.read_text(errors="replace").split()
            if HASH(word.lower())
        }
        shown = {value for value in listed if value in text}
        taken = {key.value for key in read(report).rows if key.type.value in HASHES}
        found += len(shown & taken)
        missed += sorted(shown - taken)
    print(f"hashes: {found} taken, {len(missed)} missed")
    assert found > 4_000
    assert len(missed) <= 1, "one that stands only inside the path of a URL"


def test_the_names_and_addresses_that_were_published_are_taken(shared_data: Path) -> None:
    found, missed = 0, []
    for path in sorted((shared_data / "misp/eset-events").glob("*.json")):
        report = shared_data / "dirty/eset" / f"{path.name.partition('__')[0]}.adoc"
        if not report.exists():
            continue
        flat = re.sub(r"[\[\]\\`]", "", report.read_text(errors="replace")).lower()
        taken = hosts(read(report))
        for item in misp_items(path.read_bytes()) or ():
            if isinstance(item, Indicator) and item.type.value in NETWORK:
                host = re.split(r"[/,:]", item.value)[0]
                if re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", flat):
                    found += host in taken
                    missed += [] if host in taken else [f"{report.name}: {host}"]
    print(f"names and addresses: {found} taken, {len(missed)} missed")
    assert found > 80
    assert missed == []


def test_everything_that_was_defanged_is_taken(shared_data: Path) -> None:
    defanged = re.compile(
        r"(?<![^\s\"'`(|,])[A-Za-z0-9_-]+(?:\[\.\][A-Za-z0-9_-]+)+(?![\w\[\]./:@-])"
    )
    found, missed = 0, []
    for path in sorted((shared_data / "dirty").rglob("*.*")):
        text = path.read_text(errors="replace")
        values = {word.replace("[.]", ".").lower() for word in defanged.findall(text)}
        taken = hosts(read(path))
        found += len(values & taken)
        missed += [f"{path.name}: {value}" for value in sorted(values - taken)]
    print(f"defanged: {found} taken, missed {missed}")
    assert found > 1_400
    assert len(missed) <= found * 0.005


def test_what_reports_only_mention_is_not_taken(shared_data: Path) -> None:
    mentioned: Counter[str] = Counter()
    taken: list[str] = []
    files = 0
    for path in sorted((shared_data / "dirty").rglob("*.*")):
        reading = read(path)
        files += sum(key.type.value in {"filename", "uri"} for key in reading.rows)
        taken += [f"{path.name}: {host}" for host in hosts(reading) if OF_THE_AUTHORS(host)]
        for reason, count in reading.rejected.items():
            mentioned[reason] += count
    print(f"not taken: {mentioned.most_common(5)}; of authors and vendors: {taken}")
    assert not files
    assert len(taken) <= 1, "a page that is little more than a link"
    assert mentioned["mentioned, neither defanged nor alone in its line"] > 300
