"""Floor 1: how sure are we? Intervals, paired comparisons and agreement, by SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np


def accuracy_interval(correct: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval (1927) for `correct` right answers out of `n`. Raises ValueError for n = 0."""
    from scipy.stats import binomtest

    if n <= 0:
        raise ValueError("an interval needs at least one row")
    interval = binomtest(int(correct), int(n)).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def paired_bootstrap(a, b, resamples: int = 5000, level: float = 0.95, seed: int = 0) -> dict[str, float]:
    """Difference of means a - b on the same rows, with its percentile bootstrap interval.

    a, b: (n,) scores of two systems on the same n rows. Returns value, low, high.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"two lists of the same length are needed, got {a.shape} and {b.shape}")
    difference = a - b
    picks = np.random.default_rng(seed).integers(0, len(a), (resamples, len(a)))
    means = difference[picks].mean(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return {"value": float(difference.mean()), "low": float(low), "high": float(high)}


def over_seeds(values) -> dict[str, float]:
    """Mean, smallest, largest and sample standard deviation of one figure over seeds."""
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"value": float(values.mean()), "low": float(values.min()), "high": float(values.max()), "sd": spread}


def agreement(first, second) -> float:
    """Cohen's kappa (1960) between two annotators' labels of the same rows: 1 is perfect, 0 is chance."""
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(first, second))
