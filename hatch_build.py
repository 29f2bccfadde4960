"""Compile native/*.c into the wheel, or into the source tree of an editable installation.

The library uses nothing but libc and is loaded with ctypes, so one wheel serves every Python of a
platform. The compiler is ``cc``, or the one in the ``ziglang`` package, which is an ordinary wheel.
Without either, the package is pure: Vedette then reads EVE in Python, and says so.

Settings, from the environment:
  VEDETTE_NATIVE         auto (default), zig, cc, or no; zig and cc fail when they cannot compile
  VEDETTE_NATIVE_TARGET  x86_64 or aarch64 (zig only); the default is this machine
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = "vedette/observe/_fold.so"
GLIBC = "2.17"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
FLAGS = (
    "-std=c11",
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fstack-protector-strong",
    "-D_FORTIFY_SOURCE=2",
    "-Wall",
    "-Wextra",
    "-Wl,-z,relro,-z,now",
    "-s",
)


class NativeHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the library to what is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless there is nothing to compile with or for."""
        wanted = os.environ.get("VEDETTE_NATIVE", "auto")
        if self.target_name != "wheel" or wanted == "no":
            return
        editable = version == "editable"
        folder = Path(self.root, "src") if editable else Path(tempfile.mkdtemp(prefix="vedette-"))
        self._made = None if editable else folder
        library = folder / LIBRARY
        library.parent.mkdir(parents=True, exist_ok=True)
        tag = self._compile(wanted, library)
        if tag is None:
            library.unlink(missing_ok=True)  # of another day: it may not fit any more
        elif not editable:
            build_data["force_include"][str(library)] = LIBRARY
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{tag}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for a wheel."""
        del version, build_data, artifact_path
        if made := getattr(self, "_made", None):
            shutil.rmtree(made, ignore_errors=True)

    def _compile(self, wanted: str, library: Path) -> str | None:
        """Return the platform tag of what was compiled; None if it could not be."""
        for compiler in ("cc", "zig") if wanted == "auto" else (wanted,):
            command, tag = _compiler(compiler)
            if not command:
                continue
            try:
                self._run([*command, *FLAGS], library)
            except (OSError, subprocess.CalledProcessError) as error:
                said = getattr(error, "stderr", "") or str(error)
                self.app.display_warning(f"{compiler} cannot compile native/: {said.strip()}")
            else:
                return tag
        if wanted != "auto":
            sys.exit(f"VEDETTE_NATIVE={wanted}: no library was built")
        self.app.display_warning("no C compiler: built without the native reader of EVE")
        return None

    def _run(self, command: list[str], library: Path) -> None:
        sources = sorted(map(str, Path(self.root, "native").glob("*.c")))
        built = library.with_suffix(".new")
        subprocess.run(  # noqa: S603
            [*command, "-o", str(built), *sources], check=True, capture_output=True, text=True
        )
        built.replace(library)  # a running Vedette may have the old one mapped


def _compiler(name: str) -> tuple[list[str], str]:
    """Return the start of a command and the platform tag; no command if it is not there."""
    machine = MACHINES.get(platform.machine().lower(), "")
    target = os.environ.get("VEDETTE_NATIVE_TARGET", machine)
    if sys.platform != "linux" or target not in MACHINES.values():
        return [], ""
    if name == "zig" and find_spec("ziglang"):
        tag = f"manylinux_{GLIBC.replace('.', '_')}_{target}.manylinux2014_{target}"
        return [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            f"{target}-linux-gnu.{GLIBC}",
        ], tag
    if name == "cc" and target == machine and (cc := shutil.which(os.environ.get("CC", "cc"))):
        return [cc], sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return [], ""
