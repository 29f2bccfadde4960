"""A hostile feed does no harm, and is reported: lists and MISP feeds, over real sockets and files.

Memory is measured in processes of their own; everything that a person could be told is asserted.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import socket
import subprocess
import sys
import tarfile
import textwrap
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vedette.errors import SourceError
from vedette.misp import http
from vedette.misp.feed_document import EVENT_MAX_BYTES
from vedette.model import Broken, Fetched, Indicator, Item, Rejected
from vedette.sources import build
from vedette.testing.command import Cli
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.hostile import EVIL, poisoned_feed, write_feed
from vedette.testing.loopback import LoopbackServer, Request, Response, files_of

A = "aaaaaaaa-0000-4000-8000-000000000000"
B = "bbbbbbbb-0000-4000-8000-000000000000"
MIB = 1 << 20


@contextmanager
def streaming(chunks: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """Serve a body that is made while it is sent, of unknown length."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                try:
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                    for chunk in chunks():
                        connection.sendall(chunk)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/list"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def fetch(kind: str, location: object, **settings: object) -> list[Item]:
    whole = {"name": "x", "location": str(location), "timeout_s": 5.0, "retries": 1} | settings
    return list(build(kind, whole).fetch({}))


def read_list(location: object, **settings: object) -> list[Item]:
    return fetch("list", location, **({"type": "domain"} | settings))


def values(items: list[Item]) -> list[str]:
    return [item.value for item in items if isinstance(item, Indicator)]


def reasons(items: list[Item]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


def broken(items: list[Item]) -> dict[str, str]:
    return {item.key: item.reason for item in items if isinstance(item, Broken)}


# -- size


PULL = textwrap.dedent("""
    import sys
    from pathlib import Path
    from vedette.errors import VedetteError
    from vedette.model import Broken, Indicator, Rejected
    from vedette.sources import build
    from vedette.store import Store

    kind, location, directory = sys.argv[1:4]
    settings = {"name": "x", "location": location, "retries": 1}
    if kind == "list":
        settings |= {"type": "domain"}
    said = {}
    with Store(Path(directory) / "vedette.db") as store:
        store.add_source("x", kind, {}, 900)
        pull = store.pull("x")
        try:
            for item in build(kind, settings).fetch(pull.known()):
                pull.take(item)
                if isinstance(item, (Rejected, Broken)):
                    said[item.reason] = said.get(item.reason, 0) + 1
            entries = pull.finish().entries
        except VedetteError as error:
            entries = str(error)
    # Of this program alone: what getrusage says includes the test runner that forked us.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    print({"entries": entries, "said": said, "peak_mib": peak})
""")


def pulled(kind: str, location: object, directory: Path) -> dict[str, Any]:
    """Pull into a store of its own in a process of its own; what came, and how much memory."""
    directory.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PULL, kind, str(location), str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = eval(done.stdout.splitlines()[-1])  # our own print, two lines above
    return result


def rows(count: int) -> Callable[[], Iterator[bytes]]:
    def chunks() -> Iterator[bytes]:
        for start in range(0, count, 10_000):
            yield b"".join(
                b"host%d.evil%d.example\n" % (n, n % 97) for n in range(start, start + 10_000)
            )

    return chunks


def test_memory_does_not_grow_with_the_rows_of_a_list(tmp_path: Path) -> None:
    peaks = []
    for count in (400_000, 800_000):
        with streaming(rows(count)) as url:
            result = pulled("list", url, tmp_path / str(count))
        assert result["entries"] == count
        peaks.append(result["peak_mib"])
    # SQLite's own cache may fill up to 64 MiB, and then no more.
    assert peaks[1] - peaks[0] < 60
    assert peaks[1] < 250


def test_a_list_that_is_far_too_long_is_held_before_it_fills_the_disk(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.store.bounds._GROWTH_FINE", 50_000)
    cli("init")
    sizes = iter([10, 5_000_000, 5_000_000])
    with streaming(lambda: rows_of(next(sizes))) as url:
        cli("source", "add", "list", url, "--type", "domain", "--name", "long")
        assert cli("source", "pull").code == 0
        held = cli("source", "pull")
    assert held.code == 4
    assert "grew from 10 to more than 50,000 values" in held.out
    assert "--accept" in held.out
    (record,) = cli("source", "list", "--json").json
    assert (record["entries"], record["last_pull"]["outcome"]) == (10, "held")
    assert "grew from 10" in cli("source", "show", "long").out


def rows_of(count: int) -> Iterator[bytes]:
    if count >= 10_000:
        return rows(count)()
    return iter([b"".join(b"host%d.evil.example\n" % n for n in range(count))])


def test_a_line_of_a_gigabyte_costs_only_itself(tmp_path: Path) -> None:
    member = gzip.compress(b"a" * MIB)
    path = tmp_path / "list.gz"
    path.write_bytes(
        gzip.compress(b"first.example\n") + member * 1024 + gzip.compress(b"\nlast.example\n")
    )
    result = pulled("list", path, tmp_path / "store")
    assert result["entries"] == 2
    assert result["said"] == {"line too long": 1}
    assert result["peak_mib"] < 150


def test_a_line_without_an_end_over_http_stops_at_the_limit_of_the_list() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"a" * MIB

    with (
        streaming(endless) as url,
        pytest.raises(SourceError, match="longer than 33,554,432 bytes") as failed,
    ):
        read_list(url, max_bytes=32 * MIB)
    assert "--max-bytes" in failed.value.hint


def test_a_list_that_unpacks_to_more_than_its_limit_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"a.example\n" * MIB))
    twice = tmp_path / "twice.gz"
    twice.write_bytes(gzip.compress(bomb.read_bytes()))
    assert twice.stat().st_size < 2_000
    for path in (bomb, twice):
        with pytest.raises(SourceError, match="unpacks to more than its limit") as failed:
            read_list(path, max_bytes=MIB)
        assert "--max-bytes" in failed.value.hint


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_event_that_unpacks_beyond_measure_costs_only_itself(
    tmp_path: Path, suffix: str
) -> None:
    feed = write_feed(tmp_path / "feed", {A: [], B: ["good.example"]})
    path = tmp_path / f"feed{suffix}"
    size = EVENT_MAX_BYTES + 300 * MIB
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(feed / "manifest.json", "manifest.json")
            archive.write(feed / f"{B}.json", f"{B}.json")
            with archive.open(f"{A}.json", "w") as file:
                for _ in range(size // MIB):
                    file.write(b" " * MIB)
    else:
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            archive.add(feed / "manifest.json", "manifest.json")
            archive.add(feed / f"{B}.json", f"{B}.json")
            entry = tarfile.TarInfo(f"{A}.json")
            entry.size = size
            archive.addfile(entry, io.BufferedReader(Blanks(size)))
    assert path.stat().st_size < 5 * MIB
    result = pulled("misp-feed", path, tmp_path / "store")
    assert result["entries"] == 1
    assert list(result["said"]) == [f"longer than {EVENT_MAX_BYTES:,} bytes"]
    assert result["peak_mib"] < EVENT_MAX_BYTES // MIB + 200


class Blanks(io.RawIOBase):
    """A file of so many blanks."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._left)
        buffer[:size] = b" " * size
        self._left -= size
        return size


def test_a_compressed_answer_is_measured_by_what_it_unpacks_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.misp.feed.EVENT_MAX_BYTES", MIB)
    feed = write_feed(tmp_path, {A: [], B: ["good.example"]})
    bomb = zlib.compress(b" " * 64 * MIB, 9)

    def respond(request: Request) -> Response:
        if A in request.path:
            return Response(200, bomb, headers={"Content-Encoding": "deflate"})
        return files_of(feed)(request)

    with LoopbackServer(respond) as server:
        items = fetch("misp-feed", server.url)
    assert values(items) == ["good.example"]
    assert "longer than 1,048,576 bytes" in broken(items)[A]


def test_json_without_end_in_depth_costs_only_its_event(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, {A: [], B: ["good.example"]})
    (feed / f"{A}.json").write_bytes(b'{"Event":' * 500_000)
    items = fetch("misp-feed", feed)
    assert values(items) == ["good.example"]
    assert broken(items).keys() == {A}


# -- content


RULE_LINE = re.compile(
    r"alert [a-z0-9]+ \S+ \S+ -> \S+ \S+ \((?:[a-z_.0-9-]+(?::[^;]*)?; ?)*sid:(\d+); rev:\d+;\)"
)


def test_no_text_of_a_feed_gets_into_a_rule_and_every_line_can_be_read(
    cli: Cli, short_path: Path
) -> None:
    cli("init")
    feed = poisoned_feed(short_path / "feed")
    cli("source", "add", "misp-feed", feed, "--name", "poisoned")
    pulled_ = cli("source", "pull", "--json").json["pulls"][0]
    assert pulled_["entries"] >= 4
    assert pulled_["rejected"]["control character"] > 10
    assert cli("bundle", "build").code == 0
    bundle = (short_path / "state/bundles/current").resolve()
    rules = list(bundle.rglob("*.rules"))
    assert rules
    for path in rules:
        text = path.read_text(encoding="ascii")
        assert EVIL not in text
        for line in text.splitlines():
            if line and not line.startswith("#"):
                match = RULE_LINE.fullmatch(line)
                assert match, line
                assert 1_400_000 <= int(match[1]) < 1_640_000
    sets = [path for path in bundle.rglob("*") if path.is_file() and path.suffix != ".rules"]
    assert sum(check_set(path) for path in sets) > 5


def check_set(path: Path) -> bool:
    """Check every line of a dataset; False for what is none."""
    if path.name == "manifest.json" or path.suffix in {".sig", ".yaml"}:
        return False
    data = path.read_bytes()
    assert b"\x00" not in data
    for line in data.decode("ascii" if path.suffix != ".ndjson" else "utf-8").split("\n"):
        if not line:
            continue
        if line.startswith("{"):
            assert len(line.encode()) <= 1_000
            assert set(json.loads(line)) <= {"v", "source", "event", "info", "tags", "tlp"}
        elif not re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f:.]+(/\d+)?", line):
            base64.b64decode(line, validate=True)
    return True


def test_what_a_feed_says_cannot_steer_a_terminal(cli: Cli, short_path: Path) -> None:
    cli("init")
    feed = poisoned_feed(short_path / "feed")
    manifest = json.loads((feed / "manifest.json").read_text())
    manifest["\x1b[2J../../etc/passwd\x07"] = {"timestamp": "1"}
    (feed / "manifest.json").write_text(json.dumps(manifest))
    cli("source", "add", "misp-feed", feed, "--name", "poisoned")
    for words in (
        ("source", "test", "poisoned"),
        ("source", "pull"),
        ("source", "show", "poisoned"),
        ("indicator", "show", "good.example"),
    ):
        said = cli(*words)
        assert said.code == 0
        for character in said.out + said.err:
            assert character.isprintable() or character == "\n", (words, character)


BROAD = """\
google.com
com
co.uk
*.com
www.our-own.example
0.0.0.0/0
10.0.0.0/8
127.0.0.1
0.0.0.0
255.255.255.255
::/0
8.8.8.8
evil.example
"""


def test_a_list_of_everything_is_read_and_what_is_no_value_is_told(
    cli: Cli, short_path: Path
) -> None:
    """What is a value and far too broad (google.com, 10.0.0.0/8) is the guard's to judge."""
    cli("init")
    (short_path / "list.txt").write_text(BROAD)
    cli("source", "add", "list", "list.txt", "--type", "domain", "--name", "broad")
    done = cli("source", "pull", "--json").json["pulls"][0]
    assert done["rejected"]["single label"] == 2
    assert done["rejected"]["network too wide"] == 2
    assert done["rejected"]["address of no host"] >= 2
    assert done["entries"] + sum(done["rejected"].values()) == len(BROAD.splitlines())
    shown = cli("source", "show", "broad")
    for value in ("0.0.0.0/0", "*.com", "127.0.0.1"):
        assert value in shown.out
    assert cli("bundle", "build").code == 0


# -- places


NAMES = (
    "../../etc/passwd",
    "/etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    f"{A}/../../secret",
    f"{A}\x00",
    f"{A}.json?x=",
    f"http://127.0.0.1:9/{A}",
    "..\\..\\secret",
    "",
    "a" * 1_000_000,
)


def test_a_manifest_asks_for_nothing_but_its_own_events(tmp_path: Path) -> None:
    feed = write_feed(tmp_path / "feed", {B: ["good.example"]})
    (tmp_path / "secret.json").write_text(json.dumps({"Event": {"info": "secret"}}))
    manifest = json.loads((feed / "manifest.json").read_text())
    manifest |= {name: {"timestamp": "1"} for name in NAMES}
    (feed / "manifest.json").write_text(json.dumps(manifest))
    with LoopbackServer(files_of(tmp_path)) as server:
        for location in (feed, f"{server.url}/feed"):
            items = fetch("misp-feed", location)
            assert values(items) == ["good.example"]
            told = broken(items)
            assert set(told.values()) == {"the manifest names an event that is no UUID"}
            assert len(told) == len(NAMES)
            assert max(map(len, told)) <= 100
        asked = [request.path for request in server.requests]
    assert asked == ["/feed/manifest.json", f"/feed/{B}.json"]


def test_an_archive_writes_nothing_and_its_links_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"Event": {"info": "x", "Attribute": []}}))
    inside = tmp_path / "inside"
    path = inside / "feed.tar"
    inside.mkdir()
    event = json.dumps({"Event": {"uuid": B, "info": "x", "Attribute": []}}).encode()
    manifest = json.dumps({A: {"timestamp": "1"}, B: {"timestamp": "1"}}).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in (
            ("manifest.json", manifest),
            (f"{B}.json", event),
            (f"../{A}.json", event),
            ("/tmp/vedette-was-here.json", event),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo(f"{A}.json")
            link.type, link.linkname = kind, str(secret)
            archive.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    items = fetch("misp-feed", path)
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/vedette-was-here.json").exists()
    assert [item.key for item in items if isinstance(item, Fetched)] == [B]
    assert broken(items) == {A: "named in the manifest, but missing"}


def test_an_event_that_claims_to_be_another_one_stays_in_its_own_group(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, {A: ["a.example"], B: ["b.example"]})
    stolen = json.loads((feed / f"{A}.json").read_text())
    stolen["Event"]["uuid"] = B
    (feed / f"{A}.json").write_text(json.dumps(stolen))
    groups = {i.value: i.context.key for i in fetch("misp-feed", feed) if isinstance(i, Indicator)}
    assert groups == {"a.example": A, "b.example": B}


TARGETS = (
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "//127.0.0.1:1/x",
)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_to_a_server_inside(tmp_path: Path, status: int) -> None:
    feed = write_feed(tmp_path, {A: ["a.example"], B: ["b.example"]})
    with (
        LoopbackServer(lambda _: Response(200, b"inside.example\n")) as inside,
        LoopbackServer(files_of(feed)) as server,
    ):
        for target in (f"{inside.url}/admin", *TARGETS):
            server.faults.clear()
            away = Fault(FaultKind.STATUS, status=status, headers={"Location": target}, times=1)
            server.faults.add(away)
            with pytest.raises(SourceError, match="redirects to") as failed:
                read_list(f"{server.url}/list")
            assert target in str(failed.value)
            server.faults.add(away := Fault(away.kind, status=status, headers=away.headers))
            with pytest.raises(SourceError, match="redirects to"):
                fetch("misp-feed", server.url)
            server.faults.clear()
            server.faults.add(
                Fault(FaultKind.STATUS, path=A, status=status, headers={"Location": target})
            )
            items = fetch("misp-feed", server.url)
            assert values(items) == ["b.example"]
            assert str(status) in broken(items)[A]
        assert not inside.requests


# -- behaviour


def test_a_body_that_never_ends_is_left_when_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "DEADLINE_S", 0.4)
    stop = threading.Event()

    def slow() -> Iterator[bytes]:
        while not stop.wait(0.02):
            yield b"a"

    with streaming(slow) as url:
        with pytest.raises(SourceError, match="not complete after"):
            read_list(url)
        with pytest.raises(SourceError, match="not complete after"):
            fetch("misp-feed", url)
        stop.set()


LOGIN = b"\n\n  <!DOCTYPE html><html><title>Sign in</title><form>evil.example</form></html>"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (LOGIN, "text/html"),
        (LOGIN, "text/plain"),
        (LOGIN, "application/json"),
        (b"", "application/json"),
        (b'{"message": "please pay"}', "application/json"),
        (b"\x00\x01\x02", "application/octet-stream"),
    ],
)
def test_an_answer_that_is_something_else_says_nothing_about_a_feed(
    body: bytes, content_type: str
) -> None:
    with LoopbackServer(lambda _: Response(200, body, content_type)) as server:
        with pytest.raises(SourceError) as failed:
            fetch("misp-feed", server.url)
        assert failed.value.hint
        if body == LOGIN:
            with pytest.raises(SourceError, match="web page"):
                read_list(f"{server.url}/list")


def test_a_wrong_content_type_does_not_matter_if_the_content_is_right(tmp_path: Path) -> None:
    feed = write_feed(tmp_path, {A: ["a.example"]})

    def respond(request: Request) -> Response:
        return Response(200, files_of(feed)(request).body, "image/png")

    with LoopbackServer(respond) as server:
        assert values(fetch("misp-feed", server.url)) == ["a.example"]
    with LoopbackServer(lambda _: Response(200, b"a.example\n", "text/html")) as server:
        assert values(read_list(f"{server.url}/x")) == ["a.example"]


def test_a_feed_that_turns_bad_changes_nothing_and_is_shown(cli: Cli, short_path: Path) -> None:
    cli("init")
    names = [f"d{n}.example" for n in range(30)]
    feed = write_feed(short_path / "feed", {A: names, B: ["b.example"]})
    with LoopbackServer(files_of(feed)) as server:
        cli("source", "add", "misp-feed", server.url, "--name", "turned")
        assert cli("source", "pull").code == 0
        server.faults.add(Fault(FaultKind.BODY, path="manifest", body=LOGIN))
        assert cli("source", "pull").code == 3
        assert "login page" in cli("source", "show", "turned").out
        server.faults.clear()
        (feed / "manifest.json").write_text("{}")
        assert cli("source", "pull").code == 4, "an emptied feed is held"
        (record,) = cli("source", "list", "--json").json
        assert record["entries"] == 31
        write_feed(feed, {A: names, B: ["b.example"]})
        assert cli("source", "pull").code == 0
