"""A JSON line is never one that the engine cannot take, whatever a source says."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from vedette.model import Context, Entry, Key
from vedette.model import IndicatorType as T
from vedette.ruleset.compiler import compile_context
from vedette.ruleset.context import LINE_MAX, line
from vedette.ruleset.engine import Target
from vedette.ruleset.lines import long_digest
from vedette.ruleset.sets import SetSpec
from vedette.testing.indicators import ListedKeys


def claim(source: str = "misp", tags: tuple[str, ...] = (), **context: object) -> Entry:
    return Entry(
        source=source,
        key=Key(T.DOMAIN, "evil.example"),
        ref="",
        context=Context(**{"key": "uuid", **context}),  # type: ignore[arg-type]
        comment="",
        tags=tags,
    )


def read(value: str, *claims: Entry) -> dict[str, object]:
    found: dict[str, object] = json.loads(line(value, claims))
    return found


def test_a_line_says_source_event_info_tags_and_tlp() -> None:
    assert read("evil.example", claim("misp", ("c2",), info="I", tlp="red")) == {
        "v": "evil.example",
        "source": "misp",
        "event": "uuid",
        "info": "I",
        "tags": ["c2"],
        "tlp": "red",
    }


def test_what_nobody_says_is_left_out() -> None:
    assert read("evil.example", claim(key="")) == {"v": "evil.example", "source": "misp"}
    assert read("evil.example") == {"v": "evil.example"}


def test_several_claims_are_one_line_with_the_strictest_tlp() -> None:
    found = read(
        "evil.example",
        claim("one", ("a",), key="1", tlp="green"),
        claim("two", ("a", "b"), key="2", tlp="amber+strict", info="Second"),
        claim("two", key="2", tlp="unknown"),
    )
    assert found["source"] == "one,two"
    assert found["event"] == "1,2"
    assert found["info"] == "Second"
    assert found["tags"] == ["a", "b"]
    assert found["tlp"] == "amber+strict"


def test_a_long_info_is_shortened_and_the_rest_stays() -> None:
    found = read("evil.example", claim(info="ä" * 2000, tlp="red"))
    assert str(found["info"]).endswith("ä…")
    assert len(line("evil.example", [claim(info="ä" * 2000, tlp="red")])) > LINE_MAX - 3
    assert (found["event"], found["tlp"]) == ("uuid", "red")


def test_many_tags_are_cut_from_the_end() -> None:
    found = read("evil.example", claim("misp", tuple(f"tag-{n}" for n in range(500)), info="I"))
    assert isinstance(found["tags"], list)
    assert found["tags"][0] == "tag-0"
    assert found["info"] == "I"


def test_hundreds_of_claims_leave_the_first() -> None:
    found = read("evil.example", *(claim(f"source-{n}", key=f"uuid-{n}") for n in range(500)))
    assert (found["source"], found["event"]) == ("source-0", "uuid-0")


def test_a_value_that_fills_the_line_loses_its_context() -> None:
    value = "x" * (LINE_MAX - len('{"v":""}'))
    assert read(value, claim(info="I")) == {"v": value}


def test_a_value_that_no_line_can_hold_has_none() -> None:
    assert line("x" * LINE_MAX, []) == b""
    assert line("nul\0", []) == b""


texts = st.text(st.characters(codec="utf-8"), max_size=60)
times = st.sampled_from([1, 20, 90])


@given(texts.filter(bool), st.lists(st.tuples(texts, texts, st.lists(texts), times), max_size=4))
def test_whatever_a_source_says_the_line_is_one_short_line_of_json(
    value: str, claims: list[tuple[str, str, list[str], int]]
) -> None:
    entries = [
        claim(source * many, tuple(tags), key=source, info=info * many)
        for source, info, tags, many in claims
    ]
    text = line(value, entries)
    assert len(text) <= LINE_MAX
    assert b"\n" not in text
    assert b"\\u0000" not in text
    if text:
        assert json.loads(text)["v"] == value
    else:
        assert "\0" in value


def compiled(keys: list[Key], *targets: str) -> dict[SetSpec, list[bytes]]:
    chunks = compile_context(ListedKeys(keys), [Target.parse(target) for target in targets])
    found: dict[SetSpec, list[bytes]] = {}
    for chunk in chunks:
        found.setdefault(chunk.spec, []).extend(chunk.data.splitlines())
    return found


def test_nothing_is_written_without_a_target_that_wants_it() -> None:
    assert compiled([Key(T.DOMAIN, "evil.example")], "7.0", "8.0", "8.0.7") == {}


def test_names_have_the_form_of_their_target() -> None:
    keys = [Key(T.DOMAIN, "evil.example"), Key(T.HOSTNAME, "host.example")]
    found = compiled(keys, "8.0+context", "8.0.7+context")
    values = {spec.name: json.loads(lines[0])["v"] for spec, lines in found.items()}
    assert values == {
        "domain-ctx": ".evil.example",
        "domain-l2-ctx": "evil.example",
        "hostname-ctx": "host.example",
    }


def test_what_no_line_can_hold_is_matched_without_context() -> None:
    long = "x" * 2000
    found = compiled([Key(T.USER_AGENT, long), Key(T.USER_AGENT, "short")], "8.0+context")
    assert json.loads(found[SetSpec("user-agent", context=True)][0])["v"] == "short"
    assert found[SetSpec("user-agent", "long", context=True)] == [long_digest(long).encode()]


def test_addresses_of_a_network_carry_what_is_said_about_it() -> None:
    found = compiled([Key(T.IP_DST, "192.0.2.0/31"), Key(T.IP_DST, "192.0.2.1")], "8.0+context")
    lines = found[SetSpec("ip-dst", context=True)]
    assert [json.loads(text)["v"] for text in lines] == ["192.0.2.0", "192.0.2.1"]
    assert all(json.loads(text)["source"] == "test" for text in lines)


def test_ports_urls_and_hashes_have_no_context() -> None:
    keys = [
        Key(T.IP_DST_PORT, "192.0.2.1,80"),
        Key(T.URL, "a.example/x"),
        Key(T.SHA256, "0" * 64),
        Key(T.CERT_SHA256, "0" * 64),
    ]
    assert compiled(keys, "8.0.7+context") == {}


def test_fingerprints_are_spelt_as_the_engine_prints_them() -> None:
    found = compiled([Key(T.CERT_SHA1, "ab" * 20)], "8.0+context")
    assert json.loads(found[SetSpec("cert-sha1", context=True)][0])["v"] == ":".join(["ab"] * 20)


def test_more_than_one_batch_is_written() -> None:
    keys = [Key(T.USER_AGENT, f"agent-{number}") for number in range(9000)]
    assert len(compiled(keys, "8.0+context")[SetSpec("user-agent", context=True)]) == 9000
