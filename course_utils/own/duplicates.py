"""Texts that are nearly each other: the Jaccard likeness of their word pairs, exact, by sparse matrices.

MinHash (datasketch) estimates the same figure and pays off beyond some hundred thousand texts; up to the 20,000 compared here
the exact product takes seconds and needs no further package.
"""

from __future__ import annotations

import numpy as np

LIKE = 0.6  # word pairs shared, of all that either has: one word changed in a sentence of fifteen gives about 0.75
SHORTEST = 5  # word pairs: shorter texts are alike by chance


def near_pairs(texts: list[str], sample: int = 20_000, like: float = LIKE) -> tuple[list[tuple[int, int]], list[float], int]:
    """(pairs of places whose texts are alike but not equal or equal, each text's likeness to its nearest other, texts compared).

    Beyond `sample` texts, that many are drawn evenly over the file and compared.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    picked = np.unique(np.linspace(0, len(texts) - 1, min(sample, len(texts))).astype(int))
    try:
        read = CountVectorizer(ngram_range=(2, 2), binary=True, token_pattern=r"(?u)\w+", dtype=np.float32)
        table = read.fit_transform([texts[i] for i in picked])
    except ValueError:  # no text has two words
        return [], [0.0] * len(picked), len(picked)
    sizes = np.asarray(table.sum(1)).ravel()
    usable = np.flatnonzero(sizes >= SHORTEST)
    table, sizes, names = table[usable].tocsr(), sizes[usable], picked[usable]
    turned, nearest, pairs = table.T.tocsc(), np.zeros(len(picked)), []
    for start in range(0, len(names), 500):
        shared = (table[start:start + 500] @ turned).tocoo()
        a, b = shared.row + start, shared.col
        other = a != b
        a, b = a[other], b[other]
        likeness = shared.data[other] / (sizes[a] + sizes[b] - shared.data[other])
        np.maximum.at(nearest, usable[a], likeness)
        alike = (likeness >= like) & (a < b)
        pairs += [(int(names[i]), int(names[j])) for i, j in zip(a[alike], b[alike], strict=True)]
    return sorted(pairs), nearest.tolist(), len(picked)


def families(n: int, pairs: list[tuple[int, int]]) -> list[int]:
    """A family number for each of n rows; rows linked by pairs, directly or through others, share one."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not pairs:
        return list(range(n))
    a, b = np.array(pairs).T
    return connected_components(coo_matrix((np.ones(len(pairs)), (a, b)), shape=(n, n)), directed=False)[1].tolist()
