"""Reproducible comparisons: each benchmark measures itself and its peer in the same run.

``python -m bench`` runs them; what they found on a real machine is in README.md.
"""
