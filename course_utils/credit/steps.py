"""The calculations that an answer must show, in order and with their results, and how a calculation is written.

`120 x 0.85 = 102` for a reader, `<<120*0.85=102>>` for the calculator arm.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from decimal import Decimal

from .policy import Facts, Shock, Test, four_tests, rounded, stress, written

NAMES = {  # what an answer calls the figures
    "corporate": {"B": "EBITDA", "D": "net debt", "E": "EBITDA", "I": "interest", "S": "cash and line", "U": "debt due",
                  "PD": "PD"},
    "sovereign": {"B": "GDP", "D": "debt", "E": "revenue", "I": "interest", "S": "reserves", "U": "short-term debt", "PD": "PD"},
    "structured": {"B": "collateral", "D": "notes", "E": "cash flow", "I": "debt service", "S": "reserve account",
                   "U": "required reserve", "PD": "PD"},
}
USED_IN = {"B": "leverage", "D": "leverage", "E": "cover", "I": "cover", "S": "liquidity", "U": "liquidity", "PD": "loss"}


@dataclass(frozen=True)
class Calc:
    """One calculation. expression: `120*0.85`, percentages as `6%`; percent: the result is a percentage."""

    expression: str
    result: Decimal
    percent: bool = False

    @property
    def plain(self) -> str:
        """For a reader: `6% x 45% x 50 = 1.35`."""
        spaced = self.expression.replace("*", " x ").replace("/", " / ").replace("+", " + ").replace("-", " - ")
        return f"{spaced} = {written(self.result)}{'%' if self.percent else ''}"

    @property
    def marked(self) -> str:
        """For the calculator: `<<6/100*45/100*50=1.35>>`."""
        if self.percent:
            return f"<<{self.expression.replace('%', '')}={written(self.result)}>>%"
        return f"<<{self.expression.replace('%', '/100')}={written(self.result)}>>"


def used(test: Test) -> Calc | None:
    """The share of what is there that is used, `need/have`: above 1 a breach, above 0.9 tight. None where nothing is there."""
    if test.have <= 0:
        return None
    return Calc(f"{written(test.need)}/{written(test.have)}", rounded(test.need / test.have, 2))


@dataclass(frozen=True)
class Move:
    """What the scenario does to one figure (`symbol`), and the sums that follow its new value."""

    symbol: str
    name: str
    calcs: tuple[Calc, ...]

    @property
    def test(self) -> str:
        """The first test that needs it."""
        return USED_IN[self.symbol]


@dataclass(frozen=True)
class Sheet:
    """All that is worked out for one obligor: the moves, the four tests, the sum inside each test (liquidity has none)."""

    names: dict[str, str]
    moves: tuple[Move, ...]
    tests: tuple[Test, ...]
    sums: dict[str, Calc]

    @property
    def required(self) -> list[Calc]:
        """Every calculation that the policy page asks an answer to show."""
        return [c for m in self.moves for c in m.calcs] + list(self.sums.values())


def _scaled(value: Decimal, percent: Decimal, up: bool) -> Calc:
    factor = 1 + percent / 100 if up else 1 - percent / 100
    return Calc(f"{written(value)}*{written(factor)}", rounded(value * factor))


def _added(value: Decimal, change: Decimal, sign: str = "+") -> Calc:
    return Calc(f"{written(value)}{sign}{written(change)}", rounded(value + change if sign == "+" else value - change))


def _moves(f: Facts, hit: Shock) -> dict[str, list[Calc]]:
    found = {s: [] for s in USED_IN}
    if f.parts:
        found["B"].append(_added(*f.parts))
    if hit.b:
        found["B"].append(_scaled(f.B, hit.b, False))
    if hit.d:
        found["D"].append(_scaled(f.D, hit.d, True))
    if hit.e and f.type != "corporate":
        found["E"].append(_scaled(f.E, hit.e, False))
    charge = f.I
    if hit.r and f.F:
        rise = Calc(f"{written(f.F)}*{written(hit.r)}%", rounded(f.F * hit.r / 100))
        found["I"] += [rise, _added(charge, rise.result)]
        charge += rise.result
    if hit.i:
        found["I"].append(_added(charge, hit.i))
    if len(f.S) == 2:
        found["S"].append(_added(*f.S))
    if hit.s:
        found["S"].append(_added(f.sources, hit.s, "-"))
    if hit.u:
        found["U"].append(_added(f.U, hit.u))
    if hit.m != 1:
        found["PD"].append(Calc(f"{written(f.PD)}%*{written(hit.m)}", rounded(f.PD * hit.m, 2), percent=True))
    return {s: calcs for s, calcs in found.items() if calcs}


def sheet(f: Facts, hit: Shock) -> Sheet:
    """Works a case out on paper."""
    after, names = stress(f, hit), NAMES[f.type]
    tests = four_tests(after)
    limit = written(after.L) + ("" if f.type == "corporate" else "%")
    sums = {
        "leverage": Calc(f"{limit}*{written(after.B)}", tests[0].have),
        "cover": Calc(f"{written(f.C)}*{written(after.I)}", tests[1].need),
        "loss": Calc(f"{written(after.PD)}%*{written(f.LGD)}%*{written(f.EAD)}", tests[3].need),
    }
    return Sheet(names, tuple(Move(s, names[s], tuple(c)) for s, c in _moves(f, hit).items()), tests, sums)


class Pen:
    """Writes a text once, with places for its calculations, and hands it out in both spellings."""

    def __init__(self, rng: random.Random):
        self.rng, self.calcs = rng, []

    def sum(self, calc: Calc) -> str:
        """A place in the text where the calculation will stand."""
        self.calcs.append(calc)
        return f"\u27e6{len(self.calcs) - 1}\u27e7"

    def finish(self, text: str) -> tuple[str, str]:
        """(reasoning, calculator): the same text in the two spellings."""
        def spelt(spelling):
            return re.sub("\u27e6(\\d+)\u27e7", lambda m: getattr(self.calcs[int(m[1])], spelling), text)

        return spelt("plain"), spelt("marked")
