"""The calculator beside the model: it completes `<<120*0.85=` with `102>>`, so that the model only has to set up the sum."""

from __future__ import annotations

import ast
import operator
import re
from decimal import Decimal

from .policy import rounded, written

OPEN = re.compile(r"<<([^<>=\n]{0,80})=(?![^<>=\n]{0,20}>>)")
FILLED = re.compile(r"(<<[^<>=\n]{0,80}=)[^<>=\n]{0,20}>>")
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
             ast.USub: operator.neg, ast.UAdd: operator.pos}


def value(expression: str) -> Decimal:
    """The exact value of + - * / and parentheses over plain numbers. Raises ValueError for anything else.

    Also read: `x` for times and `6%` for 6/100.
    """
    tidy = expression.replace("\u00d7", "*").replace("x", "*").replace("%", "/100").strip()
    if not re.fullmatch(r"[0-9.+\-*/() ]{1,80}", tidy) or "**" in tidy or "//" in tidy:
        raise ValueError(f"no plain arithmetic: {expression!r}")
    try:
        return _value(ast.parse(tidy, mode="eval").body, tidy)
    except (SyntaxError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"cannot be computed: {expression!r}") from error


def _value(node: ast.AST, source: str) -> Decimal:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Decimal(ast.get_source_segment(source, node))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.left, source), _value(node.right, source))
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.operand, source))
    raise ValueError("no plain arithmetic")


def places(before: str, expression: str) -> int:
    """Decimals by the policy: two for an expected loss (two percentages), a PD (named before) and a share used; else one."""
    if re.fullmatch(r"\s*[0-9.]+\s*/\s*[0-9.]+\s*", expression):
        return 2  # need / have
    line = re.split(r"[\n;>]|\. ", before)[-1].lower()
    is_pd = re.search(r"\bpd\b|probability of default", line)
    return 2 if is_pd or expression.count("/100") + expression.count("%") > 1 else 1


def pending(text: str) -> bool:
    """True when the text ends in an open `<<...=`: the calculator's turn."""
    found = list(OPEN.finditer(text))
    return bool(found) and found[-1].end() == len(text)


def fill(text: str) -> str:
    """Completes every open `<<expression=` with its rounded result and `>>`; `?>>` where it cannot be computed."""
    def complete(match):
        try:
            result = written(rounded(value(match[1]), places(text[:match.start()], match[1])))
        except ValueError:
            result = "?"
        return f"{match[0]}{result}>>"

    return OPEN.sub(complete, text)


def filled_in(text: str) -> list[tuple[int, int]]:
    """The spans of a text that the calculator writes, `102>>` after each `=`."""
    return [(m.end(1), m.end()) for m in FILLED.finditer(text)]


def emptied(text: str) -> str:
    """The text with every result taken out, as if the calculator had not been there yet: `<<120*0.85=`."""
    return FILLED.sub(r"\1", text)


def tool(text: str) -> str:
    """What the calculator adds to a text being written: the result and `>>` when it is its turn, else ""."""
    return fill(text)[len(text):] if text.endswith("=") and pending(text) else ""
