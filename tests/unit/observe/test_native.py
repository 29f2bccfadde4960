"""The native fold: what Python's gives, on every line there is, and without a memory fault."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import xxhash
import zstandard

from vedette.fields import BY_NAME, FIELDS
from vedette.observe import Folded, PythonFold, library, native
from vedette.observe.native import NativeFold

ROOT = Path(__file__).resolve().parents[3]
SEEDS = ROOT / "tests/data/eve.jsonl"
HOME = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
LEFT_TO_PYTHON = {
    "tls.certs.sha256": "base64 and two digests",
    "tls.certs.md5": "base64 and two digests",
    "email.url": "has a scheme",
}
"""Fields of which the native fold knows nothing: such a line is handed over."""


@pytest.fixture(autouse=True)
def library_is_there() -> None:
    if reason := native.why_not():
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def folded(fold: NativeFold | PythonFold, *blocks: bytes) -> Folded:
    for block in blocks:
        fold.add(block)
    return fold.take()


def assert_same(data: bytes, skip: Iterable[str] = (), home: Iterable[str] = HOME) -> Folded:
    ours = folded(NativeFold(skip, home), data)
    reference = folded(PythonFold(skip, home), data)
    assert ours.counts == reference.counts
    assert ours.hours == reference.hours
    assert ours.observations.equals(reference.observations)
    assert ours.sightings.equals(reference.sightings)
    ours.observations.validate(full=True)
    ours.sightings.validate(full=True)
    return ours


def handed_over(data: bytes) -> list[bytes]:
    fold, lines = NativeFold((), HOME), []
    fold._read = lines.append  # type: ignore[method-assign]
    fold.add(data)
    return lines


@pytest.mark.parametrize("name", ["suricata-7.0.10-shared-pcaps", "suricata-8.0.7-shared-pcaps"])
def test_real_events_give_the_same_and_hardly_one_is_handed_over(
    shared_data: Path, name: str
) -> None:
    packed = (shared_data / f"eve/{name}.jsonl.zst").read_bytes()
    data = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    ours = assert_same(data)
    assert ours.observations.num_rows > 5_000
    assert len(handed_over(data)) < 0.01 * data.count(b"\n")


def test_every_field_is_in_the_seeds() -> None:
    fields = set(assert_same(SEEDS.read_bytes()).sightings["field"].to_pylist())
    assert fields == set(BY_NAME)


def test_events_cut_off_anywhere_give_the_same() -> None:
    lines = SEEDS.read_bytes().splitlines()
    assert_same(b"\n".join(line[:cut] for line in lines for cut in range(len(line) + 1)))


def test_a_last_line_without_its_end_is_read() -> None:
    line = SEEDS.read_bytes().splitlines()[0]
    assert assert_same(line).counts["events"] == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0\0 \t\r",
        b"[]",
        b"null",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"event_type":"dns"}',
        b'{"event_type":"dns","timestamp":"2026-01-31T12:34:56.000000+0000"}',
        b'{"event_type":"","timestamp":"2026-01-31T12:34:56.000000+0000"}',
        b'{"event_type":"dns","timestamp":"2026-02-29T12:34:56.000000+0000"}',
        b'{"event_type":"x","timestamp":"2106-02-07T06:28:16.000000+0000"}',
        b'{"event_type":"x","timestamp":"2106-02-07T06:28:15.999999+0000"}',
        b'{"event_type":"x","timestamp":"1970-01-01T00:30:00.000000+0100"}',
        b'{"event_type":"x","timestamp":"1969-12-31T23:30:00.000000-0100"}',
        b'{"event_type":"x","timestamp":"2024-02-29T23:59:59.999999-1130"}',
        b'{"event_type":"x","timestamp":"2026-01-31T12:34:56Z"}',
    ],
)
def test_a_line_out_of_the_ordinary_gives_the_same(line: bytes) -> None:
    seeds = SEEDS.read_bytes()
    assert_same(seeds + line + b"\r\n" + b"\0" + seeds)


def test_megabytes_in_one_line_give_the_same() -> None:
    line = SEEDS.read_bytes().splitlines()[0]
    padding = b'"payload":"' + b"QUJD" * 2_000_000 + b'",'
    ours = assert_same(line.replace(b'"proto"', padding + b'"proto"') + b"\n")
    assert ours.counts["events"] == 1


@pytest.mark.parametrize("size", [8190, 8191, 8192, 8193, 70_000])
def test_values_too_long_to_be_kept_give_the_same(size: int) -> None:
    seeds = SEEDS.read_bytes()
    for old, new in ((b"Mozilla", b"M" * size), (b"/a/b.php", b"/" + b"p" * size)):
        assert old in seeds
        assert_same(seeds.replace(old, new))


@pytest.mark.parametrize("field", sorted(BY_NAME))
def test_a_field_that_is_skipped_is_not_there(field: str) -> None:
    ours = assert_same(SEEDS.read_bytes(), skip=[field])
    assert field not in ours.sightings["field"].to_pylist()


@pytest.mark.parametrize(
    "home", [(), ("0.0.0.0/0",), ("::/0",), ("10.1.2.3/32",), ("93.184.216.32/27", "fe80::1/128")]
)
def test_our_own_networks_turn_a_file_round(home: tuple[str, ...]) -> None:
    line = SEEDS.read_bytes().splitlines()[21].replace(b"50001", b"50000")
    assert b'"nfs"' in line
    assert_same(line.replace(b'"/"', b'"name"') + b"\n" + SEEDS.read_bytes(), home=home)


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.1\.2\.3/8"):
        NativeFold((), ["10.1.2.3/8"])


def test_blocks_and_their_order_do_not_matter() -> None:
    lines = SEEDS.read_bytes().splitlines(keepends=True) * 2
    whole = folded(NativeFold((), HOME), b"".join(lines))
    parts = folded(NativeFold((), HOME), *reversed(lines))
    assert parts.observations.equals(whole.observations)
    assert parts.sightings.equals(whole.sightings)
    assert (parts.hours, parts.counts) == (whole.hours, whole.counts)
    assert min(whole.observations["count"].to_pylist()) == 2


def test_a_fold_starts_afresh_after_it_was_taken() -> None:
    fold, data = NativeFold((), HOME), SEEDS.read_bytes()
    assert len(fold) == 0
    first = folded(fold, data)
    assert len(fold) == 0
    empty = fold.take()
    assert (empty.observations.num_rows, empty.sightings.num_rows) == (0, 0)
    assert (empty.hours, empty.counts) == ((), {})
    second = folded(fold, data)
    assert second.observations.equals(first.observations)
    assert (second.hours, second.counts) == (first.hours, first.counts)


def test_many_rows_give_the_same() -> None:
    """Tables grow, values have long beginnings in common, one host has many partners."""
    line = SEEDS.read_bytes().splitlines()[7].decode()
    lines = [
        line.replace("10.1.2.3", f"10.{i % 7}.{i % 251}.{i % 13}")
        .replace("93.184.216.34", f"2001:db8::{i % 997:x}:{i % 3}")
        .replace("-31T12", f"-{1 + i % 28:02d}T{i % 24:02d}")
        for i in range(5_000)
    ]
    lines += [
        SEEDS.read_bytes().splitlines()[13].decode().replace("x=1", "y" * (i % 41) + str(i % 999))
        for i in range(5_000)
    ]
    ours = assert_same("\n".join(lines).encode())
    assert ours.observations.num_rows > 10_000


def test_long_texts_count_as_more_rows() -> None:
    fold = NativeFold((), HOME)
    fold.add(SEEDS.read_bytes().replace(b"Mozilla", b"M" * 8_000).replace(b"Invoice", b"I" * 8_000))
    assert len(fold) > 8_000 // native._BYTES_OF_ROW
    assert fold.take().observations.num_rows < 100


@pytest.mark.parametrize("size", [1, 20, 500])
def test_texts_beyond_the_reach_of_an_offset_are_several_chunks(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "_CHUNK_BYTES", size)
    ours = assert_same(SEEDS.read_bytes())
    assert ours.observations["value"].num_chunks > 1
    assert ours.sightings["value"].num_chunks > 1


def test_more_lines_for_python_than_fit_at_once_are_all_read() -> None:
    line = SEEDS.read_bytes().splitlines()[0].replace(b"Example", "Exämple".encode())
    count = 2 * native._HANDED_MAX + 5
    assert assert_same((line + b"\n") * count).counts["lines"] == count


def test_fields_have_the_same_numbers_in_c() -> None:
    header = (ROOT / "native/members.h").read_text(encoding="utf-8")
    enum = re.search(r"enum field \{(.*?)\}", header, re.DOTALL)
    assert enum
    numbers = {name: int(number) for name, number in re.findall(r"(\w+) = (\d+)", enum[1])}
    assert numbers == {
        re.sub(r"[.-]", "_", field.name).upper(): field.number
        for field in FIELDS
        if field.name not in LEFT_TO_PYTHON
    }


@pytest.mark.parametrize("size", [*range(70), 1000, 8192])
def test_the_key_of_a_sighting_is_xxhash(size: int) -> None:
    data = os.urandom(size)
    assert library.load().vf_xxh64(data, size) == xxhash.xxh64_intdigest(data)


CC = shutil.which("cc") or ""
SANITIZED = [
    pytest.param([sys.executable, "-m", "ziglang", "cc", "-fsanitize=undefined"], id="zig"),
    pytest.param([CC, "-fsanitize=address,undefined"], id="cc"),
    pytest.param([CC, "-fsanitize=address,undefined", "-DVF_NO_SIMD"], id="cc-no-simd"),
]


@pytest.mark.parametrize("compiler", SANITIZED)
def test_damaged_lines_touch_no_foreign_memory(compiler: list[str], tmp_path: Path) -> None:
    program = tmp_path / "check"
    sources = [Path(__file__).with_name("fold_check.c"), *(ROOT / "native").glob("*.c")]
    flags = ["-std=gnu11", "-g", "-O1", "-fno-sanitize-recover=all", f"-I{ROOT / 'native'}"]
    if not compiler[0]:
        pytest.skip("no cc: the address sanitizer needs one; the guard pages are tested with zig")
    command = [*compiler, *flags, "-o", str(program), *map(str, sources)]
    subprocess.run(command, check=True, timeout=100)
    ran = subprocess.run([program, SEEDS], check=False, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    lines, handed = map(int, ran.stdout.split())
    assert lines > 30_000
    assert lines * 0.5 < handed < lines
