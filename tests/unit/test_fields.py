"""The list of fields: what it promises to those that read it."""

from __future__ import annotations

from vedette.buffers import ROWS
from vedette.fields import BY_NAME, FIELDS, NOT_REMEMBERED, Match, places
from vedette.model import IndicatorType


def test_names_and_numbers_are_unique() -> None:
    assert len(BY_NAME) == len(FIELDS)
    assert len({field.number for field in FIELDS}) == len(FIELDS)


def test_every_indicator_type_is_hunted_somewhere_or_the_reason_is_told() -> None:
    for kind in IndicatorType:
        assert bool(list(places(kind))) != (kind in NOT_REMEMBERED), kind


def test_names_are_hunted_below_a_domain_and_exactly_for_a_hostname() -> None:
    below = {place.field.name for place in places(IndicatorType.DOMAIN)}
    exact = {place.field.name for place in places(IndicatorType.HOSTNAME)}
    assert below == exact
    assert {place.match for place in places(IndicatorType.DOMAIN)} == {Match.SUBDOMAIN}
    assert {place.match for place in places(IndicatorType.HOSTNAME)} == {Match.EXACT}


def test_what_the_engine_can_match_is_looked_for_in_the_past_too() -> None:
    lacking = []
    for row in ROWS.values():
        names = {place.field.name for place in places(row.type)}
        for dataset in row.datasets:
            lacking += [
                f"{row.type}: {buffer.name}"
                for buffer in dataset.buffers
                if buffer.name not in names
            ]
    # One value in the engine, two of them in the past: by the algorithm.
    assert set(lacking) <= {
        "cert-sha256: tls.certs",
        "cert-md5: tls.certs",
        # A URL is one value in the past, whatever the rules take apart.
        "url: http.host",
        "url: http.uri.raw",
        "uri: http.uri.raw",
        "ip-dst-port: ip.dst",
        "ip-src-port: ip.src",
    }
