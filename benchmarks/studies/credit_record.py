"""Records what `credit_reasoning.py` has measured so far as results of notebook 04, and ships the best adapter.

    python benchmarks/studies/credit_record.py [--ship calculator-500-0]

What was not run is not recorded, and the notebook says "not run". One seed is marked "exploratory". --ship copies an adapter
with its card and its wrong answers to data/adapters/credit-calculator.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import credit_reasoning as study  # noqa: E402

from course_utils import results, runtime, statistics  # noqa: E402

ARMS = {"answer only": "answer-only", "answer only, twice": "answer-only-equal-tokens", "reasoning": "reasoning",
        "reasoning + calculator": "calculator"}
SPLITS = {"test": "new obligors", "heldout_sector": "new sector", "heldout_cluster": "new scenario", "gold": "gold tasks"}
SHIPPED = runtime.ROOT / "data" / "adapters" / "credit-calculator"


def outcome(name: str) -> dict | None:
    return next((json.loads((p / f"{name}.json").read_text()) for p in study.places() if (p / f"{name}.json").exists()), None)


def units(arm: str) -> list[dict]:
    """The outcomes of one arm, a seed each."""
    middle = "" if arm.endswith("tokens") else f"-{study.CASES}"
    return [u for seed in study.SEEDS if (u := outcome(f"{arm}{middle}-{seed}"))]


def note(name, value, **more):
    results.record(name, value, notebook="04", code=study.CODE, **more)


def share(found: list[dict], split: str, column: str = "right") -> np.ndarray:
    """One figure a case, averaged over seeds."""
    return np.mean([np.array(u["splits"][split][column], float) for u in found], axis=0)


def accuracy(found: list[dict], split: str) -> dict:
    per_case = share(found, split)
    low, high = statistics.accuracy_interval(round(per_case.sum()), len(per_case))
    return {"value": float(per_case.mean()), "low": low, "high": high, "n": len(per_case)}


def central() -> None:
    """The three arms on every split, and their paired differences."""
    runs = {title: found for title, arm in ARMS.items() if (found := units(arm))}
    if not runs:
        return
    about = {"seeds": range(min(map(len, runs.values()))), "split": f"after {study.CASES} training cases"}
    said = "mean over seeds, Wilson 95 %" if len(about["seeds"]) > 1 else "one seed (exploratory), Wilson 95 %"
    table = {title: {text: accuracy(found, split) for split, text in SPLITS.items()} for title, found in runs.items()}
    note("arms", table, n=300, method=said, **about)
    for title, found in runs.items():
        name = ARMS[title].replace("-", "_")
        test = table[title]["new obligors"]
        note(f"heldout_action_{name}", test["value"], n=300, low=test["low"], high=test["high"], method=said, **about)
        note(f"required_arithmetic_{name}", float(share(found, "test", "arithmetic").mean()), n=300, method=said, **about)
        note(f"heldout_cost_{name}", float(share(found, "test", "cost").mean()), "thousand EUR a case", n=300, **about)
        note(f"heldout_parse_rate_{name}", float(share(found, "test", "parsed").mean()), n=300, **about)
    pairs(runs, said, about)
    if found := runs.get("reasoning + calculator"):
        note("heldout_parse_rate", float(share(found, "test", "parsed").mean()), n=300, **about)
        sums = float(share(found, "test", "arithmetic").mean())
        note("required_arithmetic", sums, n=300, method="calculator arm; " + said, **about)
        gold = table["reasoning + calculator"]["gold tasks"]
        note("gold_action_accuracy", gold["value"], n=gold["n"], low=gold["low"], high=gold["high"], method=said, **about)
        by_cluster(found, about)


def pairs(runs: dict, said: str, about: dict) -> None:
    """Paired bootstrap over cases: what the steps add, what the calculator adds, and the distance to always the same action."""
    wanted = {"reasoning_minus_answer_only": ("reasoning", "answer only"),
              "calculator_minus_reasoning": ("reasoning + calculator", "reasoning"),
              "calculator_minus_answer_only": ("reasoning + calculator", "answer only"),
              "reasoning_minus_answer_only_twice": ("reasoning", "answer only, twice")}
    how = "paired bootstrap over cases, 95 %; " + said
    for name, (first, second) in wanted.items():
        if first in runs and second in runs:
            gap = statistics.paired_bootstrap(share(runs[first], "test"), share(runs[second], "test"))
            note(name, gap["value"], low=gap["low"], high=gap["high"], n=300, method=how, **about)
    for title, found in runs.items():
        truth = found[0]["splits"]["test"]["truth"]
        same = [float(t == max(set(truth), key=truth.count)) for t in truth]
        gap = statistics.paired_bootstrap(share(found, "test"), same)
        note(f"{ARMS[title].replace('-', '_')}_minus_majority", gap["value"], low=gap["low"], high=gap["high"], n=300,
             method=how, **about)


def by_cluster(found: list[dict], about: dict) -> None:
    """Cases, accuracy and cost of the calculator arm by scenario and by type, over all generated splits."""
    splits = ("test", "heldout_sector", "heldout_cluster")
    right, cost = (np.concatenate([share(found, s, column) for s in splits]) for column in ("right", "cost"))
    for field in ("cluster", "type"):
        names = [name for s in splits for name in found[0]["splits"][s][field]]
        groups = {name: [names.count(name), *(float(x[np.array(names) == name].mean()) for x in (right, cost))]
                  for name in sorted(set(names))}
        note(f"by_{field}", groups, n=len(names), **about)


# ---------------------------------------------------------------- one setting at a time
def settings() -> None:
    """One row a unit of the experiments on one setting: what was changed and what came of it."""
    rows = []
    for part, plans in study.PARTS.items():
        for plan in plans() if part not in ("central", "curve") else ():
            if found := outcome(plan.name):
                got = found["splits"]["validation"]
                mean = {k: float(np.mean(np.array(got[k], float))) for k in ("right", "arithmetic", "parsed", "cost")}
                low, high = statistics.accuracy_interval(sum(got["right"]), len(got["right"]))
                rows.append({"part": part, "changed": plan.name, **mean, "low": low, "high": high, "loss": found["loss"]})
    if rows:
        note("settings", rows, n=100, split=f"validation, after {study.SMALL} training cases", method="one seed, exploratory")


def curve() -> None:
    """Right actions on the test cases against the number of training cases (calculator)."""
    points = [{"cases": plan.cases, **accuracy([found], "test")} for plan in study.curve() if (found := outcome(plan.name))]
    if found := units("calculator"):
        points.append({"cases": study.CASES, **accuracy(found, "test")})
    if len(points) > 1:
        note("curve", {"reasoning + calculator": sorted(points, key=lambda p: p["cases"])}, n=300, method="one seed, Wilson 95 %")


def ship(name: str) -> None:
    """Copies an adapter, with a card of what was measured from that very file, and its wrong answers."""
    found, source = outcome(name), runtime.runs_dir() / "credit" / "adapters" / name
    shutil.rmtree(SHIPPED, ignore_errors=True)
    shutil.copytree(source, SHIPPED)
    made = json.loads((SHIPPED / "card.json").read_text())
    figures = ("right", "parsed", "arithmetic", "cost")
    kept = {split: {k: round(float(np.mean(np.array(got[k], float))), 4) for k in figures} | {"n": len(got["right"])}
            for split, got in found["splits"].items()}
    card = {"base": made["base"], "what": "LoRA adapter, bfloat16, merged before use",
            "data": "data/credit: train.jsonl.gz and the core corpus", "cases": int(name.split("-")[-2]),
            "tokens": found["tokens"], "settings": made["plan"], "code": made["code"], "device": found["device"],
            "minutes": round(found["train_seconds"] / 60, 1), "measured from this file": kept, "licence": "Apache-2.0"}
    results.write_json(SHIPPED / "card.json", card)
    place = runtime.runs_dir() / "credit" / "answers" / f"{name}-test.jsonl.gz"
    with gzip.open(place, "rt", encoding="utf-8") as file:
        answers = [json.loads(line) for line in file]
    results.write_json(SHIPPED / "wrong_answers.json", {a["id"]: a["text"] for a in answers if not a["right"]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ship", metavar="UNIT", help="copy this unit's adapter to data/adapters")
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    central()
    curve()
    settings()
    if options.ship:
        ship(options.ship)


if __name__ == "__main__":
    main()
