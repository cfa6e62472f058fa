"""The best of several answers: sample a few, keep one, by what can be checked without knowing the right answer.

Four ways are compared: the first sample; the first that ends with a clear recommendation; the commonest action among the samples
(self-consistency, Wang et al., 2023); and a verifier, which recomputes an answer's sums, asks where their figures come from, and
whether its decision follows from its own tests. None of them looks at the case's solution.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from .. import answering
from ..credit import policy
from ..credit.answers import own_words, read_decision
from ..credit.claims import Calculation, plain, stated
from ..credit.grader import repetition
from ..credit.task import text_of
from ..runtime import CourseError

FIGURE = re.compile(r"\d+(?:\.\d+)?")
SHARE = re.compile(rf"(?<![\d.*/+-])({FIGURE.pattern}) ?/ ?({FIGURE.pattern}) ?=")  # need / have, the share used


@dataclass(frozen=True)
class Checked:
    """What can be said of an answer from itself and the case's text.

    right: share of its stated calculations that are right. grounded: share of the figures in them that stand in the case or came
    out of an earlier calculation. follows: is the decision the policy's for the four shares that the answer states? None where
    it does not state exactly four.
    """

    calculations: int
    right: float
    grounded: float
    decides: bool
    contradicts: bool
    follows: bool | None
    repetition: float


def check(row: dict, answer: str) -> Checked:
    """Recomputes what an answer states and reads its decision. Needs the case's text and the policy, no solution."""
    case = text_of(row)
    text = plain(own_words(answer, case))
    found, decision = stated(text), read_decision(answer, case)
    right = sum(one.ok for one in found) / len(found) if found else 0.0
    implied = implied_action(text)
    follows = None if implied is None or decision.action is None else decision.action == implied
    return Checked(len(found), right, _grounded(case, found), decision.action is not None, decision.contradictory, follows,
                   repetition(answer))


def implied_action(text: str) -> str | None:
    """The action that the policy gives for the four shares `need / have` that a text states; None unless they are four."""
    shares = [(Decimal(need), Decimal(have)) for need, have in SHARE.findall(text)]
    if len(shares) != 4:
        return None
    return policy.decide(tuple(policy.Test("", *pair, policy.verdict(*pair)) for pair in shares)).action


def _grounded(case: str, found: list[Calculation]) -> float:
    """A factor such as 0.85 counts as given where the case says 15 %."""
    known, used = {Decimal(x) for x in FIGURE.findall(case)}, []
    known |= {1 + sign * x / 100 for x in known for sign in (1, -1)} | {Decimal(100)}
    for one in found:
        used += [Decimal(x) in known for x in FIGURE.findall(one.expression)]
        known.add(Decimal(f"{float(one.claimed.amount):g}"))
    return sum(used) / len(used) if used else 0.0


# ---------------------------------------------------------------- ways to choose
def by_ending(row: dict, answers: list[str]) -> int:
    """Index of the first answer whose last line is a clear recommendation; the first answer where none is."""
    def ends_clearly(answer):
        lines = answer.strip().splitlines()
        return bool(lines) and read_decision(lines[-1], text_of(row)).action is not None

    return next((k for k, answer in enumerate(answers) if ends_clearly(answer)), 0)


def by_majority(row: dict, answers: list[str]) -> int:
    """Index of the first answer with the commonest action; the first answer where none decides."""
    actions = [read_decision(answer, text_of(row)).action for answer in answers]
    counts = Counter(action for action in actions if action)
    return actions.index(counts.most_common(1)[0][0]) if counts else 0


def by_own_check(row: dict, answers: list[str]) -> int:
    """Index of the answer that its own sums support best; of equals, the first."""
    def score(answer):
        seen = check(row, answer)
        support = {True: 2, None: 1, False: 0}[seen.follows]
        sums = min(seen.calculations, 12)
        return seen.decides, not seen.contradicts, seen.right, support, seen.grounded, sums, -seen.repetition

    return max(range(len(answers)), key=lambda k: (score(answers[k]), -k))


WAYS: dict[str, Callable[[dict, list[str]], int]] = {
    "first sample": lambda row, answers: 0,
    "ends with a clear recommendation": by_ending,
    "majority of the samples": by_majority,
    "its own sums support it": by_own_check,
}
CEILING = "any of them (the ceiling)"


def sample(model, tokenizer, task, rows: list[dict], n: int = 4, temperature: float = 0.7, max_new_tokens: int = 640,
           seed: int = 0, tool: Callable[[str], str] | None = None) -> list[list[str]]:
    """n sampled answers a row. Raises CourseError for n below 1 or a temperature of 0, at which all samples are equal."""
    if n < 1 or temperature <= 0:
        raise CourseError(f"{n} samples at temperature {temperature} give nothing to choose from.",
                          "use at least one sample and a temperature above 0.")
    many = [row for row in rows for _ in range(n)]
    texts = [w.text for w in answering.write(model, tokenizer, task, many, max_new_tokens=max_new_tokens,
                                             temperature=temperature, seed=seed, tool=tool)]
    return [texts[k * n:(k + 1) * n] for k in range(len(rows))]


def compare(task, rows: list[dict], samples: list[list[str]]) -> dict[str, list[int]]:
    """For each way of choosing, 1 or 0 a row: is the chosen answer's action right? And `CEILING`: is a right one among them?"""
    right = [[int(task.grade(row, text).action_right) for text in texts] for row, texts in zip(rows, samples, strict=True)]
    found = {name: [marks[way(row, texts)] for row, texts, marks in zip(rows, samples, right, strict=True)]
             for name, way in WAYS.items()}
    return found | {CEILING: [max(marks) for marks in right]}
