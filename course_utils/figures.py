"""Floor 5: the pictures that notebooks and slides share. Each takes numbers and returns a matplotlib figure."""

from __future__ import annotations

import textwrap

import numpy as np

from .style import LINES, MARKERS, PALETTE, SERIES


class LiveCurve:
    """A watcher for training.fit: redraws the loss after every few steps, in place, and leaves one figure.

    steps: length of the axis. floor: a loss to draw as a dashed line (pure guessing, say), with its name.
    """

    def __init__(self, steps: int, floor: tuple[float, str] | None = None, every: int = 5):
        from IPython.display import display

        self.steps, self.floor, self.every = steps, floor, every
        self.handle = display("Training starts ...", display_id=True)

    def __call__(self, run):
        step = run.history[-1]["step"]
        if step % self.every and step != self.steps:
            return
        self.draw(run)

    def draw(self, run):
        """Redraws the figure from the run's history."""
        import io

        import matplotlib.pyplot as plt
        from IPython.display import Image

        figure = loss_curve(run.history, self.steps, self.floor)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        plt.close(figure)
        last = run.history[-1]
        alt = (f"Training loss by step: {run.history[0]['loss']:.2f} at the start, {run.loss:.2f} averaged over the last "
               f"ten of {last['step']} steps.")
        self.handle.update(Image(data=buffer.getvalue(), format="png", alt=alt))


def loss_curve(history: list[dict], steps: int, floor: tuple[float, str] | None = None):
    """Loss by step, with its running mean over ten steps."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 3.4))
    x, y = [h["step"] for h in history], [h["loss"] for h in history]
    smooth = [np.mean(y[max(0, i - 9):i + 1]) for i in range(len(y))]
    axis.plot(x, y, color=PALETTE["sky"], lw=1, marker=".", ls="-", label="each step")
    axis.plot(x, smooth, color=PALETTE["blue"], lw=2.5, marker="", ls="-", label="mean of ten steps")
    if floor:
        axis.axhline(floor[0], color=PALETTE["grey"], ls="--", lw=1.5)
        axis.text(steps, floor[0], floor[1], ha="right", va="bottom", color=PALETTE["black"], fontsize=10)
    seconds = history[-1]["seconds"]
    axis.set(xlim=(0, steps), ylim=(0, max(y) * 1.05), xlabel="step", ylabel="loss",
             title=f"Loss on the answer's tokens, step {x[-1]} of {steps} ({seconds:.0f} s)")
    axis.legend(loc="upper right")
    return figure


def accuracy_bars(evaluations: list, chance: float | None = None, highlight: str = ""):
    """Accuracy of several systems on the same rows, with 95 % intervals."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 0.55 * len(evaluations) + 1.3))
    for place, e in enumerate(reversed(evaluations)):
        low, high = e.interval
        color = PALETTE["orange"] if e.system == highlight else PALETTE["blue"]
        axis.barh(place, e.accuracy, color=color, height=0.6)
        axis.plot([low, high], [place, place], color=PALETTE["black"], lw=1.5, marker="|", ls="-", ms=9)
        axis.text(min(high + 0.015, 1.02), place, f"{e.accuracy:.2f}", va="center", fontsize=11)
    if chance is not None:
        axis.axvline(chance, color=PALETTE["grey"], ls="--", lw=1.5)
        axis.text(chance, len(evaluations) - 0.45, "always the most frequent label", fontsize=9, ha="center")
    axis.set_yticks(range(len(evaluations)), [e.system for e in reversed(evaluations)])
    axis.set(xlim=(0, 1.1), xlabel=f"accuracy on the same {evaluations[0].n} sentences (line: 95 % interval)")
    axis.grid(axis="y", visible=False)
    return figure


def confusion(tables: dict):
    """Confusion tables side by side: truth down, answer across. tables: title -> DataFrame of counts."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(tables), figsize=(4.6 * len(tables), 3.6), squeeze=False)
    for axis, (title, table) in zip(axes[0], tables.items(), strict=True):
        share = table.to_numpy() / np.maximum(table.to_numpy().sum(1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (i, j), value in np.ndenumerate(table.to_numpy()):
            axis.text(j, i, str(value), ha="center", va="center", color="white" if share[i, j] > 0.55 else "black")
        axis.set_xticks(range(len(table.columns)), table.columns, rotation=20)
        axis.set_yticks(range(len(table.index)), table.index)
        axis.set(title=title, xlabel="answer", ylabel="truth")
        axis.grid(visible=False)
    return figure


def token_strip(tokens: list[str], trained: list[bool], per_row: int = 9):
    """The tokens of one training example as boxes; the ones the loss counts are filled."""
    import matplotlib.pyplot as plt

    rows = -(-len(tokens) // per_row)
    figure, axis = plt.subplots(figsize=(9, 0.62 * rows + 0.5))
    for i, (token, counted) in enumerate(zip(tokens, trained, strict=True)):
        x, y = i % per_row, -(i // per_row)
        face = PALETTE["orange"] if counted else PALETTE["pale"]
        axis.add_patch(plt.Rectangle((x, y), 0.94, 0.72, facecolor=face, edgecolor="none"))
        word = textwrap.shorten(token.replace("\n", "⏎").replace(" ", "␣"), 14, placeholder="…")
        axis.text(x + 0.47, y + 0.36, word, ha="center", va="center", fontsize=9.5,
                  color="white" if counted else PALETTE["black"], weight="bold" if counted else "normal")
    axis.set(xlim=(0, per_row), ylim=(1 - rows - 0.1, 0.9))
    axis.axis("off")
    return figure


def stacked_bytes(sizes: dict[str, dict[str, int]]):
    """Bytes of the weights by kind, one bar a way of loading. sizes: bar -> kind -> bytes."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 0.7 * len(sizes) + 1.6))
    kinds = list(dict.fromkeys(kind for bar in sizes.values() for kind in bar))
    hatches = ["", "//", "..", "xx", "\\\\"]
    for place, bar in enumerate(reversed(sizes.values())):
        left = 0.0
        for i, kind in enumerate(kinds):
            width = bar.get(kind, 0) / 1e6
            axis.barh(place, width, left=left, height=0.55, color=SERIES[i], hatch=hatches[i], edgecolor="white",
                      label=kind if place == 0 else None)
            left += width
        axis.text(left + 5, place, f"{left:.0f} MB", va="center")
    axis.set_yticks(range(len(sizes)), list(reversed(sizes)))
    axis.set(xlabel="megabytes of weights, measured", xlim=(0, max(sum(b.values()) for b in sizes.values()) / 1e6 * 1.15))
    axis.legend(loc="upper center", bbox_to_anchor=(0.45, -0.35), ncols=len(kinds), fontsize=10)
    axis.grid(axis="y", visible=False)
    return figure


def examples_curve(cells: list[dict], baseline: tuple[float, str] | None = None):
    """Accuracy against the number of training sentences, one line a share of flipped labels, bars over seeds."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4))
    for i, share in enumerate(sorted({c["flipped"] for c in cells})):
        line = sorted((c for c in cells if c["flipped"] == share), key=lambda c: c["examples"])
        x, y = [c["examples"] for c in line], np.array([c["value"] for c in line])
        spread = np.array([[c["value"] - c["low"] for c in line], [c["high"] - c["value"] for c in line]])
        axis.errorbar(x, y, yerr=spread, color=SERIES[i], marker=MARKERS[i], ls=LINES[i], capsize=3,
                      label=f"{share:.0%} of the labels wrong")
    if baseline:
        axis.axhline(baseline[0], color=PALETTE["grey"], ls="--", lw=1.5)
        axis.text(axis.get_xlim()[1], baseline[0], baseline[1], ha="right", va="bottom", fontsize=10)
    axis.set(xscale="log", xlabel="training sentences", ylabel="accuracy", ylim=(0, 1))
    axis.set_xticks([c["examples"] for c in cells if c["flipped"] == 0], [c["examples"] for c in cells if c["flipped"] == 0])
    axis.minorticks_off()
    axis.legend(loc="lower right")
    return figure
