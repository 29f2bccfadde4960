"""Whatever is ruled and listed: the fast matcher says what the definition says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.model import IndicatorType, Key, Ruling, RulingKind
from vedette.store.ruled import Ruled, applies, host_of, network_of
from vedette.store.rulings import has_below

T = IndicatorType
LABELS = st.sampled_from(["a", "b", "www", "example", "xn--a"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(lambda some: ".".join([*some, "org"]))
V4 = st.integers(0, 15).map(lambda n: f"10.0.{n // 4}.{n % 4}")
V6 = st.integers(0, 7).map(lambda n: f"2001:db8::{n + 1:x}")
NETWORKS = st.sampled_from(
    ["10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "10.0.0.0/30", "2001:db8::/32", "2001:db8::4/126"]
)
ADDRESSES = st.one_of(V4, V6)
PORTS = st.sampled_from(["80", "443"])
HASHES = st.sampled_from(["0" * 32, "1" * 32])
KEYS = st.one_of(
    st.builds(Key, st.sampled_from([T.DOMAIN, T.HOSTNAME]), NAMES),
    st.builds(Key, st.sampled_from([T.IP_DST, T.IP_SRC]), st.one_of(ADDRESSES, NETWORKS)),
    st.builds(
        lambda kind, address, port: Key(kind, f"{address},{port}"),
        st.sampled_from([T.IP_DST_PORT, T.IP_SRC_PORT]),
        ADDRESSES,
        PORTS,
    ),
    NAMES.map(lambda name: Key(T.URL, f"{name}/a")),
    NAMES.map(lambda name: Key(T.URL, f"{name}:8080/a")),
    st.builds(
        lambda kind, name: Key(kind, f"bob@{name}"),
        st.sampled_from([T.EMAIL_SRC, T.EMAIL_DST]),
        NAMES,
    ),
    V4.map(lambda address: Key(T.URL, f"{address}:8080/10.0.0.1")),
    V6.map(lambda address: Key(T.URL, f"[{address}]/a")),
    st.builds(Key, st.sampled_from([T.MD5, T.JA3]), HASHES),
    st.sampled_from([Key(T.FILENAME, "a.org"), Key(T.USER_AGENT, "10.0.0.1")]),
)


@st.composite
def rulings(draw: st.DrawFn) -> list[Ruling]:
    found = []
    for number in range(draw(st.integers(0, 8))):
        key = draw(KEYS)
        type_ = draw(st.sampled_from(["", key.type.value]))
        value = key.value if type_ else draw(st.sampled_from([key.value, host_of(key) or "x"]))
        found.append(
            Ruling(
                id=number,
                kind=draw(st.sampled_from(list(RulingKind))),
                type=type_,
                value=value,
                below=draw(st.booleans()) and has_below(type_, value),
                who="ann",
                why="test",
                at=1,
                until=0,
            )
        )
    return found


def breadth(ruling: Ruling, key: Key) -> tuple[int, int]:
    """How far a ruling reaches beyond the key; 0: it is on the value itself."""
    if ruling.value == key.value:
        return (0, 0)
    if (network := network_of(ruling.value)) is not None:
        return (1, 128 - network.prefixlen)
    return (1, 300 - len(ruling.value))


@settings(max_examples=400, deadline=None)
@given(rulings(), st.lists(KEYS, max_size=6))
def test_the_matcher_is_the_definition(some: list[Ruling], keys: list[Key]) -> None:
    ruled = Ruled(some)
    for key in keys:
        found = ruled.of(key)
        assert {one.id for one in found} == {one.id for one in some if applies(one, key)}
        assert len(found) == len({one.id for one in found})
        reach = [(*breadth(one, key), not one.type, -one.id) for one in found]
        assert reach == sorted(reach), "the most specific first"
