"""A generation in one file, to be carried by hand: everything that an agent fetches, signed.

Hard rule: nothing is unpacked before every byte of the file is known to be what the hub signed, and
never more of it than the hub signed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple, cast

import msgspec
import zstandard
from msgspec import Struct

from vedette.bundle import tarball
from vedette.bundle.generation import MANIFEST, RULES_FILE, Generation
from vedette.errors import BundleError, TrustError
from vedette.files import open_regular
from vedette.ruleset.manifest import Manifest
from vedette.trust.minisign import Purpose, is_canonical
from vedette.trust.pins import Pins, SignedChange, changes_from_json, changes_to_json

FORMAT = 1
KEYS, INDEX, ANNOUNCEMENT = "keys.json", "index.json", "announcement.json"
SIGNATURE = ".minisig"
DOCUMENTS = (
    KEYS,
    ANNOUNCEMENT,
    ANNOUNCEMENT + SIGNATURE,
    MANIFEST,
    MANIFEST + SIGNATURE,
)
"""What every archive has, in this order; the index comes behind the keys."""
_COMPRESSED = ".zst"
_LEVEL = 6
_CHUNK = 1 << 20
_WINDOW_MAX = 1 << 27
_SMALL_MAX = 1 << 20
"""Most bytes of keys, announcement and signatures; they are read before anything is believed."""
_DOCUMENT_MAX = 1 << 26


class Member(Struct, frozen=True, kw_only=True):
    """A file of the archive."""

    name: str
    size: int
    sha256: str
    """Of it as it is in the archive."""
    bytes: int
    """Of what it unpacks to."""


class Index(Struct, frozen=True, kw_only=True):
    """``index.json``: every file of the archive but itself, in their order."""

    format: int = FORMAT
    generation: int
    content_id: str
    serial: int
    targets: tuple[str, ...]
    members: tuple[Member, ...]


class Told(Struct, frozen=True, kw_only=True):
    """What of an announcement is needed here (see ``sensor.wire.Announcement``)."""

    hub: str
    serial: int
    generation: int
    content_id: str
    manifest: str
    why: str = ""


class Papers(NamedTuple):
    """What is signed and goes with a generation."""

    announcement: str
    announcement_signature: str
    manifest_signature: str
    changes: Sequence[SignedChange]


def export(
    generation: Generation,
    papers: Papers,
    targets: Sequence[str],
    path: Path,
    *,
    sign: Callable[[bytes, str], str],
    scratch: Path,
) -> Index:
    """Write a generation for some kinds of engine into one file; the same gives the same bytes.

    Args:
        generation: Which.
        papers: Signed for it, by a key that the last of the changes names.
        targets: For which engines.
        path: The file; it is replaced in one step.
        sign: Makes a signature of a document with a comment.
        scratch: A directory with room for the compressed files.

    Raises:
        BundleError: The generation is damaged, was not built for a target, or the file cannot be
            written.
        TrustError: There is no key to sign with.
    """
    try:
        with TemporaryDirectory(prefix="export-", dir=scratch) as directory:
            parts = list(_parts(generation, papers, targets, Path(directory)))
            told = msgspec.json.decode(papers.announcement.encode(), type=Told)
            index = Index(
                generation=told.generation,
                content_id=told.content_id,
                serial=told.serial,
                targets=tuple(targets),
                members=tuple(member for _, member in parts),
            )
            document = msgspec.json.format(msgspec.json.encode(index), indent=1) + b"\n"
            comment = f"{Purpose.ARCHIVE} {told.serial} generation {told.generation}"
            signature = sign(document, comment).encode()
            head, *rest = (part for part, _ in parts)
            ours = [_part(INDEX, document), _part(INDEX + SIGNATURE, signature)]
            tarball.write(path, [head, *ours, *rest])
    except OSError as error:
        raise BundleError(
            f"cannot export generation {generation.number} to {path}: {error.strerror or error}",
            hint="A stick needs room for it, and those with FAT take no file over 4 GiB.",
        ) from error
    return index


def _parts(
    generation: Generation, papers: Papers, targets: Sequence[str], scratch: Path
) -> Iterator[tuple[tarball.Part, Member]]:
    """Yield what is written, the keys first: they are needed to believe the rest."""
    manifest = generation.manifest
    documents = {
        KEYS: changes_to_json(papers.changes),
        ANNOUNCEMENT: papers.announcement.encode(),
        ANNOUNCEMENT + SIGNATURE: papers.announcement_signature.encode(),
        MANIFEST: (generation.path / MANIFEST).read_bytes(),
        MANIFEST + SIGNATURE: papers.manifest_signature.encode(),
    }
    for name, content in documents.items():
        digest = hashlib.sha256(content).hexdigest()
        member = Member(name=name, size=len(content), sha256=digest, bytes=len(content))
        yield _part(name, content), member
    for name, digest in _wanted(manifest, targets).items():
        yield _compressed(generation.path / name, name, digest, scratch / name.replace("/", "_"))


def _compressed(source: Path, name: str, digest: str, target: Path) -> tuple[tarball.Part, Member]:
    """Compress a file of a generation, and see that it is what was published."""
    unpacked, packed = _Counted(), _Counted()
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    stream = compressor.compressobj()
    with source.open("rb") as file, target.open("wb") as out:
        while chunk := file.read(_CHUNK):
            out.write(packed.seen(stream.compress(unpacked.seen(chunk))))
        out.write(packed.seen(stream.flush()))
    if unpacked.digest != digest:
        raise BundleError(
            f"{source} is not what was published",
            hint="It was changed after it was published: vedette bundle build --whole",
        )
    stored = name + _COMPRESSED
    member = Member(name=stored, size=packed.size, sha256=packed.digest, bytes=unpacked.size)
    return tarball.Part(stored, packed.size, target), member


def _wanted(manifest: Manifest, targets: Iterable[str]) -> dict[str, str]:
    """Return the files of a generation that some kinds of engine need: SHA-256 by name.

    Raises:
        BundleError: It was not built for one of them.
    """
    wanted = {}
    for target in targets:
        rules = manifest.rules_for(target)
        wanted[rules.file] = rules.sha256
        for name in rules.sets:
            try:
                info = manifest.set(name)
            except KeyError as error:
                raise BundleError(f"the manifest has no set {name}, but a rule of it") from error
            wanted[f"datasets/{info.file}"] = info.sha256
    return dict(sorted(wanted.items()))


def _part(name: str, content: bytes) -> tarball.Part:
    return tarball.Part(name, len(content), content)


class Archive:
    """An archive whose every byte was checked."""

    def __init__(self, path: Path, file: BinaryIO, pins: Pins) -> None:
        """Check it all; see :func:`open_archive`."""
        self._path = path
        self._file = file
        reader = tarball.Reader(file)
        keys = _small(reader, KEYS)
        self.changes = changes_from_json(keys)
        self.pins = pins.follow(self.changes)
        """What is trusted after the key changes of the archive; its serial is not taken yet."""
        self.index = _index(reader, self.pins)
        self._documents = {KEYS: keys}
        self._check(reader)
        self.told, self.manifest = _agreed(self.index, self._documents, self.pins)
        self.announcement = self._documents[ANNOUNCEMENT].decode()
        self.announcement_signature = self._documents[ANNOUNCEMENT + SIGNATURE].decode()

    def extract(self, target: str, directory: Path) -> dict[str, Path]:
        """Unpack what an engine of this kind needs.

        Args:
            target: One of ``index.targets``.
            directory: Empty; nobody else writes there.

        Returns:
            Where each file is, by the name that it has on a sensor.

        Raises:
            BundleError: It is not for such an engine.
                It cannot be read, or what it holds not written.
            TrustError: The file is another one by now.
        """
        if target not in self.index.targets:
            have = ", ".join(self.index.targets)
            raise BundleError(
                f"the archive holds nothing for an engine of profile {target}",
                hint=f"It has {have}. On the hub: vedette bundle export FILE --profile {target}",
            )
        rules = self.manifest.rules_for(target)
        names = {rules.file: RULES_FILE}
        for info in (self.manifest.set(name) for name in rules.sets):
            names[f"datasets/{info.file}"] = info.file
        digests = _wanted(self.manifest, [target])
        placed = {}
        try:
            for member, content in self._members():
                name = member.name.removesuffix(_COMPRESSED)
                if name in names:
                    path = directory / names[name]
                    _unpack(content, path, member, digests[name])
                    placed[names[name]] = path
        except OSError as error:
            raise _unreadable(self._path, error) from error
        return placed

    def _members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Yield all members again; the file may be another one by now."""
        self._file.seek(0)
        reader = tarball.Reader(self._file)
        for member in self.index.members:
            reader.next(member.name, member.size)
            yield member, reader.chunks()
            if member.name == KEYS:
                reader.next(INDEX, most=_DOCUMENT_MAX)
                reader.next(INDEX + SIGNATURE, most=_SMALL_MAX)

    def _check(self, reader: tarball.Reader) -> None:
        """Read every member once, keep the documents."""
        for member in self.index.members:
            if member.name == KEYS:
                found = hashlib.sha256(self._documents[KEYS]).hexdigest()
            else:
                reader.next(member.name, member.size)
                found = self._read(reader, member)
            if found != member.sha256:
                raise TrustError(f"{member.name} in the archive is not what the hub signed")
        reader.end()

    def _read(self, reader: tarball.Reader, member: Member) -> str:
        digest, kept = hashlib.sha256(), io.BytesIO()
        is_document = not member.name.endswith(_COMPRESSED)
        for chunk in reader.chunks():
            digest.update(chunk)
            if is_document:
                kept.write(chunk)
        if is_document:
            self._documents[member.name] = kept.getvalue()
        return digest.hexdigest()


@contextmanager
def open_archive(path: Path, pins: Pins) -> Iterator[Archive]:
    """Open an archive after every byte of it was checked.

    Args:
        path: The file.
        pins: What is trusted here. Whether its serial is new enough is for the caller to ask.

    Raises:
        TrustError: Something of it is not what a trusted key signed, or is missing.
        BundleError: It cannot be read.
    """
    try:
        file = open_regular(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        try:
            archive = Archive(path, file, pins)
        except OSError as error:
            raise _unreadable(path, error) from error
        yield archive


def _unreadable(path: Path, error: OSError) -> BundleError:
    return BundleError(
        f"cannot unpack {path}: {error.strerror or error}",
        hint="Nothing has changed here. Is the stick still there, and is there room for it?",
    )


def _small(reader: tarball.Reader, name: str, most: int = _SMALL_MAX) -> bytes:
    reader.next(name, most=most)
    return b"".join(reader.chunks())


def _index(reader: tarball.Reader, pins: Pins) -> Index:
    """Read what is in the archive; nothing of it is looked at before it is believed."""
    document = _small(reader, INDEX, _DOCUMENT_MAX)
    signature = _small(reader, INDEX + SIGNATURE)
    pins.verify(document, signature, Purpose.ARCHIVE)
    if not is_canonical(signature.decode()):
        raise TrustError("the signature of the archive was changed")
    try:
        index = msgspec.json.decode(document, type=Index)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise TrustError(f"the index of the archive cannot be read: {error}") from error
    if index.format > FORMAT:
        raise BundleError(
            f"the archive has format {index.format}, this Vedette reads up to {FORMAT}",
            hint="Upgrade Vedette here.",
        )
    names = [member.name for member in index.members]
    files = names[len(DOCUMENTS) :]
    if tuple(names[: len(DOCUMENTS)]) != DOCUMENTS or not all(map(_is_file_name, files)):
        raise TrustError("the archive holds other files than it should")
    if any(member.size > _DOCUMENT_MAX for member in index.members[: len(DOCUMENTS)]):
        raise TrustError("a document of the archive is larger than it can be")
    return index


def _is_file_name(name: str) -> bool:
    return name.endswith(_COMPRESSED) and tarball.is_plain_name(name)


def _agreed(index: Index, documents: dict[str, bytes], pins: Pins) -> tuple[Told, Manifest]:
    """Check that all papers are signed and speak of the same files."""
    for name, purpose in ((ANNOUNCEMENT, Purpose.ANNOUNCEMENT), (MANIFEST, Purpose.MANIFEST)):
        pins.verify(documents[name], documents[name + SIGNATURE], purpose)
    try:
        told = msgspec.json.decode(documents[ANNOUNCEMENT], type=Told)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise TrustError(f"the announcement cannot be read: {error}") from error
    manifest = Manifest.from_json(documents[MANIFEST])
    same = {
        (told.generation, told.content_id, told.serial),
        (manifest.generation, manifest.content_id, told.serial),
        (index.generation, index.content_id, index.serial),
    }
    if len(same) > 1 or told.manifest != hashlib.sha256(documents[MANIFEST]).hexdigest():
        raise TrustError("the archive's announcement and manifest are of different generations")
    wanted = [name + _COMPRESSED for name in _wanted(manifest, index.targets)]
    if wanted != [member.name for member in index.members[len(DOCUMENTS) :]]:
        raise TrustError("the archive does not hold the files that its manifest names")
    return told, manifest


def _unpack(content: Iterator[bytes], path: Path, member: Member, digest: str) -> None:
    """Write what a member unpacks to; neither more nor anything else than was signed."""
    counted = _Counted()
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX)
    source = cast("BinaryIO", _Source(content))  # only read() is asked for
    try:
        with path.open("xb") as out:
            for chunk in decompressor.read_to_iter(source, write_size=_CHUNK):
                out.write(counted.seen(chunk))
                if counted.size > member.bytes:
                    break
    except zstandard.ZstdError as error:
        raise TrustError(f"{member.name} in the archive cannot be unpacked: {error}") from error
    if counted.size != member.bytes or counted.digest != digest:
        raise TrustError(f"{member.name} in the archive is not what was published")


class _Source:
    """A stream of chunks as a file that is only read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


class _Counted:
    """How much went by, and what."""

    def __init__(self) -> None:
        self._content = hashlib.sha256()
        self.size = 0

    def seen(self, data: bytes) -> bytes:
        self._content.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> str:
        return self._content.hexdigest()
