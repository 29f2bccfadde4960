"""The table's file: what was packed is unpacked, what is damaged is not used."""

from __future__ import annotations

import pytest

from vedette.guard.lists_compile import StaleTableError, compile_lists, pack, unpack
from vedette.guard.lists_model import ListKind, WarningList
from vedette.guard.warninglists import Index
from vedette.model import IndicatorType as T
from vedette.model import Key


def a_list(name: str, kind: ListKind, *members: str) -> WarningList:
    return WarningList(
        name=name, title=name, kind=kind, version="1", members=members, attributes=()
    )


LISTS = (
    a_list("names", ListKind.HOSTNAME, "evil.example"),
    a_list("nets", ListKind.CIDR, "192.0.2.0/24", "2001:db8::/32", "nonsense"),
    a_list("parts", ListKind.SUBSTRING, "part"),
    a_list("exact", ListKind.STRING, "exact.example"),
)


def packed() -> bytes:
    return b"".join(pack(compile_lists(LISTS, "as it was")))


def test_a_table_answers_from_its_file() -> None:
    compiled = unpack(memoryview(packed()))
    assert compiled.header.signature == "as it was"
    assert [info.unusable for info in compiled.header.lists] == [0, 1, 0, 0]
    index = Index(compiled)
    keys = [
        Key(T.DOMAIN, "a.evil.example"),
        Key(T.IP_DST, "192.0.2.7"),
        Key(T.IP_SRC, "2001:db8::7"),
        Key(T.HOSTNAME, "apart.example"),
        Key(T.HOSTNAME, "exact.example"),
    ]
    hits = index.match_many(keys)
    assert [[hit.list for hit in of_key] for of_key in hits] == [
        *(["names"], ["nets"], ["nets"], ["parts"], ["exact"]),
    ]


@pytest.mark.parametrize("left", [0, 10, 40, 300, -8])
def test_a_file_that_is_cut_off_is_not_used(left: int) -> None:
    with pytest.raises(StaleTableError):
        unpack(memoryview(packed()[:left]))


def test_a_file_of_another_revision_is_not_used() -> None:
    data = packed().replace(b'"revision":1', b'"revision":9')
    with pytest.raises(StaleTableError, match="another revision"):
        unpack(memoryview(data))


def test_the_digest_is_that_of_the_contents() -> None:
    def contents(*lists: WarningList) -> str:
        return compile_lists(lists).header.contents

    one = WarningList(
        name="a",
        title="",
        kind=ListKind.STRING,
        version="1",
        members=(),
        attributes=(),
        digest="x",
    )
    other = WarningList(
        name="a",
        title="",
        kind=ListKind.STRING,
        version="1",
        members=(),
        attributes=(),
        digest="y",
    )
    assert contents(one) == contents(one) != contents(other) != contents()
