from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import TrustError
from vedette.trust.keys import PublicKey, SigningKey
from vedette.trust.minisign import Purpose, is_canonical, key_id_of, sign, verify

KEY = SigningKey(bytes(range(32)), bytes(range(8)))
OTHER = SigningKey(bytes(range(1, 33)), bytes(range(1, 9)))
DOCUMENT = b'{"serial": 1, "generation": 42}'
COMMENT = "vedette announcement 1"
TEXT = sign(KEY, DOCUMENT, COMMENT)


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_signature_says_who_and_what() -> None:
    signed = verify(TEXT, DOCUMENT, [OTHER.public, KEY.public], Purpose.ANNOUNCEMENT)
    assert signed == (KEY.public, COMMENT)
    assert key_id_of(TEXT) == KEY.public.id
    assert is_canonical(TEXT)
    assert not is_canonical(TEXT.replace("Vedette", "Vedetta"))


def test_the_same_is_signed_the_same() -> None:
    assert sign(KEY, DOCUMENT, COMMENT) == TEXT


def test_any_flipped_bit_of_the_document_is_noticed() -> None:
    for bit in range(len(DOCUMENT) * 8):
        with pytest.raises(TrustError):
            verify(TEXT, _flipped(DOCUMENT, bit), [KEY.public])


def test_any_flipped_bit_of_the_signature_or_its_comment_is_noticed() -> None:
    whole = TEXT.encode()
    free = range(len(b"untrusted comment: ") * 8, whole.index(b"\n") * 8)
    for bit in range(len(whole) * 8):
        if bit not in free:
            with pytest.raises(TrustError):
                verify(_flipped(whole, bit), DOCUMENT, [KEY.public])


def test_any_flipped_bit_of_the_public_key_is_noticed() -> None:
    whole = KEY.public.text.encode()
    for bit in range(len(whole) * 8):
        with pytest.raises(TrustError):
            verify(TEXT, DOCUMENT, [PublicKey(_flipped(whole, bit).decode("latin-1"))])


def test_every_cut_of_a_signature_is_noticed() -> None:
    for length in range(len(TEXT) - 1):
        with pytest.raises(TrustError):
            verify(TEXT[:length], DOCUMENT, [KEY.public])
    verify(TEXT[:-1], DOCUMENT, [KEY.public])  # only the end of the last line is missing


def test_a_key_that_is_not_trusted_is_named() -> None:
    with pytest.raises(TrustError, match=KEY.public.id) as caught:
        verify(TEXT, DOCUMENT, [OTHER.public])
    assert OTHER.public.id in caught.value.hint
    with pytest.raises(TrustError):
        verify(TEXT, DOCUMENT, [])


def test_a_key_with_the_same_id_is_another_key() -> None:
    double = SigningKey(bytes(range(1, 33)), bytes(range(8)))
    assert double.public.id == KEY.public.id
    with pytest.raises(TrustError, match="not of this document"):
        verify(TEXT, DOCUMENT, [double.public])


def test_a_signature_is_good_for_its_purpose_only() -> None:
    for purpose in set(Purpose) - {Purpose.ANNOUNCEMENT}:
        with pytest.raises(TrustError, match="not made for this"):
            verify(TEXT, DOCUMENT, [KEY.public], purpose)
    close = sign(KEY, DOCUMENT, "vedette announcements")
    with pytest.raises(TrustError, match="not made for this"):
        verify(close, DOCUMENT, [KEY.public], Purpose.ANNOUNCEMENT)


def test_a_comment_of_another_signature_is_noticed() -> None:
    mine, other = TEXT.split("\n"), sign(KEY, b"other", "vedette announcement 2").split("\n")
    with pytest.raises(TrustError, match="comment"):
        verify("\n".join([*mine[:2], *other[2:]]), DOCUMENT, [KEY.public])


@pytest.mark.parametrize("comment", ["two\nlines", "a\ttab", "x" * 8_001, "\x00"])
def test_a_comment_is_one_line(comment: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        sign(KEY, DOCUMENT, comment)


def test_signatures_of_documents_that_are_not_hashed_are_refused() -> None:
    legacy = base64.b64encode(b"Ed" + KEY.id_bytes + KEY.sign(DOCUMENT)).decode()
    lines = TEXT.split("\n")
    with pytest.raises(TrustError, match="another kind"):
        verify("\n".join([lines[0], legacy, *lines[2:]]), DOCUMENT, [KEY.public])


@given(st.one_of(st.text(max_size=400), st.binary(max_size=400)))
def test_whatever_is_given_as_a_signature_is_refused(text: str | bytes) -> None:
    with pytest.raises(TrustError):
        verify(text, DOCUMENT, [KEY.public])


@given(st.lists(st.text(max_size=120), min_size=4, max_size=4))
def test_whatever_has_four_lines_is_refused(lines: list[str]) -> None:
    head = ("untrusted comment: ", "", "trusted comment: ", "")
    text = "\n".join(start + line for start, line in zip(head, lines, strict=True))
    with pytest.raises(TrustError):
        verify(text, DOCUMENT, [KEY.public])


@given(st.binary(max_size=3_000), st.text(st.characters(codec="utf-8"), max_size=60))
def test_what_was_signed_is_verified(document: bytes, comment: str) -> None:
    if comment.isprintable():
        assert verify(sign(KEY, document, comment), document, [KEY.public]).comment == comment


@pytest.fixture
def minisign() -> str:
    """The real one: its author's own program is the second opinion."""
    found = shutil.which("minisign")
    if found:
        return found
    reason = "no minisign here (make setup installs it)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize("size", [0, 1, 127, 128, 70_000])
def test_minisign_verifies_what_we_sign(minisign: str, tmp_path: Path, size: int) -> None:
    document = bytes(index % 251 for index in range(size))
    (tmp_path / "manifest.json").write_bytes(document)
    (tmp_path / "manifest.json.minisig").write_text(sign(KEY, document, "vedette manifest ü 7"))
    (tmp_path / "hub.pub").write_text(KEY.public.file_text)
    by_file = ("-p", "hub.pub")
    by_word = ("-P", KEY.public.text)
    for key in (by_file, by_word):
        checked = _run(minisign, "-V", "-H", *key, "-m", "manifest.json", cwd=tmp_path)
        assert checked.returncode == 0, checked.stderr
        assert "vedette manifest ü 7" in checked.stdout
    (tmp_path / "manifest.json").write_bytes(document + b"x")
    assert _run(minisign, "-V", *by_file, "-m", "manifest.json", cwd=tmp_path).returncode == 1


def test_minisign_signs_with_our_key(minisign: str, tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "ours.key")
    key = SigningKey.load(tmp_path / "ours.key")
    (tmp_path / "m").write_bytes(DOCUMENT)
    signed = _run(minisign, "-S", "-s", "ours.key", "-m", "m", "-t", "vedette file 1", cwd=tmp_path)
    assert signed.returncode == 0, signed.stderr
    text = (tmp_path / "m.minisig").read_bytes()
    assert verify(text, DOCUMENT, [key.public], Purpose.FILE).comment == "vedette file 1"
    assert text.split(b"\n")[1:] == sign(key, DOCUMENT, "vedette file 1").encode().split(b"\n")[1:]


def test_we_use_a_key_that_minisign_made(minisign: str, tmp_path: Path) -> None:
    made = _run(minisign, "-G", "-W", "-p", "m.pub", "-s", "m.key", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    key = SigningKey.load(tmp_path / "m.key")
    assert key.public == PublicKey((tmp_path / "m.pub").read_text())
    (tmp_path / "m").write_bytes(DOCUMENT)
    (tmp_path / "m.minisig").write_text(sign(key, DOCUMENT, "vedette file 2"))
    checked = _run(minisign, "-V", "-p", "m.pub", "-m", "m", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr


def test_a_signature_without_a_hash_by_minisign_is_refused(minisign: str, tmp_path: Path) -> None:
    KEY.save(tmp_path / "ours.key")
    (tmp_path / "m").write_bytes(DOCUMENT)
    signed = _run(minisign, "-S", "-l", "-s", "ours.key", "-m", "m", cwd=tmp_path)
    assert signed.returncode == 0, signed.stderr
    with pytest.raises(TrustError, match="another kind"):
        verify((tmp_path / "m.minisig").read_bytes(), DOCUMENT, [KEY.public])
