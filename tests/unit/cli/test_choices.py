"""What options about the past understand, and what they say if they do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vedette.cli.choices import fields_of, moment_of
from vedette.errors import UsageError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-03-04", datetime(2026, 3, 4, tzinfo=UTC)),
        ("2026-03-04T10:15", datetime(2026, 3, 4, 10, 15, tzinfo=UTC)),
        (" 2026-03-04 10:15:07.5 ", datetime(2026, 3, 4, 10, 15, 7, 500_000, tzinfo=UTC)),
        ("2026-03-04T10:15+02:00", datetime(2026, 3, 4, 8, 15, tzinfo=UTC)),
        ("20260304", datetime(2026, 3, 4, tzinfo=UTC)),
        ("0001-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, meant: datetime) -> None:
    assert moment_of(text) == meant


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("24h", 86_400), (" 7d", 604_800)])
def test_an_age_counts_back_from_now(text: str, seconds: int) -> None:
    moment = moment_of(text)
    assert moment is not None
    assert abs(datetime.now(UTC) - timedelta(seconds=seconds) - moment) < timedelta(seconds=5)


def test_nothing_is_no_limit() -> None:
    assert moment_of("") is None


@pytest.mark.parametrize(
    "text",
    ["yesterday", "0h", "24", "3w", "2026-13-01", "-1d", "999999d", "9999-12-31T23:59-01:00"],
)
def test_what_is_neither_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(UsageError, match="neither an age nor a time") as caught:
        moment_of(text)
    assert "6h or 7d" in caught.value.hint


def test_a_field_is_itself_and_a_protocol_is_all_of_its_fields() -> None:
    assert fields_of(("dns.query",)) == ("dns.query",)
    assert fields_of(("dns", "dns.query")) == (
        "dns.query",
        "dns.response.rrname",
        "dns.response.ip",
    )
    assert fields_of(("ssh.*",)) == fields_of(("ssh",))
    assert fields_of(()) == ()


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("dns.qurey", "dns.query"),
        ("sni", "tls.sni"),
        ("TLS.SNI", "tls.sni"),
        ("sha256", "filesha256"),
    ],
)
def test_an_unknown_field_names_the_near_ones(wrong: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"no field '{wrong}'") as caught:
        fields_of((wrong,))
    assert near in caught.value.hint


def test_a_field_far_from_all_lists_all() -> None:
    with pytest.raises(UsageError) as caught:
        fields_of(("zzzzzzzz",))
    assert "smb.ntlmssp_host" in caught.value.hint
