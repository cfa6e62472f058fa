"""The written answers, the calculator beside them, and the files of the data set: every number, every row, every split."""

import itertools
import json
import re
import time
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.credit import calculator, dataset, layouts, policy, steps, variety, writing
from course_utils.runtime import CourseError


@pytest.fixture(scope="module")
def rows():
    return {split: dataset.load(split) for split in dataset.SPLITS}


# ---------------------------------------------------------------- answers
NUMBER = r"\d+(?:\.\d+)?%?"
SUM = re.compile(rf"({NUMBER}(?: [x+-] {NUMBER})+) = ({NUMBER})")


def by_eye(expression):
    """An independent reading of `6% x 45% x 50` for the test: left to right, one kind of sign."""
    parts = re.split(r" ([x+-]) ", expression)
    values = [Decimal(p.rstrip("%")) / (100 if p.endswith("%") else 1) for p in parts[::2]]
    total = values[0]
    for sign, value in zip(parts[1::2], values[1:], strict=True):
        total = total * value if sign == "x" else total + value if sign == "+" else total - value
    return total


def test_every_sum_in_every_answer_is_right(rows):
    for row in itertools.chain(*rows.values()):
        found = SUM.findall(row["reasoning"])
        assert len(found) >= 3
        for expression, result in found:
            claimed = Decimal(result.rstrip("%")) / (100 if result.endswith("%") else 1)
            assert by_eye(expression) == claimed, (row["id"], expression, result)


def test_answers_state_all_required_sums_and_end_with_the_block(rows):
    for row in itertools.chain(*rows.values()):
        case = dataset.case_of(row)
        for o in case.obligors:
            for calc in steps.sheet(o.facts, case.shock).required:
                assert calc.plain in row["reasoning"] and calc.marked in row["calculator"], row["id"]
        for twin in ("answer_only", "reasoning", "calculator"):
            assert row[twin].splitlines()[-1] == dataset.decision_of(row).block


def test_truth_of_every_row_is_the_policy_on_its_facts(rows):
    for row in itertools.chain(*rows.values()):
        assert dataset.truth(dataset.case_of(row)) == row["truth"]


def test_verdicts_in_line_answers_are_the_tests_verdicts(rows):
    seen = 0
    for row in rows["train"]:
        if row["style"].startswith("lines"):
            for test in row["truth"]["tests"]:
                line = next(x for x in row["reasoning"].splitlines() if x.startswith(layouts.capital(test["name"]) + ":"))
                assert line.rstrip(".").endswith(test["verdict"]), (row["id"], line)
                seen += 1
    assert seen > 1000


def test_the_share_used_gives_the_verdict_away(rows):
    """Above 1 breach, above 0.9 tight, to the two decimals that the calculator writes: nothing has to be compared by eye."""
    seen = set()
    for row in rows["train"][:1000]:
        found = re.findall(r"<<[\d.]+/[\d.]+=([\d.]+)>>, (pass|tight|breach)", row["calculator"])
        assert len(found) >= 2 * len(row["names"])
        for share, verdict in found:
            assert verdict == ("breach" if float(share) > 1 else "tight" if float(share) > 0.9 else "pass"), row["id"]
            seen.add(verdict)
    assert seen == {"pass", "tight", "breach"}


def test_no_verdict_word_stands_alone_against_the_truth(rows):
    """A verdict is told in an answer only where some test of the case has it."""
    for row in rows["test"]:
        told = Counter(re.findall(r"[:,;] ?(pass|tight|breach)(?=[.;,]?(?: |\n|$))", row["reasoning"].rsplit("\n", 1)[0]))
        have = Counter(t["verdict"] for t in row["truth"]["tests"])
        assert all(told[v] == 0 or have[v] for v in told), (row["id"], told, have)


def test_answers_name_the_obligors_or_nobody(rows):
    for row in rows["test"]:
        stems = {n.split()[0] for r in rows["test"] for n in r["names"]} - {n.split()[0] for n in row["names"]}
        assert not stems & set(re.findall(r"\w+", row["reasoning"])), row["id"]


def test_all_forms_orders_and_layouts_occur(rows):
    forms, orders = zip(*(r["style"].split(", ") for r in rows["train"]), strict=True)
    assert set(forms) == {*writing.FORMS, "pair"} and set(orders) == set(writing.ORDERS)
    assert {(r["layout"], r["type"]) for r in rows["train"]} == set(itertools.product(layouts.LAYOUTS, policy.TYPES))


def test_a_missing_phrase_file_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "FOLDER", tmp_path)
    writing.phrases.cache_clear()
    try:
        with pytest.raises(CourseError, match="openings.json"):
            writing.phrases("openings")
    finally:
        writing.phrases.cache_clear()


# ---------------------------------------------------------------- the calculator
def test_the_calculator_rebuilds_every_answer(rows):
    for row in itertools.chain(*rows.values()):
        assert calculator.fill(calculator.emptied(row["calculator"])) == row["calculator"], row["id"]


def test_writing_up_to_the_equals_sign_calls_the_calculator(rows):
    text = rows["test"][0]["calculator"]
    done = ""
    for piece in re.findall(r"<<[^=]*=|[^<]+", calculator.emptied(text)):
        done += piece
        assert calculator.pending(done) == piece.startswith("<<")
        done = calculator.fill(done)
    assert done == text and not calculator.pending(done)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 999), st.integers(1, 999), st.sampled_from("+-*/"), st.integers(1, 99))
def test_the_calculator_agrees_with_exact_fractions(a, b, sign, c):
    from fractions import Fraction

    exact = {"+": Fraction(a) + b, "-": Fraction(a) - b, "*": Fraction(a) * b, "/": Fraction(a, b)}[sign] * c
    shown = Fraction(calculator.fill(f"<<({a}{sign}{b})*{c}=").split("=")[1].removesuffix(">>"))
    assert abs(shown - exact) <= Fraction(1, 20)


@pytest.mark.parametrize("bad", ["", "a+1", "1/0", "2**99", "9//2", "(1+2", "1 2", "__import__('os')", "1.2.3*2", "1e9*2", "()",
                                 "((((((((((((((((((((1"])
def test_malformed_expressions_stay_visible(bad):
    assert calculator.fill(f"so <<{bad}=") == f"so <<{bad}=?>>"


def test_decimals_follow_the_policy():
    assert calculator.fill("EBITDA: <<117*0.93=") == "EBITDA: <<117*0.93=108.8>>"
    assert calculator.fill("PD: <<1.5*1.5=") == "PD: <<1.5*1.5=2.25>>"
    assert calculator.fill("Loss: <<6.25/100*45/100*50=") == "Loss: <<6.25/100*45/100*50=1.41>>"
    assert calculator.fill("PD: <<2*2=4>>%; <<80/100*99=") == "PD: <<2*2=4>>%; <<80/100*99=79.2>>"


# ---------------------------------------------------------------- files
def test_split_sizes_and_what_they_hold_out(rows):
    assert {s: len(r) for s, r in rows.items()} == {s: n for s, (n, *_) in dataset.SPLITS.items()}
    assert len(rows["train"]) >= 5000 and len(rows["test"]) >= 360
    stems = {split: {n.split()[0] for r in found for n in r["names"]} for split, found in rows.items()}
    for split in set(rows) - {"train"}:
        assert not stems["train"] & stems[split], split
    assert not stems["validation"] & stems["test"]
    for split, found in rows.items():
        assert {r["sector"] == "shipping" for r in found} == {split == "heldout_sector"}
        assert {r["cluster"] == "supply_chain_loss" for r in found} == {split == "heldout_cluster"}


@pytest.mark.parametrize("split", dataset.SPLITS)
def test_each_split_is_even_over_the_actions(rows, split):
    found = Counter(r["truth"]["action"] for r in rows[split])
    assert set(found) == set(policy.ACTIONS) and max(found.values()) - min(found.values()) <= 1


def test_the_command_makes_the_recorded_rows(rows):
    made, report = dataset.make("test", 0)
    assert made == rows["test"]
    assert json.loads((policy.FOLDER / "cleaning.json").read_text())["splits"]["test"] == report


def test_files_are_the_same_bytes_every_time(rows, tmp_path):
    for name in ("one", "two"):
        dataset.save(rows["validation"], tmp_path / f"{name}.jsonl.gz")
        time.sleep(1.1)  # past the second that a gzip header could hold
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()


def test_another_seed_makes_other_cases():
    one, two = ({r["text"] for r in dataset.make("test", seed, n=40)[0]} for seed in (1, 2))
    assert not one & two


def test_five_thousand_rows_take_less_than_a_minute():
    start = time.process_time()
    dataset.make("train", 5, n=500)
    assert time.process_time() - start < 6


def test_unknown_missing_and_damaged_splits(tmp_path):
    with pytest.raises(CourseError, match="no split 'dev'"):
        dataset.load("dev")
    with pytest.raises(CourseError, match="cannot be read"):
        dataset.load("test", tmp_path)
    (tmp_path / "test.jsonl.gz").write_bytes((policy.FOLDER / "test.jsonl.gz").read_bytes()[:900])
    with pytest.raises(CourseError, match="cannot be read"):
        dataset.load("test", tmp_path)


# ---------------------------------------------------------------- counterfactuals
def test_a_new_name_and_place_leave_the_truth_alone(rows):
    for row in rows["test"][:120]:
        names = [f"Omberquell {k}" for k in ("Alpha", "Beta")[:len(row["names"])]]
        new = dataset.renamed(row, name=names, place="Iceland")
        assert new["truth"] == row["truth"] and new["answer_only"] == row["answer_only"]
        assert not any(n in new[f] for n in row["names"] for f in ("text", "reasoning", "calculator"))
        assert all(n in new["text"] for n in names) and "Iceland" in new["text"]
        assert re.findall(r"\d[\d.]*", new["text"]) == re.findall(r"\d[\d.]*", row["text"])


def test_names_may_be_exchanged_and_counts_must_fit(rows):
    pair = next(r for r in rows["test"] if len(r["names"]) == 2)
    swapped = dataset.renamed(pair, name=pair["names"][::-1])
    assert dataset.renamed(swapped, name=pair["names"]) == pair and swapped["text"] != pair["text"]
    with pytest.raises(CourseError, match="3 names or places"):
        dataset.renamed(pair, name=["a", "b", "c"])


# ---------------------------------------------------------------- cleaning and variety
def test_cleaning_finds_what_was_planted(rows):
    good = [r for r in rows["test"] if len(r["names"]) == 1][:60]
    twin = dataset.renamed(good[0], name="Omberquell Group")
    near = good[1] | {"reasoning": "Note. " + good[1]["reasoning"]}
    lacking = good[2] | {"reasoning": "Nothing to show here but my own opinion of it.\nDECISION: approve"}
    stuck = good[3] | {"reasoning": "We look at the debt. Then we look at the debt again.\nDECISION: approve"}
    kept, dropped = variety.clean([*good, twin, near, lacking, stuck], [[]] * 62 + [["120 x 0.85 = 102"], []])
    assert kept == good
    assert dropped == {"exact duplicate": 1, "near duplicate": 1, "missing metric": 1, "repeated phrasing": 1}


def test_no_two_answers_read_the_same(rows):
    texts = [variety.of_row(r) for r in rows["train"]]
    assert len(set(texts)) == len(texts) and not any(variety.duplicates(texts[:1500]))


def test_recorded_variety_is_that_of_the_recorded_rows(rows):
    recorded = json.loads((policy.FOLDER / "variety.json").read_text())
    assert recorded["corpus"] == pytest.approx(variety.measures([variety.of_row(r) for r in rows["train"]]), abs=0.002)
    corpus, slots = recorded["corpus"], recorded["slot_template"]
    assert corpus["distinct_4grams"] > 20 * slots["distinct_4grams"]
    assert corpus["nearest_neighbour_mean"] < 0.6 < slots["nearest_neighbour_mean"]
