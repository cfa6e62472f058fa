"""The job of notebook 04 as training and evaluation see it: prompts and targets of the three arms, the grader, the files.

A row is a generated case, a pair of the core corpus (`instruction`, `answer`) or a gold task (`prompt`).
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from ..runtime import CourseError
from . import calculator, dataset
from .answers import read_decision
from .grader import Grade, grade
from .policy import FOLDER, Decision
from .required import from_reference

STYLES = {  # arm -> (the field that holds its target, what the model is told)
    "answer-only": ("answer_only", "Apply the credit policy to the case. Answer with the decision line alone."),
    "reasoning": ("reasoning", "Apply the credit policy to the case. Show each calculation, then end with the decision line."),
    "calculator": ("calculator", "Apply the credit policy to the case. Write each calculation as <<sum=; a calculator adds the "
                                 "result. End with the decision line."),
}
CORE_INSTRUCTION = "You are a credit analyst. Answer in a few sentences."
CORE = ("core_a.jsonl", "core_b.jsonl")
GOLD = {"id": str, "title": str, "type": str, "cluster": str, "prompt": str, "reference_reasoning": str, "decision": dict,
        "required": list, "rubric": dict}
DECISION = ("rating", "breaches", "weaker")
RUBRIC = ("clarity", "realism", "numerical_coherence", "recommendation")
RESTORE = "restore the file from the repository, or correct that entry."


@dataclass(frozen=True)
class CreditTask:
    """A Task (see `course_utils.evaluation`). style: `answer-only`, `reasoning` or `calculator`; each call may name another."""

    style: str = "reasoning"

    def __post_init__(self):
        _arm(self.style)

    @property
    def name(self) -> str:
        """`credit, reasoning`."""
        return f"credit, {self.style}"

    def prompt(self, row: dict, style: str | None = None) -> list[dict]:
        """The chat messages shown to the model: what to do, then the case (or the question of the core corpus)."""
        system = CORE_INSTRUCTION if "instruction" in row else _arm(style or self.style)[1]
        return [{"role": "system", "content": system}, {"role": "user", "content": text_of(row)}]

    def target(self, row: dict, style: str | None = None) -> str:
        """The text that the model should write. Gold tasks have no calculator twin: CourseError."""
        style = style or self.style
        field, _ = _arm(style)
        if "instruction" in row:
            return row["answer"]
        if "reference_reasoning" not in row:
            return row[field]
        if style == "calculator":
            raise CourseError(f"The gold task {row['id']} has no calculator twin.", "use the style reasoning for gold tasks.")
        return row["reference_reasoning"] if style == "reasoning" else _block(row["decision"])

    answer = target  # the name that `course_utils.evaluation.Task` and `training.fit` know it by

    def given(self, answer: str) -> list[tuple[int, int]]:
        """The spans of an answer that the calculator writes: they are read, not learnt."""
        return calculator.filled_in(answer) if self.style == "calculator" else []

    def parse(self, text: str, row: dict | None = None) -> str | None:
        """The action that an answer decides on, or None. row: its case, so that repeating the case is not taken for an answer."""
        return read_decision(text, text_of(row) if row else "").action

    def grade(self, row: dict, text: str) -> Grade:
        """What the independent grader says of an answer to a case or a gold task."""
        if "instruction" in row:
            raise CourseError("The core corpus has no decisions to grade.", "grade cases or gold tasks.")
        return grade(text_of(row), text, reference=row if "reference_reasoning" in row else None)


def text_of(row: dict) -> str:
    """What the model reads of a row: the case, the gold task's prompt, or the instruction."""
    return next(row[name] for name in ("instruction", "prompt", "text") if name in row)


def _arm(style: str) -> tuple[str, str]:
    if style not in STYLES:
        raise CourseError(f"There is no style {style!r}.", f"choose one of {', '.join(STYLES)}.")
    return STYLES[style]


def _block(decision: dict) -> str:
    return Decision(decision["action"], decision["rating"], tuple(decision["breaches"]), decision["weaker"]).block


# ---------------------------------------------------------------- files
def load(split: str, n: int | None = None) -> list[dict]:
    """The generated cases of a split, or its first `n`. Raises CourseError for an unknown split or a damaged file."""
    return dataset.load(split)[:n]


def core(folder: Path | None = None) -> list[dict]:
    """The core corpus: 600 pairs of `instruction` and `answer`, with their `kind`. Raises CourseError for a damaged file."""
    rows = []
    for name in CORE:
        place = Path(folder or FOLDER) / name
        lines = _read(place).splitlines()
        for number, line in enumerate(lines, 1):
            row = _parsed(line, f"{place}, line {number},")
            if not isinstance(row, dict) or not all(isinstance(row.get(k), str) for k in ("instruction", "answer", "kind")):
                raise CourseError(f"{place}, line {number}, lacks an instruction, an answer or a kind.", RESTORE)
            rows.append(row)
    return rows


def mix(train: list[dict], core_share: float = 0.1, seed: int = 0) -> list[dict]:
    """`train` with pairs of the core corpus among them, so that these make up `core_share` of all; shuffled, none twice.

    Raises CourseError when the share is not in [0, 1) or the corpus is too small for it.
    """
    if not 0 <= core_share < 1:
        raise CourseError(f"The core corpus cannot make up {core_share} of the mix.", "choose a share of 0 or more, below 1.")
    if not train:
        raise CourseError("There are no cases to mix with the core corpus.", "load a split first.")
    wanted = round(len(train) * core_share / (1 - core_share))
    pairs = core() if wanted else []
    if wanted > len(pairs):
        raise CourseError(f"A share of {core_share} needs {wanted} pairs of the core corpus; it has {len(pairs)}.",
                          "lower the share, or train on fewer cases.")
    draw = random.Random(f"{seed}/mix")
    rows = [*train, *draw.sample(pairs, wanted)]
    draw.shuffle(rows)
    first = next((k for k, row in enumerate(rows) if "instruction" not in row), 0)
    rows[0], rows[first] = rows[first], rows[0]  # `fit` tells runs apart by the first prompt, and core prompts know no arm
    return rows


def gold(place: Path | None = None) -> list[dict]:
    """The hand-written gold tasks.

    Raises CourseError, naming the entry, for bad JSON, a field that is missing, empty or of the wrong kind, an id given
    twice, or a reference whose decision or calculations the grader cannot use.
    """
    place = Path(place or FOLDER / "gold.json")
    tasks = _parsed(_read(place), f"{place}")
    if not isinstance(tasks, list) or not tasks:
        raise CourseError(f"{place} is no list of gold tasks.", RESTORE)
    seen: set[str] = set()
    for number, entry in enumerate(tasks, 1):
        _check_gold(entry, f"{place}, task {number}", seen)
    return tasks


def _check_gold(entry: object, where: str, seen: set[str]) -> None:
    if not isinstance(entry, dict):
        raise CourseError(f"{where}, is {type(entry).__name__}, not an object with fields.", RESTORE)
    where += f" ({entry['id']})" if isinstance(entry.get("id"), str) else ""
    bad = [f for f, kind in GOLD.items() if not isinstance(entry.get(f), kind) or not entry[f]]
    bad += [f"rubric's {part}" for part in RUBRIC if "rubric" not in bad and not entry["rubric"].get(part)]
    bad += [f"decision's {part}" for part in DECISION if "decision" not in bad and part not in entry["decision"]]
    if bad:
        raise CourseError(f"{where}: missing, empty or of the wrong kind: {', '.join(bad)}.", RESTORE)
    if entry["id"] in seen:
        raise CourseError(f"{where}: the id {entry['id']} is given twice.", "give each task an id of its own.")
    seen.add(entry["id"])
    try:
        from_reference(entry)
    except CourseError as error:
        raise CourseError(f"{where}: {error.what}", error.next_action) from error


def _read(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CourseError(f"{place} cannot be read: {error}.", "restore the file from the repository.") from error


def _parsed(text: str, where: str):
    try:
        return json.loads(text)
    except ValueError as error:
        raise CourseError(f"{where} is no valid JSON: {error}.", RESTORE) from error
