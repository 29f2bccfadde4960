"""A MISP for tests: real HTTP on loopback, with the quirks of MISP 2.5 and faults on request.

It is for the tests of others, too, and stays as it is documented::

    from vedette.testing.fake_misp import FakeMisp

    with FakeMisp() as misp:
        misp.state.add_event({"info": "Emotet", "published": True, "Attribute": [...]})
        ...  # ask misp.url with misp.key, with PyMISP or anything else

Run it by hand with ``python -m vedette.testing.fake_misp``.
"""

from vedette.testing.fake_misp.model import (
    ADMIN,
    READ_ONLY,
    SIGHTER,
    SYNC_USER,
    USER,
    FakeAttribute,
    FakeEvent,
    FakeObject,
    FakeRole,
    FakeSighting,
)
from vedette.testing.fake_misp.server import ADMIN_KEY, READ_ONLY_KEY, FakeMisp
from vedette.testing.fake_misp.state import State
from vedette.testing.faults import Fault, FaultKind

__all__ = [
    "ADMIN",
    "ADMIN_KEY",
    "READ_ONLY",
    "READ_ONLY_KEY",
    "SIGHTER",
    "SYNC_USER",
    "USER",
    "FakeAttribute",
    "FakeEvent",
    "FakeMisp",
    "FakeObject",
    "FakeRole",
    "FakeSighting",
    "Fault",
    "FaultKind",
    "State",
]
