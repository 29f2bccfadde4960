from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from vedette.errors import SourceError
from vedette.misp.client import Key, MispClient, read_key
from vedette.misp.http import Connection
from vedette.testing.fake_misp import ADMIN_KEY, FakeMisp
from vedette.testing.faults import Fault, FaultKind
from vedette.testing.loopback import LoopbackServer, Response


@pytest.fixture
def misp() -> Iterator[FakeMisp]:
    with FakeMisp() as server:
        yield server


@pytest.fixture
def client(misp: FakeMisp) -> Iterator[MispClient]:
    with MispClient(misp.url, Key(ADMIN_KEY), Connection()) as made:
        yield made


def add(misp: FakeMisp, *values: str) -> str:
    attributes = [{"type": "domain", "value": value} for value in values]
    event = misp.state.add_event({"info": "x", "published": True, "Attribute": attributes})
    return str(event.id)


def test_a_key_is_read_with_the_newline_that_editors_add(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{ADMIN_KEY}\n")
    path.chmod(0o600)
    assert read_key(str(path)) == Key(ADMIN_KEY)


@pytest.mark.parametrize("mode", [0o602, 0o604, 0o644])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_text(ADMIN_KEY)
    path.chmod(mode)
    with pytest.raises(SourceError, match="everybody may read") as refused:
        read_key(str(path))
    assert refused.value.hint == f"Close it: chmod o= {path}"
    assert ADMIN_KEY not in str(refused.value)
    path.chmod(0o640)
    assert read_key(str(path)) == Key(ADMIN_KEY), "its group may"


def test_a_key_never_shows_itself() -> None:
    assert ADMIN_KEY not in repr(Key(ADMIN_KEY))


@pytest.mark.parametrize("content", ["", "x" * 39, "x" * 41, "-" * 40, "Ключ" * 10])
def test_a_file_without_a_key_is_refused_and_its_content_is_not_shown(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SourceError, match="a MISP API key is 40 letters and digits") as caught:
        read_key(str(path))
    assert not content or content not in str(caught.value)


def test_a_missing_key_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_key(str(tmp_path / "missing"))


def test_metadata_comes_without_attributes_but_with_their_number(
    misp: FakeMisp, client: MispClient
) -> None:
    number = add(misp, "a.example", "b.example")
    add(misp, "c.example")
    ((key, event),) = client.metadata([number]).items()
    assert (key, event.info, event.attribute_count, event.attributes) == (number, "x", "2", None)


def test_pages_follow_as_long_as_the_header_says_so(misp: FakeMisp, client: MispClient) -> None:
    number = add(misp, *(f"{n}.example" for n in range(6)))
    sizes = []
    for page in (1, 2, 3):
        found = client.attributes([number], limit=3, page=page)
        sizes.append((len(found.attributes), found.more))
    assert sizes == [(3, True), (3, True), (0, False)]
    assert client.attributes([number], limit=7, page=1).more is False


def test_a_page_of_one_ends_although_the_header_says_one(
    misp: FakeMisp, client: MispClient
) -> None:
    number = add(misp, "a.example")
    assert client.attributes([number], limit=1, page=1).more is True
    assert client.attributes([number], limit=1, page=2).more is False


@pytest.mark.parametrize(
    ("headers", "rows", "more"),
    [
        ({"X-Result-Count": "3", "X-Skipped-Elements-Count": "3"}, 0, True),
        ({"X-Result-Count": "3", "X-Skipped-Elements-Count": "2"}, 1, True),
        ({"X-Result-Count": "2", "X-Skipped-Elements-Count": "2"}, 0, False),
        ({"X-Result-Count": "4", "X-Skipped-Elements-Count": "0"}, 3, True),
        ({"X-Result-Count": "1", "X-Skipped-Elements-Count": "0"}, 0, False),
        ({"X-Result-Count": "garbage"}, 3, True),
        ({}, 3, True),
        ({}, 2, False),
    ],
)
def test_a_page_that_is_short_or_empty_need_not_be_the_last(
    headers: dict[str, str], rows: int, more: bool
) -> None:
    found = ",".join(
        f'{{"id": "{n}", "event_id": "1", "type": "domain", "value": "{n}.example"}}'
        for n in range(1, rows + 1)
    )
    body = f'{{"response": {{"Attribute": [{found}]}}}}'.encode()
    with LoopbackServer(lambda _: Response(200, body, headers=headers)) as server:
        key = Key(ADMIN_KEY)
        with MispClient(server.url, key, Connection()) as client:
            page = client.attributes(["1"], limit=3, page=1)
    assert (len(page.attributes), page.more) == (rows, more)


def test_events_that_nobody_asked_for_are_refused(misp: FakeMisp, client: MispClient) -> None:
    number, other = add(misp, "a.example"), add(misp, "b.example")
    asked = misp.state.event(number)
    assert asked is not None
    assert list(client.metadata([asked.uuid])) == [number]
    body = b'{"response": [{"Event": {"id": "%s", "info": "x"}}]}' % other.encode()
    misp.faults.add(Fault(FaultKind.BODY, path="events/restSearch", body=body))  # eventid ignored
    with pytest.raises(SourceError, match="events that were not asked for"):
        client.metadata([number])


def test_the_servers_clock_is_known_and_ours_counts_where_it_has_none(tmp_path: Path) -> None:
    key = Key(ADMIN_KEY)
    for date, expected in (("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000), ("x", time.time())):
        headers = {"Date": date}
        with (
            LoopbackServer(lambda _, h=headers: Response(200, b"[]", headers=h)) as server,  # type: ignore[misc]
            MispClient(server.url, key, Connection()) as client,
        ):
            client.index()
            assert expected - 3 <= client.server_time <= expected


def test_a_header_of_the_operators_does_not_replace_the_key(misp: FakeMisp, tmp_path: Path) -> None:
    extra = tmp_path / "headers"
    extra.write_text("Authorization: Basic eDp5\nX-Pass: 1\n")
    extra.chmod(0o600)
    key = Key(ADMIN_KEY)
    with MispClient(misp.url, key, Connection(header_file=str(extra))) as client:
        assert client.index() == []
    assert misp.requests[0].headers["x-pass"] == "1"


def test_a_url_that_is_none_is_told() -> None:
    bad = MispClient("https://misp:port", Key(ADMIN_KEY), Connection())
    with bad, pytest.raises(SourceError, match="is not a URL"):
        bad.index()


def test_a_proxy_that_is_asked_too_often_is_waited_for_and_that_is_said(
    misp: FakeMisp, client: MispClient
) -> None:
    misp.faults.add(
        Fault(FaultKind.STATUS, status=429, times=2, headers={"Retry-After": "0"}, path="index")
    )
    with capture_logs() as logs:
        assert client.index() == []
    assert len(misp.requests) == 3
    said = [(one["event"], one["log_level"]) for one in logs if "wait_s" in one]
    assert said == [("misp.rate_limited", "warning")] * 2, "on a terminal without -v, too"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "70"}, "70 s"),
        ({"Retry-After": "0", "X-Rate-Limit-Reset": "80"}, "80 s"),
        ({}, "900 s"),
    ],
)
def test_who_wants_too_long_a_wait_is_not_waited_for(
    misp: FakeMisp, client: MispClient, headers: dict[str, str], wait: str
) -> None:
    misp.faults.add(Fault(FaultKind.STATUS, status=429, headers=headers, path="index"))
    with pytest.raises(SourceError, match=wait) as refused:
        client.index()
    assert "vedette source set NAME" in refused.value.hint
    assert len(misp.requests) == 1
