"""The text of a STIX pattern as alternatives of comparisons that must hold together.

OASIS' own parser (stix2-patterns) decides what a pattern is. The plainest form, values joined by
OR, is read here with one expression, a hundred times faster, and must give the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple


class Reason(StrEnum):
    """Why a pattern, or a part of one, cannot be values to look for."""

    SYNTAX = "not a STIX pattern"
    TOO_LONG = "pattern too long"
    NESTED = "pattern nested too deep"
    COMBINATIONS = "pattern with too many combinations"
    TOGETHER = "two values must be seen together: AND"
    OBSERVATIONS = "two observations must be seen together: AND"
    FOLLOWED = "one observation must follow another: FOLLOWEDBY"
    REPEATED = "must be seen several times: REPEATS"
    PERIOD = "holds between two times only: START STOP"
    NEGATED = "everything but a value: NOT"
    ORDERED = "a range of values: < or >"
    WILDCARD = "text with wildcards: LIKE"
    EXPRESSION = "regular expression: MATCHES"
    SUPERSET = "networks around an address: ISSUPERSET"
    EXISTS = "any value at all: EXISTS"
    LITERAL = "compared with no text and no number"


class Comparison(NamedTuple):
    """One comparison: ``kind:steps = value``."""

    kind: str
    steps: tuple[str, ...]
    """Without the indexes of lists."""
    value: str
    refused: str = ""
    """Why it is not equal to one value; a :class:`Reason`."""


Together = tuple[Comparison, ...]
"""Comparisons that must hold at once."""

TEXT_MAX = 262_144
"""Longest pattern that the parser is given, in characters."""
_TOGETHER_MAX = 4_096

_STRING = r"'(?:[^'\\]|\\['\\])*+'"
_STEP = rf"(?:[A-Za-z_][A-Za-z0-9_]*+|{_STRING})"
_PATH = rf"[a-z][a-z0-9-]*+:{_STEP}(?:\.{_STEP}|\[(?:\*|[0-9]++)\])*+"
_EQUAL = rf"{_PATH}\s*+==?\s*+{_STRING}"
_OBSERVATION = rf"\[\s*+{_EQUAL}(?:\s++OR\s++{_EQUAL})*+\s*+\]"
_IS_PLAIN = re.compile(rf"\s*+{_OBSERVATION}(?:\s++OR\s++{_OBSERVATION})*+\s*+").fullmatch
_PLAIN = re.compile(rf"({_PATH})\s*+==?\s*+({_STRING})").finditer
_STEPS = re.compile(rf"[:.]({_STEP})").findall
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KEYWORD = re.compile(
    r"[:.](?:AND|OR|NOT|FOLLOWEDBY|LIKE|MATCHES|ISSUPERSET|ISSUBSET|EXISTS|LAST|IN|START|STOP"
    r"|SECONDS|true|false|WITHIN|REPEATS|TIMES)\b"
).search
_NUMBER = re.compile(r"[0-9]+").fullmatch


class Unreadable(ValueError):  # noqa: N818 - it never leaves this package
    """A pattern that is none; the text is a :class:`Reason`."""


def alternatives(text: str) -> Iterator[Together | Reason]:
    """Yield what each branch of a pattern wants, or why it wants more than one thing.

    Raises:
        Unreadable: It is no pattern.
    """
    if _IS_PLAIN(text) and not _KEYWORD(text):
        for match in _PLAIN(text):
            kind = match[1].partition(":")[0]
            yield (Comparison(kind, _steps(match[1]), _unquoted(match[2])),)
        return
    yield from parsed(text)


def parsed(text: str) -> Iterator[Together | Reason]:
    """Do what :func:`alternatives` does, with OASIS' parser alone.

    Raises:
        Unreadable: It is no pattern.
    """
    if len(text) > TEXT_MAX:
        raise Unreadable(Reason.TOO_LONG)
    tree = _Tree()
    # A tenth of a second, which every command would pay.
    from stix2patterns.exceptions import ParseException  # noqa: PLC0415
    from stix2patterns.v21.pattern import Pattern  # noqa: PLC0415

    try:
        Pattern(text).visit(tree)
        found = list(_observations(tree.root.getChild(0)))
    except ParseException as error:
        raise Unreadable(Reason.SYNTAX) from error
    except RecursionError as error:
        raise Unreadable(Reason.NESTED) from error
    yield from found


class _Tree:
    """Takes the parse tree out of a pattern, which keeps it to itself."""

    root: Any

    def visit(self, tree: Any) -> None:  # noqa: ANN401 - antlr has no types
        self.root = tree


# -- observations: what stands in brackets, and what joins it ---------------------------------


def _observations(node: Any) -> Iterator[Together | Reason]:  # noqa: ANN401
    """Yield the alternatives of anything that is made of observations."""
    kind = _kind(node)
    parts = _joined(node)
    if len(parts) > 1:
        if kind == "ObservationExpressionOr":
            for part in parts:
                yield from _observations(part)
        else:
            followed = kind == "ObservationExpressions"
            yield Reason.FOLLOWED if followed else Reason.OBSERVATIONS
    elif kind == "ObservationExpressionSimple":
        yield from _comparisons(node.getChild(1))
    elif kind == "ObservationExpressionCompound":
        yield from _observations(node.getChild(1))
    elif kind in _QUALIFIED:
        yield from _QUALIFIED[kind](node)
    else:
        yield from _observations(node.getChild(0))


def _repeated(node: Any) -> Iterator[Together | Reason]:  # noqa: ANN401
    times = node.getChild(1).getChild(1).getText()
    if times == "1":
        yield from _observations(node.getChild(0))
    else:
        yield Reason.REPEATED


def _within(node: Any) -> Iterator[Together | Reason]:  # noqa: ANN401
    """Of one observation alone, a duration says nothing."""
    yield from _observations(node.getChild(0))


def _between(_node: Any) -> Iterator[Together | Reason]:  # noqa: ANN401
    yield Reason.PERIOD


_QUALIFIED: Mapping[str, Callable[[Any], Iterator[Together | Reason]]] = MappingProxyType(
    {
        "ObservationExpressionRepeated": _repeated,
        "ObservationExpressionWithin": _within,
        "ObservationExpressionStartStop": _between,
    }
)


# -- comparisons: what stands within one pair of brackets -------------------------------------


def _comparisons(node: Any) -> list[Together | Reason]:  # noqa: ANN401
    """Return the alternatives of one bracket, each with all that it wants at once."""
    kind = _kind(node)
    parts = _joined(node)
    if kind == "PropTestParen":
        return _comparisons(node.getChild(1))
    if kind.startswith("PropTest"):
        return [(one,) for one in _tests(node, kind)]
    if len(parts) == 1:
        return _comparisons(node.getChild(0))
    if kind == "ComparisonExpression":
        return [one for part in parts for one in _comparisons(part)]
    return _multiplied([_comparisons(part) for part in parts])


def _multiplied(factors: list[list[Together | Reason]]) -> list[Together | Reason]:
    size = 1
    for factor in factors:
        size *= len(factor)
        if size > _TOGETHER_MAX:
            return [Reason.COMBINATIONS]
    found: list[Together | Reason] = []
    for parts in product(*factors):
        reasons = [part for part in parts if isinstance(part, Reason)]
        whole = tuple(one for part in parts if isinstance(part, tuple) for one in part)
        found.append(reasons[0] if reasons else whole)
    return found


def _tests(node: Any, kind: str) -> Iterator[Comparison]:  # noqa: ANN401
    children = [node.getChild(place) for place in range(node.getChildCount())]
    path = next(child for child in children if _kind(child) == "ObjectPath").getText()
    name, steps = path.partition(":")[0], _steps(path)
    negated = any(child.getText() in {"NOT", "!=", "<>"} for child in children[1:-1])
    if negated:
        yield Comparison(name, steps, children[-1].getText(), Reason.NEGATED)
    elif kind == "PropTestSet":
        literals = children[-1]
        for place in range(1, literals.getChildCount() - 1, 2):
            yield _equal(name, steps, literals.getChild(place).getText())
    elif kind == "PropTestEqual":
        yield _equal(name, steps, children[-1].getText())
    else:
        value = children[-1].getText()
        yield Comparison(name, steps, *_OTHER[kind](value))


def _equal(name: str, steps: tuple[str, ...], literal: str) -> Comparison:
    if literal.startswith("'"):
        return Comparison(name, steps, _unquoted(literal))
    refused = "" if _NUMBER(literal) else Reason.LITERAL
    return Comparison(name, steps, literal, refused)


def _like(literal: str) -> tuple[str, str]:
    """``%.name`` is every name below it, which ``*.name`` says too; without ``%`` it is equality.

    ``_`` stands for any one character, but names are full of it and patterns are not.
    """
    text = _unquoted(literal)
    if text.startswith("%.") and not re.search(r"[%_/]", text[1:]):
        return f"*{text[1:]}", ""
    return text, Reason.WILDCARD if "%" in text or "_" in text else ""


def _matches(literal: str) -> tuple[str, str]:
    r"""``^evil\.example$`` is one text; anything else is an expression."""
    text = _unquoted(literal)
    body = text[1:-1]
    is_text = text[:1] == "^" and text[-1:] == "$" and not _SIGNS(_ESCAPED_SIGN.sub("", body))
    return (_ESCAPED_SIGN.sub(r"\1", body), "") if is_text else (text, Reason.EXPRESSION)


_ESCAPED_SIGN = re.compile(r"\\([^A-Za-z0-9\s])")
_SIGNS = re.compile(r"[\\^$.|?*+()\[\]{}]").search

_OTHER: Mapping[str, Callable[[str], tuple[str, str]]] = MappingProxyType(
    {
        "PropTestOrder": lambda text: (text, Reason.ORDERED),
        "PropTestLike": _like,
        "PropTestRegex": _matches,
        "PropTestIsSubset": lambda text: (_unquoted(text), ""),
        "PropTestIsSuperset": lambda text: (_unquoted(text), Reason.SUPERSET),
        "PropTestExists": lambda text: (text, Reason.EXISTS),
    }
)


_JOINING = frozenset(
    {
        "ObservationExpressions",
        "ObservationExpressionOr",
        "ObservationExpressionAnd",
        "ComparisonExpression",
        "ComparisonExpressionAnd",
    }
)


# -- nodes ------------------------------------------------------------------------------------


def _kind(node: Any) -> str:  # noqa: ANN401
    return type(node).__name__.removesuffix("Context")


def _joined(node: Any) -> list[Any]:  # noqa: ANN401
    """Return what a node joins; however much it is, its left side is a node of the same kind."""
    kind, parts = _kind(node), []
    while kind in _JOINING and _kind(node) == kind and node.getChildCount() > 1:
        parts.append(node.getChild(2))
        node = node.getChild(0)
    return [node, *reversed(parts)]


def _steps(path: str) -> tuple[str, ...]:
    return tuple(_unquoted(step) if step.startswith("'") else step for step in _STEPS(path))


def _unquoted(literal: str) -> str:
    text = literal[1:-1]
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
