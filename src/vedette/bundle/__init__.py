"""Immutable generations: build, verify, switch, compare, roll back."""
