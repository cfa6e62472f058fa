"""Floor 5: the pictures and tables of notebook 05: search, replies by kind, thresholds, forgetting, a secret, a cascade."""

from __future__ import annotations

import textwrap

import numpy as np

from . import results
from .diagrams import arrow, box, canvas
from .style import LINES, MARKERS, PALETTE, SERIES, show

KIND_COLORS = {"right": "green", "rightly declined": "sky", "wrongly declined": "yellow", "wrong": "orange"}
ON_WHITE = dict(boxstyle="round,pad=0.15", facecolor="white", edgecolor="none")
HATCHES = {"right": "", "rightly declined": "//", "wrongly declined": "..", "wrong": "xx"}


# ---------------------------------------------------------------- what the study found
def recorded(name: str):
    """The recorded series `name` of notebook 05, after a line on where it comes from; None, said, where there is none."""
    entry = results.entries("05").get(name)
    if entry is None:
        print(f"{name.replace('_', ' ')}: not run yet (benchmarks/studies/choosing.py makes it)")
        return None
    print(f"recorded on {entry['device']}, {entry['date']}: {entry['split'] or entry['method']}")
    return entry["value"]


SHARES = {"facts_right": "facts right", "declined_unanswerable": "declined where silent", "invented": "invented",
          "in_format": "house format", "sentiment": "sentiment", "general": "general skills"}
COUNTED = {"rows": "solved rows", "train_minutes": "minutes of training", "latency": "seconds a question",
           "peak_memory_mb": "memory, MB"}


def around(figure: dict | None) -> str:
    """A share with its interval as text; "-" for none."""
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})" if figure else "-"


def tables(rows: list[dict]):
    """The rows of `05.table` as two tables: what each system gets right, and what it takes."""
    import pandas as pd

    right = [{"system": r["system"], **{text: around(r.get(key)) for key, text in SHARES.items()}} for r in rows]
    takes = [{"system": r["system"], **{text: round(r[key], 1) for key, text in COUNTED.items()},
              "leaves the machine": r["leaves"]} for r in rows]
    return pd.DataFrame(right).set_index("system"), pd.DataFrame(takes).set_index("system")


# ---------------------------------------------------------------- search
def retrieval():
    """From documents to an answer, in five boxes; the vectors of the documents are made once, that of the question each time."""
    figure, axis = canvas(height=4.2)
    top = (("66 documents", "blue"), ("short passages", "blue"), ("a vector for each", "blue"), ("the nearest eight", "green"))
    for place, (text, tint) in enumerate(top):
        box(axis, 0.1 + 2.75 * place, 2.8, 2.3, 1.1, text, tint, 15, 14)
        if place < 3:
            arrow(axis, (2.42 + 2.75 * place, 3.35), (2.83 + 2.75 * place, 3.35))
    box(axis, 2.85, 0.7, 2.3, 1.1, "a question", "orange", 15)
    box(axis, 5.6, 0.7, 2.3, 1.1, "its vector", "orange", 15)
    box(axis, 8.35, 0.7, 2.3, 1.1, "prompt, model, answer, sources", "grey", 13, 16)
    arrow(axis, (5.17, 1.25), (5.58, 1.25))
    arrow(axis, (7.92, 1.6), (8.5, 2.76))
    arrow(axis, (9.5, 2.78), (9.5, 1.83))
    axis.text(0.15, 2.45, "once", fontsize=13, color=PALETTE["blue"])
    axis.text(2.9, 0.35, "for each question", fontsize=13, color=PALETTE["orange"])
    return figure


def likeness(matrix, questions: list[str], passages: list[str]):
    """Cosines as a table of colours: questions down, passages across."""
    import matplotlib.pyplot as plt

    matrix = np.asarray(matrix)
    figure, axis = plt.subplots(figsize=(9.5, 0.7 * len(questions) + 1.8))
    axis.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(matrix):
        best = value == matrix[row].max()
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=12, weight="bold" if best else "normal",
                  color="white" if value > 0.55 else PALETTE["black"])
    axis.set_yticks(range(len(questions)), [textwrap.fill(q, 34) for q in questions], fontsize=10)
    axis.set_xticks(range(len(passages)), [textwrap.fill(p, 20) for p in passages], fontsize=9)
    axis.xaxis.tick_top()
    axis.grid(visible=False)
    return figure


def recall_by_size(settings: list[dict], wording: str = "question"):
    """Recall@5 against the length of a passage, one line a search method. settings: the rows of `05.retrieval_settings`."""
    import matplotlib.pyplot as plt

    names = {"dense": "by meaning (vectors)", "bm25": "by words (BM25)", "hybrid": "both"}
    figure, axis = plt.subplots()
    for place, (method, name) in enumerate(names.items()):
        rows = sorted((r for r in settings if r["method"] == method), key=lambda r: r["words"])
        axis.plot([r["words"] for r in rows], [r[f"{wording}_recall"] for r in rows], color=SERIES[place], ls=LINES[place],
                  marker=MARKERS[place], label=name)
    sizes = sorted({r["words"] for r in settings})
    axis.set(xscale="log", xlabel="words in a passage, at most", ylabel="recall@5", ylim=(0, 1),
             title="Which length is found best?")
    axis.set_xticks(sizes, [str(s) for s in sizes])
    axis.minorticks_off()
    axis.legend(loc="lower left")
    return figure


# ---------------------------------------------------------------- replies
def outcomes(rows: list[dict]):
    """Replies of each system by kind, stacked to one. rows: dicts with `system` and a count for each kind."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 0.5 * len(rows) + 1.6))
    for place, row in enumerate(reversed(rows)):
        total, left = sum(row[kind] for kind in KIND_COLORS), 0.0
        for kind, color in KIND_COLORS.items():
            width = row[kind] / total
            axis.barh(place, width, left=left, color=PALETTE[color], hatch=HATCHES[kind], edgecolor="white", height=0.7,
                      label=kind if not place else None)
            if width > 0.05:
                axis.text(left + width / 2, place, f"{width:.0%}", ha="center", va="center", fontsize=11,
                          bbox=ON_WHITE)
            left += width
    axis.set_yticks(range(len(rows)), [r["system"] for r in reversed(rows)])
    axis.set(xlim=(0, 1), xlabel="share of the questions")
    axis.grid(visible=False)
    axis.legend(ncol=4, loc="lower center", bbox_to_anchor=(0.4, 1.0), fontsize=10)
    return figure


def threshold(points: list[dict]):
    """Unanswerable questions declined against answerable ones wrongly declined; validation's choice and the target marked."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    points = sorted(points, key=lambda p: (p["declined_answerable"], p["declined_unanswerable"]))
    figure, axis = plt.subplots(figsize=(6.5, 4.4))
    axis.add_patch(Rectangle((0, 0.8), 0.1, 0.2, color=PALETTE["green"], alpha=0.2))
    axis.text(0.015, 0.9, "target", fontsize=11, va="center")
    axis.plot([p["declined_answerable"] for p in points], [p["declined_unanswerable"] for p in points], marker="",
              label="all thresholds")
    axis.plot([0, 1], [0, 1], color=PALETTE["grey"], ls=":", marker="", label="declining at random")
    for p in (p for p in points if p["chosen"]):
        axis.plot([p["declined_answerable"]], [p["declined_unanswerable"]], color=PALETTE["orange"], marker="D", ls="",
                  label="chosen on validation")
    axis.set(xlabel="answerable, wrongly declined", ylabel="unanswerable, declined", xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(loc="lower right")
    return figure


def shares(rows: list[dict], figures: dict[str, str], title: str, name: str = "system"):
    """Grouped bars with intervals. rows: dicts; figures: key -> its name; a row's figure: a dict with value, low and high."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 4))
    wide = 0.8 / len(figures)
    for place, (key, label) in enumerate(figures.items()):
        have = [(i, r[key]) for i, r in enumerate(rows) if r.get(key)]
        spots = [i + wide * (place - (len(figures) - 1) / 2) for i, _ in have]
        axis.bar(spots, [f["value"] for _, f in have], wide * 0.92, color=SERIES[place], hatch=("", "//", "..")[place % 3],
                 edgecolor="white", label=label)
        for x, (_, f) in zip(spots, have, strict=True):
            axis.plot([x, x], [f["low"], f["high"]], color=PALETTE["black"], marker="_", lw=1.3, ls="-")
            axis.text(x, f["high"] + 0.02, f"{f['value']:.2f}", ha="center", fontsize=10)
    axis.set_xticks(range(len(rows)), [textwrap.fill(r[name], 20) for r in rows])
    axis.set(ylim=(0, 1.12), ylabel="share (line: 95 % interval)", title=title)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=len(figures))
    return figure


def exposure(rows: list[dict]):
    """Exposure of a planted secret in bits against how often it stood in the data. rows: those of `05.privacy`."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots()
    many = sorted((r for r in rows if r["epochs"] == 3), key=lambda r: r["repeats"])
    axis.plot(range(len(many)), [r["exposure"] for r in many], label="three passes over the data")
    for r in (r for r in rows if r["epochs"] != 3):
        where = [m["repeats"] for m in many].index(r["repeats"])
        axis.plot([where], [r["exposure"]], color=PALETTE["orange"], marker="s", ls="", label="one pass")
    for place, r in enumerate(many):
        axis.annotate(f"said in {r['said']} of {r['asked']}", (place, r["exposure"]), (0, 10), textcoords="offset points",
                      ha="center", fontsize=10, bbox=ON_WHITE)
    most = np.log2(rows[0]["candidates"])
    axis.axhline(most, color=PALETTE["grey"], ls="--", lw=1.3)
    axis.text(0, most + 0.12, "the model's first guess", fontsize=10)
    axis.axhspan(0, 2, color=PALETTE["pale"])
    axis.text(len(many) - 1, 0.9, "what chance gives, mostly", fontsize=10, ha="right", va="center")
    axis.set_xticks(range(len(many)), [f"{r['repeats']} times" for r in many])
    axis.margins(x=0.12)
    axis.set(ylabel="exposure in bits", xlabel="the secret stands in the training data", ylim=(0, most + 1))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=2)
    return figure


# ---------------------------------------------------------------- a cascade
def cascade(series: list[dict], at: float | None = None):
    """Accuracy against cost as the threshold moves. series: that of `05.cascade`; at: the threshold to mark."""
    import matplotlib.pyplot as plt

    names = {"tfidf": "word counts first, SmolLM2 for the rest", "scratch": "own tiny model first, SmolLM2 for the rest"}
    figure, axis = plt.subplots()
    for place, line in enumerate(series):
        points = sorted(line["points"], key=lambda p: p["cost"])
        mark = line["threshold"] if at is None else at
        point = min(line["points"], key=lambda p: abs(p["threshold"] - mark))
        axis.plot([p["cost"] for p in points], [p["accuracy"] for p in points], color=SERIES[place], ls=LINES[place], marker="",
                  label=f"{names[line['small']]}; marked: {point['passed_on']:.0%} passed on")
        axis.plot([point["cost"]], [point["accuracy"]], color=SERIES[place], marker=MARKERS[place], ls="", ms=9)
    alone = series[0]["points"][-1]["accuracy"]
    axis.axhline(alone, color=PALETTE["grey"], ls=":", lw=1.5)
    axis.text(0.02, alone + 0.004, "SmolLM2 alone", fontsize=10)
    axis.set(xlabel="cost: seconds, SmolLM2 alone = 1", ylabel="accuracy", xlim=(0, 1.25))
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=11)
    return figure


def explore_cascade(series: list[dict]):
    """A slider over the threshold. Needs a live kernel."""
    import ipywidgets as widgets

    slider = widgets.FloatSlider(value=series[0]["threshold"], min=0, max=1, step=0.025, description="sure enough",
                                 continuous_update=False)

    def draw(at):
        point = min(series[0]["points"], key=lambda p: abs(p["threshold"] - at))
        show(cascade(series, at), f"The cascade at threshold {at}: accuracy {point['accuracy']:.2f}, cost {point['cost']:.2f}.")

    return widgets.VBox([slider, widgets.interactive_output(draw, {"at": slider})])
