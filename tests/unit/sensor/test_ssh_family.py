"""Which file of a log is read next; no machine is asked."""

from __future__ import annotations

from vedette.sensor.ssh_family import Member, Next, Place, choose, choose_after, parse

LIVE = "eve.json"


def place(offset: int = 1000, inode: int = 1, head: str = "a", modified: int = 100) -> Place:
    return Place(inode=inode, head=head, head_size=256, offset=offset, modified=modified)


def member(
    name: str = LIVE, inode: int = 1, size: int = 1000, modified: int = 100, head: str = "a"
) -> Member:
    return Member(name, inode, size, modified, head)


def test_without_a_place_the_live_file_is_read_from_its_start() -> None:
    assert choose(None, [member(), member("eve.json.1", 2)], LIVE) == Next(LIVE, 0, is_new=True)
    assert choose(None, [member(size=0)], LIVE) is None
    assert choose(None, [], LIVE) is None


def test_the_rest_of_a_renamed_file_comes_before_the_new_one() -> None:
    members = [member(inode=2, head="b", modified=120), member("eve.json.1", size=1500)]
    assert choose(place(), members, LIVE) == Next("eve.json.1", 1000, is_new=False)


def test_after_a_renamed_file_that_was_read_the_oldest_that_is_newer_follows() -> None:
    members = [
        member(inode=4, head="d", modified=400),
        member("eve.json.1", 3, head="c", modified=300),
        member("eve.json.2", 2, head="b", modified=200),
        member("eve.json.3", 1, head="a", modified=100),
        member("eve.json.4", 9, head="z", modified=50),
    ]
    assert choose(place(), members, LIVE) == Next("eve.json.2", 0, is_new=True)
    assert choose_after(place(), "eve.json.3", members, LIVE) == Next("eve.json.2", 0, is_new=True)


def test_a_copy_before_the_file_was_truncated_has_the_rest() -> None:
    members = [member(size=10, head="b"), member("eve.json.1", 7, size=1200)]
    assert choose(place(), members, LIVE) == Next("eve.json.1", 1000, is_new=False)


def test_a_copy_that_is_being_made_is_not_mistaken_for_the_file() -> None:
    members = [member(size=1000), member("eve.json.1", 7, size=400)]
    assert choose(place(), members, LIVE) == Next(LIVE, 1000, is_new=False)


def test_a_packed_file_is_known_by_its_first_bytes() -> None:
    members = [member(inode=2, head="b"), member("eve.json-20261124.gz", 8, size=90)]
    assert choose(place(), members, LIVE) == Next("eve.json-20261124.gz", 1000, is_new=False)


def test_a_new_file_with_an_inode_used_again_is_another_file() -> None:
    members = [member(inode=1, size=5000, head="b", modified=130)]
    assert choose(place(), members, LIVE) == Next(LIVE, 0, is_new=True, gap=True)


def test_what_is_gone_is_a_gap_and_only_what_is_newer_is_read() -> None:
    members = [
        member(inode=3, head="c", modified=300),
        member("eve.json.1", 2, head="b", modified=200),
        member("eve.json.2", 9, head="y", modified=90),
    ]
    assert choose(place(), members, LIVE) == Next("eve.json.1", 0, is_new=True, gap=True)


def test_an_empty_live_file_is_waited_for() -> None:
    members = [member(inode=2, size=0, head="e"), member("eve.json.1")]
    assert choose(place(), members, LIVE) is None


def test_other_files_beside_the_log_are_left_alone() -> None:
    nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    lines = [
        "1 10 100 aa eve.json",
        "2 10 100 bb eve.json.1",
        "3 10 100 cc eve.json-20261124.gz",
        "4 10 100 dd eve.json-stats.log",
        "5 10 100 ee eve.json.d/x",
        f"6 10 100 {nothing} eve.json.2.zst",
        "not a line",
        "x 10 100 ff eve.json.3",
    ]
    names = [one.name for one in parse(lines, LIVE)]
    assert names == ["eve.json", "eve.json.1", "eve.json-20261124.gz"]
