"""Edits of sorted files, where the property test's small examples do not reach."""

from __future__ import annotations

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import reverse_key
from vedette.ruleset.delta import Edit, edit_names, edit_strings, splice
from vedette.ruleset.lines import decode, encode, name_key
from vedette.ruleset.names import DOTTED, HOSTNAMES
from vedette.ruleset.sets import SetSpec
from vedette.ruleset.tally import Tally
from vedette.testing.indicators import ListedKeys

AGENTS = SetSpec("user-agent")


def file_of(spec: SetSpec, values: list[str]) -> bytes:
    return encode(spec, values).data


def apply(spec: SetSpec, old: bytes, edits: list[Edit]) -> list[str]:
    spliced = splice(spec, old, edits)
    new = b"".join(spliced.chunks(old)) if spliced else old
    return [decode(spec, line) for line in new.splitlines(keepends=True)]


def edited(old: list[str], listed: set[Key], *changed: Key) -> list[str]:
    """The domains of a file after changes."""
    old = sorted(old, key=reverse_key)
    edits = edit_names(changed, ListedKeys(listed), {"dotted", "exact"}, {DOTTED}, Tally())
    return apply(DOTTED, file_of(DOTTED, old), edits[DOTTED])


def test_nothing_changed_is_no_splice() -> None:
    old = file_of(AGENTS, ["a", "b"])
    key = b"a"
    assert splice(AGENTS, old, [Edit(key, key + b"\0", file_of(AGENTS, ["a"]))]) is None
    assert splice(AGENTS, old, [Edit(b"c", b"c\0", b"")]) is None


def test_a_splice_counts_what_it_changes() -> None:
    old = file_of(AGENTS, ["aa", "b", "c"])
    spliced = splice(AGENTS, old, [Edit(b"aa", b"bb", file_of(AGENTS, ["ab"]))])
    assert spliced is not None
    assert (spliced.entries, spliced.value_bytes) == (-1, -1)


def test_every_place_of_a_large_file_is_found() -> None:
    values = [f"agent-{number:05}" for number in range(0, 4000, 2)]
    old = file_of(AGENTS, values)
    new = [f"agent-{number:05}" for number in (1, 3, 777, 2001, 3999)]
    gone = [f"agent-{number:05}" for number in (0, 4, 1998, 3998)]
    listed = ListedKeys(
        {Key(T.USER_AGENT, value) for value in [*values, *new]}
        - {Key(T.USER_AGENT, value) for value in gone}
    )
    edits = edit_strings(T.USER_AGENT, [*new, *gone], listed)
    assert apply(AGENTS, old, edits[AGENTS]) == sorted({*values, *new} - {*gone})


def test_a_new_parent_covers_many_children() -> None:
    children = [f"n{number}.b.com" for number in range(500)]
    listed = {Key(T.DOMAIN, name) for name in ["b.com", "a.com", "z.com", *children]}
    old = ["a.com", "z.com", *children]
    assert edited(old, listed, Key(T.DOMAIN, "b.com")) == ["a.com", "b.com", "z.com"]


def test_a_parent_that_goes_uncovers_its_children() -> None:
    listed = {Key(T.DOMAIN, name) for name in ("x.b.com", "y.x.b.com", "z.b.com")}
    assert edited(["b.com"], listed, Key(T.DOMAIN, "b.com")) == ["x.b.com", "z.b.com"]


def test_a_covered_name_changes_nothing() -> None:
    listed = {Key(T.DOMAIN, name) for name in ("b.com", "x.b.com")}
    assert edited(["b.com"], listed, Key(T.DOMAIN, "x.b.com")) == ["b.com"]
    assert edited(["b.com"], {Key(T.DOMAIN, "b.com")}, Key(T.DOMAIN, "x.b.com")) == ["b.com"]


def test_a_parent_that_goes_uncovers_hostnames_at_and_below_it() -> None:
    listed = {Key(T.HOSTNAME, name) for name in ("b.com", "x.b.com")}
    changed = [Key(T.DOMAIN, "b.com")]
    edits = edit_names(changed, ListedKeys(listed), {"dotted", "exact"}, {DOTTED}, Tally())
    assert apply(HOSTNAMES, b"", edits[HOSTNAMES]) == ["b.com", "x.b.com"]


def test_a_hostname_below_a_listed_domain_is_not_written() -> None:
    listed = {Key(T.DOMAIN, "b.com"), Key(T.HOSTNAME, "x.b.com"), Key(T.HOSTNAME, "c.com")}
    changed = [Key(T.HOSTNAME, "x.b.com"), Key(T.HOSTNAME, "c.com"), Key(T.HOSTNAME, "d.com")]
    edits = edit_names(changed, ListedKeys(listed), {"dotted", "exact"}, (), Tally())
    old = file_of(HOSTNAMES, ["d.com"])
    assert apply(HOSTNAMES, old, edits[HOSTNAMES]) == ["c.com"]


def test_a_similar_name_is_not_below() -> None:
    listed = {Key(T.DOMAIN, name) for name in ("b.com", "a-b.com", "ab.com")}
    old = ["a-b.com", "ab.com"]
    assert set(edited(old, listed, Key(T.DOMAIN, "b.com"))) == {"b.com", "a-b.com", "ab.com"}


def test_keys_sort_as_in_the_store() -> None:
    names = ["b.com", "a.b.com", "a-b.com", "_.b.com", "b.net"]
    assert sorted(names, key=name_key) == sorted(names, key=reverse_key)
