"""Two Vedettes at once: the second one says who the first is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vedette.errors import BusyError, StoreError
from vedette.pipeline.lock import exclusive


def test_the_second_one_says_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "work.lock"
    script = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from vedette.pipeline.lock import exclusive
        with exclusive(Path({str(path)!r}), "pulling misp"):
            print("held", flush=True)
            sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(BusyError, match=rf"process {first.pid} \(pulling misp\)"),
            exclusive(path, "building"),
        ):
            pass
        first.kill()
        first.wait()
        with exclusive(path, "building", wait_s=5):
            assert f"{path.read_text()}".endswith("(building)")


def test_a_lock_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="cannot lock") as refused,
        exclusive(tmp_path / "absent/x.lock", "a test"),
    ):
        raise AssertionError
    assert "belong" in refused.value.hint


def test_it_is_free_again_after_use(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path / "l", "one"):
            pass
