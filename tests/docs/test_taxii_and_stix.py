"""The pages about TAXII, STIX and reports are true: their commands do what the text says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.model import Indicator, Rejected
from vedette.sources import build
from vedette.testing.command import run_script as run
from vedette.testing.fake_taxii import FakeTaxii

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to"
Blocks = Callable[[Path], Iterator[Any]]


def commands(page: str, blocks: Blocks) -> list[str]:
    return [b.text for b in blocks(HOW_TO / page) if b.language == "console"]


def an_indicator(number: int, pattern: str) -> dict[str, Any]:
    return {"type": "indicator", "id": f"indicator--{number}", "pattern": pattern}


def test_adding_a_collection_and_bundles_goes_as_described(tmp_path: Path, blocks: Blocks) -> None:
    looked, added, bundles = commands("add-taxii-and-stix.md", blocks)
    password = tmp_path / "taxii.password"
    password.write_text("secret\n")
    password.chmod(0o600)
    folder = tmp_path / "stix"
    folder.mkdir()
    one = an_indicator(1, "[domain-name:value = 'evil.example']")
    (folder / "a.json").write_text(json.dumps({"type": "bundle", "objects": [one]}))
    run("vedette init", tmp_path)
    with FakeTaxii([one], login=("me", "secret")) as server:

        def here(text: str) -> str:
            text = text.replace("https://taxii.example.org", server.url)
            return text.replace("/etc/vedette/taxii.password", str(password))

        first, second = here(looked).splitlines()
        assert first.startswith("install -m 600 ")
        assert "1 indicators would come" in run(second, tmp_path)
        assert "partner: 1 entries" in run(here(added), tmp_path)
    assert "partner-files: 1 entries" in run(bundles.replace("/srv/stix/", str(folder)), tmp_path)


def test_every_pattern_of_the_page_becomes_what_it_says(tmp_path: Path) -> None:
    page = (HOW_TO / "add-taxii-and-stix.md").read_text()
    table = page.partition("| in the pattern | becomes |")[2].partition("\n\n")[0]
    patterns = {
        "[domain-name:value = 'evil.example']": "evil.example",
        "[domain-name:value IN ('a.example') OR url:value = 'http://b.example/c']": "a.example",
        f"[file:hashes.MD5 = '{'a' * 32}' AND file:hashes.'SHA-256' = '{'b' * 64}'"
        " AND file:size = 5]": "a" * 32,
        "[ipv4-addr:value = '198.51.100.7' AND network-traffic:dst_port = 443]": "198.51.100.7,443",
        "[domain-name:value LIKE '%.evil.example']": "evil.example",
        "[ipv4-addr:value ISSUBSET '198.51.100.0/24']": "198.51.100.0/24",
    }
    assert table.count("\n|") == len(patterns) + 1
    reasons = re.findall(r"\*([^*]+: [A-Z]+)\*", page.replace("\n", " "))
    refused = [
        "[domain-name:value = 'a.example' AND url:value = 'http://b.example/c']",
        "[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example']",
        "[domain-name:value = 'a.example'] REPEATS 5 TIMES",
        "[domain-name:value != 'a.example']",
        "[domain-name:value LIKE 'a%']",
        "[domain-name:value MATCHES 'a']",
    ]
    path = tmp_path / "a.json"
    for pattern, value in patterns.items():
        path.write_text(json.dumps(an_indicator(1, pattern)))
        items = build("stix", {"name": "x", "location": str(path)}).fetch({})
        assert value in {item.value for item in items if isinstance(item, Indicator)}
    found = []
    for pattern in refused:
        path.write_text(json.dumps(an_indicator(1, pattern)))
        items = build("stix", {"name": "x", "location": str(path)}).fetch({})
        found += [item.reason for item in items if isinstance(item, Rejected)]
    assert found == reasons


def test_importing_a_report_goes_as_described(tmp_path: Path, blocks: Blocks) -> None:
    shown, taken, removed, typed, piped = commands("import-a-report.md", blocks)
    (tmp_path / "report.txt").write_text(
        "evil[.]example asks hxxps://hhxxp[.]com/a of vendor.com\n"
    )
    (tmp_path / "names.txt").write_text("evil.dll\n")
    run("vedette init", tmp_path)
    output = run(shown, tmp_path)
    assert "evil.example" in output
    assert "hhxxp.com/a" in output
    assert "Nothing was taken" in output
    assert "'case-4711' lists 2 indicators now" in run(taken, tmp_path)
    assert "removed source 'case-4711' with 2 entries" in run(removed, tmp_path)
    assert "'case-4711-files' lists 1 indicators now" in run(typed, tmp_path)
    assert "'pasted' lists 2 indicators now" in run(piped, tmp_path)


@pytest.mark.parametrize("page", ["add-taxii-and-stix.md", "import-a-report.md"])
def test_the_pages_are_listed(page: str) -> None:
    assert page.removesuffix(".md") in (HOW_TO / "index.md").read_text().split()
