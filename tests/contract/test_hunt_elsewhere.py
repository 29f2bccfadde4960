"""``vedette hunt run --in``: the same command against a real OpenSearch."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.testing.command import Cli
from vedette.testing.search_node import SearchNode, missing, running

pytestmark = pytest.mark.search


@pytest.fixture(scope="module")
def node() -> Iterator[SearchNode]:
    if reason := missing("opensearch"):
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")
    with running("opensearch", run) as started:
        yield started


@pytest.fixture
def index(node: SearchNode) -> Iterator[str]:
    name = f"h{uuid.uuid4().hex[:12]}"
    node.create(name, {"properties": {"timestamp": {"type": "date"}}})
    yield name
    node.ask("DELETE", f"/{name}")


def query(name: str, at: str, client: str) -> dict[str, object]:
    return {
        "timestamp": at,
        "event_type": "dns",
        "src_ip": client,
        "src_port": 40_000,
        "dest_ip": "192.0.2.53",
        "dest_port": 53,
        "dns": {"version": 2, "type": "query", "rrname": name},
    }


def test_a_list_is_hunted_there_and_the_run_is_kept_here(
    node: SearchNode, index: str, cli: Cli, short_path: Path
) -> None:
    node.load(
        index,
        [
            query("www.evil.example", "2026-01-02T10:00:00.000Z", "10.0.0.5"),
            query("www.evil.example", "2026-01-04T10:00:00.000Z", "10.0.0.6"),
            query("good.example", "2026-01-03T10:00:00.000Z", "10.0.0.6"),
        ],
    )
    cli("init")
    with (short_path / "vedette.toml").open("a") as config:
        config.write(f'\n[opensearch.soc]\nurl = "{node.url}"\nindex = "{index}"\n')
    answer = cli("hunt", "run", "hxxp://evil[.]example/", "eViL[.]example", "--in", "soc", "--json")
    assert answer.code == 0, answer.err
    (finding,) = answer.json["findings"]
    assert finding["found"]["observed"] == "www.evil.example"
    assert (finding["found"]["count"], finding["found"]["hosts"]) == (2, 2)
    assert finding["found"]["patient_zero"] == "10.0.0.5"
    assert finding["live"] == "no source lists it"
    assert answer.json["elsewhere"]["window"]["documents"] == 3
    told = cli("hunt", "run", "evil.example", "--in", "soc", "--since", "2026-01-03").out
    assert "evil.example: 1 of 1 indicator met" in told
    assert "documents in 1 index, 2026-01-03 10:00:00" in told
    assert len(cli("hunt", "show", "--json").json) == 2
    assert not (short_path / "state/pool/store").exists(), "our own memory was not even opened"
