"""What the doctor says about one thing."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """How much it costs."""

    ERROR = "error"
    """Vedette cannot work there, or sees nothing."""
    WARNING = "warning"
    """Some indicators are not seen."""
    HINT = "hint"
    """It could be better."""
    OK = "ok"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing about a sensor."""

    severity: Severity
    title: str
    consequence: str = ""
    remedy: str = ""
    """What to do, and what it costs; with lines to paste, as they are."""


def in_yaml(lines: str, cost: str = "") -> str:
    """Return a remedy that consists of lines of suricata.yaml."""
    return f"In suricata.yaml, then restart Suricata{f' ({cost})' if cost else ''}:\n{lines}"
