"""Slices, counterfactuals, drift and the model card: numbers from recorded results, gaps shown as gaps."""

import json
import random
import re
import subprocess

import numpy as np
import pytest

from course_utils import evaluation, results, sentiment
from course_utils.credit.task import load
from course_utils.evaluation import Evaluation
from course_utils.product import governance, monitoring
from course_utils.runtime import CourseError

ROWS = sentiment.own("train")


# ---------------------------------------------------------------- slices
def test_slices_are_the_accuracy_of_their_rows():
    rows = [{"sector": s, "hard": h} for s, h in (("a", ""), ("a", "x"), ("b", "x"), ("b", ""))]
    answers = Evaluation("s", ("p", "n"), ["p", "p", "n", "n"], ["p", "n", "n", "n"])
    table = monitoring.slices(answers, rows, ["sector", "hard"], costs={(t, g): float(t != g) * 8 for t in "pn" for g in "pn"})
    assert table.loc["sector: a", "accuracy"] == 0.5 and table.loc["sector: b", "accuracy"] == 1.0
    assert table.loc["sector: a", "cost a row"] == 4.0 and table.loc["hard: none", "rows"] == 2
    with pytest.raises(ValueError, match="do not belong"):
        monitoring.slices(answers, rows[:2], ["sector"])


# ---------------------------------------------------------------- counterfactuals
def test_a_model_that_looks_at_the_name_is_caught():
    rows = [r for r in load("test", 60) if r["type"] == "corporate"]
    twins = monitoring.credit_twins(rows)

    def by_name(these):
        return [len(r["names"][0]) % 2 for r in these]

    def by_truth(these):
        return [r["truth"]["action"] for r in these]

    caught = monitoring.counterfactual(rows, twins["another name"], by_name)
    fair = monitoring.counterfactual(rows, twins["another name"], by_truth)
    assert caught["value"] > 0.2 and caught["low"] <= caught["value"] <= caught["high"] and caught["examples"]
    assert (fair["value"], fair["n"], fair["low"]) == (0.0, len(rows), pytest.approx(0, abs=1e-9))
    for row in rows[:10]:
        name, place = twins["another name"](row), twins["another place"](row)
        assert row["names"][0] not in name["text"] and name["names"][0] in name["text"]
        assert place["names"] == row["names"] and re.findall(r"\d+", place["text"]) == re.findall(r"\d+", row["text"])


def test_a_change_that_changes_nothing_is_said():
    with pytest.raises(CourseError, match="altered no row"):
        monitoring.counterfactual(ROWS[:5], lambda row: row, lambda rows: [0] * len(rows))


# ---------------------------------------------------------------- drift
def test_stability_index_by_hand():
    p, q = np.array([50.0, 50.0]), np.array([80.0, 20.0])
    by_hand = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert monitoring.stability(p, q) == pytest.approx(by_hand) and monitoring.stability(p, p) == 0
    assert np.isfinite(monitoring.stability(np.array([10.0, 0.0]), np.array([0.0, 10.0])))


def test_the_same_source_is_stable_and_another_is_not():
    draw = random.Random(3)
    mixed = draw.sample(ROWS, len(ROWS))
    same = monitoring.drift(mixed[:500], mixed[500:700])
    assert set(same["verdict"]) == {"stable"}, same
    foreign = [{"text": f"Quarkswap miners ape into zkrollup memecoins {i} {i * i}", "sector": "crypto"} for i in range(40)]
    other = monitoring.drift(ROWS, foreign)
    assert set(other["verdict"]) == {"act"} and other.loc["share of unseen words", "KS p-value"] < 1e-6


def test_too_few_rows_are_said():
    with pytest.raises(CourseError, match="too few to tell drift from chance"):
        monitoring.drift(ROWS[:100], ROWS[:5])


# ---------------------------------------------------------------- the card
def card(**more):
    answers = evaluation.majority(ROWS, sentiment.own("test"), sentiment.LABELS)
    tables = {"By sector": monitoring.slices(answers, sentiment.own("test"), ["sector"], least=12)}
    metrics = {"03.own_accuracy": "accuracy", "03.no_such": "never measured"}
    return governance.Card("News sentiment – 5 € a mistake", metrics=metrics, slices=tables,
                           limits=["English | only", "<b>short</b> texts"], **more)


def test_the_card_takes_its_numbers_from_the_results():
    text, entry = governance.markdown(card()), results.read("03.own_accuracy")
    assert f"| accuracy | {entry['value']:.3f} | {entry['low']:.3f} to {entry['high']:.3f} | {entry['n']} |" in text
    assert "| never measured | not run |" in text
    for heading in ("2 Development", "3 Validation", "Conceptual soundness", "4 Ongoing monitoring", "5 Governance and sign-off"):
        assert heading in text
    assert {"purpose", "fairness", "03.no_such"} <= set(governance.gaps(card())) and "slices" not in governance.gaps(card())
    assert "| Independent validator |" in text


def test_slices_and_fairness_come_from_what_was_recorded(monkeypatch):
    found = {"by_type": {"value": {"corporate": [40, 0.75, 3.5], "sovereign": [20, 0.5, 9.0]}}}
    monkeypatch.setattr(results, "entries", lambda notebook: found if notebook == "04" else {})
    tables = governance.recorded_slices("04", ("type", "cluster"))
    assert list(tables) == ["By type"] and tables["By type"].loc["sovereign", "right action"] == 0.5
    told = governance.Card("c", slices=tables, fairness={"06.moved_by_another_name": "another name"})
    text = governance.markdown(told)
    assert "| corporate | 40 | 0.75 | 3.5 |" in text and "| another name | not run |" in text
    assert "06.moved_by_another_name" in governance.gaps(told) and "slices" not in governance.gaps(told)


def test_the_card_reads_the_adapters_own_card(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps({"base": "smollm2-135m", "rows": 480, "learning_rate": 5e-4}))
    (tmp_path / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["v_proj", "q_proj"]}))
    text = governance.markdown(card(adapter=tmp_path))
    for row in ("| base licence | Apache-2.0 |", "| rank r | 16 |", "q_proj, v_proj", "| rows | 480 |"):
        assert row in text
    with pytest.raises(CourseError, match="no readable card"):
        governance.markdown(card(adapter=tmp_path / "none"))


def test_the_card_is_written_as_markdown_and_pdf(tmp_path):
    page, sheet = governance.write(card(), tmp_path / "out")
    assert page.read_text(encoding="utf-8").startswith("# Model card: News sentiment – 5 €")
    content = sheet.read_bytes()
    assert content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF") and len(content) > 10_000
    try:
        said = subprocess.run(["pdftotext", "-layout", str(sheet), "-"], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        return
    for words in ("News sentiment – 5 €", "not run", "Independent", "<b>short</b> texts", "sector: banking"):
        assert words in said
