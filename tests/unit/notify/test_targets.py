"""The file of targets: one URL a line, for nobody else's eyes, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.errors import ConfigError
from vedette.notify.targets import read_targets

SECRET = "T0kenThatNobodyMaySee"


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "targets"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_comments_and_repeats_are_left_out(tmp_path: Path) -> None:
    path = written(
        tmp_path, f"# chat\nslack://{SECRET}/b/c\n\n  json://127.0.0.1/x\njson://127.0.0.1/x\n"
    )
    first, second = read_targets(path)
    assert (first.name, second.name) == ("line 2 (slack)", "line 4 (json)")
    assert first.id != second.id


def test_no_secret_shows_itself(tmp_path: Path) -> None:
    (target,) = read_targets(
        written(tmp_path, f"jsons://user:pa55word@hooks.example/{SECRET}?key=v4lue#room\n")
    )
    assert SECRET not in repr(target) + target.name + target.id
    said = target.without_secrets(f"POST hooks.example/{SECRET} as user:pa55word v4lue failed")
    for piece in (SECRET, "pa55word", "v4lue"):
        assert piece not in said
    assert said.endswith("failed")


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, f"json://127.0.0.1/{SECRET}\n", mode)
    with pytest.raises(ConfigError, match="holds a secret") as refused:
        read_targets(path)
    assert refused.value.hint == f"Close it: chmod o= {path}"


def test_a_group_may_read_it(tmp_path: Path) -> None:
    assert len(read_targets(written(tmp_path, "json://127.0.0.1/\n", 0o640))) == 1


def test_a_line_that_is_no_url_is_named_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"targets:2 is no Apprise URL") as refused:
        read_targets(written(tmp_path, f"# x\n{SECRET}\n"))
    assert SECRET not in str(refused.value) + refused.value.hint


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_targets(tmp_path / "targets")
