"""Atomic writes and streams of compressed files."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from vedette.files import (
    ExposedError,
    UnpackError,
    mapped,
    open_decompressed,
    read_secret,
    stage_in,
    write_atomically,
)

Pack = Callable[[bytes], bytes]

TEXT = b"".join(b"name-%d.example\n" % number for number in range(50_000))


def compress_zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def test_a_write_leaves_exactly_the_chunks_and_answers_their_digest(tmp_path: Path) -> None:
    target = tmp_path / "domain.lst"
    digest = write_atomically(target, [b"one\n", b"two\n"])
    assert target.read_bytes() == b"one\ntwo\n"
    assert digest == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_the_mode_of_a_secret_file_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "key"
    write_atomically(target, [b"secret"], mode=0o600)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_producer_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "domain.lst"
    target.write_bytes(b"old\n")

    def broken() -> Iterator[bytes]:
        yield b"new\n"
        raise RuntimeError("the store went away")

    with pytest.raises(RuntimeError, match="the store went away"):
        write_atomically(target, broken())
    assert target.read_bytes() == b"old\n"
    assert os.listdir(tmp_path) == ["domain.lst"]  # noqa: PTH208


def test_a_write_that_the_system_refuses_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "domain.lst"
    target.write_bytes(b"old\n")
    script = """
        import resource, sys
        from pathlib import Path
        from vedette.files import write_atomically
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write_atomically(Path(sys.argv[1]), (b"x" * 1000 for _ in range(1000)))
        except OSError as error:
            print(type(error).__name__, error.errno)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(target)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "OSError 27"
    assert target.read_bytes() == b"old\n"
    assert os.listdir(tmp_path) == ["domain.lst"]  # noqa: PTH208


def test_a_reader_sees_a_whole_file_however_the_writer_dies(tmp_path: Path) -> None:
    target = tmp_path / "domain.lst"
    script = """
        import sys
        from itertools import count
        from pathlib import Path
        from vedette.files import write_atomically
        for number in count():
            write_atomically(Path(sys.argv[1]), [b"%09d\\n" % number] * 20_000)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(target)]
    for _ in range(3):
        with subprocess.Popen(command) as writer:
            while not target.exists():
                time.sleep(0.01)
            time.sleep(0.05)
            writer.send_signal(signal.SIGKILL)
        lines = target.read_bytes().splitlines()
        assert len(lines) == 20_000
        assert len(set(lines)) == 1
        target.unlink()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TEXT, id="plain"),
        pytest.param(gzip.compress(TEXT), id="gzip"),
        pytest.param(gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:]), id="two gzip members"),
        pytest.param(compress_zstd(TEXT), id="zstd"),
        pytest.param(compress_zstd(TEXT[:99]) + compress_zstd(TEXT[99:]), id="two zstd frames"),
        pytest.param(gzip.compress(gzip.compress(TEXT)), id="compressed twice on the way"),
    ],
)
def test_content_decides_how_a_file_is_unpacked(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    with open_decompressed(path) as stream:
        assert stream.read() == TEXT
    with open_decompressed(io.BytesIO(data)) as stream:
        assert b"".join(iter(stream.readline, b"")) == TEXT


@pytest.mark.parametrize("data", [b"", b"a", b"\x1f", b"\x28\xb5"])
def test_a_file_too_short_for_a_magic_number_is_plain(data: bytes) -> None:
    with open_decompressed(io.BytesIO(data)) as stream:
        assert stream.read() == data


@pytest.mark.parametrize("pack", [gzip.compress, compress_zstd])
def test_a_compressed_file_cut_anywhere_is_an_error_not_a_short_list(pack: Pack) -> None:
    data = pack(TEXT)
    for length in (5, 20, len(data) // 2, len(data) - 1):
        with pytest.raises(UnpackError, match="cut off"):
            open_decompressed(io.BytesIO(data[:length])).read()


@pytest.mark.parametrize("pack", [gzip.compress, compress_zstd])
def test_a_damaged_compressed_file_is_an_error(pack: Pack) -> None:
    data = bytearray(pack(TEXT))
    for position in range(12, len(data), len(data) // 20):
        data[position] ^= 0xFF
    with pytest.raises(UnpackError, match=r"damaged|cut off"):
        open_decompressed(io.BytesIO(bytes(data))).read()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, compress_zstd])
def test_a_bomb_stops_at_the_limit(pack: Pack) -> None:
    data = pack(bytes(3_000_000))
    with open_decompressed(io.BytesIO(data), max_bytes=3_000_000) as stream:
        assert len(stream.read()) == 3_000_000
    with (
        open_decompressed(io.BytesIO(data), max_bytes=2_999_999) as stream,
        pytest.raises(UnpackError, match="more than its limit"),
    ):
        stream.read()


def test_a_bomb_is_not_unpacked_into_memory_first() -> None:
    chunk, script = compress_zstd(bytes(2**30)), "import resource, sys\n"
    script += "resource.setrlimit(resource.RLIMIT_AS, (600 * 2**20,) * 2)\n"
    script += "from vedette.files import UnpackError, open_decompressed\n"
    script += "try:\n    stream = open_decompressed(sys.stdin.buffer, max_bytes=2**29)\n"
    script += "    while stream.read(2**16): pass\nexcept UnpackError: print('stopped')\n"
    run = subprocess.run(
        [sys.executable, "-c", script], input=chunk, capture_output=True, check=True
    )
    assert run.stdout == b"stopped\n", run.stderr


def test_closing_the_stream_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(TEXT))
    raw = path.open("rb")
    open_decompressed(raw).close()
    assert raw.closed


def test_a_missing_file_is_an_ordinary_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_decompressed(tmp_path / "absent")


# -- secrets


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o660])
def test_a_secret_is_read_if_others_cannot(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"hush")
    path.chmod(mode)
    assert read_secret(path) == b"hush"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_secret_that_everybody_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"hush")
    path.chmod(mode)
    with pytest.raises(ExposedError, match="everybody may read") as refused:
        read_secret(path)
    assert refused.value.hint == f"Close it: chmod o= {path}"


def test_a_secret_is_small(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"hush")
    path.chmod(0o600)
    with pytest.raises(OSError, match="longer than 3 bytes"):
        read_secret(path, most=3)


@pytest.mark.parametrize("content", [b"", b"a\nb\n"])
def test_a_mapped_file_reads_like_any_other(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with mapped(path) as data:
        assert (len(data), bytes(data[:])) == (len(content), content)


def test_a_stage_is_gone_afterwards_and_takes_what_a_killed_one_left(tmp_path: Path) -> None:
    left, other = tmp_path / ".stage-left", tmp_path / "other"
    left.mkdir()
    other.mkdir()

    def fail_inside() -> None:
        with stage_in(tmp_path, ".stage-") as stage:
            assert set(tmp_path.iterdir()) == {stage, other}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert list(tmp_path.iterdir()) == [other]
