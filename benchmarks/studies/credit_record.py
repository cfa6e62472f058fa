"""Records what `credit_reasoning.py` has measured so far as results of notebook 04, and ships the best adapter.

    python benchmarks/studies/credit_record.py [--ship calculator-1000-0]

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

from course_utils import results, runtime, statistics, studies  # noqa: E402
from course_utils.credit import scorecard  # noqa: E402

ARMS = {"answer only": "answer-only", "answer only, equal tokens": "answer-only-equal-tokens", "reasoning": "reasoning",
        "reasoning + calculator": "calculator"}
SPLITS = {"test": "new obligors", "heldout_sector": "new sector", "heldout_cluster": "new scenario", "gold": "gold tasks"}
SHIPPED = runtime.ROOT / "data" / "adapters" / "credit-calculator"


def outcome(name: str) -> dict | None:
    return studies.outcome("credit", name)


def units(arm: str) -> list[dict]:
    """The outcomes of one arm, a seed each."""
    middle = "" if arm.endswith("tokens") else f"-{study.CASES}"
    names = [f"{arm}{middle}-{seed}" for seed in study.SEEDS]
    found = {name: made for name in names if (made := outcome(name))}
    for name, made in found.items():
        made["splits"] |= (outcome(f"elsewhere-{name}") or {"splits": {}})["splits"]
    return list(found.values())


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
    seen = [split for split in SPLITS if all(split in u["splits"] for found in runs.values() for u in found)]
    table = {title: {SPLITS[split]: accuracy(found, split) for split in seen} for title, found in runs.items()}
    note("arms", table, n=300, method=said, **about)
    for title, found in runs.items():
        name = ARMS[title].replace("-", "_")
        test = table[title]["new obligors"]
        note(f"heldout_action_{name}", test["value"], n=300, low=test["low"], high=test["high"], method=said, **about)
        note(f"required_arithmetic_{name}", float(share(found, "test", "arithmetic").mean()), n=300, method=said, **about)
        note(f"heldout_cost_{name}", float(share(found, "test", "cost").mean()), unit="thousand EUR a case", n=300, **about)
        note(f"heldout_parse_rate_{name}", float(share(found, "test", "parsed").mean()), n=300, **about)
    pairs(runs, said, about)
    if found := runs.get("reasoning + calculator"):
        note("heldout_parse_rate", float(share(found, "test", "parsed").mean()), n=300, **about)
        sums = float(share(found, "test", "arithmetic").mean())
        note("required_arithmetic", sums, n=300, method="calculator arm; " + said, **about)
        if all("gold" in u["splits"] for u in found):
            gold = accuracy(found, "gold")
            note("gold_action_accuracy", gold["value"], n=gold["n"], low=gold["low"], high=gold["high"], method=said, **about)
        by_cluster(found, about)
        against_scorecard(found, said, about)


def against_scorecard(found: list[dict], said: str, about: dict) -> None:
    """The calculator arm minus gradient boosting on the same cases; the scorecard reads the figures as they stand in the text."""
    test = study.load("test", 300)
    rivals = scorecard.evaluate(study.load("train"), test)
    boosted = next(r for r in rivals if r.system == "gradient boosting, figures and ratios")
    gap = statistics.paired_bootstrap(share(found, "test"), boosted.right)
    note("calculator_minus_best_simple", gap["value"], low=gap["low"], high=gap["high"], n=300,
         method="paired bootstrap over cases, 95 %; " + said, **about)


def pairs(runs: dict, said: str, about: dict) -> None:
    """Paired bootstrap over cases: what the steps add, what the calculator adds, and the distance to always the same action."""
    wanted = {"reasoning_minus_answer_only": ("reasoning", "answer only"),
              "calculator_minus_reasoning": ("reasoning + calculator", "reasoning"),
              "calculator_minus_answer_only": ("reasoning + calculator", "answer only"),
              "reasoning_minus_answer_only_equal_tokens": ("reasoning", "answer only, equal tokens")}
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
    splits = [s for s in ("test", "heldout_sector", "heldout_cluster") if all(s in u["splits"] for u in found)]
    right, cost = (np.concatenate([share(found, s, column) for s in splits]) for column in ("right", "cost"))
    for field in ("cluster", "type"):
        names = [name for s in splits for name in found[0]["splits"][s][field]]
        groups = {name: [names.count(name), *(float(x[np.array(names) == name].mean()) for x in (right, cost))]
                  for name in sorted(set(names))}
        note(f"by_{field}", groups, n=len(names), **about)


# ---------------------------------------------------------------- one setting at a time
def settings() -> None:
    """One row a unit of the experiments on one setting: what was changed and what came of it."""
    rows = [row for part in study.PARTS for row in one_setting(part)]
    if rows:
        note("settings", rows, n=100, split=f"validation, after {study.SMALL} training cases", method="one seed, exploratory")


def one_setting(part: str) -> list[dict]:
    """The rows of one experiment, as far as it was run."""
    rows = []
    for plan in study.PARTS[part]() if part not in ("central", "curve") else ():
        found = outcome(plan.name)
        if found and (got := found["splits"].get("validation")):
            mean = {k: float(np.mean(np.array(got[k], float))) for k in ("right", "arithmetic", "parsed", "cost")}
            low, high = statistics.accuracy_interval(sum(got["right"]), len(got["right"]))
            rows.append({"part": part, "changed": plan.name, **mean, "low": low, "high": high, "loss": found["loss"]})
    return rows


def curve() -> None:
    """Right actions on the test cases against the number of training cases (calculator)."""
    points = [{"cases": plan.cases, **accuracy([found], "test")} for plan in study.curve() if (found := outcome(plan.name))]
    if found := units("calculator"):
        points.append({"cases": study.CASES, **accuracy(found, "test")})
    if len(points) > 1:
        note("curve", {"reasoning + calculator": sorted(points, key=lambda p: p["cases"])}, n=300, method="one seed, Wilson 95 %")


# ---------------------------------------------------------------- claims and the table of settings
def said_of(rows: list[dict]) -> str:
    return "; ".join(f"{r['changed']}: {r['right']:.0%} right, sums {r['arithmetic']:.0%}, loss {r['loss']:.2f}" for r in rows)


def say_settings() -> None:
    """For each experiment on one setting its sentence, for the table of section 12."""
    for part in study.PARTS:
        if len(rows := one_setting(part)) > 1:
            note(f"setting_{part}", len(rows), n=100, said=said_of(rows) + " (one seed, exploratory)")


def claim(key: str, value: float, verdict: str, unit: str, said: str, cell: str = "section 10") -> None:
    note(f"claim_{key}", value, unit=unit, verdict=verdict, said=said, cell=cell)


def by_gap(gap: dict) -> str:
    """A claim that one thing beats another: decided only where the interval leaves 0 out."""
    return "holds" if gap["low"] > 0 else "wrong" if gap["high"] < 0 else "not decided"


def judge_claims() -> None:
    """The claims whose experiments have been run."""
    both = units("reasoning"), units("answer-only")
    if all(both):
        gap = statistics.paired_bootstrap(*(share(found, "test") for found in both))
        said = f"95 %: {gap['low']:+.2f} to {gap['high']:+.2f}; 300 new obligors, {study.CASES} cases, {len(both[0])} seed(s)"
        claim("R1", gap["value"], by_gap(gap), "right actions, reasoning minus answer only", said)
    compare("R9", "targets", "rate-0.001", "attention-42", "all layers minus attention alone, equal weights", reverse=True)
    compare("R8", "ranks", "rank-32", "rate-0.001", "right actions, r = 32 minus r = 16")
    compare("N4", "mixtures", "rate-0.001", "no-core", "right actions, with minus without the core corpus")
    compare("D7", "mixtures", "rate-0.001", "skewed", "right actions, even minus skewed")
    compare("D8", "mixtures", f"calculator-{study.CASES}-0", f"five-forms-{study.CASES}-0",
            "right actions, one form of answer minus five", split="test")
    compare("R3", "rates", "rate-0.001", "rate-0.005", "right sums, rate 0.001 minus 0.005", column="arithmetic")
    compare("N2", "batches", "batch-32", "rate-0.001", "right actions, batch 32 minus batch 4")


def compare(key: str, part: str, first: str, second: str, unit: str, column: str = "right", reverse: bool = False,
            split: str = "validation") -> None:
    """A claim that `first` beats `second`, on the same unseen cases, one seed each."""
    a, b = outcome(first), outcome(second)
    if not (a and b):
        return
    gap = statistics.paired_bootstrap(*(np.array(x["splits"][split][column], float) for x in (a, b)))
    verdict = by_gap(gap)
    if reverse:  # the claim says the opposite
        verdict = {"holds": "wrong", "wrong": "holds"}.get(verdict, verdict)
    cases = study.SMALL if split == "validation" else study.CASES
    said = f"exploratory: one seed, {cases} training cases; 95 %: {gap['low']:+.2f} to {gap['high']:+.2f}"
    claim(key, gap["value"], verdict, unit, said, "appendix")


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
    say_settings()
    judge_claims()
    if options.ship:
        ship(options.ship)


if __name__ == "__main__":
    main()
