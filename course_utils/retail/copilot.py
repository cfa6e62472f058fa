"""The co-pilot's question: which line carries the highest risk, and why? A Task, and a checker of numbers and conclusion.

An answer lists its calculations, one a line, as `cover, Poplin: 840/40 = 21`, then `Highest risk: Poplin`. The checker computes
each sum itself, asks whether the needed ones are there, and whether the conclusion is the right one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..credit.calculator import value

INSTRUCTION = ("Answer from the table by the rule. Write each calculation on a line of its own, such as cover, Poplin: 840/40 "
               "= 21. "
               "End with a line such as Highest risk: Poplin. Write none if no line qualifies.")
CONCLUSION = re.compile(r"^\W*(?:highest risk|answer|conclusion)\W*[:=]\s*(.+?)\W*$", re.I | re.M)
NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
STEP = re.compile(rf"^(?P<name>[^:=\n]{{2,60}}):\s*(?P<sum>[\d(][\d\s.,+\-*/()x×%]*?)\s*="
                  rf"\s*(?P<said>-?(?:{NUMBER}))", re.M)


@dataclass(frozen=True)
class CopilotTask:
    """A Task (see `course_utils.evaluation`). shots: rows shown as solved examples."""

    shots: tuple[dict, ...] = ()
    name: str = "co-pilot"

    def prompt(self, row: dict) -> list[dict]:
        """The chat messages: question, table and rule."""
        messages = [{"role": "system", "content": INSTRUCTION}]
        for shot in self.shots:
            messages += [{"role": "user", "content": question(shot)}, {"role": "assistant", "content": self.answer(shot)}]
        return [*messages, {"role": "user", "content": question(row)}]

    def answer(self, row: dict) -> str:
        """The calculations, the reason and the conclusion."""
        steps = [f"{c['name']}: {c['expression']} = {_said(c['value'])}" for c in row["calculations"]]
        return "\n".join([*steps, row["why"], f"Highest risk: {row['answer']}"])

    def parse(self, text: str) -> str | None:
        """The line that the answer concludes on, as it wrote it."""
        found = CONCLUSION.findall(text)
        return found[-1].strip() if found else None


def question(row: dict) -> str:
    """What the model reads."""
    return f"{row['question']}\n{row['table']}\nRule: {row['rule']}"


def _said(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else f"{number:.0f}"


# ---------------------------------------------------------------- checking
@dataclass
class Checked:
    """What the checker found. steps: calculations written; wrong: those whose result is not what the sum gives."""

    conclusion: str | None
    right: bool
    steps: int
    wrong: list[str] = field(default_factory=list)
    required: int = 0
    found: int = 0
    untraced: list[str] = field(default_factory=list)  # for a reader: numbers of the prose that stand in no table or sum

    @property
    def arithmetic(self) -> float:
        """Needed calculations that are there and right, as a share of all needed; a missing one is wrong."""
        return self.found / self.required if self.required else 1.0

    @property
    def sound(self) -> bool:
        """The right conclusion, for checked reasons: all needed calculations are there and right, and none is wrong."""
        return self.right and self.found == self.required and not self.wrong


def check(row: dict, text: str) -> Checked:
    """Checks an answer to one task. Results count as right to the decimals they show, one unit of the last place allowed."""
    conclusion = CopilotTask().parse(text)
    steps, wrong, computed = 0, [], {}
    for step in STEP.finditer(text):
        steps += 1
        said = float(step["said"].replace(",", ""))
        try:
            exact = float(value(re.sub(r"(?<=\d),(?=\d{3}\b)", "", step["sum"])))
        except ValueError:
            wrong.append(step[0])
            continue
        if abs(exact - said) > _slack(step["said"]):
            wrong.append(step[0])
        else:
            computed.setdefault(_key(step["name"]), []).append(exact)
    found = sum(any(_close(exact, c["value"]) for exact in computed.get(_key(c["name"]), [])) for c in row["calculations"])
    right = _same(conclusion, row["answer"])
    return Checked(conclusion, right, steps, wrong, len(row["calculations"]), found, _untraced(row, text))


def _close(exact: float, wanted: float) -> bool:
    return abs(exact - wanted) <= 0.051 * max(1.0, abs(wanted) / 1000)


def _slack(said: str) -> float:
    return 1.0 * 10 ** -len(said.partition(".")[2]) if "." in said else 0.51


def _key(name: str) -> tuple[str, ...]:
    return tuple(sorted(re.findall(r"\w+", name.lower())))


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and _key(given) == _key(wanted)


def _untraced(row: dict, text: str) -> list[str]:
    def numbers(of: str) -> list[str]:
        return re.findall(NUMBER, of)

    known = {float(n.replace(",", "")) for n in numbers(question(row)) + [n for s in STEP.finditer(text) for n in numbers(s[0])]}
    near = known | {round(abs(a - b), 2) for a in known for b in known}
    return [n for n in numbers(STEP.sub(" ", text)) if round(float(n.replace(",", "")), 2) not in near]
