"""Floor 5: the twelve-question concept quiz: version A before the course (notebook 00), version B after it (notebook 07).

The logic stands apart from the widget: `Quiz` knows the questions and the answers given, `view` shows them.
"""

from __future__ import annotations

import json

from . import results, runtime
from .runtime import CourseError

PLACE = runtime.ROOT / "data" / "course" / "quiz.json"


class Quiz:
    """One sitting. version: "A" or "B". given: question id -> the option chosen; kept in runs/ after every answer."""

    def __init__(self, version: str):
        if version not in ("A", "B"):
            raise CourseError(f"There is no quiz {version!r}.", 'choose "A" (before the course) or "B" (after it).')
        self.version = version
        self.questions = json.loads(PLACE.read_text(encoding="utf-8"))["questions"]
        self.given: dict[str, int] = {}

    def question(self, key: str) -> dict:
        """One question: question, options, answer (the right option's place), why (a sentence for each option)."""
        found = next((q[self.version] for q in self.questions if q["id"] == key), None)
        if found is None:
            raise CourseError(f"There is no question {key!r}.", "choose one of Q01 to Q12.")
        return found

    def answer(self, key: str, option: int) -> tuple[bool, str]:
        """Gives an answer (0 is the first option); returns whether it is right, and why."""
        asked = self.question(key)
        if option not in range(len(asked["options"])):
            raise CourseError(f"Question {key} has no option {option}.", f"choose 0 to {len(asked['options']) - 1}.")
        self.given[key] = option
        results.write_json(file_of(self.version), self.given)
        return option == asked["answer"], asked["why"][option]

    @property
    def score(self) -> tuple[int, int]:
        """Right answers, and answers given."""
        return sum(self.question(k)["answer"] == option for k, option in self.given.items()), len(self.given)


def file_of(version: str):
    """Where a sitting is kept."""
    return runtime.runs_dir() / "quiz" / f"{version}.json"


def before_and_after() -> str:
    """One sentence on the two sittings, as far as they were taken."""
    said = []
    for version, when in (("A", "before"), ("B", "after")):
        quiz = Quiz(version)
        if file_of(version).exists():
            quiz.given = json.loads(file_of(version).read_text(encoding="utf-8"))
            right, given = quiz.score
            said.append(f"{when} the course {right} of {given} right")
        else:
            said.append(f"{when} the course: not taken")
    return "; ".join(said) + "."


def view(quiz: Quiz):
    """The quiz as widgets (ipywidgets 7.7 and 8): choose an option, read why, see the score."""
    import html

    import ipywidgets as widgets

    score, blocks = widgets.HTML(), []

    def block(number, key):
        asked, why = quiz.question(key), widgets.HTML()
        options = [(text, place) for place, text in enumerate(asked["options"])]
        choice = widgets.RadioButtons(options=options, value=None, layout={"width": "97%"})

        def chosen(change):
            if change["new"] is None:
                return
            right, text = quiz.answer(key, change["new"])
            why.value = f"<b>{'✔' if right else '✘'}</b> {html.escape(text)}"
            score.value = "<b>{} right of {} answered.</b>".format(*quiz.score)

        choice.observe(chosen, names="value")
        return widgets.VBox([widgets.HTML(f"<b>{number}.</b> {html.escape(asked['question'])}"), choice, why])

    blocks = [block(number, q["id"]) for number, q in enumerate(quiz.questions, 1)]
    return widgets.VBox([*blocks, score])
