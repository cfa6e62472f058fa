"""What the credit policy says of a case: stressed figures, four tests, decision, and the calculations an answer owes.

The grader's own implementation of `data/credit/policy.md`, from facts read out of the text: exact fractions, rounded where the
policy rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from .arithmetic import half_away
from .reading import CORPORATE, SOVEREIGN, Facts, read_case

ACTIONS = ("approve", "approve with conditions", "watch-list", "reduce exposure", "decline")
RATINGS = ("affirm", "one notch down", "two notches down")
TESTS = ("leverage", "cover", "liquidity", "loss")


@dataclass(frozen=True)
class Required:
    """One calculation that an answer must show.

    value: rounded by the policy, PD' in percent; exact: the same without any rounding on the way. operands: groups of numbers; a
    calculation belongs to this one when it uses at least `needed` of the groups. words: phrases that name the result.
    """

    name: str
    expression: str
    value: Fraction
    exact: Fraction
    operands: tuple[frozenset, ...]
    words: tuple[str, ...]
    places: int = 1
    percent: bool = False
    obligor: str = ""
    needed: int = 0


@dataclass(frozen=True)
class Judged:
    """One obligor under the policy: test name -> (need, have, verdict), and its required calculations in order."""

    tests: dict[str, tuple[Fraction, Fraction, str]]
    required: tuple[Required, ...]

    def having(self, verdict: str) -> list[str]:
        """The tests with this verdict, in the policy's order."""
        return [name for name in TESTS if self.tests[name][2] == verdict]


@dataclass(frozen=True)
class Truth:
    """The policy's answer to a case. weaker: A, B, or None for a single obligor."""

    action: str
    rating: str
    breaches: tuple[str, ...]
    weaker: str | None
    required: tuple[Required, ...]
    judged: tuple[Judged, ...] = ()
    warnings: tuple[str, ...] = ()


def action_for(breaches: int, tight: int) -> str:
    """The action that follows from the number of breaches and of tight tests."""
    return ACTIONS[min(breaches + 1, 4)] if breaches else ACTIONS[min(tight, 1)]


def rating_for(breaches) -> str:
    """The rating view that follows from the names of the breached tests."""
    return RATINGS[sum(name in breaches for name in ("leverage", "cover"))]


def verdict(need: Fraction, have: Fraction) -> str:
    """breach, tight or pass; tight is a headroom below one tenth of `have`."""
    if need > have:
        return "breach"
    return "tight" if have - need < have / 10 else "pass"


# ---------------------------------------------------------------- one obligor
NAMES = {
    "base": {CORPORATE: ("ebitda", "base"), SOVEREIGN: ("gdp", "base"),
             "": ("collateral value", "pool value", "collateral", "pool", "base")},
    "debt": {CORPORATE: ("net debt", "debt"), SOVEREIGN: ("government debt", "public debt", "debt"),
             "": ("notes outstanding", "notes", "debt")},
    "earnings": {SOVEREIGN: ("government revenue", "revenue", "earnings"), "": ("net cash flow", "cash flow", "earnings")},
    "charge": {CORPORATE: ("interest charge", "interest", "charge"), SOVEREIGN: ("interest bill", "interest", "charge"),
               "": ("debt service", "charge")},
    "sources": {CORPORATE: ("liquidity", "sources", "cash and line", "cash and undrawn line"),
                SOVEREIGN: ("foreign reserves", "reserves", "sources"),
                "": ("reserve account", "reserve", "sources")},
    "uses": {CORPORATE: ("debt due within 12 months", "debt due", "maturities within 12 months", "maturities", "uses"),
             SOVEREIGN: ("short-term external debt", "short-term debt", "uses"), "": ("required reserve", "uses")},
    "allowed": {"": ("debt allowed", "allowed debt", "permitted debt", "debt capacity", "debt limit", "maximum debt",
                     "debt that the limit allows", "debt the limit allows", "limit allows", "limit carries", "allows", "permits",
                     "allowed")},
    "asked": {"": ("earnings needed", "needed earnings", "required earnings", "earnings required",
                   "earnings that the limit asks for", "earnings asked for", "limit asks for", "asks for", "requires",
                   "needed", "asked for")},
    "loss": {"": ("expected loss", "el")},
    "pd": {"": ("probability of default", "pd")},
}


def _words(symbol: str, kind: str) -> tuple[str, ...]:
    table = NAMES[symbol]
    return table.get(kind, table.get("", ()))


def _show(value: Fraction) -> str:
    return f"{float(value):.12g}"


class _Steps:
    """Collects the calculations of one obligor, with a rounded and an unrounded result each."""

    def __init__(self, facts: Facts):
        self.facts, self.done = facts, []

    def add(self, name, symbol, expression, value, exact, *operands, places=1, percent=False):
        value = half_away(value, places)
        groups = tuple(frozenset(group) for group in operands)
        self.done.append(Required(name, expression, value, exact, groups, _words(symbol, self.facts.kind), places, percent,
                                  self.facts.name, len(groups)))
        return value, exact


def _changed(steps: _Steps, symbol: str, letter: str, start: Fraction, sign: int) -> tuple[Fraction, Fraction]:
    """A figure that falls (sign -1) or rises by a percentage; unchanged where no shock names it."""
    size = steps.facts.shocks.get(symbol)
    if size is None:
        return start, start
    factor = 1 + sign * size / 100
    return steps.add(letter + "'", symbol, f"{_show(start)} x {_show(factor)}", start * factor, start * factor,
                     {start}, {factor, 100 * factor, size, size / 100, start * size / 100, half_away(start * size / 100, 1)})


def _charge(steps: _Steps) -> tuple[Fraction, Fraction]:
    facts = steps.facts
    if "rate" not in facts.shocks and "charge" not in facts.shocks:
        return facts.charge, facts.charge
    extra = half_away(facts.floating * facts.shocks["rate"] / 100, 1) if "rate" in facts.shocks else Fraction(0)
    exact = facts.floating * facts.shocks["rate"] / 100 if "rate" in facts.shocks else Fraction(0)
    named = facts.shocks.get("charge", Fraction(0))
    group = {extra + named, exact + named, *([facts.floating] if "rate" in facts.shocks else []), *([named] if named else [])}
    return steps.add("I'", "charge", f"{_show(facts.charge)} + {_show(extra + named)}", facts.charge + extra + named,
                     facts.charge + exact + named, {facts.charge}, group)


def _sources(steps: _Steps) -> tuple[Fraction, Fraction]:
    facts, fall = steps.facts, steps.facts.shocks.get("sources")
    total = exact = sum(facts.sources)
    if len(facts.sources) == 2:
        cash, line = facts.sources
        total, exact = steps.add("S", "sources", f"{_show(cash)} + {_show(line)}", total, total, {cash}, {line})
    if fall is not None:
        left = max(total - fall, Fraction(0))
        total, exact = steps.add("S'", "sources", f"{_show(total)} - {_show(fall)}", left, left,
                                 {total, facts.sources[0]}, {fall})
    return total, exact


def judge(facts: Facts) -> Judged:
    """Applies the policy to one obligor."""
    steps, shocks = _Steps(facts), facts.shocks
    corporate = facts.kind == CORPORATE
    base = facts.base
    if facts.parts:
        profit, depreciation = facts.parts
        base, _ = steps.add("B", "base", f"{_show(profit)} + {_show(depreciation)}", base, base, {profit}, {depreciation})
    base, base_exact = _changed(steps, "base", "B", base, -1)
    earnings = base if corporate else _changed(steps, "earnings", "E", facts.earnings, -1)[0]
    debt, _ = _changed(steps, "debt", "D", facts.debt, 1)
    charge, charge_exact = _charge(steps)
    uses = facts.uses
    if "uses" in shocks:
        more = facts.uses + shocks["uses"]
        uses, _ = steps.add("U'", "uses", f"{_show(facts.uses)} + {_show(shocks['uses'])}", more, more,
                            {facts.uses}, {shocks["uses"]})
    sources, _ = _sources(steps)
    pd = pd_exact = facts.pd
    if "pd" in shocks:
        more = min(facts.pd * shocks["pd"], Fraction(100))
        pd, pd_exact = steps.add("PD'", "pd", f"{_show(facts.pd)}% x {_show(shocks['pd'])}", more, more,
                                 {facts.pd, facts.pd / 100}, {shocks["pd"]}, places=2, percent=True)
    limit = shocks.get("leverage_limit", facts.leverage_limit)
    share = limit if corporate else limit / 100
    allowed, _ = steps.add("L' x B'", "allowed", f"{_show(limit)}{'' if corporate else '%'} x {_show(base)}", share * base,
                           share * base_exact, {share, limit}, {base, base_exact, facts.base})
    asked, _ = steps.add("C x I'", "asked", f"{_show(facts.cover_limit)} x {_show(charge)}", facts.cover_limit * charge,
                         facts.cover_limit * charge_exact, {facts.cover_limit}, {charge, charge_exact, facts.charge})
    loss, _ = steps.add("PD' x LGD x EAD", "loss", f"{_show(pd)}% x {_show(facts.lgd)}% x {_show(facts.ead)}",
                        pd * facts.lgd * facts.ead / 10000, pd_exact * facts.lgd * facts.ead / 10000,
                        {pd, pd / 100, pd_exact, facts.pd, facts.pd / 100}, {facts.lgd, facts.lgd / 100}, {facts.ead}, places=2)
    pairs = {"leverage": (debt, allowed), "cover": (asked, earnings), "liquidity": (uses, sources), "loss": (loss, facts.budget)}
    tests = {name: (need, have, verdict(need, have)) for name, (need, have) in pairs.items()}
    if charge == 0:
        tests["cover"] = (asked, earnings, "pass")
    return Judged(tests, tuple(steps.done))


# ---------------------------------------------------------------- the case
def _weakness(judged: Judged) -> tuple:
    need, have, _ = judged.tests["loss"]
    share = (1, Fraction(0)) if have == 0 and need > 0 else (0, need / have if have else Fraction(0))
    return len(judged.having("breach")), len(judged.having("tight")), share


def decide(facts: Facts | tuple[Facts, Facts]) -> Truth:
    """The policy's decision on the facts of one obligor or of two."""
    several = facts if isinstance(facts, tuple) else (facts,)
    judged = tuple(map(judge, several))
    worst = 1 if len(judged) == 2 and _weakness(judged[1]) > _weakness(judged[0]) else 0
    breaches = tuple(judged[worst].having("breach"))
    return Truth(action_for(len(breaches), len(judged[worst].having("tight"))), rating_for(breaches), breaches,
                 "AB"[worst] if len(judged) == 2 else None, tuple(step for one in judged for step in one.required), judged,
                 tuple(dict.fromkeys(w for one in several for w in one.warnings)))


def truth(case_text: str) -> Truth:
    """Recomputes the policy from the case text alone. Raises CourseError (see `reading.read_case`) for an unreadable text."""
    return decide(read_case(case_text))
