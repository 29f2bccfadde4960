"""Sphinx's settings; `make docs` builds with every warning an error."""

from __future__ import annotations

from vedette import __version__

project = "Vedette"
author = "The Vedette project"
version = release = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 4
nitpicky = True
html_theme = "furo"
html_title = "Vedette"
