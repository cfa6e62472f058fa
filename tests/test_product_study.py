"""The study behind notebook 06 records what the notebook shows, from answers that are really graded."""

import json
import random
import re
import sys
from collections import Counter

import pytest

from course_utils import answering, results, runtime, studies
from course_utils.credit.task import CreditTask, gold, load
from course_utils.product import adapters, reranking

sys.path.insert(0, str(runtime.ROOT / "benchmarks" / "studies"))
import product  # noqa: E402
import product_record  # noqa: E402

UNIT = "calculator-500-0"
OTHER_STUDY = {"scoring_memory", "model_rows_a_second", "rows_lost", "rows_doubled", "ddp_losses", "ddp_loss_gap"}  # scale_out.py
GRADED: dict[tuple, dict] = {}


def kept(rows, share, seed):
    """Columns of grades of reference answers, of which the rest belong to another case."""
    draw, right = random.Random(seed), [row.get("calculator") or row["reference_reasoning"] for row in rows]
    texts = [text if draw.random() < share else right[k - 1] for k, text in enumerate(right)]
    for row, text in zip(rows, texts, strict=True):
        if (row["id"], text) not in GRADED:
            GRADED[row["id"], text] = product.credit.graded(product.STYLE, row, answering.Written(text, True, len(text.split())))
    grades = [GRADED[row["id"], text] for row, text in zip(rows, texts, strict=True)]
    return {name: [g[name] for g in grades] for name in grades[0] if name != "text"}


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    monkeypatch.setenv("COURSE_SCALE", "laptop")
    monkeypatch.setattr(adapters, "SHIPPED", tmp_path / "adapters")
    product.before.cache_clear()
    results.write_json(tmp_path / "adapters" / product.START / "card.json", {"tokens": 5, "base": product.BASE})

    def put(study, name, outcome):
        results.write_json(studies.places(study)[0] / f"{name}.json", outcome)

    yield put
    product.before.cache_clear()


def test_what_the_notebook_shows_is_what_the_study_records(shipped):
    test, few = load("test", 300), load("test", 12)
    by_type = product.sector_rows()
    shipped("credit", UNIT, {"tokens": 5, "splits": {"test": kept(test, 0.5, 0)}})
    shipped("credit", f"elsewhere-{UNIT}", {"splits": {"gold": kept(gold(), 0.5, 0)}})
    shipped("product", "dpo", {"pairs": 4, "history": [{"step": 1, "chosen": 0.1, "rejected": -0.1}],
                               "held": {"now": [[-1, -2]] * 4, "then": [[-1, -0.5]] * 4, "fault": ["x"] * 4}})
    shipped("product", "dpo-test", kept(test, 0.9, 1))
    shipped("product", "dpo-gold", kept(gold(), 0.9, 1))
    for kind in ("before", "after"):
        shipped("product", f"general-{kind}", {"right": [1.0, 0.0] * 42})
    for kind in (*product.TYPES, "mix"):
        shipped("product", f"matrix-{kind}", kept(by_type, 0.7, kind))
    samples = [[row["calculator"], few[0]["calculator"]] for row in few]
    marks = reranking.compare(CreditTask(product.STYLE), few, samples)
    shipped("product", "rerank", {"marks": marks, "samples": 2, "rows": 12})
    for name in ("tuned-with", "tuned-without", "base-with", "base-without"):
        shipped("product", f"line-{name}", kept(few, 0.6, name))
    shipped("product", "forms", {"table": [{"form": "merged", "MB": 1}], "n": 30})
    moved = {"value": 0.0, "low": 0.0, "high": 0.1, "n": 40}
    shipped("product", "names", {"another name": moved, "another place": moved, "wall": 1.0})
    product_record.record(UNIT)
    found = json.loads((runtime.runs_dir() / "results" / "laptop" / "06.json").read_text())
    assert found["dpo_gain"]["low"] > 0.2 and found["claim_R6"]["verdict"] == "holds" and found["dpo_gain"]["n"] == 300
    assert found["dpo_held_pairs"]["value"] == {"before": 0.0, "after": 1.0, "chosen": 0.0, "rejected": -1.5}
    assert set(found["sector_matrix"]["value"]) == {*product.TYPES, "mix", "one for all"} and len(by_type) == 90
    assert found["dpo_table"]["value"]["gold tasks"]["after"]["n"] == 30
    text = next(runtime.ROOT.glob("notebooks/**/06_*.py")).read_text(encoding="utf-8")
    shown = set(re.findall(r'(?:stored\.get\(|stored\[|gain\()"(\w+)"', text)) | set(re.findall(r'"(\w+)" in stored', text))
    assert len(shown) > 8 and shown - OTHER_STUDY <= set(found), shown - OTHER_STUDY - set(found)


def test_pairs_are_even_over_faults_and_none_is_in_both_parts():
    train, held = product.chosen_pairs()
    assert Counter(p["fault"] for p in train) == dict.fromkeys({p["fault"] for p in train}, product.EACH)
    assert len(train) == 200 and len(held) == 40 and not {p["id"] for p in train} & {p["id"] for p in held}


def test_an_adapter_of_another_unit_is_refused(shipped):
    with pytest.raises(runtime.CourseError, match="no outcome calculator-500-0"):
        product.before(UNIT)
    shipped("credit", UNIT, {"tokens": 6, "splits": {}})
    with pytest.raises(runtime.CourseError, match="was not made by calculator-500-0"):
        product.before(UNIT)


def test_nothing_measured_nothing_recorded(shipped):
    product_record.record(UNIT)
    assert not (runtime.runs_dir() / "results" / "laptop" / "06.json").exists()
