"""Rule text that suricata-update and Scirius accept, with sids that stay and revs that tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from vedette.buffers import ROWS, Profile
from vedette.bundle import Builder, Generation, latest
from vedette.guard.confidence import BUILT_IN, UNSURE_BELOW
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.collect import COLLECT_SIDS
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.ruleset.manifest import RulesInfo
from vedette.ruleset.sets import DATASETS, LABELS_MAX, LEVELS, SetSpec, buffers_for, network_sid
from vedette.testing.indicators import ListedKeys

ALL = tuple(map(Target.parse, ("7.0", "8.0", "8.0.7", "8.0+context", "8.0.7+context")))
LONG = "x" * 900
VALUES = {
    T.HOSTNAME: ["host.example"],
    T.IP_DST: ["192.0.2.1", "10.0.0.0/8"],
    T.IP_SRC: ["192.0.2.2", "10.0.0.0/8"],
    T.IP_DST_PORT: [f"192.0.2.1,{port}" for port in range(1, 70)],
    T.IP_SRC_PORT: ["192.0.2.1,53", "10.0.0.0/8,53"],
    T.URL: ["evil.example/x", f"evil.example/{LONG}"],
    T.URI: ["/x", f"/{LONG}"],
    T.SHA256: ["0" * 64],
    T.SHA1: ["0" * 40],
    T.MD5: ["0" * 32, "1" * 32],
}


def keys_of_all_types() -> set[Key]:
    keys = set()
    for kind in T:
        for value in VALUES.get(kind, ["evil.example"]):
            keys.add(Key(kind, value))
    return keys | {Key(T.DOMAIN, "a.b.net")}


def build(root: Path, keys: Iterable[Key], targets: tuple[Target, ...] = ALL) -> Generation:
    Builder(root=root, targets=targets).build(ListedKeys(keys))
    generation = latest(root)
    assert generation is not None
    return generation


def lines(generation: Generation, target: Target | str) -> list[str]:
    path = generation.sources(str(target))["vedette.rules"]
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Generation:
    return build(tmp_path_factory.mktemp("bundle"), keys_of_all_types())


@pytest.fixture(params=ALL, ids=str)
def target(request: pytest.FixtureRequest) -> Target:
    chosen: Target = request.param
    return chosen


def test_each_rule_has_at_most_one_dataset_and_says_all_of_it(
    everything: Generation, target: Target
) -> None:
    for line in lines(everything, target):
        found = re.findall(r"dataset:([^;]*);", line)
        assert len(found) <= 1
        for keyword in found:
            assert re.fullmatch(
                r"isset,[A-Za-z0-9._-]{1,63},type (string|ip|md5|sha256),load [A-Za-z0-9._-]+,"
                r"(format ndjson,value_key v,context_key vedette,)?(match subdomain,)?"
                r"memcap \d+mb,hashsize \d+",
                keyword,
            )


def test_no_rule_is_taken_for_one_that_writes(everything: Generation, target: Target) -> None:
    for line in lines(everything, target):
        assert not re.search(r"dataset:.*(save|state) ", line)  # Scirius disables such rules


def test_rules_have_what_other_tools_look_for(everything: Generation, target: Target) -> None:
    for line in lines(everything, target):
        assert re.match(r"alert \w+ ", line)
        assert re.search(r'msg:"VEDETTE [a-z0-9-]+( \([a-z0-9._]+\))?";', line)
        assert re.search(r" classtype:[a-z-]+;", line)
        assert re.search(r" sid:\d+; rev:1;\)$", line)
        assert "metadata:vedette_set vedette-" in line


def test_every_file_of_a_rule_is_delivered_with_it(everything: Generation, target: Target) -> None:
    sources = everything.sources(str(target))
    used = set()
    for line in lines(everything, target):
        used.update(re.findall(r"load ([^,]+),", line))
        used.update(re.findall(r"file(?:md5|sha1|sha256):([^;]+);", line))
    assert used == set(sources) - {"vedette.rules"}
    assert all(not name.endswith(".list") for name in used)
    assert all(path.stat().st_size for path in sources.values())


def test_sids_are_unique_and_in_our_range(everything: Generation, target: Target) -> None:
    sids = [rule.sid for rule in everything.manifest.rules_for(str(target)).rules]
    assert len(sids) == len(set(sids))
    assert all(1_400_000 <= sid < 1_640_000 for sid in sids)


def test_no_two_sets_can_ever_have_the_same_sid() -> None:
    seen: dict[int, object] = {}
    newest = Target(Profile.V8_0_7)
    roles = ["", "long", *(f"l{n}" for n in range(1, LABELS_MAX + 1))]
    for name, (row, dataset) in DATASETS.items():
        for buffer in buffers_for(dataset, newest):
            sids = {
                SetSpec(name, role, level=level).sid(0, buffer)
                for role in roles
                for level in LEVELS
            }
            assert len(sids) == len(roles) * len(LEVELS)
            if row.type in {T.IP_DST_PORT, T.IP_SRC_PORT}:
                sids |= {SetSpec(name, f"p{port}").sid(0, buffer) for port in (1, 65535)}
            if dataset.type.value == "ip":
                sids |= {network_sid(0, buffer, number) for number in (0, 999)}
            for sid in sids:
                assert seen.setdefault(sid, buffer) is buffer
    assert max(seen) < 240_000
    assert not seen.keys() & set(COLLECT_SIDS)


def test_the_sids_of_a_release_never_move(everything: Generation) -> None:
    found = {
        (rule.set, rule.buffer, rule.sid) for rule in everything.manifest.rules_for("7.0").rules
    }
    assert {
        ("vedette-generation", "dns.query", 1_400_000),
        ("vedette-domain-l2", "dns.query", 1_400_102),
        ("vedette-domain-l3", "http.host", 1_400_203),
        ("vedette-hostname", "tls.sni", 1_401_300),
        ("vedette-ip-dst", "ip.dst", 1_402_100),
        ("", "ip.dst", 1_410_000),
        ("", "ip.src", 1_411_000),
        ("", "ip.src", 1_413_000),
        ("vedette-ip-dst-port-64", "ip.dst", 1_500_064),
        ("vedette-ip-dst-port-any", "ip.dst", 1_402_300),
        ("vedette-ip-src-port-53", "ip.src", 1_570_053),
        ("vedette-uri-long", "http.uri.raw", 1_403_450),
        ("vedette-sha256", "filesha256", 1_404_300),
    } <= found


def test_every_type_that_an_engine_can_match_has_rules(
    everything: Generation, target: Target
) -> None:
    text = "".join(lines(everything, target))
    for kind, row in ROWS.items():
        can = any(True for dataset in row.datasets for _ in buffers_for(dataset, target))
        assert (f"vedette_type {kind.value}," in text) is can


def test_nothing_listed_is_only_the_generations_rule(tmp_path: Path) -> None:
    (line,) = lines(build(tmp_path, ()), "7.0")
    assert 'msg:"VEDETTE canary"' in line
    assert "load vedette-generation.lst" in line


def test_the_largest_of_several_hash_lists_comes_first_on_7_0(everything: Generation) -> None:
    first = [line for line in lines(everything, "7.0") if "first-hash" in line]
    assert len(first) == 1
    assert "filemd5:vedette-md5.lst; " in first[0]
    assert not any("first-hash" in line for line in lines(everything, "8.0"))


def test_one_hash_list_needs_no_preference(tmp_path: Path) -> None:
    generation = build(tmp_path, [Key(T.SHA1, "0" * 40)])
    assert not any("first-hash" in line for line in lines(generation, "7.0"))


def test_a_port_that_no_header_has_is_left_to_the_hit_reader(everything: Generation) -> None:
    text = {line for line in lines(everything, "8.0") if "vedette_type ip-dst-port" in line}
    own = {line for line in text if " any any -> any any " not in line}
    assert len(own) == 64
    assert all("vedette_confirm" not in line for line in own)
    assert all("vedette_confirm port" in line for line in text - own)


def revs(generation: Generation, profile: str = "8.0.7") -> dict[int, int]:
    info: RulesInfo = generation.manifest.rules_for(profile)
    return {rule.sid: rule.rev for rule in info.rules}


def test_a_rev_rises_exactly_when_the_content_of_its_set_changes(tmp_path: Path) -> None:
    keys = [Key(T.DOMAIN, "evil.example"), Key(T.HOSTNAME, "host.example")]
    first = revs(build(tmp_path, keys))
    second = revs(build(tmp_path, [*keys, Key(T.DOMAIN, "other.example")]))
    assert {sid for sid in first if second[sid] > first[sid]} == {
        sid for sid in first if 1_400_000 <= sid <= 1_400_700
    }
    assert set(second.values()) == {1, 2}


def test_a_rev_rises_when_the_rule_itself_changes(tmp_path: Path) -> None:
    first = revs(build(tmp_path, [Key(T.IP_DST, "10.0.0.0/8")]))
    second = revs(build(tmp_path, [Key(T.IP_DST, "10.0.0.0/8"), Key(T.IP_DST, "11.0.0.0/8")]))
    assert (first[1_410_000], second[1_410_000]) == (1, 2)


def test_a_rule_that_returns_goes_on_with_its_rev(tmp_path: Path) -> None:
    evil, other = Key(T.DOMAIN, "evil.example"), Key(T.URI, "/x")
    build(tmp_path, [evil, other])
    build(tmp_path, [evil, other, Key(T.URI, "/y")])
    build(tmp_path, [evil])
    assert build(tmp_path, [evil, Key(T.URI, "/z")]).manifest.rules_for("7.0").retired == {}
    assert revs(build(tmp_path, [evil, Key(T.URI, "/z")]))[1_403_400] == 3


def test_the_generations_rule_rises_each_time(tmp_path: Path) -> None:
    for number in range(1, 4):
        generation = build(tmp_path, [Key(T.URI, f"/{number}")])
        assert revs(generation)[1_400_000] == number


def test_a_profile_added_later_begins_at_rev_1(tmp_path: Path) -> None:
    build(tmp_path, [Key(T.URI, "/1")], ALL[:1])
    build(tmp_path, [Key(T.URI, "/2")], ALL[:1])
    generation = build(tmp_path, [Key(T.URI, "/3")], ALL[:2])
    assert set(revs(generation, "8.0").values()) == {1}
    assert set(revs(generation, "7.0").values()) == {3}


def test_prefix_and_sid_base_are_the_operators(tmp_path: Path) -> None:
    builder = Builder(root=tmp_path, prefix="soc1", sid_base=5_000_000)
    builder.build(ListedKeys([Key(T.DOMAIN, "evil.example")]))
    generation = latest(tmp_path)
    assert generation is not None
    for line in lines(generation, "8.0.7"):
        assert re.search(r"isset,soc1-(generation|domain),type string,load soc1-", line)
        assert re.search(r"sid:5000\d\d\d;", line)


def test_rules_of_doubtful_types_alert_with_a_low_priority() -> None:
    for kind, row in ROWS.items():
        is_doubtful = BUILT_IN[kind] < UNSURE_BELOW
        assert row.priority == (3 if is_doubtful else 0), kind


def in_turn(keys: Iterable[Key]) -> dict[Key, int]:
    """High, medium, low, unknown, and again."""
    return {key: number % 4 + 1 for number, key in enumerate(sorted(keys))}


@pytest.fixture(scope="module")
def levelled(tmp_path_factory: pytest.TempPathFactory) -> Generation:
    """All types at all levels, and as many again."""
    root = tmp_path_factory.mktemp("levels")
    keys = keys_of_all_types()
    for at, digest in enumerate("abcd"):
        keys.add(Key(T.DOMAIN, f"{digest}.net"))
        keys.add(Key(T.URL, f"{digest}.net/{at}"))
        keys |= {Key(T.MD5, digest * 32), Key(T.SHA256, digest * 64), Key(T.SHA1, digest * 40)}
        keys.add(Key(T.JA3, digest * 32))
        keys |= {Key(T.IP_DST, f"{at + 1}.0.0.0/8"), Key(T.IP_DST, f"192.0.2.{at + 10}")}
    listed = ListedKeys(keys, levels=in_turn(keys))
    Builder(root=root, targets=ALL).build(listed, levels=by_level(listed))
    generation = latest(root)
    assert generation is not None
    return generation


def test_sids_of_all_levels_are_unique_and_in_our_range(
    levelled: Generation, target: Target
) -> None:
    rules = levelled.manifest.rules_for(str(target)).rules
    assert len({rule.sid for rule in rules}) == len(rules)
    assert all(1_400_000 <= rule.sid < 1_640_000 for rule in rules)
    assert len({info.file for info in levelled.manifest.sets}) == len(levelled.manifest.sets)
    canaries = [info.canary for info in levelled.manifest.sets if info.canary]
    assert len(set(canaries)) == len(canaries)


def test_the_level_gives_the_priority_and_nothing_else(
    levelled: Generation, target: Target
) -> None:
    written = {"high": 0, "low": 0, "": 0}
    for line in lines(levelled, target):
        name = re.findall(r"vedette_set ([^,]+),", line)[0]
        level = next((word for word in ("high", "low") if name.endswith(f"-{word}")), "")
        kind = next(iter(re.findall(r"vedette_type ([^,]+),", line)), "")
        of_type = next((row.priority for row in ROWS.values() if row.type.value == kind), 0)
        wanted = {"high": 1, "low": 3, "": of_type}[level]
        assert re.findall(r"priority:(\d);", line) == ([str(wanted)] if wanted else [])
        assert "classtype:trojan-activity;" in line or "canary" in line
        written[level] += 1
    assert min(written.values()) > 10


def test_ports_and_networks_have_no_level(levelled: Generation, target: Target) -> None:
    names = {info.name for info in levelled.manifest.sets if "-port" in info.name}
    assert names
    assert not any(name.endswith(("-high", "-low")) for name in names)
    networks = [line for line in lines(levelled, target) if "ip-dst-network" in line]
    assert "1.0.0.0/8,10.0.0.0/8,2.0.0.0/8,3.0.0.0/8,4.0.0.0/8" in networks[0]
    assert "priority" not in networks[0]


def test_the_path_of_a_url_marks_the_flow_for_hosts_of_its_level(
    levelled: Generation, target: Target
) -> None:
    marks: dict[str, set[str]] = {"set": set(), "isset": set()}
    for line in lines(levelled, target):
        for way, mark in re.findall(r"flowbits:(set|isset),(vedette\.url-path[a-z-]*);", line):
            marks[way].add(mark)
            suffix = mark.removeprefix("vedette.url-path")
            assert re.search(rf"vedette_set vedette-url-(host|path)(-long|-ctx)*{suffix},", line)
    assert marks["set"] == marks["isset"]
    assert len(marks["set"]) == 3


def test_7_0_prefers_one_hash_whatever_the_level(levelled: Generation) -> None:
    marked = [line for line in lines(levelled, "7.0") if "first-hash" in line]
    assert len(marked) > 1
    assert all("filemd5:" in line for line in marked)
