"""The native library as ctypes sees it: native/fold.h, and nothing else."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path

PATH = Path(__file__).with_name("_fold.so")
ABI = 1
"""``VF_ABI`` of the header that this module was written for."""
NETWORK_SIZE = 18
"""Bytes of one of our own networks."""
COUNTS = ("lines", "events", "ignored", "empty")


class Columns(ctypes.Structure):
    """``vf_columns``: where the buffers of Arrow columns are."""

    _fields_ = tuple(
        (name, c_void_p)
        for name in (
            "field_offsets",
            "value_offsets",
            "client_offsets",
            "server_offsets",
            "field",
            "value",
            "client",
            "server",
            "day",
            "first_us",
            "last_us",
            "count",
            "last",
        )
    )


class Sizes(ctypes.Structure):
    """``vf_sizes``: bytes of text."""

    _fields_ = tuple((name, c_uint64) for name in ("field", "value", "client", "server"))


class Counts(ctypes.Structure):
    """``vf_counts``: lines that the library has read itself, by outcome."""

    _fields_ = tuple((name, c_uint64) for name in COUNTS)


class Hour(ctypes.Structure):
    """``vf_hour``."""

    _fields_ = (
        ("hour", c_int64),
        ("first_us", c_int64),
        ("last_us", c_int64),
        ("events", c_uint64),
    )


class Line(ctypes.Structure):
    """``vf_line``: where a line is in a block."""

    _fields_ = (("offset", c_uint64), ("length", c_uint64))


_FOLD = c_void_p
_SIGNATURES = {
    "vf_abi": (c_int, ()),
    "vf_new": (_FOLD, (POINTER(c_char_p), c_size_t, c_char_p, c_size_t, c_char_p)),
    "vf_free": (None, (_FOLD,)),
    "vf_scan": (
        c_int64,
        (_FOLD, c_char_p, c_size_t, c_size_t, POINTER(Line), c_size_t, POINTER(c_size_t)),
    ),
    "vf_put": (
        c_int,
        (
            _FOLD,
            c_uint,
            *(c_char_p, c_size_t) * 3,
            c_int64,
            c_uint64,
        ),
    ),
    "vf_count": (c_int, (_FOLD, c_int64)),
    "vf_rows": (c_size_t, (_FOLD,)),
    "vf_bytes": (c_uint64, (_FOLD,)),
    "vf_get_counts": (None, (_FOLD, POINTER(Counts))),
    "vf_hours": (c_size_t, (_FOLD, POINTER(Hour), c_size_t)),
    "vf_sort": (c_int, (_FOLD,)),
    "vf_sightings": (c_size_t, (_FOLD,)),
    "vf_measure": (c_size_t, (_FOLD, c_int, c_size_t, c_uint64, POINTER(Sizes))),
    "vf_write": (None, (_FOLD, c_int, c_size_t, c_size_t, POINTER(Columns))),
    "vf_clear": (None, (_FOLD,)),
    "vf_xxh64": (c_uint64, (c_char_p, c_size_t)),
}


def load(path: Path = PATH) -> ctypes.CDLL:
    """Return the library with its functions declared.

    Raises:
        OSError: It is not there, not for this machine, or of another version of Vedette.
    """
    if not path.exists():
        raise OSError("this installation was built without a C compiler")
    loaded = ctypes.CDLL(str(path))
    loaded.vf_abi.restype = c_int
    if (found := loaded.vf_abi()) != ABI:
        raise OSError(f"the library has version {found}, version {ABI} is needed: install again")
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
