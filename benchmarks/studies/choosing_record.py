"""Turns the units of the study `choosing.py` into the results of notebook 05. Run it through that study's part `record`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from choosing import FRESH, SENTENCES, done, slug

from course_utils import results, statistics
from course_utils.choosing import costs, systems, tasks

HERE = Path(__file__)
CODE = results.code_hash(HERE.with_name("choosing.py").read_text(encoding="utf-8") + HERE.read_text(encoding="utf-8"))
TEST = "test part of data/choosing/questions.jsonl, split by document"
WILSON = "Wilson 95 %"
RULED = "RAG + fine-tuned"
READ, WRITTEN = 600, 30  # tokens of one question with three passages, and of its answer


def note(name: str, value, **more) -> None:
    results.record(name, value, notebook="05", code=CODE, **more)


def share(name: str, right, split: str, **more) -> dict:
    """Records a share of rows with its interval; returns value, low, high and n."""
    right = [bool(r) for r in right]
    low, high = statistics.accuracy_interval(sum(right), len(right))
    found = {"value": sum(right) / len(right), "n": len(right), "low": low, "high": high}
    note(name, split=split, method=WILSON, **found, **more)
    return found


def questions(part: str = "test") -> list[dict]:
    return list(tasks.questions()[part])


def records_of(name: str, stored: dict) -> list[dict]:
    """A system's test replies as given out: the one system with a decline rule has it applied."""
    if name != RULED:
        return stored["test"]
    rule = systems.DeclineRule().fit(stored["validation"])
    return rule.apply(stored["test"])


# ---------------------------------------------------------------- the table
def table() -> None:
    rows = [row for name in systems.SYSTEMS if (row := table_row(name))]
    if rows:
        note("table", rows, split=f"{TEST}; sentences: test part of data/sentiment; general: the held 84 items",
             method="value, low, high (Wilson 95 %), n where a share; else the measured figure")
    stored = done(f"answer-{slug(RULED)}")
    if stored:
        note("decline_curve", curve(stored), split=TEST, method="the threshold moved; validation chose the one marked")


def table_row(name: str) -> dict | None:
    """One line of the table, each share also recorded under its own name."""
    stored, key = done(f"answer-{slug(name)}"), slug(name)
    if stored is None:
        return None
    judged = systems.verdicts(records_of(name, stored), questions())
    row = {"system": name, "leaves": systems.SYSTEMS[name].leaves}
    for figure, (hits, n) in systems.summary(judged).items():
        row[figure] = share(f"{key}_{figure}", [1] * hits + [0] * (n - hits), TEST)
    for figure in ("sentiment", "general"):
        from_unit = stored if figure in stored else done(f"answer-{lender(name, figure)}") or {}
        if figure in from_unit:
            row[figure] = share(f"{key}_{figure}", correct(from_unit[figure]), figure)
    row["seconds"] = float(np.mean([r["seconds"] for r in stored["test"]]))
    row |= {"latency": stored["latency"], "weights_mb": stored["weights"] / 1e6, "peak_memory_mb": stored["peak_memory"] / 1e6,
            **effort(name)}
    note(f"{key}_latency", stored["latency"], unit="s a question, one at a time", split=TEST)
    if name == RULED:
        for figure in ("declined_unanswerable", "declined_answerable"):
            note(figure, split=TEST, method=f"{WILSON}; {RULED}; threshold from validation", **row[figure])
    return row


def lender(name: str, figure: str) -> str:
    """The unit whose figure a system shares: search changes nothing where there is nothing to look up."""
    if name == "from scratch + RAG":
        return "scratch"
    return "zero_shot"


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
    rule = systems.DeclineRule().fit(stored["validation"])
    chance = rule.chances(stored["test"])
    none = np.array([r["kind"] == "unanswerable" for r in stored["test"]])
    right = np.array([v["outcome"] == "right" for v in systems.verdicts(stored["test"], questions())])
    steps = sorted({*np.round(np.linspace(0, 1, 41), 3), rule.threshold})
    return [{"threshold": float(t), "declined_unanswerable": float((chance > t)[none].mean()),
             "declined_answerable": float((chance > t)[~none].mean()),
             "right_of_answered": float(right[chance <= t].mean()) if (chance <= t).any() else None,
             "chosen": bool(np.isclose(t, rule.threshold))} for t in steps]


# ---------------------------------------------------------------- the other parts
def freshness() -> None:
    rows = []
    for name in FRESH:
        if stored := done(f"freshness-{slug(name)}"):
            fresh = share(f"freshness_{slug(name)}", stored["new"], "facts changed in test documents")
            rows.append({"system": name, "new": fresh, "old": float(np.mean(stored["old"])), "seconds": stored["seconds"]})
    if rows:
        note("freshness", rows, split="facts changed in test documents", method="share of questions answered with the new fact; "
             "seconds to bring the index up to date; nothing was trained")


def knowledge() -> None:
    rows = []
    for name in ("1", "2", "rag", "rag_fine_tuned"):
        if stored := done(f"knowledge-{name}"):
            row = {"system": f"trained in, {name} wording(s)" if name.isdigit() else name,
                   "minutes": stored.get("train_seconds", 0) / 60}
            for part in ("trained", "new"):
                if part in stored:
                    row[part] = share(f"knowledge_{name}_{part}", stored[part], f"handbook facts, {part} wordings")
            rows.append(row)
    if rows:
        note("knowledge", rows, split="handbook facts; new wordings: facts of documents outside the training part", method=WILSON)


def forgetting() -> None:
    """Points of general accuracy lost, and the loss on right options, which moves earlier."""
    before, after, mixed = done("answer-zero_shot"), done("answer-fine_tuned"), done("forgetting-mixed")
    for name, unit in (("forgetting_points", after), ("forgetting_points_mixed", mixed)):
        if before and unit:
            for key, scale, figure in ((name, 100, "right"), (name + "_surprise", -1, "surprise")):
                gap = statistics.paired_bootstrap(before["general"][figure], unit["general"][figure])
                bounds = sorted((scale * gap["low"], scale * gap["high"]))
                note(key, scale * gap["value"], low=bounds[0], high=bounds[1], n=len(unit["general"][figure]),
                     unit="points of accuracy lost" if figure == "right" else "nats a token more on the right option",
                     method="paired bootstrap 95 %", split="84 general items, none of them mixed in")
    if mixed:
        share("mixed_sentiment", correct(mixed["sentiment"]), "test part of data/sentiment")


def privacy() -> None:
    rows = []
    for repeats, epochs in ((0, 3), (1, 3), (4, 3), (16, 3), (16, 1)):
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
    stored = done("confidence")
    if stored is None:
        return
    rows = [{"model": model, "texts": part, "mean_confidence": float(sure(found).mean()),
             "over_90": float((sure(found) > 0.9).mean()),
             "accuracy": float(np.mean(correct(found))) if part == "in" else None}
            for model in ("base", "closed") for part, found in stored[model].items()]
    note("confidence", rows, split="in: test sentences; out: general questions given as sentences",
         method="probability of the likeliest of three labels")
    share("confident_out_of_domain", sure(stored["closed"]["out"]) > 0.9, "general questions given as sentences")


def cascade() -> None:
    stored = done("cascade")
    if stored is None:
        return
    series = []
    for small, big in (("tfidf", "closed"), ("tfidf", "scratch"), ("scratch", "closed")):
        chosen = cascade_at(stored["validation"], small, big)
        points = cascade_at(stored["test"], small, big)
        pick = min((p for p in chosen if p["accuracy"] >= chosen[-1]["accuracy"]), key=lambda p: p["passed_on"])
        best = next(p for p in points if p["threshold"] == pick["threshold"])
        series.append({"small": small, "big": big, "points": points, "threshold": pick["threshold"], "chosen": best})
    note("cascade", series, split="test part of data/sentiment", n=len(stored["test"]["closed"]["truth"]),
         method="the small model answers above the threshold; threshold from validation; "
                "cost: seconds against the big model alone")
    best = series[0]["chosen"]
    note("cascade_saving", 1 - best["cost"], low=None, high=None, n=len(stored["test"]["closed"]["truth"]),
         unit="share of the big model's seconds saved", accuracy=best["accuracy"],
         big_accuracy=series[0]["points"][-1]["accuracy"], split="test part of data/sentiment",
         method="TF-IDF first, SmolLM2 fine-tuned for the rest; threshold: least passed on at the big model's accuracy on "
                "validation")


def cascade_at(part: dict, small: str, big: str) -> list[dict]:
    """Accuracy, share passed on and cost at each threshold, from 0 (none passed on) to above 1 (all)."""
    first, second = np.array(part[small]["logs"]), np.array(part[big]["logs"])
    truth, sureness = np.array(part[big]["truth"]), np.exp(first).max(1)
    points = []
    for threshold in (*np.round(np.linspace(0, 1, 41), 3), 1.01):
        passed = sureness < threshold
        guess = np.where(passed, second.argmax(1), first.argmax(1))
        cost = (part[small]["seconds"] + passed.mean() * part[big]["seconds"]) / part[big]["seconds"]
        points.append({"threshold": float(threshold), "accuracy": float((guess == truth).mean()),
                       "passed_on": float(passed.mean()), "cost": float(cost)})
    return points


def routing() -> None:
    if stored := done("routing"):
        for way in ("zero_shot", "tfidf", "tuned"):
            share(f"routing_{way}", np.equal(stored[way], stored["truth"]), "20 texts of each route outside training")
        note("routing_train_seconds", stored["train_seconds"], unit="s", n=stored["rows"])


def money() -> None:
    """Cost by way of asking, with the measured seconds and the example prices of `costs.PRICES`."""
    stored = done(f"answer-{slug(RULED)}")
    if stored is None:
        return
    own = costs.Own(seconds=float(np.mean([r["seconds"] for r in stored["test"]])))
    edit = f"example prices of {next(iter(costs.PRICES.values())).date}, to be edited; {READ} tokens read, {WRITTEN} written"
    points = {name: costs.break_even(price, own, READ, WRITTEN) for name, price in costs.PRICES.items()}
    note("break_even", [{"model": name, "questions_a_month": v if np.isfinite(v) else None} for name, v in points.items()],
         unit="questions a month", method=edit)
    note("cost_ratio", [{"model": name, "times": v} for name, v in costs.ratios(READ, WRITTEN, own).items()], method=edit,
         unit="price of one more answer against the own model's electricity")


def record() -> None:
    """Writes every result whose units are done."""
    for part in (table, freshness, knowledge, forgetting, privacy, confidence, cascade, routing, money):
        part()
    note("sentences_trained_on", SENTENCES)
