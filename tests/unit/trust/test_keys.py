from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import TrustError
from vedette.trust.keys import PublicKey, SigningKey

KEY = SigningKey(bytes(range(32)), bytes(range(8)))


def test_a_key_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "signing.key")
    again = SigningKey.load(tmp_path / "signing.key")
    assert again.public == key.public
    assert again.sign(b"x") == key.sign(b"x")
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600


def test_two_keys_are_two() -> None:
    assert len({SigningKey.generate().public for _ in range(5)}) == 5


def test_the_secret_is_shown_nowhere(tmp_path: Path) -> None:
    KEY.save(tmp_path / "key")
    secret = (tmp_path / "key").read_text().split("\n")[1]
    assert secret not in repr(KEY) + repr(KEY.public) + KEY.public.file_text
    assert bytes(range(32)).hex() not in repr(vars(KEY.public))


def test_a_public_key_is_read_from_a_word_and_from_a_file() -> None:
    assert PublicKey(KEY.public.text) == PublicKey(KEY.public.file_text) == KEY.public
    assert PublicKey(f" {KEY.public.text}\n").text == KEY.public.text
    assert KEY.public.id == "0706050403020100"


def test_a_key_that_everybody_reads_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    KEY.save(path)
    path.chmod(0o604)
    with pytest.raises(TrustError, match="everybody") as caught:
        SigningKey.load(path)
    assert "chmod" in caught.value.hint


def test_a_key_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="cannot read"):
        SigningKey.load(tmp_path / "none")


def test_a_key_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="cannot write"):
        KEY.save(tmp_path / "none" / "key")


@pytest.mark.parametrize("text", ["", "RW", "RWQ=", "x" * 56, KEY.public.text[:-1], "é" * 56])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(TrustError):
        PublicKey(text)


def test_any_flipped_bit_of_a_secret_key_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    KEY.save(path)
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1  # the first line is a comment
    for bit in range(start * 8, len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(TrustError):
            SigningKey.load(path)


@given(st.text(max_size=120))
def test_whatever_is_given_as_a_key_is_a_key_or_refused(text: str) -> None:
    with pytest.raises(TrustError):
        PublicKey(text)


@given(st.binary(max_size=300))
def test_whatever_a_key_file_holds_is_a_key_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "some.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(TrustError):
        SigningKey.load(path)
