"""The failure gallery, tried on the hand-graded answers."""

import json
import random
from html.parser import HTMLParser

import pytest

from course_utils.credit import gallery
from course_utils.credit.grader import grade
from course_utils.credit.policy import FOLDER
from course_utils.credit.task import CreditTask, gold

HAND = json.loads((FOLDER / "hand_graded.json").read_text(encoding="utf-8"))
ROWS = [{"id": f"case-{k}", **case} for k, case in enumerate(HAND["cases"])]


@pytest.fixture(scope="module")
def graded():
    return [(ROWS[a["case"]], a["answer"], grade(ROWS[a["case"]]["text"], a["answer"])) for a in HAND["answers"]]


def one(what: str):
    """(row, answer, grade, hand-made verdict) of the hand-graded answer that is described so."""
    found = next(a for a in HAND["answers"] if a["what_it_is"] == what)
    row = ROWS[found["case"]]
    return row, found["answer"], grade(row["text"], found["answer"]), found["verdict"]


def marked(what: str) -> tuple[str, str | None]:
    row, answer, given, _ = one(what)
    place = gallery.place_of(row, answer, given, gallery.fault_of(given))
    return gallery.fault_of(given), answer[slice(*place)] if place else None


# ---------------------------------------------------------------- which fault, and where
@pytest.mark.parametrize("what, fault, begins", [
    ("arithmetic slip in cover, carried to the decision", "false sum", "Test 2: 4 x 17 = 78"),
    ("slip on the border: 3564 written as 3464", "false sum", "B: debt 3300 x 1.08 = 3464"),
    ("sums false, decision right by luck", "right action, wrong figure", "Cash flow: 240 x 0.85 = 214."),
    ("wrong sign: reserves rise", "right action, wrong figure", "Reserves: 360 + 80 = 440"),
    ("PD not doubled", "wrong figure", "Loss 2% x 40% x 80 = 0.64"),
    ("wrong numbers stated without expressions", "wrong figure", "EBITDA falls to 130."),
    ("step-down of the limit overlooked", "missing result", "Leverage 4 x 90 = 360"),
    ("answer-only, wrong", "missing result", "WEAKER: B | DECISION: decline"),
    ("rating wrong: notches counted from all breaches", "contradiction", "DECISION: decline"),
    ("verdict of cover read the wrong way round", "contradiction", "1.3 x 20 = 26 needed, 25.7 there: tight."),
    ("tight not seen", "wrong verdict", "DECISION: approve"),
    ("two contradictory blocks", "no decision", "DECISION: decline"),
    ("verdicts right, no decision", "no decision", None), ("empty answer", "no decision", None), ("refuses", "no decision", None),
])
def test_the_first_fault_and_its_place(what, fault, begins):
    found, sentence = marked(what)
    assert found == fault and (sentence is None if begins is None else sentence.startswith(begins))


def test_a_right_action_with_the_wrong_breach_is_a_wrong_detail():
    row, *_ = one("over-confident without numbers")
    right, wrong = (grade(row["text"], f"DECISION: watch-list | RATING: one notch down | BREACHES: {test}")
                    for test in ("leverage", "cover"))
    assert right.action_right and gallery.fault_of(right) is None and gallery.fault_of(wrong) == "wrong detail"
    assert "Breaches named: cover. The policy finds: leverage." in gallery.says(row, wrong)


def test_wrong_answers_have_a_fault_and_wholly_right_ones_have_none(graded):
    for (_, _, given), entry in zip(graded, HAND["answers"], strict=True):
        hand = entry["verdict"]
        if hand["action_right"] is False:
            assert gallery.fault_of(given), entry["what_it_is"]
        if entry["what_it_is"].startswith("right"):
            right = hand["action_right"] and hand["rating_right"] and hand["consistent"] and not hand["calculations_wrong"]
            assert not right or gallery.fault_of(given) is None, entry["what_it_is"]


# ---------------------------------------------------------------- the choice
def test_five_faults_the_same_ones_in_any_order(graded):
    chosen = gallery.choose(graded)
    assert len({e.fault for e in chosen}) == len({e.row["id"] for e in chosen}) == 5
    shuffled = random.Random(1).sample(graded, len(graded))
    assert gallery.choose(shuffled) == chosen and gallery.choose(graded * 2)[0].answer == chosen[0].answer
    assert [e.shared for e in chosen] == sorted((e.shared for e in chosen), reverse=True)
    assert sum(e.shared for e in gallery.choose(graded, 99)) == chosen[0].wrong == sum(
        gallery.fault_of(g) is not None for *_, g in graded)


def test_of_one_fault_the_clearest_then_the_dearest_is_shown(graded):
    chosen = next(e for e in gallery.choose(graded) if e.fault == "false sum")
    mine = [(sum(gallery.signs(g).values()), -g.cost) for r, _, g in graded if gallery.fault_of(g) == "false sum"]
    found = next(g for r, a, g in graded if a == chosen.answer)
    assert (sum(gallery.signs(found).values()), -found.cost) == min(mine)


def test_fewer_faults_give_a_shorter_gallery_and_right_answers_none(graded):
    right = [entry for entry in graded if gallery.fault_of(entry[2]) is None]
    assert gallery.choose(right) == [] == gallery.choose([])
    only = [entry for entry in graded if gallery.fault_of(entry[2]) == "no decision"]
    assert [e.fault for e in gallery.choose(right + only)] == ["no decision"]
    assert "0" not in gallery.render([])


# ---------------------------------------------------------------- what the grader says
def test_the_grader_speaks_in_full_sentences():
    row, _, given, _ = one("slip on the border: 3564 written as 3464")
    said = gallery.says(row, given)
    assert said[0].startswith("Decision: watch-list. The policy says: reduce exposure. By the cost matrix this costs ")
    assert "False sum: 3300 x 1.08 is 3,564, not 3,464." in said
    assert "Wrong figure: government debt of B is 3,564 (3300 x 1.08), not 3,464." in said
    assert "Breaches named: loss. The policy finds: leverage, loss." in said
    assert "Rating named: affirm. The policy says: one notch down." in said


def test_gold_tasks_are_graded_by_their_reference():
    row = next(task for task in gold() if task["decision"]["action"] != "approve" and task["decision"]["weaker"])
    answer = "All is well. DECISION: approve | RATING: affirm | BREACHES: none"
    (exhibit,) = gallery.choose([(row, answer, CreditTask().grade(row, answer))])
    assert f"The policy says: {row['decision']['action']}." in exhibit.says[0] and exhibit.marked[0] > 0
    assert row["title"] in gallery.render([exhibit]).replace("&#x27;", "'").replace("&amp;", "&")


# ---------------------------------------------------------------- the page
class Page(HTMLParser):
    """Checks that tags close in order, and collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.seen = [], "", []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(page: str) -> Page:
    found = Page()
    found.feed(page)
    assert not found.open
    return found


def test_the_page_tells_case_answer_fault_verdict_and_leaves_room_for_a_note(graded):
    chosen = gallery.choose(graded)
    page = read(gallery.render(chosen, {chosen[0].row["id"]: "The block <b>is missing</b>."}))
    assert page.seen.count("article") == page.seen.count("mark") == 5 and "The block <b>is missing</b>." in page.text
    assert page.text.count("[fault: ") == 5  # in words, not by colour alone
    assert page.text.count("Your note.") == 4 and page.text.count("What a reviewer should have caught") == 5
    for exhibit in chosen:
        assert all(line in page.text for line in exhibit.says) and exhibit.row["text"] in page.text
        if exhibit.marked:
            assert f"[fault: {exhibit.answer[slice(*exhibit.marked)]}]" in page.text


@pytest.mark.parametrize("answer", [
    "", "<script>alert(1)</script> $x$ \\(y\\)", "EBITDA falls. " * 4000, "4 x 17 = 78 " * 2000, "\n" * 5000, "]]></mark>&amp;",
    "DECISION: decline\n" * 3000, "9" * 5000 + " x 2 = 4", "é" * 3000 + " DECISION: approve"])
def test_any_answer_makes_a_whole_page(answer):
    row = ROWS[0]
    (exhibit,) = gallery.choose([(row, answer, grade(row["text"], answer))])
    page = gallery.render([exhibit])
    assert "script" not in read(page).seen and len(page) < 16_000
