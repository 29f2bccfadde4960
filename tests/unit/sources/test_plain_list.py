"""A list as a source: files of every make, and what it says about their values."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from vedette.errors import SourceError, UsageError
from vedette.model import Fetched, Indicator, Item, Key, Rejected, Skipped, Unchanged
from vedette.model import IndicatorType as T
from vedette.sources import build


def fetch(path: Path, known: dict[str, str] | None = None, **settings: object) -> list[Item]:
    whole = {"name": "example", "location": str(path), "type": "domain"} | settings
    return list(build("list", whole).fetch(known or {}))


def keys(items: list[Item]) -> list[Key]:
    return [item.key for item in items if isinstance(item, Indicator)]


def version(items: list[Item]) -> dict[str, str]:
    last = items[-1]
    assert isinstance(last, Fetched)
    return {last.key: last.version}


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(bytes, id="plain"),
        pytest.param(gzip.compress, id="gz"),
        pytest.param(zstandard.ZstdCompressor().compress, id="zst"),
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="BOM"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(bytes.rstrip, id="no newline at the end"),
    ],
)
def test_a_list_reads_the_same_however_it_is_packed(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "list"
    path.write_bytes(pack(b"a.example\n# comment\nB.Example.\n"))
    items = fetch(path)
    assert keys(items) == [Key(T.DOMAIN, "a.example"), Key(T.DOMAIN, "b.example")]
    assert len(items) == 3


def test_one_bad_line_does_not_cost_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(
        b"a.example\nnot a name\nb\xfc.example\nnul\x00.example\n"
        + b"x" * 200_000
        + b"\nz.example\n"
    )
    items = fetch(path)
    assert keys(items) == [Key(T.DOMAIN, "a.example"), Key(T.DOMAIN, "z.example")]
    assert [item for item in items if isinstance(item, Rejected)] == [
        Rejected("not a name", f"{path}:2", "several values in one"),
        Rejected("b\ufffd.example", f"{path}:3", "not UTF-8"),
        Rejected("nul\x00.example", f"{path}:4", "character not allowed"),
        Rejected("x" * 200, f"{path}:5", "line too long"),
    ]


def test_the_context_says_what_the_list_is(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("a.example # Dridex\n")
    item = fetch(path, info="Bad names", tags=["apt"], tlp="amber")[0]
    assert isinstance(item, Indicator)
    assert (item.context.key, item.context.info) == ("", "Bad names")
    assert (item.context.tags, item.context.tlp) == (("apt",), "amber")
    assert (item.comment, item.ref) == ("Dridex", "")


def test_a_value_that_occurs_twice_is_yielded_twice(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("a.example\nA.example\n")
    assert keys(fetch(path)) == [Key(T.DOMAIN, "a.example")] * 2


def test_what_the_format_leaves_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n127.0.0.1 a.example\n0.0.0.0 b.example\n")
    assert fetch(path)[0] == Skipped("name of the machine itself")


def test_a_given_format_is_not_guessed_again(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("0.0.0.0 a.example\n0.0.0.0 b.example\n")
    assert [type(item) for item in fetch(path, format="lines")] == [Rejected, Rejected, Fetched]
    assert len(keys(fetch(path))) == 2


def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"")
    assert [type(item) for item in fetch(path)] == [Fetched]


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("a.example\n")
    held = version(fetch(path))
    assert fetch(path, held) == [Unchanged("")]


def test_a_file_that_was_written_again_with_the_same_content_is_not_read_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "list"
    path.write_text("a.example\n")
    held = version(fetch(path))
    os.utime(path, ns=(1, 1))
    (item,) = fetch(path, held)
    assert isinstance(item, Unchanged)
    assert item.version not in {"", held[""]}
    assert fetch(path, {"": item.version}) == [Unchanged("")], "by its time alone"
    path.write_text("b.example\n")
    assert keys(fetch(path, held)) == [Key(T.DOMAIN, "b.example")]


def test_a_file_of_the_same_size_and_time_but_another_inode_is_read_again(tmp_path: Path) -> None:
    path, other = tmp_path / "list", tmp_path / "other"
    path.write_text("a.example\n")
    other.write_text("b.example\n")
    os.utime(path, ns=(1, 1))
    os.utime(other, ns=(1, 1))
    held = version(fetch(path))
    other.rename(path)
    assert keys(fetch(path, held)) == [Key(T.DOMAIN, "b.example")]


@pytest.mark.parametrize(
    "setting",
    [{"type": "hostname"}, {"format": "lines"}, {"info": "x"}, {"tags": ["x"]}, {"tlp": "red"}],
)
def test_other_settings_read_an_unchanged_file_again(
    tmp_path: Path, setting: dict[str, object]
) -> None:
    path = tmp_path / "list"
    path.write_text("a.example\n")
    assert isinstance(fetch(path, version(fetch(path)), **setting)[-1], Fetched)


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("".join(f"{number}.example\n" for number in range(50_000)))
    items = build("list", {"name": "x", "location": str(path), "type": "domain"}).fetch({})
    next(items)
    with path.open("a") as more:
        more.write("late.example\n")
    with pytest.raises(SourceError, match="changed while it was read"):
        list(items)


def cut_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(os.urandom(100_000).hex().encode())[:-20])


def bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(b"a.example\n" * 1_000_000))


def web_page(path: Path) -> None:
    path.write_text("<!doctype html><title>Sign in</title>")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _path: None, "No such file"),
        (Path.mkdir, "a directory, not a file"),
        (os.mkfifo, "not a regular file"),
        (cut_gzip, "cannot be unpacked: the gzip data is cut off"),
        (bomb, "cannot be unpacked: the file unpacks to more than its limit"),
        (web_page, "is a web page, not a list"),
    ],
)
def test_a_file_that_is_no_list_is_an_error_that_says_what_to_do(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "list"
    make(path)
    with pytest.raises(SourceError, match=message) as failed:
        fetch(path, max_bytes=5_000_000)
    assert failed.value.hint


@pytest.fixture
def an_ordinary_user() -> Iterator[None]:
    """Root may read everything, so it steps down for the test."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.mark.usefixtures("an_ordinary_user")
def test_a_file_that_we_may_not_read_is_an_error_that_says_so() -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).chmod(0)
        with pytest.raises(SourceError, match="Permission denied") as failed:
            fetch(Path(file.name))
    assert "user that Vedette runs as" in failed.value.hint


def test_a_column_that_does_not_exist_is_an_error_that_shows_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("domain,trail\na.example,x\n")
    with pytest.raises(SourceError, match=f"{path} has no column 'host'") as failed:
        fetch(path, column="host")
    assert "domain, trail" in failed.value.hint


@pytest.mark.parametrize(
    "settings",
    [{"type": "colour"}, {"format": "xml"}, {"tlp": "white"}, {"tags": "x"}, {"max_bytes": "1"}],
)
def test_a_setting_that_cannot_be_meant_is_a_usage_error(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match="cannot be set up so"):
        fetch(tmp_path, **settings)
