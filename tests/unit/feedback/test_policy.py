"""What a sighting says of who it was: nothing, a class, an address; of strangers never anything."""

from __future__ import annotations

from typing import Any

import pytest

from vedette.config import FeedbackSettings
from vedette.feedback.policy import SAYS_MAX, Policy

CLASSES = {"servers": ("10.1.0.0/16", "2001:db8:1::/48"), "printers": ("10.1.7.0/24",)}


def policy(**changes: Any) -> Policy:
    settings = FeedbackSettings(classes=CLASSES, **changes)
    return Policy.of(settings, home=("10.0.0.0/8",), instance="secret")


@pytest.mark.parametrize(
    ("hosts", "client", "server", "who"),
    [
        ("none", "10.1.2.3", "198.51.100.1", ""),
        ("class", "10.1.2.3", "198.51.100.1", "servers"),
        ("class", "10.1.7.3", "198.51.100.1", "printers"),
        ("class", "10.9.9.9", "198.51.100.1", ""),
        ("class", "2001:db8:1::5", "", "servers"),
        ("address", "10.1.2.3", "198.51.100.1", "10.1.2.3"),
        ("address", "198.51.100.1", "10.1.2.3", "10.1.2.3"),
        ("address", "198.51.100.1", "198.51.100.2", ""),
        ("address", "2001:db8:1::5", "", "2001:db8:1::5"),
        ("address", "not an address", "", ""),
    ],
)
def test_who_it_was(hosts: str, client: str, server: str, who: str) -> None:
    assert policy(hosts=hosts).who(client, server) == who


def test_the_name_comes_first_and_misp_s_limit_holds() -> None:
    assert policy(name="soc").says("servers") == "soc/servers"
    assert policy(name="soc").says("") == "soc"
    assert len(policy(name="x" * 100).says("y" * 300)) == SAYS_MAX
