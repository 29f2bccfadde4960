"""Indicators that met the network: from lines of EVE to hits with their context."""

from __future__ import annotations

from vedette.hits.fold import Findings, Joined
from vedette.hits.reader import HitReader, Lookup

__all__ = ["Findings", "HitReader", "Joined", "Lookup"]
