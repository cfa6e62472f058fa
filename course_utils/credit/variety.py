"""How varied the written answers are, and which repeat each other: measures, the cleaning step, a slot template to compare.

All measures work on masked text: names read NAME, places PLACE, numbers #, so that new figures in an old sentence
do not count as new.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from .cases import Case
from .layouts import capital
from .policy import written
from .steps import sheet

NEAR = 0.6  # from this Jaccard similarity of their sets of masked 4-grams on, two answers are near-duplicates
PIECES = re.compile(r"[A-Za-z][A-Za-z'-]*|#|[^\sA-Za-z#]")


def masked(text: str, names: list[str], places: list[str]) -> str:
    """The text with names, places and numbers hidden."""
    for words, mask in ((names, "NAME"), (places, "PLACE")):
        for word in words:
            text = text.replace(word, mask).replace(capital(word), mask)
    return re.sub(r"\d+(?:\.\d+)?", "#", text)


def of_row(row: dict) -> str:
    """A row's reasoning, masked, without the decision block."""
    return masked(row["reasoning"].rsplit("\n", 1)[0], row["names"], row["places"])


def grams(text: str, n: int = 4) -> list[tuple[str, ...]]:
    """The n-grams of words, signs and #."""
    pieces = PIECES.findall(text)
    return list(zip(*(pieces[i:] for i in range(n)), strict=False))


# ---------------------------------------------------------------- cleaning
def repeats_itself(text: str) -> bool:
    """True when four words in a row (no number or sign between them) stand twice in one answer, the labels aside."""
    found = Counter(g for g in grams(text) if all(p[0].isalpha() for p in g))
    return any(count > 1 for count in found.values())


def duplicates(texts: list[str], near: float = NEAR, block: int = 500) -> list[str]:
    """For each masked text: "" to keep, "exact" or "near" when an earlier kept text is equal or too similar."""
    sets, sizes = _gram_matrix(texts)
    verdict, seen, kept = [], set(), np.zeros(len(texts), bool)
    for start in range(0, len(texts), block):
        shared = (sets[start:start + block] @ sets.T).toarray()
        for k, row in enumerate(shared, start):
            union = sizes[k] + sizes[:k] - row[:k]
            close = bool(((row[:k] >= near * union) & kept[:k]).any())
            verdict.append("exact" if texts[k] in seen else "near" if close else "")
            kept[k] = not verdict[-1]
            if kept[k]:
                seen.add(texts[k])
    return verdict


def _gram_matrix(texts: list[str]):
    from scipy.sparse import csr_matrix

    index, rows, columns = {}, [], []
    for k, text in enumerate(texts):
        found = {index.setdefault(g, len(index)) for g in grams(text)}
        rows += [k] * len(found)
        columns += sorted(found)
    sets = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(texts), len(index)))
    return sets, np.asarray(sets.sum(1)).ravel()


def clean(rows: list[dict], required: list[list[str]]) -> tuple[list[dict], dict[str, int]]:
    """The rows worth keeping, and how many were dropped for each reason. required: the sums that each row has to show."""
    texts = [of_row(row) for row in rows]
    reasons = []
    for row, text, sums, double in zip(rows, texts, required, duplicates(texts), strict=True):
        if any(s not in row["reasoning"] for s in sums):
            reasons.append("missing metric")
        elif repeats_itself(text):
            reasons.append("repeated phrasing")
        else:
            reasons.append({"exact": "exact duplicate", "near": "near duplicate"}.get(double, ""))
    kept = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    names = ("exact duplicate", "near duplicate", "missing metric", "repeated phrasing")
    return kept, {name: reasons.count(name) for name in names}


# ---------------------------------------------------------------- measuring
def measures(texts: list[str], sample: int = 500, seed: int = 0) -> dict[str, float]:
    """Variety of masked texts.

    distinct_4grams: different 4-grams (a count) and as a share of all; openings: different first five pieces;
    nearest_neighbour: cosine similarity of TF-IDF vectors (words and word pairs) of `sample` texts to their nearest other.
    """
    every = [g for text in texts for g in grams(text)]
    starts = {tuple(PIECES.findall(text)[:5]) for text in texts}
    near = _nearest(texts, sample, seed)
    return {
        "texts": len(texts), "distinct_4grams": len(set(every)), "distinct_4gram_share": round(len(set(every)) / len(every), 4),
        "distinct_openings": len(starts), "distinct_texts": len(set(texts)),
        "nearest_neighbour_mean": round(float(near.mean()), 3), "nearest_neighbour_p95": round(float(np.quantile(near, 0.95)), 3),
    }


def _nearest(texts: list[str], sample: int, seed: int) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer

    order = np.random.default_rng(seed).permutation(len(texts))[:sample]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[A-Za-z][A-Za-z'-]*|#").fit_transform(
        [texts[i] for i in order])
    alike = (vectors @ vectors.T).toarray()
    np.fill_diagonal(alike, 0)
    return alike.max(1)


# ---------------------------------------------------------------- the plain slot template
def template(case: Case) -> str:
    """The same case in one fixed template with slots, as a first attempt would write it; without the decision block."""
    lines = [f"Analysis of {' and '.join(o.name for o in case.obligors)} under the {case.cluster.replace('_', ' ')} scenario."]
    for o in case.obligors:
        made = sheet(o.facts, case.shock)
        lines += [f"Stressed {m.name}: {'; '.join(c.plain for c in m.calcs)}." for m in made.moves]
        for t in made.tests:
            step = f" {made.sums[t.name].plain}." if t.name in made.sums else ""
            lines.append(f"Test {t.name}:{step} Need {written(t.need)}, have {written(t.have)}: {t.verdict}.")
    return "\n".join([*lines, f"The recommended action is {case.judged()[0].action}."])
