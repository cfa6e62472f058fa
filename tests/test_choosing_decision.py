"""The decision helper: every combination of answers gives a recommendation that hangs together."""

import itertools

import pytest

from course_utils import results
from course_utils.choosing import decision
from course_utils.runtime import CourseError

ALL = [dict(zip(decision.QUESTIONS, picks, strict=True))
       for picks in itertools.product(*(allowed for _, allowed in decision.QUESTIONS.values()))]


def test_six_questions():
    assert len(decision.QUESTIONS) == 6 and len(ALL) == 486


def test_every_combination_has_a_way_reasons_and_a_first_step():
    ways = set()
    for answers in ALL:
        result = decision.recommend(answers)
        ways.add(result.way)
        assert result.title and result.first and len(result.reasons) >= 2 and len(result.against) >= 2, answers
        assert any(reason.rows for reason in result.reasons)
        assert all(reason.because and reason.text for reason in (*result.reasons, *result.against))
    assert ways == set(decision.WAYS)


def test_the_rules_never_contradict_the_answers():
    for answers in ALL:
        result = decision.recommend(answers)
        if answers["privacy"] == "no":
            assert "own machine" in result.model, answers
        if answers["examples"] == "none":
            assert result.way in ("prompt", "rag"), answers
        if answers["output"] == "facts":
            assert "rag" in result.way
        if answers["output"] == "label":
            assert "rag" not in result.way
        if answers["error"] == "dear":
            assert "person" in result.first


def test_rows_are_named_once_and_lie_in_notebook_05(monkeypatch):
    stored = {"rag_facts_right": {"value": 0.5, "unit": "", "low": 0.4, "high": 0.6}, "table": {"value": [], "unit": ""}}
    monkeypatch.setattr(results, "entries", lambda notebook: stored if notebook == "05" else {})
    result = decision.recommend({**ALL[0], "output": "facts"})
    assert len(result.rows) == len(set(result.rows))
    assert decision.evidence(("rag_facts_right", "table", "nothing")) == [
        "rag_facts_right: 0.50 (0.40 to 0.60)", "table: see its table in notebook 05", "nothing: not run"]
    assert decision.evidence(()) == ["judgement, not measured"]
    assert "First step" in decision.told(result) and "0.50" in decision.told(result)


@pytest.mark.parametrize("change", [{"output": "Facts"}, {"privacy": None}, {"more": "yes"}])
def test_wrong_answers_name_what_is_allowed(change):
    with pytest.raises(CourseError, match="no question|The answer to"):
        decision.recommend({**ALL[0], **change})


def test_a_missing_answer_is_named():
    with pytest.raises(CourseError, match="'error' is None"):
        decision.recommend({k: v for k, v in ALL[0].items() if k != "error"})


def test_the_view_follows_its_lists():
    box = decision.helper({"output": "facts"})
    page, lists = box.children[-1], [line.children[1] for line in box.children[:-1]]
    assert len(lists) == 6 and "RAG" in page.value
    lists[0].value = "label"
    assert "RAG: search" not in page.value and "First step" in page.value
    lists[-2].value = "no"
    assert "own machine" in page.value
