"""Turns the units of the study `choosing.py` into the results of notebook 05. Run it through that study's part `record`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from choosing import FRESH, SECRETS, SENTENCES, STUDY, slug

from course_utils import results, statistics, studies
from course_utils.choosing import asking, costs, systems, tasks

CODE = results.code_hash(Path(__file__).with_name("choosing.py").read_text(encoding="utf-8"))
TEST = "test part of data/choosing/questions.jsonl, split by document"
SENTIMENT, GENERAL = "test part of data/sentiment", "84 general items, none of them trained on"
FACTS = "handbook facts in new wordings, documents outside the training part"
WILSON, PAIRED = "Wilson 95 %", "paired bootstrap 95 %"
RULED = "RAG + fine-tuned"
READ, WRITTEN = 600, 30  # tokens of one question with its passages, and of its answer
done = partial(studies.outcome, STUDY)


def note(name: str, value, **more) -> None:
    results.record(name, value, notebook="05", code=CODE, **more)


def share(name: str, right, split: str, **more) -> dict:
    """Records a share of rows with its interval; returns value, low, high and n."""
    right = [bool(r) for r in right]
    low, high = statistics.accuracy_interval(sum(right), len(right))
    found = {"value": sum(right) / len(right), "n": len(right), "low": low, "high": high}
    note(name, split=split, method=WILSON, **found, **more)
    return found


def gap(name: str, first, second, split: str, unit: str = "difference of shares", scale: float = 1.0) -> None:
    """Records the mean of `first` minus that of `second`, row by row, with its interval."""
    found = {k: scale * v for k, v in statistics.paired_bootstrap(first, second).items()}
    low, high = sorted((found["low"], found["high"]))
    note(name, found["value"], low=low, high=high, n=len(first), split=split, method=PAIRED, unit=unit)


# ---------------------------------------------------------------- the table
def judged(name: str) -> list[dict] | None:
    """A system's test replies as given out, with their verdicts: the one system with a decline rule has it applied."""
    stored = done(f"answer-{slug(name)}")
    if stored is None:
        return None
    records = stored["test"]
    if name == RULED:
        records = asking.DeclineRule().fit(stored["validation"]).apply(records)
    return asking.verdicts(records, list(tasks.questions()["test"]))


def table() -> None:
    names = [name for name in systems.SYSTEMS if judged(name)]
    if not names:
        return
    note("table", [table_row(name) for name in names], split=f"{TEST}; sentences: {SENTIMENT}; general: {GENERAL}",
         method="value, low, high (Wilson 95 %), n where a share; else the measured figure")
    note("outcomes", [{"system": name, **asking.kinds(judged(name))} for name in names], split=TEST, method="replies counted")
    note("lost", [{"system": name, **asking.lost(judged(name))} for name in names if systems.SYSTEMS[name].passages],
         split=f"answerable questions of the {TEST}", method="the answer stands in the passages found, or not; then judged")
    stored = done(f"answer-{slug(RULED)}")
    if stored:
        note("decline_curve", curve(stored), split=TEST, method="the threshold moved; validation chose the one marked")


def table_row(name: str) -> dict:
    """One line of the table, each share also recorded under its own name."""
    stored, key = done(f"answer-{slug(name)}"), slug(name)
    row = {"system": name, "leaves": systems.SYSTEMS[name].leaves}
    for figure, (hits, n) in asking.summary(judged(name)).items():
        row[figure] = share(f"{key}_{figure}", [1] * hits + [0] * (n - hits), TEST)
    for figure, split in (("sentiment", SENTIMENT), ("general", GENERAL)):
        from_unit = stored if figure in stored else done(f"answer-{lender(name)}") or {}
        if figure in from_unit:
            row[figure] = share(f"{key}_{figure}", correct(from_unit[figure]), split)
    row["seconds"] = float(np.mean([r["seconds"] for r in stored["test"]]))
    row |= {"latency": stored["latency"], "weights_mb": stored["weights"] / 1e6, "peak_memory_mb": stored["peak_memory"] / 1e6,
            **effort(name)}
    note(f"{key}_latency", stored["latency"], unit="s a question, one at a time", split=TEST)
    if name == RULED:
        for figure in ("declined_unanswerable", "declined_answerable"):
            note(figure, split=TEST, method=f"{WILSON}; {RULED}; threshold from validation", **row[figure])
    return row


def lender(name: str) -> str:
    """The unit whose figure a system shares: search and a written skill change nothing where there is nothing to look up."""
    return "scratch" if name == "from scratch + RAG" else "zero_shot"


def correct(stored: dict) -> list[bool]:
    if "right" in stored:
        return [bool(r) for r in stored["right"]]
    return [g == t for g, t in zip(stored["guess"], stored["truth"], strict=True)]


def effort(name: str) -> dict:
    """Set-up, counted: solved rows and minutes of training."""
    engine = systems.SYSTEMS[name].engine
    trained = done(f"train-{engine}") if engine != "base" else None
    if trained:
        return {"rows": trained["rows"], "train_minutes": trained["train_seconds"] / 60}
    return {"rows": len(systems.examples()) + 6 if systems.SYSTEMS[name].prompt == "few-shot" else 0, "train_minutes": 0.0}


def curve(stored: dict) -> list[dict]:
    """Declined and wrongly declined at each threshold of the rule, on the test questions."""
    rule = asking.DeclineRule().fit(stored["validation"])
    chance = rule.chances(stored["test"])
    none = np.array([r["kind"] == "unanswerable" for r in stored["test"]])
    steps = sorted({*np.round(np.linspace(0, 1, 41), 3), rule.threshold})
    return [{"threshold": float(t), "declined_unanswerable": float((chance > t)[none].mean()),
             "declined_answerable": float((chance > t)[~none].mean()), "chosen": bool(t == rule.threshold)} for t in steps]


def right(name: str) -> list[float] | None:
    """Right or not, for each answerable test question of a system."""
    rows = judged(name)
    return rows and [float(r["outcome"] == "right") for r in rows if r["kind"] != "unanswerable"]


def differences() -> None:
    """Two systems on the same rows: what the claims S4 and S7 rest on."""
    facts = {name: right(name) for name in ("RAG", "fine-tuned", RULED)}
    for name, other in (("rag_fine_tuned_minus_rag", "RAG"), ("rag_fine_tuned_minus_fine_tuned", "fine-tuned")):
        if facts[RULED] and facts[other]:
            gap(name, facts[RULED], facts[other], f"answerable questions of the {TEST}")
    labels = {key: correct(unit["sentiment"]) for key in ("zero_shot", "few_shot", "fine_tuned", "scratch")
              if (unit := done(f"answer-{key}"))}
    best = max((k for k in ("zero_shot", "few_shot") if k in labels), key=lambda k: sum(labels[k]), default=None)
    for key in ("fine_tuned", "scratch"):
        if best and key in labels:
            gap(f"{key}_minus_prompt_sentiment", labels[key], labels[best], f"{SENTIMENT}; against {best.replace('_', '-')}")


# ---------------------------------------------------------------- knowledge, facts that change
def knowledge() -> None:
    rows = []
    for name in ("1", "2", "rag", "rag_fine_tuned"):
        if stored := done(f"knowledge-{name}"):
            system = {"1": "trained in, one wording", "2": "trained in, two wordings", "rag": "RAG"}.get(name, RULED)
            row = {"system": system, "minutes": stored.get("train_seconds", 0) / 60}
            for part in ("trained", "new"):
                if part in stored:
                    row[part] = share(f"knowledge_{name}_{part}", stored[part], FACTS if part == "new" else "wordings trained on")
            rows.append(row)
    if rows:
        note("knowledge", rows, split=FACTS, method=WILSON)
    if done("knowledge-2") and done("knowledge-rag_fine_tuned"):
        gap("knowledge_minus_rag", done("knowledge-2")["new"], done("knowledge-rag_fine_tuned")["new"], FACTS)


def freshness() -> None:
    rows, split = [], "handbook facts changed in the documents"
    for name in FRESH:
        if stored := done(f"freshness-{slug(name)}"):
            rows.append({"system": name, "new": share(f"freshness_{slug(name)}", stored["new"], split),
                         "old": share(f"stale_{slug(name)}", stored["old"], split), "seconds": stored["seconds"]})
    if rows:
        note("freshness", rows, split=split, method="share of answers with the new fact, and with the old one; seconds to "
             "bring the index up to date; nothing was trained")


# ---------------------------------------------------------------- what else training does
def forgetting() -> None:
    """Points of general accuracy lost, and the loss on right options, which moves earlier."""
    kept = {"before": "answer-zero_shot", "fine-tuned": "answer-fine_tuned", "general mixed in": "forgetting-mixed"}
    units = {name: done(unit) for name, unit in kept.items()}
    rows = [{"model": name, "general": share(f"forgetting_{slug(name)}_general", correct(unit["general"]), GENERAL),
             "surprise": float(np.mean(unit["general"]["surprise"])),
             "sentiment": share(f"forgetting_{slug(name)}_sentiment", correct(unit["sentiment"]), SENTIMENT)}
            for name, unit in units.items() if unit]
    if rows:
        note("forgetting", rows, split=GENERAL, method="options weighed by likelihood; surprise: nats a token on the right one")
    for key, name in (("forgetting_points", "fine-tuned"), ("forgetting_points_mixed", "general mixed in")):
        if units["before"] and units[name]:
            before, after = units["before"]["general"], units[name]["general"]
            gap(key, before["right"], after["right"], GENERAL, "points of accuracy lost", 100)
            gap(f"{key}_surprise", after["surprise"], before["surprise"], GENERAL, "nats a token more on the right option")


def privacy() -> None:
    rows = []
    for repeats, epochs in SECRETS:
        if stored := done(f"privacy-{repeats}-{epochs}"):
            rows.append({"repeats": repeats, "epochs": epochs, "exposure": stored["exposure"], "rank": stored["rank"],
                         "candidates": stored["candidates"], "said": sum(stored["said"]), "asked": len(stored["said"])})
    if rows:
        note("privacy", rows, unit="exposure in bits", split="one planted six-digit code",
             method="rank by log-probability among random codes; greedy replies to three wordings. "
                    "Duplicates removed, 16 become 1")


def sure(stored: dict) -> np.ndarray:
    return np.exp(np.array(stored["logs"])).max(1)


def confidence() -> None:
    if (stored := done("confidence")) is None:
        return
    rows = [{"model": {"base": "before", "closed": "fine-tuned"}[model], "texts": part,
             "mean_confidence": float(sure(found).mean()), "over_90": float((sure(found) > 0.9).mean()),
             "accuracy": float(np.mean(correct(found))) if part == "in" else None}
            for model in ("base", "closed") for part, found in stored[model].items()]
    note("confidence", rows, split="in: test sentences; out: general questions given as sentences",
         method="probability of the likeliest of three labels")
    for model in ("base", "closed"):
        share(f"confident_out_of_domain_{model}", sure(stored[model]["out"]) > 0.9, "general questions given as sentences")


# ---------------------------------------------------------------- cascade, routing, money
def cascade() -> None:
    if (stored := done("cascade")) is None:
        return
    series = []
    for small, big in (("tfidf", "closed"), ("scratch", "closed")):
        chosen, points = cascade_at(stored["validation"], small, big), cascade_at(stored["test"], small, big)
        pick = min((p for p in chosen if p["accuracy"] >= chosen[-1]["accuracy"]), key=lambda p: p["passed_on"])
        best = next(p for p in points if p["threshold"] == pick["threshold"])
        series.append({"small": small, "big": big, "points": points, "threshold": pick["threshold"], "chosen": best})
    note("cascade", series, split=SENTIMENT, n=len(stored["test"]["closed"]["truth"]),
         method="the small model answers above the threshold; threshold from validation; "
                "cost: seconds against the big model alone")
    test, best = stored["test"], series[0]["chosen"]
    both = answered(test["tfidf"], test["closed"], best["threshold"])
    gap("cascade_accuracy_gap", both, correct(test["closed"]), SENTIMENT)
    note("cascade_saving", 1 - best["cost"], n=len(both), unit="share of the big model's seconds saved", split=SENTIMENT,
         accuracy=best["accuracy"], big_accuracy=series[0]["points"][-1]["accuracy"],
         method="TF-IDF first, SmolLM2 fine-tuned for the rest; threshold: least passed on at the big model's accuracy on "
                "validation")


def answered(small: dict, big: dict, threshold: float) -> list[bool]:
    """Right or not, row by row, when the small model answers above the threshold and the big one the rest."""
    first, second = np.array(small["logs"]), np.array(big["logs"])
    guess = np.where(np.exp(first).max(1) < threshold, second.argmax(1), first.argmax(1))
    return list(guess == np.array(big["truth"]))


def cascade_at(part: dict, small: str, big: str) -> list[dict]:
    """Accuracy, share passed on and cost at each threshold, from 0 (none passed on) to above 1 (all)."""
    sureness, points = sure(part[small]), []
    for threshold in (*np.round(np.linspace(0, 1, 41), 3), 1.01):
        passed = float((sureness < threshold).mean())
        cost = (part[small]["seconds"] + passed * part[big]["seconds"]) / part[big]["seconds"]
        points.append({"threshold": float(threshold), "accuracy": float(np.mean(answered(part[small], part[big], threshold))),
                       "passed_on": passed, "cost": float(cost)})
    return points


def routing() -> None:
    if stored := done("routing"):
        hits = {way: np.equal(stored[way], stored["truth"]) for way in ("zero_shot", "tfidf", "tuned")}
        for way, found in hits.items():
            share(f"routing_{way}", found, "20 texts of each route outside training")
        gap("routing_tuned_minus_tfidf", hits["tuned"], hits["tfidf"], "20 texts of each route outside training")
        note("routing_train_seconds", stored["train_seconds"], unit="s", n=stored["rows"])


def money() -> None:
    """Break-even by way of asking, with the measured seconds and the example prices of `costs.PRICES`."""
    if (stored := done(f"answer-{slug(RULED)}")) is None:
        return
    own = costs.Own(seconds=float(np.mean([r["seconds"] for r in stored["test"]])))
    edit = f"example prices of {next(iter(costs.PRICES.values())).date}, to be edited; {READ} tokens read, {WRITTEN} written"
    points = {name: costs.break_even(price, own, READ, WRITTEN) for name, price in costs.PRICES.items()}
    note("break_even", [{"model": name, "questions_a_month": v if np.isfinite(v) else None} for name, v in points.items()],
         unit="questions a month", method=edit)


def record() -> None:
    """Writes every result whose units are done."""
    for part in (table, differences, knowledge, freshness, forgetting, privacy, confidence, cascade, routing, money):
        part()
    note("sentences_trained_on", SENTENCES)
