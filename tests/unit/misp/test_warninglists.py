"""Lists of a MISP server, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vedette.errors import SourceError
from vedette.misp.client import Key, MispClient
from vedette.misp.http import Connection
from vedette.misp.warninglists import index, view
from vedette.testing.fake_misp import FakeMisp
from vedette.testing.fake_misp.warninglists import FakeWarninglist


@pytest.fixture
def misp() -> Iterator[FakeMisp]:
    with FakeMisp() as server:
        for number in range(1, 71):  # more than MISP's page of 60
            server.state.warninglists[number] = FakeWarninglist(
                number, f"List {number}", [f"n{number}.example"], enabled=number != 3
            )
        server.state.warninglists[7].matching_attributes = ["domain", "hostname"]
        yield server


@pytest.fixture
def client(misp: FakeMisp) -> Iterator[MispClient]:
    key = Key(misp.read_only_key)
    with MispClient(misp.url, key, Connection(timeout_s=5, retries=1)) as opened:
        yield opened


def test_all_lists_are_in_the_index(client: MispClient) -> None:
    rows = index(client)
    assert [row.id for row in rows] == list(range(1, 71))
    assert [row.id for row in rows if not row.enabled] == [3]
    assert (rows[0].name, rows[0].entries) == ("List 1", 1)


def test_a_list_is_read_with_its_members_and_types(client: MispClient) -> None:
    document = view(client, index(client)[6])
    assert (document.name, document.type, document.values) == ("List 7", "string", ["n7.example"])
    assert [one.type for one in document.attributes] == ["domain", "hostname"]


def test_what_is_gone_meanwhile_is_an_error(client: MispClient, misp: FakeMisp) -> None:
    row = index(client)[6]
    del misp.state.warninglists[7]
    with pytest.raises(SourceError):
        view(client, row)
