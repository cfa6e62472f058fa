"""Long answers written in batches: the same as one by one, with a tool, with an end, and with room to write."""

import pytest

from course_utils import answering, models
from course_utils.credit import calculator
from course_utils.credit.task import CreditTask, load
from course_utils.runtime import CourseError

TASK = CreditTask("calculator")


@pytest.fixture(scope="module")
def loaded():
    return models.load(four_bit=False)


def test_a_batch_of_unequal_prompts_gives_what_generate_gives_one_by_one(loaded):
    model, tokenizer = loaded
    rows = sorted(load("validation", 6), key=lambda r: len(r["text"]))[::2]
    batched = answering.write(model, tokenizer, TASK, rows, max_new_tokens=12)
    for row, written in zip(rows, batched, strict=True):
        asked = tokenizer.apply_chat_template(TASK.prompt(row), add_generation_prompt=True, return_tensors="pt", return_dict=True)
        alone = model.generate(**asked, max_new_tokens=12, do_sample=False)
        assert written.text == tokenizer.decode(alone[0, asked["input_ids"].shape[1]:], skip_special_tokens=True)


def test_the_tool_is_read_as_the_models_own_words(loaded):
    model, tokenizer = loaded
    said = []

    def once(text):
        said.append(text)
        return " 42 and then" if len(said) == 3 else ""

    written = answering.write(model, tokenizer, TASK, load("validation", 1), max_new_tokens=16, tool=once)[0]
    assert " 42 and then" in written.text and written.inserted == len(tokenizer.encode(" 42 and then"))
    assert written.tokens + written.inserted <= 16
    assert said[3].startswith(said[2] + " 42 and then")


def test_an_answer_that_never_ends_is_cut_and_says_so(loaded):
    model, tokenizer = loaded
    written = answering.write(model, tokenizer, TASK, load("validation", 2), max_new_tokens=5)
    assert [w.ended for w in written] == [False, False] and [w.tokens for w in written] == [5, 5]
    assert not TASK.grade(load("validation", 1)[0], written[0].text).parsed


def test_sampling_repeats_with_its_seed_and_differs_with_another(loaded):
    model, tokenizer = loaded
    row = load("validation", 1)

    def draw(seed):
        return answering.write(model, tokenizer, TASK, row, max_new_tokens=12, temperature=1.0, seed=seed)[0].text

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(4)}) > 1


def test_a_case_longer_than_the_context_is_refused(loaded):
    model, tokenizer = loaded
    row = load("validation", 1)[0]
    with pytest.raises(CourseError, match="reads at most 8192"):
        answering.write(model, tokenizer, TASK, [row | {"text": row["text"] * 60}], max_new_tokens=10)


TURNS = [("EBITDA: <<50*0.9=", "45>>"), ("PD: <<3*2=", "6>>"), ("<<1/0=", "?>>"), ("<<a=", "?>>"), ("<<9**9**9=", "?>>"),
         ("5 x 4 =", ""), ("<<50*0.9", ""), ("<<50*0.9=45>>", "")]


@pytest.mark.parametrize(("text", "added"), TURNS)
def test_the_calculator_answers_only_when_it_is_its_turn(text, added):
    assert calculator.tool(text) == added
