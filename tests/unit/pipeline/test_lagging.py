"""The lag is between the newest event's own time and the moment when it was read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vedette.eve.reader import Batch, follow
from vedette.pipeline.lagging import Lags


def line(at: str) -> bytes:
    return b'{"timestamp":"' + at.encode() + b'","event_type":"dns"}\n'


def test_what_was_read_last_is_what_is_known(tmp_path: Path) -> None:
    eve = tmp_path / "eve.json"
    last = datetime.now(UTC) - timedelta(seconds=30)
    eve.write_bytes(line("2020-01-01T00:00:00.000000+0000") + line(last.isoformat()))
    lags = Lags()
    assert lags.of("gate") is None
    for batch in follow(eve, wait=lambda: False):
        with eve.open("ab") as file:
            file.write(b"x" * 10)
        lags.measure("gate", eve, batch)
    state = lags.of("gate")
    assert state is not None
    assert 30 <= state.lag_s < 40
    assert state.last_event_at == last
    assert state.behind_bytes == 10


@pytest.mark.parametrize(
    "data", [b"", b"no event\n", line("yesterday at noon"), line("2020-13-45")]
)
def test_lines_without_a_time_change_nothing(tmp_path: Path, data: bytes) -> None:
    lags = Lags()
    for text in (line("2020-01-01T00:00:00.000000+0100"), data):
        lags.measure("gate", tmp_path / "gone", Batch(data=text, bookmark=None, skipped={}))
    state = lags.of("gate")
    assert state is not None
    assert state.last_event_at == datetime.fromisoformat("2020-01-01T00:00:00+01:00")
    assert state.lag_s > 100_000_000
    assert state.behind_bytes == 0
