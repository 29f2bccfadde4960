"""A build from the changes is, byte for byte, the build of everything."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.bundle import Builder, diff, latest, verify
from vedette.bundle.generation import directory_of, open_generation
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.testing.indicators import ListedKeys

NOW = datetime(2026, 11, 24, tzinfo=UTC)
TARGETS = tuple(Target.parse(text) for text in ("7.0", "8.0.7", "8.0.7+context"))

labels = st.sampled_from(["a", "b", "c-d", "_x", "xn--p"])
names = st.builds(
    lambda parts, top: ".".join([*parts, top]),
    st.lists(labels, min_size=1, max_size=4),
    st.sampled_from(["com", "net"]),
)
addresses = st.sampled_from(
    ["1.2.3.4", "1.2.3.0/30", "1.2.3.0/24", "10.0.0.0/8", "2001:db8::1", "2001:db8::/126"]
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), min_size=1, max_size=8)
long_texts = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 400, 800]))
keys = st.one_of(
    names.map(lambda name: Key(T.DOMAIN, name)),
    names.map(lambda name: Key(T.HOSTNAME, name)),
    addresses.map(lambda value: Key(T.IP_DST, value)),
    st.builds(
        lambda address, port: Key(T.IP_DST_PORT, f"{address},{port}"),
        addresses.filter(lambda value: "/" not in value),
        st.integers(1, 90),
    ),
    st.builds(lambda host, path: Key(T.URL, f"{host}/{path}"), names, st.sampled_from("xy")),
    long_texts.map(lambda text: Key(T.USER_AGENT, text)),
    st.sampled_from("0123456789abcdef").map(lambda digit: Key(T.SHA256, digit * 64)),
    st.sampled_from("0123456789abcdef").map(lambda digit: Key(T.CERT_SHA1, digit * 40)),
    texts.map(lambda text: Key(T.EMAIL_SUBJECT, text)),
)
steps = st.lists(st.sets(keys, max_size=12), min_size=1, max_size=4)


def content(root: Path, number: int) -> dict[str, bytes]:
    directory = directory_of(root, number)
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@given(st.sets(keys, max_size=25), steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_delta_writes_what_a_full_build_writes(first: set[Key], toggles: list[set[Key]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        whole, quick = (
            Builder(root=Path(scratch, name), targets=TARGETS, clock=lambda: NOW)
            for name in ("whole", "quick")
        )
        state = set(first)
        whole.build(ListedKeys(state))
        base = quick.build(ListedKeys(state)).manifest.generation
        for toggled in toggles:
            state ^= toggled
            full = whole.build(ListedKeys(state))
            delta = quick.build(ListedKeys(state), changed=toggled, base=base)
            assert delta.created == full.created
            assert content(whole.root, full.manifest.generation) == content(
                quick.root, delta.manifest.generation
            )
            base = delta.manifest.generation
            verify(directory_of(quick.root, base))


graded = st.dictionaries(keys, st.integers(0, 3), max_size=25)
gone = st.just(-1)
moves = st.lists(
    st.dictionaries(keys, st.one_of(st.integers(0, 3), gone), max_size=12), min_size=1, max_size=4
)


@given(graded, moves)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_delta_of_levels_writes_what_a_full_build_writes(
    first: dict[Key, int], steps: list[dict[Key, int]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        whole, quick = (
            Builder(root=Path(scratch, name), targets=TARGETS, clock=lambda: NOW)
            for name in ("whole", "quick")
        )
        state = dict(first)
        now = ListedKeys(state, levels=dict(state))
        whole.build(now, levels=by_level(now))
        base = quick.build(now, levels=by_level(now)).manifest.generation
        for step in steps:
            # Keys of the state move, too: some are named that are there already.
            change = step | {key: (grade + 2) % 4 for key, grade in list(state.items())[:3]}
            state = {key: grade for key, grade in (state | change).items() if grade >= 0}
            now = ListedKeys(state, levels=dict(state))
            full = whole.build(now, levels=by_level(now))
            delta = quick.build(now, levels=by_level(now), changed=change, base=base)
            assert delta.created == full.created
            assert content(whole.root, full.manifest.generation) == content(
                quick.root, delta.manifest.generation
            )
            base = delta.manifest.generation
            verify(directory_of(quick.root, base))


@given(old=graded, new=graded, before_told=st.booleans(), after_told=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_diff_of_levels_applied_to_the_older_gives_the_newer(
    *, old: dict[Key, int], new: dict[Key, int], before_told: bool, after_told: bool
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        builder = Builder(root=Path(scratch), targets=TARGETS)
        for state, told in ((old, before_told), (new, after_told)):
            now = ListedKeys(state, levels=state)
            builder.build(now, levels=by_level(now) if told else None)
        before, after = open_generation(builder.root, 1), latest(builder.root)
        assert before is not None
        assert after is not None
        applied = visible_by_level(old, told=before_told)
        for added, key in diff(before, after):
            assert (key in applied) is not added
            applied ^= {key}
        assert applied == visible_by_level(new, told=after_told)


def visible_by_level(state: dict[Key, int], *, told: bool) -> set[Key]:
    if not told:
        return visible(set(state))
    parts = [{key for key, grade in state.items() if grade in some} for some in ({1}, {0, 2}, {3})]
    return set().union(*map(visible, parts))


@given(st.sets(keys, max_size=25), st.sets(keys, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_diff_applied_to_the_older_gives_the_newer(old: set[Key], new: set[Key]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        builder = Builder(root=Path(scratch), targets=TARGETS)
        builder.build(ListedKeys(old))
        before = latest(builder.root)
        builder.build(ListedKeys(new))
        after = latest(builder.root)
        assert before is not None
        assert after is not None
        found = list(diff(before, after))
        applied = visible(old)
        for added, key in found:
            assert (key in applied) is not added
            applied ^= {key}
        assert applied == visible(new)
        assert len(found) == len(set(found))


def visible(state: set[Key]) -> set[Key]:
    """What a generation holds of a state: names that another one covers are not in it."""
    domains = {key.value for key in state if key.type is T.DOMAIN}

    def covered(key: Key) -> bool:
        if key.type not in {T.DOMAIN, T.HOSTNAME}:
            return False
        parts = key.value.split(".")
        above = {".".join(parts[at:]) for at in range(1, len(parts))}
        if key.type is T.HOSTNAME:
            above.add(key.value)
        return bool(above & domains)

    return {key for key in state if not covered(key)}


@given(st.sets(keys, max_size=25))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_manifest_reads_its_own_text(state: set[Key]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        built = Builder(root=Path(scratch), targets=TARGETS).build(ListedKeys(state)).manifest
        found = latest(Path(scratch))
        assert found is not None
        assert found.manifest == built
        assert msgspec.json.decode(built.to_json())["generation"] == 1
