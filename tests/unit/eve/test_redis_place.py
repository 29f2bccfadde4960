from __future__ import annotations

import pytest

from vedette.errors import UsageError
from vedette.eve.redis_place import PASSWORD_VARIABLE, parse


def test_an_address_says_where_and_how_and_has_suricatas_defaults() -> None:
    place = parse("redis://10.0.0.1")
    assert (place.host, place.port, place.db) == ("10.0.0.1", 6379, 0)
    assert (place.key, place.mode, place.user, place.password) == ("suricata", "list", "", "")
    place = parse("rediss://me:s%40crt@[2001:db8::1]:7000/3?key=eve%2Fx&mode=xadd&group=g")
    assert (place.scheme, place.host, place.port, place.db) == ("rediss", "2001:db8::1", 7000, 3)
    assert (place.user, place.password) == ("me", "s@crt")
    assert (place.key, place.mode, place.group) == ("eve/x", "stream", "g")


def test_a_password_is_never_shown() -> None:
    place = parse("redis://me:s3cret@10.0.0.1:6380/2?key=suricata")
    assert str(place) == "redis://me@10.0.0.1:6380/2?key=suricata&mode=list"
    assert "s3cret" not in f"{place!r}"
    assert parse(str(place)) != place
    assert str(parse(str(place))) == str(place)


def test_a_password_need_not_stand_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "from-outside")
    assert parse("redis://10.0.0.1").password == "from-outside"
    assert parse("redis://:given@10.0.0.1").password == "given"


@pytest.mark.parametrize("mode", ["channel", "publish"])
def test_a_mode_that_loses_events_is_refused_with_what_to_do(mode: str) -> None:
    with pytest.raises(UsageError, match="keeps nothing") as refused:
        parse(f"redis://h?mode={mode}")
    assert "mode: list" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "redis://",
        "redis:///0",
        "redis://h:port",
        "redis://h:99999",
        "redis://h/zero",
        "redis://h/65536",
        "redis://h?mode=odd",
        "redis://h?kye=x",
        "redis://h?key=a&key=b",
        "redis://h?key",
        "redis://[::1",
        "http://h",
    ],
)
def test_what_means_nothing_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text.replace("//h", "//me:s3cret@h"))
    assert refused.value.hint
    assert "s3cret" not in f"{refused.value} {refused.value.hint} {refused.value!r}"
