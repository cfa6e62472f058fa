"""Notebook 01's GPT against karpathy/nanoGPT's CPU command, back to back on one machine, on a text given by its path.

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/nanogpt.py --nanogpt nanoGPT --text tinyshakespeare.txt [--seeds 3] [--only PART ...]

First 90 % of the text to train on, last 10 % to validate. One measure for both: mean loss over the whole validation text in
windows as long as the model's context. Seconds of training are steps x the median step's seconds, for both: evaluation,
saving, start-up and busy moments of the machine do not count (for equal_time and five_minutes ours runs by the clock, where
busy moments count against it). float32, two threads. Every part and seed runs in a process
of its own and is kept in runs/benchmarks/nanogpt. Our settings were chosen by benchmarks/studies/tiny_gpt.py on the last
tenth of the *training* text. The validation text was looked at once, but twice for "fast" and "same_shape": their first
choice (two heads and 350 steps; 180 steps) missed nanoGPT's loss with one seed of three; they now have one head and 370
steps, and 230 steps.

PART: theirs, fast (any shape, as soon as it is below nanoGPT), same_shape, equal_time (in nanoGPT's time, at most 0.85 M
parameters), five_minutes (256 characters of context), five_gram (counting).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import re
import resource
import shutil
import statistics as stdlib_statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from course_utils import notebooks, results, runtime  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
COMMAND = ("config/train_shakespeare_char.py --device=cpu --compile=False --eval_iters=20 --log_interval=1 --block_size=64 "
           "--batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0").split()
SETTINGS = {  # shape, windows a step, Muon's rate, Adam's rate, steps or seconds
    "fast": {"shape": {"layers": 1, "heads": 1, "width": 64}, "batch": 16, "rates": (0.04, 0.04), "steps": 370},
    "same_shape": {"shape": {"layers": 4, "heads": 4, "width": 128}, "batch": 12, "rates": (0.02, 0.02), "steps": 230},
    "equal_time": {"shape": {"layers": 3, "heads": 3, "width": 96}, "batch": 16, "rates": (0.02, 0.01), "seconds": "theirs"},
    "five_minutes": {"shape": {"layers": 3, "heads": 3, "width": 96, "context": 256}, "batch": 6, "rates": (0.02, 0.01),
                     "seconds": 300},
}
PARTS = ("theirs", *SETTINGS, "five_gram")


def place() -> Path:
    folder = runtime.runs_dir() / "benchmarks" / "nanogpt"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def read(text_path: str) -> tuple[str, str, list[str]]:
    """(training text, validation text, alphabet)."""
    text = Path(text_path).read_text(encoding="utf-8")
    cut = int(0.9 * len(text))
    return text[:cut], text[cut:], sorted(set(text))


# ---------------------------------------------------------------- theirs
class AsOurs:
    """nanoGPT's model with the interface that notebook 01's held_loss expects."""

    def __init__(self, model, context):
        self.model, self.shape = model, notebooks.definitions("01").Shape(1, context=context)

    def eval(self):
        self.model.eval()

    def __call__(self, ids):
        ids = ids.contiguous()
        return self.model(ids, ids)[0]  # with targets it returns the scores of every place


def theirs(options, seed: int) -> dict:
    """Runs nanoGPT's own command in a copy of its repository; only its fixed seed is changed."""
    work = place() / f"copy-{seed}"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(options.nanogpt, work, ignore=shutil.ignore_patterns(".git", "assets"))
    source = (work / "train.py").read_text()
    (work / "train.py").write_text(source.replace("manual_seed(1337 +", f"manual_seed({1337 + seed} +"))
    train, held, alphabet = read(options.text)
    number = {c: i for i, c in enumerate(alphabet)}
    data = work / "data" / "shakespeare_char"
    for name, part in (("train", train), ("val", held)):
        np.array([number[c] for c in part], dtype=np.uint16).tofile(data / f"{name}.bin")
    meta = {"vocab_size": len(alphabet), "stoi": number, "itos": dict(enumerate(alphabet))}
    (data / "meta.pkl").write_bytes(pickle.dumps(meta))
    start = time.perf_counter()
    log = subprocess.run([sys.executable, "train.py", *COMMAND], cwd=work, check=True, capture_output=True, text=True).stdout
    wall, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    took = {int(i): float(ms) / 1000 for i, ms in re.findall(r"iter (\d+): loss [\d.]+, time ([\d.]+)ms", log)}
    seconds = len(took) * stdlib_statistics.median(took.values())
    checkpoint = torch.load(work / "out-shakespeare-char" / "ckpt.pt", weights_only=False)
    model = _their_model(work, checkpoint)
    ids = torch.tensor([number[c] for c in held])
    return {"loss": notebooks.definitions("01").held_loss(AsOurs(model, 64), ids), "seconds": seconds, "wall": wall,
            "cpu": used.ru_utime + used.ru_stime, "steps": checkpoint["iter_num"],
            "own_measure": float(checkpoint["best_val_loss"]), "parameters": sum(p.numel() for p in model.parameters())}


def _their_model(work: Path, checkpoint):
    spec = importlib.util.spec_from_file_location("their_model", work / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.GPT(module.GPTConfig(**checkpoint["model_args"]))
    model.load_state_dict(checkpoint["model"])
    return model


# ---------------------------------------------------------------- ours
def fit(train_ids, setting: dict, vocabulary: int, seed: int, seconds: float | None = None):
    """Trains notebook 01's GPT by `setting`: for its steps, or for `seconds` by the clock, the step size falling to zero.

    Returns (model, seconds of training, CPU seconds, steps). By the clock busy moments of the machine count against us.
    """
    gpt = notebooks.definitions("01")
    shape = gpt.Shape(vocabulary, **setting["shape"])
    model = gpt.GPT(shape, seed=seed)
    tools, steps, cpu = gpt.optimizers(model, *setting["rates"]), 0, time.process_time()
    peaks, ticks = [tool.param_groups[0]["lr"] for tool in tools], [time.perf_counter()]
    while (used := (ticks[-1] - ticks[0]) / seconds if seconds else steps / setting["steps"]) < 1:
        batch = gpt.random_windows(train_ids, setting["batch"], shape.context, seed=1_000_000 * seed + steps)
        gpt.one_step(model, batch, tools, [peak * (1 - used) for peak in peaks])
        ticks.append(time.perf_counter())
        steps += 1
    took = ticks[-1] - ticks[0] if seconds else steps * float(np.median(np.diff(ticks)))
    return model, took, time.process_time() - cpu, steps


def ours(options, part: str, seed: int) -> dict:
    """One of our runs: seconds, loss and size."""
    train, held, alphabet = read(options.text)
    tokens = notebooks.definitions("01").Characters(alphabet)
    setting = SETTINGS[part]
    seconds = setting.get("seconds")
    if seconds == "theirs":
        seconds = json.loads((place() / f"theirs-{seed}.json").read_text())["seconds"]
    model, took, cpu, steps = fit(torch.tensor(tokens.encode(train)), setting, len(tokens), seed, seconds)
    loss = notebooks.definitions("01").held_loss(model, torch.tensor(tokens.encode(held)))
    return {"loss": loss, "seconds": took, "cpu": cpu, "steps": steps, "parameters": sum(p.numel() for p in model.parameters())}


def five_gram(options, seed: int) -> dict:
    """A count-based model of the same text: no training."""
    train, held, alphabet = read(options.text)
    gpt = notebooks.definitions("01")
    tokens, start = gpt.Characters(alphabet), time.perf_counter()
    loss = gpt.CountingModel(tokens.encode(train), 5, len(tokens)).loss(tokens.encode(held))
    return {"loss": loss, "seconds": time.perf_counter() - start}


# ---------------------------------------------------------------- recording
def kept(part: str, seeds: int) -> list[dict]:
    paths = [place() / f"{part}-{seed}.json" for seed in range(seeds)]
    return [json.loads(p.read_text()) for p in paths if p.exists()]


def record(seeds: int) -> None:
    """Records what has been run: medians over seeds with their smallest and largest."""
    found = {part: kept(part, seeds) for part in PARTS}

    def note(name, values, unit="", **more):
        if values:
            results.record(name, float(np.median(values)), unit, low=min(values), high=max(values), seeds=range(len(values)),
                           notebook="01", code=CODE, split="the last tenth of tinyshakespeare",
                           method="median over seeds; low and high: smallest and largest", **more)

    rival = found["theirs"]
    note("nanogpt_loss", [r["loss"] for r in rival], "nats a character")
    note("nanogpt_loss_own_measure", [r["own_measure"] for r in rival], "nats a character")
    for name in ("seconds", "cpu", "parameters"):
        note(f"nanogpt_{name}", [r[name] for r in rival], "s" if name != "parameters" else "")
    for part, name in (("fast", "nanogpt_time_ratio"), ("same_shape", "nanogpt_time_ratio_same_shape")):
        pairs = list(zip(found[part], rival, strict=False))
        if pairs:
            reached = all(a["loss"] <= b["loss"] for a, b in pairs)
            note(name if reached else f"{name}_not_reached", [a["seconds"] / b["seconds"] for a, b in pairs])
            note(f"{name}_cpu", [a["cpu"] / b["cpu"] for a, b in pairs])
            note(f"{part}_loss", [a["loss"] for a, _ in pairs], "nats a character")
            note(f"{part}_parameters", [a["parameters"] for a, _ in pairs])
    for part, name in (("equal_time", "equal_time"), ("five_minutes", "five_minute")):
        note(f"{name}_loss", [r["loss"] for r in found[part]], "nats a character")
        note(f"{name}_seconds", [r["seconds"] for r in found[part]], "s")
        note(f"{name}_parameters", [r["parameters"] for r in found[part]])
    note("five_gram_loss", [r["loss"] for r in found["five_gram"]], "nats a character")
    note("five_gram_seconds", [r["seconds"] for r in found["five_gram"]], "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", help="a clone of karpathy/nanoGPT")
    parser.add_argument("--text", required=True, help="the text file, such as tinyshakespeare")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--child", nargs=2, metavar=("PART", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    torch.set_num_threads(2)
    if options.child:
        part, seed = options.child[0], int(options.child[1])
        work = {"theirs": theirs, "five_gram": five_gram}.get(part)
        outcome = work(options, seed) if work else ours(options, part, seed)
        results.write_json(place() / f"{part}-{seed}.json", outcome)
        print(part, seed, json.dumps(outcome), flush=True)
        return
    for seed in range(options.seeds):
        for part in options.only:
            if not (place() / f"{part}-{seed}.json").exists() and (part != "five_gram" or seed == 0):
                subprocess.run([sys.executable, *sys.argv, "--child", part, str(seed)], check=True,
                               env={**os.environ, "OMP_NUM_THREADS": "2"})
        record(options.seeds)


if __name__ == "__main__":
    main()
