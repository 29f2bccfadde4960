"""Errors raised on purpose: what went wrong, what to do about it, how the process exits.

One flat family: each stage has one class, told apart by ``exit_code``. A bad *value* is never
an error of this family: it is yielded as :class:`vedette.model.Rejected`.
"""

from __future__ import annotations

from typing import ClassVar


class VedetteError(Exception):
    """The world failed in a way an operator can do something about.

    Args:
        message: What happened, in one sentence, with names and numbers.
        hint: What to do next; shown under the message.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(VedetteError):
    """The command or the configuration cannot mean anything."""

    exit_code: ClassVar[int] = 2


class ConfigError(VedetteError):
    """vedette.toml is missing, unreadable or says something impossible."""

    exit_code: ClassVar[int] = 2


class SourceError(VedetteError):
    """A source could not be read to its end: nothing may be concluded about its indicators."""

    exit_code: ClassVar[int] = 3


class HeldError(VedetteError):
    """A source shrank or grew suspiciously: its last good state stays until a person accepts."""

    exit_code: ClassVar[int] = 4


class StoreError(VedetteError):
    """The control database cannot be read or written."""

    exit_code: ClassVar[int] = 5


class BusyError(VedetteError):
    """Another Vedette works on the same state directory."""

    exit_code: ClassVar[int] = 6


class BundleError(VedetteError):
    """A bundle cannot be built, read or verified."""

    exit_code: ClassVar[int] = 7


class SensorError(VedetteError):
    """A sensor cannot be reached or written."""

    exit_code: ClassVar[int] = 8


class ProofError(VedetteError):
    """A sensor answered, and what it holds is not what was published."""

    exit_code: ClassVar[int] = 9


class PoolError(VedetteError):
    """The pool cannot be opened, read or written; what was read stays in the spool."""

    exit_code: ClassVar[int] = 10


class TrustError(VedetteError):
    """A signature, a key, a token or an order of generations is not what it must be."""

    exit_code: ClassVar[int] = 11


class HubError(VedetteError):
    """The hub cannot be asked by an agent; what is installed goes on to be proved."""

    exit_code: ClassVar[int] = 12


class UnusableValueError(ValueError):
    """A value has no canonical spelling for its type; the text says why, in a few words."""
