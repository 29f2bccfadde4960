"""Lists over HTTP: whole or not at all, not twice, and every failure says what to do."""

from __future__ import annotations

import gzip
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.errors import SourceError, UsageError
from vedette.misp import http
from vedette.model import Fetched, Indicator, Item, Key, Unchanged
from vedette.model import IndicatorType as T
from vedette.sources import build
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Request, Response

LIST = b"a.example\nb.example\n"


class Lists:
    """Answers of a web server that has one list under ``/list``."""

    def __init__(self) -> None:
        self.body = LIST
        self.headers: dict[str, str] = {}
        self.redirects: dict[str, str] = {}

    def respond(self, request: Request) -> Response:
        if target := self.redirects.get(request.path):
            return Response(302, b"", headers={"Location": target})
        if request.path != "/list":
            return Response(404, b"<html>", "text/html")
        etag, asked = self.headers.get("ETag"), request.headers.get("if-none-match")
        modified = self.headers.get("Last-Modified")
        if (etag and asked == etag) or (
            modified and request.headers.get("if-modified-since") == modified
        ):
            return Response(304, headers=self.headers)
        return Response(200, self.body, "text/plain", self.headers)


@pytest.fixture
def lists() -> Lists:
    return Lists()


@pytest.fixture
def server(lists: Lists) -> Iterator[LoopbackServer]:
    with LoopbackServer(lists.respond) as running:
        yield running


def fetch(url: str, known: dict[str, str] | None = None, **settings: object) -> list[Item]:
    whole = {"name": "x", "location": url, "type": "domain", "timeout_s": 5.0, "retries": 1}
    return list(build("list", whole | settings).fetch(known or {}))


def keys(items: list[Item]) -> list[Key]:
    return [item.key for item in items if isinstance(item, Indicator)]


def version(items: list[Item]) -> dict[str, str]:
    last = items[-1]
    assert isinstance(last, Fetched)
    return {"": last.version}


BOTH = [Key(T.DOMAIN, "a.example"), Key(T.DOMAIN, "b.example")]


def test_a_list_is_read_from_an_address(server: LoopbackServer) -> None:
    items = fetch(f"{server.url}/list")
    assert keys(items) == BOTH
    assert isinstance(items[0], Indicator)
    assert items[0].context.url == f"{server.url}/list"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (gzip.compress(LIST), {}),
        (gzip.compress(LIST), {"Content-Encoding": "gzip"}),
        (gzip.compress(gzip.compress(LIST)), {"Content-Encoding": "gzip"}),
    ],
    ids=["a gzip file", "a compressed answer", "both"],  # the bytes hold the time of day
)
def test_compression_does_not_matter(
    server: LoopbackServer, lists: Lists, body: bytes, headers: dict[str, str]
) -> None:
    lists.body, lists.headers = body, headers
    assert keys(fetch(f"{server.url}/list")) == BOTH


@pytest.mark.parametrize(
    "headers", [{"ETag": '"1"'}, {"Last-Modified": "Sat, 22 Aug 2026 03:00:29 GMT"}]
)
def test_a_list_that_the_server_says_is_the_same_is_not_sent_again(
    server: LoopbackServer, lists: Lists, headers: dict[str, str]
) -> None:
    lists.headers = headers
    held = version(fetch(f"{server.url}/list"))
    lists.body = b"never sent.example\n"
    assert fetch(f"{server.url}/list", held) == [Unchanged("")]


def test_a_list_with_the_same_content_is_unchanged_whatever_the_server_says(
    server: LoopbackServer, lists: Lists
) -> None:
    held = version(fetch(f"{server.url}/list"))
    lists.headers = {"ETag": '"new"'}
    (item,) = fetch(f"{server.url}/list", held)
    assert isinstance(item, Unchanged)
    assert "new" in item.version, "what the server says now is held"
    assert fetch(f"{server.url}/list", {"": item.version}) == [Unchanged("")]
    assert server.requests[-1].headers["if-none-match"] == '"new"'
    lists.body, lists.headers = LIST + b"c.example\n", {}
    assert len(keys(fetch(f"{server.url}/list", held))) == 3


@pytest.mark.parametrize(
    "target",
    [
        "/list",
        "https://elsewhere.example/list",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:9200/_all",
    ],
)
def test_no_redirect_is_followed_and_its_target_is_told(
    server: LoopbackServer, lists: Lists, target: str
) -> None:
    lists.redirects = {"/old": target}
    with pytest.raises(SourceError, match="redirects to") as failed:
        fetch(f"{server.url}/old")
    assert target in str(failed.value)
    assert "final address" in failed.value.hint
    assert [request.path for request in server.requests] == ["/old"]


def test_an_answer_that_claims_to_be_unchanged_unasked_is_an_error(
    server: LoopbackServer,
) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=304))
    with pytest.raises(SourceError, match="answered 304"):
        fetch(f"{server.url}/list")


def test_a_key_in_a_file_is_sent_and_never_shown(server: LoopbackServer, tmp_path: Path) -> None:
    path = tmp_path / "headers"
    path.write_text("Auth-Key: hush\n")
    path.chmod(0o600)
    items = fetch(f"{server.url}/list", header_file=str(path))
    assert keys(items) == BOTH
    assert server.requests[0].headers["auth-key"] == "hush"
    assert "hush" not in repr(items)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(FaultKind.STATUS, status=404), "answered 404"),
        (Fault(FaultKind.STATUS, status=403), "answered 403"),
        (Fault(FaultKind.STATUS, status=401), "answered 401"),
        (Fault(FaultKind.STATUS, status=500), "answered 500"),
        (Fault(FaultKind.STATUS, status=503), "answered 503"),
        (Fault(FaultKind.CUT), "broke off in the middle"),
        (Fault(FaultKind.CLOSE), "broke off in the middle"),
        (Fault(FaultKind.BODY, body=b"<!DOCTYPE html>Sign in"), "is a web page, not a list"),
        (Fault(FaultKind.BODY, body=gzip.compress(LIST)[:-5]), "the gzip data is cut off"),
        (Fault(FaultKind.SLOW, seconds=3.0), "did not answer within 0.5 s"),
    ],
)
def test_every_failure_is_an_error_that_says_what_to_do(
    server: LoopbackServer, fault: Fault, message: str
) -> None:
    server.faults.add(fault)
    with pytest.raises(SourceError, match=message) as failed:
        fetch(f"{server.url}/list", timeout_s=0.5)
    assert failed.value.hint
    assert server.url in str(failed.value)


def test_a_failure_that_passes_costs_nothing(server: LoopbackServer) -> None:
    server.faults.add(Fault(FaultKind.STATUS, status=503, times=1))
    server.faults.add(Fault(FaultKind.CUT, times=1))
    assert keys(fetch(f"{server.url}/list", retries=3)) == BOTH
    assert len(server.requests) == 3


def test_an_answer_in_an_encoding_that_was_not_asked_for_is_an_error(
    server: LoopbackServer, lists: Lists
) -> None:
    lists.headers = {"Content-Encoding": "br"}
    with pytest.raises(SourceError, match="encoded as br"):
        fetch(f"{server.url}/list")


def test_a_list_that_never_ends_is_an_error(server: LoopbackServer, lists: Lists) -> None:
    lists.body = LIST * 1000
    with pytest.raises(SourceError, match=r"is longer than 1,000 bytes"):
        fetch(f"{server.url}/list", max_bytes=1000)


def test_a_list_that_unpacks_to_more_than_its_limit_is_an_error(
    server: LoopbackServer, lists: Lists
) -> None:
    lists.body = gzip.compress(LIST * 100_000)
    with pytest.raises(SourceError, match="more than its limit"):
        fetch(f"{server.url}/list", max_bytes=1_000_000)


def test_a_server_that_takes_too_long_is_left_in_the_end(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "DEADLINE_S", 0.2)
    server.faults.add(Fault(FaultKind.SLOW, seconds=1.0))
    with pytest.raises(SourceError, match="was not complete after") as failed:
        fetch(f"{server.url}/list")
    assert failed.value.hint


def test_nobody_at_the_address_is_an_error_that_says_so() -> None:
    with LoopbackServer(lambda _request: Response()) as gone:
        url = gone.url
    with pytest.raises(SourceError, match="cannot connect to"):
        fetch(f"{url}/list")


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/list", "http://[::1/list"])
def test_an_address_that_is_none_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        fetch(url)


def test_a_password_in_the_address_is_used_and_never_shown(
    server: LoopbackServer, lists: Lists
) -> None:
    lists.body = b"not a name\na.example\n"
    url = server.url.replace("://", "://user:hush@") + "/list"
    items = fetch(url)
    assert "authorization" in server.requests[-1].headers
    assert "hush" not in repr(items)
    server.faults.add(Fault(FaultKind.STATUS, status=403))
    with pytest.raises(SourceError) as failed:
        fetch(url)
    assert "hush" not in str(failed.value)


def certificate(directory: Path) -> tuple[Path, Path]:
    cert, key = directory / "cert.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", str(key)]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.fixture
def secure(tmp_path: Path, lists: Lists) -> Iterator[tuple[str, Path]]:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with LoopbackServer(lists.respond, tls=context) as running:
        yield running.url, cert


def test_a_certificate_that_nobody_signed_is_an_error_unless_its_authority_is_given(
    secure: tuple[str, Path],
) -> None:
    url, cert = secure
    with pytest.raises(SourceError, match=r"TLS with .* failed: self.signed") as failed:
        fetch(f"{url}/list")
    assert "--ca-file" in failed.value.hint
    assert keys(fetch(f"{url}/list", ca_file=str(cert))) == BOTH
