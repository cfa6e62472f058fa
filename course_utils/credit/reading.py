"""Reads a credit case from its text alone: figures, limits and shocks, in any layout. Part of the independent grader.

The words are those of `data/credit/vocabulary.md`. Nothing is guessed: what is missing, said twice or not understood is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from ..runtime import CourseError
from .arithmetic import CURRENCIES, NUMBER, number

CORPORATE, SOVEREIGN, STRUCTURED = "corporate", "sovereign", "structured"
# symbol -> the phrases that name it; those of one kind of obligor first, those of every kind last
_BY_KIND = {
    CORPORATE: {
        "base": ["ebitda"], "profit": ["operating profit"], "depreciation": ["depreciation"], "debt": ["net debt"],
        "leverage_limit": ["maximum net debt / ebitda", "net debt / ebitda at most", "leverage covenant"],
        "charge": ["interest", "interest charge"],
        "cover_limit": ["minimum interest cover", "interest cover at least", "cover covenant"],
        "cash": ["cash"], "line": ["undrawn credit line", "undrawn line"],
        "uses": ["debt due within 12 months", "maturities within 12 months"],
        "floating": ["floating-rate debt", "debt to refinance"],
    },
    SOVEREIGN: {
        "base": ["gdp"], "debt": ["government debt", "public debt"],
        "leverage_limit": ["maximum debt / gdp", "debt / gdp at most", "debt ceiling"],
        "earnings": ["government revenue"], "charge": ["interest", "interest bill"],
        "cover_limit": ["minimum revenue / interest", "revenue / interest at least", "cover floor"],
        "sources": ["foreign reserves"], "uses": ["short-term external debt"],
        "floating": ["floating-rate debt", "debt to refinance"],
    },
    STRUCTURED: {
        "base": ["collateral value", "pool value"], "debt": ["notes outstanding"],
        "leverage_limit": ["maximum loan to value", "loan to value at most", "ltv covenant"],
        "earnings": ["net cash flow"], "charge": ["debt service"],
        "cover_limit": ["minimum debt service cover", "debt service cover at least", "dscr covenant"],
        "sources": ["reserve account"], "uses": ["required reserve"], "floating": ["floating-rate notes"],
    },
}
_ANY_KIND = {"pd": ["pd", "probability of default"], "lgd": ["lgd", "loss given default"],
             "ead": ["ead", "exposure at default"], "budget": ["loss budget", "accepted expected loss"]}
_TELLING = ("base", "debt", "profit", "leverage_limit")  # fields whose words tell the kinds of obligor apart
PERCENT = ("pd", "lgd")
LIMITS = ("leverage_limit", "cover_limit")


@dataclass(frozen=True)
class Facts:
    """One obligor as its text states it. Amounts in millions of `currency`; pd, lgd and falls in percent.

    leverage_limit: a multiple for a corporate, else percent. sources: two figures (cash, undrawn line) for a corporate, else one.
    parts: operating profit and depreciation, where EBITDA is given as their sum. shocks: those named, see `SHOCKS`.
    """

    name: str
    kind: str
    currency: str
    base: Fraction
    debt: Fraction
    leverage_limit: Fraction
    earnings: Fraction
    charge: Fraction
    cover_limit: Fraction
    sources: tuple[Fraction, ...]
    uses: Fraction
    pd: Fraction
    lgd: Fraction
    ead: Fraction
    budget: Fraction
    floating: Fraction | None = None
    parts: tuple[Fraction, Fraction] | None = None
    shocks: dict[str, Fraction] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


SHOCKS = {
    "base": "percent by which the base falls", "earnings": "percent by which earnings fall",
    "debt": "percent by which debt rises",
    "charge": "amount by which the charge rises", "rate": "percentage points by which rates rise on floating debt",
    "uses": "amount by which uses rise", "sources": "amount by which sources fall", "leverage_limit": "the limit after its step",
    "pd": "the factor of PD",
}
_VALUE = rf"([-−]?)\s?(?:(?:{'|'.join(CURRENCIES)})\s(?:m\s)?)?(\((?=[^()%\n]*\)))?({NUMBER})\)?\s?(%|x(?![a-z])|per ?cent\b)?"
_LINK = r"(?:\s*[|:=]\s*|\s+(?:of|is|are|at)\s+|\s+)"


def _phrase(words: str) -> str:
    return r"\s+".join(re.escape(word) if word != "/" else "/" for word in words.split()).replace(r"\s+/\s+", r"\s*/\s*")


def _labels(kind: str | None) -> dict[str, set[str]]:
    """phrase -> the symbols it may name."""
    out: dict[str, set[str]] = {}
    for table in [*(_BY_KIND[k] for k in _BY_KIND if kind in (None, k)), _ANY_KIND]:
        for symbol, phrases in table.items():
            for phrase in phrases:
                out.setdefault(phrase, set()).add(symbol)
    return out


def _finder(kind: str | None) -> re.Pattern:
    longest_first = sorted(_labels(kind), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(_phrase, longest_first))})(?![\w-])", re.I)


_FIND = {kind: _finder(kind) for kind in (None, *_BY_KIND)}
_FIGURE = re.compile(_LINK + _VALUE, re.I)
_NEXT = re.compile(r"\s*\|\s*" + _VALUE, re.I)
_OBLIGOR = re.compile(r"(?m)^[ \t]*(?:obligor\s+)?([AB])\s*:\s*([^\n]*)", re.I)


def _error(what: str) -> CourseError:
    return CourseError(what, "correct the case text; data/credit/vocabulary.md lists the words a case may use.")


def _twice(what: str, one: Fraction, other: Fraction) -> CourseError:
    return _error(f"The {what} is given twice with different values: {float(one):g} and {float(other):g}.")


def _clean(found: str) -> str:
    return re.sub(r"\s*/\s*", " / ", re.sub(r"\s+", " ", found.lower())).strip()


def _value(groups: tuple, symbol: str, label: str, percent: bool, warnings: list[str]) -> Fraction:
    """The number of one figure in the unit of its field, with a warning where a percentage lacks its sign."""
    sign, bracket, digits, unit = groups
    value = number(digits).value * (-1 if sign or bracket else 1)
    is_percent = bool(unit) and unit.lower() != "x"
    if percent and not is_percent:
        value = value * 100 if abs(value) < 1 or unit else value
        warnings.append(f"{label}: a percentage without its sign, read as {float(value):g} %")
    elif is_percent and not percent and symbol in LIMITS:
        value = value / 100
        warnings.append(f"{label}: a multiple written as a percentage, read as {float(value):g}x")
    elif is_percent and not percent:
        raise _error(f"The field '{label}' should be an amount and is given as {digits}%.")
    if symbol in PERCENT and not 0 <= value <= 100:
        raise _error(f"The field '{label}' is {float(value):g} %; it must lie between 0 and 100 %.")
    return value


# ---------------------------------------------------------------- the parts of a text
def _currency(text: str) -> str:
    codes = set(re.findall(rf"\b({'|'.join(CURRENCIES)})\b", text))
    if len(codes) > 1:
        raise _error(f"The case mixes two currencies: {' and '.join(sorted(codes))}.")
    if not codes:
        raise _error("The case names no currency.")
    return codes.pop()


def _kind(head: str) -> str:
    """The type of obligor: the one whose own base or debt is named."""
    named = {_clean(match.group()) for match in _FIND[None].finditer(head)}
    kinds = [kind for kind, table in _BY_KIND.items() if any(named & set(table.get(symbol, ())) for symbol in _TELLING)]
    if len(kinds) != 1:
        raise _error(f"The type of the obligor is not clear: the text has the figures of {' and '.join(kinds) or 'none'}.")
    return kinds[0]


def _figures(head: str, kind: str, warnings: list[str]) -> list[tuple[str, str, list[Fraction], int]]:
    """(symbol, label, values, position) of every label that a number follows. A table for two obligors has two values."""
    labels, found = _labels(kind), []
    for match in _FIND[kind].finditer(head):
        label = _clean(match.group())
        (symbol,) = labels[label]
        value = _FIGURE.match(head, match.end())
        if not value:
            continue
        percent = symbol in PERCENT or (symbol == "leverage_limit" and kind != CORPORATE)
        values = [_value(value.groups(), symbol, label, percent, warnings)]
        if second := _NEXT.match(head, value.end()):
            values.append(_value(second.groups(), symbol, label, percent, warnings))
        found.append((symbol, label, values, match.start()))
    return found


def _collect(figures: list, column: int, section: tuple[int, int], two: bool) -> dict[str, Fraction]:
    """symbol -> value for one obligor. Raises where a field has two values."""
    out: dict[str, Fraction] = {}
    for symbol, label, values, at in figures:
        if two and len(values) == 1 and symbol not in LIMITS and not section[0] <= at < section[1]:
            continue
        value = values[column] if len(values) > column and two else values[0]
        if not two and len(values) > 1 and values[1] != value:
            raise _twice(f"field '{label}'", value, values[1])
        if out.setdefault(symbol, value) != value:
            raise _twice(f"field '{label}'", out[symbol], value)
    return out


def _base(found: dict, kind: str) -> tuple[Fraction | None, tuple | None]:
    if kind != CORPORATE or "profit" not in found or "depreciation" not in found:
        return found.get("base"), None
    total = found["profit"] + found["depreciation"]
    if found.get("base", total) != total:
        raise _twice("field 'ebitda' (also operating profit + depreciation)", found["base"], total)
    return total, (found["profit"], found["depreciation"])


def _facts(found: dict, name: str, kind: str, currency: str, shocks: dict, warnings: list[str]) -> Facts:
    base, parts = _base(found, kind)
    values = {**found, "base": base, "earnings": base if kind == CORPORATE else found.get("earnings")}
    table = {**_BY_KIND[kind], **_ANY_KIND}
    needed = ["base", "debt", "leverage_limit", "earnings", "charge", "cover_limit", "uses", "pd", "lgd", "ead", "budget"]
    needed += ["cash", "line"] if kind == CORPORATE else ["sources"]
    for symbol in [*needed, *(["floating"] if "rate" in shocks else [])]:
        if values.get(symbol) is None:
            who = f" of {name}" if name else ""
            raise _error(f"The field '{table[symbol][0]}'{who} is missing from the case.")
    sources = (values["cash"], values["line"]) if kind == CORPORATE else (values["sources"],)
    single = {s: values[s] for s in needed if s not in ("cash", "line", "sources")}
    return Facts(name, kind, currency, sources=sources, floating=values.get("floating"), parts=parts, shocks=shocks,
                 warnings=tuple(dict.fromkeys(warnings)), **single)


# ---------------------------------------------------------------- the scenario
def _shock_patterns(kind: str) -> list[tuple[str, re.Pattern]]:
    def name(symbol):
        return "(?:" + "|".join(map(_phrase, {**_BY_KIND[kind], **_ANY_KIND}[symbol])) + ")"

    falls, rises = r"\s+(?:falls?\s+by|down)\s+", r"\s+(?:rises?\s+by|up)\s+"
    sources = r"liquidity" if kind == CORPORATE else name("sources")
    out = [("rate", r"rates\s+(?:rise\s+by|up)\s+" + rf"()()({NUMBER})\s+((?:percentage\s+)?points?|basis\s+points?)"),
           ("leverage_limit", r"leverage\s+limit\s+(?:steps\s+down|cut)\s+to\s+" + _VALUE),
           ("pd", name("pd") + r"\s+(?:(?:is\s+)?multiplied\s+by|x)\s+" + _VALUE),
           ("base", name("base") + falls + _VALUE), ("debt", name("debt") + rises + _VALUE),
           ("charge", name("charge") + rises + _VALUE), ("uses", name("uses") + rises + _VALUE),
           ("sources", sources + falls + _VALUE)]
    if kind != CORPORATE:
        out.append(("earnings", name("earnings") + falls + _VALUE))
    return [(symbol, re.compile(r"(?<![\w-])" + pattern, re.I)) for symbol, pattern in out]


_SHOCKS = {kind: _shock_patterns(kind) for kind in _BY_KIND}


def _shocks(tail: str, kind: str, warnings: list[str]) -> dict[str, Fraction]:
    """symbol -> size. Raises when a number of the scenario belongs to no shock that the policy knows."""
    out, rest = {}, tail
    for symbol, pattern in _SHOCKS[kind]:
        for match in pattern.finditer(tail):
            percent = symbol in ("base", "earnings", "debt") or (symbol == "leverage_limit" and kind != CORPORATE)
            groups = match.groups()
            unit = (groups[3] or "").lower() if symbol == "rate" else ""
            groups = (*groups[:3], None) if symbol == "rate" else groups
            label = f"shock to {symbol.replace('_', ' ')}"
            value = _value(groups, "leverage_limit" if symbol == "leverage_limit" else "shock", label, percent, warnings)
            value = value / 100 if unit.startswith("basis") else value
            if out.setdefault(symbol, value) != value:
                raise _twice(label, out[symbol], value)
            rest = rest[:match.start()] + " " * (match.end() - match.start()) + rest[match.end():]
    if left := re.search(rf"(?<![\w-]){NUMBER}%?", rest):
        around = " ".join(rest[max(0, left.start() - 40):left.end() + 10].split())
        raise _error(f"The scenario holds a number that fits no shock of the policy: '{around}'.")
    if not out:
        raise _error("The scenario names no shock.")
    return out


def read_case(text: str) -> Facts | tuple[Facts, Facts]:
    """The facts of a case, of two obligors where the text has an A and a B.

    Raises CourseError naming the field for a missing or contradictory figure, two currencies, or a shock that is not understood.
    """
    parts = re.split(r"\bscenario\b", text, maxsplit=1, flags=re.I)
    if len(parts) != 2:
        raise _error("The case has no scenario: the word 'scenario' does not occur.")
    head, tail = parts
    currency, kind, warnings = _currency(text), _kind(head), []
    starts = [match for match in _OBLIGOR.finditer(head)]
    figures, shocks = _figures(head, kind, warnings), _shocks(tail, kind, warnings)
    if [match[1].upper() for match in starts] != ["A", "B"]:
        return _facts(_collect(figures, 0, (0, len(head)), False), "", kind, currency, shocks, warnings)
    first, second = starts
    sections = (first.start(), second.start()), (second.start(), len(head))
    return tuple(_facts(_collect(figures, i, sections[i], True), "AB"[i], kind, currency, shocks, warnings) for i in (0, 1))
