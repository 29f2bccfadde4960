from __future__ import annotations

from vedette.misp.validators import Validators
from vedette.sources.manifest_group import MANIFEST, digest, read_held, write_held

TAG = Validators('"1"', "")
EVENTS = {"a": "1", "b": "2"}


def known(version: str, **others: str) -> dict[str, str]:
    return {MANIFEST: version, **EVENTS, **others}


def test_what_was_written_is_held_with_what_must_be_read_again() -> None:
    held = read_held(known(write_held(TAG, "s", EVENTS, {"c": "3"})), "s")
    assert held is not None
    assert held.validators == TAG
    assert held.again == {"c": "3"}


def test_it_is_held_only_with_the_same_settings_and_exactly_its_events() -> None:
    version = write_held(TAG, "s", EVENTS, {})
    assert read_held(known(version), "other") is None
    assert read_held(known(version, c="3"), "s") is None
    assert read_held(known(version, a="2"), "s") is None
    assert read_held({MANIFEST: version, "a": "1"}, "s") is None
    assert read_held(known("{"), "s") is None
    assert read_held(EVENTS, "s") is None


def test_a_server_that_says_nothing_gives_nothing_to_hold() -> None:
    assert write_held(Validators(), "s", EVENTS, {}) == ""


def test_two_digests_are_equal_only_for_equal_versions() -> None:
    assert digest({"a": "1", "b": "2"}) == digest({"b": "2", "a": "1", MANIFEST: "x"})
    assert digest({"a": "1"}) != digest({"a": "2"})
    assert digest({"a": "1"}) != digest({"b": "1"})
