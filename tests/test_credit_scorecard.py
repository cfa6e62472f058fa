"""The Task of notebook 04 with its files, and the baselines: what they read, what they answer, what they cost."""

import copy
import json
import math

import pytest

from course_utils import training
from course_utils.credit import dataset, policy, scorecard, task
from course_utils.credit.policy import ACTIONS
from course_utils.credit.reading import read_case
from course_utils.credit.task import STYLES, CreditTask
from course_utils.runtime import CourseError


@pytest.fixture(scope="module")
def train():
    return dataset.load("train")[:300]


@pytest.fixture(scope="module")
def rows():
    return dataset.load("test")


# ---------------------------------------------------------------- the task
@pytest.mark.parametrize("style", STYLES)
def test_prompts_are_short_and_targets_are_the_rows_twins(style, rows, smollm):
    _, tokenizer = smollm
    job = CreditTask(style)
    for row in rows[:40]:
        system, user = job.prompt(row)
        assert len(tokenizer.encode(system["content"])) <= 40 and user == {"role": "user", "content": row["text"]}
        assert job.answer(row) == job.target(row) == row[style.replace("-", "_")]
        assert job.parse(job.target(row), row) == job.parse(job.target(row)) == row["truth"]["action"]
        found = job.grade(row, job.target(row))
        assert found.action_right and found.cost == 0 and (found.arithmetic == 1) == (style != "answer-only")
    assert CreditTask().prompt(rows[0], style) == job.prompt(rows[0])
    assert CreditTask().target(rows[0], style) == job.target(rows[0])


def test_repeating_the_case_is_no_answer(rows):
    row = rows[0]
    job = CreditTask()
    assert job.parse(row["text"], row) is None and job.parse("", row) is None and not job.grade(row, row["text"]).parsed


def test_core_pairs_are_trained_on_but_not_graded():
    row = task.core()[0]
    for style in STYLES:
        job = CreditTask(style)
        assert job.prompt(row)[1]["content"] == row["instruction"] and job.answer(row) == row["answer"]
    with pytest.raises(CourseError, match="no decisions to grade"):
        CreditTask().grade(row, row["answer"])


def test_gold_tasks_have_prompt_target_and_grade():
    for row in task.gold():
        assert CreditTask().prompt(row)[1]["content"] == row["prompt"]
        assert CreditTask().grade(row, CreditTask().target(row)).arithmetic == 1
        assert CreditTask("answer-only").grade(row, CreditTask("answer-only").target(row)).action_right
    with pytest.raises(CourseError, match="no calculator twin"):
        CreditTask("calculator").target(row)
    with pytest.raises(CourseError, match="no style 'prose'"):
        CreditTask("prose")


def test_training_takes_the_task_as_it_is(tiny, train):
    """Two real optimiser steps on cases mixed with commentary: `fit` finds all that it asks a Task for."""
    from course_utils import models

    model, tokenizer = tiny
    mixed = task.mix(train[:6], 0.25)
    run = training.fit(models.attach_lora(model, r=2), tokenizer, CreditTask("calculator"), mixed,
                       training.Settings(steps=2, batch=2, max_length=2048, checkpoint_every=0))
    assert len(run.history) == 2 and math.isfinite(run.loss) and run.tokens > 500


# ---------------------------------------------------------------- files
def test_mix_has_the_share_asked_for(train):
    mixed = task.mix(train, 0.1)
    pairs = [r["instruction"] for r in mixed if "instruction" in r]
    assert len(mixed) == 333 and len(pairs) == len(set(pairs)) == 33
    cases = [r for r in mixed if "text" in r]
    assert cases != train and sorted(r["id"] for r in cases) == sorted(r["id"] for r in train)
    assert all("text" in task.mix(train, 0.5, seed)[0] for seed in range(6))  # else two arms could share a checkpoint
    assert task.mix(train, 0.1) == mixed != task.mix(train, 0.1, seed=1)
    assert sorted(map(str, task.mix(train, 0))) == sorted(map(str, train))
    assert len(task.mix(dataset.load("train"))) == 6000
    for cases, share in ((train, -0.1), (train, 1), (train, 0.7), ([], 0.1)):
        with pytest.raises(CourseError, match="core corpus"):
            task.mix(cases, share)


def test_core_and_splits_load(tmp_path):
    assert len(task.core()) == 600 and len(task.load("test", 7)) == 7
    with pytest.raises(CourseError, match="core_a.jsonl cannot be read"):
        task.core(tmp_path)
    (tmp_path / "core_a.jsonl").write_text('{"instruction": "a", "answer": "b", "kind": "c"}\n{"instruction": "a"}\n')
    with pytest.raises(CourseError, match="line 2, lacks"):
        task.core(tmp_path)
    (tmp_path / "core_a.jsonl").write_text('{"instruction": "a"')
    with pytest.raises(CourseError, match="line 1, is no valid JSON"):
        task.core(tmp_path)


def test_gold_loads_whole():
    assert len(task.gold()) == 30 and len({t["id"] for t in task.gold()}) == 30


def spoiled(change):
    tasks = copy.deepcopy(task.gold()[:3])
    change(tasks)
    return json.dumps(tasks)


@pytest.mark.parametrize("text, says", [
    ("[{", "no valid JSON"), ("", "no valid JSON"), ("{}", "no list of gold tasks"), ("[]", "no list of gold tasks"),
    ("[3]", "task 1, is int"),
    (spoiled(lambda t: t[1].pop("prompt")), r"task 2 \(gold-02\): .*: prompt"),
    (spoiled(lambda t: t[1].update(prompt="")), "task 2.*: prompt"),
    (spoiled(lambda t: t[2].update(required="none")), "task 3.*: required"),
    (spoiled(lambda t: t[0].pop("id")), "task 1: .*: id"),
    (spoiled(lambda t: t[0]["rubric"].pop("clarity")), "rubric's clarity"),
    (spoiled(lambda t: t[0]["decision"].pop("breaches")), "decision's breaches"),
    (spoiled(lambda t: t[2].update(id=t[0]["id"])), "gold-01 is given twice"),
    (spoiled(lambda t: t[0]["decision"].update(action="buy")), "task 1.*no decision with one of the five"),
    (spoiled(lambda t: t[0]["required"][0].update(value=999)), "task 1.*is not 999"),
    (spoiled(lambda t: t[0]["required"].append({"name": "x"})), "task 1.*malformed"),
])
def test_a_malformed_gold_file_is_named_with_its_entry(tmp_path, text, says):
    (tmp_path / "gold.json").write_text(text)
    with pytest.raises(CourseError, match=says) as error:
        task.gold(tmp_path / "gold.json")
    assert str(tmp_path) in str(error.value)


def test_a_missing_gold_file(tmp_path):
    with pytest.raises(CourseError, match="cannot be read"):
        task.gold(tmp_path / "gold.json")
    (tmp_path / "gold.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CourseError, match="cannot be read"):
        task.gold(tmp_path / "gold.json")


# ---------------------------------------------------------------- what a scorecard sees
HOTEL = """Orlgate Stays | hotels | Spain | EUR m
Leverage covenant | 3.5x
Minimum interest cover | 2.5x
EBITDA | 120
Net debt | 378
Interest | 30
Floating-rate debt | 200
Cash | 40
Undrawn credit line | 25
Maturities within 12 months | 52
PD | 3%
Loss given default | 40%
Exposure at default | 50
Loss budget | 1.2
Scenario (rate shock): EBITDA falls by 15%, rates rise by 200 basis points, PD is multiplied by 2.
How does this credit stand after the shock?"""


def test_ratios_by_hand():
    facts = read_case(HOTEL)
    assert scorecard.ratios(facts) == pytest.approx([378 / 420, 75 / 120, 52 / 65, 0.6 / 1.2])
    assert scorecard.stressed(facts) == pytest.approx([378 / 357, 85 / 102, 52 / 65, 1.2 / 1.2])
    row = scorecard.raw(facts)
    assert row[:2] == pytest.approx([math.log(121), math.log(379)]) and row[-9:] == [15, 0, 0, 0, 2, 0, 0, 2, 1]


def test_ratios_at_the_edges():
    assert scorecard.ratio(5, 0) == scorecard.ratio(5, -3) == scorecard.ratio(5, 0.001) == scorecard.LARGEST
    assert scorecard.ratio(0, 5) == scorecard.ratio(-2, 5) == scorecard.ratio(0, 0) == 0
    broke = read_case(HOTEL.replace("EBITDA | 120", "EBITDA | -20").replace("Interest | 30", "Interest | 0"))
    assert all(math.isfinite(x) for x in scorecard.features(broke, True))


def test_only_the_text_is_read(train, rows):
    bare = [{"text": r["text"], "truth": {"action": r["truth"]["action"], "weaker": r["truth"]["weaker"]}} for r in rows[:60]]
    model = scorecard.fitted("logistic regression", train)
    assert scorecard.answers(model, bare) == scorecard.answers(model, rows[:60])


def test_two_obligors_get_the_harsher_of_two_answers(train, rows):
    model = scorecard.fitted("gradient boosting", train, True)
    pair = next(r for r in rows if r["truth"]["weaker"])
    each = [ACTIONS[model.predict([scorecard.features(f, True)])[0]] for f in scorecard.obligors(pair["text"])]
    assert scorecard.answers(model, [pair], True) == [max(each, key=ACTIONS.index)]


# ---------------------------------------------------------------- how the baselines do
def test_baselines_stand_in_the_expected_order(train, rows):
    found = {e.system: e for e in scorecard.evaluate(train, rows)}
    assert [e.n for e in found.values()] == [400] * 7
    accuracy = {name: e.accuracy for name, e in found.items()}
    assert accuracy["majority"] == pytest.approx(0.2) and accuracy["the policy as a program"] == 1
    for name in scorecard.KINDS:
        plain, helped = accuracy[f"{name}, figures and ratios"], accuracy[f"{name}, with stressed ratios"]
        assert 0.25 < plain < helped < 1
    matrix = policy.costs()
    assert set(found["cheapest single answer"].guess) == {"reduce exposure"}
    assert found["cheapest single answer"].cost(matrix) == pytest.approx((12 + 9 + 5 + 0 + 12) / 5)
    assert found["the policy as a program"].cost(matrix) == 0 < min(e.cost(matrix) for n, e in found.items() if "policy" not in n)


def test_a_text_that_the_program_cannot_read_is_wrong_not_dropped(rows):
    damaged = rows[0] | {"text": rows[0]["text"].replace("cenario", "cene")}
    found = scorecard.program([damaged, rows[1]])
    assert (found.n, found.accuracy, found.parse_rate) == (2, 0.5, 0.5)


def test_what_a_scorecard_cannot_be_trained_on(train):
    with pytest.raises(CourseError, match="no scorecard 'forest'"):
        scorecard.fitted("forest", train)
    with pytest.raises(CourseError, match="fewer than two different actions"):
        scorecard.fitted("logistic regression", [r for r in train if r["truth"]["action"] == "approve"])
