"""An engine's settings, as it runs with them or as its suricata.yaml has them.

A running engine is asked (``conf-get``), so ``--set`` and includes count. One that is stopped is
read with its own program (``suricata --dump-config``).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from vedette.errors import SensorError
from vedette.sensor.client import SuricataSocket

_LIST_MAX = 500
_UNITS: Mapping[str, int] = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?i?b?)\s*", re.IGNORECASE)


class Configuration(Protocol):
    """Settings by their dotted names (``stream.midstream``, ``rule-files.0``)."""

    def get(self, key: str) -> str | None:
        """Return a value as it is spelt, None if it is not set."""
        ...


class Running:
    """The settings of an engine that runs."""

    def __init__(self, engine: SuricataSocket, reload: int = 0) -> None:
        """Take those of its start, or of its ``reload``-th reload."""
        self._engine = engine
        self._prefix = f"detect-engine-reloads.{reload - 1}." if reload else ""

    def get(self, key: str) -> str | None:
        """Ask the engine."""
        return self._engine.config(self._prefix + key)


class Dumped:
    """The settings of a suricata.yaml."""

    def __init__(self, text: str) -> None:
        """Read the output of ``suricata --dump-config``."""
        pairs = (line.partition(" = ") for line in text.splitlines())
        self._values = {key: value for key, found, value in pairs if found and value != "(null)"}

    def get(self, key: str) -> str | None:
        """Look it up."""
        return self._values.get(key)


def dump(config: Path, program: str = "suricata") -> Dumped:
    """Read a suricata.yaml with the engine's own program.

    Raises:
        SensorError: There is no such program here, or it cannot read the file.
    """
    found = shutil.which(program)
    if found is None:
        raise SensorError(
            f"cannot read {config} without the program {program}",
            hint="Start the engine: then it is asked itself. Or install suricata on this machine.",
        )
    done = subprocess.run(  # noqa: S603 - the operator's own program
        [found, "-c", str(config), "--dump-config"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise SensorError(f"suricata cannot read {config}: {said[-1] if said else 'no reason'}")
    return Dumped(done.stdout)


def items(configuration: Configuration, key: str) -> Iterator[str]:
    """Yield the values of a list."""
    for number in range(_LIST_MAX):
        value = configuration.get(f"{key}.{number}")
        if value is None:
            return
        yield value


def find_item(configuration: Configuration, key: str, wanted: Callable[[str], bool]) -> str | None:
    """Return the dotted name of the first element of a list that is wanted."""
    for number, value in enumerate(items(configuration, key)):
        if wanted(value):
            return f"{key}.{number}.{value}"
    return None


def is_no(value: str | None) -> bool:
    """Whether it is one of YAML's words for false."""
    return value is not None and value.lower() in {"no", "false", "off", "0"}


def is_yes(value: str | None) -> bool:
    """Whether it is one of YAML's words for true."""
    return value is not None and value.lower() in {"yes", "true", "on", "1"}


def size_bytes(value: str) -> int | None:
    """Read ``100kb``, ``100 KiB`` or ``4096``; None if it is something else."""
    found = _SIZE.fullmatch(value)
    if not found:
        return None
    unit = found[2].lower().replace("i", "")
    unit = unit if unit.endswith("b") or not unit else f"{unit}b"
    return int(float(found[1]) * _UNITS[unit])
