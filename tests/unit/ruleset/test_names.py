"""What a listed name covers is left out, and everything else is written once."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.normalize import reverse_key
from vedette.ruleset.compiler import compile_all_names
from vedette.ruleset.engine import Target
from vedette.ruleset.lines import decode
from vedette.ruleset.names import TOO_MANY_LABELS, prune
from vedette.ruleset.sets import LABELS_MAX, SetSpec
from vedette.ruleset.tally import Tally
from vedette.testing.indicators import ListedKeys


def pruned(domains: Iterable[str], hostnames: Iterable[str] = ()) -> tuple[list[Key], Tally]:
    tally = Tally()
    streams = (
        [Key(kind, name) for name in sorted(names, key=reverse_key)]
        for kind, names in ((T.DOMAIN, domains), (T.HOSTNAME, hostnames))
    )
    return list(prune(*streams, tally)), tally


def compiled(keys: Iterable[Key], *targets: str) -> tuple[dict[SetSpec, list[str]], Tally]:
    found: dict[SetSpec, list[str]] = {}
    tally = Tally()
    for chunk in compile_all_names(ListedKeys(keys), [Target.parse(t) for t in targets], tally):
        lines = chunk.data.splitlines(keepends=True)
        assert len(lines) == chunk.entries
        found.setdefault(chunk.spec, []).extend(decode(chunk.spec, line) for line in lines)
    return found, tally


def test_a_domain_covers_all_below_it() -> None:
    kept, tally = pruned(["b.com", "a.b.com", "z.a.b.com", "ab.com"])
    assert [key.value for key in kept] == ["b.com", "ab.com"]
    assert tally.pruned == {T.DOMAIN: 2}


def test_a_domain_covers_hostnames_at_and_below_it() -> None:
    kept, tally = pruned(["b.com"], ["b.com", "x.b.com", "xb.com", "a.net"])
    assert {key for key in kept if key.type is T.HOSTNAME} == {
        Key(T.HOSTNAME, "xb.com"),
        Key(T.HOSTNAME, "a.net"),
    }
    assert tally.pruned == {T.HOSTNAME: 2}


def test_a_hostname_covers_nothing() -> None:
    kept, _ = pruned(["x.b.com"], ["b.com"])
    assert {key.value for key in kept} == {"b.com", "x.b.com"}


names = st.lists(st.sampled_from(["a", "b", "c-", "_"]), min_size=1, max_size=4).map(
    lambda labels: ".".join([*labels, "com"])
)


@given(st.sets(names), st.sets(names))
def test_exactly_the_uncovered_names_are_kept_in_order(
    domains: set[str], hostnames: set[str]
) -> None:
    kept, tally = pruned(domains, hostnames)
    keys = [reverse_key(key.value) for key in kept]
    assert keys == sorted(keys)

    def covered(name: str, above: set[str]) -> bool:
        return any(name.endswith(f".{domain}") for domain in above)

    wanted = {Key(T.DOMAIN, name) for name in domains if not covered(name, domains)}
    wanted |= {
        Key(T.HOSTNAME, name)
        for name in hostnames
        if name not in domains and not covered(name, domains)
    }
    assert set(kept) == wanted
    assert len(kept) + tally.pruned.total() == len(domains) + len(hostnames)


def test_names_are_split_by_their_labels_where_subdomains_cannot_be_matched() -> None:
    keys = [Key(T.DOMAIN, name) for name in ("b.com", "a.b.net", "c.net")]
    found, tally = compiled([*keys, Key(T.HOSTNAME, "h.org")], "7.0")
    assert found == {
        SetSpec("domain", "l2"): ["b.com", "c.net"],
        SetSpec("domain", "l3"): ["a.b.net"],
        SetSpec("hostname"): ["h.org"],
    }
    assert tally.listed == {T.DOMAIN: 3, T.HOSTNAME: 1}


def test_one_set_is_enough_where_they_can() -> None:
    found, _ = compiled([Key(T.DOMAIN, "b.com"), Key(T.DOMAIN, "a.b.net")], "8.0.7")
    assert found == {SetSpec("domain"): ["b.com", "a.b.net"]}


def test_a_name_of_more_labels_than_there_are_sets_is_counted() -> None:
    name = ".".join(["a"] * LABELS_MAX + ["com"])
    found, tally = compiled([Key(T.DOMAIN, name)], "7.0", "8.0.7")
    assert found == {SetSpec("domain"): [name]}
    assert tally.unmatched == {TOO_MANY_LABELS: 1}


def test_many_names_are_written_in_several_chunks_and_one_order() -> None:
    keys = [Key(T.DOMAIN, f"n{number}.com") for number in range(20_000)]
    found, _ = compiled(keys, "8.0.7")
    order = [reverse_key(name) for name in found[SetSpec("domain")]]
    assert len(order) == 20_000
    assert order == sorted(order)
