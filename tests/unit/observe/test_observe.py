"""Which fold one gets."""

from __future__ import annotations

from vedette.observe import PythonFold, new_fold


def is_there() -> bool:
    try:
        new_fold(native=True)
    except ImportError:
        return False
    return True


def test_pythons_fold_on_demand() -> None:
    assert isinstance(new_fold(native=False), PythonFold)


def test_the_native_fold_where_it_is_there_and_pythons_elsewhere() -> None:
    assert isinstance(new_fold(), PythonFold) != is_there()
