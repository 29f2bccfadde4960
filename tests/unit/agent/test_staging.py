"""Files on their way: right and whole, or not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.agent.staging import Staging
from vedette.errors import SensorError, TrustError

DATA = b"one\ntwo\n"
DIGEST = hashlib.sha256(DATA).hexdigest()


def test_a_file_has_its_name_only_when_it_is_right(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "new")
    path = staging.save("x.lst", DIGEST, [DATA[:3], DATA[3:]])
    assert (path.read_bytes(), staging.file(DIGEST)) == (DATA, path)
    with pytest.raises(TrustError, match=r"x\.lst is not the file"):
        staging.save("x.lst", "0" * 64, [DATA])
    assert list(staging.path.iterdir()) == [path]


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield DATA[:3]
        raise OSError("cut off")

    staging = Staging(tmp_path)
    with pytest.raises(OSError, match="cut off"):
        staging.save("x.lst", DIGEST, cut())
    assert list(tmp_path.iterdir()) == []


def test_room_is_looked_for_first(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    staging.make_room(1, "generation 1")
    with pytest.raises(SensorError, match="no room for generation 1") as refused:
        staging.make_room(1 << 60, "generation 1")
    assert "untouched" in refused.value.hint


def test_what_a_killed_agent_left_goes(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    path = staging.save("x.lst", DIGEST, [DATA])
    (tmp_path / ".part-abc").write_bytes(b"half")
    staging.clear_unfinished()
    assert list(tmp_path.iterdir()) == [path]
    staging.clear()
    assert not tmp_path.exists()


def test_a_place_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SensorError, match="cannot write"):
        Staging(tmp_path / "file").save("x.lst", DIGEST, [DATA])


def test_the_engine_may_enter_whatever_our_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        Staging(tmp_path / "rules" / ".fetched").make_room(1, "x")
    finally:
        os.umask(before)
    assert (tmp_path / "rules").stat().st_mode & 0o777 == 0o755
