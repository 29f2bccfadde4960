"""An observed text is what an indicator of the same meaning is; a fold forgets and invents nothing.

However the lines are cut, ordered or damaged.
"""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vedette.errors import UnusableValueError
from vedette.fields import FIELDS, VALUE_MAX, Match, Spelling
from vedette.model import IndicatorType as T
from vedette.normalize import normalize, refang
from vedette.normalize.defang import refang_email
from vedette.observe import Folded, PythonFold
from vedette.observe.observing import Observer
from vedette.observe.spelling import observed

labels = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=12)
tops = st.sampled_from(["com", "Example", "zip", "xn--p1ai", "onion"])
wide_labels = st.text("aäßЯ税❤ıİ-_A", min_size=1, max_size=6)
names = st.builds(
    lambda parts, top, end: ".".join([*parts, top]) + end,
    st.lists(labels | wide_labels, min_size=1, max_size=4),
    tops,
    st.sampled_from(["", "", "."]),
)
addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(
    lambda address: address.exploded.upper()
)
ports = st.integers(1, 65535)
hosts = names | addresses.map(lambda text: f"[{text}]" if ":" in text else text)
paths = st.text(string.printable + "é税", max_size=20).map(lambda text: f"/{text}")
urls = st.builds(
    lambda scheme, host, port, path: f"{scheme}{host}{port}{path}",
    st.sampled_from(["", "http://", "https://", "HTTP://"]),
    hosts,
    st.sampled_from(["", ":80", ":8080", ":443", ":0080"]),
    paths,
)
hashes = st.sampled_from([32, 40, 64]).flatmap(
    lambda size: st.text("0123456789abcdefABCDEF", min_size=size, max_size=size)
)
mails = st.builds(
    lambda display, local, host, end: f"{display}{local}@{host}{end}",
    st.sampled_from(["", "<", '"Bad, Guy" <', "Guy <"]),
    st.text(string.ascii_letters + ".+_é", min_size=1, max_size=10),
    names,
    st.sampled_from(["", ">"]),
)
texts = st.text(min_size=1, max_size=40)
files = st.text(string.ascii_letters + "É. /\\'\"`%", min_size=1, max_size=20)
ja4s = st.just("t13d1516h2_8daaf6152771_b186095e22b6")
raw: dict[T, st.SearchStrategy[str]] = {
    T.DOMAIN: names,
    T.HOSTNAME: names,
    T.IP_DST: addresses,
    T.IP_SRC: addresses,
    T.IP_DST_PORT: st.builds("{},{}".format, addresses, ports),
    T.URL: urls,
    T.URI: paths,
    T.FILENAME: files,
    T.JA4: ja4s,
    T.EMAIL_SRC: mails,
    T.EMAIL_DST: mails,
    T.HTTP_METHOD: st.sampled_from(["GET", "post", "CCM_POST"]),
    T.SSH_SOFTWARE: texts.map(lambda text: f"SSH-2.0-{text}"),
}
HASHED = {T.MD5, T.SHA1, T.SHA256, T.JA3, T.JA3S, T.HASSH, T.HASSH_SERVER}
CERTIFICATES = {T.CERT_MD5, T.CERT_SHA1, T.CERT_SHA256}
hunted = [(field, kind, match) for field in FIELDS for kind, match in field.hunted]


def text_of(kind: T) -> st.SearchStrategy[str]:
    if kind in HASHED | CERTIFICATES:
        return hashes
    return raw.get(kind, texts)


def canonical(kind: T, text: str) -> str:
    """Return the indicator's value; without one of that type the example is of no use."""
    try:
        key = normalize(kind, text)
    except UnusableValueError:
        assume(False)
        raise
    assume(key.type is kind)
    return key.value


@given(st.data())
@settings(max_examples=600)
def test_an_indicator_is_kept_as_it_is_where_it_is_hunted(data: st.DataObject) -> None:
    field, kind, match = data.draw(st.sampled_from(hunted))
    value = canonical(kind, data.draw(text_of(kind)))
    if match is Match.PATH:
        value = f"evil.example{value}"
    assert observed(field.spelling, value) == value


colons = hashes.map(lambda text: ":".join(text[i : i + 2] for i in range(0, len(text), 2)))
as_sent: dict[Spelling, tuple[T, st.SearchStrategy[str]]] = {
    Spelling.NAME: (T.HOSTNAME, names),
    Spelling.ADDRESS: (T.IP_DST, addresses),
    Spelling.URL: (T.URL, urls),
    Spelling.HASH: (T.CERT_SHA1, hashes | colons),
    Spelling.MAIL: (T.EMAIL_SRC, mails),
    Spelling.FILENAME: (T.FILENAME, files),
    Spelling.TEXT: (T.USER_AGENT, texts | texts.map(lambda text: f" {text}\t")),
}


@given(st.data())
@settings(max_examples=600)
def test_what_was_sent_is_kept_as_the_indicator_of_it(data: st.DataObject) -> None:
    spelling = data.draw(st.sampled_from(sorted(as_sent)))
    kind, strategy = as_sent[spelling]
    text = data.draw(strategy)
    undo = refang_email if kind is T.EMAIL_SRC else refang
    assume(spelling is Spelling.TEXT or undo(text) == text.strip())  # nobody defangs on the wire
    assert observed(spelling, text) == canonical(kind, text)


@given(st.sampled_from(sorted(Spelling)), texts | names | urls | mails | files | addresses)
def test_anything_is_kept_or_nothing_but_never_raises(spelling: Spelling, text: str) -> None:
    value = observed(spelling, text)
    assert value is None or (value and value == value.encode().decode())


HOME = ("10.0.0.0/8",)
FIELD_NAMES = {field.name for field in FIELDS}
few_names = st.sampled_from(["evil.example", "www.Evil.example.", "b.example", "wpad"])
few_hosts = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:0db8::0001", "1.2.3.4"])
moments = st.builds(
    "2026-{:02}-{:02}T{:02}:59:59.{:06}{}".format,
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(0, 23),
    st.integers(0, 999_999),
    st.sampled_from(["+0000", "+0100", "-0500", "Z"]),
)
protocols: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda name: {"event_type": "dns", "dns": {"type": "query", "rrname": name}}, few_names
    ),
    st.builds(
        lambda names, ip: {
            "event_type": "dns",
            "dns": {
                "type": "response",
                "queries": [{"rrname": name} for name in names],
                "grouped": {"A": [ip], "CNAME": names},
            },
        },
        st.lists(few_names, max_size=3),
        few_hosts,
    ),
    st.builds(lambda name: {"event_type": "tls", "tls": {"sni": name, "ja4": "t"}}, few_names),
    st.just({"event_type": "flow"}),
    st.just({"event_type": "alert", "alert": {"signature_id": 1}}),
    st.just({"event_type": "smb", "smb": {}}),
)
events = st.builds(
    lambda head, at, flow_id, src, dest, src_port: {
        **head,
        "timestamp": at,
        "flow_id": flow_id,
        "src_ip": src,
        "src_port": src_port,
        "dest_ip": dest,
        "dest_port": 443,
    },
    protocols,
    moments,
    st.integers(0, 2**64 - 1),
    few_hosts,
    few_hosts,
    st.sampled_from([53, 40_000]),
)
junk = st.sampled_from([b"{", b"[]", b"{}", b'{"event_type":"dns"}', b"\0\0", b"\xff", b" \r"])
lines = st.lists(events.map(lambda event: json.dumps(event).encode()) | junk, max_size=25)


def fold(*blocks: list[bytes]) -> Folded:
    folding = PythonFold(skip=(), home=HOME)
    for block in blocks:
        folding.add(b"".join(line + b"\n" for line in block))
    return folding.take()


def merged(
    tables: list[pa.Table], keys: tuple[str, ...], rules: dict[str, Callable[..., Any]]
) -> Any:
    """Return rows by key, those of several tables as one: what the store makes of them."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for table in tables:
        for row in table.to_pylist():
            key = tuple(row[name] for name in keys)
            known = rows.setdefault(key, row)
            if known is not row:
                rows[key] = {name: rules[name](known, row) for name in rules} | dict(
                    zip(keys, key, strict=True)
                )
    return rows


def earliest(name: str) -> Callable[..., Any]:
    return lambda *rows: min(rows, key=lambda r: (r["first_seen"], r["client"], r["server"]))[name]


COMMON: dict[str, Callable[..., Any]] = {
    "first_seen": lambda a, b: min(a["first_seen"], b["first_seen"]),
    "last_seen": lambda a, b: max(a["last_seen"], b["last_seen"]),
    "count": lambda a, b: a["count"] + b["count"],
}


def content(*parts: Folded) -> Any:
    hours: dict[int, tuple[int, int, int]] = {}
    for hour in (hour for part in parts for hour in part.hours):
        first, last, count = hours.get(hour.hour, (hour.first_us, hour.last_us, 0))
        hours[hour.hour] = (
            min(first, hour.first_us),
            max(last, hour.last_us),
            count + hour.events,
        )
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    return (
        merged(
            [part.observations for part in parts],
            ("field", "value", "client", "server", "day"),
            {**COMMON, "flow_id": lambda a, b: max(a["flow_id"], b["flow_id"])},
        ),
        merged(
            [part.sightings for part in parts],
            ("field", "value"),
            {
                **COMMON,
                "client": earliest("client"),
                "server": earliest("server"),
                "key": lambda a, _b: a["key"],
            },
        ),
        hours,
        counts,
    )


@settings(deadline=None)  # the first conversion imports half of pyarrow
@given(lines, st.randoms(use_true_random=False), st.integers(0, 25))
def test_order_and_cuts_change_nothing(given_lines: list[bytes], random: Any, cut: int) -> None:
    whole = fold(given_lines)
    shuffled = given_lines[:]
    random.shuffle(shuffled)
    assert fold(shuffled) == whole
    assert fold(shuffled[:cut], shuffled[cut:]) == whole
    assert content(fold(shuffled[:cut]), fold(shuffled[cut:])) == content(whole)


@settings(deadline=None)
@given(lines)
def test_tables_are_sorted_without_repetition_and_agree(given_lines: list[bytes]) -> None:
    folded = fold(given_lines)
    keys = [
        tuple(row[name] for name in ("field", "value", "client", "server", "day"))
        for row in folded.observations.to_pylist()
    ]
    encoded = [tuple(str(part).encode() for part in key) for key in keys]
    assert encoded == sorted(set(encoded))
    sightings = {(row["field"], row["value"]): row for row in folded.sightings.to_pylist()}
    assert list(sightings) == sorted({key[:2] for key in keys})
    total = Counter[tuple[str, str]]()
    for row in folded.observations.to_pylist():
        total[row["field"], row["value"]] += row["count"]
    assert total == {key: row["count"] for key, row in sightings.items()}
    outcomes = ("events", "malformed", "unexpected", "untimed", "ignored", "empty")
    assert folded.counts.get("lines", 0) == sum(folded.counts.get(name, 0) for name in outcomes)
    assert {name for name, _ in sightings} <= FIELD_NAMES


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
MEMBERS = [
    *("dns", "tls", "quic", "http", "fileinfo", "ssh", "smtp", "email", "krb5", "smb"),
    *("event_type", "timestamp", "flow_id", "src_ip", "src_port", "dest_ip", "dest_port"),
]
observe = Observer(home=HOME)


def check(line: bytes) -> None:
    seen = observe(line)
    assert bool(seen.values) == (seen.outcome == "events")
    assert len(set(seen.values)) == len(seen.values)
    for _number, value in seen.values:
        assert 0 < len(value.encode()) <= VALUE_MAX


@given(events, st.sampled_from(MEMBERS), json_values)
def test_a_member_of_any_shape_costs_no_other_value(
    event: dict[str, Any], member: str, value: Any
) -> None:
    check(json.dumps({**event, member: value}).encode())
    if member not in {"event_type", "timestamp", event["event_type"]}:
        before = observe(json.dumps(event).encode())
        after = observe(json.dumps({**event, member: value}).encode())
        if member not in {"src_ip", "dest_ip", "dest_port"} or event["event_type"] != "flow":
            assert set(after.values) == set(before.values)


@given(events, st.binary(max_size=6), st.integers(0, 300), st.integers(0, 6))
@settings(max_examples=300)
def test_damaged_lines_are_survived(
    event: dict[str, Any], inserted: bytes, at: int, dropped: int
) -> None:
    line = json.dumps(event).encode()
    check(line[:at] + inserted + line[at + dropped :])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data: bytes) -> None:
    folding = PythonFold()
    folding.add(data)
    folded = folding.take()
    assert folded.counts.get("lines", 0) <= data.count(b"\n") + 1
    assert folded.observations.num_rows == folded.sightings.num_rows == 0
