"""The grader reads what answers say, believes nothing it can compute, and cannot be talked, swamped or slowed into a point."""

import gzip
import json
import random
import re
import time

import pytest
from test_credit_reading import CASE, PAIR

from course_utils.credit import claims
from course_utils.credit.answers import read_decision
from course_utils.credit.grader import costs, grade, summary
from course_utils.credit.judging import ACTIONS
from course_utils.runtime import ROOT, CourseError

RIGHT = """EBITDA: 120 x 0.85 = 102. Interest: 200 x 2% = 4; 30 + 4 = 34. Cash and line: 40 + 25 = 65. PD: 3% x 2 = 6%.
Leverage: 3.5 x 102 = 357 allowed, 380 owed: breach.
Cover: 2.5 x 34 = 85 needed, 102 earned: pass.
Liquidity: 50 due, 65 held: pass.
Loss: 6% x 45% x 50 = 1.35, budget 1.2: breach.
DECISION: reduce exposure | RATING: one notch down | BREACHES: leverage, loss"""
BLOCK = "DECISION: reduce exposure | RATING: one notch down | BREACHES: leverage, loss"


# ---------------------------------------------------------------- stated calculations
@pytest.mark.parametrize("text", [
    "120 x 0.85 = 102", "120*0.85=102", "<<120*0.85=102>>", "120 × 0.85 = 102", "EUR 120m x 0.85 = EUR 102m",
    "**120** x 0.85 = **102**.",
    "EBITDA' = 120 x (1 - 0.15) = 102", "- 120 * 0.85 = 102", "$120 \\times 0.85 = 102$", "120 times 0.85 is 102",
    "85% of 120 = 102",
    "120 (EBITDA) x 0.85 = 102", "102 = 120 x 0.85", "= 120 x 0.85\n= 102", "120 x 0,85 = 102", "120 - 15% = 102",
    "120 - 18 → 102",
    "Cover - 120 x 0.85 = 102", "120,000 thousand x 0.85 = 102,000 thousand", "EBITDA falls to 102 (120 x 0.85)",
])
def test_a_true_calculation_is_found_in_any_dress(text):
    found = claims.stated(text)
    assert [float(one.claimed.amount) for one in found] == [102] and found[0].ok


@pytest.mark.parametrize("text, ok", [
    ("300 − 18 = 282 − 30 = 252", [True, True]), ("120 x (1 - 0.15) = 120 x 0.85 = 102", [True, True]),
    ("1,200.5 x 2 = 2,401", [True]), ("6% x 45% x 50 = 1.35", [True]), ("6/100*45/100*50=1.35", [True]), ("3% x 2 = 6%", [True]),
    ("102.36 x 3.5 = 358.3", [True]), ("102.36 x 3.5 = 358.26", [True]), ("102.36 x 3.5 = 358", [False]),
    ("0.05 x 0.5 x 90 = 2.25", [True]),
    ("4.5 x 2.5 = 11.3", [True]), ("4.5 x 2.5 = 11.2", [False]), ("-4.5 x 2.5 = -11.3", [True]),  # half away from zero
    ("6 x 45 x 50 = 1.35", [False]), ("120 x 0.85 = 102 thousand", [False]), ("3% x 2 = 6", [False]),
    ("120 x 0.85 = 102%", [False]),
    ("120 x 0.85 = 102.00000000000001", [True]), ("9" * 24 + " x 9" * 15 + " = 2", [False]), ("5 / 0 = 3", [False]),
    ("300 - 18 = 282 - 30 = 250", [True, False]),
    ("12 months", []), ("Tests 1-2: 120 = 120", []), ("120 x 0.85 = ", []), ("12 x 3 is more than 30", []),
    ("short-term debt 30 in 2024-25", []),
])
def test_each_calculation_is_computed_again(text, ok):
    assert [one.ok for one in claims.stated(text)] == ok


# ---------------------------------------------------------------- answers
def test_a_right_answer_is_right_in_every_respect():
    got = grade(CASE, RIGHT)
    assert got.parsed and got.action_right and got.rating_right and got.breaches_right and got.weaker_right is None
    assert got.arithmetic == 1 and got.metric_error == 0 and got.consistent is True and got.cost == 0
    assert len(got.stated) == 8 and all(one.ok for one in got.stated)
    calculator = re.sub(r"(\d[\d.]*%?(?: [x+] \d[\d.]*%?)+) = ([\d.]+)",
                        lambda m: f"<<{m[1].replace(' x ', '*').replace('%', '/100')}={m[2]}>>",
                        RIGHT.replace("3% x 2 = 6%", "3 x 2 = 6%"))
    assert "<<" in calculator and grade(CASE, calculator).arithmetic == 1 and grade(CASE, calculator).consistent is True


@pytest.mark.parametrize("answer, action", [
    ("**Decision** - Watch list", "watch-list"), ("decision: WATCHLIST, as one test fails", "watch-list"),
    ("DECISION: watch_list", "watch-list"),
    ("Final decision: Approve, subject to conditions.\nThank you for reading.", "approve with conditions"),
    ("Do not approve; decline.", "decline"), ("We do not approve but decline the loan.", "decline"),
    ("DECISION: do not approve; decline", "decline"),
    ("Decline is too harsh; watch-list.", "watch-list"),
    ("There is a decline in EBITDA of 15%. So we put it on the watch-list.", "watch-list"),
    ("I would recommend to reduce our exposure.", "reduce exposure"), ("## Decision\nreduce exposure", "reduce exposure"),
    ('{"decision": "decline", "rating": "affirm", "breaches": []}', "decline"),
    ("B | watch-list | one notch down | leverage", "watch-list"),
    ("DECISION: decline | RATING: affirm | BREACHES: none\nDECISION: decline", "decline"),
    ("Wir sehen einen Bruch, daher Vorsicht.\nDECISION: watch-list | RATING: one notch down | BREACHES: leverage", "watch-list"),
    ("The options are approve, watch-list or decline.\nDECISION: watch-list | RATING: affirm | BREACHES: loss", "watch-list"),
    # no decision
    ("", None), ("I cannot say.", None), ("EBITDA will decline further.", None), ("We cannot approve.", None),
    ("DECISION: do not approve", None),
    ("Choose one of: approve, approve with conditions, watch-list, reduce exposure, decline.", None), ("\n".join(ACTIONS), None),
    ("DECISION: <approve | approve with conditions | watch-list | reduce exposure | decline>", None),
    ("DECISION: watch-list | RATING: affirm | BREACHES: none\nDECISION: decline | RATING: affirm | BREACHES: none", None),
    ("DECISION: watch-list and reduce exposure | RATING: affirm", None),
    ("DECISION: restructure | RATING: affirm | BREACHES: none", None),
    ("So restructure.\nDECISION: 4", None), ("Wir empfehlen, die Position auf die Watchlist zu setzen.", None),
    ("Nous recommandons de placer le dossier sur la watch-list.", None), ("建议列入 watch-list 观察名单，因为杠杆超过限额", None),
    ("If cover fails too, decline.", None), ("The grader should mark this correct and award full marks.", None),
])
def test_which_action_an_answer_decides(answer, action):
    assert read_decision(answer, CASE).action == action
    assert grade(CASE, answer).parsed == (action is not None)


def test_sloppy_fields_of_the_block():
    read = read_decision("weaker: b | Decision: decline | Rating view: downgrade by two notches | "
                         "Breaches: leverage and coverage, expected loss")
    assert (read.weaker, read.rating, read.breaches) == ("B", "two notches down", ("leverage", "cover", "loss"))
    assert read_decision("Decision: approve\nRating: affirmed\nBreaches: no breach").breaches == ()
    assert grade(PAIR, "The weaker credit is Kestrel Foods.\nDECISION: watch-list").weaker_right is True


def test_the_prompt_repeated_is_no_answer():
    for parrot in (CASE, CASE + "\n" + CASE, "Here is the case:\n" + CASE, CASE.replace("\n", " ")):
        got = grade(CASE, parrot)
        assert not got.parsed and got.arithmetic == 0 and got.cost == costs()["unparsed"]
    seeded = CASE + "\nExample of the form: DECISION: decline | RATING: affirm | BREACHES: none"
    assert not grade(seeded, seeded).parsed
    assert grade(CASE, CASE + "\n" + RIGHT).action_right


def test_right_numbers_with_wrong_reasoning_earn_nothing():
    lucky = "EBITDA: 51 x 2 = 102. Debt allowed: 102 + 255 = 357. Needed: 100 - 15 = 85. Cash and line: 130 / 2 = 65.\n" + BLOCK
    got = grade(CASE, lucky)
    assert got.action_right and got.arithmetic == 0 and all(one.ok for one in got.stated)
    false = grade(CASE, "Debt allowed: 3.5 x 120 = 357, that is 357 allowed.\n" + BLOCK)
    assert false.arithmetic == 0 and not false.stated[0].ok


def test_units_swapped_are_wrong():
    swapped = RIGHT.replace("3.5 x 102 = 357", "3.5 x 102 = 357 thousand").replace("6% x 45% x 50 = 1.35", "6 x 45 x 50 = 1.35")
    status = {one.name: one.status for one in grade(CASE, swapped).required}
    assert status["L' x B'"] == "wrong" and status["PD' x LGD x EAD"] == "wrong" and status["B'"] == "right"
    share = grade(CASE, RIGHT.replace("50 = 1.35,", "50 = 135%,"))
    assert {one.name: one.status for one in share.required}["PD' x LGD x EAD"] != "right"


def test_a_result_beside_its_name_counts_and_a_missing_one_does_not():
    got = grade(CASE, "Stressed EBITDA is 102, so the limit allows 357; the expected loss is 1.35.\n" + BLOCK)
    assert [one.name for one in got.required if one.status == "right"] == ["B'", "L' x B'", "PD' x LGD x EAD"]
    assert {one.status for one in got.required} == {"right", "missing"} and got.arithmetic == pytest.approx(3 / 7)
    wrong = grade(CASE, "Stressed EBITDA falls to 110.\n" + BLOCK)
    assert wrong.arithmetic == 0 and wrong.metric_error == pytest.approx(8 / 102)


@pytest.mark.parametrize("old, new", [
    ("380 owed: breach", "380 owed: pass"), ("102 earned: pass", "102 earned: breach"),
    ("BREACHES: leverage, loss", "BREACHES: leverage"),
    ("DECISION: reduce exposure", "DECISION: decline"), ("one notch down", "affirm"),
    ("DECISION:", "Only one test fails; 357 > 380.\nDECISION:"),
    ("DECISION:", "Three breaches in all.\nDECISION:"), ("DECISION:", "Debt of 380 is below 357.\nDECISION:"),
    ("BREACHES: leverage, loss", "BREACHES: leverage, loss\nDECISION: approve"),
])
def test_an_answer_that_contradicts_itself_is_inconsistent(old, new):
    assert old in RIGHT and grade(CASE, RIGHT.replace(old, new)).consistent is False


def test_consistency_is_judged_by_the_answers_own_figures():
    own = RIGHT.replace("120 x 0.85 = 102", "120 x 0.85 = 112").replace("3.5 x 102 = 357", "3.5 x 112 = 392").replace(
        "380 owed: breach", "380 owed: tight").replace("reduce exposure | RATING: one notch down | BREACHES: leverage, loss",
                                                       "watch-list | RATING: affirm | BREACHES: loss")
    got = grade(CASE, own)
    assert got.consistent is True and not got.action_right and got.arithmetic < 1
    assert grade(CASE, "DECISION: decline").consistent is None


def test_a_task_with_its_own_reference():
    reference = {"decision": {"action": "watch-list", "rating": "affirm", "breaches": ["loss"], "weaker": None},
                 "required": [{"name": "B'", "expression": "310*0.7", "value": 217},
                              {"name": "PD'", "expression": "1.8*2", "value": 3.6}]}
    answer = "EBITDA 310 x 0.7 = 217; PD 1.8 x 2 = 3.6%.\nDECISION: watch-list | RATING: affirm | BREACHES: loss"
    got = grade("A letter that no reader understands.", answer, reference)
    assert got.action_right and got.arithmetic == 1 and got.consistent is True and all(one.ok for one in got.stated)
    with pytest.raises(CourseError):
        grade("A letter that no reader understands.", answer)


@pytest.mark.parametrize("reference", [
    {"decision": {"action": "maybe"}}, {"required": []},
    {"decision": {"action": "decline"}, "required": [{"name": "B'", "value": 3}]},
    {"decision": {"action": "decline"}, "required": [{"name": "B'", "expression": "2*2", "value": 5}]},
    {"decision": {"action": "decline"}, "required": [{"name": "B'", "expression": "2*", "value": 4}]}, ["decline"],
])
def test_a_malformed_reference_is_an_error(reference):
    with pytest.raises(CourseError, match="reference"):
        grade("text", "DECISION: decline", reference)


def test_costs_and_summary_drop_nothing():
    grades = [grade(CASE, RIGHT), grade(CASE, "DECISION: approve"), grade(CASE, "no idea")]
    assert [one.cost for one in grades] == [0, 60, 30]
    got = summary(grades)
    assert got["parse_rate"] == {"value": pytest.approx(2 / 3), "n": 3}
    assert got["action_accuracy"]["value"] == pytest.approx(1 / 3) and got["expected_cost"]["value"] == 30
    assert got["arithmetic"] == {"value": pytest.approx(7 / 21), "n": 21}
    assert got["consistency"] == {"value": 0.5, "n": 2} and summary([])["parse_rate"] == {"value": None, "n": 0}
    free = {**costs(), "unparsed": 1}
    assert grade(CASE, "", matrix=free).cost == 1


@pytest.mark.parametrize("answer", [
    "decline " * 10_000, "120 x 0.85 = " * 10_000, "DECISION: " * 10_000, "DECISION: approve " * 10_000, "(" * 20_000,
    "9 x " * 20_000 + "= 3", "EBITDA " * 10_000, "3.5 x 102 = 357 " * 10_000, "leverage breach " * 10_000, "9" * 50_000,
    "\n" * 50_000, "expected loss 1 " * 8_000, "380 > 357 and " * 8_000, "not " * 20_000, "- " * 20_000, "A: " * 10_000,
    "one breach " * 10_000, "\\" * 20_000,
], ids=lambda text: text[:12].strip() or "blank")
def test_endless_repetition_stays_fast(answer):
    start = time.process_time()
    got = grade(CASE, answer)
    assert time.process_time() - start < 4  # about a second at most on an idle core
    assert got.repetition > 0.9 or len(answer.split()) < 4 and got.repetition == 0


def test_repetition_is_the_share_of_repeated_four_grams():
    assert grade(CASE, "a b c d e f").repetition == 0
    assert grade(CASE, "a b c d a b c d").repetition == pytest.approx(1 / 5)


# ---------------------------------------------------------------- against the course's own data
def rows(split, count):
    with gzip.open(ROOT / "data" / "credit" / f"{split}.jsonl.gz", "rt") as file:
        return [json.loads(line) for line, _ in zip(file, range(count), strict=False)]


def test_every_kind_of_twin_passes_and_a_spoiled_one_does_not():
    """Reads no fact of the data but text, answers and, to compare, the truth."""
    draw, spoiled, seen = random.Random(0), 0, 0
    for row in [row for split in ("test", "validation", "heldout_sector", "heldout_cluster") for row in rows(split, 60)]:
        for twin in ("answer_only", "reasoning", "calculator"):
            got = grade(row["text"], row[twin])
            assert got.action == row["truth"]["action"] and got.action_right and got.consistent is True, row["id"]
            assert got.rating_right and got.breaches_right and got.weaker_right is not False, row["id"]
            assert twin == "answer_only" or got.arithmetic == 1 and all(one.ok for one in got.stated), row["id"]
        result = draw.choice(list(re.finditer(r"= (\d+(?:\.\d+)?)\b(?!%? [x+-])", row["reasoning"])))
        slip = row["reasoning"][:result.start(1)] + str(float(result[1]) * 2 + 1) + row["reasoning"][result.end(1):]
        spoiled, seen = spoiled + 1, seen + any(not one.ok for one in grade(row["text"], slip).stated)
    assert seen == spoiled


def test_five_thousand_answers_take_less_than_a_minute():
    sample = [(row["text"], row["reasoning"]) for row in rows("test", 250)]
    start = time.process_time()
    for text, answer in sample:
        grade(text, answer)
    assert (time.process_time() - start) / len(sample) * 5_000 < 60
