"""What is trusted and accepted; a greater serial by a trusted key, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.agent.holding import FILE, Holding
from vedette.errors import SensorError, TrustError
from vedette.sensor.wire import Announcement, SignedAnnouncement
from vedette.trust.keys import SigningKey
from vedette.trust.minisign import Purpose, sign

KEY = SigningKey.generate()


def signed(
    serial: int, key: SigningKey = KEY, purpose: str = Purpose.ANNOUNCEMENT, **fields: Any
) -> SignedAnnouncement:
    said = {
        "hub": "h",
        "serial": serial,
        "generation": 1,
        "content_id": "c",
        "manifest": "m",
        "at": datetime.now(UTC),
        "why": "build",
    }
    document = msgspec.json.encode(Announcement(**{**said, **fields}))
    text = sign(key, document, f"{purpose} {serial}")
    return SignedAnnouncement(document=document.decode(), signature=text)


@pytest.fixture
def holding(tmp_path: Path) -> Holding:
    held = Holding(tmp_path)
    held.pin(KEY.public.text)
    return held


def test_what_is_accepted_is_wanted_also_by_the_next_process(
    holding: Holding, tmp_path: Path
) -> None:
    accepted = holding.accept(signed(5))
    assert accepted is not None
    again = Holding(tmp_path)
    assert (again.wanted, again.serial, again.now.hub) == (accepted, 5, "h")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (signed(9, SigningKey.generate()), "not trusted"),
        (signed(9, purpose=Purpose.FILE), "not made for this"),
        (signed(4), "older"),
        (signed(9, hub="other"), "another hub"),
        (signed(5, why="different"), "two announcements"),
        (msgspec.structs.replace(signed(9), document="{}"), "not of this document"),
    ],
)
def test_anything_else_changes_nothing(
    holding: Holding, tmp_path: Path, bad: SignedAnnouncement, said: str
) -> None:
    holding.accept(signed(5))
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(TrustError, match=said):
        holding.accept(bad)
    assert (tmp_path / FILE).read_bytes() == before
    assert holding.serial == 5


def test_the_same_announcement_again_is_nothing_new(holding: Holding) -> None:
    first = signed(5)
    holding.accept(first)
    assert holding.accept(first) is None


def test_a_person_may_go_back_and_what_is_newer_is_followed_again(holding: Holding) -> None:
    holding.accept(signed(9, generation=9))
    holding.accept(signed(5, generation=5), older=True)
    assert (holding.wanted.generation if holding.wanted else 0, holding.serial) == (5, 5)
    assert holding.accept(signed(6, generation=6)) is not None


def test_without_a_key_nothing_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="no key"):
        Holding(tmp_path).accept(signed(5))


def test_what_another_process_accepted_is_seen(holding: Holding, tmp_path: Path) -> None:
    assert not holding.refresh()
    Holding(tmp_path).accept(signed(7))
    assert holding.refresh()
    assert holding.serial == 7


def test_a_damaged_file_is_said_and_what_was_read_stays(holding: Holding, tmp_path: Path) -> None:
    holding.accept(signed(5))
    (tmp_path / FILE).write_bytes(b"{")
    with pytest.raises(TrustError, match="damaged"):
        holding.refresh()
    assert holding.serial == 5
    again = Holding(tmp_path)
    assert again.damage is not None
    for job in (lambda: again.pin(KEY.public.text), lambda: again.accept(signed(9))):
        with pytest.raises(TrustError, match="damaged") as refused:
            job()
        assert "--key" in refused.value.hint
    assert (tmp_path / FILE).read_bytes() == b"{", "the serial in it must not be forgotten unseen"


def test_where_it_cannot_be_kept_it_is_not_accepted(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a file where a directory should be")
    holding = Holding(tmp_path / "state" / "inner")
    with pytest.raises(SensorError, match="cannot"):
        holding.pin(KEY.public.text)
    assert holding.now.pins is None
