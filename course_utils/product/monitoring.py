"""What a model-risk team asks after the average: how good on each slice, does a name move it, has the input changed?"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from .. import statistics
from ..runtime import CourseError

WATCH, ACT = 0.10, 0.25  # the usual readings of the population stability index; a convention, not a law


# ---------------------------------------------------------------- slices
def slices(answers, rows: list[dict], keys: Iterable[str], costs: dict | None = None, least: int = 1):
    """Accuracy with its 95 % interval (and cost a row, given `costs`) on each part of the rows that shares a field's value.

    answers: an Evaluation of the same rows. least: parts with fewer rows are left out.
    """
    import pandas as pd

    if answers.n != len(rows):
        raise ValueError(f"{answers.n} answers do not belong to {len(rows)} rows")
    right, price, out = answers.right, answers.costs(costs) if costs else None, []
    for key in keys:
        values = [str(row.get(key) or "none") for row in rows]
        for value in sorted(set(values)):
            at = np.array([v == value for v in values])
            if at.sum() < least:
                continue
            low, high = statistics.accuracy_interval(int(right[at].sum()), int(at.sum()))
            row = {"slice": f"{key}: {value}", "rows": int(at.sum()), "accuracy": round(float(right[at].mean()), 3),
                   "95 % interval": f"{low:.2f} to {high:.2f}"}
            out.append(row | ({"cost a row": round(float(price[at].mean()), 2)} if costs else {}))
    return pd.DataFrame(out).set_index("slice")


# ---------------------------------------------------------------- fairness by counterfactuals
def counterfactual(rows: list[dict], change: Callable[[dict], dict], answer: Callable[[list[dict]], list]) -> dict:
    """Share of answers that move when something changes that should not matter, with Wilson's 95 % interval.

    change(row) -> the same case with another name or place. answer(rows) -> one answer a row. Rows that `change` leaves as they
    were are not counted. Raises CourseError when it changes none.
    """
    twins = [change(row) for row in rows]
    pairs = [(row, twin) for row, twin in zip(rows, twins, strict=True) if twin != row]
    if not pairs:
        raise CourseError("The change altered no row.", "check that the rows contain what it should replace.")
    before, after = answer([row for row, _ in pairs]), answer([twin for _, twin in pairs])
    moved = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    low, high = statistics.accuracy_interval(len(moved), len(pairs))
    examples = [{"before": before[k], "after": after[k], "row": pairs[k][0], "twin": pairs[k][1]} for k in moved[:3]]
    return {"value": len(moved) / len(pairs), "low": low, "high": high, "n": len(pairs), "examples": examples}


def credit_twins(rows: list[dict], seed: int = 0) -> dict[str, Callable[[dict], dict]]:
    """Two changes for credit cases: the obligors' names, and their places, taken from other cases. The truth stays the same."""
    from ..credit.dataset import renamed

    def others(row, field, key):
        pool = sorted({value for other in rows if other["type"] == row["type"] for value in other[field]} - set(row[field]))
        draw = random.Random(f"{seed}/{key}/{row['id']}")
        return draw.sample(pool, len(row[field])) if len(pool) >= len(row[field]) else None

    def name(row):
        new = others(row, "names", "name")
        return renamed(row, name=new) if new else row

    def place(row):
        new = others(row, "places", "place")
        return renamed(row, place=new) if new else row

    return {"another name": name, "another place": place}


# ---------------------------------------------------------------- drift of the input
def stability(reference: np.ndarray, new: np.ndarray) -> float:
    """Population stability index between two rows of counts: sum of (q - p) ln(q / p). Empty bins count half a row."""
    p, q = np.maximum(reference, 0.5), np.maximum(new, 0.5)
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def _bins(reference, new) -> tuple[np.ndarray, np.ndarray]:
    """Counts a category, or for numbers a tenth of the reference."""
    if isinstance(reference[0], str):
        seen = sorted({*reference, *new})
        return tuple(np.array([Counter(values)[v] for v in seen], float) for values in (reference, new))
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 11)[1:-1]))
    return tuple(np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1).astype(float)
                 for values in (reference, new))


def _chance(reference, new, resamples: int = 200, seed: int = 0) -> float:
    """The index that chance alone reaches in 5 of 100 draws of these sizes from one population."""
    draw, pool = np.random.default_rng(seed), np.array([*reference, *new], dtype=object)
    found = []
    for _ in range(resamples):
        mixed = draw.permutation(pool)
        found.append(stability(*_bins(list(mixed[:len(reference)]), list(mixed[len(reference):]))))
    return float(np.quantile(found, 0.95))


def words(text: str) -> list[str]:
    """Lower-case words without digits."""
    return re.findall(r"[^\W\d_]+", text.lower())


def features(rows: list[dict], known: set[str], text: str = "text", categories: Iterable[str] = ()) -> dict[str, list]:
    """What is watched of each row: length in words, share of words never seen in the reference, its digits, and categories."""
    out: dict[str, list] = {"length in words": [], "share of unseen words": [], "digits": []}
    for row in rows:
        found = words(row[text])
        out["length in words"].append(float(len(row[text].split())))
        out["share of unseen words"].append(sum(w not in known for w in found) / max(1, len(found)))
        out["digits"].append(float(sum(c.isdigit() for c in row[text])))
    return out | {name: [str(row.get(name, "(none)")) for row in rows] for name in categories}


def drift(reference: list[dict], new: list[dict], text: str = "text", categories: Iterable[str] = ("sector",)):
    """A table, one row a feature: stability index, what chance reaches, Kolmogorov-Smirnov p-value, and a verdict.

    The unseen words of the reference are counted on its second half, with the first half as the vocabulary; so are the new
    rows'. Verdicts: `stable`, `watch` (index of 0.10 and more) and `act` (0.25 and more), never for what chance explains.
    Raises CourseError for fewer than 40 reference or 20 new rows.
    """
    import pandas as pd
    from scipy.stats import ks_2samp

    if len(reference) < 40 or len(new) < 20:
        raise CourseError(f"{len(reference)} reference and {len(new)} new rows are too few to tell drift from chance.",
                          "collect at least 40 and 20.")
    order = random.Random(0).sample(reference, len(reference))
    half = len(order) // 2
    known = {word for row in order[:half] for word in words(row[text])}
    old, now = (features(rows, known, text, categories) for rows in (order[half:], new))
    out = []
    for name, values in old.items():
        index, chance = stability(*_bins(values, now[name])), _chance(values, now[name])
        p = None if isinstance(values[0], str) else float(ks_2samp(values, now[name]).pvalue)
        real = index > chance
        verdict = "act" if real and index >= ACT else "watch" if real and index >= WATCH else "stable"
        out.append({"feature": name, "stability index": round(index, 3), "by chance up to": round(chance, 3),
                    "KS p-value": math.nan if p is None else float(f"{p:.2g}"), "verdict": verdict})
    return pd.DataFrame(out).set_index("feature")
