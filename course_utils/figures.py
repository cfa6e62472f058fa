"""Floor 5: the pictures that notebooks and slides share. Each takes numbers and returns a matplotlib figure."""

from __future__ import annotations

import textwrap

import numpy as np

from . import style
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
        figure = loss_curve(run.history, self.steps, self.floor)
        last = run.history[-1]
        alt = (f"Training loss by step: {run.history[0]['loss']:.2f} at the start, {run.loss:.2f} averaged over the last "
               f"ten of {last['step']} steps.")
        self.handle.update(style.picture(figure, alt))


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
    axis.set(xlim=(0, steps), yscale="log", xlabel="step", ylabel="loss, logarithmic",
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
        line = sorted((c for c in cells if c["flipped"] == share and c["examples"]), key=lambda c: c["examples"])
        x, y = [c["examples"] for c in line], np.array([c["value"] for c in line])
        spread = np.array([[c["value"] - c["low"] for c in line], [c["high"] - c["value"] for c in line]])
        axis.errorbar(x, y, yerr=spread, color=SERIES[i], marker=MARKERS[i], ls=LINES[i], capsize=3,
                      label=f"{share:.0%} of the labels wrong")
    if baseline:
        axis.axhline(baseline[0], color=PALETTE["grey"], ls="--", lw=1.5)
        axis.text(axis.get_xlim()[1], baseline[0], baseline[1], ha="right", va="bottom", fontsize=10)
    axis.set(xscale="log", xlabel="training sentences", ylabel="accuracy", ylim=(0, 1))
    ticks = [c["examples"] for c in cells if c["flipped"] == 0 and c["examples"]]
    axis.set_xticks(ticks, ticks)
    axis.minorticks_off()
    axis.legend(loc="lower right")
    return figure


def lora_layer(r: int):
    """One layer of six inputs and six outputs: 36 faint frozen connections, and LoRA's bold detour through r nodes."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4.4))
    ins, outs = [(0, 5 - i) for i in range(6)], [(4, 5 - i) for i in range(6)]
    middle = [(2, -1.5 - 0.68 * j) for j in range(r)]
    for a in ins:
        for b in outs:
            axis.plot(*zip(a, b, strict=True), color=PALETTE["pale"], lw=1, marker="", ls="-", zorder=1)
        for m in middle:
            axis.plot(*zip(a, m, strict=True), color=PALETTE["blue"], lw=1.3, marker="", ls="-", alpha=0.75, zorder=2)
    for b in outs:
        for m in middle:
            axis.plot(*zip(m, b, strict=True), color=PALETTE["orange"], lw=1.3, marker="", ls="--", alpha=0.75, zorder=2)
    for nodes, color, shape in ((ins + outs, PALETTE["black"], "o"), (middle, PALETTE["green"], "s")):
        axis.scatter(*zip(*nodes, strict=True), s=190, color=color, marker=shape, zorder=3)
    axis.text(0, 5.6, "layer k: 6 nodes", ha="center")
    axis.text(4, 5.6, "layer k+1: 6 nodes", ha="center")
    axis.text(2, 5.6, "36 weights and 6 biases, frozen", ha="center", color="#666666")
    axis.text(0.05, -1.6, f"A: {r} x 6 = {6 * r}", color=PALETTE["blue"], ha="center", weight="bold")
    axis.text(3.95, -1.6, f"B: 6 x {r} = {6 * r}", color=PALETTE["orange"], ha="center", weight="bold")
    verdict = f"saves {36 - 12 * r}" if r < 3 else "saves nothing"
    axis.set_title(f"LoRA with r = {r} trains {12 * r} weights beside 36: {verdict}")
    axis.set(xlim=(-0.9, 4.9), ylim=(-5.3, 6.1))
    axis.axis("off")
    return figure


def rank_and_error(jobs: dict, found: dict, bound: dict):
    """Singular values of each job's change (left) and the error left at each r, found and best possible (right)."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    for i, (k, change) in enumerate(jobs.items()):
        values = np.linalg.svd(np.asarray(change), compute_uv=False)
        left.plot(range(1, 7), np.maximum(values, 1e-7), color=SERIES[i], marker=MARKERS[i], ls=LINES[i], label=f"rank {k}")
        ranks = range(1, 7)
        right.plot(ranks, [max(bound[k, r], 1e-9) for r in ranks], color=SERIES[i], marker="", ls=LINES[i])
        right.plot(ranks, [max(found[k, r], 1e-9) for r in ranks], color=SERIES[i], marker=MARKERS[i], ls="", ms=8)
    left.set(yscale="log", xlabel="direction", ylabel="size (singular value)", title="What each job needs")
    right.set(yscale="log", xlabel="LoRA's r", ylabel="squared error left", ylim=(1e-10, 100))
    right.set_title("Line: best possible. Marks: found")
    left.legend()
    return figure


def quantised(weights, codes, restored):
    """Three tables side by side: the weights, their 4-bit codes, and the error of the numbers that come back."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(11, 3.9))
    error = np.asarray(restored - weights)
    panels = ((np.asarray(weights), "weights, 32 bits each", "RdBu", "{:.2f}", 3),
              (np.asarray(codes), "codes, 4 bits each", "Greys", "{:d}", 26),
              (error, "error after the way back", "RdBu", "{:+.2f}", 3))
    for axis, (table, title, colors, form, top) in zip(axes, panels, strict=True):
        low = 0 if top == 26 else -top
        axis.imshow(table, cmap=colors, vmin=low, vmax=top)
        for (i, j), value in np.ndenumerate(table):
            axis.text(j, i, form.format(value), ha="center", va="center", fontsize=9)
        axis.set_title(title)
        axis.axis("off")
    return figure
