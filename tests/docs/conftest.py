"""The pages of the documentation, their code blocks, and the script that writes parts of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """One fenced block of a page."""

    language: str
    text: str


_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\d+\.\d+ s\b"), "N s"),
)


def _lines(text: str) -> list[str]:
    """Return the lines of an output without what differs from run to run."""
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _is_shown(expected: str, got: str) -> bool:
    pattern = ""
    for line in _lines(expected):
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            begins, ends = line.startswith("..."), line.endswith("...")
            text = re.escape(line.removeprefix("...").removesuffix("..."))
            pattern += f"{'.*' * begins}{text}{'.*' * ends}\\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(got))) is not None


@pytest.fixture(scope="session")
def is_shown() -> Callable[[str, str], bool]:
    """Return whether an output is as a page shows it: ``...`` stands for what is not shown.

    On a line of its own for any lines, else for the beginning or the end of one.
    """
    return _is_shown


Blocks = Callable[[Path], Iterator[Block]]


def _blocks(page: Path) -> Iterator[Block]:
    for indent, language, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        yield Block(language, "\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def blocks() -> Blocks:
    """Return the function that yields the fenced blocks of a page, in its order."""
    return _blocks


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    """Return every page: the documentation, and what lies in the root of the repository."""
    return sorted(
        [*ROOT.glob("*.md"), *(p for p in DOCS.glob("**/*.md") if "_build" not in p.parts)]
    )


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    """Return docs/generate.py as a module."""
    spec = spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["docs_generate"] = module
    spec.loader.exec_module(module)
    return module
