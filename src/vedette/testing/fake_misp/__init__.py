"""A MISP for tests: real HTTP on loopback, with the quirks of MISP 2.5 and faults on request.

Run it by hand with ``python -m vedette.testing.fake_misp``.
"""

from vedette.testing.fake_misp.server import ADMIN_KEY, READ_ONLY_KEY, FakeMisp

__all__ = ["ADMIN_KEY", "READ_ONLY_KEY", "FakeMisp"]
