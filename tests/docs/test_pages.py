"""What pages say can be followed: links lead somewhere, commands exist, Sphinx has no complaint."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from vedette.cli import vedette

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`(vedette [^`\n]+)`(?!`)")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    found = set()
    for heading in _HEADING.findall(page.read_text(encoding="utf-8")):
        text = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", ""))
        found.add(text.strip().replace(" ", "-"))
    return found


def test_internal_links_lead_somewhere(pages: list[Path]) -> None:
    lost, seen = [], 0
    for page in pages:
        for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
            if "://" in target or target.startswith("mailto:"):
                continue
            seen += 1
            path, _, anchor = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            if not linked.exists() or (anchor and anchor not in anchors(linked)):
                lost.append(f"{page.relative_to(ROOT)}: {target}")
    assert seen > 20
    assert not lost


def test_every_page_is_in_a_table_of_contents(pages: list[Path]) -> None:
    linked = set()
    for page in pages:
        for tree in re.findall(
            r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
        ):
            names = [line.strip() for line in tree.splitlines() if line.strip() and ":" not in line]
            linked |= {(page.parent / f"{name}.md").resolve() for name in names}
    documented = {page for page in pages if DOCS in page.parents}
    assert documented - linked == {DOCS / "index.md"}


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every ``vedette`` command in a shell block."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for word in ("&", "|", ";", "&&", ">", ">>", "2>", "<"):
            if word in words:
                words = words[: words.index(word)]
        if words and words[0] == "vedette":
            yield words[1:]


def parse(words: Iterable[str]) -> None:
    """Parse a command as the command line does, without running it.

    Raises:
        click.UsageError: It does not exist, or has no such option.
    """
    command: click.Command = vedette
    context: click.Context | None = None
    name, rest = "vedette", list(words)
    while True:
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, click.Group):
            return
        words = [*context._protected_args, *context.args]
        if not words and command.invoke_without_command:
            return
        found, child, rest = command.resolve_command(context, words)
        assert found is not None
        assert child is not None
        name, command = found, child


def test_every_command_in_a_block_exists(
    pages: list[Path], blocks: Callable[[Path], Iterator[Any]]
) -> None:
    wrong, seen = [], 0
    for page in pages:
        for block in blocks(page):
            if block.language not in {"console", "sh", "bash"}:
                continue
            for words in commands(block.text):
                seen += 1
                try:
                    parse(words)
                except click.UsageError as error:
                    wrong.append(f"{page.relative_to(ROOT)}: {' '.join(words)}: {error.message}")
    assert seen > 40
    assert not wrong


def test_every_command_in_a_sentence_exists(pages: list[Path]) -> None:
    wrong, seen = [], 0
    for page in pages:
        for text in _INLINE.findall(page.read_text(encoding="utf-8")):
            if "..." in text or "NOUN" in text:
                continue
            seen += 1
            try:
                parse(shlex.split(text)[1:])
            except (
                click.MissingParameter,
                click.exceptions.NoArgsIsHelpError,
                click.exceptions.Exit,
            ):
                continue
            except click.UsageError as error:
                wrong.append(f"{page.relative_to(ROOT)}: {text}: {error.message}")
    assert seen > 20
    assert not wrong


def test_a_command_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(["source", "pull", "--accpet"])
    with pytest.raises(click.UsageError):
        parse(["sensor", "propose"])


def test_sphinx_builds_the_documentation_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", "-d"]
    done = subprocess.run(
        [*command, str(tmp_path / "trees"), str(DOCS), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html/tutorial/ten-minutes.html").is_file()
