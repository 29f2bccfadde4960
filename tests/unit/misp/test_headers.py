"""Secrets of feeds: read from a file that is closed to others, sent, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.errors import SourceError
from vedette.misp.headers import read_headers


def write(directory: Path, text: str, mode: int = 0o600) -> str:
    path = directory / "headers"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_line_is_a_header(tmp_path: Path) -> None:
    path = write(tmp_path, "# of the partner\nAuth-Key: a b:c\n\nAuthorization:Basic dTpw  \n")
    assert read_headers(path) == {"Auth-Key": "a b:c", "Authorization": "Basic dTpw"}


def test_a_file_of_the_services_group_is_fine(tmp_path: Path) -> None:
    assert read_headers(write(tmp_path, "A: b\n", 0o640)) == {"A": "b"}


@pytest.mark.parametrize("mode", [0o644, 0o602])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SourceError, match="everybody") as failed:
        read_headers(write(tmp_path, "A: b\n", mode))
    assert failed.value.hint.startswith("Close it: chmod o=")


@pytest.mark.parametrize(
    "text",
    ["hush", "A hush: x", ": hush", "Key:", "Host: hush", "Content-Length: 5", "A: hu\x07sh", ""],
)
def test_a_line_that_is_no_header_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError) as failed:
        read_headers(write(tmp_path, text))
    assert "hush" not in str(failed.value)
    assert failed.value.hint


def test_a_file_that_cannot_be_read_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file") as failed:
        read_headers(str(tmp_path / "gone"))
    assert failed.value.hint
    path = tmp_path / "headers"
    path.write_bytes("Auth-Key: hüsh".encode())
    path.chmod(0o600)
    with pytest.raises(SourceError, match="more than ASCII"):
        read_headers(str(path))
