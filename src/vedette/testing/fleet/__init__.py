"""A hub, an agent and an engine as real processes, and everything that may happen to them.

Nothing here asks the product whether it is right: the truth comes from the engine's own socket and
from the files. See docs/explanation/faults.md.
"""
