"""Vedette: threat intelligence that network sensors actually hold."""

__version__ = "0.1.0"
