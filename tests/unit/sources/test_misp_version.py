from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.sources.misp_version import Version, parse_version, period_of

DAY_S = 86_400


@pytest.fixture(params=["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@given(
    st.builds(
        Version,
        timestamp=st.integers(0, 4_000_000_000),
        published=st.booleans(),
        stamp=st.from_regex(r"[0-9a-f]{8}(\+decay)?(\.-?\d+)?", fullmatch=True),
        is_fresh=st.booleans(),
        since=st.integers(0, 4_000_000_000),
    )
)
def test_a_version_survives_the_store(version: Version) -> None:
    assert parse_version(str(version)) == version


@pytest.mark.parametrize("text", [None, "", "x", "1:2/abc", "1:1", "-1:1/abc", "1:1/a@x"])
def test_what_we_did_not_write_is_no_version(text: str | None) -> None:
    assert parse_version(text) is None


def test_the_versions_of_the_last_release_can_be_read() -> None:
    old = parse_version("1700000000:1/6e568444")
    assert old == Version(timestamp=1_700_000_000, published=True, stamp="6e568444")


def test_a_version_is_not_shown_by_another_time_publication_or_stamp() -> None:
    held = Version(timestamp=5, published=True, stamp="a.1", since=9)
    assert held.shows(Version(timestamp=5, published=True, stamp="a.1"))
    for timestamp, published, stamp in ((4, True, "a.1"), (5, False, "a.1"), (5, True, "a.2")):
        assert not held.shows(Version(timestamp=timestamp, published=published, stamp=stamp))


def test_what_was_read_in_the_second_of_its_edit_must_be_read_again() -> None:
    fresh = Version(timestamp=5, published=True, stamp="a", is_fresh=True)
    assert not fresh.shows(Version(timestamp=5, published=True, stamp="a"))


def test_a_day_begins_at_night_by_the_local_clock(zone: str) -> None:
    for month in range(1, 13):
        first = datetime(2026, month, 10).astimezone()
        numbers = [
            period_of(first + timedelta(minutes=minute), DAY_S, "misp") for minute in range(1440)
        ]
        assert numbers[-1] == numbers[0] + 1
        at = first + timedelta(minutes=numbers.index(numbers[-1]))
        assert at.hour == 3, at


def test_sources_do_not_all_begin_together() -> None:
    first = datetime(2026, 1, 10, tzinfo=UTC)

    def begins(name: str) -> int:
        numbers = [period_of(first + timedelta(minutes=m), DAY_S, name) for m in range(1440)]
        return numbers.index(numbers[-1])

    assert len({begins(f"misp-{n}") for n in range(20)}) > 10
