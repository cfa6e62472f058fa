"""Floor 5: the pictures of notebook 06: the way to a product, preferences, who answers whom, memory of a large job."""

from __future__ import annotations

import numpy as np

from .diagrams import arrow, box, canvas
from .style import LINES, MARKERS, PALETTE, SERIES

STATIONS = (
    ("adapter", "weights\nof minutes", "blue"), ("prefer", "good beside\nbad", "green"),
    ("specialise", "one for\neach desk", "green"), ("merge", "one plain\nmodel", "orange"),
    ("serve", "answers\nover HTTP", "orange"), ("scale", "files and\nmachines", "orange"),
    ("sign off", "evidence\non paper", "blue"),
)


def stations():
    """The seven stations between a trained adapter and a product."""
    figure, axis = canvas(11, 2.1)
    step = 11 / len(STATIONS)
    for k, (name, what, tint) in enumerate(STATIONS):
        box(axis, k * step + 0.05, 0.75, step - 0.37, 0.95, name, tint, 12, bold=True)
        axis.text(k * step + step / 2 - 0.14, 0.62, what, ha="center", va="top", fontsize=10)
        if k:
            arrow(axis, (k * step - 0.3, 1.22), (k * step + 0.03, 1.22), width=1.6)
    return figure


def preference_loss(points: dict[str, float] | None = None):
    """The DPO loss against the lead, beta times the gain of the chosen over the rejected answer. points: name -> lead."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.2))
    leads = np.linspace(-4, 4, 200)
    axis.plot(leads, np.log1p(np.exp(-leads)), marker="")
    axis.axvline(0, color=PALETTE["grey"], lw=1, ls=":")
    for k, (name, lead) in enumerate((points or {}).items()):
        loss = np.log1p(np.exp(-lead))
        axis.plot(lead, loss, color=SERIES[k + 1], marker=MARKERS[k], ms=9)
        axis.annotate(f"{name}: {loss:.2f}", (lead, loss), (8, 8), textcoords="offset points", fontsize=10)
    axis.set_xlabel("lead of the chosen answer since the start")
    axis.set_ylabel("loss")
    axis.set_title("What a preference costs")
    return figure


def rewards(history: list[dict]):
    """How far the chosen and the rejected answers have moved from the reference. history: of `preferences.fit`."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.5, 3.4))
    steps, width, few = [h["step"] for h in history], max(1, len(history) // 10), len(history) < 20
    for side, colour, line in (("chosen", "green", "-"), ("rejected", "orange", "--")):
        values = np.array([h[side] for h in history])
        smooth = [values[max(0, k - width + 1):k + 1].mean() for k in range(len(values))]
        axis.plot(steps, smooth, color=PALETTE[colour], ls=line, marker="o" if few else "", label=side)
    axis.axhline(0, color=PALETTE["grey"], lw=1)
    if few:
        axis.set_xticks(steps)
    axis.set_xlim(steps[0] - 0.5, steps[-1] + 0.5)
    axis.set_xlabel("step")
    axis.set_ylabel("reward: beta x change\nof the log-probability")
    axis.set_title("Both sides move; the distance counts")
    axis.legend()
    return figure


def matrix(table, title: str, form: str = ".2f", low_is_good: bool = False):
    """A table as a heat map with its numbers; the best of each column is framed. table: DataFrame, systems down."""
    import matplotlib.pyplot as plt

    values = table.to_numpy(float)
    figure, axis = plt.subplots(figsize=(2.6 + 1.35 * values.shape[1], 1.2 + 0.45 * values.shape[0]))
    axis.imshow(values, cmap="Blues_r" if low_is_good else "Blues", aspect="auto")
    middle = (values.min() + values.max()) / 2
    for (i, j), value in np.ndenumerate(values):
        dark = value < middle if low_is_good else value > middle
        axis.text(j, i, format(value, form), ha="center", va="center", color="white" if dark else "black")
    best = values.argmin(0) if low_is_good else values.argmax(0)
    for j, i in enumerate(best):
        axis.add_patch(plt.Rectangle((j - 0.46, i - 0.44), 0.92, 0.88, fill=False, edgecolor=PALETTE["orange"], lw=2.5))
    axis.set_xticks(range(values.shape[1]), table.columns)
    axis.set_yticks(range(values.shape[0]), table.index)
    axis.tick_params(length=0)
    axis.set_title(title)
    axis.grid(False)
    return figure


def bars(values: dict[str, dict], label: str, line: tuple[str, float] | None = None):
    """Shares with their intervals, one bar each. values: name -> dict with `value`, `low`, `high`."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 1 + 0.45 * len(values)))
    at = np.arange(len(values))[::-1]
    mean, low, high = (np.array([v[k] for v in values.values()]) for k in ("value", "low", "high"))
    axis.barh(at, mean, 0.65, color=PALETTE["sky"])
    axis.errorbar(mean, at, xerr=[mean - low, high - mean], fmt="none", ecolor="black", capsize=3, lw=1)
    for y, value in zip(at, mean, strict=True):
        axis.text(0.01, y, f"{value:.2f}", va="center", fontsize=10)
    if line:
        axis.axvline(line[1], color=PALETTE["grey"], ls="--", lw=1.2)
        axis.text(line[1], 1.02, f"{line[0]} {line[1]:.2f}", transform=axis.get_xaxis_transform(), ha="center", fontsize=10)
    axis.set_yticks(at, values)
    axis.set_xlim(0, 1)
    axis.set_xlabel(label)
    axis.grid(False, axis="y")
    return figure


def memory(points: list[dict]):
    """Peak memory of the scoring job against the size of its file. points: dicts with `rows`, `peak_bytes`, `file_bytes`."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.2))
    rows = [p["rows"] for p in points]
    for k, (key, name) in enumerate((("peak_bytes", "peak memory of the job"), ("file_bytes", "the file itself"))):
        axis.plot(rows, [p[key] / 1e6 for p in points], color=SERIES[k], marker=MARKERS[k], ls=LINES[k], label=name)
    axis.set_xscale("log")
    axis.set_xticks(rows, [f"{n:,}" for n in rows])
    axis.minorticks_off()
    axis.set_ylim(0)
    axis.set_xlabel("rows")
    axis.set_ylabel("MB")
    axis.legend()
    return figure


def two_losses(one: list[float], several: list[float]):
    """The loss of one process and of two, step by step."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3))
    for k, (name, values) in enumerate((("one process", one), ("two processes", several))):
        axis.plot(range(1, len(values) + 1), values, color=SERIES[k], marker=MARKERS[k], ls=LINES[k], ms=10 - 5 * k, label=name)
    axis.set_xticks(range(1, len(one) + 1))
    axis.set_xlabel("step")
    axis.set_ylabel("loss")
    axis.legend()
    return figure
