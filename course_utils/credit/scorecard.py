"""Honest baselines on the credit cases: one answer for all, two scorecards on figures read from the text, the policy itself.

    python -m course_utils.credit.scorecard

A scorecard sees numbers that `reading` extracts from the case text, never the generator's own. For two obligors it judges each
and answers for the one with the harsher action, the weaker one by its own judgement.
"""

from __future__ import annotations

import time
from functools import cache

import numpy as np

from ..evaluation import Evaluation, majority
from ..runtime import CourseError
from . import dataset, judging
from .policy import ACTIONS, costs
from .reading import CORPORATE, SOVEREIGN, STRUCTURED, Facts, read_case

SPLITS = ("test", "heldout_sector", "heldout_cluster")
AMOUNTS = ("base", "debt", "earnings", "charge", "sources", "uses", "ead", "budget", "floating")
SHOCKS = {"base": 0, "earnings": 0, "debt": 0, "charge": 0, "rate": 0, "uses": 0, "sources": 0, "pd": 1}  # with what means none
RATIOS = ("debt to limit", "cover limit to cover", "uses to sources", "expected loss to budget")
LARGEST = 10.0  # a ratio beyond it says no more
WHEN = """When is which tool right?
The policy as a program: where the rules are written down and the figures can be read for certain. Exact, free, open to audit.
A scorecard: where the figures stand in a table and past decisions are known, but no rule. It costs seconds.
A language model: where the case is free text that no parser foresaw, or where a reader needs the reasoning in words."""


# ---------------------------------------------------------------- from text to numbers
@cache
def obligors(text: str) -> tuple[Facts, ...]:
    """The one or two obligors of a case text, as the independent reader finds them."""
    found = read_case(text)
    return found if isinstance(found, tuple) else (found,)


def ratio(need: float, have: float) -> float:
    """need / have, at most `LARGEST`; nothing to meet it with counts as `LARGEST`, no need as 0."""
    if need <= 0:
        return 0.0
    return LARGEST if have <= 0 else min(need / have, LARGEST)


def raw(facts: Facts) -> list[float]:
    """Figures as stated: logs of the amounts, kind of obligor, limits, PD and LGD in percent, the shocks (see `SHOCKS`).

    The last one is the leverage limit after its step as a share of the limit before.
    """
    amounts = {name: sum(facts.sources) if name == "sources" else getattr(facts, name) or 0 for name in AMOUNTS}
    logs = [float(np.sign(float(a)) * np.log1p(abs(float(a)))) for a in amounts.values()]
    kinds = [float(facts.kind == kind) for kind in (CORPORATE, SOVEREIGN, STRUCTURED)]
    shocks = [float(facts.shocks.get(name, none)) for name, none in SHOCKS.items()]
    step = float(facts.shocks.get("leverage_limit", facts.leverage_limit) / facts.leverage_limit) if facts.leverage_limit else 1.0
    terms = [float(x) for x in (facts.leverage_limit, facts.cover_limit, facts.pd, facts.lgd)]
    return [*logs, *kinds, *terms, *shocks, step]


def ratios(facts: Facts) -> list[float]:
    """The usual ratios before the shock, each as a share of its limit (1 is at the limit); see `RATIOS`."""
    limit = facts.leverage_limit if facts.kind == CORPORATE else facts.leverage_limit / 100
    loss = facts.pd * facts.lgd * facts.ead / 10_000
    pairs = ((facts.debt, limit * facts.base), (facts.cover_limit * facts.charge, facts.earnings),
             (facts.uses, sum(facts.sources)), (loss, facts.budget))
    return [ratio(float(need), float(have)) for need, have in pairs]


def stressed(facts: Facts) -> list[float]:
    """The same ratios under the scenario: need / have of the policy's four tests. Whoever has these has nearly the answer."""
    return [ratio(float(need), float(have)) for need, have, _ in judging.judge(facts).tests.values()]


def features(facts: Facts, with_stress: bool) -> list[float]:
    """One obligor as a row of numbers: `raw` and `ratios`, and on request the stressed ratios."""
    return [*raw(facts), *ratios(facts), *(stressed(facts) if with_stress else [])]


# ---------------------------------------------------------------- scorecards
def _logistic():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))


def _boosting():
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=0)


KINDS = {"logistic regression": _logistic, "gradient boosting": _boosting}


def fitted(kind: str, train: list[dict], with_stress: bool = False):
    """A scorecard trained on the action of single obligors, and of the weaker one where a case has two.

    Raises CourseError for an unknown kind or when all rows have the same action.
    """
    if kind not in KINDS:
        raise CourseError(f"There is no scorecard {kind!r}.", f"choose one of {', '.join(KINDS)}.")
    table = [features(obligors(row["text"])["AB".index(row["truth"]["weaker"] or "A")], with_stress) for row in train]
    actions = [ACTIONS.index(row["truth"]["action"]) for row in train]
    if len(set(actions)) < 2:
        raise CourseError("The training rows have fewer than two different actions.", "use more rows.")
    return KINDS[kind]().fit(np.array(table), actions)


def answers(model, rows: list[dict], with_stress: bool = False) -> list[str]:
    """The scorecard's action for each case; of two obligors, the harsher one."""
    found = [obligors(row["text"]) for row in rows]
    flat = model.predict(np.array([features(facts, with_stress) for several in found for facts in several]))
    picks, at = [], 0
    for several in found:
        picks.append(ACTIONS[max(flat[at:at + len(several)])])
        at += len(several)
    return picks


def program(rows: list[dict]) -> Evaluation:
    """The policy as a program, from the text alone: the upper line. A text that it cannot read is an unparsed answer."""
    start, guess = time.perf_counter(), []
    for row in rows:
        try:
            guess.append(judging.decide(read_case(row["text"])).action)
        except CourseError:
            guess.append(None)
    return Evaluation("the policy as a program", ACTIONS, _truth(rows), guess, time.perf_counter() - start)


def cheapest(train: list[dict], test: list[dict]) -> Evaluation:
    """Always the action that would have cost least on the training rows: what caution alone achieves."""
    matrix, seen = costs(), _truth(train)
    pick = min(ACTIONS, key=lambda answer: sum(matrix[truth, answer] for truth in seen))
    return Evaluation("cheapest single answer", ACTIONS, _truth(test), [pick] * len(test))


def _truth(rows: list[dict]) -> list[str]:
    return [row["truth"]["action"] for row in rows]


# ---------------------------------------------------------------- measuring
def evaluate(train: list[dict], test: list[dict]) -> list[Evaluation]:
    """Every baseline on the same rows: each knows its accuracy with interval, and its expected cost given `policy.costs()`."""
    labelled = [[row | {"label": row["truth"]["action"]} for row in rows] for rows in (train, test)]
    found = [majority(*labelled, ACTIONS), cheapest(train, test)]
    for with_stress in (False, True):
        for kind in KINDS:
            start = time.perf_counter()
            guess = answers(fitted(kind, train, with_stress), test, with_stress)
            name = f"{kind}, {'with stressed ratios' if with_stress else 'figures and ratios'}"
            found.append(Evaluation(name, ACTIONS, _truth(test), guess, time.perf_counter() - start))
    return [*found, program(test)]


def measure(sizes: tuple[int | None, ...] = (300, None)) -> list[dict]:
    """One row for each training size, split and baseline: accuracy with its 95 % interval, cost in thousand EUR a case."""
    train, matrix, out = dataset.load("train"), costs(), []
    for size in sizes:
        for split in SPLITS:
            for e in evaluate(train[:size], dataset.load(split)):
                low, high = e.interval
                out.append({"train": len(train[:size]), "split": split, "system": e.system, "n": e.n, "accuracy": e.accuracy,
                            "low": low, "high": high, "cost": e.cost(matrix)})
    return out


def main() -> None:
    """Command line: the table."""
    print(f"{'train':>5}  {'split':15}  {'system':42}  accuracy  95 % interval  cost a case (thousand EUR)")
    for r in measure():
        print(f"{r['train']:5}  {r['split']:15}  {r['system']:42}  {r['accuracy']:8.3f}  {r['low']:.3f} to {r['high']:.3f}  "
              f"{r['cost']:6.2f}")
    print(f"\n{WHEN}")


if __name__ == "__main__":
    main()
