"""The list of types, against that of the independent client."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from vedette.misp.attribute_types import ATTRIBUTE_TYPES, check_types


def test_every_type_that_pymisp_knows_is_known() -> None:
    text = files("pymisp").joinpath("data/describeTypes.json").read_text()
    types = set(json.loads(text)["result"]["types"])
    assert len(types) > 190
    assert types <= ATTRIBUTE_TYPES
    check_types(types)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ip-dest", "did you mean 'ip-dst'?"),
        ("Domain", "did you mean 'domain'?"),
        ("email_src", "did you mean 'email-src'?"),
        ("", "they are called as in MISP"),
        ("*", "they are called as in MISP"),
    ],
)
def test_a_type_that_does_not_exist_is_refused_with_what_was_meant(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"MISP has no attribute type") as refused:
        check_types(["md5", name])
    assert words in str(refused.value)
