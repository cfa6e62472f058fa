"""Which of the calculations that a case requires does an answer show, and are they right? Part of the independent grader."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from ..runtime import CourseError
from .arithmetic import NUMBER, PERCENT, POINT, Number, agrees, evaluate, half_away, number
from .claims import Calculation
from .judging import ACTIONS, NAMES, Required, Truth

_UNIT = r"(?:\s?(%|bn\b|k\b|thousand\b|billion\b|million\b|m\b))?"
_FACTORS = {"%": PERCENT, "bn": Fraction(1000), "billion": Fraction(1000), "k": Fraction(1, 1000), "thousand": Fraction(1, 1000)}
LARGEST_ERROR = 1.0  # a relative error counts as 100 % at most, so that one runaway number does not drown the others
_SYMBOLS = {"B": "base", "D": "debt", "E": "earnings", "I": "charge", "U": "uses", "S": "sources", "PD": "pd",
            "L' x B'": "allowed", "C x I'": "asked", "PD' x LGD x EAD": "loss"}


@dataclass(frozen=True)
class Shown:
    """One required calculation in an answer. status: right, wrong or missing; claimed: the result it states (PD' in percent)."""

    name: str
    expected: float
    status: str
    claimed: float | None = None

    @property
    def error(self) -> float | None:
        """The relative error of the stated result, at most `LARGEST_ERROR`; None where none is stated."""
        if self.claimed is None:
            return None
        return min(abs(self.claimed - self.expected) / max(abs(self.expected), 0.01), LARGEST_ERROR)


def _equals(step: Required, claim: Number) -> bool:
    """True when a stated number is the step's result, in the right unit."""
    if step.percent:
        options = [Number(claim.value, claim.decimals)] if claim.factor == PERCENT else [
            claim, Number(claim.value * 100, max(claim.decimals - 2, 0))]
    elif claim.factor in (PERCENT, POINT):
        return False
    else:
        options = [claim]
    return any(option.amount == step.value or agrees(option, step.exact, step.places) for option in options)


def _uses(calculation: Calculation, group: frozenset) -> bool:
    return any(n.amount in group or (n.factor in (1, PERCENT) and n.value in group) for n in calculation.numbers)


def _belongs(step: Required, calculation: Calculation) -> bool:
    return sum(_uses(calculation, group) for group in step.operands) >= step.needed


def in_percent(step: Required, calculation: Calculation) -> bool:
    """`1.8 x 2 = 3.6%`: a PD counted in percent points, with the sign only at the end, is right."""
    return (step.percent and calculation.true is not None and calculation.claimed.factor == PERCENT
            and all(n.factor == 1 for n in calculation.numbers) and _belongs(step, calculation)
            and agrees(Number(calculation.claimed.value, calculation.claimed.decimals), calculation.true, step.places))


@cache
def _named(words: tuple[str, ...]) -> re.Pattern:
    either = "|".join(map(re.escape, words))
    value = rf"({NUMBER}){_UNIT}"
    return re.compile(rf"(?<![\w-])(?:{either})\b'?([^\d\n.;]{{0,40}}?)(?<![\w.]){value}"
                      rf"|(?<![\w.]){value}\s(?:{either})(?![\w-])", re.I)


def _named_values(step: Required, text: str, owners: list[tuple[int, str]]) -> list[tuple[Number, bool]]:
    """(number, surely meant as the result) for the numbers beside the step's name."""
    found = []
    for match in _named(step.words).finditer(text):
        gap, digits, unit = (match[1] or "", match[2], match[3]) if match[2] else ("", match[4], match[5])
        if len(digits) > 14 or (step.obligor and owner_at(owners, match.start()) not in ("", step.obligor)):
            continue
        plain_number = number(digits)
        factor = _FACTORS.get((unit or "").lower(), Fraction(1))
        around = text[max(0, match.start() - 25):match.start()] + gap
        after = text[match.end():match.end() + 3].strip()
        if match[2] and after.startswith(("*", "x", "/", "+", "-")):
            continue  # what a further calculation starts from is no result
        sure = bool(re.search(r"stress|after|fall|becomes|rises?|grows?|now|new|shock", around, re.I))
        found.append((Number(plain_number.value, plain_number.decimals, factor), sure))
    return found


def _in_percent_or_amount(step: Required, claim: Number) -> float:
    return float(claim.value if step.percent and claim.factor == PERCENT else claim.amount)


def owner_at(owners: list[tuple[int, str]], at: int) -> str:
    """The obligor, A or B, that the text speaks of at a place; empty where it has named none yet."""
    place = bisect_right(owners, (at, "C"))
    return owners[place - 1][1] if place else ""


def check(step: Required, calculations: list[Calculation], text: str, owners: list) -> Shown:
    """Finds one required calculation among those stated, or its result beside its name."""
    expected = float(step.value)
    if step.obligor:
        calculations = [c for c in calculations if owner_at(owners, c.at) in ("", step.obligor)]
    mine = [c for c in calculations if _belongs(step, c)]
    for one in mine:
        if (one.ok and _equals(step, one.claimed)) or in_percent(step, one):
            return Shown(step.name, expected, "right", _in_percent_or_amount(step, one.claimed))
    spoiled = {c.claimed.amount for c in calculations if not c.ok}
    beside = _named_values(step, text, owners)
    for claim, _ in beside if all(one.ok for one in mine) else []:  # a result that the answer itself computes wrongly is wrong
        if _equals(step, claim) and claim.amount not in spoiled:
            return Shown(step.name, expected, "right", expected)
    wrong = [c.claimed for c in mine if not c.ok or len(c.numbers) <= len(step.operands) + 1]
    wrong += [c.claimed for c in calculations if re.search(_near_end(step.words), c.label[-45:], re.I) and not c.ok]
    wrong += [claim for claim, sure in beside if sure]
    if wrong:
        return Shown(step.name, expected, "wrong", _in_percent_or_amount(step, wrong[0]))
    return Shown(step.name, expected, "missing")


@cache
def _near_end(words: tuple[str, ...]) -> str:
    return rf"(?<![\w-])(?:{'|'.join(map(re.escape, words))})\b[^.;,\d]{{0,25}}$"


# ---------------------------------------------------------------- truth given from outside
def _expression_numbers(expression: str) -> tuple[list, list[Fraction]]:
    words = re.findall(rf"{NUMBER}|[-+*/()]", expression)
    tokens = [number(word) if word[0].isdigit() or word[0] == "." else word for word in words]
    return tokens, [token.value for token in tokens if isinstance(token, Number) and token.value not in (1, 100)]


def _step_from(entry: dict, index: int) -> Required:
    try:
        name, expression, value = str(entry["name"]), str(entry["expression"]), Fraction(str(entry["value"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CourseError(f"Required calculation {index} of the reference is malformed: {entry!r}.",
                          "give each one a name, an expression in plain arithmetic and a number as value.") from error
    tokens, numbers = _expression_numbers(expression)
    exact = evaluate(tokens)
    base, _, owner = name.partition(" of ") if re.search(r" of [AB]$", name) else (name, "", "")
    symbol = _SYMBOLS.get(base) or _SYMBOLS.get(base.rstrip("'"))
    words = {word for phrases in NAMES.get(symbol, {}).values() for word in phrases} if symbol else {base.lower()}
    percent, places = symbol == "pd", 2 if symbol in ("pd", "loss") else 1
    if exact is None or (not agrees(Number(value, 6), exact, places) and half_away(exact, places) != value):
        raise CourseError(f"Required calculation {name!r} of the reference: {expression} is not {entry['value']}.",
                          "correct the expression or its value.")
    groups = tuple(frozenset({n, n / 100}) for n in numbers)
    return Required(name, expression, value, exact, groups, tuple(sorted(words, key=len, reverse=True)), places, percent, owner,
                    math.ceil(len(groups) / 2))


def from_reference(reference: dict) -> Truth:
    """The truth of a task that the reader cannot parse: {"decision": {action, rating, breaches, weaker}, "required": [...]}.

    Raises CourseError for a malformed reference.
    """
    decision = reference.get("decision") if isinstance(reference, dict) else None
    if not isinstance(decision, dict) or decision.get("action") not in ACTIONS:
        raise CourseError("The reference has no decision with one of the five actions.",
                          f"give it a decision whose action is one of {', '.join(ACTIONS)}.")
    steps = tuple(_step_from(entry, i + 1) for i, entry in enumerate(reference.get("required", [])))
    return Truth(decision["action"], decision.get("rating"), tuple(decision.get("breaches") or ()), decision.get("weaker"), steps)
