"""EVE lines as observations: which value, in which field, between whom, when; folded by day."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import cast

from vedette.observe.folded import Fold, Folded, Hour
from vedette.observe.folding import PythonFold

__all__ = ["Fold", "Folded", "Hour", "PythonFold", "new_fold"]


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
    return PythonFold(skip, home)
