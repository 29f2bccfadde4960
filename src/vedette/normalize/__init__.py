"""The one canonical spelling of every value, per type. Pure: text in, key out.

Everything that is compared (sources, datasets, EVE) passes through here, so what it decides is
decided once.
"""

from __future__ import annotations

from vedette.normalize.canonical import normalize
from vedette.normalize.defang import refang
from vedette.normalize.names import ancestors, canonical_name, reverse_key, unreverse_key
from vedette.normalize.reasons import Reason
from vedette.normalize.urls import UrlParts, split_url

__all__ = [
    "Reason",
    "UrlParts",
    "ancestors",
    "canonical_name",
    "normalize",
    "refang",
    "reverse_key",
    "split_url",
    "unreverse_key",
]
