"""Our TAXII source against OASIS' own server, and against OASIS' own client on the same server.

The server (medallion) runs in a process of its own with its data in memory.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from vedette.errors import SourceError
from vedette.model import Broken, Fetched, Indicator, Item, Rejected, Skipped, Unchanged
from vedette.sources import build
from vedette.testing.fake_taxii import COLLECTION, MEDIA_TYPE, FakeTaxii

AUTH = ("me", "secret")
PAST, LATER = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"
TLP_RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


def an_indicator(number: int, pattern: str = "", **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number:08d}-0000-4000-8000-000000000000",
        "created": PAST,
        "modified": PAST,
        "valid_from": PAST,
        "pattern_type": "stix",
        "pattern": pattern or f"[domain-name:value = 'evil-{number}.example']",
        **more,
    }


OBJECTS = [
    {
        "type": "identity",
        "spec_version": "2.1",
        "id": "identity--00000000-0000-4000-8000-000000000000",
        "created": PAST,
        "modified": PAST,
        "name": "Partner",
        "identity_class": "organization",
    },
    *(
        an_indicator(number, created_by_ref="identity--00000000-0000-4000-8000-000000000000")
        for number in range(47)
    ),
    an_indicator(50, "[ipv4-addr:value = '198.51.100.7'] AND [url:value = 'http://a.example/b']"),
    an_indicator(51, object_marking_refs=[TLP_RED], confidence=80),
    an_indicator(52, valid_until="2030-01-01T00:00:00Z"),
]


@dataclass
class Medallion:
    """A running server."""

    url: str
    password_file: Path

    def add(self, *objects: Mapping[str, Any]) -> None:
        content = json.dumps({"objects": objects}).encode()
        headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE}
        # The server reads this header under a name of its own.
        headers |= {"content_length": str(len(content)), "content_type": MEDIA_TYPE}
        answer = httpx2.post(self._objects(), content=content, headers=headers, auth=AUTH)
        assert answer.status_code == 202, answer.text

    def delete(self, identifier: str) -> None:
        url = f"{self._objects()}{identifier}/"
        answer = httpx2.delete(url, headers={"Accept": MEDIA_TYPE}, auth=AUTH)
        assert answer.status_code == 200, answer.text

    def _objects(self) -> str:
        return f"{self.url}/api/collections/{COLLECTION}/objects/"

    def fetch(self, known: Mapping[str, str] | None = None, **more: Any) -> list[Item]:
        settings = {
            "name": "partner",
            "url": f"{self.url}/taxii2/",
            "user": AUTH[0],
            "password_file": str(self.password_file),
            "retries": 1,
        }
        return list(build("taxii", settings | more).fetch(known or {}))


def data(url: str) -> dict[str, Any]:
    collection = {
        "id": COLLECTION,
        "title": "Indicators",
        "can_read": True,
        "can_write": True,
        "media_types": ["application/stix+json;version=2.1"],
        "objects": [],
        "manifest": [],
    }
    closed = {**collection, "id": "closed", "title": "Closed", "can_read": False}
    information = {"title": "api", "versions": [MEDIA_TYPE], "max_content_length": 10_000_000}
    return {
        "/discovery": {"title": "server", "api_roots": [f"{url}/api/"]},
        "api": {"information": information, "status": [], "collections": [collection, closed]},
    }


@pytest.fixture
def medallion(tmp_path: Path) -> Iterator[Medallion]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    (tmp_path / "data.json").write_text(json.dumps(data(url)))
    config = {
        "users": dict([AUTH]),
        "taxii": {"max_page_size": 10},
        "backend": {
            "module": "medallion.backends.memory_backend",
            "module_class": "MemoryBackend",
            "filename": str(tmp_path / "data.json"),
        },
    }
    (tmp_path / "medallion.json").write_text(json.dumps(config))
    password_file = tmp_path / "password"
    password_file.write_text(AUTH[1])
    password_file.chmod(0o600)
    command = [sys.executable, "-W", "ignore", "-m", "medallion.scripts.run"]
    command += ["--port", str(port), str(tmp_path / "medallion.json")]
    with (
        (tmp_path / "medallion.log").open("wb") as printed,
        subprocess.Popen(command, stdout=printed, stderr=printed) as process,
    ):
        try:
            _wait_for(port, process, tmp_path / "medallion.log")
            yield Medallion(url, password_file)
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes], printed: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"medallion did not start: {printed.read_text()[-2_000:]}")


def held(items: list[Item], known: Mapping[str, str] | None = None) -> dict[str, str]:
    before = dict(known or {})
    fetched = {item.key: item.version for item in items if isinstance(item, Fetched)}
    named = {item.key for item in items if isinstance(item, (Unchanged, Broken))}
    return {key: version for key, version in before.items() if key in named} | fetched


def values(items: list[Item]) -> set[str]:
    return {item.value for item in items if isinstance(item, Indicator)}


def by_the_client(medallion: Medallion) -> set[str]:
    """The newest version of each indicator, as taxii2-client gives them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from taxii2client.v21 import Collection, as_pages  # noqa: PLC0415

        url = f"{medallion.url}/api/collections/{COLLECTION}/"
        collection = Collection(url, user=AUTH[0], password=AUTH[1])
        try:
            pages = list(as_pages(collection.get_objects, per_request=7, type="indicator"))
        finally:
            collection.close()
    return {f"{one['id']} {one['modified']}" for page in pages for one in page.get("objects", ())}


def ours(items: list[Item], known: Mapping[str, str] | None = None) -> set[str]:
    now = held(items, known)
    return {f"{key} {version.partition('/')[0]}" for key, version in now.items() if key}


def test_a_collection_is_mirrored_through_all_that_happens_to_it(
    medallion: Medallion, monkeypatch: pytest.MonkeyPatch
) -> None:
    medallion.add(*OBJECTS)
    first = medallion.fetch(collection="Indicators")
    assert len(values(first)) == 49
    assert ours(first) == by_the_client(medallion)
    rejected = [item.reason for item in first if isinstance(item, Rejected)]
    assert rejected == ["two observations must be seen together: AND"]
    found = {item.value: item for item in first if isinstance(item, Indicator)}
    assert found["evil-0.example"].context.organisation == "Partner"
    assert found["evil-51.example"].context.tlp == "red"
    assert found["evil-51.example"].confidence == 80
    assert found["evil-52.example"].expires == 1_893_456_000

    known = held(first)
    assert all(isinstance(i, Unchanged) for i in medallion.fetch(known, collection="Indicators"))

    medallion.add(
        an_indicator(60),
        an_indicator(1, "[url:value = 'http://new.example/x']", modified=LATER),
        an_indicator(2, modified=LATER, revoked=True),
    )
    second = medallion.fetch(known, collection="Indicators")
    assert values(second) == {"evil-60.example", "new.example/x"}
    assert Skipped("revoked") in second
    known = held(second, known)
    assert ours(second, held(first)) == by_the_client(medallion)

    medallion.delete(an_indicator(3)["id"])
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 86_400)
    third = medallion.fetch(known, collection="Indicators")
    assert ours(third, known) == by_the_client(medallion)
    assert held(third, known).keys() == known.keys() - {an_indicator(3)["id"]}
    assert not values(third)


def test_a_wrong_password_and_a_closed_collection_are_told_apart(
    medallion: Medallion, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    wrong.chmod(0o600)
    with pytest.raises(SourceError, match="401"):
        medallion.fetch(password_file=str(wrong))
    with pytest.raises(SourceError, match="may not read"):
        medallion.fetch(collection="Closed")
    with pytest.raises(SourceError, match="404"):
        medallion.fetch(url=f"{medallion.url}/nothing/collections/{COLLECTION}/")


def test_the_fake_answers_as_the_real_one_does(medallion: Medallion) -> None:
    """Same objects, same questions: the pages, the headers that count, and the errors agree."""
    medallion.add(*OBJECTS)
    base = f"/api/collections/{COLLECTION}/objects/"
    with FakeTaxii(OBJECTS, page_size=10, login=AUTH) as fake:
        for asked in (
            {"limit": "7"},
            {"limit": "1000", "match[type]": "identity"},
            {"limit": "1000", "match[id]": f"{OBJECTS[3]['id']},{OBJECTS[9]['id']}"},
            {"limit": "1000", "added_after": "2100-01-01T00:00:00Z"},
        ):
            answers = [
                httpx2.get(f"{url}{base}", params=asked, headers={"Accept": MEDIA_TYPE}, auth=AUTH)
                for url in (medallion.url, fake.url)
            ]
            real, ours_ = (answer.json() for answer in answers)
            ids = [sorted(one["id"] for one in got.get("objects", ())) for got in (real, ours_)]
            assert len(ids[0]) == len(ids[1])
            assert bool(real.get("more")) == bool(ours_.get("more"))
            assert bool(real.get("next")) == bool(ours_.get("next"))
            assert ("X-TAXII-Date-Added-Last" in answers[0].headers) == (
                "X-TAXII-Date-Added-Last" in answers[1].headers
            )
        for path, accept, status in (
            ("/taxii2/", "application/json", 406),
            ("/api/collections/none/", MEDIA_TYPE, 404),
        ):
            for url in (medallion.url, fake.url):
                answer = httpx2.get(f"{url}{path}", headers={"Accept": accept}, auth=AUTH)
                assert answer.status_code == status
        for url in (medallion.url, fake.url):
            assert httpx2.get(f"{url}/taxii2/").status_code == 401
