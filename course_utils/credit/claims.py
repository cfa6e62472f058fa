"""Finds the calculations that an answer states, in any notation, and computes each again. Part of the independent grader.

`120 x 0.85 = 102`, `<<120*0.85=102>>`, `6% x 45% x 50 = 1.35`, `EUR 120m × 0.85 = EUR 102m`, `300 - 18 = 282 - 30 = 252`.
The text is cut into tokens once, from left to right, so the time grows with its length and no faster.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from .arithmetic import CURRENCIES, NUMBER, PERCENT, POINT, Number, agrees, evaluate, number

LONGEST = 40  # tokens of one expression, and parts of one chain; what is longer is noise, not a calculation
REPEATS = 4
_SAME = {"−": "-", "‒": "-", "–": "-", "×": "*", "✕": "*", "✖": "*", "⋅": "*", "·": "*", "∙": "*", "÷": "/", "⁄": "/", "≈": "=",
         "→": "=", "⇒": "=", "➜": "=", "＝": "=", "≃": "=", "≅": "=", "€": " EUR ", "$": " ", "£": " ", "¥": " ", "`": " ",
         "’": "'", "′": "'", "‘": "'", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " ", "％": "%"}
_TABLE = str.maketrans(_SAME)
_LATEX = re.compile(r"\\(times|cdot|div|approx|rightarrow|Rightarrow|%|text|mathrm|,|;|\(|\)|\[|\]|&)")
_LATEX_AS = {"times": "*", "cdot": "*", "div": "/", "approx": "=", "rightarrow": "=", "Rightarrow": "=", "%": "%", "&": " "}
_REMARK = re.compile(r"\([^()\d\n]{1,60}\)")  # (a remark without figures) between a number and its operator
_SPACED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_BULLET = re.compile(r"(?m)^[ >]*[-*+•][ ]+")
_TOKEN = re.compile(
    rf"(?P<delim><<|>>)|(?P<num>(?<![\w.]){NUMBER}|(?<=[xX*]){NUMBER})"
    r"|(?P<unit>%|\b(?:percentage points?|basis points?|per ?cent|millions?|billions?|thousands?|points?)\b"
    r"|(?:(?<=\d)|(?<=\d )|(?<=[A-Z]{3} ))(?:mn|mio|mm|m|bn|bln|k|pp|bps?|tn)\b)"
    rf"|(?P<cur>\b(?:{'|'.join(CURRENCIES)}|US)\b)"
    r"|(?P<eq>=>|->|==?|\b(?:equals|gives|yields|makes|is|comes to|amounts to)\b)|(?P<cmp>[<>]=?)|(?P<x>[xX](?![A-Za-z_']))"
    r"|(?P<op>[*/+-]|\b(?:times|multiplied by|divided by|plus|minus|less(?! than)|of)\b)"
    r"|(?P<lp>[(\[])|(?P<rp>[)\]])|(?P<nl>\n)|(?P<word>[^\W\d_][\w']*(?:-[^\W\d_][\w']*)*)|(?P<stop>[^\s])"
)
_WORD_OP = {"times": "*", "multiplied by": "*", "divided by": "/", "plus": "+", "minus": "-", "less": "-", "of": "*"}
_UNITS = {"%": PERCENT, "percent": PERCENT, "per cent": PERCENT, "pp": PERCENT, "point": PERCENT, "percentage point": PERCENT,
          "bp": POINT, "basis point": POINT, "thousand": Fraction(1, 1000), "k": Fraction(1, 1000),
          "billion": Fraction(1000), "bn": Fraction(1000), "bln": Fraction(1000), "tn": Fraction(10**6)}
_SHOWN_UNITS = {Fraction(1): "", PERCENT: "%", Fraction(1000): "bn", Fraction(1, 1000): "k", POINT: "bp"}


@dataclass(frozen=True)
class Calculation:
    """One stated calculation: what was written, what it claims, what is true (None: it cannot be computed), and its numbers.

    label: the words before it on its line; at: where it begins in the cleaned text.
    """

    expression: str
    claimed: Number
    true: Fraction | None
    ok: bool
    numbers: tuple[Number, ...]
    label: str = ""
    at: int = 0


def plain(text: str, remarks: bool = False) -> str:
    """The text with one sign for each operator and without Markdown or LaTeX dress. remarks: keep bracketed words."""
    text = _SPACED.sub("", text)
    text = _LATEX.sub(lambda m: _LATEX_AS.get(m[1], " "), text.replace("**", "").replace("__", "")).translate(_TABLE)
    text = _BULLET.sub("", text).replace("{", "(").replace("}", ")").replace("≤", "<=").replace("≥", ">=")
    return text if remarks else _REMARK.sub(" ", text)


# ---------------------------------------------------------------- from text to runs of tokens
@dataclass
class _Run:
    parts: list  # token lists between equal signs
    at: int
    end: int = 0
    before: Number | None = None  # the number that stands before a bracket: 102 (120 x 0.85)


def _tokens(text: str) -> list[tuple]:
    """(kind, value, start, end). Units are folded into their number; currency codes and the x of a multiple are dropped."""
    out = []
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup, match.group().lower()
        if kind == "cur":
            continue
        if kind == "num":
            kind, value = ("num", number(word)) if len(word) <= 24 else ("stop", word)
        elif kind == "unit":
            singular = word.rstrip("s") if word not in ("%",) else word
            if out and out[-1][0] == "num":
                written = out[-1][1]
                factor = _UNITS.get(singular, Fraction(1))
                out[-1] = ("num", Number(written.value, written.decimals, written.factor * factor), out[-1][2], match.end())
                continue
            kind, value = "word", word
        elif kind == "op":
            value = _WORD_OP.get(word, word)
            if word == "of" and not (out and out[-1][0] == "num" and out[-1][1].factor == PERCENT):
                kind, value = "word", word
        else:
            value = word
        out.append((kind, value, match.start(), match.end()))
    return out


def _is_times(tokens: list, i: int) -> bool:
    """An x multiplies when an operand follows, at once or (if it stands alone) behind a name; else it marks a multiple."""
    attached = i > 0 and tokens[i - 1][3] == tokens[i][2]
    for kind, *_ in tokens[i + 1:i + (2 if attached else 5)]:
        if kind in ("num", "lp"):
            return True
        if kind != "word":
            return False
    return False


def _operand_follows(tokens: list, i: int, words: int = 3) -> bool:
    for kind, value, *_ in tokens[i + 1:i + 2 + words]:
        if kind in ("num", "lp") or (kind == "op" and value == "-"):
            return True
        if kind != "word":
            return False
    return False


def _runs(tokens: list) -> list[_Run]:
    """Stretches of numbers, operators and equal signs; words may stand only between an operator and its operand."""
    runs, run, last, has_op = [], None, None, False
    for i, (kind, value, start, end) in enumerate(tokens):
        if kind == "x":
            kind, value = ("op", "*") if _is_times(tokens, i) else ("skip", value)
        if kind == "eq" and value.isalpha() and not (has_op and i + 1 < len(tokens) and tokens[i + 1][0] == "num"):
            kind = "word"
        if kind == "skip" or (kind == "nl" and i + 1 < len(tokens) and tokens[i + 1][0] == "eq"):
            continue
        if kind == "word" and last in ("op", "eq") and run and _operand_follows(tokens, i, 2):
            continue
        if kind not in ("num", "op", "eq", "lp", "rp") or (kind == "num" and last in ("num", "rp")):
            run, last, has_op = None, None, False
            if kind != "num":
                continue
        before = None
        if kind == "lp" and last in ("num", "rp"):
            before = run.parts[-1][-1] if run and last == "num" else None
            run = None
        if run is None:
            run, has_op = _Run([[]], start, before=before), False
            runs.append(run)
        if kind == "eq":
            run.parts.append([])
            has_op = False
        else:
            run.parts[-1].append({"lp": "(", "rp": ")"}.get(kind, value))
            has_op = has_op or (kind == "op" and last in ("num", "rp"))
        run.end, last = end, kind
    return runs


def _tidy(part: list) -> list:
    """Without brackets left open by the cut and without a leading or trailing sign that is none (a bullet, a dash)."""
    part = list(part[:LONGEST + 1])
    while part and part[-1] in ("+", "-", "*", "/", "("):
        part.pop()
    while part and part[0] in ("+", "*", "/", ")"):
        part.pop(0)
    opened, closed = part.count("("), part.count(")")
    while opened > closed and part and part[0] == "(":
        part.pop(0)
        opened -= 1
    while closed > opened and part and part[-1] == ")":
        part.pop()
        closed -= 1
    return part


def _operators(part: list) -> int:
    return sum(token in ("+", "*", "/") or (token == "-" and i > 0 and part[i - 1] != "(") for i, token in enumerate(part))


def _single(part: list) -> Number | None:
    """The number that a part without operators stands for."""
    inner = [token for token in part if token not in ("(", ")")]
    if len(inner) == 2 and inner[0] == "-" and isinstance(inner[1], Number):
        return Number(-inner[1].value, inner[1].decimals, inner[1].factor)
    return inner[0] if len(inner) == 1 and isinstance(inner[0], Number) else None


def _show(part: list) -> str:
    words = []
    for token in part:
        if isinstance(token, Number):
            words.append(f"{float(token.value):.12g}{_SHOWN_UNITS.get(token.factor, '?')}")
        else:
            words.append({"*": " x ", "+": " + ", "-": " - ", "/": " / "}.get(token, token))
    return "".join(words).strip()


def _claims(run: _Run) -> list[tuple[list, Number]]:
    """Pairs of an expression and the number that it is said to equal."""
    parts = [_tidy(part) for part in run.parts[:LONGEST]]
    if len(parts) == 1:
        return [(parts[0], run.before)] if run.before and _operators(parts[0]) else []
    found = []
    for i, part in enumerate(parts):
        if not _operators(part) or len(part) > LONGEST:
            continue
        following, before = parts[i + 1] if i + 1 < len(parts) else [], parts[i - 1] if i else []
        if (claim := _single(following)) is not None:
            found.append((part, claim))
        elif _operators(following):
            found += _linked(part, following, parts[i + 2:])
        elif not following and (claim := _single(before)) is not None:
            found.append((part, claim))
    return found


def _linked(part: list, following: list, rest: list) -> list[tuple[list, Number]]:
    """`a - b = c - d = e`: either both sides are equal and the last number is meant, or the first number of the next step is."""
    mine, theirs = evaluate(part), evaluate(following)
    last = next((claim for claim in map(_single, rest) if claim is not None), None)
    if mine is not None and last is not None and (mine == theirs or agrees(last, mine)):
        return [(part, last)]
    if mine is not None and mine == theirs:
        return []  # a rewriting without a result
    first = next((token for token in following if isinstance(token, Number)), None)
    return [(part, first)] if first is not None and following[0] is first else []


def _true(part: list, claimed: Number) -> Fraction | None:
    """The value of an expression. Where that is what the result says, `120 - 15%` is 15 % off, and a leading dash is no minus."""
    true = evaluate(part)
    if part[0] == "-" and (without := evaluate(part[1:])) is not None and agrees(claimed, without):
        return without
    plain_numbers = len(part) == 3 and isinstance(part[0], Number) and isinstance(part[2], Number) and part[1] in ("+", "-")
    if plain_numbers and part[2].factor == PERCENT and part[0].factor == 1:
        off = part[0].amount * (1 + part[2].amount * (1 if part[1] == "+" else -1))
        true = off if agrees(claimed, off) else true
    return true


def stated(text: str) -> list[Calculation]:
    """Every calculation that `text` states with a result, in order; what an answer repeats endlessly counts `REPEATS` times."""
    text = plain(text)
    found, seen = [], Counter()
    for run in _runs(_tokens(text)):
        for part, claimed in _claims(run):
            true, shown = _true(part, claimed), _show(part)
            seen[shown, claimed] += 1
            if seen[shown, claimed] > REPEATS:
                continue
            numbers = tuple(token for token in part if isinstance(token, Number))
            label = text[max(text.rfind("\n", 0, run.at) + 1, run.at - 80):run.at]
            found.append(Calculation(shown, claimed, true, true is not None and agrees(claimed, true), numbers, label, run.at))
    return found
