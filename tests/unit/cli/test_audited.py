"""Each command is known to change something, to read only, or to stand apart: none is forgotten."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from vedette.cli import vedette
from vedette.cli.audited import APART, CHANGING, READING, commands

TREE = dict(commands(vedette, ""))


def test_every_command_is_in_exactly_one_table() -> None:
    assert len(TREE) > 60
    placed = [*CHANGING, *READING, *APART]
    assert len(placed) == len(set(placed)), "in two tables"
    assert set(TREE) - set(placed) == set(), "say in vedette.cli.audited what it changes"


def test_no_table_names_a_command_that_is_gone() -> None:
    assert {*CHANGING, *READING, *APART} - set(TREE) == set()


@pytest.mark.parametrize("path", sorted(set(CHANGING) & set(TREE)))
def test_the_subject_of_a_change_is_a_parameter_of_the_command(path: str) -> None:
    names = {parameter.name for parameter in TREE[path].params}
    subject = CHANGING[path].subject
    assert not subject or set(subject.split("|")) <= names


@pytest.mark.parametrize("path", sorted(set(CHANGING) & set(TREE)))
def test_every_changing_command_is_made_to_write_who_ran_it(path: str) -> None:
    callback = TREE[path].callback
    assert callback is not None
    assert callback.__code__.co_filename.endswith("cli/audited.py")


@pytest.mark.parametrize("path", sorted({*READING, *APART} & set(TREE)))
def test_no_other_command_is(path: str) -> None:
    callback = TREE[path].callback
    assert callback is not None
    assert not callback.__code__.co_filename.endswith("cli/audited.py")


def test_a_group_that_does_something_itself_is_a_command() -> None:
    @click.group(invoke_without_command=True)
    def outer() -> None: ...

    @outer.command()
    def inner() -> None: ...

    assert [path for path, _ in commands(outer, "outer")] == ["outer", "outer inner"]


def test_the_tables_need_nothing_of_the_hub() -> None:
    script = "import sys, vedette.cli.audited; sys.exit('vedette.store' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
