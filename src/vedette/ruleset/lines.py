"""How a value is written as a line of a set's file, and read back.

The contract is the stricter of both engines': LF, a final newline, no blanks, no comments, padded
base64, lower-case hex, ``::ffff:`` before IPv4, every line once. A line that breaks it makes an
engine skip it, forget the rest of the file, or not start.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from hashlib import md5
from typing import NamedTuple

from vedette.buffers import DatasetType, Encoding
from vedette.ruleset.sets import SetSpec

_MAPPED = "::ffff:"


class Chunk(NamedTuple):
    """Some lines of a set, in the order of its file."""

    spec: SetSpec
    data: bytes
    entries: int
    value_bytes: int
    """What the values count against memcap; 0 unless strings."""


def encode(spec: SetSpec, values: Sequence[str]) -> Chunk:
    """Write canonical values as lines, in their order."""
    if spec.format != "base64":
        lines = [_raw(spec, value) for value in values] if spec.kind is DatasetType.IP else values
        return Chunk(spec, "".join([f"{line}\n" for line in lines]).encode(), len(values), 0)
    if spec.dotted:
        raw = [b"." + value.encode() for value in values]
    elif _has_colons(spec):
        raw = [with_colons(value).encode() for value in values]
    else:
        raw = [value.encode() for value in values]
    return Chunk(spec, b"".join(map(b2a_base64, raw)), len(raw), sum(map(len, raw)))


def entry(spec: SetSpec, value: str) -> str:
    """Return the entry that the engine compares, as text."""
    if spec.dotted:
        return f".{value}"
    if spec.kind is DatasetType.STRING:
        return with_colons(value) if _has_colons(spec) else value
    return _raw(spec, value)


def canary_line(spec: SetSpec, canary: str) -> bytes:
    """Write a canary, which is an entry already, as a line of a base64 or raw file."""
    if spec.format == "base64":
        return b2a_base64(canary.encode())
    return f"{canary}\n".encode()


def decode(spec: SetSpec, line: bytes) -> str:
    """Return the canonical value that a line of a base64 or raw file was written from.

    Of a ``long`` set that is the MD5, which does not tell its value.
    """
    if spec.format != "base64":
        return line.rstrip(b"\n").decode().removeprefix(_MAPPED)
    value = a2b_base64(line).decode()
    if spec.dotted:
        return value[1:]
    return value.replace(":", "") if _has_colons(spec) else value


def value_bytes(spec: SetSpec, lines: bytes) -> int:
    """Return what the values of these base64 lines count against memcap; 0 unless strings."""
    if spec.format != "base64":
        return 0
    return sum(len(a2b_base64(line)) for line in lines.splitlines())


def order(spec: SetSpec) -> Callable[[bytes], bytes]:
    """Return the function from a line to the key that the lines of the file are sorted by."""
    if spec.format != "base64":
        return _address if spec.kind is DatasetType.IP else _stripped
    if spec.dotted:
        return _dotted_name
    if spec.dataset in {"domain", "hostname"}:
        return _name
    return a2b_base64


def name_key(name: str) -> bytes:
    """Return the key of a name in a file of names."""
    return name[::-1].replace(".", "!").encode()


def long_digest(value: str) -> str:
    """Return the entry of a long string: the MD5 that ``to_md5`` makes of its bytes."""
    return md5(value.encode(), usedforsecurity=False).hexdigest()


def with_colons(digest: str) -> str:
    """Spell a fingerprint as Suricata prints it: ``aa:bb:cc``."""
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _has_colons(spec: SetSpec) -> bool:
    return not spec.is_values and spec.source.encoding is Encoding.COLONS


def _raw(spec: SetSpec, value: str) -> str:
    return _MAPPED + value if spec.kind is DatasetType.IP and ":" not in value else value


def _stripped(line: bytes) -> bytes:
    return line.rstrip(b"\n")


def _address(line: bytes) -> bytes:
    return line.rstrip(b"\n").removeprefix(_MAPPED.encode())


def _name(line: bytes) -> bytes:
    return a2b_base64(line)[::-1].replace(b".", b"!")


def _dotted_name(line: bytes) -> bytes:
    return a2b_base64(line)[:0:-1].replace(b".", b"!")
