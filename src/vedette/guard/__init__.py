"""Verdicts: which indicators must not reach the sensors, and why; pure, facts are passed in."""
