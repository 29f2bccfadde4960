from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from vedette.errors import PoolError
from vedette.observe import Folded, new_fold
from vedette.pool.spool import DamagedError, Header, Name, Spool

LINE = (
    b'{"timestamp":"2026-01-02T03:04:05.000006+0100","flow_id":%d,"event_type":"dns",'
    b'"src_ip":"10.0.0.%d","src_port":5353,"dest_ip":"9.9.9.9","dest_port":53,"proto":"UDP",'
    b'"dns":{"type":"query","rrname":"www.example.org","rrtype":"A"}}\n'
)


def folded() -> Folded:
    fold = new_fold(native=False)
    fold.add(b"".join(LINE % (i, i % 250) for i in range(1000)) + b"{broken\n")
    return fold.take()


def header(seq: int = 1, counts: dict[str, int] | None = None) -> Header:
    return Header(input_id=3, seq=seq, sensor="north", position="p", counts=counts or {"lines": 1})


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_a_batch_comes_back_as_it_was_written(spool: Spool) -> None:
    before = folded()
    size = spool.write(header(counts=dict(before.counts)), before)
    (name,) = spool.names()
    assert name == Name(3, 1)
    assert spool.size() == (1, size)
    batch = spool.read(name)
    spool.remove(name)
    assert batch.folded == before  # the tables outlive the file
    assert (batch.header.sensor, batch.header.position) == ("north", "p")
    assert spool.names() == []
    spool.remove(name)


def test_the_token_is_that_of_this_batch_and_no_other(spool: Spool) -> None:
    spool.write(header(1), folded())
    spool.write(header(2), folded())
    other = Spool(spool.directory.parent / "other")
    other.write(Header(input_id=3, seq=1, sensor="south", position="p", counts={}), folded())
    first, second = (spool.read(name).header.token for name in spool.names())
    assert first.startswith("3:1:")
    assert len({first, second, other.read(Name(3, 1)).header.token}) == 3
    again = spool.header(Name(3, 1))
    assert again is not None
    assert again.token == first


def test_batches_are_in_the_order_of_their_numbers(spool: Spool) -> None:
    for seq in (10, 9, 100):
        spool.write(header(seq), folded())
    (spool.directory / "notes.txt").write_text("not ours")
    assert [name.seq for name in spool.names()] == [9, 10, 100]
    assert [head.seq for head in spool.headers()] == [9, 10, 100]


def test_a_clock_that_jumps_back_changes_no_order(spool: Spool) -> None:
    for seq in (1, 2, 3):
        spool.write(header(seq), folded())
        os.utime(spool.directory / str(Name(3, seq)), (1000 - seq, 1000 - seq))
    assert [name.seq for name in spool.names()] == [1, 2, 3]


@pytest.mark.parametrize("at", [0, 5, 16, 40, 200, -1000, -1])
def test_a_byte_that_the_disk_altered_is_found(spool: Spool, at: int) -> None:
    spool.write(header(), folded())
    path = spool.directory / str(Name(3, 1))
    data = bytearray(path.read_bytes())
    data[at] ^= 0x20
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        spool.read(Name(3, 1))


@pytest.mark.parametrize("keep", [0, 3, 17, 60, 1000, -1])
def test_a_cut_off_file_is_found(spool: Spool, keep: int) -> None:
    spool.write(header(), folded())
    path = spool.directory / str(Name(3, 1))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedError):
        spool.read(Name(3, 1))
    assert len(list(spool.headers())) == (1 if keep in {-1, 1000} else 0)


def test_a_file_of_a_newer_vedette_is_not_guessed_at(spool: Spool) -> None:
    spool.write(Header(version=2, input_id=3, seq=1, sensor="n", position="", counts={}), folded())
    with pytest.raises(DamagedError, match="newer Vedette"):
        spool.read(Name(3, 1))


def test_a_renamed_batch_is_not_taken_for_another(spool: Spool) -> None:
    spool.write(header(), folded())
    (spool.directory / str(Name(3, 1))).rename(spool.directory / str(Name(3, 2)))
    with pytest.raises(DamagedError, match="another batch"):
        spool.read(Name(3, 2))


def test_a_damaged_file_is_set_aside_and_stays(spool: Spool) -> None:
    spool.write(header(), folded())
    aside = spool.set_aside(Name(3, 1))
    assert aside.stat().st_size > 1000
    assert spool.names() == []
    assert spool.header(Name(3, 1)) is None


def test_the_batch_that_was_begun_is_known_after_a_restart(spool: Spool) -> None:
    assert spool.begun() is None
    for seq in (1, 2):
        spool.write(header(seq), folded())
        spool.begin(Name(3, seq))
        spool.begin(Name(3, seq))
    assert Spool(spool.directory).begun() == Name(3, 2)
    assert spool.names() == [Name(3, 1), Name(3, 2)]
    spool.remove(Name(3, 2))
    assert spool.begun() == Name(3, 2)  # it was there; whoever asks looks whether it still is
    assert spool.size()[0] == 1


def test_a_full_disk_leaves_no_half_file(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = os.write, 0

    def full(descriptor: int, data: memoryview) -> int:
        nonlocal written
        if written > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += 500
        return real(descriptor, data[:500])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            spool.write(header(), folded())
    assert list(spool.directory.iterdir()) == []
    spool.write(header(), folded())
    assert spool.read(Name(3, 1)).folded.observations == folded().observations


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(
    spool: Spool,
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = spool.directory / f".{dead.pid}.abc.tmp"
    ours = spool.directory / f".{os.getpid()}.abc.tmp"
    for path in (left, ours):
        path.touch()
    spool.sweep()
    assert not left.exists()
    assert ours.exists()


def test_a_spool_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PoolError, match="cannot create the spool"):
        Spool(tmp_path / "file/spool")
