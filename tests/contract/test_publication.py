"""Generations over HTTP: what every client of ``vedette.web`` may rely on."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx2
import msgspec
import pytest
import zstandard
from tests.served import KEYS, Served

from vedette.buffers import Profile
from vedette.bundle import open_generation, rollback
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.pipeline.announcing import announce
from vedette.pipeline.signing import public_key
from vedette.ruleset.engine import Target
from vedette.sensor.wire import SignedAnnouncement
from vedette.store.tokens import Scope
from vedette.trust.minisign import Purpose, verify
from vedette.web import app
from vedette.web.artifacts import archive
from vedette.web.state import AppState

MORE = Key(T.DOMAIN, "more.example")
PROFILES = ("7.0", "8.0", "8.0.7")
FILES = (
    "manifest.json",
    "datasets/vedette-hostname.lst",
    "datasets/vedette-hostname.lst.zst",
    "rules/7.0.rules",
    "7.0/vedette.tar.gz",
)


# -- the files -----------------------------------------------------------------------------------


def test_a_generation_is_served_whole_and_is_what_its_manifest_says(served: Served) -> None:
    manifest = served.publish(*KEYS)
    with served.client() as client:
        body = client.get("/bundle/current/manifest.json").content
        assert json.loads(body)["content_id"] == manifest.content_id
        for info in manifest.sets:
            got = client.get(f"/bundle/1/datasets/{info.file}").content
            assert hashlib.sha256(got).hexdigest() == info.sha256
            packed = client.get(f"/bundle/1/datasets/{info.file}.zst").content
            assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == got
        for rules in manifest.rules:
            got = client.get(f"/bundle/1/{rules.file}").content
            assert hashlib.sha256(got).hexdigest() == rules.sha256
            assert client.get(f"/r/{rules.profile}/vedette.rules").content == got


def test_signatures_and_announcement_hold_under_the_key_of_the_hub(served: Served) -> None:
    served.publish(*KEYS)
    with served.client(served.sensor("s1", delivery="agent")) as client:
        manifest = client.get("/bundle/current/manifest.json").content
        signature = client.get("/bundle/current/manifest.json.minisig").text
        archive = client.get("/bundle/current/8.0/vedette.tar.gz").content
        archived = client.get("/bundle/current/8.0/vedette.tar.gz.minisig").text
        announcement = client.get("/bundle/current/announcement.json").content
    key = public_key(served.hub)
    assert key is not None
    assert "generation 1" in verify(signature, manifest, [key], Purpose.MANIFEST).comment
    assert "8.0 generation 1" in verify(archived, archive, [key], Purpose.FILE).comment
    signed = msgspec.json.decode(announcement, type=SignedAnnouncement)
    verify(signed.signature, signed.document.encode(), [key], Purpose.ANNOUNCEMENT)
    assert signed.read().manifest == hashlib.sha256(manifest).hexdigest()


@pytest.mark.parametrize("profile", PROFILES)
def test_an_archive_is_what_suricata_update_wants(served: Served, profile: str) -> None:
    manifest = served.publish(*KEYS)
    with served.client() as client:
        body = client.get(f"/bundle/current/{profile}/vedette.tar.gz").content
        md5 = client.get(f"/bundle/current/{profile}/vedette.tar.gz.md5").text
        sha256 = client.get(f"/bundle/current/{profile}/vedette.tar.gz.sha256").text
    assert md5.strip() == hashlib.md5(body).hexdigest()
    assert sha256 == f"{hashlib.sha256(body).hexdigest()}  vedette.tar.gz\n"
    with tarfile.open(fileobj=io.BytesIO(body)) as opened:
        names = opened.getnames()
        assert all(member.isfile() for member in opened.getmembers())
    rules = manifest.rules_for(profile)
    wanted = {f"rules/{manifest.set(name).file}" for name in rules.sets} | {"rules/vedette.rules"}
    assert set(names) == wanted
    assert len(names) == len(wanted)
    assert all(re.fullmatch(r"rules/[A-Za-z0-9_.-]+", name) for name in names)
    assert not [name for name in names if name.endswith(".list")]


def test_an_archive_is_the_same_bytes_whenever_it_is_made(served: Served) -> None:
    served.publish(*KEYS)
    with served.client() as client:
        once = client.get("/bundle/1/7.0/vedette.tar.gz").content
        shutil.rmtree(served.settings.artifacts)
        time.sleep(1.1)
        assert client.get("/bundle/1/7.0/vedette.tar.gz").content == once


def test_an_archive_is_made_once_however_many_ask(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(files: Mapping[str, Path], modified: int) -> Iterator[bytes]:
        made.append(modified)
        return archive(files, modified)

    monkeypatch.setattr("vedette.web.publication.archive", counted)
    served.publish(*KEYS, *(Key(T.DOMAIN, f"d{number}.example") for number in range(20_000)))
    answers: list[bytes] = []

    token = served.token()

    def ask() -> None:
        with served.client(token) as client:
            answers.append(client.get("/bundle/current/7.0/vedette.tar.gz").content)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(answers) == 12
    assert len(set(answers)) == 1


def test_a_version_of_the_engine_gets_the_profile_that_fits(served: Served) -> None:
    served.publish(*KEYS)
    wanted = {"7.0.10": "7.0", "8.0.1": "8.0", "8.0.7": "8.0.7", "9.0.0": "8.0.7", "8.1": "8.0.7"}
    with served.client() as client:
        for version, profile in wanted.items():
            by_version = client.get(f"/suricata-{version}/vedette.tar.gz")
            by_profile = client.get(f"/bundle/current/{profile}/vedette.tar.gz")
            assert by_version.headers["etag"] == by_profile.headers["etag"], version
            md5 = client.get(f"/suricata-{version}/vedette.tar.gz.md5").text
            assert md5.strip() == hashlib.md5(by_profile.content).hexdigest()
            agent = f"Suricata-Update/1.3.3 (OS: Linux; Suricata: {version})"
            named = client.get("/bundle/current/vedette.tar.gz", headers={"user-agent": agent})
            assert named.headers["etag"] == by_profile.headers["etag"]
            assert named.headers["vary"] == "User-Agent"
        for version in ("6.0.0", "x", "1"):
            lost = client.get(f"/suricata-{version}/vedette.tar.gz")
            assert (lost.status_code, bool(lost.json()["hint"])) == (404, True), version


def test_an_engine_gets_the_newest_profile_that_was_built(served: Served) -> None:
    served.publish(*KEYS, targets=(Target(Profile.V8_0),))
    with served.client() as client:
        assert client.get("/suricata-8.0.7/vedette.tar.gz").status_code == 200
        lost = client.get("/suricata-7.0.10/vedette.tar.gz")
        assert lost.status_code == 404
        assert "profiles" in lost.json()["hint"]


# -- for Scirius ----------------------------------------------------------------------------------


def test_strings_are_raw_text_and_other_lists_are_as_they_are(served: Served) -> None:
    manifest = served.publish(*KEYS)
    with served.client() as client:
        for info in (info for info in manifest.sets if info.type != "values"):
            file = client.get(f"/bundle/1/datasets/{info.file}").content
            raw = client.get(f"/d/{info.name}").content
            assert client.get(f"/o/{info.name}").content == file
            assert client.get(f"/d/{info.file}").content == raw
            assert client.get(f"/d/{info.name}.txt").content == raw
            if info.format != "base64":
                assert raw == file
                continue
            again = [base64.b64encode(line.rstrip(b"\r\n")) for line in io.BytesIO(raw)]
            assert again == file.splitlines()
        assert b"Bad Agent/1.0" in client.get("/d/vedette-user-agent").content


# -- conditional requests, ranges -----------------------------------------------------------------


@pytest.mark.parametrize("file", FILES)
def test_who_has_it_is_told_so(served: Served, file: str) -> None:
    served.publish(*KEYS)
    time.sleep(1.1)
    with served.client() as client:
        for which in ("current", "1"):
            url = f"/bundle/{which}/{file}"
            whole = client.get(url)
            assert whole.status_code == 200
            assert int(whole.headers["content-length"]) == len(whole.content)
            assert whole.headers["x-vedette-generation"] == "1"
            etag, modified = whole.headers["etag"], whole.headers["last-modified"]
            for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
                unchanged = client.get(url, headers={"if-none-match": condition})
                assert (unchanged.status_code, unchanged.content) == (304, b"")
                assert unchanged.headers["etag"] == etag
                assert "content-length" not in unchanged.headers
            assert client.get(url, headers={"if-modified-since": modified}).status_code == 304
            both = {"if-none-match": '"other"', "if-modified-since": modified}
            assert client.get(url, headers=both).status_code == 200
            for wrong in ("Sat, 01 Jan 2000 00:00:00 GMT", "yesterday", ""):
                assert client.get(url, headers={"if-modified-since": wrong}).status_code == 200


@pytest.mark.parametrize("file", FILES)
def test_head_says_the_same_without_the_content(served: Served, file: str) -> None:
    served.publish(*KEYS)
    time.sleep(1.1)
    with served.client() as client:
        url = f"/bundle/1/{file}"
        whole, head = client.get(url), client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        volatile = {"date"}
        assert {k: v for k, v in head.headers.items() if k not in volatile} == {
            k: v for k, v in whole.headers.items() if k not in volatile
        }
        assert client.head(url, headers={"if-none-match": head.headers["etag"]}).status_code == 304


def test_a_part_can_be_had_and_a_broken_download_goes_on(served: Served) -> None:
    served.publish(*KEYS)
    url = "/bundle/1/7.0/vedette.tar.gz"
    with served.client() as client:
        whole = client.get(url)
        body, etag, size = whole.content, whole.headers["etag"], len(whole.content)
        for text, part in {
            "bytes=0-99": (0, 100),
            "bytes=100-": (100, size),
            "bytes=-50": (size - 50, size),
            f"bytes=-{size * 2}": (0, size),
            f"bytes=0-{size * 2}": (0, size),
            f"bytes={size - 1}-{size - 1}": (size - 1, size),
        }.items():
            got = client.get(url, headers={"range": text, "if-range": etag})
            start, end = part
            assert (got.status_code, got.content) == (206, body[start:end]), text
            assert got.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            head = client.head(url, headers={"range": text})
            assert head.headers["content-length"] == str(end - start)
        for text in ("bytes=x", "bytes=-", "bytes=9-3", "lines=1-2", "bytes=0-1,5-6"):
            assert client.get(url, headers={"range": text}).content == body, text
        for text in (f"bytes={size}-", "bytes=-0"):
            refused = client.get(url, headers={"range": text})
            assert refused.status_code == 416, text
            assert refused.headers["content-range"] == f"bytes */{size}"
        stale = client.get(url, headers={"range": "bytes=0-9", "if-range": '"other"'})
        assert (stale.status_code, stale.content) == (200, body)
        assert (
            client.get(url, headers={"range": "bytes=0-9", "if-none-match": etag}).status_code
            == 304
        )


def test_nothing_is_compressed_twice_and_numbers_never_change(served: Served) -> None:
    served.publish(*KEYS)
    with served.client() as client:
        for file in FILES:
            got = client.get(f"/bundle/1/{file}", headers={"accept-encoding": "gzip, br, zstd"})
            assert "content-encoding" not in got.headers
            assert "immutable" in got.headers["cache-control"]
            assert "no-transform" in got.headers["cache-control"]
            current = client.get(f"/bundle/current/{file}")
            assert current.headers["cache-control"].startswith("private, no-cache")


# -- which generation ------------------------------------------------------------------------------


def test_current_follows_and_never_says_unchanged_of_something_else(served: Served) -> None:
    """The times of files go back with a roll back: a client must not keep what was withdrawn."""
    served.publish(*KEYS)
    time.sleep(1.1)
    with served.client() as client:
        url = "/bundle/current/manifest.json"
        first = client.get(url)
        served.publish(*KEYS, MORE)
        time.sleep(1.1)
        stale = {"if-modified-since": first.headers["last-modified"]}
        second = client.get(url, headers=stale)
        assert (second.status_code, second.headers["x-vedette-generation"]) == (200, "2")
        assert int(second.headers["x-vedette-serial"]) > int(first.headers["x-vedette-serial"])
        generation = rollback(served.settings.bundles, 1)
        announce(served.hub, generation, "test", "rollback", at_once=True)
        newer = {"if-modified-since": second.headers["last-modified"]}
        back = client.get(url, headers=newer)
        assert (back.status_code, back.content) == (200, first.content)
        both = client.get(url, headers={"if-none-match": first.headers["etag"]})
        assert both.status_code == 304


def test_a_canary_is_told_first_and_a_tool_with_the_others(served: Served) -> None:
    served.publish(*KEYS)
    canary, other, tool = served.sensor("c", ring="canary"), served.sensor("o"), served.token()
    served.publish(*KEYS, MORE)
    url = "/bundle/current/manifest.json"
    told = {}
    for name, token in {"canary": canary, "other": other, "tool": tool}.items():
        with served.client(token) as client:
            told[name] = client.get(url).headers["x-vedette-generation"]
            assert client.get("/bundle/2/manifest.json").status_code == 200
    assert told == {"canary": "2", "other": "1", "tool": "1"}


def test_before_anything_is_published_that_is_said(served: Served) -> None:
    with served.client() as client:
        for path in ("/bundle/current/manifest.json", "/suricata-8.0.1/vedette.tar.gz"):
            lost = client.get(path)
            assert (lost.status_code, lost.json()["error"]) == (404, "nothing is published yet")
            assert "vedette bundle build" in lost.json()["hint"]


@pytest.mark.parametrize(
    "path",
    [
        "/bundle/current/",
        "/bundle/current/nothing.json",
        "/bundle/current/datasets/vedette-nothing.lst",
        "/bundle/current/datasets/vedette-hostname",
        "/bundle/current/datasets/%2e%2e%2fmanifest.json",
        "/bundle/current/rules/6.0.rules",
        "/bundle/current/6.0/vedette.tar.gz",
        "/bundle/..%2f..%2fvedette.db",
        "/bundle/99/manifest.json",
        "/bundle/0/manifest.json",
        "/bundle/-1/manifest.json",
        "/bundle/٣/manifest.json",
        "/bundle/99999999999999999999/manifest.json",
        "/bundle/1/announcement.json",
        "/bundle/CURRENT/manifest.json",
        "/r/6.0/vedette.rules",
        "/d/vedette-nothing",
        "/d/..%2fmanifest.json",
        "/o/.lock",
        "/scirius/7.0/nothing",
        "/scirius/6.0/vedette.rules",
        "/suricata-8.0.1/nothing",
    ],
)
def test_what_is_not_there_is_answered_with_a_hint(served: Served, path: str) -> None:
    served.publish(*KEYS)
    with served.client() as client:
        lost = client.get(path)
        assert lost.status_code == 404
        assert lost.json()["error"]
        assert lost.json()["hint"]


# -- while a generation is forgotten --------------------------------------------------------------


def test_a_download_ends_well_although_its_generation_is_forgotten(served: Served) -> None:
    many = (Key(T.DOMAIN, f"d{number:07}.example") for number in range(400_000))
    manifest = served.publish(*KEYS, *many)
    info = max(manifest.sets, key=lambda info: info.entries)
    host, port = served.url.removeprefix("http://").split(":")
    request = (
        f"GET /bundle/1/datasets/{info.file} HTTP/1.1\r\nHost: hub\r\n"
        f"Authorization: {served.token()}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        slow.sendall(request.encode())
        head = slow.recv(1_000)
        assert b" 200 " in head
        shutil.rmtree(served.settings.bundles / "gen-000001")
        received = head.partition(b"\r\n\r\n")[2]
        parts = [received]
        while part := slow.recv(1 << 16):
            parts.append(part)
    assert hashlib.sha256(b"".join(parts)).hexdigest() == info.sha256
    with served.client() as client:
        assert client.get(f"/bundle/1/datasets/{info.file}").status_code == 404


def test_what_was_made_of_forgotten_generations_goes(served: Served) -> None:
    served.publish(*KEYS)
    with served.client() as client:
        client.get("/bundle/1/7.0/vedette.tar.gz")
        served.publish(*KEYS, MORE)
        shutil.rmtree(served.settings.bundles / "gen-000001")
        client.get("/bundle/2/7.0/vedette.tar.gz")
    left = [path.name for path in served.settings.artifacts.glob("gen-*")]
    assert left == ["gen-000002"]


def test_a_number_that_comes_again_after_a_restore_is_not_served_from_before(
    served: Served,
) -> None:
    served.publish(*KEYS)
    with served.client() as client:
        before = client.get("/bundle/1/7.0/vedette.tar.gz").content
        shutil.rmtree(served.settings.bundles / "gen-000001")
        served.publish(*KEYS, MORE)
        assert open_generation(served.settings.bundles, 1) is not None
        after = client.get("/bundle/1/7.0/vedette.tar.gz").content
        assert after != before
        names = io.BytesIO(after)
        with tarfile.open(fileobj=names) as opened:
            texts = [opened.extractfile(name) for name in opened.getnames()]
            content = b"".join(text.read() for text in texts if text)
        assert base64.b64encode(b"more.example") in content


# -- who may --------------------------------------------------------------------------------------


OPEN = {"/health", "/suricata-update/index.yaml"}


def test_every_address_but_two_wants_a_token(served: Served) -> None:
    served.publish(*KEYS)
    state = AppState(served.settings)
    asked = 0
    with httpx2.Client(base_url=served.url) as client:
        for make in app.MODULES:
            for route in make(state):
                path = re.sub(r"\{[^}]+\}", "1", route.path)
                for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                    status = client.request(method, path).status_code
                    assert path in OPEN or status in {401, 429}, (method, path, status)
                    asked += 1
        assert [client.get(path).status_code for path in sorted(OPEN)] == [200, 200]
    assert asked > 10


def test_the_wrong_scope_fetches_nothing(served: Served) -> None:
    served.publish(*KEYS)
    with served.client(served.token(Scope.REPORT, Scope.METRICS)) as client:
        for file in FILES:
            assert client.get(f"/bundle/1/{file}").status_code == 403


# -- what becomes known of consumers --------------------------------------------------------------


def wait_for(condition: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert condition()


def test_a_fetch_is_reported_and_an_interrupted_one_is_not(served: Served) -> None:
    many = (hashlib.sha256(b"%d" % number).hexdigest() for number in range(200_000))
    served.publish(*KEYS, *(Key(T.SHA256, digest) for digest in many))
    token = served.sensor("edge")
    reports, tokens = served.hub.store.reports, served.hub.store.tokens
    with served.client(token) as client:
        client.head("/suricata-8.0.1/vedette.tar.gz")
        with client.stream("GET", "/suricata-8.0.1/vedette.tar.gz") as cut:
            next(cut.iter_raw(100))
        client.get("/suricata-8.0.1/vedette.tar.gz", headers={"range": "bytes=0-99"})
        client.get("/bundle/current/manifest.json")
        wait_for(lambda: tokens.fetches("edge"))
        assert {fetch.what for fetch in tokens.fetches("edge")} == {"manifest"}
        assert reports.state_of("edge") is None
        odd = [(b"user-agent", "X/1\x85 é".encode("latin-1"))]
        client.get("/suricata-8.0.1/vedette.tar.gz", headers=odd)
    wait_for(lambda: reports.state_of("edge"))
    state = reports.state_of("edge")
    assert state is not None
    assert (state.state, state.generation, state.origin) == ("fetched", 1, "127.0.0.1")
    assert state.serial == served.hub.store.announcements.last().serial  # type: ignore[union-attr]
    (fetch,) = [one for one in tokens.fetches("edge") if one.what == "archive"]
    assert fetch.agent.isprintable()


def test_a_checksum_of_what_it_has_confirms_it_and_of_something_new_does_not(
    served: Served,
) -> None:
    served.publish(*KEYS)
    token = served.sensor("edge")
    reports, tokens = served.hub.store.reports, served.hub.store.tokens
    with served.client(token) as client:
        client.get("/suricata-8.0.1/vedette.tar.gz")
        wait_for(lambda: reports.state_of("edge"))
        first = reports.state_of("edge")
        assert first is not None
        time.sleep(1.1)
        client.get("/suricata-8.0.1/vedette.tar.gz.md5")
        wait_for(lambda: reports.state_of("edge").at > first.at)  # type: ignore[union-attr]
        served.publish(*KEYS, MORE)
        client.get("/suricata-8.0.1/vedette.tar.gz.md5")
        wait_for(lambda: [f for f in tokens.fetches("edge") if f.generation == 2])
    state = reports.state_of("edge")
    assert state is not None
    assert state.generation == 1


def test_the_profiles_above_are_all_that_are_compiled() -> None:
    assert [profile.value for profile in Profile] == list(PROFILES)
