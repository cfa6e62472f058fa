"""Floor 5: the slides' pictures of session 3: a case and its tests, three targets, the grader, rivals, data and memory.

Drawn from the shipped cases (data/credit) and from recorded results; `pictures` knows them by name and gives them its look.
"""

from __future__ import annotations

import gzip
import json
import re
import textwrap
from collections import Counter
from functools import cache

import numpy as np

from .. import credit_figures, notebooks, results, runtime
from ..credit import calculator, policy, task
from ..diagrams import arrow, box, canvas
from ..style import PALETTE

SIZE = (9.8, 4.2)
FAULTY = "pair-0125"  # a preference pair on a short case whose rejected answer leaves one test out


@cache
def _training() -> list[dict]:
    return task.load("train")


@cache
def _pair(key: str) -> dict:
    with gzip.open(runtime.ROOT / "data" / "credit" / "preferences.jsonl.gz", "rt", encoding="utf-8") as file:
        return next(pair for pair in map(json.loads, file) if pair["id"] == key)


# ---------------------------------------------------------------- one case
def _case(axis, text: str, x: float, top: float, width: float, size: float = 15) -> None:
    """A case text whose lines read `name | value`, with its title on top and its scenario below."""
    title, *lines = text.splitlines()
    axis.text(x, top, title.replace(" | ", ", "), weight="bold", fontsize=size, va="top", color=PALETTE["blue"])
    step = 0.0265 * size
    for place, line in enumerate(lines):
        y, (name, _, figure) = top - step * (place + 1.2), line.partition(" | ")
        if not figure:
            break
        axis.text(x, y, name, fontsize=size, va="top")
        axis.text(x + width, y, figure, fontsize=size, va="top", ha="right", weight="bold")
    said = [line for line in lines if " | " not in line][0]
    axis.text(x, y - 0.12, textwrap.fill(said, int(width * 160 / size)), fontsize=size, va="top", color=PALETTE["orange"])


def credit_case():
    """The first training case: its figures and limits on the left, the scenario and the decision rule on the right."""
    figure, axis = canvas(height=4.6)
    title, *lines = _training()[0]["text"].splitlines()
    figures = [line.split(" | ") for line in lines if " | " in line]
    axis.text(0.1, 4.5, title.replace(" | ", ", "), weight="bold", fontsize=16, va="top", color=PALETTE["blue"])
    for place, (name, value) in enumerate(figures):
        axis.text(0.1, 4.02 - 0.335 * place, name, fontsize=15, va="top")
        axis.text(5.1, 4.02 - 0.335 * place, value, fontsize=15, va="top", ha="right", weight="bold")
    scenario = next(line for line in lines if line.startswith("Scenario"))
    box(axis, 5.8, 3.15, 5.1, 1.3, scenario, "orange", 15, 42)
    rule = (("breaches", "action"), ("0", "approve; with conditions if a test is tight"), ("1", "watch-list"),
            ("2", "reduce exposure"), ("3 or 4", "decline"))
    for place, (count, action) in enumerate(rule):
        y = 2.75 - 0.4 * place
        axis.text(5.8, y, count, fontsize=14, va="top", weight="normal" if place else "bold")
        axis.text(7.1, y, action, fontsize=14, va="top", weight="normal" if place else "bold")
    axis.text(5.8, 0.6, "Breach: more is needed than is there.\nTight: less than a tenth is to spare.", fontsize=14, va="top")
    return figure


def credit_tests():
    """Need beside have for the four tests of that case, as a share of what is there."""
    import matplotlib.pyplot as plt

    tests = _training()[0]["truth"]["tests"]
    figure, axis = plt.subplots(figsize=SIZE)
    names = {"leverage": "leverage:\nnet debt", "cover": "cover:\nearnings needed", "liquidity": "liquidity:\ndue within a year",
             "loss": "expected loss"}
    for place, test in enumerate(reversed(tests)):
        need, have = float(test["need"]), float(test["have"])
        broken = test["verdict"] == "breach"
        axis.barh(place, need / have, 0.6, color=PALETTE["orange" if broken else "blue"])
        said = f"{need:g} needed, {have:g} there: {test['verdict']}"
        axis.text(max(need / have, 1) + 0.02, place, said, va="center", fontsize=14, weight="bold" if broken else "normal")
    axis.axvline(1, color=PALETTE["black"], lw=2)
    axis.set_yticks(range(len(tests)), [names[t["name"]] for t in reversed(tests)], fontsize=14)
    axis.set(xlim=(0, 1.75), xlabel="needed, as a share of what is there")
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
    axis.grid(axis="y", visible=False)
    return figure


def credit_cost():
    """The cost matrix of data/credit/cost.json."""
    figure = credit_figures.cost_matrix(policy.costs())
    figure.set_size_inches(*SIZE)
    return figure


# ---------------------------------------------------------------- targets, grader, calculator
def credit_targets():
    """The same answer written in three ways, as the training file has it."""
    case, (figure, axis) = _training()[0], canvas(height=4.9)
    ways = ((0.05, "answer-only", case["answer_only"], 30), (2.9, "reasoning", case["reasoning"], 38),
            (6.95, "calculator", case["calculator"], 37))
    for x, name, text, width in ways:
        axis.text(x, 4.85, name, fontsize=16, weight="bold", va="top", color=PALETTE["blue"])
        *steps, decision = text.splitlines()
        lines = [part for line in steps for part in textwrap.wrap(line, width, subsequent_indent="   ")]
        axis.text(x, 4.35, "\n".join([*lines, *decision.split(" | ")]), fontsize=13.5, va="top", linespacing=1.35)
    for x in (2.7, 6.75):
        axis.plot([x, x], [-0.1, 4.8], color=PALETTE["pale"], lw=2, marker="", ls="-")
    return figure


def credit_grader():
    """How an answer is graded: two paths that share no code meet in a comparison."""
    figure, axis = canvas(height=4.4)
    box(axis, 0.1, 2.6, 2.3, 1.2, "case text", "blue", 17)
    box(axis, 0.1, 0.6, 2.3, 1.2, "the model's answer", "orange", 17, 12)
    box(axis, 3.1, 2.6, 3.1, 1.2, "apply the policy: every figure, every test", "blue", 15, 22)
    box(axis, 3.1, 0.6, 3.1, 1.2, "read the decision and every stated sum", "orange", 15, 22)
    box(axis, 6.9, 1.5, 1.7, 1.4, "compare", "grey", 17, bold=True)
    for y in (3.2, 1.2):
        arrow(axis, (2.45, y), (3.05, y))
        arrow(axis, (6.25, y), (6.85, 2.2 + 0.25 * np.sign(y - 2.2)))
    for place, text in enumerate(("readable?", "sums right?", "action right?", "cost in euros")):
        y = 3.25 - 0.85 * place
        box(axis, 9.1, y, 1.85, 0.68, text, "green", 14.5, 20)
        arrow(axis, (8.62, 2.2), (9.07, y + 0.34), "grey", 1.4)
    return figure


def credit_calculator():
    """The model stops at an equals sign, the calculator adds the result, the model reads it and goes on."""
    figure, axis = canvas(height=4.2)
    sums = ("EBITDA: <<50*0.9=", "Leverage: up to <<3.5*45=")
    for x, who, tint in ((0.1, "the model writes", "orange"), (7.4, "the calculator adds", "blue")):
        axis.text(x, 3.95, who, fontsize=18, weight="bold", color=PALETTE[tint], va="center")
    for place, text in enumerate(sums):
        y = 2.4 - 2.0 * place
        box(axis, 0.1, y, 5.5, 1.2, text, "orange", 20, 40)
        box(axis, 7.4, y, 3.5, 1.2, calculator.tool(text), "blue", 24, 20, bold=True)
        arrow(axis, (5.7, y + 0.6), (7.3, y + 0.6))
        axis.text(6.5, y + 0.75, "stop", ha="center", fontsize=16)
    arrow(axis, (7.35, 2.4), (5.65, 1.65), "grey")
    axis.text(7.4, 2.0, "it reads on, with the right figure", fontsize=16, va="center")
    return figure


# ---------------------------------------------------------------- rivals and arms
def credit_rivals():
    """Scorecards and the program on the same unseen cases, with intervals and the cost of their errors."""
    import matplotlib.pyplot as plt

    rows = [r for r in results.read("04.scorecards")["value"] if r["split"] == "test"]
    wanted = (("majority", 5400, "always the same action"),
              ("logistic regression, figures and ratios", 5400, "logistic regression"),
              ("gradient boosting, figures and ratios", 300, "boosted trees, {train} cases"),
              ("gradient boosting, figures and ratios", 5400, "boosted trees, {train:,} cases"),
              ("gradient boosting, with stressed ratios", 5400, "boosted trees, ratios given"),
              ("the policy as a program", 5400, "the policy as a program"))
    figure, axis = plt.subplots(figsize=SIZE)
    for place, (system, train, name) in enumerate(reversed(wanted)):
        row = next(r for r in rows if (r["system"], r["train"]) == (system, train))
        program = system.startswith("the policy")
        axis.barh(place, row["accuracy"], 0.62, color=PALETTE["orange" if program else "blue"])
        axis.plot([row["low"], row["high"]], [place] * 2, color=PALETTE["black"], lw=1.6, marker="|", ls="-", ms=10)
        for x, part in ((1.12, "accuracy"), (1.27, "cost")):
            axis.text(x, place, f"{row[part]:.2f}", va="center", ha="right", fontsize=14)
        axis.text(-0.01, place, name.format(train=train), va="center", ha="right", fontsize=13)
    for x, head in ((1.12, "right"), (1.27, "cost")):
        axis.text(x, len(wanted) - 0.45, head, fontsize=13, weight="bold", va="bottom", ha="right")
    axis.set_yticks([])
    axis.set(xlim=(0, 1.3), ylim=(-0.5, len(wanted) + 0.05),
             xlabel=f"right action on {rows[0]['n']} unseen cases; cost in thousand EUR a case")
    axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    return figure


def credit_arms():
    """Three ways to train on four kinds of unseen cases; while the study is not recorded, empty axes for one's own bars."""
    import matplotlib.pyplot as plt

    found = results.entries("04")
    best = found["heldout_action_best_simple"]["value"]
    if "arms" in found:
        return credit_figures.arms(found["arms"]["value"], {"boosted trees": best, "always the same": 0.2})
    figure, axis = plt.subplots(figsize=SIZE)
    for value, name in ((1, "the policy as a program"), (best, "boosted trees, all cases"), (0.2, "always the same action")):
        axis.axhline(value, color=PALETTE["grey"], ls="--", lw=1.5, marker="")
        axis.text(2.48, value + 0.01, name, ha="right", va="bottom", fontsize=13)
    axis.set_xticks(range(3), ["answer-only", "reasoning", "calculator"], fontsize=15)
    axis.set(xlim=(-0.6, 2.5), ylim=(0, 1.1), ylabel="right action", title="Draw your three bars")
    axis.set_yticks(np.arange(0, 1.01, 0.2))
    return figure


# ---------------------------------------------------------------- data
def credit_clusters():
    """Training cases by scenario, and the scenario that training never sees."""
    import matplotlib.pyplot as plt

    count = Counter(case["cluster"] for case in _training())
    names = sorted(count)
    unseen = task.load("heldout_cluster")
    figure, axis = plt.subplots(figsize=SIZE)
    axis.barh(range(1, len(names) + 1), [count[n] for n in reversed(names)], 0.62, color=PALETTE["blue"])
    axis.barh(0, len(unseen), 0.62, facecolor="white", edgecolor=PALETTE["orange"], hatch="//", lw=1.8)
    axis.text(len(unseen) + 10, 0, "for testing only, never trained on", va="center", fontsize=13)
    labels = [unseen[0]["cluster"], *reversed(names)]
    readable = [label.replace("_", " ").replace("fx", "FX") for label in labels]
    axis.set_yticks(range(len(labels)), readable, fontsize=13)
    axis.set(xlabel="cases")
    axis.grid(axis="y", visible=False)
    return figure


def credit_variety():
    """The course's answers beside one template with slots: nearest neighbour, and different openings."""
    import matplotlib.pyplot as plt

    panels = (("likeness of an answer to its\nnearest neighbour (lower is better)", "nearest_neighbour_mean", ".2f"),
              ("different openings\n(higher is better)", "distinct_openings", ",.0f"))
    figure, axes = plt.subplots(1, 2, figsize=SIZE)
    for axis, (title, name, form) in zip(axes, panels, strict=True):
        values = [results.read(f"04.variety_{kind}_{name}")["value"] for kind in ("slot_template", "corpus")]
        drawn = axis.bar(["one template\nwith slots", "these answers"], values, 0.6, color=[PALETTE["grey"], PALETTE["blue"]])
        axis.bar_label(drawn, [format(v, form) for v in values], fontsize=15, padding=3)
        axis.set(ylim=(0, 1.15 * max(values)), title=title)
    return figure


# ---------------------------------------------------------------- memory
def credit_memory():
    """Memory to train Llama 3.2 3B in four ways beside three cards, by notebook 02's calculator."""
    import matplotlib.pyplot as plt

    need = notebooks.definitions("02").memory
    ways = (("full, batch 1", "full", 1, "grey"), ("LoRA, batch 1", "LoRA", 1, "blue"), ("QLoRA, batch 1", "QLoRA", 1, "orange"),
            ("QLoRA, batch 16", "QLoRA", 16, "orange"))
    figure, axis = plt.subplots(figsize=SIZE)
    for place, (_, method, batch, color) in enumerate(reversed(ways)):
        value = need("llama-3.2-3b", method, batch=batch, tokens=512, checkpointing=True)["peak"] / 2**30
        axis.barh(place, value, 0.6, color=PALETTE[color])
        axis.text(value + 0.8, place, f"{value:.1f}", va="center", fontsize=15,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    for size, card in ((24, "RTX 3090"), (40, "A100"), (80, "A100")):
        axis.axvline(size, color=PALETTE["black"], ls="--", lw=1.2)
        axis.text(size, len(ways) - 0.42, f"{card}, {size}", ha="center", va="bottom", fontsize=13,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    axis.set_yticks(range(len(ways)), [way[0] for way in reversed(ways)], fontsize=15)
    axis.set(xlabel="GiB", xlim=(0, 88), ylim=(-0.5, len(ways) - 0.05))
    axis.grid(axis="y", visible=False)
    return figure


# ---------------------------------------------------------------- a fault
def _fault(marked: bool):
    pair, (figure, axis) = _pair(FAULTY), canvas(height=4.9)
    _case(axis, pair["prompt"], 0.05, 4.85, 4.5, 12.5)
    axis.text(5.2, 4.85, "what it should have said" if marked else "the answer", fontsize=14, weight="bold", va="top",
              color=PALETTE["blue"])
    told = set(pair["rejected"].splitlines())
    known = set(re.findall(r"= ([\d.]*\d)", pair["rejected"])) | set(pair["rejected"].splitlines()[-1].split(" | "))
    *steps, decision = (pair["chosen"] if marked else pair["rejected"]).splitlines()
    y = 4.35
    for line in [*steps, *decision.split(" | ")]:
        sums = re.findall(r"= ([\d.]*\d)", line) or [line] * line.startswith(("DECISION", "RATING", "BREACHES", "Breached"))
        new = marked and line not in told and any(one not in known for one in sums)
        for part in textwrap.wrap(line, 54, subsequent_indent="  "):
            axis.text(5.2, y, part, fontsize=14, va="top", weight="bold" if new else "normal",
                      color=PALETTE["orange" if new else "black"])
            y -= 0.4
    return figure


def credit_fault():
    """A case and an answer to it that leaves one test out; the fault is not marked."""
    return _fault(marked=False)


def credit_fault_found():
    """The same case and the right answer; what the faulty one lacked or had otherwise is in bold orange."""
    return _fault(marked=True)


DRAWN = (credit_case, credit_tests, credit_cost, credit_targets, credit_grader, credit_calculator, credit_rivals, credit_arms,
         credit_clusters, credit_variety, credit_memory, credit_fault, credit_fault_found)
