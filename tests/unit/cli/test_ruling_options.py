"""Why, who, and until when."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vedette.cli.ruling_options import day, login, until_of, values_of
from vedette.errors import UsageError


def test_until_is_an_age_the_end_of_a_day_or_a_time() -> None:
    assert until_of("") == 0
    assert abs(until_of("30d") - time.time() - 30 * 86_400) < 5
    assert until_of("2999-12-24") == int(datetime(2999, 12, 25, tzinfo=UTC).timestamp())
    assert until_of("2999-12-24T10:15") == int(
        datetime(2999, 12, 24, 10, 15, tzinfo=UTC).timestamp()
    )
    assert until_of("2999-12-24T10:15+01:00") == int(
        datetime(2999, 12, 24, 9, 15, tzinfo=UTC).timestamp()
    )


@pytest.mark.parametrize("text", ["soon", "0d", "30 weeks", "2001-01-01", "2999-13-01", "-3d"])
def test_until_refuses_what_is_none_or_is_over(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        until_of(text)
    assert "30d" in refused.value.hint


def test_who_became_root_is_still_that_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ann")
    assert login() == "ann"
    monkeypatch.delenv("SUDO_USER")
    monkeypatch.setenv("LOGNAME", "bob")
    assert login() == "bob"


def test_values_come_from_arguments_a_file_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "values.txt"
    file.write_text("# a comment\nc.example\n\n  d.example \n")
    monkeypatch.setattr("sys.stdin", io.StringIO("b.example\n#\n"))
    assert list(values_of(["a.example", "-"], str(file))) == [
        "a.example",
        "b.example",
        "c.example",
        "d.example",
    ]
    with pytest.raises(UsageError, match="No such file"):
        list(values_of([], str(tmp_path / "none")))


def test_a_day_is_in_utc_and_none_is_for_good() -> None:
    assert day(0) == "for good"
    assert day(86_400) == "1970-01-02 00:00Z"
