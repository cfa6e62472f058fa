"""Grades any answer to a credit case by the policy: decision, every stated calculation, consistency, repetition and cost.

Starts from the case text and shares no code with the generator. An answer that cannot be read counts as wrong and costs
what `cost.json` says; nothing is dropped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from ..runtime import ROOT
from .answers import own_words, read_decision
from .claims import Calculation, plain, stated
from .judging import Truth, truth
from .required import Shown, check, from_reference, in_percent
from .verdicts import consistent, owners_in


@dataclass(frozen=True)
class Stated:
    """One calculation that the answer states; true is None where it cannot be computed."""

    expression: str
    claimed: float
    true: float | None
    ok: bool


@dataclass(frozen=True)
class Grade:
    """What the grader says of one answer. `*_right` is False where the answer does not say; cost in the unit of cost.json.

    weaker_right is None for a single obligor; metric_error and consistent are None where the answer states nothing to judge.
    """

    parsed: bool
    action: str | None
    rating: str | None
    breaches: tuple[str, ...] | None
    weaker: str | None
    action_right: bool
    rating_right: bool
    breaches_right: bool
    weaker_right: bool | None
    required: tuple[Shown, ...]
    stated: tuple[Stated, ...]
    arithmetic: float
    metric_error: float | None
    consistent: bool | None
    repetition: float
    cost: float


# ---------------------------------------------------------------- grading
@cache
def costs() -> dict:
    """The course's cost matrix, data/credit/cost.json."""
    return json.loads((ROOT / "data" / "credit" / "cost.json").read_text())


def price(right: str, answered: str | None, matrix: dict | None = None) -> float:
    """What answering `answered` costs where the policy says `right`; None is an answer that cannot be read."""
    matrix = matrix or costs()
    if answered is None:
        return float(matrix["unparsed"])
    actions = matrix["actions"]
    return float(matrix["cost"][actions.index(right)][actions.index(answered)])


def repetition(text: str) -> float:
    """Share of the text's 4-grams of words that stood in it before; 0 for fewer than four words."""
    words = text.lower().split()
    grams = [tuple(words[i:i + 4]) for i in range(len(words) - 3)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _figures(right: Truth, shown: list[Shown]) -> dict[str, list[tuple[Fraction, Fraction]]]:
    """test -> the (need, have) pairs as this answer has them: its own results where it states them, else the policy's."""
    out: dict[str, list] = {}
    start = 0
    for judged in right.judged:
        part = {s.name: Fraction(str(s.claimed)) for s in shown[start:start + len(judged.required)] if s.claimed is not None}
        start += len(judged.required)
        (debt, allowed), (asked, earned), (uses, sources), (loss, budget) = (judged.tests[t][:2] for t in judged.tests)
        pairs = {"leverage": (part.get("D'", debt), part.get("L' x B'", allowed)),
                 "cover": (part.get("C x I'", asked), part.get("E'", part.get("B'", earned))),
                 "liquidity": (part.get("U'", uses), part.get("S'", part.get("S", sources))),
                 "loss": (part.get("PD' x LGD x EAD", loss), budget)}
        for test, pair in pairs.items():
            out.setdefault(test, []).append(pair)
    return out


@cache
def _truth_of(case_text: str) -> Truth:
    return truth(case_text)


def _as_stated(one: Calculation, ok: bool) -> Stated:
    computable = one.true is not None and abs(one.true) < 10**300
    return Stated(one.expression, float(one.claimed.amount), float(one.true) if computable else None, ok)


def grade(case_text: str, answer: str, reference: dict | None = None, matrix: dict | None = None) -> Grade:
    """Grades one answer.

    reference: replaces the recomputed truth, for tasks whose text the reader cannot parse. matrix: replaces cost.json.
    Raises CourseError when the case text cannot be read and there is no reference; never for anything an answer contains.
    """
    right = from_reference(reference) if reference else _truth_of(case_text)
    decision = read_decision(answer, case_text)
    own = own_words(answer, case_text)
    text = plain(own)
    calculations = stated(text)
    owners = owners_in(text) if right.weaker else []
    shown = [check(step, calculations, text, owners) for step in right.required]
    fine = {id(c) for c in calculations if c.ok or any(in_percent(step, c) for step in right.required)}
    errors = [one.error for one in shown if one.error is not None]
    parsed = decision.action is not None
    return Grade(
        parsed, decision.action, decision.rating, decision.breaches, decision.weaker,
        decision.action == right.action, decision.rating == right.rating,
        decision.breaches is not None and set(decision.breaches) == set(right.breaches),
        (decision.weaker == right.weaker) if right.weaker else None,
        tuple(shown),
        tuple(dict.fromkeys(_as_stated(c, id(c) in fine) for c in calculations)),
        sum(s.status == "right" for s in shown) / len(shown) if shown else 1.0,
        sum(errors) / len(errors) if errors else None,
        consistent(plain(own, remarks=True), decision, _figures(right, shown)),
        repetition(answer), price(right.action, decision.action, matrix))


def summary(grades: list[Grade]) -> dict[str, dict]:
    """Measures over many answers, each as {"value", "n"}; n counts what the measure is a share or mean of.

    Unparsed counts as wrong. arithmetic and stated_accuracy pool the calculations of all answers, metric_error those required
    results that are stated. consistency leaves out answers that state nothing to check.
    """
    def mean(values):
        values = [float(value) for value in values]
        return {"value": sum(values) / len(values) if values else None, "n": len(values)}

    shown = [one for grade_ in grades for one in grade_.required]
    return {
        "parse_rate": mean(g.parsed for g in grades),
        "action_accuracy": mean(g.action_right for g in grades),
        "arithmetic": mean(one.status == "right" for one in shown),
        "stated_accuracy": mean(one.ok for g in grades for one in g.stated),
        "metric_error": mean(one.error for one in shown if one.error is not None),
        "expected_cost": mean(g.cost for g in grades),
        "consistency": mean(bool(g.consistent) for g in grades if g.consistent is not None or not g.parsed),
        "repetition": mean(g.repetition for g in grades),
    }
