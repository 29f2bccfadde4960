from __future__ import annotations

from pathlib import Path

import pytest

from vedette.sensor.crossover import Speed, keep_speed, speed_of
from vedette.sensor.install import RulesDirectory


@pytest.mark.parametrize(
    ("speed", "entries", "delta_max", "changes"),
    [
        # The socket is the better way as long as changes / speed is less than a reload takes.
        (Speed(entries_per_s=10_000, reload_s=2.0), 1_000_000, 100_000, 20_000),
        (Speed(entries_per_s=4_000, reload_s=2.0), 1_000_000, 100_000, 8_000),
        (Speed(entries_per_s=10_000, reload_s=40.0), 1_000_000, 1_000_000, 400_000),
        # What a person has set is never passed.
        (Speed(entries_per_s=10_000, reload_s=40.0), 1_000_000, 20_000, 20_000),
        (Speed(entries_per_s=10_000, reload_s=40.0), 1_000_000, 0, 0),
        # A quarter of a second is given to the socket even where a reload is sooner.
        (Speed(entries_per_s=10_000, reload_s=0.01), 100, 20_000, 2_500),
        # Nothing was measured: the slowest that was seen.
        (Speed(), 0, 20_000, 1_500),
        (Speed(), 1_000_000, 20_000, 14_000),
        (Speed(reload_s=1.0), 1_000_000, 20_000, 5_000),
        (Speed(entries_per_s=1_000), 1_000_000, 20_000, 2_800),
    ],
)
def test_the_socket_is_taken_as_long_as_it_is_sooner(
    speed: Speed, entries: int, delta_max: int, changes: int
) -> None:
    assert speed.limit(entries, delta_max).changes == changes


def test_a_limit_says_why() -> None:
    speed = Speed(entries_per_s=10_000, reload_s=2.0)
    assert speed.limit(10, 100_000).reason == (
        "more than 20,000 entries have changed: at 10,000 a second over the socket, a reload of"
        " 2 s is sooner"
    )
    assert speed.limit(10, 500).reason == "more than delta_max (500) entries have changed"


def test_one_odd_measurement_does_not_decide() -> None:
    speed = Speed().after_delta(1_000, 0.1).after_reload(1.0)
    assert (speed.entries_per_s, speed.reload_s) == (10_000, 1.0)
    odd = speed.after_delta(1_000, 1.0).after_reload(11.0)
    assert (odd.entries_per_s, odd.reload_s, odd.last_reload_s) == (7_300, 4.0, 11.0)
    for _ in range(20):
        odd = odd.after_delta(1_000, 1.0).after_reload(11.0)
    assert (odd.entries_per_s, round(odd.reload_s, 1)) == pytest.approx((1_000, 11.0), rel=0.01)


def test_a_tiny_change_is_no_measurement() -> None:
    assert Speed().after_delta(99, 0.5) == Speed()
    assert Speed().after_delta(1_000, 0.0) == Speed()


def test_figures_are_kept_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    directory = RulesDirectory(tmp_path)
    speed = Speed(entries_per_s=9_000, reload_s=1.5, last_reload_s=1.25)
    assert speed_of(directory) == Speed()
    keep_speed(directory, speed)
    assert speed_of(directory) == speed
    (tmp_path / "speed.json").write_text('{"reload_s":')
    assert speed_of(directory) == Speed()
    keep_speed(RulesDirectory(tmp_path / "missing"), speed)
    assert not (tmp_path / "missing").exists()
