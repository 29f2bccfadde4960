from __future__ import annotations

import gzip
import json
import os
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import stamina

from vedette.errors import SourceError
from vedette.misp.feed import open_feed
from vedette.misp.feed_document import MISSING, Document, Unreadable
from vedette.misp.http import Connection, TransportError
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, files_of

A = "aaaaaaaa-0000-4000-8000-000000000000"
B = "bbbbbbbb-0000-4000-8000-000000000000"
QUICK = Connection(timeout_s=0.3, retries=2)
MANIFEST = json.dumps({A: {"timestamp": "1"}, B: {"timestamp": "2"}}).encode()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "feed"
    folder.mkdir()
    (folder / "manifest.json").write_bytes(MANIFEST)
    (folder / f"{A}.json").write_bytes(b'{"Event": "A"}')
    (folder / f"{B}.json").write_bytes(b'{"Event": "B"}')
    (folder / "hashes.csv").write_bytes(b"x,y\n")
    return folder


def as_tar(directory: Path) -> Path:
    path = directory.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(directory, "some/where")
    return path


def as_tar_gz(directory: Path) -> Path:
    path = directory.with_suffix(".tgz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(directory, ".")
    return path


def as_zip(directory: Path) -> Path:
    path = directory.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(directory.iterdir()):
            archive.write(file, f"feed/{file.name}")
    return path


def itself(directory: Path) -> Path:
    return directory


PACKINGS = pytest.mark.parametrize("pack", [itself, as_tar, as_tar_gz, as_zip])


def read(location: object, *keys: str) -> dict[str, Document]:
    with open_feed(str(location), QUICK) as feed:
        assert feed.manifest() is not None
        return dict(feed.read(keys))


@PACKINGS
def test_a_feed_is_read_wherever_it_lies(directory: Path, pack: Callable[[Path], Path]) -> None:
    location = pack(directory)
    with open_feed(str(location), QUICK) as feed:
        assert feed.manifest() == MANIFEST
        assert dict(feed.read([B, A])) == {A: b'{"Event": "A"}', B: b'{"Event": "B"}'}
        assert list(feed.read([])) == []


@PACKINGS
def test_a_named_event_that_is_missing_costs_only_itself(
    directory: Path, pack: Callable[[Path], Path]
) -> None:
    (directory / f"{A}.json").unlink()
    found = read(pack(directory), A, B)
    assert found == {A: Unreadable(MISSING), B: b'{"Event": "B"}'}


@PACKINGS
def test_without_a_manifest_every_json_document_is_read_in_a_fixed_order(
    directory: Path, pack: Callable[[Path], Path]
) -> None:
    (directory / "manifest.json").unlink()
    with open_feed(str(pack(directory)), QUICK) as feed:
        assert feed.manifest() is None
        names = [name for name, _ in feed.read_all()]
    assert sorted(name.rpartition("/")[2] for name in names) == [f"{A}.json", f"{B}.json"]


@PACKINGS
def test_an_event_of_impossible_length_is_not_read_into_memory(
    directory: Path, pack: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.misp.feed_document.EVENT_MAX_BYTES", 1_000)
    (directory / f"{A}.json").write_bytes(b" " * 1_001)
    found = read(pack(directory), A, B)
    assert found == {A: Unreadable("longer than 1,000 bytes"), B: b'{"Event": "B"}'}


def test_the_manifest_nearest_to_the_top_of_an_archive_counts(tmp_path: Path) -> None:
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("misp/old/manifest.json", "{}")
        archive.writestr("misp/manifest.json", MANIFEST)
        archive.writestr(f"misp/{A}.json", "right")
        archive.writestr(f"misp/old/{A}.json", "wrong")
    assert read(path, A) == {A: b"right"}


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = tmp_path / "feed.tar"
    with tarfile.open(path, "w") as archive:
        (tmp_path / "manifest.json").write_bytes(MANIFEST)
        archive.add(tmp_path / "manifest.json", "manifest.json")
        link = tarfile.TarInfo(f"{A}.json")
        link.type = tarfile.SYMTYPE
        link.linkname = str(secret)
        archive.addfile(link)
    assert read(path, A) == {A: Unreadable(MISSING)}


@pytest.mark.parametrize("name", ["manifest.json", "event.json"])
def test_a_pipe_in_a_feed_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with open_feed(str(tmp_path), QUICK) as feed:
        if name == "manifest.json":
            with pytest.raises(SourceError, match="not a regular file"):
                feed.manifest()
        else:
            assert dict(feed.read_all()) == {name: Unreadable("not a regular file")}
    with pytest.raises(SourceError, match="not a regular file"):
        open_feed(str(tmp_path / name), QUICK)


def test_an_archive_full_of_manifests_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"{}")
        for number in range(20):
            archive.writestr(f"{number}/manifest.json", bytes(1 << 20))
    tracemalloc.start()
    with open_feed(str(path), QUICK) as feed:
        assert feed.manifest() == b"{}"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 << 20


def test_a_single_event_may_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "event.json.gz"
    path.write_bytes(gzip.compress(b'{"Event": {}}'))
    with open_feed(str(path), QUICK) as feed:
        assert feed.manifest() is None
        assert list(feed.read_all()) == [("event.json.gz", b'{"Event": {}}')]
        assert list(feed.read([A])) == [(A, Unreadable("no manifest"))]


@pytest.mark.parametrize("name", ["feed.tar", "feed.tgz", "feed.zip"])
def test_an_archive_that_is_cut_off_is_an_error_and_not_an_empty_feed(
    directory: Path, name: str
) -> None:
    (directory / f"{A}.json").write_bytes(bytes(range(256)) * 400)
    pack = {"feed.tar": as_tar, "feed.tgz": as_tar_gz, "feed.zip": as_zip}[name]
    path = pack(directory)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(SourceError, match="cannot read"):
        read(path, A, B)


def test_a_location_that_does_not_exist_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file") as caught:
        open_feed(str(tmp_path / "nowhere"), QUICK)
    assert "manifest.json" in caught.value.hint


def test_an_unreadable_file_in_a_directory_costs_only_itself(directory: Path) -> None:
    (directory / f"{A}.json").unlink()
    (directory / f"{A}.json").mkdir()
    assert read(directory, A, B) == {A: Unreadable("a directory, not a file"), B: b'{"Event": "B"}'}


@pytest.fixture
def server(directory: Path) -> LoopbackServer:
    return LoopbackServer(files_of(directory))


@pytest.mark.parametrize("suffix", ["", "/", "/manifest.json"])
def test_a_feed_is_fetched_from_a_web_server(server: LoopbackServer, suffix: str) -> None:
    with server, open_feed(f"{server.url}{suffix}", QUICK) as feed:
        assert feed.manifest() == MANIFEST
        assert [name for name, _ in feed.read([B, A])] == [B, A]


def test_a_single_event_is_fetched_from_a_web_server(server: LoopbackServer) -> None:
    with server, open_feed(f"{server.url}/{A}.json", QUICK) as feed:
        assert feed.manifest() is None
        assert list(feed.read_all()) == [(f"{A}.json", b'{"Event": "A"}')]


def test_an_event_that_the_web_server_lacks_costs_only_itself(
    server: LoopbackServer, directory: Path
) -> None:
    (directory / f"{A}.json").unlink()
    with server:
        assert read(server.url, A, B) == {
            A: Unreadable("404 Not Found"),
            B: b'{"Event": "B"}',
        }


def test_a_web_server_without_a_manifest_is_no_feed(
    server: LoopbackServer, directory: Path
) -> None:
    (directory / "manifest.json").unlink()
    with server, pytest.raises(SourceError, match=r"no manifest.json \(404\)"):
        read(server.url)


def test_a_redirected_manifest_names_the_address_to_configure(server: LoopbackServer) -> None:
    fault = Fault(FaultKind.STATUS, status=302, headers={"Location": "https://new.example/feed/"})
    server.faults.add(fault)
    with server, pytest.raises(SourceError, match=r"redirects to https://new\.example/feed/"):
        read(server.url)


def test_one_event_that_fails_costs_only_itself(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.STATUS, path=A, status=500))
    with server:
        found = read(server.url, A, B)
    assert found == {A: Unreadable("500 Internal Server Error"), B: b'{"Event": "B"}'}


def test_a_server_that_goes_away_ends_the_reading(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.CLOSE, skip=1))
    keys = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(5)]
    with stamina.set_testing(True, attempts=2), server, open_feed(server.url, QUICK) as feed:
        assert feed.manifest() is not None
        found = feed.read(keys)
        assert isinstance(next(found)[1], Unreadable)
        assert isinstance(next(found)[1], Unreadable)
        with pytest.raises(TransportError):
            next(found)


def test_events_that_always_fail_do_not_keep_the_ones_behind_them(
    server: LoopbackServer,
) -> None:
    server.faults.add(Fault(FaultKind.STATUS, path="/0", status=500))
    keys = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(20)]
    with server:
        found = read(server.url, *keys, A)
    assert {found[key] for key in keys} == {Unreadable("500 Internal Server Error")}
    assert found[A] == b'{"Event": "A"}'
    asked = [request.path for request in server.requests]
    assert asked.count("/manifest.json") == 3, "at first, after 3 and after 6 more"


def test_a_server_that_has_no_manifest_any_more_ends_the_reading(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.STATUS, skip=1, status=500))
    keys = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(20)]
    with server, pytest.raises(SourceError, match=r"manifest.json answered 500"):
        read(server.url, *keys)
    assert len(server.requests) == 5


def test_an_event_of_impossible_length_is_not_fetched(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.misp.feed.EVENT_MAX_BYTES", 1_000)
    big = Fault(FaultKind.BODY, path=A, body=b" " * 1_001)
    server.faults.add(big)
    with server:
        found = read(server.url, A, B)
    assert isinstance(found[A], Unreadable)
    assert "longer than 1,000 bytes" in found[A].reason
    assert found[B] == b'{"Event": "B"}'
