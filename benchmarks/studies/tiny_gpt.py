"""Study behind notebook 01: which settings, and what is each trick worth? On the training text alone.

    python benchmarks/studies/tiny_gpt.py --text tinyshakespeare.txt PART [...]

The last tenth of the text (validation) is cut off first and never read. Of the rest, nine tenths train and one tenth
compares. PART: choose (settings for benchmarks/nanogpt.py), ablation (each trick taken out, the same characters read, two seeds),
record. Time, where it counts, is CPU time of one thread, so that other work on the machine hardly matters. Every unit is kept in
runs/studies/tiny_gpt (after `make publish` in data/results/studies).
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import notebooks, results, studies  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
BASE = {"shape": {"layers": 3, "heads": 3, "width": 96}, "batch": 16, "rates": (0.02, 0.01), "steps": 400}
TRICKS = {
    "all six tricks": {}, "Adam for all, rate 0.003": {"adam": 3e-3}, "Adam for all, rate 0.006": {"adam": 6e-3},
    "constant step size": {"constant": True}, "batch 8": {"batch": 8}, "batch 32": {"batch": 32},
    "learned positions": {"position": "learned"}, "sinusoidal positions": {"position": "sinusoidal"},
    "no positions": {"position": "none"},
    "head tied to the token table": {"tied": True}, "no look back": {"look_back": False},
}
CHOICES = {  # shape, windows a step, rates, seconds
    "fast": [(1, 2, 64, 16, (0.04, 0.04), 5.0), (1, 2, 64, 16, (0.03, 0.03), 5.0), (1, 4, 64, 16, (0.04, 0.04), 5.0),
             (1, 2, 64, 8, (0.04, 0.04), 5.0), (2, 2, 64, 16, (0.03, 0.03), 5.0), (1, 2, 96, 16, (0.03, 0.03), 5.0)],
    "same_shape": [(4, 4, 128, 12, (0.02, 0.01), 15.0), (4, 4, 128, 12, (0.02, 0.02), 15.0), (4, 4, 128, 8, (0.02, 0.02), 15.0)],
    "equal_time": [(3, 3, 96, 16, (0.02, 0.01), 50.0), (3, 3, 96, 16, (0.03, 0.02), 50.0), (4, 4, 96, 16, (0.02, 0.01), 50.0),
                   (2, 4, 128, 16, (0.02, 0.01), 50.0)],
}


def parts(path: str):
    """(training ids, comparing ids, vocabulary): the validation tenth is cut off before anything else."""
    text = Path(path).read_text(encoding="utf-8")
    tokens = notebooks.definitions("01").Characters(sorted(set(text)))
    ids = torch.tensor(tokens.encode(text[:int(0.9 * len(text))]))
    cut = int(0.9 * len(ids))
    return ids[:cut], ids[cut:], len(tokens)


def timed_run(data, setting: dict, seed: int = 0, constant: bool = False, adam: float = 0.0) -> dict:
    """Trains for setting["seconds"] of CPU time or setting["steps"], the step size falling to zero. Loss: comparing part."""
    train, compare, vocabulary = data
    gpt = notebooks.definitions("01")
    shape = gpt.Shape(vocabulary, **setting["shape"])
    model = gpt.GPT(shape, seed=seed)
    tools = gpt.optimizers(model, *setting["rates"])
    if adam:
        tools = [torch.optim.Adam(model.parameters(), lr=adam, betas=(0.9, 0.95))]
    peaks, steps, start = [t.param_groups[0]["lr"] for t in tools], 0, time.process_time()

    def share_used():
        return steps / setting["steps"] if "steps" in setting else (time.process_time() - start) / setting["seconds"]

    while (used := share_used()) < 1:
        batch = gpt.random_windows(train, setting["batch"], shape.context, seed=1_000_000 * seed + steps)
        gpt.one_step(model, batch, tools, [p * (1 if constant else 1 - used) for p in peaks])
        steps += 1
    return {"loss": gpt.held_loss(model, compare), "steps": steps, "seconds": time.process_time() - start,
            "parameters": sum(p.numel() for p in model.parameters())}


def unit(name: str, work) -> dict:
    return studies.unit("tiny_gpt", name.replace(" ", "-"), work, lambda made: f"loss {made['loss']:.4f}, {made['steps']} steps")


def choose(data):
    for part, candidates in CHOICES.items():
        for layers, heads, width, batch, rates, seconds in candidates:
            setting = {"shape": {"layers": layers, "heads": heads, "width": width}, "batch": batch, "rates": rates,
                       "seconds": seconds}
            name = f"choose {part} {layers}x{width} heads {heads} batch {batch} rates {rates[0]} {rates[1]}"
            unit(name, lambda setting=setting: timed_run(data, setting))


def ablation_unit(data, change: dict, seed: int) -> dict:
    shape = {k: change[k] for k in ("position", "tied", "look_back") if k in change}
    batch = change.get("batch", BASE["batch"])
    setting = {**BASE, "shape": {**BASE["shape"], **shape}, "batch": batch, "steps": BASE["steps"] * BASE["batch"] // batch}
    return timed_run(data, setting, seed, change.get("constant", False), change.get("adam", 0.0))


def ablation(data):
    for seed, (name, change) in itertools.product(range(2), TRICKS.items()):
        unit(f"ablation {name} {seed}", lambda change=change, seed=seed: ablation_unit(data, change, seed))


def record():
    """Records the table of tricks: mean loss over seeds, and what leaving the trick out costs on the same seeds."""
    def losses(name):
        kept = {seed: studies.outcome("tiny_gpt", f"ablation-{name.replace(' ', '-')}-{seed}") for seed in range(2)}
        return {seed: made["loss"] for seed, made in kept.items() if made}

    whole, rows = losses("all six tricks"), []
    for name in TRICKS:
        if one := losses(name):
            values, gaps = list(one.values()), [one[seed] - whole[seed] for seed in one]
            rows.append({"change": name, "loss": float(np.mean(values)), "cost": float(np.mean(gaps)), "low": min(values),
                         "high": max(values), "seeds": len(one)})
    if whole:
        results.record("ablation", rows, "nats a character", notebook="01", code=CODE, seeds=range(len(whole)),
                       method=f"{BASE['steps']} steps of {BASE['batch']} windows; mean, smallest and largest over seeds",
                       split="the last tenth of tinyshakespeare's training part")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=["choose", "ablation", "record"])
    parser.add_argument("--text", required=True)
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    torch.set_num_threads(1)
    data = parts(options.text)
    for part in options.part:
        {"choose": lambda: choose(data), "ablation": lambda: ablation(data), "record": record}[part]()


if __name__ == "__main__":
    main()
