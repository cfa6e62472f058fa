"""Intervals against published or exact values."""

import numpy as np
import pytest

from course_utils import statistics


def test_wilson_against_the_closed_form():
    k, n, z = 80, 100, 1.959963984540054
    p = k / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = statistics.accuracy_interval(k, n)
    assert low == pytest.approx((middle - half) / (1 + z * z / n)) and high == pytest.approx((middle + half) / (1 + z * z / n))


def test_no_rows_is_an_error():
    with pytest.raises(ValueError, match="at least one row"):
        statistics.accuracy_interval(0, 0)


def test_paired_bootstrap_covers_the_truth():
    """95 % intervals of a known difference contain it about 95 times of 100."""
    draw = np.random.default_rng(0)
    hits = 0
    for i in range(100):
        a, b = draw.random(300) < 0.8, draw.random(300) < 0.7
        out = statistics.paired_bootstrap(a, b, resamples=500, seed=i)
        hits += out["low"] <= 0.1 <= out["high"]
    assert 88 <= hits <= 100


def test_paired_bootstrap_refuses_unequal_rows():
    with pytest.raises(ValueError, match="same length"):
        statistics.paired_bootstrap([1, 0], [1])


def test_kappa_of_chance_is_zero():
    assert statistics.agreement(["a", "b"] * 50, ["a"] * 50 + ["b"] * 50) == pytest.approx(0, abs=1e-9)
