"""The library is found, refused with a reason, and built into wheels that fit old systems."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import xxhash

from vedette.observe import PythonFold, library, native, new_fold

ROOT = Path(__file__).resolve().parents[3]
MEMBER = "vedette/observe/_fold.so"
ELF_MACHINES = {"x86_64": 62, "aarch64": 183}


def build(place: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(place)]
    environment = os.environ | settings
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=100
    )


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_wheel_has_the_library_for_every_python_and_an_old_libc(
    machine: str, tmp_path: Path
) -> None:
    built = build(tmp_path, VEDETTE_NATIVE="zig", VEDETTE_NATIVE_TARGET=machine)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith(f"-py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}.whl")
    with zipfile.ZipFile(wheel) as packed:
        binary = packed.read(MEMBER)
    assert binary[:4] == b"\x7fELF"
    assert int.from_bytes(binary[18:20], "little") == ELF_MACHINES[machine]
    needed = {
        tuple(map(int, found.split(b"."))) for found in re.findall(rb"GLIBC_([0-9.]+)", binary)
    }
    assert needed
    assert max(needed) <= (2, 17)
    assert len(binary) < 200_000
    if machine == os.uname().machine:
        path = tmp_path / "found.so"
        path.write_bytes(binary)
        assert library.load(path).vf_xxh64(b"evil", 4) == xxhash.xxh64_intdigest(b"evil")


@pytest.mark.parametrize(
    "settings",
    [{"VEDETTE_NATIVE": "no"}, {"VEDETTE_NATIVE": "auto", "VEDETTE_NATIVE_TARGET": "riscv64"}],
    ids=["unwanted", "no-compiler"],
)
def test_a_wheel_is_pure_where_nothing_can_be_compiled(
    settings: dict[str, str], tmp_path: Path
) -> None:
    built = build(tmp_path, **settings)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert MEMBER not in packed.namelist()
    if "VEDETTE_NATIVE_TARGET" in settings:
        assert "without the native reader" in built.stdout + built.stderr


def test_a_compiler_that_was_asked_for_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    built = build(tmp_path, VEDETTE_NATIVE="cc", CC="no-such-compiler")
    assert built.returncode != 0
    assert "VEDETTE_NATIVE=cc" in built.stderr
    assert not list(tmp_path.glob("*.whl"))


def test_a_library_that_is_not_there_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="without a C compiler"):
        library.load(tmp_path / "none.so")


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.so"
    path.write_text("text", encoding="utf-8")
    with pytest.raises(OSError, match=r"text\.so"):
        library.load(path)


def test_a_library_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := native.why_not():
        pytest.skip(reason)
    monkeypatch.setattr(library, "ABI", 0)
    with pytest.raises(OSError, match="install again"):
        library.load()


def test_without_the_library_python_folds_and_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "_load", lambda: (None, "built without a compiler"))
    assert native.why_not() == "built without a compiler"
    assert isinstance(new_fold(), PythonFold)
    with pytest.raises(ImportError, match="built without a compiler"):
        new_fold(native=True)


def test_the_version_is_that_of_the_header() -> None:
    header = (ROOT / "native/fold.h").read_text(encoding="utf-8")
    assert re.findall(r"#define VF_ABI (\d+)", header) == [str(library.ABI)]
    assert set(re.findall(r"\b(vf_\w+)\(", header)) == set(library._SIGNATURES)
