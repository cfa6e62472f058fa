"""The concept quiz: every answer is explained, sittings are kept, bad input is refused."""

import pytest

from course_utils import quiz
from course_utils.runtime import CourseError


@pytest.mark.parametrize("version", ["A", "B"])
def test_a_perfect_and_a_hopeless_sitting(version):
    right, wrong = quiz.Quiz(version), quiz.Quiz(version)
    for q in right.questions:
        key, answer = q["id"], q[version]["answer"]
        good, why = right.answer(key, answer)
        assert good and why.startswith("Right")
        bad, why = wrong.answer(key, (answer + 1) % 4)
        assert not bad and why.startswith("Wrong")
    assert right.score == (12, 12) and wrong.score == (0, 12)


def test_two_sittings_are_kept_and_compared():
    assert quiz.before_and_after() == "before the course: not taken; after the course: not taken."
    first = quiz.Quiz("A")
    first.answer("Q01", first.question("Q01")["answer"])
    second = quiz.Quiz("B")
    second.answer("Q01", second.question("Q01")["answer"])
    second.answer("Q02", (second.question("Q02")["answer"] + 1) % 4)
    assert quiz.before_and_after() == "before the course 1 of 1 right; after the course 1 of 2 right."


def test_what_is_not_there_is_refused():
    with pytest.raises(CourseError, match="no quiz 'C'"):
        quiz.Quiz("C")
    with pytest.raises(CourseError, match="no question 'Q99'"):
        quiz.Quiz("A").answer("Q99", 0)
    with pytest.raises(CourseError, match="no option 7"):
        quiz.Quiz("A").answer("Q01", 7)


def test_the_widget_scores_a_choice():
    pytest.importorskip("ipywidgets")
    taken = quiz.Quiz("A")
    shown = quiz.view(taken)
    radio, why = shown.children[0].children[1:]
    radio.value = taken.question("Q01")["answer"]
    assert taken.score == (1, 1) and "✔" in why.value and "1 right of 1" in shown.children[-1].value
