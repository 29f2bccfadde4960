"""Lines keep the contract of both engines and tell their value again."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.ruleset.lines import (
    canary_line,
    decode,
    encode,
    entry,
    order,
    value_bytes,
    with_colons,
)
from vedette.ruleset.sets import SetSpec, canary

DIGEST = "00ff" * 10


@pytest.mark.parametrize(
    ("spec", "value", "line"),
    [
        (SetSpec("domain"), "evil.example", base64.b64encode(b".evil.example").decode()),
        (SetSpec("domain", "l2"), "evil.example", base64.b64encode(b"evil.example").decode()),
        (SetSpec("hostname"), "a", "YQ=="),
        (SetSpec("user-agent"), "Ö\n", base64.b64encode("Ö\n".encode()).decode()),
        (SetSpec("cert-sha1"), DIGEST, base64.b64encode(with_colons(DIGEST).encode()).decode()),
        (SetSpec("cert-sha256"), "ab" * 32, "ab" * 32),
        (SetSpec("sha1"), DIGEST, DIGEST),
        (SetSpec("ip-dst"), "192.0.2.1", "::ffff:192.0.2.1"),
        (SetSpec("ip-dst"), "2001:db8::1", "2001:db8::1"),
        (SetSpec("ip-dst-port", "p443"), "192.0.2.1", "::ffff:192.0.2.1"),
        (SetSpec("url", "values"), "a/b", base64.b64encode(b"a/b").decode()),
    ],
)
def test_a_value_is_written_as_the_engine_reads_it(spec: SetSpec, value: str, line: str) -> None:
    chunk = encode(spec, [value])
    assert chunk.data.decode() == f"{line}\n"
    assert chunk.entries == 1
    assert decode(spec, chunk.data) == value


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1)))
def test_strings_keep_the_contract_of_both_engines(values: list[str]) -> None:
    chunk = encode(SetSpec("user-agent"), values)
    lines = chunk.data.decode("ascii").splitlines(keepends=True)
    assert all(line.endswith("\n") and line.strip() for line in lines)
    assert not set("\r #") & set("".join(lines))
    assert all(len(line.strip()) % 4 == 0 for line in lines)
    assert [decode(SetSpec("user-agent"), line.encode()) for line in lines] == values
    assert chunk.value_bytes == sum(len(value.encode()) for value in values)
    assert value_bytes(SetSpec("user-agent"), chunk.data) == chunk.value_bytes


def test_only_strings_count_their_bytes() -> None:
    assert encode(SetSpec("ip-dst"), ["192.0.2.1"]).value_bytes == 0
    assert value_bytes(SetSpec("sha1"), f"{DIGEST}\n".encode()) == 0
    assert encode(SetSpec("domain"), ["a.b"]).value_bytes == len(".a.b")


@pytest.mark.parametrize("spec", [SetSpec("domain"), SetSpec("domain", "l3"), SetSpec("hostname")])
def test_all_below_a_name_follow_it(spec: SetSpec) -> None:
    names = ["b.com", "a.b.com", "z.a.b.com", "x.b.com", "a-b.com", "c.com"]
    lines = [encode(spec, [name]).data for name in names]
    lines.sort(key=order(spec))
    found = [decode(spec, line) for line in lines]
    at = found.index("b.com")
    assert set(found[at : at + 4]) == {"b.com", "a.b.com", "z.a.b.com", "x.b.com"}


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (SetSpec("ip-dst"), ["1.2.3.4", "10.0.0.1", "2001:db8::1", "9.9.9.9"]),
        (SetSpec("sha1"), ["0" * 40, "a" * 40]),
        (SetSpec("user-agent"), ["A", "a", "ä", "\U0001f600"]),
        (SetSpec("cert-sha1"), ["00" * 20, "ab" * 20]),
    ],
)
def test_other_values_are_sorted_as_the_store_sorts_them(spec: SetSpec, values: list[str]) -> None:
    key_of = order(spec)
    keys = [key_of(encode(spec, [value]).data) for value in sorted(values)]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("spec", "form"),
    [
        (SetSpec("domain"), r"\.vedette-canary-[0-9a-f]{12}\.invalid"),
        (SetSpec("domain", "l2"), r"vedette-canary-[0-9a-f]{12}\.invalid"),
        (SetSpec("domain", "l4"), r"x\.x\.vedette-canary-[0-9a-f]{12}\.invalid"),
        (SetSpec("hostname"), r"vedette-canary-[0-9a-f]{12}\.invalid"),
        (SetSpec("user-agent"), r"vedette-canary-[0-9a-f]{12}"),
        (SetSpec("user-agent", "long"), r"[0-9a-f]{32}"),
        (SetSpec("cert-sha256"), r"[0-9a-f]{64}"),
        (SetSpec("cert-md5"), r"[0-9a-f]{32}"),
        (SetSpec("ip-dst"), r"100::[0-9a-f:]+"),
        (SetSpec("sha256"), ""),
        (SetSpec("url", "values"), ""),
    ],
)
def test_a_canary_is_an_entry_of_its_set_and_follows_the_content(spec: SetSpec, form: str) -> None:
    assert re.fullmatch(form, canary(spec, "one"))
    assert canary(spec, "one") == canary(spec, "one")
    assert not form or canary(spec, "one") != canary(spec, "two")


def test_a_canary_is_written_as_it_is_looked_up() -> None:
    mark = canary(SetSpec("domain"), "one")
    assert canary_line(SetSpec("domain"), mark) == base64.b64encode(mark.encode()) + b"\n"
    assert canary_line(SetSpec("ip-dst"), "100::1") == b"100::1\n"


@pytest.mark.parametrize(
    ("spec", "value", "found"),
    [
        (SetSpec("domain"), "evil.example", ".evil.example"),
        (SetSpec("domain", "l2"), "evil.example", "evil.example"),
        (SetSpec("cert-sha1"), "abcd", "ab:cd"),
        (SetSpec("ip-dst"), "192.0.2.1", "::ffff:192.0.2.1"),
    ],
)
def test_an_entry_is_what_the_engine_compares(spec: SetSpec, value: str, found: str) -> None:
    assert entry(spec, value) == found
