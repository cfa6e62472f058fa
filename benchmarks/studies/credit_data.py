"""Study behind notebook 04's data: how fast the cases are made, whether every one is right, how far the grader is to be trusted.

    python benchmarks/studies/credit_data.py

Makes all splits anew in a scratch folder, compares them byte for byte with data/credit, grades every written answer with the
independent grader, measures the grader against verdicts made by reading, changes names and places, and runs the scorecards.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import results  # noqa: E402
from course_utils.credit import dataset, scorecard, world  # noqa: E402
from course_utils.credit.agreement import FOLDER, agreement  # noqa: E402
from course_utils.credit.grader import grade, summary  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
ABOUT = {"notebook": "04", "code": CODE}
SPLITS = ("train", "validation", "test", "heldout_sector", "heldout_cluster")


def make() -> None:
    """Cases a second, and whether the command gives the published bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        dataset.write_all(0, Path(scratch))
        seconds = time.perf_counter() - start
        same = all((Path(scratch) / f"{s}.jsonl.gz").read_bytes() == (FOLDER / f"{s}.jsonl.gz").read_bytes() for s in SPLITS)
    rows = sum(len(dataset.load(s)) for s in SPLITS)
    results.record("generation_seconds", seconds, "s", n=rows, method="all splits with cleaning, one process", **ABOUT)
    results.record("cases", len(dataset.load("train")), n=rows, method="training cases; n: all splits", identical=same, **ABOUT)


def flawless(g, arithmetic: bool) -> bool:
    """Whether nothing at all is wrong with an answer."""
    decision = g.parsed and g.action_right and g.rating_right and g.breaches_right and g.weaker_right is not False
    return decision and g.consistent is not False and all(s.ok for s in g.stated) and (g.arithmetic == 1 or not arithmetic)


def check() -> None:
    """Every written answer graded from the case text alone."""
    start, n = time.perf_counter(), 0
    for twin in ("answer_only", "reasoning", "calculator"):
        grades = [grade(row["text"], row[twin]) for split in SPLITS for row in dataset.load(split)]
        found, n = summary(grades), n + len(grades)
        right = sum(flawless(g, arithmetic=twin != "answer_only") for g in grades)
        results.record(f"verified_{twin}", right / len(grades), n=len(grades), series=found,
                       method="share of written answers that the independent grader finds right in every respect", **ABOUT)
    results.record("grading_seconds", time.perf_counter() - start, "s", n=n, **ABOUT)


def trust() -> None:
    """The grader against reading: the set it was improved on, and a fresh one."""
    for name, entry in (("hand_graded_fresh", "grader_agreement"), ("hand_graded", "grader_agreement_tuned")):
        if (FOLDER / f"{name}.json").exists():
            found = agreement(name)
            results.record(entry, found["value"], n=found["n"], answers=found["answers"], differ=found["differ"], split=name,
                           method="share of hand-made verdicts shared; verdicts by a large language model, reading", **ABOUT)


def outline(g) -> tuple:
    return g.action, g.rating, g.breaches, g.weaker, g.arithmetic, g.cost


def counterfactuals(n: int = 300) -> None:
    """Another name, another place: is truth or grade another?"""
    rows, moved = dataset.load("test")[:n], 0
    for row in rows:
        places = [p for p in world.PLACES if p not in row["places"]][:len(row["places"])]
        other = dataset.renamed(row, name=[f"Obligor {c}{row['id'][-2:]}" for c in "PQ"[:len(row["names"])]], place=places)
        before, after = grade(row["text"], row["reasoning"]), grade(other["text"], other["reasoning"])
        moved += other["truth"] != row["truth"] or outline(before) != outline(after)
    results.record("counterfactual_moved", moved / n, n=n, method="share of cases whose truth or grade moved with name and place",
                   **ABOUT)


def baselines() -> None:
    """Scorecards and the policy as a program, on figures read from the texts."""
    rows = scorecard.measure()
    results.record("scorecards", rows, method="accuracy of the action; Wilson 95 %; cost in thousand EUR a case", **ABOUT)
    simple = [r for r in rows if r["split"] == "test" and "program" not in r["system"] and "stressed" not in r["system"]]
    best = max(simple, key=lambda r: r["accuracy"])
    results.record("heldout_action_best_simple", best["accuracy"], n=best["n"], low=best["low"], high=best["high"],
                   split="held-out obligors", method=f"{best['system']}, {best['train']} training cases", **ABOUT)


def variety() -> None:
    for kind, found in json.loads((FOLDER / "variety.json").read_text(encoding="utf-8")).items():
        if isinstance(found, dict):
            for measure, value in found.items():
                results.record(f"variety_{kind}_{measure}", value, **ABOUT)


def main() -> None:
    os.environ.setdefault("COURSE_SCALE", "laptop")
    for part in (make, check, trust, counterfactuals, baselines, variety):
        part()
        print(part.__name__, "done", flush=True)


if __name__ == "__main__":
    main()
