"""How many rows do I need? A learning curve of TF-IDF with logistic regression on the learner's own rows, extended.

Error falls with rows about as a power law, error = floor + scale x rows^-rate (Hestness et al., 2017). The band comes from
fitting many redrawn curves; it widens fast beyond the data, and that is the honest part. The classic is the yardstick because it
trains in a second: a fine-tuned model usually starts higher and gains less from further rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..runtime import CourseError
from ..style import PALETTE

FEWEST = 40


@dataclass
class Plan:
    """A learning curve. sizes: rows trained on. accuracies: (sizes, repeats). ahead: rows planned for, with a 90 % band."""

    sizes: list[int]
    accuracies: np.ndarray
    ahead: np.ndarray
    low: np.ndarray
    mid: np.ndarray
    high: np.ndarray
    majority: float
    fits: np.ndarray = field(repr=False, default=None)

    def rows_for(self, wanted: float) -> str:
        """How many rows an accuracy needs, in words: a range, or that the curve does not reach it."""
        reached = {name: self.ahead[np.argmax(band >= wanted)] if (band >= wanted).any() else None
                   for name, band in (("few", self.high), ("middle", self.mid), ("many", self.low))}
        limit = f"{self.ahead[-1]:,.0f}"
        if reached["few"] is None:
            return f"{wanted:.0%} is out of reach of this method with up to {limit} such rows."
        most = f"{reached['many']:,.0f}" if reached["many"] else f"more than {limit}"
        if reached["middle"] is None:
            return f"{wanted:.0%} needs at least {reached['few']:,.0f} rows, and may need {most}."
        few = f"{reached['few']:,.0f}"
        return f"{wanted:.0%} needs about {reached['middle']:,.0f} rows; anything from {few} to {most} is possible."

    def figure(self):
        """The curve, its repeats and the band ahead."""
        import matplotlib.pyplot as plt

        figure, axis = plt.subplots(figsize=(8, 4))
        axis.fill_between(self.ahead, self.low, self.high, color=PALETTE["sky"], alpha=0.35, label="90 % band")
        axis.plot(self.ahead, self.mid, color=PALETTE["blue"], marker="", ls="-", label="the curve, extended")
        for size, found in zip(self.sizes, self.accuracies, strict=True):
            axis.plot([size] * len(found), found, color=PALETTE["black"], marker=".", ls="", alpha=0.5)
        axis.axvline(self.sizes[-1], color=PALETTE["grey"], ls=":", marker="")
        axis.axhline(self.majority, color=PALETTE["grey"], ls="--", marker="")
        axis.text(self.ahead[-1], self.majority, "always the most frequent label", ha="right", va="top", fontsize=10)
        axis.text(self.sizes[-1], 0.02, f" {self.sizes[-1]:,}: what your rows allow today", fontsize=10)
        axis.set(xscale="log", ylim=(0, 1), ylabel="accuracy of TF-IDF",
                 xlabel="rows to train on (each step is ten times the last)")
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.set_title("What further rows would buy")
        axis.legend(loc="upper left")
        return figure


def plan(rows: list[dict], repeats: int = 6, seed: int = 0, most: int = 2000) -> Plan:
    """The planning curve of `rows` (with `text` and `target`, labels). Each repeat holds out another 30 %.

    Beyond `most` rows a sample of that size is used. Raises CourseError for fewer than 40 rows or one label.
    """
    from sklearn.model_selection import train_test_split

    rows = [row for row in rows if row["text"].strip() and row["target"].strip()]
    labels = {row["target"] for row in rows}
    if len(rows) < FEWEST or len(labels) < 2:
        raise CourseError(f"A planning curve needs {FEWEST} rows of two labels or more; here are {len(rows)} of {len(labels)}.",
                          "collect these first, then plan.")
    draw = np.random.default_rng(seed)
    rows = [rows[i] for i in draw.permutation(len(rows))[:most]]
    counts = {label: sum(row["target"] == label for row in rows) for label in labels}
    sizes = sorted({int(s) for s in np.geomspace(max(12, 2 * len(labels)), 0.7 * len(rows), 7)})
    found = np.zeros((len(sizes), repeats))
    for r in range(repeats):
        even = [row["target"] for row in rows] if min(counts.values()) >= 2 else None
        train, test = train_test_split(rows, test_size=0.3, random_state=seed + r, stratify=even)
        for i, size in enumerate(sizes):
            found[i, r] = _accuracy(train[:size], test)
    ahead = np.geomspace(sizes[0], 20 * len(rows), 80)
    top = max(counts.values()) / len(rows)
    curves, fits = _curves(sizes, found, ahead, draw)
    low, mid, high = np.quantile(curves, [0.05, 0.5, 0.95], axis=0)
    return Plan(sizes, found, ahead, low, mid, high, top, fits)


def _accuracy(train, test) -> float:
    from ..evaluation import tfidf

    if len({row["target"] for row in train}) < 2:
        only = train[0]["target"]
        return float(np.mean([row["target"] == only for row in test]))
    named = [[{"text": row["text"], "label": row["target"]} for row in part] for part in (train, test)]
    try:
        return tfidf(*named, sorted({row["target"] for row in train})).accuracy
    except ValueError:  # no text of this draw holds a word
        return 0.0


def power(rows, floor, scale, rate):
    """Error at so many rows."""
    return floor + scale * np.power(rows, -rate)


def _curves(sizes, found, ahead, draw, redraws: int = 200):
    """Accuracies ahead from fits to redrawn repeats: (redraws, ahead), and the fits' parameters."""
    from scipy.optimize import curve_fit

    x, curves, fits = np.array(sizes, float), [], []
    for _ in range(redraws):
        picked = draw.integers(0, found.shape[1], found.shape[1])
        errors, first = 1 - found[:, picked].mean(1), draw.integers(0, max(1, len(sizes) - 3))
        # Where the curve will level off, and from which size on it is a power law, cannot be seen in it: each redraw
        # supposes another floor and leaves out some of the smallest sizes.
        floor = draw.uniform(0, max(errors.min(), 1e-3))
        try:
            (scale, rate), _ = curve_fit(lambda n, s, r, f=floor: power(n, f, s, r), x[first:], errors[first:], p0=(1.0, 0.4),
                                         bounds=((0, 0), (20, 1.5)), maxfev=4000)
        except RuntimeError:
            continue
        fits.append((floor, scale, rate))
        curves.append(1 - np.clip(power(ahead, floor, scale, rate), 0, 1))
    if not curves:
        raise CourseError("No learning curve could be fitted to these rows.", "collect more rows, or look at the audit first.")
    return np.array(curves), np.array(fits)
