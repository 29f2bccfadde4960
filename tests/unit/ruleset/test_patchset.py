"""Several patches in one stream."""

from __future__ import annotations

import io

import msgspec
import pytest

from vedette.errors import BundleError
from vedette.ruleset.patchset import INDEX_MAX, How, PatchSet, Piece, pack, read_body, read_index

INDEX = PatchSet(
    before="a",
    after="b",
    generation=2,
    target="8.0",
    pieces=(
        Piece(name="vedette.rules", how=How.PATCH, size=3),
        Piece(name="vedette-domain.b64", how=How.SAME),
        Piece(name="vedette-url.b64", how=How.WHOLE, size=4),
        Piece(name="vedette-big.b64", how=How.FETCH),
    ),
)
STREAM = b"".join(pack(INDEX, [b"abc", b"defg"]))


def bodies(stream: io.BytesIO, index: PatchSet) -> list[bytes]:
    return [read_body(stream, piece, 100) for piece in index.pieces]


def test_what_was_packed_is_read() -> None:
    stream = io.BytesIO(STREAM)
    assert read_index(stream) == INDEX
    assert bodies(stream, INDEX) == [b"abc", b"", b"defg", b""]


@pytest.mark.parametrize("length", range(len(STREAM)))
def test_a_stream_that_is_cut_off_is_an_error(length: int) -> None:
    stream = io.BytesIO(STREAM[:length])
    with pytest.raises(BundleError, match="cut off"):
        bodies(stream, read_index(stream))


def test_a_body_that_is_larger_than_allowed_is_refused() -> None:
    with pytest.raises(BundleError, match=r"vedette\.rules has 3 bytes"):
        read_body(io.BytesIO(b"abc"), INDEX.pieces[0], 2)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"<html>404</html>", "no set of patches"),
        (b"VDPS" + (INDEX_MAX + 1).to_bytes(4, "big"), "no set of patches"),
        (b"VDPS" + (2).to_bytes(4, "big") + b"[]", "index of the patches is damaged"),
    ],
)
def test_what_is_no_such_stream_is_an_error(stream: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_index(io.BytesIO(stream))


def test_a_name_that_leads_elsewhere_is_refused() -> None:
    piece = msgspec.structs.replace(INDEX.pieces[0], name="../../etc/passwd")
    stream = b"".join(pack(msgspec.structs.replace(INDEX, pieces=(piece,)), []))
    with pytest.raises(BundleError, match="index of the patches is damaged"):
        read_index(io.BytesIO(stream))


def test_a_later_format_says_what_to_do() -> None:
    stream = b"".join(pack(msgspec.structs.replace(INDEX, format=2), []))
    with pytest.raises(BundleError, match="format 2") as raised:
        read_index(io.BytesIO(stream))
    assert "Upgrade" in raised.value.hint


def test_members_of_later_versions_are_left_alone() -> None:
    text = msgspec.json.encode({**msgspec.to_builtins(INDEX), "more": 1})
    stream = io.BytesIO(b"VDPS" + len(text).to_bytes(4, "big") + text)
    assert read_index(stream) == INDEX
