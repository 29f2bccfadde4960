from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.sensor.difference import Difference, difference

LINES = st.lists(st.integers(0, 60).map(lambda n: b"%d" % n * (n % 5 + 1)), unique=True)


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(LINES, LINES)
def test_any_two_files_give_what_sets_give(
    tmp_path: Path, old: list[bytes], new: list[bytes]
) -> None:
    found = difference(written(tmp_path / "old", old), written(tmp_path / "new", new), 1000)
    assert found is not None
    assert (sorted(found.added), sorted(found.removed)) == (
        sorted(set(new) - set(old)),
        sorted(set(old) - set(new)),
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(0, 300))
def test_a_few_changes_in_a_long_file_are_found(
    tmp_path: Path, rng: random.Random, changes: int
) -> None:
    old = [b"%08d.example" % n for n in range(5000)]
    new = sorted(
        set(old) - set(rng.sample(old, changes))
        | {b"%08d.new" % rng.randrange(9000) for _ in old[:changes]}
    )
    found = difference(written(tmp_path / "old", old), written(tmp_path / "new", new), 1000)
    assert found is not None
    assert set(found.added) == set(new) - set(old)
    assert set(found.removed) == set(old) - set(new)


def test_a_missing_final_newline_loses_no_line(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"a\nb")
    (tmp_path / "new").write_bytes(b"a\nb\nc")
    found = difference(tmp_path / "old", tmp_path / "new", 10)
    assert found == Difference([b"c"], [])


def test_more_than_the_limit_is_no_answer(tmp_path: Path) -> None:
    old, new = written(tmp_path / "old", [b"a", b"b"]), written(tmp_path / "new", [b"c", b"b"])
    assert difference(old, new, 1) is None
    assert difference(old, new, 2) == Difference([b"c"], [b"a"])


@pytest.mark.timeout(60)
def test_a_shuffled_million_is_given_up_early(tmp_path: Path) -> None:
    lines = [b"%07d" % n for n in range(200_000)]
    old = written(tmp_path / "old", lines)
    random.Random(1).shuffle(lines)
    start = time.monotonic()
    assert difference(old, written(tmp_path / "new", lines), 1000) is None
    assert time.monotonic() - start < 5
