"""Exact numbers for the independent grader: as written, rounded as the policy rounds, computed without running them as code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

CURRENCIES = ("EUR", "USD", "GBP", "CHF", "JPY", "BRL", "INR", "PLN", "ZAR", "MXN", "SGD", "AED")
NUMBER = r"(?:\d{1,3}(?:[,']\d{3})+(?!\d)(?:\.\d+)?|0,\d+|\d+,\d{1,2}(?![\d,])|\d+(?:\.\d+)?|\.\d+)"
PERCENT, POINT = Fraction(1, 100), Fraction(1, 10000)


@dataclass(frozen=True)
class Number:
    """A number as written: its digits' `value`, the `decimals` it shows, and the `factor` of its unit (% is 1/100, million 1)."""

    value: Fraction
    decimals: int = 0
    factor: Fraction = Fraction(1)

    @property
    def amount(self) -> Fraction:
        """The number in millions, or the share that a percentage stands for."""
        return self.value * self.factor


def half_away(value: Fraction, places: int) -> Fraction:
    """Rounds half away from zero, exactly."""
    scaled = abs(value) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, 10**places)


def number(written: str) -> Number:
    """Reads digits with thousands separators, a decimal point or a decimal comma."""
    if re.fullmatch(r"0,\d+|\d+,\d{1,2}", written):
        written = written.replace(",", ".")
    written = written.replace(",", "").replace("'", "")
    decimals = len(written.partition(".")[2])
    return Number(Fraction(("0" if written[0] == "." else "") + written), decimals)


def agrees(claimed: Number, exact: Fraction, least: int = 1) -> bool:
    """True when `claimed` is `exact`, rounded half away from zero to `least` decimals or to the more that it shows.

    A percentage may be rounded to whole percents; an amount in thousands or billions may be rounded before it is converted.
    """
    if claimed.decimals > 6:  # 102.00000000000001 is how a computer writes 102
        claimed = Number(half_away(claimed.value, 6), 6, claimed.factor)
    shown = exact / claimed.factor
    first = 0 if claimed.factor in (PERCENT, POINT) else least
    if any(half_away(shown, places) == claimed.value for places in range(first, max(first, claimed.decimals) + 1)):
        return True
    return claimed.factor not in (1, PERCENT, POINT) and half_away(exact, least) == claimed.amount


# ---------------------------------------------------------------- the safe evaluator
def evaluate(tokens: list) -> Fraction | None:
    """Computes numbers, `+ - * /` and brackets, exactly. None for anything that is no expression, or divides by zero."""
    values, waiting, want_number = [], [], True
    for token in tokens:
        if isinstance(token, Number):
            if not want_number:
                return None
            values.append(token.amount)
            want_number = False
        elif token == "(":
            if not want_number:
                return None
            waiting.append("(")
        elif token == ")":
            if want_number or not _until_bracket(values, waiting):
                return None
        elif want_number and token == "-":
            waiting.append("neg")
        elif want_number:
            return None
        else:
            while waiting and waiting[-1] != "(" and _rank(waiting[-1]) >= _rank(token):
                if not _apply(values, waiting.pop()):
                    return None
            waiting.append(token)
            want_number = True
    if want_number or not all(op != "(" and _apply(values, op) for op in reversed(waiting)):
        return None
    return values[0] if len(values) == 1 else None


def _rank(op: str) -> int:
    return {"+": 1, "-": 1, "*": 2, "/": 2, "neg": 3}[op]


def _until_bracket(values: list, waiting: list) -> bool:
    while waiting and waiting[-1] != "(":
        if not _apply(values, waiting.pop()):
            return False
    return bool(waiting) and waiting.pop() == "("


def _apply(values: list, op: str) -> bool:
    if op == "neg":
        values[-1] = -values[-1]
        return True
    if len(values) < 2:
        return False
    right, left = values.pop(), values.pop()
    if op == "/" and right == 0:
        return False
    values.append(left + right if op == "+" else left - right if op == "-" else left * right if op == "*" else left / right)
    return True
