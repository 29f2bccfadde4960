from __future__ import annotations

from itertools import chain

import pytest

from vedette.fields import FIELDS, Spelling
from vedette.opensearch.layouts import EVENTS, LAYOUTS, Layout


@pytest.fixture(params=sorted(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


def test_every_field_stands_somewhere_or_the_reason_is_told(layout: Layout) -> None:
    for field in FIELDS:
        assert bool(layout.sources.get(field.name)) != (field.name in layout.unanswered), field.name


def test_nothing_is_said_of_fields_that_there_are_not(layout: Layout) -> None:
    names = {field.name for field in FIELDS}
    assert layout.sources.keys() <= names
    assert layout.unanswered.keys() <= names
    assert layout.partly.keys() <= layout.sources.keys()


def test_only_whole_values_of_several_parts_have_several_columns(layout: Layout) -> None:
    several = {
        field.name
        for field in FIELDS
        for source in layout.sources.get(field.name, ())
        if len(source) > 1
    }
    assert several == {"http.url", "ip.dst.port"}
    for field in FIELDS:
        if field.spelling is Spelling.ADDRESS_PORT:
            assert {len(source) for source in layout.sources[field.name]} == {2}


def test_what_may_be_absent_is_never_all_of_a_value(layout: Layout) -> None:
    for source in chain.from_iterable(layout.sources.values()):
        assert source[-1][0] != "?"


def test_events_are_those_of_the_fields() -> None:
    assert EVENTS["ja3.hash"] == ("tls", "quic")
    assert EVENTS.keys() == {field.name for field in FIELDS}


def test_what_filebeat_leaves_alone_is_below_its_own_name() -> None:
    ecs, eve = LAYOUTS["ecs"].sources, LAYOUTS["eve"].sources
    assert ecs["smtp.helo"] == (("suricata.eve.smtp.helo",),)
    moved = {
        name
        for name in eve
        if ecs[name]
        != tuple(tuple(f"suricata.eve.{column}" for column in source) for source in eve[name])
    }
    assert {"http.host", "ip.dst", "tls.sni", "dns.response.ip"} <= moved
    assert not {"dns.query", "email.subject", "ssh.hassh"} & moved
