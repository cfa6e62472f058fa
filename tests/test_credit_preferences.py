"""The preference pairs: right against wrong, each wrong answer with the fault that it is named for."""

import random
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from course_utils.credit import confident, dataset, faults, policy, preferences, steps, teacher
from course_utils.credit.grader import grade
from course_utils.runtime import CourseError


@pytest.fixture(scope="module")
def rows():
    return dataset.load("test")


@pytest.fixture(scope="module")
def pairs():
    return preferences.load_pairs()


def test_pairs_are_even_over_faults_and_of_different_training_cases(pairs):
    assert Counter(p["fault"] for p in pairs) == dict.fromkeys(preferences.FAULTS, 80) and len(pairs) >= 400
    cases = {row["id"]: row for row in dataset.load("train")}
    assert len({p["case"] for p in pairs}) == len({p["rejected"] for p in pairs}) == len({p["id"] for p in pairs}) == len(pairs)
    assert all(cases[p["case"]]["text"] == p["prompt"] and cases[p["case"]]["reasoning"] == p["chosen"] for p in pairs)


def test_the_chosen_is_right_and_the_rejected_has_the_fault_it_is_named_for(pairs):
    for pair in pairs:
        row = {"id": pair["case"], "text": pair["prompt"]}
        assert teacher.verify(row, pair["chosen"]).accepted, pair["id"]
        assert not teacher.verify(row, pair["rejected"]).accepted, pair["id"]
        assert preferences.SHOWS[pair["fault"]](grade(pair["prompt"], pair["rejected"])), pair["id"]


def test_the_command_makes_the_recorded_pairs(pairs):
    made, dropped = preferences.make(0)
    assert made == pairs and dropped.total() < 0.1 * len(pairs)


def test_faulty_decisions_follow_from_the_faulty_figures(pairs):
    """Most slips change the decision; an ignored covenant never makes it harsher."""
    def actions(pair):
        return tuple(policy.ACTIONS.index(grade(pair["prompt"], pair[side]).action) for side in ("chosen", "rejected"))

    for fault in ("wrong arithmetic", "wrong unit"):
        found = [actions(p) for p in pairs if p["fault"] == fault]
        assert 0.4 < sum(a != b for a, b in found) / len(found) < 1, fault
    ignored = [actions(p) for p in pairs if p["fault"] == "ignored covenant"]
    assert all(b <= a for a, b in ignored) and sum(b < a for a, b in ignored) > 0.6 * len(ignored)


def test_the_data_card_describes_the_pairs_as_they_are(pairs):
    card = (policy.FOLDER / "README.md").read_text(encoding="utf-8")
    for fault in preferences.FAULTS:
        mine = [p for p in pairs if p["fault"] == fault]
        other = sum(grade(p["prompt"], p["rejected"]).action != grade(p["prompt"], p["chosen"]).action for p in mine)
        words = (round(sum(len(p[side].split()) for p in mine) / len(mine)) for side in ("chosen", "rejected"))
        row = " | ".join(map(str, (len(mine), other, *words)))
        assert re.search(rf"\| {fault}: [^|]+\| {re.escape(row)} \|", card), (fault, row)
    two = sum("weaker credit" in p["prompt"] for p in pairs)
    assert f"{len(pairs)} pairs of a right answer" in card and f"; {two} of them compare two obligors" in card


def test_words_without_figures(pairs):
    for pair in pairs:
        *said, block = pair["rejected"].splitlines()
        if pair["fault"] == "over-confidence":
            assert not re.search(r"\d", pair["rejected"]) and re.match(r"(WEAKER|DECISION): ", block)
        if pair["fault"] == "no recommendation":
            assert "DECISION" not in pair["rejected"] and len(re.findall(" = ", pair["rejected"])) >= 3


def test_an_unaltered_sheet_is_the_generators(rows):
    for row in rows[:150]:
        case = dataset.case_of(row)
        for o in case.obligors:
            mine, theirs = faults.retold(o.facts, case.shock, faults.unaltered), steps.sheet(o.facts, case.shock)
            assert mine.tests == theirs.tests and mine.sums == theirs.sums
            assert {m.symbol: m.calcs for m in mine.moves} == {m.symbol: m.calcs for m in theirs.moves}, row["id"]
        assert faults.decided([steps.sheet(o.facts, case.shock) for o in case.obligors]) == case.judged()


def test_a_slip_is_carried_on_by_hand():
    """120 x 0.85 = 102 becomes 120; then 3.5 x 120 = 420 is allowed instead of 357, and the breach of 380 is gone."""
    hotel = policy.facts(type="corporate", B=120, D=380, L=3.5, I=30, C=2.5, S=[40, 25], U=50, PD=3, LGD=45, EAD=50, K=1.2, F=200)
    hit = policy.shock(b=15, r=2, m=2)
    wrong = faults.retold(hotel, hit, lambda key, c: replace(c, result=Decimal(120)) if key == "B" else c)
    assert [(float(t.need), float(t.have), t.verdict) for t in wrong.tests] == [
        (380, 420, "tight"), (85, 120, "pass"), (50, 65, "pass"), (1.35, 1.2, "breach")]
    assert wrong.sums["leverage"].plain == "3.5 x 120 = 420" and faults.decided([wrong])[0].action == "watch-list"
    rise = faults.retold(hotel, hit, lambda key, c: faults.misread(key, c, faults.UNITS["rise"][0]) if key == "rise" else c)
    assert [c.plain for m in rise.moves if m.symbol == "I" for c in m.calcs] == ["200 x 20% = 40", "30 + 40 = 70"]
    assert rise.sums["cover"].plain == "2.5 x 70 = 175" and rise.tests[1].verdict == "breach"
    blind = faults.retold(hotel, hit, faults.unaltered, skip="leverage")
    assert [t.name for t in blind.tests] == ["cover", "liquidity", "loss"] and faults.decided([blind])[0].breaches == ("loss",)


def test_slips_are_wrong_and_positive():
    rng = random.Random(3)
    for _ in range(500):
        right = steps.Calc("6%*45%*50", Decimal(rng.choice(("1.35", "0.3", "45", "7", "10", "102.5", "0.01"))))
        wrong = faults.slip(right, rng)
        assert wrong.result > 0 and wrong.result != right.result and wrong.expression == right.expression


@pytest.mark.parametrize("action", policy.ACTIONS)
def test_a_confident_decision_fits_itself(action):
    for seed in range(20):
        found = confident.suited(action, random.Random(seed))
        assert found.action == action and found.block.count("|") == 2


def test_a_missing_pairs_file_names_its_command(tmp_path):
    with pytest.raises(CourseError, match="cannot be read[\\s\\S]*credit.preferences --seed 0"):
        preferences.load_pairs(tmp_path / "none.gz")
