"""Floor 5: the pictures of notebook 01: live curves, attention maps, next-character bars, singular values."""

from __future__ import annotations

import time

import numpy as np

from . import style
from .style import LINES, MARKERS, PALETTE, SERIES


class LiveLines:
    """Curves that grow while a model trains, redrawn in place. yardsticks: name -> a loss drawn as a dashed line."""

    def __init__(self, steps: int, yardsticks: dict[str, float], xlabel: str = "step", title: str = "Loss, lower is better"):
        from IPython.display import display

        self.steps, self.yardsticks, self.xlabel, self.title = steps, yardsticks, xlabel, title
        self.series: dict[str, list[tuple[float, float]]] = {}
        self.began, self.ended, self.drawing = time.perf_counter(), time.perf_counter(), 0.0
        self.handle = display("Training starts ...", display_id=True)

    @property
    def seconds(self) -> float:
        """Seconds from the start to the last point, without those spent on drawing."""
        return self.ended - self.began - self.drawing

    def add(self, name: str, step: float, loss: float) -> None:
        """One more point of the curve `name`."""
        self.series.setdefault(name, []).append((step, loss))
        self.ended = time.perf_counter()

    def draw(self) -> None:
        """Redraws the figure."""
        start = time.perf_counter()
        figure = growing(self.series, self.steps, self.yardsticks, self.xlabel, f"{self.title} ({self.seconds:.0f} s)")
        ends = ", ".join(f"{name} {points[-1][1]:.2f}" for name, points in self.series.items())
        self.handle.update(style.picture(figure, f"Loss by step; at the end: {ends}."))
        self.drawing += time.perf_counter() - start


def growing(series: dict, steps: float, yardsticks: dict[str, float], xlabel: str, title: str):
    """Loss curves; one with many points is drawn thin with its running mean."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 3.8))
    for place, (name, points) in enumerate(series.items()):
        x, y = np.array(points).T
        if len(points) > 50:
            axis.plot(x, y, color=PALETTE["sky"], lw=0.6, marker="", ls="-", alpha=0.6)
            y = np.array([y[max(0, i - 14):i + 1].mean() for i in range(len(y))])
        axis.plot(x, y, color=SERIES[place], marker="" if len(points) > 50 else MARKERS[place], ls="-", label=name)
    for name, loss in yardsticks.items():
        axis.axhline(loss, color=PALETTE["grey"], ls="--", lw=1.5)
        axis.text(steps, loss, name, ha="right", va="bottom", fontsize=10, color=PALETTE["black"])
    axis.set(xlim=(0, steps), xlabel=xlabel, ylabel="loss", title=title)
    axis.legend(loc="upper center")
    return figure


def paired_bars(table: dict[str, tuple[float, float]], names: tuple[str, str], ylabel: str = "loss"):
    """Two bars for each key: lower is better."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.5, 3.6))
    places = np.arange(len(table))
    for side, (name, color) in enumerate(zip(names, (PALETTE["grey"], PALETTE["blue"]), strict=True)):
        values = [pair[side] for pair in table.values()]
        bars = axis.bar(places + 0.38 * (side - 0.5), values, 0.36, color=color, label=name, hatch="" if side else "//",
                        edgecolor="white")
        axis.bar_label(bars, [f"{v:.2f}" for v in values], fontsize=9)
    axis.set_xticks(places, list(table))
    axis.set(ylabel=ylabel, ylim=(0, 1.25 * max(max(pair) for pair in table.values())))
    axis.legend(loc="upper right", ncols=2)
    return figure


def attention_maps(maps: np.ndarray, text: str):
    """maps (layers, heads, time, time) as a grid of squares, one a head; rows look at columns."""
    import matplotlib.pyplot as plt

    layers, heads = maps.shape[:2]
    marks = [c if c != "\n" else "⏎" for c in text]
    figure, axes = plt.subplots(layers, heads, figsize=(3.3 * heads, 3.3 * layers), squeeze=False)
    for layer, head in np.ndindex(layers, heads):
        axis = axes[layer, head]
        axis.imshow(maps[layer, head] ** 0.5, cmap="Blues", vmin=0, vmax=1)
        axis.set_xticks(range(len(marks)), marks, fontsize=7)
        axis.set_yticks(range(len(marks)), marks, fontsize=7)
        axis.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=10)
        axis.tick_params(length=0)
        axis.grid(visible=False)
    return figure


def next_token(chances: dict, alphabet: list[str], most: int = 10):
    """Probabilities of the likeliest next characters, one panel for each way of drawing."""
    import matplotlib.pyplot as plt

    first = np.asarray(next(iter(chances.values())))
    top = np.argsort(-first)[:most]
    marks = [{"\n": "⏎", " ": "␣"}.get(alphabet[i], alphabet[i]) for i in top]
    figure, axes = plt.subplots(1, len(chances), figsize=(2.6 * len(chances), 2.6), sharey=True)
    for axis, (name, chance) in zip(axes, chances.items(), strict=True):
        axis.bar(range(most), np.asarray(chance)[top], color=PALETTE["blue"])
        axis.set_xticks(range(most), marks)
        axis.set_title(name, fontsize=11)
    axes[0].set(ylabel="probability", ylim=(0, 1))
    return figure


def lines(series: dict[str, list[tuple[float, float]]], xlabel: str, ylabel: str, log: bool = False):
    """Several curves with markers on one pair of axes."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, axis = plt.subplots(figsize=(8, 3.6))
    for place, (name, points) in enumerate(series.items()):
        x, y = np.array(points).T
        axis.plot(x, y, color=SERIES[place], marker=MARKERS[place], ls=LINES[place], label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if log else "linear")
    if log:
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend()
    return figure


def low_rank(values: list[float], random_values: list[float], kept: dict[int, float]):
    """Left: singular values of a change beside a random matrix of the same size. Right: exact match by the rank kept."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
    for shown, color, name, line in ((values, "blue", "the change", "-"),
                                      (random_values, "grey", "random numbers of the same size", "--")):
        left.plot(range(1, len(shown) + 1), shown, color=PALETTE[color], ls=line, marker="", label=name)
    left.set(xlabel="part, strongest first", ylabel="strength (singular value)", title="How simple is the change?")
    left.legend()
    right.plot(range(len(kept)), list(kept.values()), color=PALETTE["orange"], marker="o", ls="-")
    right.set_xticks(range(len(kept)), list(kept))
    right.set(xlabel="parts kept", ylabel="exact match", ylim=(0, 1.05), title="How much of it is needed?")
    return figure
