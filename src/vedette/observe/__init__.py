"""EVE lines as observations: which value, in which field, between whom, when; folded by day."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from vedette.observe.folded import Fold, Folded, Hour
    from vedette.observe.folding import PythonFold

__all__ = ["Fold", "Folded", "Hour", "PythonFold", "new_fold"]

_HOMES = {
    "Fold": "vedette.observe.folded",
    "Folded": "vedette.observe.folded",
    "Hour": "vedette.observe.folded",
    "PythonFold": "vedette.observe.folding",
}
"""Where what needs Arrow is: imported on demand, so that the rest needs no extra."""


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def new_fold(
    skip: Iterable[str] = (), home: Iterable[str] = (), *, native: bool | None = None
) -> Fold:
    """Return a fold without the fields in ``skip``; ``home`` are our own networks (CIDR).

    ``native`` True: the native one; False: Python's; None: the native one if it is there. Both
    give the same.

    Raises:
        ImportError: The native fold was demanded and is not there.
        ValueError: A network is none.
    """
    if native is not False:
        try:
            made = import_module("vedette.observe.native").NativeFold(skip, home)
        except ImportError:
            if native:
                raise
        else:
            return cast("Fold", made)
    return cast("Fold", import_module("vedette.observe.folding").PythonFold(skip, home))
