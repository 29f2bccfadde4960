"""What the pages about ``vedette serve`` say is there, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.served import KEYS, Served, serving

from vedette.config import load
from vedette.store.tokens import Scope
from vedette.web import publication
from vedette.web.authentication import FAILURES_MAX, WINDOW_S
from vedette.web.certificates import LOOK_S
from vedette.web.connection import HEAD_S, STALL_S
from vedette.web.running import check
from vedette.web.state import AppState

ROOT = Path(__file__).resolve().parents[2]
URLS = (ROOT / "docs/reference/urls.md").read_text(encoding="utf-8")
SERVE = (ROOT / "docs/how-to/serve.md").read_text(encoding="utf-8")
ADDRESSES = re.findall(r"^\| `(/[^`]+)` \| (.*) \|$", URLS, re.MULTILINE)
EXAMPLES = {
    "<file>": "vedette-hostname.lst",
    "<set>": "vedette-hostname",
    "<profile>": "8.0",
    "<number>/...": "1/manifest.json",
    "<version>": "8.0.1",
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as hub:
        hub.publish(*KEYS)
        yield hub


def example_of(address: str) -> str:
    for name, value in EXAMPLES.items():
        address = address.replace(name, value)
    return address


def test_every_address_of_the_page_answers(served: Served) -> None:
    token = served.sensor("edge", delivery="agent")
    metrics = served.token(Scope.METRICS)
    assert len(ADDRESSES) > 15
    with served.client(token) as client:
        for address, about in ADDRESSES:
            path = example_of(address)
            headers = {"authorization": metrics} if path == "/metrics" else {}
            assert client.get(path, headers=headers).status_code == 200, address
            open_to_all = client.get(path, headers={"authorization": ""}).status_code == 200
            assert open_to_all == about.endswith("; open"), address
            if path.endswith("vedette.tar.gz") and "suricata" in path:
                for suffix in (".md5", ".sha256", ".minisig"):
                    assert client.get(path + suffix).status_code == 200
            below = client.get(f"/t/{token}{path}", headers={"authorization": ""}).status_code
            assert below == (404 if path in {"/metrics", "/health"} or "index" in path else 200)


def test_every_route_of_publication_is_on_the_page(served: Served) -> None:
    state = AppState(served.settings)
    paths = [route.path for route in publication.routes(state) if not route.path.startswith("/t/")]
    for path in paths:
        pattern = re.sub(r"\\\{[^}]+\\\}", ".+", re.escape(path))
        assert any(re.fullmatch(pattern, address) for address, _ in ADDRESSES), path
    assert len(paths) > 5


def test_the_figures_of_the_page_are_those_of_the_program() -> None:
    assert f"within {HEAD_S:.0f} seconds" in SERVE
    assert (STALL_S, "for a minute, loses the connection" in SERVE) == (60, True)
    assert (LOOK_S, "looked at every ten\nseconds" in SERVE) == (10, True)
    assert (FAILURES_MAX, WINDOW_S) == (20, 60)
    assert "after 20 in a minute" in SERVE
    assert "more than 20 refusals in a minute" in URLS
    scopes = re.findall(r"^\| `(\w+)` \|", SERVE, re.MULTILINE)
    assert scopes == [scope.value for scope in Scope]


def test_the_settings_of_the_page_can_be_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", SERVE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        path = tmp_path / "vedette.toml"
        path.write_text(block)
        serve = load(path).serve
        host, port, encrypted = check(serve)
        assert (f"{host}:{port}", encrypted) == (serve.listen, bool(serve.tls_cert))
