"""The best of several answers: sample a few, keep one, by what can be checked without knowing the right answer.

Two ways to choose are compared: the arithmetic that an answer states, recomputed; and the simple rival, "it ends with a clear
recommendation". Neither looks at the case's solution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import answering
from ..credit.answers import own_words, read_decision
from ..credit.claims import plain, stated
from ..credit.grader import repetition
from ..credit.task import text_of
from ..runtime import CourseError


@dataclass(frozen=True)
class Checked:
    """What can be said of an answer from itself and the case's text. right: share of its stated calculations that are right."""

    calculations: int
    right: float
    decides: bool
    contradicts: bool
    repetition: float


def check(row: dict, answer: str) -> Checked:
    """Recomputes every calculation that an answer states, and reads its decision. Needs no solution."""
    case = text_of(row)
    found = stated(plain(own_words(answer, case)))
    decision = read_decision(answer, case)
    right = sum(one.ok for one in found) / len(found) if found else 0.0
    return Checked(len(found), right, decision.action is not None, decision.contradictory, repetition(answer))


def by_arithmetic(row: dict, answers: list[str]) -> int:
    """Index of the answer that decides and whose stated calculations are right; of equals, the one with more of them."""
    def score(answer):
        seen = check(row, answer)
        return seen.decides, not seen.contradicts, seen.right, min(seen.calculations, 12), -seen.repetition

    return max(range(len(answers)), key=lambda k: (score(answers[k]), -k))


def by_ending(row: dict, answers: list[str]) -> int:
    """Index of the first answer whose last line is a clear recommendation; the first answer where none is."""
    def ends_clearly(answer):
        lines = answer.strip().splitlines()
        return bool(lines) and read_decision(lines[-1], text_of(row)).action is not None

    return next((k for k, answer in enumerate(answers) if ends_clearly(answer)), 0)


WAYS: dict[str, Callable[[dict, list[str]], int]] = {
    "first sample": lambda row, answers: 0,
    "ends with a clear recommendation": by_ending,
    "its arithmetic holds": by_arithmetic,
}


def sample(model, tokenizer, task, rows: list[dict], n: int = 4, temperature: float = 0.7, max_new_tokens: int = 560,
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
    """For each way of choosing, 1 or 0 a row: is the chosen answer's action right? And `any`: is a right one among them?"""
    right = [[int(task.grade(row, text).action_right) for text in texts] for row, texts in zip(rows, samples, strict=True)]
    found = {name: [marks[way(row, texts)] for row, texts, marks in zip(rows, samples, right, strict=True)]
             for name, way in WAYS.items()}
    return found | {"any of them (the ceiling)": [max(marks) for marks in right]}
