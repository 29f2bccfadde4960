from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import TrustError
from vedette.trust.keys import SigningKey
from vedette.trust.minisign import Purpose, sign
from vedette.trust.pins import (
    KeyChange,
    Pins,
    SignedChange,
    changes_from_json,
    changes_to_json,
    signed_change,
)

AT = datetime(2026, 5, 1, tzinfo=UTC)
KEYS = [SigningKey(bytes([n] * 32), bytes([n] * 8)) for n in range(6)]


def change(number: int, new: int, by: int, *retire: int) -> SignedChange:
    return signed_change(
        KeyChange(
            number=number,
            at=AT,
            add=KEYS[new].public.text,
            retire=tuple(KEYS[n].public.id for n in retire),
        ),
        KEYS[by],
    )


CHAIN = [change(1, 0, 0), change(2, 1, 0, 0), change(3, 2, 1, 0, 1), change(4, 3, 2, 0, 1, 2)]
"""The first key, and three rotations."""


def pinned(number: int) -> Pins:
    return Pins.given(KEYS[number].public.text)


def believes(pins: Pins, number: int) -> bool:
    document = '{"serial": 5}'
    signature = sign(KEYS[number], document.encode(), "vedette announcement 5")
    try:
        pins.verify(document, signature, Purpose.ANNOUNCEMENT)
    except TrustError:
        return False
    return True


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("steps", range(1, 5))
def test_an_agent_that_was_away_follows_the_chain(start: int, steps: int) -> None:
    """From any key that was given, at any pace, only the last key is believed in the end."""
    pins = pinned(start)
    for at in range(0, len(CHAIN), steps):
        pins = pins.follow(CHAIN[: at + steps])
    assert [believes(pins, number) for number in range(4)] == [False, False, False, True]
    assert pins.changes == (4 if start < 3 else 0)  # of its own place only its successor tells
    assert pins.follow(CHAIN) == pins


def test_a_retired_key_signs_nothing_any_more() -> None:
    pins = pinned(0).follow(CHAIN[:2])
    document = '{"serial": 5}'
    signature = sign(KEYS[0], document.encode(), "vedette announcement 5")
    with pytest.raises(TrustError, match="has retired"):
        pins.verify(document, signature, Purpose.ANNOUNCEMENT)
    with pytest.raises(TrustError, match="cannot be believed"):
        pins.follow([*CHAIN[:2], change(3, 4, 0, 1)])


def test_a_key_change_of_a_stranger_changes_nothing() -> None:
    pins = pinned(0).follow(CHAIN[:1])
    with pytest.raises(TrustError, match="cannot be believed"):
        pins.follow([CHAIN[0], change(2, 5, 5, 0)])
    with pytest.raises(TrustError, match="cannot be believed"):
        pins.follow([CHAIN[0], change(2, 5, 5)])
    assert not believes(pinned(0).follow([change(1, 5, 5, 0)]), 5)


def test_a_signature_of_something_else_is_no_key_change() -> None:
    document = CHAIN[1].document
    for purpose in set(Purpose) - {Purpose.KEY_CHANGE}:
        forged = SignedChange(
            document=document, signature=sign(KEYS[0], document.encode(), f"{purpose} 2")
        )
        with pytest.raises(TrustError, match="cannot be believed"):
            pinned(0).follow([CHAIN[0], forged])


def test_a_change_that_is_missing_is_said() -> None:
    pins = pinned(0).follow(CHAIN[:1])
    with pytest.raises(TrustError, match="key change 2 of the hub is missing"):
        pins.follow(CHAIN[2:])


def test_a_key_that_follows_from_nothing_is_not_believed_until_it_is_given() -> None:
    """As after ``key rotate --lost``."""
    chain = [*CHAIN, change(5, 4, 4, 0, 1, 2, 3)]
    before = pinned(0).follow(CHAIN).accepting(7)
    with pytest.raises(TrustError, match="cannot be believed") as caught:
        before.follow(chain)
    assert "vedette key show" in caught.value.hint
    again = Pins.given(KEYS[4].public.text, before).follow(chain)
    assert believes(again, 4)
    assert not believes(again, 3)
    assert again.serial == 7
    assert again.changes == 5


def test_giving_the_same_key_again_takes_nothing_back() -> None:
    pins = pinned(0).follow(CHAIN)
    assert Pins.given(KEYS[0].public.text, pins) == pins
    assert Pins.given(KEYS[3].public.text, pins) == pins


def test_a_change_cannot_leave_nobody_trusted() -> None:
    assert believes(pinned(0).follow([CHAIN[0], change(2, 1, 0, 0, 1)]), 1)


def test_an_older_serial_is_refused_unless_a_person_says_so() -> None:
    pins = pinned(0).accepting(10).accepting(10)
    with pytest.raises(TrustError, match="older than 10"):
        pins.accepting(9)
    assert pins.accepting(9, older=True).serial == 10
    assert pins.accepting(11).serial == 11


def test_pins_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "trust.json"
    assert Pins.load(path) is None
    pins = pinned(0).follow(CHAIN).accepting(1_700_000_000_000)
    pins.save(path)
    assert Pins.load(path) == pins


def test_pins_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="cannot read"):
        Pins.load(tmp_path)
    with pytest.raises(TrustError, match="cannot write"):
        pinned(0).save(Path("/proc/none/trust.json"))


@given(st.binary(max_size=200))
def test_damaged_pins_are_refused(data: bytes) -> None:
    with pytest.raises(TrustError):
        Pins.from_json(data)


def test_pins_with_a_damaged_key_are_refused() -> None:
    data = pinned(0).to_json().replace(b"RW", b"RX")
    with pytest.raises(TrustError, match="public key"):
        Pins.from_json(data)


def test_any_flipped_bit_of_a_list_of_changes_adds_no_trust() -> None:
    """Whatever a change on the way makes of the list: an error, or less than it says."""
    whole = changes_to_json(CHAIN[:2])
    pins = pinned(0).follow(CHAIN[:1])
    right = pins.follow(CHAIN[:2])
    for bit in range(len(whole) * 8):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        try:
            found = pins.follow(changes_from_json(bytes(data)))
        except TrustError:
            continue
        assert found in {pins, right}


@given(st.binary(max_size=300))
def test_whatever_is_given_as_changes_is_refused_or_empty(data: bytes) -> None:
    with suppress(TrustError):
        assert changes_from_json(data) == ()


def test_a_list_of_changes_has_a_limit() -> None:
    with pytest.raises(TrustError, match="too long"):
        changes_from_json(b" " * (1 << 21))


def test_changes_are_kept_as_they_are() -> None:
    assert changes_from_json(changes_to_json(CHAIN)) == tuple(CHAIN)


def test_a_change_that_is_none_is_refused() -> None:
    with pytest.raises(TrustError, match="damaged"):
        SignedChange(document="{}", signature="").read()
    with pytest.raises(TrustError):
        pinned(0).follow([msgspec.structs.replace(CHAIN[1], signature="")])


@pytest.mark.parametrize("number", [1, 2, 10**9])
@pytest.mark.parametrize("signer", [0, 5])
def test_who_knows_the_key_cannot_have_its_later_changes_passed_over(
    number: int, signer: int
) -> None:
    """The public key is public: anybody can write that change a billion added it.

    An agent that believed the number would follow no change of the hub any more, and go on to
    believe a key that was stolen and retired.
    """
    document = change(number, 1, 0).document  # "adds" the key that was pinned
    forged = SignedChange(document=document, signature=change(7, 2, signer).signature)
    pins = pinned(1).follow([forged])
    assert pins.changes == 0
    followed = pins.follow(CHAIN)
    assert followed.changes == 4
    assert [believes(followed, number) for number in range(4)] == [False, False, False, True]
