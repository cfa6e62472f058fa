"""The tables of notebook 05, and what it says where a study was not run."""

from course_utils import choosing_figures as pictures
from course_utils import results

SHARE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 52}
ROW = {"system": "RAG", "leaves": "nothing", "facts_right": SHARE, "declined_unanswerable": SHARE, "invented": SHARE,
       "in_format": SHARE, "rows": 0, "train_minutes": 0.0, "latency": 2.34, "peak_memory_mb": 900.4}


def test_a_figure_that_was_not_measured_is_a_dash_and_no_crash():
    right, takes = pictures.tables([ROW, {**ROW, "system": "fine-tuned", "sentiment": SHARE, "rows": 500}])
    assert list(right.index) == list(takes.index) == ["RAG", "fine-tuned"]
    assert right.loc["RAG", "facts right"] == "0.50 (0.40 to 0.60)" and right.loc["RAG", "sentiment"] == "-"
    assert takes.loc["fine-tuned", "solved rows"] == 500 and takes.loc["RAG", "seconds a question"] == 2.3


def test_what_was_not_run_is_said_and_what_was_says_where(monkeypatch, capsys):
    entry = {"value": [1], "device": "a laptop", "date": "2026-11-22", "split": "test", "method": ""}
    monkeypatch.setattr(results, "entries", lambda notebook: {"lost": entry})
    assert pictures.recorded("lost") == [1] and "a laptop, 2026-11-22: test" in capsys.readouterr().out
    assert pictures.recorded("decline_curve") is None and "decline curve: not run yet" in capsys.readouterr().out
