"""Every module has a test file of its own, or a line here that says where it is tested and why.

``src/vedette/a/b.py`` belongs to ``tests/unit/a/test_b.py``, a package to ``test_a.py`` there.
"""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/vedette"
LINES_MAX = 500

ELSEWHERE: dict[str, tuple[str, str]] = {
    "buffers.py": ("docs/test_reference.py", "a table; engine tests show that its rows fire"),
    "errors.py": ("docs/test_reference.py", "names and exit codes"),
    "model.py": ("contract/test_sources.py", "nouns that do nothing"),
    "agent/*.py": ("contract/agent/test_following.py", "one program: hub and engine can tell"),
    "bundle/*.py": ("property/test_ruleset_delta.py", "built, opened and compared as a whole"),
    "cli/*.py": ("unit/cli/test_cli.py", "one file for the commands that only print"),
    "demo/*.py": ("engine/test_spine.py", "needs a real engine"),
    "demo/fleet/*.py": ("engine/test_fleet_demo.py", "needs two real engines"),
    "eve/*.py": ("unit/eve/test_reader.py", "the parts of following one file"),
    "guard/facts.py": ("unit/guard/test_chain.py", "nouns that do nothing"),
    "hits/*.py": ("unit/hits/test_reader.py", "the steps of one reader"),
    "misp/*.py": ("unit/misp/test_feed.py", "the forms that one feed may have"),
    "normalize/*.py": ("unit/normalize/test_names.py", "reached through normalize() alone"),
    "observe/*.py": ("unit/observe/test_observing.py", "the steps from a line to what it says"),
    "pool/*.py": ("contract/test_pool.py", "one pool: its parts are used through Pool"),
    "pool/backend.py": ("contract/test_pool.py", "nouns that do nothing"),
    "pool/records.py": ("contract/test_pool.py", "nouns that do nothing"),
    "opensearch/*.py": ("contract/test_opensearch.py", "only a real engine can tell"),
    "pipeline/*.py": ("engine/test_spine.py", "wires stages: right if the whole works"),
    "ruleset/*.py": ("property/test_ruleset_delta.py", "compiled and compared as a whole"),
    "sensor/*.py": ("engine/test_sensor_push.py", "only an engine can tell"),
    "sources/__init__.py": ("unit/sources/test_registry.py", "the table of kinds"),
    "sources/base.py": ("contract/test_sources.py", "the contract"),
    "sources/formats/*.py": ("unit/sources/test_formats.py", "small parsers with one protocol"),
    "store/*.py": ("unit/store/test_store.py", "one database: its parts are used through Store"),
    "testing/*.py": ("engine/test_sensor_scripts.py", "held against the real engine"),
    "testing/fleet/*.py": ("contract/test_fleet_faults.py", "the parts of one run"),
    "testing/fake_misp/*.py": ("unit/testing/test_fake_misp.py", "one server, asked over HTTP"),
    "web/*.py": ("unit/web/test_running.py", "one server: its parts are asked over HTTP"),
    "web/agents.py": ("contract/test_agent_api.py", "routes: asked over HTTP"),
}
"""Patterns of modules without a test file of their own: (where they are tested, why there)."""

WHOLE = {"engine/test_spine.py", "engine/test_fleet_demo.py"}
"""Tests that go through the command line and so through everything."""

LONG: dict[str, str] = {"buffers.py": "one table; split, nobody would see it whole"}
"""Modules that may be longer than ``LINES_MAX``, with the reason."""


def modules() -> list[Path]:
    return sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


def does_something(module: Path) -> bool:
    """Whether a module defines anything; one that only names or imports needs no test."""
    tree = ast.parse((SOURCE / module).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in tree.body)


def own_test(module: Path) -> Path:
    name = module.parent.name if module.name == "__init__.py" else module.stem
    return ROOT / "tests/unit" / module.parent / f"test_{name}.py"


def without_own_test() -> list[Path]:
    return [
        module for module in modules() if does_something(module) and not own_test(module).exists()
    ]


def patterns_for(module: Path) -> list[str]:
    """Return the patterns of exactly this folder that a module fits."""
    return [
        pattern
        for pattern in ELSEWHERE
        if fnmatchcase(str(module), pattern) and pattern.count("/") == str(module).count("/")
    ]


def test_every_module_has_a_test_file_or_a_reason() -> None:
    assert len(modules()) > 50
    lacking = [str(module) for module in without_own_test() if not patterns_for(module)]
    assert not lacking, "write the test file, or add a line to ELSEWHERE that says where and why"


@pytest.mark.parametrize("pattern", sorted(ELSEWHERE))
def test_a_reason_is_still_needed_and_names_tests_of_that_package(pattern: str) -> None:
    tests, reason = ELSEWHERE[pattern]
    assert reason
    path = ROOT / "tests" / tests
    assert path.is_file()
    assert any(pattern in patterns_for(module) for module in without_own_test()), "remove the line"
    package = pattern.rpartition("/")[0].replace("/", ".") or pattern.removesuffix(".py")
    assert tests in WHOLE or f"vedette.{package}" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("module", modules(), ids=str)
def test_no_module_is_too_long(module: Path) -> None:
    lines = len((SOURCE / module).read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_MAX or str(module) in LONG


def test_a_module_that_may_be_long_is() -> None:
    for name in LONG:
        assert len((SOURCE / name).read_text(encoding="utf-8").splitlines()) > LINES_MAX


def test_every_test_file_of_the_mirror_belongs_to_a_package() -> None:
    packages = {module.parent for module in modules()}
    folders = {
        path.parent.relative_to(ROOT / "tests/unit")
        for path in (ROOT / "tests/unit").rglob("test_*.py")
    }
    assert folders <= packages
