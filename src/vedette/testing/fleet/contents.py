"""What generations consist of, read from what a hub published and from what an engine holds."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

Sets = Mapping[str, frozenset[str]]
"""Values by dataset, as their files spell them (canaries included)."""


class Generation(NamedTuple):
    """One generation as one engine has to hold it."""

    number: int
    content_id: str
    sets: Sets
    kinds: Mapping[str, str]
    """Type by dataset."""
    files: Mapping[str, str]
    """SHA-256 by name, as they lie in the sensor's rules directory."""

    @property
    def name(self) -> str:
        """For people."""
        return f"generation {self.number} ({self.content_id[:8]})"


def generations_in(bundles: Path, profile: str) -> Iterator[Generation]:
    """Read all whole generations below a directory.

    Args:
        bundles: Of a hub.
        profile: Of the engine: ``7.0``, ``8.0.7``.
    """
    for manifest in sorted(bundles.glob("gen-*/manifest.json")):
        try:
            yield _read(manifest, profile)
        except (OSError, ValueError, StopIteration):
            continue  # it is being written, or a disk was full


def _read(path: Path, profile: str) -> Generation:
    manifest = json.loads(path.read_bytes())
    rules = next(one for one in manifest["rules"] if one["profile"] == profile)
    infos = [info for info in manifest["sets"] if info["name"] in rules["sets"]]
    files = {"vedette.rules": rules["sha256"], **{info["file"]: info["sha256"] for info in infos}}
    sets = {}
    for info in infos:
        data = (path.parent / "datasets" / info["file"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != info["sha256"]:
            raise ValueError(f"{info['file']} is not what its manifest says")
        sets[info["name"]] = frozenset(data.decode().splitlines())
    return Generation(
        number=manifest["generation"],
        content_id=manifest["content_id"],
        sets=sets,
        kinds={info["name"]: info["type"] for info in infos},
        files=files,
    )


def spelt_from_memory(kind: str, value: bytes) -> str:
    """Spell what the fake engine has in memory as the files do."""
    if kind != "ip":
        return base64.b64encode(value).decode() if kind == "string" else value.hex()
    address = ipaddress.IPv6Address(value)
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


def digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of an installed generation, by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.iterdir()
        if path.is_file() and path.name != "release.json"
    }
