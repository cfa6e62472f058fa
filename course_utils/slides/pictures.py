"""Floor 5: the slides' pictures, by name: drawn from recorded results and counted shapes, or taken from an executed notebook.

A stale picture is found by drawing it again: `stale(names, folder)` compares what the files show with what would be drawn now.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import re
import textwrap
from functools import cache
from pathlib import Path

import numpy as np

from .. import diagrams, figures, notebooks, registry, results, style
from ..runtime import CourseError
from ..style import PALETTE
from . import choosing, credit, governing

SIZE = (9.8, 4.2)


# ---------------------------------------------------------------- taken from a notebook
@cache
def _outputs(number: str) -> list:
    import nbformat

    notebook = nbformat.read(notebooks.source(number).with_suffix(".ipynb"), 4)
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def taken(number: str, alt: str) -> bytes:
    """The picture of executed notebook `number` whose alt text begins with `alt`. CourseError when there is none."""
    for output in _outputs(number):
        if "image/png" in output.get("data", {}) and output.metadata["image/png"]["alt"].startswith(alt):
            return base64.b64decode(output["data"]["image/png"])
    raise CourseError(f"Notebook {number} has no picture {alt!r}.", "correct its name in course_utils/slides/pictures.py.")


def attention() -> bytes:
    """The heads of the middle layer: the middle third of notebook 01's picture."""
    from PIL import Image

    whole = Image.open(io.BytesIO(taken("01", "One map for each layer")))
    buffer = io.BytesIO()
    whole.crop((0, whole.height // 3, whole.width, 2 * whole.height // 3)).save(buffer, format="png")
    return buffer.getvalue()


def samples():
    """What the tiny GPT wrote at four moments of its training: the printed text of notebook 01."""
    import matplotlib.pyplot as plt

    printed = next(o["text"] for o in _outputs("01") if o.get("name") == "stdout" and o["text"].startswith("--- after 0 steps"))
    parts = [part.split(" ---\n", 1) for part in printed.split("--- ")[1:]]
    figure, axis = plt.subplots(figsize=SIZE)
    for place, (title, text) in enumerate(parts):
        x, y = (place % 2) * 0.51, 1 - 0.52 * (place // 2)
        lines = [part for line in text.strip().splitlines() for part in textwrap.wrap(line, 42)][:5]
        axis.text(x, y, title, weight="bold", color=PALETTE["blue"], va="top", fontsize=15)
        axis.text(x, y - 0.09, "\n".join(lines), va="top", family="monospace", fontsize=12, linespacing=1.35)
    axis.set(xlim=(0, 1), ylim=(-0.05, 1))
    axis.axis("off")
    return figure


# ---------------------------------------------------------------- drawn from results
def _value(key: str) -> float:
    return results.read(key)["value"]


def bars(values: dict[str, float], xlabel: str, form: str = ".2f", highlight=(), low_high: dict | None = None, limit=None):
    """Horizontal bars with their values; highlight: names drawn in orange. low_high: name -> its interval."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(SIZE[0], min(4.2, 0.5 * len(values) + 1.1)))
    top = limit or max(values.values())
    for place, (name, value) in enumerate(reversed(values.items())):
        axis.barh(place, value, color=PALETTE["orange" if name in highlight else "blue"], height=0.62)
        end = value
        if low_high and name in low_high:
            low, end = low_high[name]
            axis.plot([low, end], [place, place], color=PALETTE["black"], lw=1.6, marker="|", ls="-", ms=10)
        axis.text(end + 0.012 * top, place, format(value, form), va="center", fontsize=14)
    axis.set_yticks(range(len(values)), list(reversed(values)), fontsize=13)
    axis.set(xlabel=xlabel, xlim=(0, 1.1 * top))
    axis.grid(axis="y", visible=False)
    return figure


def yardstick():
    """Losses on tinyshakespeare: counting, nanoGPT's laptop command, and our model in the same time."""
    rows = {"nanoGPT's laptop command": "01.nanogpt_loss", "counting runs of 5, no training": "01.five_gram_loss",
            "our model, in nanoGPT's time": "01.equal_time_loss"}
    return bars({name: _value(key) for name, key in rows.items()}, "loss on unseen text, lower is better",
                highlight=["our model, in nanoGPT's time"])


def counting():
    """Losses of counting by the length of the run, as printed by the executed notebook 01."""
    printed = next(o["text"] for o in _outputs("01") if o.get("name") == "stdout" and o["text"].startswith("knowing nothing"))
    losses = {m[1]: float(m[2]) for m in re.finditer(r"^(.+?): ([\d.]+)", printed, re.M)}
    return bars(losses, "loss on unseen plays, lower is better", highlight=[list(losses)[-1]])


def forgetting():
    """Before, after, and after with old text mixed in: the new skill beside the old one."""
    import matplotlib.pyplot as plt

    names = ["before", "fine-tuned", "fine-tuned,\nold text mixed in"]
    skill = [_value(f"01.instruction_{k}") for k in ("before", "exact_match", "mixed")]
    plays = [_value(f"01.plays_loss_{k}") for k in ("before", "after", "mixed")]
    figure, axes = plt.subplots(1, 2, figsize=SIZE)
    panels = ((skill, "the new skill: exact answers", ".0%", 1.12),
              (plays, "the old skill: loss on plays (lower is better)", ".2f", 6.3))
    for axis, (values, title, form, top) in zip(axes, panels, strict=True):
        drawn = axis.bar(names, values, color=[PALETTE["grey"], PALETTE["orange"], PALETTE["blue"]], width=0.6)
        axis.bar_label(drawn, [format(v, form) for v in values], fontsize=14, padding=3)
        axis.set(ylim=(0, top), title=title)
    return figure


PHRASEBANK = {
    "always neutral": "phrasebank_majority", "word list": "phrasebank_words",
    "untrained, calibrated": "phrasebank_zero_shot_calibrated",
    "untrained, six examples": "phrasebank_few_shot_calibrated", "TF-IDF, 400 real": "phrasebank_tfidf",
    "QLoRA, machine-written": "transfer_accuracy", "QLoRA, 400 real": "phrasebank_accuracy",
}


def phrasebank(names=tuple(PHRASEBANK), highlight=("QLoRA, 400 real",)):
    """Accuracy of several systems on the same real sentences, with intervals."""
    found = {name: results.read(f"03.{PHRASEBANK[name]}") for name in names}
    spread = {name: (e["low"], e["high"]) for name, e in found.items() if e["low"] is not None}
    rows = next(iter(found.values()))["n"]
    return bars({name: e["value"] for name, e in found.items()}, f"accuracy on the same {rows} sentences (line: 95 % interval)",
                low_high=spread, highlight=highlight, limit=1)


def distillation():
    """Trained on machine-written sentences only, tested on real ones, beside systems that saw no real sentence either."""
    ours = "QLoRA, machine-written"
    return phrasebank(("always neutral", "untrained, calibrated", "word list", ours), (ours,))


def examples():
    """Accuracy against the number of examples; while the study is not recorded, empty axes to draw a prediction on."""
    import matplotlib.pyplot as plt

    found, base = results.entries("03"), _value("03.phrasebank_majority")
    if "examples_grid" in found:
        return figures.examples_curve(found["examples_grid"]["value"], (base, "always neutral"))
    figure, axis = plt.subplots(figsize=SIZE)
    axis.axhline(base, color=PALETTE["grey"], ls="--", lw=1.5)
    axis.text(420, base + 0.01, "always neutral", ha="right", va="bottom")
    axis.set(xscale="log", xlim=(17, 440), ylim=(0, 1), xlabel="training sentences", ylabel="accuracy", title="Draw your curve")
    axis.set_xticks([20, 50, 100, 200, 400], ["20", "50", "100", "200", "400"])
    axis.minorticks_off()
    return figure


# ---------------------------------------------------------------- counted
BIG = {"gemma-3-1b-it": "Gemma 3 1B", "llama-3.2-3b": "Llama 3.2 3B", "llama-3.1-70b": "Llama 3.1 70B"}


def _short(count: float) -> str:
    return f"{count / 1e9:,.3g} B" if count >= 9.9e8 else f"{count / 1e6:,.3g} M"


def adapters():
    """All weights of four models beside what LoRA trains, on a logarithmic axis."""
    import matplotlib.pyplot as plt

    count = notebooks.definitions("02").lora_numbers
    names = {"smollm2-135m": "SmolLM2 135M", **BIG}
    figure, axis = plt.subplots(figsize=SIZE)
    for place, name in enumerate(names):
        shapes = registry.linear_shapes(name)
        every = sum(count(*s, 16) for s in shapes.values())
        some = sum(count(*s, 16) for path, s in shapes.items() if path.endswith(("q_proj", "v_proj")))
        total = sum(p.numel() for p in registry.skeleton(name).parameters())
        rows = ((total, "grey", "all weights"), (every, "blue", "LoRA on all linear layers"),
                (some, "orange", "LoRA on q and v only"))
        for side, (value, color, label) in enumerate(rows):
            y = -place - 0.26 * (side - 1)
            axis.barh(y, value, height=0.24, color=PALETTE[color], label=label if place == 0 else None)
            axis.text(value * 1.15, y, _short(value), va="center", fontsize=11)
    axis.set_yticks([-i for i in range(len(names))], names.values(), fontsize=13)
    axis.set(xscale="log", xlabel="numbers, logarithmic (rank 16)", xlim=(2e5, 1e12))
    axis.grid(axis="y", visible=False)
    axis.legend(loc="upper right", fontsize=12)
    return figure


def memory():
    """Memory to train three models, full, LoRA and QLoRA, with the size of three cards."""
    import matplotlib.pyplot as plt

    need = notebooks.definitions("02").memory
    names = BIG
    figure, axis = plt.subplots(figsize=SIZE)
    for side, (method, color) in enumerate((("full", "grey"), ("LoRA", "blue"), ("QLoRA", "orange"))):
        values = [need(name, method, checkpointing=True)["peak"] / 2**30 for name in names]
        drawn = axis.bar(np.arange(3) + 0.27 * (side - 1), values, 0.26, color=PALETTE[color], label=method)
        axis.bar_label(drawn, [f"{v:,.1f}" if v < 100 else f"{v:,.0f}" for v in values], fontsize=12)
    for size, card in ((14.56, "T4"), (24, "RTX 4090"), (48, "A6000"), (80, "A100")):
        axis.axhline(size, color=PALETTE["black"], ls="--", lw=1)
        axis.text(2.52, size, f"{card}, {size:g}", va="center", fontsize=12)
    axis.set_xticks(range(3), names.values(), fontsize=13)
    axis.set(yscale="log", ylabel="GiB, logarithmic", xlim=(-0.5, 2.5), ylim=(1, 3000))
    axis.legend(loc="upper left", ncols=3)
    return figure


def sizes():
    """Parameters of the models that the course meets or names, on a logarithmic axis."""
    import matplotlib.pyplot as plt

    known = {"our tiny GPT": _value("01.live_parameters"), "nanoGPT, laptop": _value("01.nanogpt_parameters")}
    known |= {"SmolLM2": registry.entry("smollm2-135m").parameters, "Gemma 3 270M": registry.entry("gemma-3-270m").parameters,
              "Gemma 3 1B": registry.entry("gemma-3-1b-it").parameters, "Llama 3.2 3B": registry.entry("llama-3.2-3b").parameters,
              "BloombergGPT": 50e9, "Llama 3.1 70B": sum(p.numel() for p in registry.skeleton("llama-3.1-70b").parameters())}
    figure, axis = plt.subplots(figsize=SIZE)
    axis.axvspan(1e9, 1e10, color=PALETTE["sky"], alpha=0.3)
    axis.text(10**9.5, len(known) - 0.35, "the usual range,\n1 to 10 billion", ha="center", va="bottom", fontsize=12)
    for place, count in enumerate(reversed(known.values())):
        axis.plot([1e5, count], [place, place], color=PALETTE["pale"], lw=2, marker="", ls="-")
        axis.plot(count, place, color=PALETTE["blue"], marker="o", ms=13, ls="")
        axis.text(count * 1.5, place, _short(count), va="center", fontsize=13)
    axis.set_yticks(range(len(known)), list(reversed(known)), fontsize=13)
    axis.set(xscale="log", xlim=(1e5, 1e12), ylim=(-0.6, len(known) + 0.6), xlabel="parameters, logarithmic")
    axis.grid(axis="y", visible=False)
    return figure


def nf4():
    """The 16 levels of NF4 under the bell curve that they come from."""
    import matplotlib.pyplot as plt
    from scipy.stats import norm

    levels = notebooks.definitions("02").nf4_levels().numpy()
    wide = norm.ppf(((1 - 1 / 30) + (1 - 1 / 32)) / 2)
    x = np.linspace(-1.25, 1.25, 300)
    figure, axis = plt.subplots(figsize=SIZE)
    axis.fill_between(x, norm.pdf(x * wide), color=PALETTE["sky"], alpha=0.35)
    axis.vlines(levels, 0, norm.pdf(levels * wide), color=PALETTE["blue"], lw=3)
    axis.plot(levels, np.full(16, -0.03), ls="", marker="^", color=PALETTE["orange"], ms=10)
    axis.set(xlabel="weight, as a share of the largest in its block of 64", ylim=(-0.06, 0.43))
    axis.set_yticks([])
    axis.grid(visible=False)
    return figure


TAKEN = {  # name -> the notebook and the beginning of its picture's alt text
    "curve_tiny": ("01", "Loss by step"),
    "by_heart": ("01", "Loss on training text"),
    "low_rank": ("01", "Left: singular values of one"), "rank_error": ("02", "Left: singular values of three"),
    "mask": ("03", "The "), "bytes": ("03", "Three bars of the weights' size"), "confusion": ("03", "Two tables of truth"),
}
DRAWN = (attention, samples, counting, yardstick, forgetting, phrasebank, distillation, examples, adapters, memory, sizes, nf4,
         diagrams.ladder, diagrams.agent,
         diagrams.guess, diagrams.tokens, diagrams.look, diagrams.gpt, diagrams.pipeline, diagrams.choose,
         diagrams.teacher, diagrams.merge, diagrams.stack, *credit.DRAWN, *choosing.DRAWN, *governing.DRAWN)
FIGURES = {draw.__name__: draw for draw in DRAWN} | {"lora_2": lambda: figures.lora_layer(2)}
FIGURES |= {name: lambda place=place: taken(*place) for name, place in TAKEN.items()}


# ---------------------------------------------------------------- files
@cache
def _fonts() -> set[str]:
    """The fonts that matplotlib can use, with Arial's and its look-alike's files added if it had not seen them yet."""
    from matplotlib import font_manager

    for path in font_manager.findSystemFonts():
        if Path(path).stem.lower().startswith(("arial", "liberationsans-")):
            font_manager.fontManager.addfont(path)
    return {font.name for font in font_manager.fontManager.ttflist}


@contextlib.contextmanager
def _look():
    """The slides' type: larger, and the same font as the text where the machine has it."""
    import matplotlib as mpl

    have = _fonts()
    with mpl.rc_context():
        style.apply()
        fonts = [name for name in ("Arial", "Liberation Sans", "DejaVu Sans") if name in have]
        mpl.rcParams.update({"font.family": fonts, "font.size": 14, "axes.titlesize": 15, "savefig.dpi": 150})
        yield


def png(name: str) -> bytes:
    """The picture `name` as PNG. CourseError for an unknown name."""
    import matplotlib.pyplot as plt

    if name not in FIGURES:
        raise CourseError(f"There is no slide figure {name!r}.", f"choose of {', '.join(FIGURES)}.")
    with _look():
        made = FIGURES[name]()
        if isinstance(made, bytes):
            return made
        buffer = io.BytesIO()
        made.savefig(buffer, format="png", metadata={"Software": None})
        plt.close(made)
        return buffer.getvalue()


def stamp(picture: bytes) -> str:
    """Fingerprint of what a picture shows: its points, not its file."""
    from PIL import Image

    return hashlib.sha256(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).tobytes()).hexdigest()[:16]


def draw_all(names: list[str], folder: Path) -> None:
    """Writes the pictures `names` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.png").write_bytes(png(name))


def stale(names: list[str], folder: Path) -> list[str]:
    """Those of `names` whose file in `folder` is missing or shows something else than would be drawn now."""
    return [name for name in names if not (folder / f"{name}.png").exists()
            or stamp((folder / f"{name}.png").read_bytes()) != stamp(png(name))]
