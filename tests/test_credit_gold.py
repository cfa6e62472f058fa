"""The hand-written gold tasks decide as the policy says, and the grader agrees with verdicts made by hand."""

import ast
import gzip
import json
import re
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from course_utils.credit import grader
from course_utils.credit.agreement import FIELDS, agreement

DATA = Path(__file__).resolve().parents[1] / "data" / "credit"
GOLD = json.loads((DATA / "gold.json").read_text())
HAND = json.loads((DATA / "hand_graded.json").read_text())
ACTIONS = ("approve", "approve with conditions", "watch-list", "reduce exposure", "decline")
TESTS = ("leverage", "cover", "liquidity", "loss")
CLUSTERS = {"rate_shock", "downgrade_wave", "fx_crisis", "commodity_collapse", "refinancing_wall", "covenant_breach",
            "supply_chain_loss", "real_estate_repricing", "regulatory_change", "sovereign_stress"}
each_task = pytest.mark.parametrize("task", GOLD, ids=[t["id"] for t in GOLD])


# ---------------------------------------------------------------- the policy once more, as small as it can be
def exact(expression: str) -> Decimal:
    """The value of plain arithmetic: + - * / and numbers."""
    def walk(node):
        if isinstance(node, ast.BinOp):
            left, right = walk(node.left), walk(node.right)
            match node.op:
                case ast.Add():
                    return left + right
                case ast.Sub():
                    return left - right
                case ast.Mult():
                    return left * right
                case ast.Div():
                    return left / right
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return Decimal(str(node.value))
        raise ValueError(ast.dump(node))

    return walk(ast.parse(expression, mode="eval").body)


def rounded(name: str, value: Decimal) -> Decimal:
    """To one decimal, PD and expected loss to two, half away from zero."""
    return value.quantize(Decimal("0.01" if name.startswith("PD") else "0.1"), ROUND_HALF_UP)


def verdict(need: Decimal, have: Decimal) -> str:
    if need > have:
        return "breach"
    return "tight" if have - need < have / 10 else "pass"


def decide(found: dict) -> tuple[str, str, list[str]]:
    """(action, rating, breaches) from {test: verdict}."""
    breaches = [t for t in TESTS if found[t] == "breach"]
    quiet = "approve with conditions" if "tight" in found.values() else "approve"
    rating = ("affirm", "one notch down", "two notches down")[len({"leverage", "cover"} & set(breaches))]
    return (quiet, "watch-list", "reduce exposure", "decline", "decline")[len(breaches)], rating, breaches


def judged(task: dict) -> dict:
    """{obligor: ({test: verdict}, ranking key)}; the obligor is None where there is one."""
    out = {}
    for who in sorted({t["obligor"] for t in task["tests"]}, key=str):
        rows = {t["test"]: (Decimal(str(t["need"])), Decimal(str(t["have"]))) for t in task["tests"] if t["obligor"] == who}
        assert tuple(rows) == TESTS
        found = {name: verdict(*row) for name, row in rows.items()}
        count = Counter(found.values())
        out[who] = found, (count["breach"], count["tight"], rows["loss"][0] / rows["loss"][1])
    return out


def numbers(text: str) -> set[Decimal]:
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    return {Decimal(n) for n in re.findall(r"\d*\.?\d+", plain)}


# ---------------------------------------------------------------- gold tasks
def test_there_are_thirty_of_every_kind():
    assert len(GOLD) == len({t["id"] for t in GOLD}) == len({t["title"] for t in GOLD}) == 30
    kinds = Counter(t["type"] for t in GOLD)
    assert kinds["corporate"] >= 12 and kinds["sovereign"] >= 9 and kinds["structured"] >= 9
    clusters = Counter(t["cluster"] for t in GOLD)
    assert set(clusters) == CLUSTERS and min(clusters.values()) >= 2
    actions = Counter(t["decision"]["action"] for t in GOLD)
    assert set(actions) == set(ACTIONS) and min(actions.values()) >= 5
    weaker = Counter(t["decision"]["weaker"] for t in GOLD)
    assert weaker["A"] + weaker["B"] >= 8 and min(weaker["A"], weaker["B"]) >= 3
    breached = Counter(b for t in GOLD for b in t["decision"]["breaches"])
    assert min(breached[t] for t in TESTS) >= 5


@each_task
def test_a_task_is_complete(task):
    assert set(task) == {"id", "title", "type", "cluster", "prompt", "reference_reasoning", "decision", "tests", "required",
                         "rubric"}
    assert 150 <= len(task["prompt"].split()) <= 300
    assert set(task["rubric"]) == {"clarity", "realism", "numerical_coherence", "recommendation"}
    assert min(len(text.split()) for text in task["rubric"].values()) >= 8
    names = [r["name"] for r in task["required"]]
    assert len(names) == len(set(names)) >= 4


def test_no_rubric_line_serves_twice():
    lines = [line for t in GOLD for line in t["rubric"].values()]
    assert len(lines) == len(set(lines)) == 120


@each_task
def test_required_calculations_hold_and_are_shown(task):
    for row in task["required"]:
        value = rounded(row["name"], exact(row["expression"]))
        assert value == Decimal(str(row["value"])), row
        assert value.normalize() in {n.normalize() for n in numbers(task["reference_reasoning"])}, row


@each_task
def test_every_calculation_of_the_reasoning_holds(task):
    number = r"\d+(?:\.\d+)?%?"
    pairs = re.findall(rf"({number}(?: [x+/-] {number})+) = ({number})", task["reference_reasoning"])
    assert len(pairs) >= len(task["required"])
    for expression, result in pairs:
        plain = re.sub(r"([\d.]+)%", r"\1/100", expression).replace("x", "*")
        value, claimed = exact(plain), Decimal(result.rstrip("%"))
        if result.endswith("%"):
            value *= 100
        loss = expression.count("%") == 2 or result.endswith("%")
        assert rounded("PD" if loss else "", value) == claimed, (expression, result)


@each_task
def test_the_decision_follows_from_the_policy(task):
    known = numbers(task["prompt"]) | {Decimal(str(r["value"])) for r in task["required"]}
    assert all(Decimal(str(t[side])) in known for t in task["tests"] for side in ("need", "have")), "a figure from nowhere"
    found = judged(task)
    who = max(found, key=lambda w: found[w][1])
    action, rating, breaches = decide(found[who][0])
    assert task["decision"] == {"action": action, "rating": rating, "breaches": breaches, "weaker": who}


@each_task
def test_no_figure_lies_near_a_border(task):
    for t in task["tests"]:
        need, have = Decimal(str(t["need"])), Decimal(str(t["have"]))
        assert min(abs(need - have), abs(need - have * Decimal("0.9"))) >= have / 50, t


@each_task
def test_the_reasoning_ends_with_the_block(task):
    d = task["decision"]
    block = f"DECISION: {d['action']} | RATING: {d['rating']} | BREACHES: {', '.join(d['breaches']) or 'none'}"
    block = f"WEAKER: {d['weaker']} | {block}" if d["weaker"] else block
    *steps, last = task["reference_reasoning"].split("\n")
    assert last == block and len(steps) >= 5
    assert "DECISION" not in "".join(steps) and "DECISION" not in task["prompt"]
    stated = Counter(re.findall(r": (breach|tight|pass)\b", "\n".join(steps)))
    assert stated == Counter(v for verdicts, _ in judged(task).values() for v in verdicts.values())


def _similarity(left: list[str], right: list[str]):
    from sklearn.feature_extraction.text import TfidfVectorizer

    masked = [[re.sub(r"\d[\d.,]*", "0", text) for text in side] for side in (left, right)]
    words = TfidfVectorizer(token_pattern=r"\w+").fit(masked[0] + masked[1])
    return (words.transform(masked[0]) @ words.transform(masked[1]).T).toarray()


def test_gold_tasks_differ_from_each_other():
    close = _similarity(*[[t["prompt"] for t in GOLD]] * 2)
    assert max(close[i, j] for i in range(30) for j in range(i)) < 0.6


def test_gold_tasks_are_unlike_generated_ones():
    train = DATA / "train.jsonl.gz"
    if not train.exists():
        pytest.skip("no generated cases yet")
    with gzip.open(train, "rt") as lines:
        generated = [json.loads(line)["text"] for line in lines]
    close = _similarity([t["prompt"] for t in GOLD], generated)
    print("nearest generated case:", close.max().round(2))
    assert close.max() < 0.6


# ---------------------------------------------------------------- hand-graded answers
def test_hand_graded_answers_are_many_and_sound():
    cases, answers = HAND["cases"], HAND["answers"]
    assert len(cases) >= 25 and len(answers) >= 120 and {a["case"] for a in answers} == set(range(len(cases)))
    assert {c["type"] for c in cases} == {"corporate", "sovereign", "structured"}
    assert len({a["answer"] for a in answers}) == len(answers)
    for a in answers:
        v = a["verdict"]
        assert set(v) == set(FIELDS) and v["required"] > 0
        assert v["action"] in ACTIONS if v["parsed"] else v["action"] is None and not v["action_right"]
        assert v["required_right"] is None or 0 <= v["required_right"] <= v["required"]
    share = Counter(a["verdict"]["action_right"] for a in answers)
    assert share[True] >= 40 and share[False] >= 40, "both kinds of answer"


@each_task
def test_the_grader_finds_the_reference_answer_right(task):
    reference = {"decision": task["decision"], "required": task["required"]}
    g = grader.grade(task["prompt"], task["reference_reasoning"], reference=reference)
    assert g.parsed and g.action_right and g.rating_right and g.breaches_right and g.weaker_right is not False
    assert g.arithmetic == 1 and all(s.ok for s in g.stated) and g.consistent is not False


@pytest.mark.parametrize("name", [p.stem for p in sorted(DATA.glob("hand_graded*.json"))])
def test_the_grader_agrees_with_the_verdicts_made_by_hand(name):
    """Agreement over every verdict that a careful reader is sure of (null ones are not scored)."""
    found = agreement(name)
    print(f"agreement {found['value']:.3f} over {found['n']} verdicts", *found["differ"], sep="\n  ")
    assert found["value"] >= 0.95 and found["answers"] >= 100
