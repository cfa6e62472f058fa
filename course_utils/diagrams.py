"""Floor 5: boxes and arrows for the slides: how the parts of a model, of LoRA and of a project hang together."""

from __future__ import annotations

import textwrap

from . import notebooks, registry
from .style import PALETTE

TINTS = {"blue": "#D6E8F4", "orange": "#FBE3D2", "green": "#D3EFE6", "grey": "#EDEDED"}


def canvas(width: float = 11, height: float = 4.6):
    """An empty figure whose axis counts from 0 to `width` and `height`; (figure, axis)."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(0.88 * width, 0.88 * height))
    axis.set(xlim=(0, width), ylim=(0, height))
    axis.axis("off")
    return figure, axis


def box(axis, x, y, width, height, text, tint="blue", size=15, wrap=24, bold=False):
    """A tinted box at (x, y), its lower left corner, with text in the middle."""
    from matplotlib.patches import FancyBboxPatch

    axis.add_patch(FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.12", linewidth=1.6,
                                  facecolor=TINTS[tint], edgecolor=PALETTE[tint]))
    lines = "\n".join(textwrap.fill(line, wrap) for line in text.split("\n"))
    axis.text(x + width / 2, y + height / 2, lines, ha="center", va="center", fontsize=size, weight="bold" if bold else "normal")


def arrow(axis, start, end, color="black", width=2.2, bend=0.0):
    """An arrow from `start` to `end`."""
    axis.annotate("", xy=end, xytext=start, arrowprops=dict(arrowstyle="-|>", lw=width, color=PALETTE[color], mutation_scale=20,
                                                            shrinkA=0, shrinkB=0, connectionstyle=f"arc3,rad={bend}"))


def guess():
    """The loop by which a language model writes."""
    figure, axis = canvas(height=4)
    parts = ("the text so far", "the model", "a probability for each next piece", "draw one, append it")
    for place, text in enumerate(parts):
        box(axis, 0.1 + 2.75 * place, 1.7, 2.3, 1.5, text, "orange" if place == 1 else "blue", 16, 15, bold=place == 1)
        if place < 3:
            arrow(axis, (2.42 + 2.75 * place, 2.45), (2.83 + 2.75 * place, 2.45))
    axis.plot([9.5, 9.5, 1.25], [1.68, 0.7, 0.7], color=PALETTE["black"], lw=2.2, marker="", ls="-")
    arrow(axis, (1.25, 0.69), (1.25, 1.66))
    axis.text(5.4, 0.85, "and again, until the text ends", ha="center", va="bottom", fontsize=15)
    return figure


def tokens():
    """One sentence under two tokenizers: one token a character, and pieces learned from the web."""
    text = "EBITDA fell 15% to 102m"
    web = registry.minilm_tokenizer().encode(text, add_special_tokens=False).tokens
    figure, axis = canvas(height=3.9)
    ways = ((f"one token a character: {len(text)}", list(text)), (f"pieces learned from the web: {len(web)}", web))
    for row, (name, pieces) in enumerate(ways):
        y, x = 2.15 - 1.95 * row, 0.1
        axis.text(0.1, y + 1.25, name, fontsize=15, weight="bold")
        for piece in pieces:
            width = 0.44 if row == 0 else 0.35 + 0.17 * len(piece)
            box(axis, x, y, width, 0.85, piece if piece != " " else "␣", "blue" if row == 0 else "orange", 16, 40)
            x += width + (0.03 if row == 0 else 0.12)
    return figure


def look():
    """Attention by hand: how much "it" takes from each token, computed by notebook 01's own function."""
    import torch

    key, query = torch.tensor([[4.0, 0], [0, 4.0], [0, 0]]), torch.tensor([[0, 0], [0, 0], [0, 2.0]])
    weights = notebooks.definitions("01").attend(query, key, torch.eye(3)[:, :2])[1][2].tolist()
    figure, axis = canvas(height=3.9)
    words, places = ("the", "loan", "it"), (0.8, 4.4, 8.0)
    for word, x in zip(words, places, strict=True):
        box(axis, x, 0.3, 2.2, 1.0, word, "orange" if word == "it" else "blue", 22, bold=True)
    for word, x, weight in zip(words[:2], places, weights, strict=False):
        axis.annotate("", xy=(x + 1.1, 1.35), xytext=(9.1, 1.35), arrowprops=dict(
            arrowstyle="-|>", lw=1 + 9 * weight, color=PALETTE["orange" if weight > 0.5 else "grey"], mutation_scale=25,
            connectionstyle="arc3,rad=0.42"))
        axis.text(x + (1.2 if word == "loan" else 0.5), 2.45 if word == "loan" else 2.9, f"share {weight:.2f}", fontsize=16)
    axis.text(9.1, 0.0, "looks for what “loan” shows", ha="center", fontsize=13)
    return figure


def gpt():
    """A GPT from text to scores."""
    figure, axis = canvas(height=4.4)
    box(axis, 0.1, 1.5, 1.7, 1.4, "token numbers", "grey", 15, 10)
    box(axis, 2.2, 1.5, 1.9, 1.4, "table of vectors, and the place", "blue", 15, 14)
    box(axis, 4.5, 0.35, 4.2, 3.7, "", "grey")
    axis.text(6.6, 3.75, "a block, repeated", ha="center", va="center", fontsize=15, weight="bold")
    box(axis, 4.8, 2.1, 3.6, 1.3, "attention: take from what came before", "orange", 15, 22)
    box(axis, 4.8, 0.6, 3.6, 1.3, "small network: think about each token alone", "green", 15, 24)
    box(axis, 9.1, 1.5, 1.8, 1.4, "a score for each next token", "blue", 15, 13)
    for start, end in ((1.82, 2.18), (4.12, 4.48), (8.72, 9.08)):
        arrow(axis, (start, 2.2), (end, 2.2))
    return figure


def agent():
    """An agent and the small tasks for which it calls a model."""
    figure, axis = canvas(height=4)
    box(axis, 0.3, 1.3, 2.6, 1.4, "an agent", "orange", 18, bold=True)
    for place, text in enumerate(("Which desk gets this mail?", "Which date is in this contract?", "Which tool comes next?")):
        y = 2.85 - 1.3 * place
        box(axis, 5.4, y, 5.2, 0.95, text, "blue", 17, 40)
        arrow(axis, (2.95, 2.0), (5.35, y + 0.47), "grey")
    axis.text(1.6, 0.95, "all day long", ha="center", va="top", fontsize=15)
    return figure


def ladder():
    """Three ways to adapt, by effort and control."""
    figure, axis = canvas(height=4.4)
    steps = (("Prompt and retrieval", "the model stays as it is", "blue"), ("Fine-tuning", "its weights are adjusted", "orange"),
             ("Your own model", "trained from nothing", "green"))
    for place, (name, text, tint) in enumerate(steps):
        height = 1.3 + 1.0 * place
        box(axis, 0.5 + 3.4 * place, 0.7, 3.1, height, "", tint)
        axis.text(2.05 + 3.4 * place, 0.45 + height, name, ha="center", va="top", fontsize=17, weight="bold")
        axis.text(2.05 + 3.4 * place, 0.0 + height, text, ha="center", va="top", fontsize=14)
    arrow(axis, (0.5, 0.4), (10.4, 0.4))
    axis.text(5.45, 0.0, "more effort, more control", ha="center", fontsize=15, va="bottom")
    return figure


def _flow(parts, height=3.2, size=16):
    """Boxes in a row with arrows between them. parts: (text, tint, note below)."""
    figure, axis = canvas(height=height)
    gap = 0.5
    width = (10.8 - gap * (len(parts) - 1)) / len(parts)
    for place, (text, tint, note) in enumerate(parts):
        x = 0.1 + place * (width + gap)
        box(axis, x, 1.1, width, height - 1.3, text, tint, size, int(width * 7), bold=tint == "orange")
        axis.text(x + width / 2, 0.95, textwrap.fill(note, int(width * 8)), ha="center", va="top", fontsize=13)
        if place:
            arrow(axis, (x - gap + 0.04, 1.1 + (height - 1.3) / 2), (x - 0.04, 1.1 + (height - 1.3) / 2))
    return figure


def pipeline():
    """Fine-tuning as a production line."""
    return _flow((("a capable base model", "blue", "knows language, not your job"),
                  ("examples:\ninput and output", "green", "hundreds to thousands"),
                  ("continue training", "orange", "a small share of the weights"),
                  ("a model for one job", "blue", "tested on unseen cases")))


def teacher():
    """Distillation: who writes, who learns, who is tested."""
    return _flow((("large model\nwrites and labels", "blue", "once, by a written guide"),
                  ("sentences", "green", "read by people, cleaned"),
                  ("small model learns", "orange", "minutes to hours"),
                  ("real sentences\nas the test", "blue", "which nobody here wrote")))


def merge():
    """LoRA during training, and after merging."""
    figure, axis = canvas(height=4.2)
    box(axis, 0.2, 2.6, 2.6, 1.2, "W, frozen", "grey", 18)
    box(axis, 0.2, 0.5, 1.2, 1.2, "A", "blue", 20, bold=True)
    box(axis, 1.6, 0.5, 1.2, 1.2, "B", "orange", 20, bold=True)
    axis.text(1.5, 2.15, "+   (alpha / r) · B A", ha="center", va="center", fontsize=17)
    arrow(axis, (3.2, 2.15), (4.6, 2.15))
    axis.text(3.9, 2.35, "merge", ha="center", fontsize=15)
    box(axis, 5.0, 1.5, 2.6, 1.3, "W′", "blue", 22, bold=True)
    axis.text(6.3, 1.25, "same shape, same speed", ha="center", va="top", fontsize=14)
    arrow(axis, (4.6, 1.75), (3.2, 1.75), "grey")
    axis.text(3.9, 1.3, "subtract", ha="center", fontsize=15)
    box(axis, 8.3, 2.5, 2.5, 1.2, "adapter 1:\na few megabytes", "orange", 14)
    box(axis, 8.3, 0.7, 2.5, 1.2, "adapter 2:\nanother job", "green", 14)
    return figure


def choose():
    """Three questions that decide between prompt, retrieval and fine-tuning."""
    figure, axis = canvas(height=4.6)
    rows = (("Can a good prompt do it?", "Prompt", "grey"), ("Is the gap in facts that change?", "Retrieval", "blue"),
            ("Is it one job, again and again,\nwith examples of good answers?", "Fine-tune", "orange"))
    for place, (question, answer, tint) in enumerate(rows):
        y = 3.3 - 1.6 * place
        box(axis, 0.2, y, 5.6, 1.15, question, "grey", 16, 40)
        arrow(axis, (5.85, y + 0.57), (7.5, y + 0.57))
        axis.text(6.65, y + 0.68, "yes", ha="center", fontsize=14)
        box(axis, 7.6, y, 3.1, 1.15, answer, tint, 18, bold=True)
        if place < 2:
            arrow(axis, (3.0, y - 0.03), (3.0, y - 0.42))
            axis.text(3.15, y - 0.24, "no", va="center", fontsize=14)
    return figure


def stack():
    """The four things in memory during training, and what makes each smaller."""
    figure, axis = canvas(height=4.6)
    rows = (("the weights", "4 bits", "blue"), ("a gradient for each trained number", "LoRA", "green"),
            ("the optimiser's notes on each trained number", "LoRA", "green"),
            ("intermediate results, kept for the way back", "smaller batch, shorter text, checkpointing", "orange"))
    for place, (what, remedy, tint) in enumerate(rows):
        y = 3.55 - 1.13 * place
        box(axis, 0.2, y, 5.9, 0.95, what, tint, 16, 50)
        arrow(axis, (6.9, y + 0.47), (6.2, y + 0.47))
        axis.text(7.05, y + 0.47, textwrap.fill(remedy, 27), va="center", fontsize=16, weight="bold")
    return figure


COURSE = {  # the notebooks and the question that each answers
    "00": "Start here: what do I need?", "01": "A tiny GPT: how does a language model work?",
    "02": "LoRA and 4 bits: why is fine-tuning cheap?", "03": "QLoRA sentiment: one job done well",
    "04": "Credit risk: reasoning, not just labels", "05": "Prompt, RAG, fine-tune or train?", "06": "From adapter to product",
    "07": "Your own data: retail and luxury"}


def course_map():
    """The notebooks as boxes: 00 in front, the core in the middle, three that build on it."""
    figure, axis = canvas(height=4.6)
    columns = [["00"], ["01", "02"], ["03", "04"], ["05", "06", "07"]]
    for x, numbers in enumerate(columns):
        for y, number in enumerate(numbers):
            tint = "orange" if x == 0 else "blue" if x < 3 else "green"
            middle = 2.3 + 1.5 * ((len(numbers) - 1) / 2 - y)
            box(axis, 0.1 + 2.75 * x, middle - 0.62, 2.35, 1.24, f"{number}\n{COURSE[number]}", tint, 12, 21)
        if x:
            arrow(axis, (2.75 * x - 0.27, 2.3), (2.75 * x + 0.07, 2.3))
    return figure
