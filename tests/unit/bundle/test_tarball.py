"""There is one right tar for given files, and everything else is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bundle.tarball import Part, Reader, header, is_plain_name, write
from vedette.errors import TrustError

FILES = {
    "a.json": b"one",
    "datasets/b.zst": bytes(range(256)) * 5,
    "empty": b"",
    "block": b"x" * 512,
}


def parts() -> list[Part]:
    return [Part(name, len(content), content) for name, content in FILES.items()]


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    write(tmp_path / "it.tar", parts())
    return (tmp_path / "it.tar").read_bytes()


def read(data: bytes) -> dict[str, bytes]:
    reader = Reader(io.BytesIO(data))
    found = {}
    for name in FILES:
        reader.next(name)
        found[name] = b"".join(reader.chunks())
    reader.end()
    return found


def test_what_is_written_is_read_here_and_by_tar(whole: bytes) -> None:
    assert read(whole) == FILES
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        assert {one.name: one.size for one in tar} == {n: len(c) for n, c in FILES.items()}


def test_the_same_is_written_the_same(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "b").write_bytes(FILES["datasets/b.zst"])
    again = [
        part._replace(content=tmp_path / "b") if part.name == "datasets/b.zst" else part
        for part in parts()
    ]
    write(tmp_path / "again.tar", again)
    assert (tmp_path / "again.tar").read_bytes() == whole


def test_members_may_be_passed_over(whole: bytes) -> None:
    reader = Reader(io.BytesIO(whole))
    for name, content in FILES.items():
        assert reader.next(name, len(content)) == len(content)
    reader.end()


def test_every_cut_is_refused(whole: bytes) -> None:
    for length in range(len(whole)):
        with pytest.raises(TrustError):
            read(whole[:length])


def test_bytes_behind_the_end_are_refused(whole: bytes) -> None:
    for more in (b"\0", b"x", bytes(512)):
        with pytest.raises(TrustError, match="behind"):
            read(whole + more)


def test_a_flipped_bit_outside_of_the_files_is_refused(whole: bytes) -> None:
    clean = read(whole)
    for bit in range(0, len(whole) * 8, 3):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        try:
            found = read(bytes(data))
        except TrustError:
            continue
        assert found != clean  # it was inside of a file: whoever reads compares that


def tar_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def info(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    "member",
    [
        info("a", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        info("a", type=tarfile.LNKTYPE, linkname="../../etc/passwd"),
        info("a", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        info("a", type=tarfile.BLKTYPE, devmajor=8),
        info("a", type=tarfile.FIFOTYPE),
        info("a", type=tarfile.DIRTYPE),
        info("a", type=tarfile.CONTTYPE),
        info("a", mode=0o4755),
        info("a", uid=1000),
        info("a", uname="root"),
        info("a", mtime=1),
        info("../a"),
        info("/a"),
        info("a/../../b"),
        info("b"),
    ],
    ids=lambda one: f"{one.name}-{one.type!r}-{one.mode:o}",
)
def test_whatever_else_a_tar_may_hold_is_refused(member: tarfile.TarInfo) -> None:
    reader = Reader(io.BytesIO(tar_of((member, b"x"))))
    with pytest.raises(TrustError, match="not a"):
        reader.next("a")


def test_extensions_are_refused() -> None:
    long = "a" * 120
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        reader = Reader(io.BytesIO(tar_of((info(long), b"x"), form=form)))
        with pytest.raises(TrustError):
            reader.next(long)


def test_sizes_are_held_against_what_was_signed(whole: bytes) -> None:
    with pytest.raises(TrustError, match="size that was signed"):
        Reader(io.BytesIO(whole)).next("a.json", 4)
    with pytest.raises(TrustError, match="larger"):
        Reader(io.BytesIO(whole)).next("a.json", most=2)


@given(st.binary(min_size=512, max_size=1_600))
def test_whatever_is_read_is_refused(data: bytes) -> None:
    with pytest.raises(TrustError):
        Reader(io.BytesIO(data)).next("a.json")


def test_sizes_that_no_header_holds_are_refused() -> None:
    for field in (b"-0000000001", b"77777777777", b"99999999999", b"           "):
        block = bytearray(header("a", 1))
        block[124:135] = field
        with pytest.raises(TrustError):
            Reader(io.BytesIO(bytes(block))).next("a", most=1 << 20)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "it.tar"
    path.write_bytes(b"before")
    with pytest.raises(FileNotFoundError):
        write(path, [*parts(), Part("gone", 1, tmp_path / "gone")])
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["it.tar"]
    with pytest.raises(OSError, match="too-large"):
        write(path, [Part("too-large", 8**11, b"")])


@pytest.mark.parametrize("name", ["a", "rules/7.0.rules.zst", "datasets/vedette-domain_x.lst", "-"])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "/a", "a/", "a//b", "..", "../a", "a/../b", ".a", "a/.b", "a b", "a\n", "ä", "a\\b"],
)
def test_names_that_lead_elsewhere(name: str) -> None:
    assert not is_plain_name(name)
    assert not is_plain_name("x" * 101)
