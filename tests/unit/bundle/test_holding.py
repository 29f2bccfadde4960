"""What a generation holds is read from the files that sensors get."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.bundle import Builder, Generation, latest
from vedette.bundle.holding import holds
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.testing.indicators import ListedKeys

LISTED = [
    Key(T.DOMAIN, "evil.example"),
    Key(T.DOMAIN, "a.b.c.example"),
    Key(T.HOSTNAME, "exact.example"),
    Key(T.IP_DST, "192.0.2.7"),
    Key(T.IP_DST, "198.51.100.0/24"),
    Key(T.IP_DST, "2001:db8::7"),
    Key(T.IP_DST_PORT, "192.0.2.8,443"),
    Key(T.URL, "url.example/x?y=1"),
    Key(T.URL, "url.example:8080/z"),
    Key(T.USER_AGENT, "x" * 900),
    Key(T.MD5, "0" * 32),
    Key(T.CERT_SHA1, "ab" * 20),
]
NOT_LISTED = [
    Key(T.DOMAIN, "vil.example"),
    Key(T.DOMAIN, "b.c.example"),
    Key(T.DOMAIN, "exact.example"),
    Key(T.HOSTNAME, "evil.example"),
    Key(T.IP_DST, "92.0.2.7"),
    Key(T.IP_DST, "192.0.2.8"),
    Key(T.IP_SRC, "192.0.2.7"),
    Key(T.IP_DST_PORT, "192.0.2.8,80"),
    Key(T.URL, "url.example/z"),
    Key(T.URL, "url.example"),
    Key(T.USER_AGENT, "x" * 899),
    Key(T.MD5, "1" * 32),
    Key(T.EMAIL_SUBJECT, "hello"),
]


@pytest.mark.parametrize("target", ["7.0", "8.0", "8.0.7", "8.0.7+context", "8.0+context"])
def test_it_holds_what_was_listed_and_nothing_else(tmp_path: Path, target: str) -> None:
    builder = Builder(root=tmp_path, targets=[Target.parse(target)])
    builder.build(ListedKeys(LISTED))
    generation = latest(tmp_path)
    assert isinstance(generation, Generation)
    assert [key for key in LISTED if not holds(generation, key)] == []
    assert [key for key in NOT_LISTED if holds(generation, key)] == []


@pytest.mark.parametrize("target", ["7.0", "8.0.7+context"])
def test_it_holds_indicators_of_every_level(tmp_path: Path, target: str) -> None:
    levels = {key: number % 4 for number, key in enumerate(LISTED)}
    listed = ListedKeys(LISTED, levels=levels)
    Builder(root=tmp_path, targets=[Target.parse(target)]).build(listed, levels=by_level(listed))
    generation = latest(tmp_path)
    assert isinstance(generation, Generation)
    assert [key for key in LISTED if not holds(generation, key)] == []
    assert [key for key in NOT_LISTED if holds(generation, key)] == []
