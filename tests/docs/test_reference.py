"""The reference is complete and current: what the source has, the pages have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import msgspec
import pytest

from vedette.buffers import Profile
from vedette.cli import EXIT_CODES, vedette
from vedette.config import Settings, load
from vedette.errors import UnusableValueError, VedetteError
from vedette.model import IndicatorType
from vedette.normalize import Reason, normalize
from vedette.ruleset.coverage import markdown
from vedette.sensor import elsewhere, held, proof, set_proof, traffic
from vedette.sources import BUILTIN, filters, formats
from vedette.sources.filters import UNPUBLISHED
from vedette.sources.formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/reference"
FORMAT_FILES = sorted(Path(formats.__file__).parent.glob("[a-z]*.py"))


def page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def table(text: str, first_column: str) -> list[list[str]]:
    """Return the rows of the table whose first heading is given, without its head."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {first_column} |"):
            next(lines)
            break
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        # A vertical bar within code is part of the cell.
        cells = re.findall(r"((?:`[^`]*`|[^|`])*)\|", line[1:])
        rows.append([cell.strip() for cell in cells])
    return rows


def literal(cell: str) -> str:
    """Return the text between the backticks of a cell; ``\\x07`` is that character."""
    text = cell[1:-1] if cell.startswith("`") else cell
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)


def commands(
    command: click.Command = vedette, path: str = "vedette"
) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, f"{path} {name}")


def test_no_generated_part_is_out_of_date(generate: ModuleType) -> None:
    stale = [str(path.relative_to(ROOT)) for path in generate.stale()]
    assert not stale, f"run: python docs/generate.py (out of date: {', '.join(stale)})"


def test_every_generated_part_is_on_a_page(generate: ModuleType) -> None:
    used = {
        name
        for path in generate.PAGES
        for name in re.findall(r"<!-- begin (\S+) -->", path.read_text())
    }
    assert used == set(generate.PARTS)


def test_a_page_out_of_date_is_noticed_and_written(generate: ModuleType) -> None:
    old = "text\n\n<!-- begin exit-codes -->\nas it was\n<!-- end exit-codes -->\n\nmore\n"
    new = generate.render(old)
    assert "as it was" not in new
    assert "| 9 | a sensor does not hold what was published |" in new
    assert new.startswith("text\n")
    assert new.endswith("more\n")
    assert generate.render(new) == new


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_every_command_has_a_section_with_its_options(path: str) -> None:
    sections = dict(
        re.findall(r"^#+ (vedette.*?)\n(.*?)(?=^#|\Z)", page("commands"), re.DOTALL | re.MULTILINE)
    )
    assert path in sections
    command = dict(commands())[path]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert option in sections[path]


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_every_command_says_what_it_does(path: str) -> None:
    assert dict(commands())[path].help


def test_every_setting_has_a_heading_with_its_default_and_an_explanation() -> None:
    text = page("settings")
    structs = [("top level", Settings)]
    structs += [
        (f"[{field.name}]", field.type)
        for field in msgspec.structs.fields(Settings)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
    ]
    assert len(structs) > 1
    for heading, struct in structs:
        section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
        for field in msgspec.structs.fields(struct):
            if field.name != "home" and f"[{field.name}]" not in dict(structs):
                about = section.partition(f"### {field.name}\n")[2].partition("\n#")[0]
                assert "Default: `" in about, f"{heading} {field.name}"
                assert len(about.splitlines()) > 3, f"{heading} {field.name}"


def test_the_documented_settings_are_those_that_are_read(tmp_path: Path) -> None:
    text = page("settings")
    toml, section = "", "top level"
    for line in text.splitlines():
        if line.startswith("## ["):
            section = line.removeprefix("## ")
            toml += f"{section}\n"
        elif line.startswith("### "):
            toml += f"{line.removeprefix('### ')} = "
        elif line.startswith("Default: `"):
            toml += line.removeprefix("Default: `").removesuffix("`") + "\n"
    path = tmp_path / "vedette.toml"
    path.write_text(toml)
    assert load(path) == Settings(home=str(tmp_path))


@pytest.mark.parametrize("kind", sorted(BUILTIN))
def test_every_kind_of_source_has_a_section(kind: str) -> None:
    assert f"\n## `{kind}`" in page("sources")


@pytest.mark.parametrize("kind", sorted(BUILTIN))
def test_every_setting_of_a_kind_is_in_a_table(kind: str) -> None:
    text = page("sources")
    for field in msgspec.structs.fields(BUILTIN[kind]):
        assert f"\n| `{field.encode_name}` |" in text


def test_the_list_formats_are_those_that_exist_in_the_order_of_detection() -> None:
    documented = [literal(row[0]) for row in table(page("list-formats"), "format")]
    assert documented == ["auto", *FORMATS]


def test_every_exit_code_is_one_of_an_error_or_of_the_shell_and_documented() -> None:
    def below(cls: type[VedetteError]) -> Iterator[type[VedetteError]]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    raised = {cls.exit_code for cls in (VedetteError, *below(VedetteError))}
    assert EXIT_CODES.keys() == {0, *raised, 130}
    for name in ("docs/reference/exit-codes.md", "README.md"):
        documented = table((ROOT / name).read_text(encoding="utf-8"), "code")
        assert {int(code): text for code, text in documented} == EXIT_CODES


def test_every_reason_of_rejection_is_documented_once() -> None:
    documented = [row[0] for row in table(page("normalisation"), "reason")]
    assert sorted(documented) == sorted(reason.value for reason in Reason)


@pytest.mark.parametrize("row", table(page("normalisation"), "reason"), ids=lambda row: row[0])
def test_the_example_of_a_reason_is_rejected_for_it(row: list[str]) -> None:
    reason, kind, example, _ = row
    with pytest.raises(UnusableValueError) as refused:
        normalize(IndicatorType(kind), literal(example))
    assert str(refused.value) == reason


@pytest.mark.parametrize("row", table(page("normalisation"), "listed as"), ids=lambda row: row[1])
def test_the_examples_of_normalisation_are_true(row: list[str]) -> None:
    kind, value, becomes, becomes_kind = row
    key = normalize(IndicatorType(kind), literal(value))
    assert (key.value, key.type.value) == (literal(becomes), becomes_kind)
    assert normalize(*key) == key


def said_by(*modules: ModuleType, names: frozenset[str]) -> set[str]:
    """Return the beginnings of the texts that calls of these names get, read from the source."""
    found = set()
    for module in modules:
        tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in names:
                for argument in call.args:
                    text = argument.values[0] if isinstance(argument, ast.JoinedStr) else argument
                    if isinstance(text, ast.Constant) and " " in str(text.value):
                        found.add(str(text.value).strip().rstrip(":"))
    return found


def test_everything_that_a_format_refuses_or_leaves_out_is_documented() -> None:
    modules = [
        import_module(f"vedette.sources.{name}")
        for name in ("text", *(f"formats.{path.stem}" for path in FORMAT_FILES))
    ]
    said = said_by(*modules, names=frozenset({"Refused", "Skipped", "Unreadable"}))
    documented = {row[0] for row in table(page("list-formats"), "said")}
    assert len(said) > 10
    assert documented == said


def test_every_reason_of_a_filter_is_documented() -> None:
    said = {UNPUBLISHED}
    tree = ast.parse(Path(filters.__file__).read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name.removeprefix("_")[:5] == "judge":
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    value = node.value
                    text = value.values[0] if isinstance(value, ast.JoinedStr) else value
                    if isinstance(text, ast.Constant) and text.value:
                        said.add(str(text.value).strip().rstrip(":"))
    documented = {row[0] for row in table(page("sources"), "left out because")}
    assert len(said) > 7
    assert said | {"no engine can match", "unknown MISP type"} == documented


def test_the_coverage_page_is_what_the_table_says() -> None:
    assert markdown().strip() in page("coverage")


def test_every_indicator_type_is_covered_and_every_engine_profile_is_named() -> None:
    for kind in IndicatorType:
        assert f"\n| `{kind.value}` |" in page("coverage")
        assert f"\n| `{kind.value}` |" in page("eve")
    for profile in Profile:
        assert f"Suricata {profile.value}" in page("coverage")
        assert f"\n| `{profile.value}` |" in page("datasets-and-rules")


def test_every_check_of_a_proof_is_documented_and_no_other() -> None:
    modules = (proof, set_proof, elsewhere, held)
    source = "".join(Path(one.__file__).read_text(encoding="utf-8") for one in modules)
    made = {
        name.replace("{self._info.name}", "<set>").replace("{info.name}", "<set>")
        for name in re.findall(r'\bname=f?"([^"]+)"', source)
    }
    made |= {f"<set>.{name}" for name in re.findall(r'self\._there\("(\w+)"', source)}
    made = {traffic.NAME, *made} - {"<set>.{name}"}
    assert len(made) > 10
    documented = {literal(row[0]) for row in table(page("proof"), "check")}
    assert documented == made
    how_to = (ROOT / "docs/how-to/read-a-red-proof.md").read_text(encoding="utf-8")
    for name in documented - {"<set>.list"}:
        assert f"`{name}`" in how_to
