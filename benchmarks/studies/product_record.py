"""Records what `product.py` has measured so far as results of notebook 06 (`product.py record`).

What was not run is not recorded, and the notebook says "not run". One seed is marked "exploratory".
"""

from __future__ import annotations

import numpy as np
import product as study

from course_utils import results, statistics, studies

HOW = "one seed (exploratory)"


def outcome(name: str) -> dict | None:
    return studies.outcome("product", name)


def note(name: str, value, **more) -> None:
    results.record(name, value, notebook="06", code=study.CODE, **more)


def figures(kept: dict) -> dict:
    """Right actions with Wilson's interval, and the means of what else was graded."""
    right = np.array(kept["right"], float)
    low, high = statistics.accuracy_interval(int(right.sum()), len(right))
    rest = {k: float(np.mean(np.array(kept[k], float))) for k in ("arithmetic", "parsed", "cost", "ended", "tokens")}
    return {"value": float(right.mean()), "low": low, "high": high, "n": len(right), **rest}


def part_of(kept: dict, ids: list[str]) -> dict:
    """The columns of `kept` for the cases `ids`, in that order."""
    at = [kept["id"].index(one) for one in ids]
    return {name: [column[k] for k in at] for name, column in kept.items() if isinstance(column, list)}


def claim(key: str, gap: dict, unit: str, said: str, cell: str) -> None:
    """A claim that one thing beats another: decided only where the interval leaves 0 out."""
    verdict = "holds" if gap["low"] > 0 else "wrong" if gap["high"] < 0 else "not decided"
    said = f"{said}; 95 %: {gap['low']:+.2f} to {gap['high']:+.2f}; {HOW}"
    note(f"claim_{key}", gap["value"], unit=unit, verdict=verdict, said=said, cell=cell)


# ---------------------------------------------------------------- R6
def preferences(unit: str) -> None:
    """Right actions before and after, paired; what happened to held-out pairs; what it cost in general skill."""
    if not (run := outcome("dpo")):
        return
    about = {"split": f"after {run['pairs']} pairs", "method": HOW}
    note("dpo_history", run["history"], **about)
    now, then = (np.array(run["held"][k]) for k in ("now", "then"))
    lead = {name: float((pairs[:, 0] > pairs[:, 1]).mean()) for name, pairs in (("before", then), ("after", now))}
    note("dpo_held_pairs", lead | {"chosen": float((now - then)[:, 0].mean()), "rejected": float((now - then)[:, 1].mean())},
         unit="nats a token", n=len(now), **about)
    table = {}
    for split, name in (("test", "new obligors"), ("gold", "gold tasks")):
        elsewhere = studies.outcome("credit", f"elsewhere-{unit}") or {"splits": {}}
        old = study.before(unit)["splits"].get(split) or elsewhere["splits"].get(split)
        if old and (new := outcome(f"dpo-{split}")):
            table[name] = {"before": figures(old), "after": figures(new)}
            if split == "test":
                gap = statistics.paired_bootstrap(np.array(new["right"], float), np.array(old["right"], float))
                note("dpo_gain", gap["value"], low=gap["low"], high=gap["high"], n=len(new["right"]),
                     **about | {"method": f"paired bootstrap, 95 %; {HOW}"})
                said = f"{run['pairs']} pairs, {len(new['right'])} new obligors"
                claim("R6", gap, "right actions, after minus before DPO", said, "section 3")
    if table:
        note("dpo_table", table, **about)
    skills = {kind: found for kind in ("before", "after") if (found := outcome(f"general-{kind}"))}
    if len(skills) == 2:
        gap = statistics.paired_bootstrap(skills["after"]["right"], skills["before"]["right"])
        note("dpo_general", gap["value"], low=gap["low"], high=gap["high"], n=len(skills["after"]["right"]),
             said={kind: float(np.mean(found["right"])) for kind, found in skills.items()}, **about)


def rerank() -> None:
    if not (found := outcome("rerank")):
        return
    marks = found["marks"]
    table = {}
    for way, right in marks.items():
        low, high = statistics.accuracy_interval(sum(right), len(right))
        table[way] = {"value": float(np.mean(right)), "low": low, "high": high}
    note("rerank", table, n=found["rows"], method=f"{found['samples']} samples at temperature 0.7; {HOW}")
    for name, way in (("rerank_gain", "its own sums support it"), ("rerank_gain_ending", "ends with a clear recommendation"),
                      ("rerank_gain_majority", "majority of the samples")):
        gap = statistics.paired_bootstrap(marks[way], marks["first sample"])
        note(name, gap["value"], low=gap["low"], high=gap["high"], n=found["rows"], method=f"paired bootstrap, 95 %; {HOW}")


# ---------------------------------------------------------------- R7, L5, R5, names
def sectors(unit: str) -> None:
    """Right actions and right sums of each adapter on each type; the adapter's own type against the others' average."""
    rows = study.sector_rows()
    ids = {kind: [row["id"] for row in rows if row["type"] == kind] for kind in study.TYPES}
    made = {kind: kept for kind in (*study.TYPES, "mix") if (kept := outcome(f"matrix-{kind}"))}
    if not set(study.TYPES) <= set(made):
        return
    made["one for all"] = study.before(unit)["splits"]["test"]
    table = {name: {kind: figures(part_of(kept, ids[kind])) for kind in study.TYPES} for name, kept in made.items()}
    note("sector_matrix", table, n=len(ids["corporate"]), method=f"Wilson 95 %; {study.SECTOR_CASES} cases an adapter; {HOW}")
    for column in ("right", "arithmetic"):
        own = [x for kind in study.TYPES for x in part_of(made[kind], ids[kind])[column]]
        others = [np.mean(pair) for kind in study.TYPES
                  for pair in zip(*(part_of(made[k], ids[kind])[column] for k in study.TYPES if k != kind), strict=True)]
        gap = statistics.paired_bootstrap(np.array(own, float), others)
        note(f"sector_own_minus_others_{column}", gap["value"], low=gap["low"], high=gap["high"], n=len(own),
             method=f"paired bootstrap, 95 %; {HOW}")


def forms() -> None:
    if found := outcome("forms"):
        note("forms", found["table"], n=found["n"], method=f"greedy answers with the calculator; {HOW}")


def system_line() -> None:
    arms = {(who, said): kept for who in ("base", "tuned") for said in ("without", "with")
            if (kept := outcome(f"line-{who}-{said}"))}
    if arms:
        table = {f"{who}, {said} the line": figures(kept) for (who, said), kept in arms.items()}
        note("system_line", table, n=study.SMALL, method=HOW)
    if ("tuned", "with") in arms and ("tuned", "without") in arms:
        gap = statistics.paired_bootstrap(*(np.array(arms["tuned", said]["right"], float) for said in ("with", "without")))
        claim("R5", gap, "right actions, with minus without the line",
              f"graded by program on {study.SMALL} cases; ratings by people were not run", "section 2")


def names() -> None:
    for what, found in (outcome("names") or {}).items():
        if isinstance(found, dict):
            note(f"moved_by_{what.replace(' ', '_')}", found["value"], low=found["low"], high=found["high"], n=found["n"],
                 method="counterfactual twins, Wilson 95 %", unit="of the actions move")


def record(unit: str) -> None:
    """Everything that has been measured so far."""
    preferences(unit)
    rerank()
    if outcome("matrix-corporate"):
        sectors(unit)
    forms()
    system_line()
    names()
