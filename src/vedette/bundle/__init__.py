"""Immutable generations: build, verify, switch, compare, roll back."""

from __future__ import annotations

from vedette.bundle.builder import Builder, BuildResult
from vedette.bundle.diff import Difference, RuleChange, diff, rule_changes
from vedette.bundle.generation import (
    Generation,
    forget,
    history,
    latest,
    latest_readable,
    open_generation,
    rollback,
    verify,
)

__all__ = [
    "BuildResult",
    "Builder",
    "Difference",
    "Generation",
    "RuleChange",
    "diff",
    "forget",
    "history",
    "latest",
    "latest_readable",
    "open_generation",
    "rollback",
    "rule_changes",
    "verify",
]
