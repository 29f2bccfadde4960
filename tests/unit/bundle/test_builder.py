"""A generation is published whole or not at all, and only when something changed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.bundle import Builder, BuildResult, latest, open_generation, verify
from vedette.errors import BundleError
from vedette.model import IndicatorType as T
from vedette.model import Key
from vedette.ruleset.engine import Target
from vedette.ruleset.levels import by_level
from vedette.ruleset.manifest import Manifest, SourceState
from vedette.ruleset.names import TOO_MANY_LABELS
from vedette.testing.indicators import ListedKeys

EVIL, OTHER = Key(T.DOMAIN, "evil.example"), Key(T.DOMAIN, "other.example")


def build(root: Path, *keys: Key, **options: object) -> BuildResult:
    return Builder(root=root).build(ListedKeys(keys), **options)  # type: ignore[arg-type]


def test_the_first_generation_is_number_one_and_current(tmp_path: Path) -> None:
    result = build(tmp_path / "new", EVIL)
    assert result.created
    assert (result.manifest.generation, result.manifest.parent) == (1, None)
    assert (tmp_path / "new/current").readlink() == Path("gen-000001")
    verify(tmp_path / "new/current")


def test_nothing_changed_makes_no_generation(tmp_path: Path) -> None:
    first = build(tmp_path, EVIL, OTHER)
    again = build(tmp_path, OTHER, EVIL)
    assert not again.created
    assert again.manifest == first.manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["current", "gen-000001"]


def test_new_states_of_sources_alone_make_no_generation(tmp_path: Path) -> None:
    state = SourceState(name="misp", kind="misp", version="1")
    builder = Builder(root=tmp_path)
    assert builder.build(ListedKeys([EVIL]), [state]).manifest.sources == (state,)
    assert not builder.build(ListedKeys([EVIL]), []).created


def test_a_covered_name_changes_nothing(tmp_path: Path) -> None:
    build(tmp_path, EVIL)
    assert not build(tmp_path, EVIL, Key(T.DOMAIN, "sub.evil.example")).created


def test_the_manifest_counts_what_came_in_and_what_was_left_out(tmp_path: Path) -> None:
    name = ".".join(["a"] * 60 + ["com"])
    manifest = build(
        tmp_path, EVIL, Key(T.DOMAIN, "sub.evil.example"), Key(T.DOMAIN, name), Key(T.URI, "/x")
    ).manifest
    assert manifest.counts == {"domain": 3, "uri": 1}
    assert manifest.pruned == {"domain": 1}
    assert manifest.unmatched == {TOO_MANY_LABELS: 1}


def test_a_delta_goes_to_a_full_build_where_it_cannot_count(tmp_path: Path) -> None:
    long = Key(T.DOMAIN, ".".join(["a"] * 60 + ["com"]))
    build(tmp_path, EVIL)
    result = build(tmp_path, EVIL, long, changed=[long], base=1)
    assert result.manifest.unmatched == {TOO_MANY_LABELS: 1}
    result = build(tmp_path, EVIL, long, OTHER, changed=[OTHER], base=2)
    assert result.manifest.counts == {"domain": 3}
    assert result.manifest.unmatched == {TOO_MANY_LABELS: 1}


def test_changes_since_another_generation_are_not_believed(tmp_path: Path) -> None:
    build(tmp_path, EVIL)
    build(tmp_path, EVIL, OTHER)
    result = build(tmp_path, OTHER, changed=[], base=1)
    assert result.created
    assert result.manifest.counts == {"domain": 1}


class Unread(ListedKeys):
    """Indicators that may be asked for, but not read as a whole."""

    def keys(self, kind: T, /) -> Iterator[Key]:
        raise AssertionError(f"all of {kind} were read")


def test_a_delta_reads_only_what_changed(tmp_path: Path) -> None:
    builder = Builder(root=tmp_path)
    builder.build(ListedKeys([EVIL]))
    hashed = Key(T.SHA256, "0" * 64)
    result = builder.build(Unread([EVIL, OTHER, hashed]), changed=[OTHER, hashed], base=1)
    assert result.manifest.counts == {"domain": 2, "sha256": 1}
    assert result.manifest.set("vedette-domain").entries == 2
    assert result.manifest.set("vedette-sha256").entries == 1


def test_an_unchanged_file_is_the_same_file(tmp_path: Path) -> None:
    build(tmp_path, EVIL, Key(T.URI, "/x"))
    build(tmp_path, EVIL, Key(T.URI, "/y"))
    before, after = (tmp_path / f"gen-00000{number}/datasets" for number in (1, 2))
    assert (before / "vedette-domain.lst").samefile(after / "vedette-domain.lst")
    assert not (before / "vedette-uri.lst").samefile(after / "vedette-uri.lst")


def test_a_profile_more_is_a_new_generation(tmp_path: Path) -> None:
    Builder(root=tmp_path, targets=[Target.parse("7.0")]).build(ListedKeys([EVIL]))
    result = Builder(root=tmp_path).build(ListedKeys([EVIL]), changed=[], base=1)
    assert result.created
    assert [rules.profile for rules in result.manifest.rules] == ["7.0", "8.0", "8.0.7"]


def test_small_growth_keeps_memcap_and_hashsize(tmp_path: Path) -> None:
    keys = [Key(T.URI, f"/{number}") for number in range(2000)]
    before = build(tmp_path, *keys).manifest.set("vedette-uri").size
    assert build(tmp_path, *keys, Key(T.URI, "/x")).manifest.set("vedette-uri").size == before


def test_a_type_that_no_profile_matches_is_counted_and_not_written(tmp_path: Path) -> None:
    builder = Builder(root=tmp_path, targets=[Target.parse("7.0")])
    mail = Key(T.EMAIL_SUBJECT, "subject")
    manifest = builder.build(ListedKeys([EVIL, mail])).manifest
    assert manifest.counts == {"domain": 1, "email-subject": 1}
    assert not any(info.dataset == "email-subject" for info in manifest.sets)
    assert not builder.build(ListedKeys([EVIL]), changed=[mail], base=1).created


def test_an_emptied_set_has_no_rule_any_more(tmp_path: Path) -> None:
    build(tmp_path, EVIL, Key(T.URI, "/x"))
    manifest = build(tmp_path, EVIL, changed=[Key(T.URI, "/x")], base=1).manifest
    assert not any(info.name == "vedette-uri" for info in manifest.sets)
    assert not any(rule.set == "vedette-uri" for rule in manifest.rules_for("7.0").rules)
    assert manifest.rules_for("7.0").retired == {"1403400": 1}


def test_the_generations_set_names_number_and_content(tmp_path: Path) -> None:
    build(tmp_path, EVIL)
    manifest = build(tmp_path, OTHER).manifest
    canary = manifest.set("vedette-generation").canary
    assert canary == f"vedette-generation-2-{manifest.content_id[:8]}.invalid"


def test_leftovers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    build(tmp_path, EVIL)
    (tmp_path / ".building-x/generation/datasets").mkdir(parents=True)
    (tmp_path / ".current-9").symlink_to("gen-000009")
    build(tmp_path, OTHER)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "current",
        "gen-000001",
        "gen-000002",
    ]


def test_a_kill_between_rename_and_link_is_repaired(tmp_path: Path) -> None:
    build(tmp_path, EVIL)
    build(tmp_path, OTHER)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("gen-000001")
    generation = open_generation(tmp_path)
    assert generation is not None
    assert generation.number == 2
    assert not build(tmp_path, OTHER).created
    assert (tmp_path / "current").readlink() == Path("gen-000002")


@pytest.mark.parametrize("victim", ["manifest.json", "datasets/vedette-domain.lst"])
def test_a_last_generation_that_lacks_something_is_replaced(tmp_path: Path, victim: str) -> None:
    build(tmp_path, EVIL)
    build(tmp_path, EVIL, OTHER)
    (tmp_path / "gen-000002" / victim).unlink()
    result = build(tmp_path, EVIL, OTHER, changed=[], base=2)
    assert (result.created, result.manifest.generation) == (True, 3)
    verify(tmp_path / "current")
    assert not build(tmp_path, EVIL, OTHER).created


def test_the_only_generation_may_be_unreadable(tmp_path: Path) -> None:
    build(tmp_path, EVIL)
    (tmp_path / "gen-000001/manifest.json").write_bytes(b"{")
    result = build(tmp_path, EVIL)
    assert (result.manifest.generation, result.manifest.parent) == (2, None)


def test_a_whole_build_replaces_a_last_generation_that_was_altered(tmp_path: Path) -> None:
    build(tmp_path, EVIL)
    victim = tmp_path / "gen-000001/datasets/vedette-domain.lst"
    before = victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(before[:-2])
    revs = [rule.rev for info in latest_manifest(tmp_path).rules for rule in info.rules]
    result = build(tmp_path, EVIL)
    assert (result.created, result.manifest.generation) == (True, 2)
    verify(tmp_path / "current")
    assert (tmp_path / "current/datasets/vedette-domain.lst").read_bytes() == before
    now = [rule.rev for info in result.manifest.rules for rule in info.rules]
    assert all(new >= old for new, old in zip(now, revs, strict=True))


def test_a_copy_that_followed_links_can_be_built_on(tmp_path: Path) -> None:
    build(tmp_path / "bundles", EVIL)
    shutil.copytree(tmp_path / "bundles", tmp_path / "copy")
    assert (tmp_path / "copy/current").is_dir()
    assert not (tmp_path / "copy/current").is_symlink()
    build(tmp_path / "copy", OTHER)
    assert (tmp_path / "copy/current").readlink() == Path("gen-000002")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == [
        "current",
        "gen-000001",
        "gen-000002",
    ]


def latest_manifest(root: Path) -> Manifest:
    generation = latest(root)
    assert generation is not None
    return generation.manifest


def test_a_directory_that_cannot_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="cannot write a generation below") as failure:
        build(tmp_path / "file", EVIL)
    assert "still in force" in failure.value.hint


PROGRAM = """
    import sys
    from pathlib import Path
    from vedette.bundle import Builder
    from vedette.model import IndicatorType as T, Key
    from vedette.testing.indicators import ListedKeys

    first, count = int(sys.argv[2]), 30_000
    keys = [Key(T.URI, f"/{first + number}") for number in range(count)]
    print("go", flush=True)
    Builder(root=Path(sys.argv[1])).build(ListedKeys(keys))
    print("done", flush=True)
"""


def test_killed_at_any_instant_the_last_generation_is_intact(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    root = tmp_path / "bundles"
    command = [sys.executable, str(program), str(root)]
    subprocess.run([*command, "0"], check=True, capture_output=True)
    killed = 0
    for attempt, delay_ms in enumerate((5, 20, 40, 60, 80, 100, 130, 170), start=1):
        before = latest(root)
        assert before is not None
        process = subprocess.Popen([*command, str(attempt)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(timeout=delay_ms / 1000)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        process.stdout.close()
        after = open_generation(root)
        assert after is not None
        assert after.number in {before.number, before.number + 1}
        verify(after.path)
        verify(before.path)
    assert killed > 0
    result = Builder(root=root).build(ListedKeys([EVIL]))
    assert result.created
    assert not [path for path in root.iterdir() if path.name.startswith(".")]


FULL = """
    import resource, sys
    from pathlib import Path
    from vedette.bundle import Builder
    from vedette.errors import BundleError
    from vedette.model import IndicatorType as T, Key
    from vedette.testing.indicators import ListedKeys

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        Builder(root=Path(sys.argv[1])).build(ListedKeys([Key(T.URI, "/x" * 90_000)] + [
            Key(T.URI, f"/{number}") for number in range(30_000)
        ]))
    except BundleError as error:
        print(error, error.hint)
"""


def test_a_write_that_fails_leaves_the_last_generation_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "bundles"
    build(root, EVIL)
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(FULL))
    done = subprocess.run(
        [sys.executable, str(program), str(root)], check=True, capture_output=True, text=True
    )
    assert "File too large" in done.stdout
    assert "still in force" in done.stdout
    generation = open_generation(root)
    assert generation is not None
    assert generation.number == 1
    verify(generation.path)
    assert sorted(path.name for path in root.iterdir()) == ["current", "gen-000001"]


def test_who_does_not_want_levels_reads_nothing_of_them(tmp_path: Path) -> None:
    levels = {EVIL: 1, OTHER: 3}
    manifest = Builder(root=tmp_path).build(ListedKeys([EVIL, OTHER], levels=levels)).manifest
    assert b"level" not in manifest.to_json()
    assert b"priorities" not in manifest.to_json()
    assert not [info.name for info in manifest.sets if info.name.endswith(("-high", "-low"))]


def test_turning_levels_on_and_off_reads_all_indicators(tmp_path: Path) -> None:
    listed = ListedKeys([EVIL, OTHER], levels={EVIL: 1})
    builder = Builder(root=tmp_path)
    off = builder.build(listed).manifest
    on = builder.build(listed, levels=by_level(listed), changed=(), base=1).manifest
    assert (on.generation, on.priorities) == (2, True)
    assert "vedette-domain-high" in {info.name for info in on.sets}
    assert not builder.build(listed, levels=by_level(listed), changed=(), base=2).created
    again = builder.build(listed, changed=(), base=2).manifest
    assert again.generation == 3
    assert again.content_id == off.content_id


def test_levels_are_on_even_where_no_indicator_has_one(tmp_path: Path) -> None:
    none, some = ListedKeys([EVIL, OTHER]), ListedKeys([EVIL, OTHER], levels={EVIL: 3})
    builder = Builder(root=tmp_path)
    builder.build(none)
    assert builder.build(none, levels=by_level(none), changed=(), base=1).created
    moved = builder.build(some, levels=by_level(some), changed=[EVIL], base=2).manifest
    entries = {info.name: info.entries for info in moved.sets}
    assert entries["vedette-domain-low"] == 1
    assert entries["vedette-domain"] == 1
