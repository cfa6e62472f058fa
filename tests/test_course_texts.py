"""The texts that the course wrote for its later notebooks: whole, consistent, and true to what their data cards say."""

import json
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1] / "data"
CARE = ["machine wash 30", "machine wash 40", "hand wash", "do not wash", "dry clean", "do not bleach", "do not tumble dry",
        "iron low", "wipe clean", "keep dry"]


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def distinct(values) -> bool:
    values = list(values)
    return len(set(values)) == len(values)


# ---------------------------------------------------------------- retail
@pytest.mark.parametrize("part, letters", [(1, "ABCDEFGH"), (2, "IJKLMNOP"), (3, "QRSTUVWXYZ")])
def test_products_are_whole_and_their_suppliers_apart(part, letters):
    found = rows(f"retail/products_{part}.jsonl")
    assert len(found) == 145 and distinct(r["text"] for r in found) and distinct(r["id"] for r in found)
    for r in found:
        gold = r["gold"]
        assert r["supplier"][0] in letters
        assert set(gold) == {"sku", "material", "grade", "origin", "colour", "care", "price", "dimensions"}
        assert gold["sku"] is None or gold["sku"] in r["text"]
        assert gold["material"] is None or sum(gold["material"].values()) == 100
        assert gold["care"] is None or gold["care"] == [c for c in CARE if c in gold["care"]]
        assert gold["price"] is None or gold["price"]["amount"] > 0 and len(gold["price"]["currency"]) == 3


@pytest.mark.parametrize("house", [p.stem for p in sorted((DATA / "retail").glob("voice_[0-9].jsonl"))])
def test_a_voice_keeps_the_facts(house):
    found = rows(f"retail/{house}.jsonl")
    assert len(found) >= 150 and distinct(r["facts"]["product"] for r in found) and len({r["house"] for r in found}) == 1
    for r in found:
        assert all(str(v).lower() in r["text"].lower() for v in r["facts"].values()), r["id"]


def test_customer_messages():
    found = rows("retail/customers.jsonl")
    themes = Counter(r["theme"] for r in found)
    assert len(found) == 330 and len(themes) == 10 and set(themes.values()) == {33}
    assert distinct(r["text"] for r in found) and all(r["second_theme"] != r["theme"] for r in found)


def test_copilot_calculations_hold():
    found = rows("retail/copilot.jsonl")
    assert len(found) == 40
    for r in found:
        for step in r["calculations"]:
            assert set(step["expression"]) <= set("0123456789.+-*/() "), step
            assert eval(step["expression"]) == pytest.approx(step["value"], rel=0.02, abs=0.06), step  # noqa: S307 (digits only)


# ---------------------------------------------------------------- choosing
def test_questions_point_at_documents_that_exist():
    documents = {d["id"] for d in rows("choosing/documents.jsonl")}
    questions = rows("choosing/questions.jsonl")
    assert len(documents) == 66 and len(questions) == 170
    assert distinct([q["question"] for q in questions] + [q["paraphrase"] for q in questions])
    for q in questions:
        assert set(q["documents"]) <= documents
        assert bool(q["documents"]) != (q["kind"] == "unanswerable")
    assert {f["document"] for f in rows("choosing/facts.jsonl")} <= documents


def test_general_skills_are_balanced():
    found = rows("choosing/general.jsonl")
    assert set(Counter(r["answer"] for r in found).values()) == {30} and set(Counter(r["skill"] for r in found).values()) == {20}
    assert all(distinct(r["options"]) and len(r["options"]) == 4 for r in found)


# ---------------------------------------------------------------- course
def test_quiz_has_two_versions_with_one_right_answer_each():
    questions = json.loads((DATA / "course/quiz.json").read_text())["questions"]
    assert len(questions) == 12
    for q in questions:
        for version in "AB":
            asked = q[version]
            assert len(asked["options"]) == len(asked["why"]) == 4 and 0 <= asked["answer"] < 4
        assert q["A"]["question"] != q["B"]["question"]


def test_glossary():
    terms = json.loads((DATA / "course/glossary.json").read_text())
    assert len(terms) >= 40 and distinct(t["term"] for t in terms)
    assert all(t["plain"] and t["why_it_matters"] and t["where"][:1] == "0" for t in terms)
