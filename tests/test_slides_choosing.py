"""The pictures of session 4: they can be drawn before and after their studies are recorded, and show the difference."""

import json

import pytest

from course_utils import results
from course_utils.choosing import systems
from course_utils.slides import pictures

SHARE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 90}
# Invented outcomes in the shape that benchmarks/studies/choosing_record.py and credit_record.py write.
INVENTED = {
    "05": {
        "table": [{"system": name, "leaves": "nothing", "facts_right": SHARE, "in_format": SHARE, "invented": SHARE,
                   "latency": 1.5, "seconds": 2.0, **({} if name == "RAG" else {"sentiment": SHARE})}
                  for name in systems.SYSTEMS],
        "knowledge_2_trained": SHARE, "knowledge_2_new": SHARE, "knowledge_rag_new": SHARE,
        "forgetting_points": {"value": 4.0, "low": -2.0, "high": 10.0},
        "forgetting_points_mixed": {"value": -1.0, "low": -4.0, "high": 2.0},
        "decline_curve": [{"threshold": t, "declined_unanswerable": 1 - t**2, "declined_answerable": 1 - t, "chosen": t == 0.5}
                          for t in (0, 0.5, 1)],
        "cascade": [{"small": "tfidf", "big": "closed", "chosen": {"cost": 0.4, "accuracy": 0.8},
                     "points": [{"cost": c, "accuracy": 0.7 + c / 10} for c in (0.1, 0.4, 1.0)]}],
        "privacy": [{"repeats": n, "epochs": e, "exposure": x, "candidates": 256}
                    for n, e, x in ((0, 3, 0.5), (1, 3, 2.0), (4, 3, 6.0), (16, 3, 8.0), (16, 1, 4.0))]},
    "04": {"by_cluster": {"fx_crisis": [32, 0.25, 20.5], "rate_shock": [30, 0.5, 10.0]}}}
WAITING = ("seven_systems", "put_in_pushed_out", "declining", "break_even", "cascade", "exposure", "slices")


def write(folder, entries):
    for number, found in entries.items():
        single = ("knowledge", "forgetting")  # entries of one figure; the rest are series
        whole = {name: entry if name.startswith(single) else {"value": entry} for name, entry in found.items()}
        (folder / f"{number}.json").write_text(json.dumps(whole), encoding="utf-8")


@pytest.mark.parametrize("name", WAITING)
def test_a_missing_study_leaves_empty_axes_and_a_recorded_one_fills_them(name, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PUBLISHED", tmp_path)
    before = pictures.stamp(pictures.png(name))
    write(tmp_path, INVENTED)
    assert pictures.stamp(pictures.png(name)) != before
    write(tmp_path, {number: {} for number in INVENTED})
    assert pictures.stamp(pictures.png(name)) == before


@pytest.mark.parametrize("name", ["seven_ways", "search_found", "answering_memory", "preference", "adapter_shelf",
                                  "hidden_orders", "model_card", "extraction", "voices"])
def test_pictures_of_shipped_data_and_recorded_results_are_drawn(name):
    assert pictures.png(name).startswith(b"\x89PNG")
