"""Whatever the text: a key that normalize returns is its own spelling; refusals are counted."""

from __future__ import annotations

import string

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vedette.errors import UnusableValueError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import (
    Reason,
    ancestors,
    normalize,
    refang,
    reverse_key,
    split_url,
    unreverse_key,
)

REASONS = frozenset(reason.value for reason in Reason)
NAME_CHARACTERS = string.ascii_lowercase + string.digits + "_-"

labels = st.text(NAME_CHARACTERS, min_size=1, max_size=20)
tops = st.sampled_from(["com", "example", "zip", "xn--p1ai", "co.uk", "i2p", "onion"])
names = st.builds(lambda parts, top: ".".join([*parts, top]), st.lists(labels, max_size=5), tops)
wide_labels = st.text("aäßЯ税❤ıİ١\uff0e。\u200d-_A", min_size=1, max_size=8)
wide_names = st.builds(lambda label, top: f"{label}.{top}", wide_labels, tops)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)
ipv6_expanded = st.ip_addresses(v=6).map(lambda address: address.exploded.upper())
networks = st.builds(
    lambda address, length: f"{address}/{length}", ipv4 | ipv6, st.integers(0, 130)
)
hosts = names | wide_names | ipv4 | ipv6 | ipv6.map(lambda text: f"[{text}]")
ports = st.sampled_from(["", ":80", ":443", ":8080", ":0", ",443", "|53", ":65535", ":99999"])
schemes = st.sampled_from(
    ["", "http://", "https://", "hxxp://", "hXXps[:]//", "h**p://", "ftp://", "tcp://", "//", "/"]
)
path_text = st.text("aZ09/?#&=%.:;,@!~*'()[]{}|\\^`\"<> é税\x7f+-_", max_size=30) | st.sampled_from(
    [",http://b.example", " ht", "éhttp://", ";hxxp:\\\\b", "[.]", "[/", "/].]"]
)
paths = st.lists(path_text, max_size=4).map("".join).map(lambda text: f"/{text}" if text else "")
urls = st.builds(
    lambda *parts: "".join(parts),
    schemes,
    st.sampled_from(["", "", "user@", "a:b@", "*.", "."]),
    hosts,
    ports,
    paths,
)
hashes = st.text("0123456789abcdefABCDEF:", min_size=30, max_size=70) | st.sampled_from(
    [32, 40, 64]
).flatmap(lambda size: st.text("0123456789abcdefABCDEF", min_size=size, max_size=size))
mails = st.builds(
    lambda display, local, at, host, end: f"{display}{local}{at}{host}{end}",
    st.sampled_from(["", "<", '"Bad Guy" <', "mailto:", "`", "'"]),
    st.text("aZ0.+_'`é-", min_size=1, max_size=12),
    st.sampled_from(["@", "[@]", " [at] ", "(at)"]),
    hosts,
    st.sampled_from(["", ">", "`", "'", " "]),
)
files = st.text("aZ.é/\\%\"'`<>* ", max_size=20)
ja4s = st.just("t13d1516h2_8daaf6152771_b186095e22b6")
defanged = (hosts | urls).map(lambda text: text.replace(".", "[.]"))
mangled = st.builds(
    lambda text, inserted, at: (
        text[: at % (len(text) + 1)] + inserted + text[at % (len(text) + 1) :]
    ),
    names | urls | mails,
    st.sampled_from([*"[](){}<>`'\"\\ .,*:/@\ufeff\u200b\ufffd\x00", "[.]", "(dot)", "[.", ".]"]),
    st.integers(0, 50),
)
texts = (
    names | wide_names | hosts | networks | ipv6_expanded | urls | hashes | mails | files | ja4s
    | defanged | mangled | st.text(max_size=40)
)  # fmt: skip


@given(st.sampled_from(T), texts)
@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@example(T.URL, "http://evil.example/a[[.].]b")
@example(T.URL, "http://evil.example/éhttp://b")
@example(T.URL, "http://evil.example/a??")
@example(T.URL, "http://evil.example/a,http:\\\\b")
@example(T.FILENAME, 'a/"b"')
@example(T.EMAIL_SRC, "<`a@b.example>")
@example(T.DOMAIN, "ôªøusps-global.com")
def test_a_canonical_value_is_its_own_spelling(kind: T, text: str) -> None:
    try:
        key = normalize(kind, text)
    except UnusableValueError as error:
        assert str(error) in REASONS  # noqa: PT017
    else:
        assert normalize(*key) == key
        assert "\n" not in key.value
        assert key.value == key.value.strip() != ""


@given(names.map(str), st.sampled_from([str.upper, str.title, "{}.".format, " {}\r".format]))
def test_case_dot_and_space_never_make_another_name(name: str, dress) -> None:  # noqa: ANN001
    try:
        key = normalize(T.DOMAIN, name)
    except UnusableValueError:
        return
    assert normalize(T.DOMAIN, dress(name)) == key


@given(ipv6_expanded)
def test_an_expanded_address_is_the_same_address(text: str) -> None:
    try:
        key = normalize(T.IP_DST, text)
    except UnusableValueError as error:
        assert str(error) == Reason.SPECIAL.value  # noqa: PT017
        return
    assert key.value == key.value.lower()
    assert normalize(T.IP_DST, f"[{text}]") == key


@given(texts)
def test_refanging_twice_is_refanging_once(text: str) -> None:
    assert refang(refang(text)) == refang(text)


@given(urls)
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_the_parts_of_a_canonical_url_make_it_again(text: str) -> None:
    try:
        key = normalize(T.URL, text)
    except UnusableValueError:
        return
    if key.type is not T.URL:
        return
    host, port, path = split_url(key.value)
    assert (f"{host}:{port}" if port else host) + path == key.value
    assert path.startswith("/")
    assert path.isascii()


@given(names)
def test_every_ancestor_has_the_name_below_it(name: str) -> None:
    for ancestor in ancestors(name):
        assert name.endswith(f".{ancestor}")
        assert "." in ancestor
        assert reverse_key(name).startswith(reverse_key(ancestor) + "!")
    assert unreverse_key(reverse_key(name)) == name


def test_every_type_has_a_spelling() -> None:
    for kind in T:
        try:
            key = normalize(kind, "e320bb753ba6fb13ea7ef15e7efc315e")
        except UnusableValueError as error:
            assert str(error) in REASONS  # noqa: PT017
        else:
            assert isinstance(key, Key)
