"""A generation in one file: whole, by the hub, and what it says, or refused."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import zstandard

from vedette.bundle import Builder, Generation, open_generation
from vedette.bundle.archive import INDEX, Index, Papers, export, open_archive
from vedette.bundle.tarball import Part, write
from vedette.errors import BundleError, TrustError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.testing.indicators import ListedKeys
from vedette.trust.keys import SigningKey
from vedette.trust.minisign import Purpose, sign
from vedette.trust.pins import KeyChange, Pins, SignedChange, signed_change

AT = datetime(2026, 5, 1, tzinfo=UTC)
KEY = SigningKey(bytes(range(32)), bytes(range(8)))
STRANGER = SigningKey(bytes(range(1, 33)), bytes(range(1, 9)))
FIRST = signed_change(KeyChange(number=1, at=AT, add=KEY.public.text), KEY)
PINS = Pins.given(KEY.public.text)
SERIAL = 1_700_000_000_123
TARGETS = ("7.0", "8.0.7")


def published(root: Path, *names: str) -> Generation:
    keys = [Key(T.DOMAIN, name) for name in names or ("bad.example.com", "worse.example.com")]
    Builder(root=root).build(ListedKeys([*keys, Key(T.SHA256, "a" * 64)]))
    found = open_generation(root)
    assert found is not None
    return found


def papers(
    generation: Generation,
    key: SigningKey = KEY,
    changes: Sequence[SignedChange] = (FIRST,),
    serial: int = SERIAL,
) -> Papers:
    manifest = (generation.path / "manifest.json").read_bytes()
    announcement = msgspec.json.encode(
        {
            "hub": "h",
            "serial": serial,
            "generation": generation.number,
            "content_id": generation.manifest.content_id,
            "manifest": hashlib.sha256(manifest).hexdigest(),
            "at": AT,
            "why": "build",
        }
    )
    return Papers(
        announcement.decode(),
        sign(key, announcement, f"{Purpose.ANNOUNCEMENT} {serial}"),
        sign(key, manifest, f"{Purpose.MANIFEST} 1"),
        changes,
    )


def exported(
    generation: Generation,
    path: Path,
    given: Papers | None = None,
    targets: Sequence[str] = TARGETS,
    key: SigningKey = KEY,
) -> Index:
    return export(
        generation,
        given or papers(generation),
        targets,
        path,
        sign=lambda data, comment: sign(key, data, comment),
        scratch=path.parent,
    )


@pytest.fixture
def generation(tmp_path: Path) -> Generation:
    return published(tmp_path / "bundles")


@pytest.fixture
def archive(generation: Generation, tmp_path: Path) -> Path:
    exported(generation, tmp_path / "stick.tar")
    return tmp_path / "stick.tar"


def test_what_was_exported_is_what_is_unpacked(
    generation: Generation, archive: Path, tmp_path: Path
) -> None:
    for number, target in enumerate(TARGETS):
        (place := tmp_path / str(number)).mkdir()
        with open_archive(archive, PINS) as opened:
            files = opened.extract(target, place)
            assert opened.told.serial == SERIAL
            assert opened.manifest == generation.manifest
            assert opened.pins.changes == 1
        sources = generation.sources(target)
        assert files.keys() == sources.keys()
        assert all(files[name].read_bytes() == sources[name].read_bytes() for name in files)


def test_the_same_is_exported_the_same(
    generation: Generation, archive: Path, tmp_path: Path
) -> None:
    exported(generation, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"bundles", "stick.tar", "again.tar"}


def test_other_tools_can_read_it(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        assert names[:3] == ["keys.json", "index.json", "index.json.minisig"]
        rules = tar.extractfile("rules/7.0.rules.zst")
        assert rules is not None
        text = zstandard.ZstdDecompressor().stream_reader(rules).read()
    assert b"dataset:" in text


def test_only_what_the_engines_need_is_in_it(
    generation: Generation, archive: Path, tmp_path: Path
) -> None:
    index = exported(generation, tmp_path / "seven.tar", targets=["7.0"])
    names = {member.name for member in index.members}
    assert "rules/7.0.rules.zst" in names
    assert "rules/8.0.7.rules.zst" not in names
    (place := tmp_path / "place").mkdir()
    with (
        open_archive(tmp_path / "seven.tar", PINS) as opened,
        pytest.raises(BundleError, match="nothing for an engine of profile 8") as caught,
    ):
        opened.extract("8.0.7", place)
    assert "--profile 8.0.7" in caught.value.hint
    assert not list(place.iterdir())
    with pytest.raises(BundleError, match="not built"):
        exported(generation, tmp_path / "none.tar", targets=["6.0"])


def test_any_byte_that_is_not_what_it_was_is_noticed(archive: Path, tmp_path: Path) -> None:
    """Every byte of what frames the files and of the papers, and many of the files."""
    whole = archive.read_bytes()
    dice = random.Random(5)
    places = {*range(512), *range(len(whole) - 1024, len(whole))}
    places |= set(dice.sample(range(len(whole)), min(len(whole), 1_500)))
    path = tmp_path / "changed.tar"
    for place in sorted(places):
        data = bytearray(whole)
        data[place] ^= 1 << dice.randrange(8)
        path.write_bytes(data)
        with pytest.raises(TrustError), open_archive(path, PINS):
            pytest.fail(f"a change of byte {place} of {len(whole)} was not noticed")


def test_any_cut_is_noticed(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    path = tmp_path / "cut.tar"
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(TrustError), open_archive(path, PINS):
            pytest.fail(f"{length} of {len(whole)} bytes passed for all")


def test_the_hub_of_somebody_else_is_refused(archive: Path) -> None:
    with (
        pytest.raises(TrustError, match=f"{KEY.public.id}, which is not trusted"),
        open_archive(archive, Pins.given(STRANGER.public.text)),
    ):
        pytest.fail("it was opened")


def test_each_paper_must_be_signed_by_a_trusted_key(generation: Generation, tmp_path: Path) -> None:
    right, wrong = papers(generation), papers(generation, STRANGER)
    for bad in (
        right._replace(announcement_signature=wrong.announcement_signature),
        right._replace(manifest_signature=wrong.manifest_signature),
        right._replace(manifest_signature=right.announcement_signature),
    ):
        exported(generation, tmp_path / "bad.tar", bad)
        with pytest.raises(TrustError), open_archive(tmp_path / "bad.tar", PINS):
            pytest.fail("it was opened")
    exported(generation, tmp_path / "bad.tar", key=STRANGER)
    with pytest.raises(TrustError, match="not trusted"), open_archive(tmp_path / "bad.tar", PINS):
        pytest.fail("it was opened")


def test_papers_of_two_generations_are_refused(tmp_path: Path) -> None:
    one = published(tmp_path / "bundles")
    before = papers(one)
    two = published(tmp_path / "bundles", "another.example.com")
    mixed = papers(two)._replace(
        announcement=before.announcement, announcement_signature=before.announcement_signature
    )
    exported(two, tmp_path / "mixed.tar", mixed)
    with (
        pytest.raises(TrustError, match="different generations"),
        open_archive(tmp_path / "mixed.tar", PINS),
    ):
        pytest.fail("it was opened")


def test_an_archive_carries_the_key_changes(generation: Generation, tmp_path: Path) -> None:
    change = KeyChange(number=2, at=AT, add=STRANGER.public.text, retire=(KEY.public.id,))
    changes = (FIRST, signed_change(change, KEY))
    exported(generation, tmp_path / "new.tar", papers(generation, STRANGER, changes), key=STRANGER)
    with open_archive(tmp_path / "new.tar", PINS) as opened:
        assert opened.pins.public_keys == (STRANGER.public,)
    exported(generation, tmp_path / "old.tar")
    with (
        pytest.raises(TrustError, match="has retired"),
        open_archive(tmp_path / "old.tar", opened.pins),
    ):
        pytest.fail("it was opened")


def forged(archive: Path, path: Path, **changes: bytes) -> Path:
    """Write an archive with other members, all of it signed by the hub: it was taken over."""
    with tarfile.open(archive) as tar:
        members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    index = msgspec.json.decode(members.pop(INDEX), type=Index)
    members.pop(f"{INDEX}.minisig")
    known = {member.name: member for member in index.members}
    members |= {
        name.replace("__", "/").replace("_dot_", "."): data for name, data in changes.items()
    }
    listed = []
    for name, data in members.items():
        size = known[name].bytes if name in known else len(data)
        digest = hashlib.sha256(data).hexdigest()
        listed.append({"name": name, "size": len(data), "sha256": digest, "bytes": size})
    document = msgspec.json.encode({**msgspec.to_builtins(index), "members": listed})
    signature = sign(KEY, document, f"{Purpose.ARCHIVE} 1").encode()
    contents = {"keys.json": members.pop("keys.json"), INDEX: document}
    contents |= {f"{INDEX}.minisig": signature, **members}
    write(path, [Part(name, len(data), data) for name, data in contents.items()])
    return path


def test_a_forged_archive_that_changes_nothing_is_the_same(archive: Path, tmp_path: Path) -> None:
    with open_archive(forged(archive, tmp_path / "same.tar"), PINS) as opened:
        assert opened.told.serial == SERIAL


def test_what_unpacks_to_more_than_was_signed_is_refused(archive: Path, tmp_path: Path) -> None:
    """A bomb costs no more room than the right file would, and a block."""
    bomb = zstandard.ZstdCompressor().compress(bytes(300_000_000))
    assert len(bomb) < 40_000
    path = forged(archive, tmp_path / "bomb.tar", rules__7_dot_0_dot_rules_dot_zst=bomb)
    (place := tmp_path / "place").mkdir()
    with (
        open_archive(path, PINS) as opened,
        pytest.raises(TrustError, match="not what was published"),
    ):
        opened.extract("7.0", place)
    assert sum(one.stat().st_size for one in place.iterdir()) < 4 << 20


@pytest.mark.parametrize("content", [b"", b"not zstd", zstandard.ZstdCompressor().compress(b"x")])
def test_what_unpacks_to_something_else_is_refused(
    archive: Path, tmp_path: Path, content: bytes
) -> None:
    path = forged(archive, tmp_path / "odd.tar", rules__7_dot_0_dot_rules_dot_zst=content)
    (place := tmp_path / "place").mkdir()
    with open_archive(path, PINS) as opened, pytest.raises(TrustError):
        opened.extract("7.0", place)


@pytest.mark.parametrize(
    "name", ["_dot__dot___etc__passwd_dot_zst", "__etc__passwd_dot_zst", "datasets__more_dot_zst"]
)
def test_files_that_the_manifest_does_not_name_are_refused(
    archive: Path, tmp_path: Path, name: str
) -> None:
    path = forged(archive, tmp_path / "more.tar", **{name: b"x"})
    with pytest.raises(TrustError, match=r"other files|does not hold"), open_archive(path, PINS):
        pytest.fail("it was opened")


def test_a_file_that_changes_while_it_is_read_is_noticed(
    archive: Path, tmp_path: Path, generation: Generation
) -> None:
    """A stick may be more than a stick: it can show something else at the second look."""
    other = published(tmp_path / "elsewhere", *(f"n{number}.example.com" for number in range(9)))
    exported(other, tmp_path / "other.tar")
    (place := tmp_path / "place").mkdir()
    with open_archive(archive, PINS) as opened:
        archive.write_bytes((tmp_path / "other.tar").read_bytes())
        with pytest.raises(TrustError):
            opened.extract("7.0", place)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tar", tmp_path):
        with pytest.raises(BundleError, match="cannot unpack"), open_archive(path, PINS):
            pytest.fail("it was opened")


def test_a_place_that_cannot_hold_it_is_an_error(archive: Path, tmp_path: Path) -> None:
    with (
        open_archive(archive, PINS) as opened,
        pytest.raises(BundleError, match="cannot unpack") as caught,
    ):
        opened.extract("7.0", tmp_path / "none")
    assert "Nothing has changed" in caught.value.hint


def test_an_index_that_says_nothing_is_refused_whoever_signed_it(
    archive: Path, tmp_path: Path
) -> None:
    for document in (b"{}", b"\xff", b"[]"):
        signature = sign(KEY, document, f"{Purpose.ARCHIVE} 1").encode()
        with tarfile.open(archive) as tar:
            contents = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
        contents |= {INDEX: document, f"{INDEX}.minisig": signature}
        path = tmp_path / "odd.tar"
        write(path, [Part(name, len(one), one) for name, one in contents.items()])
        with pytest.raises(TrustError, match="cannot be read"), open_archive(path, PINS):
            pytest.fail("it was opened")


def test_an_archive_of_a_newer_format_is_refused(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    with tarfile.open(archive) as tar:
        document = tar.extractfile(INDEX).read()  # type: ignore[union-attr]
    newer = document.replace(b'"format": 1', b'"format": 2')
    signature = sign(KEY, newer, f"{Purpose.ARCHIVE} 1").encode()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        contents = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    contents |= {INDEX: newer, f"{INDEX}.minisig": signature}
    path = tmp_path / "newer.tar"
    write(path, [Part(name, len(one), one) for name, one in contents.items()])
    with pytest.raises(BundleError, match="format 2"), open_archive(path, PINS):
        pytest.fail("it was opened")


def test_a_damaged_generation_is_not_exported(generation: Generation, tmp_path: Path) -> None:
    path = generation.path / "rules" / "7.0.rules"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"#")
    with pytest.raises(BundleError, match="not what was published"):
        exported(generation, tmp_path / "it.tar")
    assert not (tmp_path / "it.tar").exists()


def test_a_place_that_cannot_be_written_is_an_error(generation: Generation, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot export"):
        export(
            generation,
            papers(generation),
            TARGETS,
            tmp_path / "none" / "it.tar",
            sign=lambda data, comment: sign(KEY, data, comment),
            scratch=tmp_path,
        )


_MEASURE = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from test_archive import PINS, exported
from vedette.bundle import open_generation
from vedette.bundle.archive import open_archive
import vedette.bundle.archive
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
path, place = Path(sys.argv[2]), Path(sys.argv[3])
exported(open_generation(Path(sys.argv[1])), path)
with open_archive(path, PINS) as opened:
    opened.extract("8.0.7", place)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_generation_needs_no_large_memory(tmp_path: Path) -> None:
    """20 MB of entries that hardly compress, in a process of its own: less than that is used."""
    dice = random.Random(1)
    names = sorted(
        {f"{base64.b32encode(dice.randbytes(20)).decode().lower()}.com" for _ in range(400_000)}
    )
    generation = published(tmp_path / "bundles", *names)
    largest = max(path.stat().st_size for path in generation.path.rglob("*") if path.is_file())
    assert largest > 18 << 20
    (place := tmp_path / "place").mkdir()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            _MEASURE,
            str(tmp_path / "bundles"),
            str(tmp_path / "large.tar"),
            str(place),
            str(Path(__file__).parent),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 16 << 10, "KiB more than before"
