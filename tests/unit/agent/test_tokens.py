"""The token file."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.agent.tokens import read_token
from vedette.errors import ConfigError, TrustError


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    file = path / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_a_token_and_the_key_of_the_hub_are_pasted_together(tmp_path: Path) -> None:
    token = read_token(write(tmp_path, b"vdt_1_abc \n# of gate\n\nkey RWabc\n"))
    assert (token.text, token.keys) == ("vdt_1_abc", ("RWabc",))
    assert "abc " not in repr(token)
    assert "vdt_1" not in repr(token)


@pytest.mark.parametrize(
    "content", [b"", b"\nvdt_1\n", b"a b\n", b"\xff\xfe\n", b"vdt_1\nword x\n"]
)
def test_what_is_no_token_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError) as refused:
        read_token(write(tmp_path, content))
    assert "enrol" in refused.value.hint


def test_a_token_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrustError) as refused:
        read_token(write(tmp_path, b"vdt_1_abc\n", 0o644))
    assert "chmod" in refused.value.hint


def test_a_token_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the token file"):
        read_token(tmp_path / "absent")
