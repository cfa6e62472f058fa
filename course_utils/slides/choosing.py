"""Floor 5: the slides' pictures of session 4: choosing between systems, what answers cost, shipping, governing, own data.

Drawn from recorded results, from the shipped data and from counted shapes; `pictures` knows them by name and gives them its look.
A study that is not recorded yet leaves empty axes, on which a class draws its prediction.
"""

from __future__ import annotations

import numpy as np

from .. import registry, results
from ..choosing import costs, systems
from ..diagrams import arrow, box, canvas
from ..style import LINES, MARKERS, PALETTE, SERIES

SIZE = (9.8, 4.2)
READ, WRITTEN = 600, 30  # tokens of one question with its passages, and of its answer, as in the study of notebook 05
READERS, CONTEXT = 32, 2048  # people answered at once, and tokens that each of them has in the cache
WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1}


def _series(key: str):
    """The value of one recorded series, or None while it is not recorded."""
    notebook, _, name = key.partition(".")
    return results.entries(notebook).get(name, {}).get("value")


def _axes(columns: int = 1, **more):
    import matplotlib.pyplot as plt

    return plt.subplots(1, columns, figsize=SIZE, **more)


def _bars(axis, names, entries, form=".2f", colors=None, size=14, limit=1.12) -> None:
    """Upright bars with intervals. entries: dicts of value, low, high, or None for an empty place."""
    for place, (name, entry) in enumerate(zip(names, entries, strict=True)):
        if entry is None:
            axis.text(place, 0.02 * limit, "?", ha="center", va="bottom", fontsize=26, color=PALETTE["grey"])
            continue
        axis.bar(place, entry["value"], 0.6, color=PALETTE[(colors or {}).get(name, "blue")])
        top = entry["value"] if entry.get("high") is None else entry["high"]
        if entry.get("high") is not None:
            axis.plot([place] * 2, [entry["low"], entry["high"]], color=PALETTE["black"], lw=1.6, marker="_", ls="-", ms=10)
        axis.text(place, max(top, 0) + 0.015 * limit, format(entry["value"], form), ha="center", va="bottom", fontsize=size)
    axis.set_xticks(range(len(names)), names, fontsize=size - 1)
    axis.set(ylim=(0, limit), xlim=(-0.6, len(names) - 0.4))


# ---------------------------------------------------------------- choosing
def seven_ways():
    """The seven systems of notebook 05: whose model, and with or without the documents at hand."""
    figure, axis = canvas(height=4.7)
    rows = (("untrained model", ("base",)), ("fine-tuned", ("closed", "open")), ("trained from nothing", ("scratch",)))
    for place, (name, engines) in enumerate(rows):
        y = 2.75 - 1.35 * place
        axis.text(0.1, y + 0.55, name, fontsize=16, va="center", weight="bold")
        for x, reads in ((3.0, False), (7.1, True)):
            names = [s.name for s in systems.SYSTEMS.values() if s.engine in engines and bool(s.passages) == reads]
            box(axis, x, y, 3.8, 1.15, "\n".join(names), "orange" if reads else "blue", 16, 40)
    for x, name in ((4.9, "from memory"), (9.0, "with documents found by search")):
        axis.text(x, 4.2, name, fontsize=16, ha="center", va="center", weight="bold")
    return figure


def seven_systems():
    """The table of notebook 05: seven systems by five figures; an empty table while the study is not recorded."""
    columns = (("facts right", "facts_right", ".0%"), ("in house form", "in_format", ".0%"), ("invented", "invented", ".0%"),
               ("sentiment", "sentiment", ".0%"), ("seconds", "latency", ".1f"))
    found = {row["system"]: row for row in _series("05.table") or ()}
    figure, axis = canvas(height=4.8)
    for x, (head, _, _) in enumerate(columns):
        axis.text(4.3 + 1.45 * x, 4.55, head, ha="center", va="center", fontsize=14, weight="bold")
    for y, name in enumerate(systems.SYSTEMS):
        axis.text(0.05, 3.95 - 0.6 * y, name, va="center", fontsize=14)
        for x, (head, key, form) in enumerate(columns):
            entry = found.get(name, {}).get(key)
            value = entry["value"] if isinstance(entry, dict) else entry
            share = 0.0 if value is None or form == ".1f" else float(value)
            tint = "orange" if head == "invented" else "blue"
            axis.add_patch(_cell(3.62 + 1.45 * x, 3.69 - 0.6 * y, 1.36, 0.52, PALETTE[tint], 0.05 + 0.5 * share))
            said = format(value, form) if value is not None else "" if found else "?"
            axis.text(4.3 + 1.45 * x, 3.95 - 0.6 * y, said, ha="center", va="center", fontsize=14)
    return figure


def _cell(x, y, width, height, color, alpha):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor=color, alpha=alpha, edgecolor="none")


def search_found():
    """Recall among five documents by method and wording (left), and by the language of the question (right)."""
    figure, (left, right) = _axes(2, width_ratios=[3, 2])
    for side, (suffix, label, color) in enumerate((("", "as asked", "blue"), ("_paraphrase", "in other words", "sky"))):
        for place, method in enumerate(("bm25", "hybrid", "dense")):
            entry = results.read(f"05.recall_at_5_{method}{suffix}")
            x = place + 0.38 * (side - 0.5)
            left.bar(x, entry["value"], 0.36, color=PALETTE[color], label=label if place == 0 else None)
            left.plot([x, x], [entry["low"], entry["high"]], color=PALETTE["black"], lw=1.4, marker="_", ls="-", ms=8)
            left.text(x, entry["high"] + 0.015, f"{entry['value']:.2f}", ha="center", va="bottom", fontsize=12.5)
    left.set_xticks(range(3), ["words\n(BM25)", "both", "meaning\n(embedding)"], fontsize=13)
    left.set(ylim=(0, 1.32), title="Right documents among five")
    left.legend(loc="upper left", ncols=2, fontsize=12.5)
    names = ("English", "German", "French")
    found = [results.read(f"05.recall_at_5_in_{name.lower()}") for name in names]
    _bars(right, names, found, limit=1.32, colors={"German": "orange", "French": "orange"}, size=13)
    right.set(title=f"{found[0]['n']} questions, translated")
    for axis in (left, right):
        axis.set_yticks([0, 0.25, 0.5, 0.75, 1])
    return figure


def put_in_pushed_out():
    """Left: facts trained in, asked in known and new words, beside search. Right: points of general skill lost."""
    figure, (left, right) = _axes(2, width_ratios=[3, 2])
    known = results.entries("05")
    keys = ("knowledge_2_trained", "knowledge_2_new", "knowledge_rag_new")
    names = ("trained in,\nsame words", "trained in,\nnew words", "found by\nsearch")
    _bars(left, names, [known.get(key) for key in keys], ".0%", {names[2]: "orange"}, 13)
    left.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    left.set_title("Put in: handbook facts right")
    lost = [known.get(key) for key in ("forgetting_points", "forgetting_points_mixed")]
    top = max([10.0, *(1.25 * entry["high"] for entry in lost if entry)])
    _bars(right, ("fine-tuned", "general\nmixed in"), lost, "+.1f", {"fine-tuned": "orange"}, 13, top)
    right.set(title="Pushed out: points lost", ylim=(min([0, *(1.2 * entry["low"] for entry in lost if entry)]), top))
    return figure


def declining():
    """Unanswerable questions declined against answerable ones declined by mistake, as the threshold moves."""
    figure, axis = _axes()
    curve = _series("05.decline_curve")
    axis.plot([0, 1], [0, 1], color=PALETTE["grey"], ls="--", lw=1.5, marker="")
    axis.text(0.6, 0.575, "a coin decides", color="#555555", rotation=20, va="top", fontsize=13)
    for x, name, side in ((0, "never declines ", "left"), (1, "always declines", "right")):
        axis.plot(x, x, color=PALETTE["black"], marker="o", ms=11, ls="", clip_on=False)
        axis.text(x + (0.02 if x == 0 else -0.02), x, name, va="center", ha=side, fontsize=14)
    axis.plot(0, 1, color=PALETTE["orange"], marker="*", ms=24, ls="", clip_on=False)
    axis.text(0.025, 1, "what we want", va="center", fontsize=14, color=PALETTE["orange"], weight="bold")
    if curve:
        chosen = [p for p in curve if p["chosen"]]
        axis.plot(*zip(*((p["declined_answerable"], p["declined_unanswerable"]) for p in curve), strict=True),
                  color=PALETTE["blue"], marker="", ls="-", lw=2.5)
        axis.plot([p["declined_answerable"] for p in chosen], [p["declined_unanswerable"] for p in chosen], ls="",
                  color=PALETTE["blue"], marker="D", ms=13, label="chosen before the test")
        axis.legend(loc="lower right")
    else:
        axis.set_title("Draw where a careful model should stand")
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.06), xlabel="has an answer, declined by mistake",
             ylabel="has no answer, declined")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return figure


def break_even():
    """Cost of 1,000 questions by questions a month: three APIs at example prices, and an own small model."""
    figure, axis = _axes()
    measured = {row["system"]: row for row in _series("05.table") or ()}.get("RAG + fine-tuned")
    own = costs.Own(seconds=measured["seconds"]) if measured else costs.Own()
    volume = np.logspace(3, 7, 300)
    for place, (name, cost) in enumerate(costs.monthly(volume, READ, WRITTEN, own).items()):
        mine = name not in costs.PRICES
        color = PALETTE["orange"] if mine else SERIES[(0, 4, 2)[place]]
        axis.plot(volume, 1000 * cost / volume, color=color, ls="-" if mine else LINES[1 + place], lw=3, marker="")
        x, line = (1.6e3, 1000 * cost[0] / volume[0]) if mine else (1.1e7, 1000 * cost[-1] / volume[-1])
        axis.text(x, line, name, color=PALETTE["orange" if mine else "black"], fontsize=14, weight="bold", va="center")
    for price in costs.PRICES.values():
        point = costs.break_even(price, own, READ, WRITTEN)
        if np.isfinite(point) and point < volume[-1]:
            axis.plot(point, 1000 * price.answer(READ, WRITTEN), color=PALETTE["black"], marker="o", ms=12, ls="")
    pace = f"{own.seconds:.1f} s an answer, {'measured' if measured else 'assumed'}"
    axis.set(xscale="log", yscale="log", ylabel=f"{next(iter(costs.PRICES.values())).currency} for 1,000 questions",
             xlabel=f"questions a month (example prices of {next(iter(costs.PRICES.values())).date}; own: {pace})")
    axis.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axis.set_xticks([1e3, 1e4, 1e5, 1e6, 1e7], ["1 thousand", "10 thousand", "100 thousand", "1 million", "10 million"])
    axis.minorticks_off()
    return figure


def answering_memory():
    """Memory to answer with Llama 3.2 3B: weights in two formats, and the cache of one reader or many, beside two cards."""
    name = "llama-3.2-3b"
    shape, linear = registry.CONFIGURATIONS[name][1], sum(a * b for a, b in registry.linear_shapes(name).values())
    total = sum(p.numel() for p in registry.skeleton(name).parameters())
    weights = {"16 bits": 2 * total, "4 bits": 2 * (total - linear) + linear * (4 + 8 / 64 + 32 / (64 * 256)) / 8}
    cache = 2 * 2 * shape["num_hidden_layers"] * shape["num_key_value_heads"] * shape["head_dim"] * CONTEXT
    figure, axis = _axes()
    ways = [(bits, readers) for readers in (1, READERS) for bits in weights]
    for place, (bits, readers) in enumerate(reversed(ways)):
        first, second = weights[bits] / 2**30, readers * cache / 2**30
        axis.barh(place, first, 0.6, color=PALETTE["blue"], label=None if place else "weights")
        axis.barh(place, second, 0.6, left=first, color=PALETTE["orange"], label=None if place else "notes on the texts (cache)")
        axis.text(first + second + 0.25, place, f"{first + second:.1f}", va="center", fontsize=15, bbox=WHITE)
    for size, card in ((8, "laptop, 8"), (14.56, "T4, 14.6")):
        axis.axvline(size, color=PALETTE["black"], ls="--", lw=1.2)
        axis.text(size, len(ways) - 0.42, card, ha="center", va="bottom", fontsize=13, bbox=WHITE)
    axis.set_yticks(range(len(ways)), [f"{bits}, {n} reader{'s' * (n > 1)}" for bits, n in reversed(ways)], fontsize=15)
    axis.set(xlabel="GiB", xlim=(0, 17), ylim=(-0.5, len(ways) - 0.05))
    axis.grid(axis="y", visible=False)
    axis.legend(loc="lower right", fontsize=13, frameon=True, facecolor="white", edgecolor="none", framealpha=1)
    return figure


def cascade():
    """A small model answers when it is sure, the rest goes on: the way of a question, and the curve where it is recorded."""
    series = _series("05.cascade")
    if not series:
        figure, axis = canvas(height=4)
        box(axis, 0.1, 1.5, 1.9, 1.1, "a sentence", "grey", 17)
        box(axis, 2.9, 1.2, 3.0, 1.7, "small and cheap:\nhow sure is it?", "blue", 17, 20, bold=True)
        box(axis, 7.9, 2.6, 3.0, 1.1, "its answer counts", "green", 17)
        box(axis, 7.9, 0.4, 3.0, 1.1, "the larger model answers", "orange", 17, 15)
        arrow(axis, (2.05, 2.05), (2.85, 2.05))
        arrow(axis, (5.95, 2.4), (7.85, 3.1))
        arrow(axis, (5.95, 1.7), (7.85, 1.0))
        axis.text(6.6, 3.2, "sure", fontsize=16, ha="center")
        axis.text(6.6, 0.75, "in doubt", fontsize=16, ha="center")
        return figure
    figure, axis = _axes()
    spelled = {"tfidf": "word counts", "closed": "fine-tuned model", "scratch": "own tiny model"}
    for place, one in enumerate(series):
        points = sorted(one["points"], key=lambda p: p["cost"])
        axis.plot([p["cost"] for p in points], [p["accuracy"] for p in points], color=SERIES[place], ls=LINES[place], marker="",
                  lw=2.5, label=f"{spelled[one['small']]} first, then {spelled[one['big']]}")
        axis.plot(one["chosen"]["cost"], one["chosen"]["accuracy"], color=SERIES[place], marker=MARKERS[place], ms=13, ls="")
    axis.axvline(1, color=PALETTE["grey"], ls="--", lw=1.5)
    axis.text(0.99, axis.get_ylim()[1], "the larger model alone", ha="right", va="top", fontsize=13)
    axis.set(xlabel="computing time, as a share of the larger model alone", ylabel="accuracy")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.legend(loc="lower right", fontsize=12.5)
    return figure


DRAWN = (seven_ways, seven_systems, search_found, put_in_pushed_out, declining, break_even, answering_memory, cascade)
