from __future__ import annotations

import pytest

from vedette.buffers import UNMATCHABLE, misp_types
from vedette.misp.convert import context_of, convert, own_tags, tlp_of
from vedette.misp.wire import Attribute, Event, Org, Tag
from vedette.model import Context, Indicator, IndicatorType, Key, Rejected, Skipped

CONTEXT = Context(key="event-uuid")
MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def items(type_: str, value: str | float) -> list[Indicator | Rejected | Skipped]:
    return list(convert(Attribute(type=type_, value=value, uuid="attribute-uuid"), CONTEXT))


def keys(type_: str, value: str | float) -> list[Key]:
    found = items(type_, value)
    assert all(isinstance(item, Indicator) for item in found), found
    return [item.key for item in found if isinstance(item, Indicator)]


def test_a_value_is_normalized_and_keeps_its_reference_and_comment() -> None:
    attribute = Attribute(
        type="domain", value=" Evil.Example. ", uuid="attribute-uuid", comment="seen in mail"
    )
    (item,) = convert(attribute, CONTEXT)
    assert item == Indicator(
        type=IndicatorType.DOMAIN,
        value="evil.example",
        ref="attribute-uuid",
        context=CONTEXT,
        comment="seen in mail",
    )


def test_a_domain_with_its_address_becomes_both() -> None:
    assert keys("domain|ip", "evil.example|198.51.100.7") == [
        Key(IndicatorType.DOMAIN, "evil.example"),
        Key(IndicatorType.IP_DST, "198.51.100.7"),
    ]


def test_one_bad_half_of_a_composite_does_not_cost_the_other() -> None:
    indicator, rejected = items("domain|ip", "evil.example|not an address")
    assert isinstance(indicator, Indicator)
    assert isinstance(rejected, Rejected)
    assert rejected.value == "not an address"
    assert rejected.ref == "event-uuid/attribute-uuid"


def test_a_composite_is_split_at_its_first_bar() -> None:
    assert keys("filename|md5", f"setup.exe|{MD5}") == [Key(IndicatorType.MD5, MD5)]
    (rejected,) = items("filename|md5", f"a|b.exe|{MD5}")
    assert isinstance(rejected, Rejected)
    assert rejected.value == f"b.exe|{MD5}"


def test_a_composite_without_a_bar_yields_what_is_there_and_rejects_the_rest() -> None:
    domain, no_address = items("domain|ip", "evil.example")
    assert isinstance(domain, Indicator)
    reason = "no '|' in composite"
    assert no_address == Rejected("evil.example", "event-uuid/attribute-uuid", reason)
    assert items("filename|md5", MD5) == [Rejected(MD5, "event-uuid/attribute-uuid", reason)]
    assert keys("hostname|port", "c2.evil.example") == [
        Key(IndicatorType.HOSTNAME, "c2.evil.example")
    ]


def test_an_address_with_its_port_stays_one_value() -> None:
    assert keys("ip-dst|port", "198.51.100.7|4444") == [
        Key(IndicatorType.IP_DST_PORT, "198.51.100.7,4444")
    ]
    assert keys("hostname|port", "c2.evil.example|4444") == [
        Key(IndicatorType.HOSTNAME, "c2.evil.example")
    ]


def test_an_address_in_a_domain_attribute_moves_to_the_right_type() -> None:
    assert keys("domain", "198.51.100.7") == [Key(IndicatorType.IP_DST, "198.51.100.7")]


def test_a_type_that_no_engine_can_match_says_why() -> None:
    (skipped,) = items("regkey", "HKLM\\Run")
    assert skipped == Skipped(f"no engine can match regkey: {UNMATCHABLE['regkey']}")


def test_a_type_that_nobody_knows_is_named() -> None:
    assert items("quantum-flux", "1") == [Skipped("unknown MISP type quantum-flux")]


def test_a_long_value_is_cut_in_the_rejection() -> None:
    (rejected,) = items("domain", "not a name " * 100)
    assert isinstance(rejected, Rejected)
    assert len(rejected.value) == 200


def test_every_misp_type_of_the_table_yields_something_for_every_part() -> None:
    for type_, parts in misp_types().items():
        found = items(type_, "a|b" if parts[0][0] else "a")
        assert len(found) == len(parts), type_


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["tlp:white"], "clear"),
        (["TLP:GREEN", "tlp:amber"], "amber"),
        (["tlp:amber+strict", "tlp:amber"], "amber+strict"),
        (["tlp:clear", "tlp:red", "osint"], "red"),
        (["tlp:ex:chr", "tlp:unclear", "osint"], ""),
        ([], ""),
    ],
)
def test_the_most_restrictive_tlp_counts(tags: list[str], expected: str) -> None:
    assert tlp_of(tags) == expected


def test_inherited_and_repeated_tags_are_not_an_attributes_own() -> None:
    tags = [Tag("a"), Tag("b", inherited=1), Tag("a"), Tag(None), Tag("c", inherited=0)]
    assert own_tags(tags) == ("a", "c")
    assert own_tags(None) == own_tags([]) == ()


def test_the_context_tells_what_the_event_says() -> None:
    event = Event(
        info=" Emotet\r\nwave ",
        date="2026-01-02",
        threat_level_id="1",
        orgc=Org("Creator"),
        org=Org("Owner"),
        tags=[Tag("tlp:amber"), Tag("osint")],
    )
    assert context_of(event, "u", base_url="https://misp.example/") == Context(
        key="u",
        info="Emotet wave",
        organisation="Creator",
        tags=("tlp:amber", "osint"),
        tlp="amber",
        threat_level="high",
        date="2026-01-02",
        url="https://misp.example/events/view/u",
    )


@pytest.mark.parametrize(
    ("level", "expected"), [(1, "high"), ("2", "medium"), ("3", "low"), ("4", ""), (None, "")]
)
def test_threat_levels_have_names(level: str | int | None, expected: str) -> None:
    assert context_of(Event(threat_level_id=level), "u").threat_level == expected


def test_an_empty_event_has_an_empty_context_and_a_feed_has_no_url() -> None:
    assert context_of(Event(), "u") == Context(key="u")
