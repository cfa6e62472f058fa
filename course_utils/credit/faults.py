"""Answers with a fault worked into them: the sheet of a case is altered at one place, and everything that follows from it, too.

The decision is the one that the policy gives on the altered figures, so that such an answer is wrong at one place and consistent.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from . import writing
from .cases import Case
from .policy import TESTS, Decision, Facts, Shock, Test, decide, rounded, stress, verdict, weaker, written
from .steps import NAMES, Calc, Move, Pen, Sheet

NEEDS = {"leverage": "BD", "cover": "BEI", "liquidity": "SU", "loss": ("PD",)}
Alter = Callable[[str, Calc], Calc]


@dataclass(frozen=True)
class Told(Case):
    """A case as a faulty answer sees it: `told` is (Decision, tests of each obligor), in place of the policy's."""

    told: tuple = ()

    def judged(self):
        """What the faulty answer holds to be true."""
        return self.told


# ---------------------------------------------------------------- a sheet with a fault in it
def retold(f: Facts, hit: Shock, alter: Alter, skip: str = "") -> Sheet:
    """The sheet of an obligor with `alter(key, calculation)` applied to each calculation; everything later follows from it.

    Keys are the figures' symbols, `parts`, `rise` (of the charge) and the tests' names. skip: a test that is left out.
    """
    moves: dict[str, list[Calc]] = {}
    now = {"B": f.B, "D": f.D, "E": f.E, "I": f.I, "S": f.sources, "U": f.U, "PD": f.PD}

    def move(symbol, expression, result, key="", percent=False):
        calc = alter(key or symbol, Calc(expression, rounded(result, 2 if percent else 1), percent))
        moves.setdefault(symbol, []).append(calc)
        if key != "rise":
            now[symbol] = calc.result
        return calc.result

    if f.parts:
        move("B", f"{written(f.parts[0])}+{written(f.parts[1])}", sum(f.parts), "parts")
    for symbol, factor in (("B", 1 - hit.b / 100), ("D", 1 + hit.d / 100), ("E", 1 - hit.e / 100)):
        if factor != 1 and not (symbol == "E" and f.type == "corporate"):
            move(symbol, f"{written(now[symbol])}*{written(factor)}", now[symbol] * factor)
    rise = move("I", f"{written(f.F)}*{written(hit.r)}%", f.F * hit.r / 100, "rise") if hit.r and f.F else Decimal(0)
    for more in (rise, hit.i):
        if more:
            move("I", f"{written(now['I'])}+{written(more)}", now["I"] + more)
    if len(f.S) == 2:
        move("S", f"{written(f.S[0])}+{written(f.S[1])}", sum(f.S))
    if hit.s:
        move("S", f"{written(now['S'])}-{written(hit.s)}", max(now["S"] - hit.s, Decimal(0)))
    if hit.u:
        move("U", f"{written(f.U)}+{written(hit.u)}", f.U + hit.u)
    if hit.m != 1:
        move("PD", f"{written(f.PD)}%*{written(hit.m)}", min(f.PD * hit.m, Decimal(100)), percent=True)
    return _sheet(f, stress(f, hit), now, moves, alter, skip)


def _sheet(f: Facts, after: Facts, now: dict, moves: dict, alter: Alter, skip: str) -> Sheet:
    earned = now["B"] if f.type == "corporate" else now["E"]
    limit = written(after.L) + ("" if f.type == "corporate" else "%")
    sums = {
        "leverage": Calc(f"{limit}*{written(now['B'])}", rounded(after.limit * now["B"])),
        "cover": Calc(f"{written(f.C)}*{written(now['I'])}", rounded(f.C * now["I"])),
        "loss": Calc(f"{written(now['PD'])}%*{written(f.LGD)}%*{written(f.EAD)}", rounded(now["PD"] * f.LGD * f.EAD / 10000, 2)),
    }
    sums = {name: alter(name, calc) for name, calc in sums.items() if name != skip}
    result = {name: calc.result for name, calc in sums.items()}
    pairs = {"leverage": (now["D"], result.get("leverage")), "cover": (result.get("cover"), earned),
             "liquidity": (now["U"], now["S"]), "loss": (result.get("loss"), f.K)}
    tests = tuple(Test(name, *pair, verdict(*pair)) for name, pair in pairs.items() if name != skip)
    needed = {symbol for name, symbols in NEEDS.items() if name != skip for symbol in symbols}
    return Sheet(NAMES[f.type], tuple(Move(s, NAMES[f.type][s], tuple(c)) for s, c in moves.items() if s in needed), tests, sums)


def unaltered(_: str, calc: Calc) -> Calc:
    """Leaves a calculation as it is."""
    return calc


def decided(sheets: list[Sheet]) -> tuple[Decision, tuple]:
    """(decision, tests of each obligor) by the policy on what the sheets say; a test that was left out counts as a pass."""
    tests = []
    for made in sheets:
        found = {t.name: t for t in made.tests}
        tests.append(tuple(found.get(name) or Test(name, Decimal(0), Decimal(1), "pass") for name in TESTS))
    if len(tests) == 1:
        return decide(tests[0]), tuple(tests)
    who = weaker(*tests)
    return replace(decide(tests["AB".index(who)]), weaker=who), tuple(tests)


# ---------------------------------------------------------------- writing it
def tell(case: Case, sheets: list[Sheet], rng: random.Random, decision: Decision | None = None) -> str:
    """The reasoning text of a case by these sheets, in any of the data set's forms; decision: another than the sheets'."""
    found, tests = decided(sheets)
    decision = decision or found
    told = Told(**{f.name: getattr(case, f.name) for f in fields(Case)}, told=(decision, tests))
    pen, order = Pen(rng), rng.choice(writing.ORDERS)
    if len(sheets) == 2:
        body = _pair(told, sheets, pen, order)
    else:
        rated = {"leverage", "cover"} <= {t.name for t in sheets[0].tests}
        form = rng.choice(writing.FORMS if rated else ("lines", "questions", "ledger"))  # the others may speak of both
        body = writing.FORM[form](told, sheets[0], pen, order)
    text = pen.finish("\n".join([*body, decision.block]))[0]
    return _of_three(text) if any(len(made.tests) < 4 for made in sheets) else text


def _pair(case: Told, sheets: list[Sheet], pen: Pen, order: str) -> list[str]:
    rng, blocks = pen.rng, []
    for letter, made in zip("AB", sheets, strict=True):
        inner = [*(writing.moved(m, pen, " ") for m in made.moves),
                 *(f"{t.name}: {writing.compact(t, made, pen)}" for t in writing.ordered(made, order))]
        blocks.append(f"{letter}: {'. '.join(map(writing.capital, inner))}. {writing.summary(made.tests, rng)}")
    opening = [writing.opening(case, rng)] if rng.random() < 0.5 else []
    closing = [writing.closing(case, rng)] if rng.random() < 0.5 else []
    return [*opening, *blocks, writing.compared(case, rng), *closing]


def _of_three(text: str) -> str:
    """An answer that leaves out a test does not speak of four."""
    for old, new in (("All four tests pass", "All tests pass"), ("Four passes, no breach", "Passes only, no breach"),
                     ("We count four passes", "We count passes only"), ("of the four tests", "of the tests")):
        text = text.replace(old, new)
    return re.sub(r", so (one|two|three) of four\b", r", so \1", text)


# ---------------------------------------------------------------- calculations that go wrong
def slip(calc: Calc, rng: random.Random) -> Calc:
    """The same calculation with a result as a hurried person gets it: a digit, a carry, two digits swapped, the point moved."""
    right, places = calc.result, 2 if calc.percent or calc.expression.count("%") > 1 else 1
    digits = written(right)
    kind = rng.choice(("digit", "digit", "carry", "carry", "swap", "point"))
    if kind == "digit":
        spots = [k for k, c in enumerate(digits) if c.isdigit()]
        at = rng.choice(spots[1:] or spots)
        wrong = Decimal(digits[:at] + str((int(digits[at]) + rng.choice((-3, -2, -1, 1, 2, 3))) % 10) + digits[at + 1:])
    elif kind == "carry":
        wrong = right + rng.choice((-1, 1)) * Decimal(10) ** max(right.adjusted() - rng.choice((0, 1, 1)), -1)
    elif kind == "swap":
        twos = [digits[k:k + 2] for k in range(len(digits) - 1)]
        spots = [k for k, two in enumerate(twos) if two.isdigit() and two[0] != two[1] != "0"]
        at = rng.choice(spots) if spots else None
        wrong = right if at is None else Decimal(digits[:at] + digits[at + 1] + digits[at] + digits[at + 2:])
    else:
        wrong = right * rng.choice((Decimal(10), Decimal("0.1")))
    wrong = rounded(wrong, places)
    fits = wrong > 0 and wrong != right and not (calc.percent and wrong > 100)
    return replace(calc, result=wrong) if fits else slip(replace(calc, result=right), rng)


UNITS = {  # key of a calculation -> faults: (what is mistaken, what in the expression, for what)
    "rise": (("a rise in rates ten times too large", "r", 10), ("a rise in rates ten times too small", "r", Decimal("0.1")),
             ("percentage points taken as a factor", "r", 100)),
    "loss": (("PD taken as a plain number", "PD", 100), ("PD a hundred times too small", "PD", Decimal("0.01")),
             ("LGD taken as a plain number", "LGD", 100), ("LGD ten times too small", "LGD", Decimal("0.1"))),
    "leverage": (("the limit taken in the wrong unit", "L", None),),
    "cover": (("a multiple taken as a percentage", "C", Decimal("0.01")),),
}


def misread(key: str, calc: Calc, fault: tuple) -> Calc:
    """The calculation with one of its percentages or multiples read in a wrong unit, and computed rightly from there."""
    _, which, factor = fault
    parts = calc.expression.split("*")
    at = {"r": 1, "PD": 0, "LGD": 1, "L": 0, "C": 0}[which]
    bare, percent = parts[at].rstrip("%"), parts[at].endswith("%")
    if factor is None:
        factor = 100 if percent else Decimal("0.01")
    if factor == 100:
        parts[at] = bare
    elif not percent:
        parts[at] = bare + "%"
    else:
        parts[at] = written(Decimal(bare) * factor) + "%"
    result = rounded(calc.result * factor, 2 if key == "loss" else 1)
    return replace(calc, expression="*".join(parts), result=result)
