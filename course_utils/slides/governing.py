"""Floor 5: the other pictures of session 4: preferences, adapters, hidden orders, memorisation, the model card, own data.

The rules are those of `choosing`: recorded results, shipped data, counted shapes; empty axes where a study is missing.
"""

from __future__ import annotations

import gzip
import json
import textwrap

import numpy as np

from .. import registry, results, runtime, statistics
from ..diagrams import arrow, box, canvas
from ..retail import data as retail
from ..style import PALETTE
from .choosing import _axes, _bars, _series

MAIL = "2-028"  # a supplier's mail whose fibre and whose product come from two countries
PLAIN = ("voice-1-001", "voice-2-001")


def _rank(text: str, width: int) -> str:
    return "\n".join(textwrap.fill(line, width) for line in text.splitlines())


# ---------------------------------------------------------------- shipping
def preference():
    """One preference pair: the same case, a right answer and one without a recommendation, and what training does to each."""
    with gzip.open(runtime.ROOT / "data" / "credit" / "preferences.jsonl.gz", "rt", encoding="utf-8") as file:
        pair = next(row for row in map(json.loads, file) if row["fault"] == "no recommendation")
    endings = [pair[side].splitlines()[-1] for side in ("chosen", "rejected")]
    figure, axis = canvas(height=4.7)
    box(axis, 0.05, 1.55, 2.0, 1.6, "the same case, the same sums", "grey", 16, 13)
    for y, text, tint, verb, up in ((2.75, endings[0].replace(" | ", "\n"), "green", "likelier", 1),
                                    (0.45, endings[1], "orange", "rarer", -1)):
        box(axis, 2.75, y, 5.2, 1.6, text, tint, 14, 46)
        arrow(axis, (2.1, 2.35), (2.7, y + 0.8))
        axis.text(8.95, y + 0.8, verb, fontsize=19, weight="bold", va="center", color=PALETTE[tint])
        arrow(axis, (8.45, y + 0.8 - 0.5 * up), (8.45, y + 0.8 + 0.5 * up), tint, 4)
    axis.text(8.2, 2.37, "... but stay near the\nmodel that you have", fontsize=15, va="center")
    return figure


def adapter_shelf():
    """Gigabytes on the disk for ten specialists: ten full models, or one base and ten adapters (rank 16, all linear layers)."""
    names = {"smollm2-135m": "SmolLM2 135M", "gemma-3-1b-it": "Gemma 3 1B", "llama-3.2-3b": "Llama 3.2 3B"}
    figure, axis = _axes()
    for place, name in enumerate(names):
        base = 2 * sum(p.numel() for p in registry.skeleton(name).parameters()) / 1e9
        adapter = 2 * sum(16 * (a + b) for a, b in registry.linear_shapes(name).values()) / 1e9
        rows = (("ten full models", 10 * base, "grey"), ("one base, ten adapters", base + 10 * adapter, "blue"))
        for side, (label, size, color) in enumerate(rows):
            y = -place - 0.38 * side
            axis.barh(y, size, 0.34, color=PALETTE[color], label=None if place else label)
            axis.text(size + 0.5, y, f"{size:.1f}" + (f", an adapter {1000 * adapter:.0f} MB" if side else ""), va="center",
                      fontsize=14)
    axis.set_yticks([-p - 0.19 for p in range(len(names))], names.values(), fontsize=15)
    axis.set(xlabel="GB in 16 bits", xlim=(0, 75))
    axis.grid(axis="y", visible=False)
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.42), fontsize=14)
    return figure


def hidden_orders():
    """What a word filter catches: orders hidden in documents in plain words, in disguise, and honest texts flagged."""
    figure, axis = _axes()
    rows = (("orders in\nplain words", "plain", "blue"), ("orders in\ndisguise", "disguised", "orange"))
    found = [results.read(f"05.orders_flagged_{key}") for _, key, _ in rows]
    false = results.read("05.orders_false_alarms")
    low, high = statistics.accuracy_interval(int(false["value"]), false["n"])
    names = [name for name, _, _ in rows] + ["honest texts"]
    found.append({"value": false["value"] / false["n"], "low": low, "high": high, "n": false["n"]})
    _bars(axis, names, found, ".0%", {name: color for name, _, color in rows} | {names[-1]: "grey"}, 16, 1.2)
    axis.set_xticks(range(3), [f"{name}\n({entry['n']})" for name, entry in zip(names, found, strict=True)], fontsize=15)
    axis.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axis.set(ylabel="flagged")
    return figure


# ---------------------------------------------------------------- governing
def exposure():
    """How much a tuned model favours a planted code, by how often it stood in the training data."""
    figure, axis = _axes()
    rows, top = _series("05.privacy"), np.log2(256)
    times, passes = [0, 1, 4, 16], {}
    for row in rows or ():
        top = np.log2(row["candidates"])
        passes.setdefault(row["epochs"], []).append((row["repeats"], row["exposure"]))
    for place, (epochs, found) in enumerate(sorted(passes.items(), reverse=True)):
        axis.plot([times.index(r) for r, _ in found], [e for _, e in found], color=PALETTE["orange" if place == 0 else "blue"],
                  marker="os"[place], ms=13, ls="-" if len(found) > 1 else "", lw=2.5,
                  label=f"{epochs} passes" if epochs > 1 else "1 pass")
    for x, value, name, side in ((-0.35, top, "its first guess", "left"), (3.45, 1, "no more than chance", "right")):
        axis.axhline(value, color=PALETTE["grey"], ls="--", lw=1.5, marker="")
        axis.text(x, value + 0.1, name, ha=side, va="bottom", fontsize=14)
    axis.set_xticks(range(4), ["never", "once", "four times", "sixteen times"], fontsize=14)
    axis.set(xlim=(-0.4, 3.5), ylim=(0, top + 1.1), xlabel="how often the code stood in the training data",
             ylabel="favoured by (bits)", title="" if rows else "Draw your points")
    if passes:
        axis.legend(loc="center left")
    return figure


def model_card():
    """The parts of a model card, who writes each, and what sends it back to the start."""
    figure, axis = canvas(height=4.6)
    parts = (("Development", "purpose, data, licence, settings, checksums", "blue"),
             ("Validation", "rivals, intervals, costs, slices, memory test", "orange"),
             ("Monitoring", "drift, errors found, the figure at which it stops", "green"),
             ("Sign-off", "developer, validator, owner, approver", "grey"))
    for place, (name, text, tint) in enumerate(parts):
        x = 0.05 + 2.78 * place
        box(axis, x, 1.5, 2.45, 2.9, "", tint)
        axis.text(x + 1.22, 4.1, name, ha="center", va="center", fontsize=17, weight="bold")
        axis.text(x + 1.22, 2.65, _rank(text, 15), ha="center", va="center", fontsize=15.5, linespacing=1.35)
        if place:
            arrow(axis, (x - 0.31, 2.95), (x - 0.02, 2.95))
    axis.plot([9.6, 9.6, 1.25], [1.46, 0.75, 0.75], color=PALETTE["black"], lw=2.2, marker="", ls="-")
    arrow(axis, (1.25, 0.74), (1.25, 1.46))
    axis.text(5.5, 0.6, "a changed base, adapter, policy or use: back to the start", ha="center", va="top", fontsize=16)
    return figure


def slices():
    """Right actions of the credit model by scenario, each with its interval, beside the average over all."""
    groups = _series("04.by_cluster") or {}
    figure, axis = _axes()
    if groups:
        n = sum(g[0] for g in groups.values())
        axis.axvline(sum(g[0] * g[1] for g in groups.values()) / n, color=PALETTE["black"], ls="--", lw=1.6)
    names = sorted(groups, key=lambda name: groups[name][1])
    for place, name in enumerate(names):
        cases, share, cost = groups[name]
        low, high = statistics.accuracy_interval(round(cases * share), cases)
        axis.plot([low, high], [place] * 2, color=PALETTE["blue"], lw=3, marker="|", ms=12, ls="-")
        axis.plot(share, place, color=PALETTE["blue"], marker="o", ms=11, ls="")
        axis.text(1.06, place, f"{cost:.0f}", va="center", ha="right", fontsize=14)
        axis.text(0.86, place, f"{cases:.0f}", va="center", ha="right", fontsize=14)
    for x, head in ((0.86, "cases"), (1.06, "cost a case")):
        axis.text(x, len(names) - 0.35, head, ha="right", va="bottom", fontsize=13, weight="bold")
    readable = [name.replace("_", " ").replace("fx", "FX") for name in names]
    axis.set_yticks(range(len(names)), readable, fontsize=14)
    axis.set(xlim=(0, 1.08), ylim=(-0.6, max(1, len(names)) + 0.3),
             xlabel="right action, with 95 % interval; dashed: all cases; cost in thousand EUR")
    axis.set_xticks([0, 0.2, 0.4, 0.6])
    axis.grid(axis="y", visible=False)
    return figure


# ---------------------------------------------------------------- own data
def extraction():
    """A supplier's mail on the left, the fields that the guide asks for on the right."""
    row = next(row for row in retail.rows("products_2") if row["id"] == MAIL)
    gold, (figure, axis) = row["gold"], canvas(height=4.7)
    box(axis, 0.05, 0.2, 5.0, 4.3, row["text"], "grey", 15, 37)
    arrow(axis, (5.15, 2.35), (5.75, 2.35))
    said = {"material": ", ".join(f"{k} {v}%" for k, v in gold["material"].items()), "care": ", ".join(gold["care"]),
            "price": f"{gold['price']['amount']:.2f} {gold['price']['currency']}",
            "dimensions": " x ".join(f"{v:g}" for k, v in gold["dimensions"].items() if k != "unit") + " cm"}
    for place, (name, value) in enumerate(gold.items()):
        y = 4.3 - 0.54 * place
        axis.text(5.95, y, name, fontsize=15, va="top")
        text = said.get(name, value) or "null"
        axis.text(7.6, y, textwrap.fill(text, 34), fontsize=14.5, va="top", weight="bold",
                  color=PALETTE["grey" if text == "null" else "orange" if name == "origin" else "blue"])
    return figure


def voices():
    """A plain description and the house's own text, for two invented houses side by side."""
    rows = [row for name in retail.HOUSES for row in retail.rows(name) if row["id"] in PLAIN]
    figure, axis = canvas(height=5)
    for place, (row, tint) in enumerate(zip(rows, ("blue", "orange"), strict=True)):
        x = 0.05 + 5.55 * place
        axis.text(x, 4.9, row["house"], fontsize=16, weight="bold", va="center", color=PALETTE[tint])
        box(axis, x, 3.25, 5.3, 1.35, row["plain"], "grey", 12.5, 52)
        arrow(axis, (x + 2.65, 3.22), (x + 2.65, 2.85))
        box(axis, x, 0.05, 5.3, 2.75, row["text"], tint, 13.5, 47)
    return figure


DRAWN = (preference, adapter_shelf, hidden_orders, exposure, model_card, slices, extraction, voices)
