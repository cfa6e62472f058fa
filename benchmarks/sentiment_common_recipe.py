"""Our recipe against the common one: same model, data, machine, one run. Time to 0.90, time to classify, peak memory.

    python benchmarks/sentiment_common_recipe.py [--seeds 3] [--cap 1500] [--rows 100]

The common recipe is what most tutorials do: TRL on chat text with adapters on q and v, the loss on all tokens, batch 4,
learning rate 2e-4, TRL's defaults for the rest; answers by `generate`, at most 5 new tokens, one sentence at a time.
It is given the course's loader, which keeps the gradients that bitsandbytes would lose after the first check on some CPUs.
Time to 0.90: seconds in training steps (steps x the median step's seconds, so that a busy moment of the machine does not
count) until the first of two successive checks at 0.90 or better on the 150 validation rows, checked every 5 steps. Checks
are not counted, and are scored from the label tokens for both recipes, which can only help the common one. A check ends
early once 0.90 is out of reach; that changes no outcome. Each recipe and seed runs in a process of its own, so that peak
memory is its own. Needs COURSE_PHRASEBANK.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from course_utils import evaluation, models, results, runtime, sentiment, training  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
GOAL, EVERY, BLOCK = 0.90, 5, 30
OURS = training.Settings(learning_rate=1e-3, epochs=2, batch=8, checkpoint_every=0)


def reaches(model, tokenizer, rows) -> tuple[bool, float]:
    """Whether accuracy on `rows` is GOAL or better, and the accuracy so far; stops once GOAL is out of reach."""
    wrong = seen = 0
    for start in range(0, len(rows), BLOCK):
        answers = evaluation.classify(model, tokenizer, sentiment.TASK, rows[start:start + BLOCK])
        wrong, seen = wrong + int((1 - answers.right).sum()), seen + answers.n
        if wrong > (1 - GOAL) * len(rows) + 1e-9:
            return False, 1 - wrong / seen
    return True, 1 - wrong / seen


class Checker:
    """Checks every few steps; says stop after two successive successes. The first of the two is the time to the goal."""

    def __init__(self, tokenizer, rows):
        self.tokenizer, self.rows, self.streak = tokenizer, rows, 0

    def __call__(self, model, step) -> dict:
        good, accuracy = reaches(model, self.tokenizer, self.rows)
        self.streak = self.streak + 1 if good else 0
        print(f"  step {step}: {'reached' if good else 'not reached'} ({accuracy:.2f} so far)", flush=True)
        return {"good": good, "stop": self.streak >= 2}


def ours(parts, seed, cap):
    """The course's recipe: NF4, adapters on all linear layers, loss on the answer, batch 8."""
    model, tokenizer = models.load()
    model = models.attach_lora(model, seed=seed)
    settings = training.Settings(**{**OURS.__dict__, "seed": seed, "stop_after": cap})
    run = training.fit(model, tokenizer, sentiment.TASK, parts["train"], settings,
                       check=Checker(tokenizer, parts["validation"]), check_every=EVERY)
    return model, tokenizer, run


def common(parts, seed, cap):
    """The common recipe, by TRL, with TRL's defaults where it says nothing (bf16 off: a CPU refuses it)."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = models.load()
    chats = [{"messages": [*sentiment.TASK.prompt(r), {"role": "assistant", "content": r["label"]}]} for r in parts["train"]]
    here = runtime.machine()
    config = SFTConfig(output_dir=str(runtime.runs_dir() / "common"), per_device_train_batch_size=4, learning_rate=2e-4,
                       num_train_epochs=12, seed=seed, bf16=here.precision.bf16, use_cpu=here.device == "cpu",
                       report_to="none", save_strategy="no", logging_steps=1, disable_tqdm=True)
    trainer = SFTTrainer(model=model, args=config, train_dataset=Dataset.from_list(chats), processing_class=tokenizer,
                         peft_config=LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    run, timing = training.Training(), training.Settings(stop_after=cap)
    trainer.add_callback(training._callback(run, timing, None, Checker(tokenizer, parts["validation"]), EVERY))
    trainer.train()
    return trainer.model.eval(), tokenizer, run


def step_seconds(run) -> float:
    """The median step's seconds."""
    ends = [0.0, *(h["seconds"] for h in run.history)]
    return float(np.median(np.diff(ends)))


def time_to_goal(run) -> float | None:
    """Seconds to the first of two successive good checks, or None."""
    for first, second in zip(run.checks, run.checks[1:], strict=False):
        if first["good"] and second["good"]:
            return first["step"] * step_seconds(run)
    return None


def speeds(model, tokenizer, rows) -> dict[str, float]:
    """Seconds a sentence for six ways of answering the same rows; the merged copy in 16-bit where the machine computes it."""
    task, out = sentiment.TASK, {}
    model.eval()
    dense = models.merged(model)
    ways = {"generate": lambda: evaluation.classify_by_generating(model, tokenizer, task, rows),
            "scored one by one": lambda: evaluation.classify(model, tokenizer, task, rows, batch=1, reuse=False),
            "batched": lambda: evaluation.classify(model, tokenizer, task, rows, batch=16, reuse=False),
            "batched, prompt re-used": lambda: evaluation.classify(model, tokenizer, task, rows, batch=16, reuse=True),
            "merged, batched": lambda: evaluation.classify(dense, tokenizer, task, rows, batch=16, reuse=False),
            "merged, batched, prompt re-used": lambda: evaluation.classify(dense, tokenizer, task, rows, batch=16, reuse=True)}
    for name, way in ways.items():
        evaluation.classify(model if "merged" not in name else dense, tokenizer, task, rows[:8])  # warm up
        start = time.perf_counter()
        answers = way()
        out[name] = (time.perf_counter() - start) / len(rows)
        out[f"{name}: accuracy"] = answers.accuracy
    return out


def child(recipe: str, seed: int, cap: float, rows: int) -> None:
    parts = sentiment.phrasebank_split()
    model, tokenizer, run = {"ours": ours, "common": common}[recipe](parts, seed, cap)
    out = {"recipe": recipe, "seed": seed, "to_goal": time_to_goal(run), "steps": len(run.history),
           "step_seconds": step_seconds(run), "trained": len(run.history) * step_seconds(run), "wall": run.seconds,
           "peak_memory": runtime.peak_memory(), "threads": torch.get_num_threads(),
           "last": run.checks[-1] if run.checks else None}
    if seed == 0:
        out["speeds"] = speeds(model, tokenizer, parts["validation"][:rows])
    results.write_json(outcome_path(recipe, seed), out)
    print(json.dumps(out), flush=True)


def outcome_path(recipe, seed) -> Path:
    return runtime.runs_dir() / "benchmarks" / "sentiment" / f"{recipe}-{seed}.json"


def record(seeds: int, cap: float) -> None:
    """Records the ratios of what has been run."""
    def kept(recipe):
        return [json.loads(p.read_text()) for s in range(seeds) if (p := outcome_path(recipe, s)).exists()]

    runs = {recipe: kept(recipe) for recipe in ("ours", "common")}
    n = min(map(len, runs.values()))
    if not n:
        return
    reached = all(r["to_goal"] for r in runs["common"][:n])
    times = {name: [r["to_goal"] or r["trained"] for r in rs[:n]] for name, rs in runs.items()}
    ratios = [b / a for a, b in zip(times["ours"], times["common"], strict=True)]
    about = {"notebook": "03", "code": CODE, "seeds": range(n),
             "split": "FinancialPhraseBank all-agree, the easy subset, validation"}
    threads = sorted({r["threads"] for rs in runs.values() for r in rs[:n]})
    spread = f", {' and '.join(map(str, threads))} thread{'s' if threads != [1] else ''}"
    capped = "" if reached else f"; at least: capped at {cap:.0f} s"
    results.record("speedup_to_090", float(np.median(ratios)), "times", low=min(ratios), high=max(ratios), n=150,
                   method="median over seeds of seconds(common) / seconds(ours)" + spread + capped,
                   series=times, **about)
    speed = {r: runs[r][0]["speeds"] for r in runs}
    best, rival = "merged, batched, prompt re-used", speed["common"]["generate"]
    results.record("speedup_classify", rival / speed["ours"][best], "times", series=speed,
                   method="seconds a sentence, common / ours, one run" + spread, **about)
    for part, slow, fast in (("batching", "generate", "batched"), ("prompt_reuse", "batched", "batched, prompt re-used"),
                             ("merging", "batched, prompt re-used", best)):
        results.record(f"speedup_{part}", speed["ours"][slow] / speed["ours"][fast], "times", **about)
    for name, rs in runs.items():
        results.record(f"peak_memory_{name}", max(r["peak_memory"] for r in rs) / 1e9, "GB", **about)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cap", type=float, default=1500, help="seconds of training after which a recipe is stopped")
    parser.add_argument("--rows", type=int, default=100, help="sentences for the classification times")
    parser.add_argument("--child", nargs=2, metavar=("RECIPE", "SEED"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    if options.child:
        return child(options.child[0], int(options.child[1]), options.cap, options.rows)
    for seed in range(options.seeds):
        for recipe in ("ours", "common"):
            if not outcome_path(recipe, seed).exists():
                print(f"{recipe}, seed {seed}", flush=True)
                subprocess.run([sys.executable, __file__, "--child", recipe, str(seed), "--cap", str(options.cap), "--rows",
                                str(options.rows)], check=True)
            record(options.seeds, options.cap)


if __name__ == "__main__":
    main()
