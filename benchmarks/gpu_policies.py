"""The T4's precision policy proved without a T4: memory and numerics of three ways to train, capped at a T4's memory.

    python benchmarks/gpu_policies.py [--steps 200] [--only T4-safe] [--cap 14.5]

Ways: the course's T4 policy (float32, 4-bit arithmetic in float32: "T4-safe", or in float16: "T4-fast"), its policy from
capability 8.0 on (bfloat16: "sm80"), and TRL with its defaults as most tutorials use it ("stock"). Models: Gemma 3 1B's real
configuration with random weights, Gemma 3 270M and SmolLM2 with their real weights. For each: the seconds of a step (median),
the peak of memory, whether every loss was finite, and the largest batch and length that fit. The GPU's memory is capped, so
peak memory and numerics say what a T4 would meet; the time does not, and is given only as ours against stock on this device.
Each case runs in a process of its own. Without a GPU it prints "not run: no GPU" and records nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from course_utils import memory, models, registry, results, runtime  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
GIB = 2**30
MODELS = {"gemma-3-1b-it": "random weights", "gemma-3-270m": "real weights", "smollm2-135m": "real weights"}
WAYS = ("T4-safe", "T4-fast", "sm80", "stock")
CAPABILITY = {"T4-safe": (7, 5), "T4-fast": (7, 5), "sm80": (8, 0), "stock": (8, 0)}
SHAPE = (2, 2048)  # the goal: batch 2, 2,048 tokens
BATCHES, LENGTHS = (1, 2, 4, 8, 16, 32), (256, 512, 1024, 2048, 4096, 8192)


# ---------------------------------------------------------------- what can be checked on any machine
def machine_of(way: str) -> runtime.Machine:
    """A GPU machine with the number formats that `way` would choose."""
    kind = runtime.precision("cuda", CAPABILITY[way], fast=way == "T4-fast")
    return runtime.Machine("cuda", "as a T4" if way.startswith("T4") else "as it is", 2, 0, int(14.5 * GIB), kind)


def arguments(way: str, batch: int, length: int, steps: int, folder: str) -> dict:
    """SFTConfig's arguments. The course's own as in `training`; "stock" leaves all but the job's shape at TRL's defaults."""
    common = dict(output_dir=folder, max_steps=steps, per_device_train_batch_size=batch, max_length=length, seed=0,
                  report_to="none", save_strategy="no", logging_steps=1, disable_tqdm=True, logging_nan_inf_filter=False)
    if way == "stock":
        return common
    return common | dict(learning_rate=5e-4, warmup_steps=0.06, lr_scheduler_type="linear", max_grad_norm=1.0, fp16=False,
                         bf16=machine_of(way).precision.bf16, gradient_checkpointing=True, completion_only_loss=True,
                         dataloader_pin_memory=False)


def adapters(way: str) -> dict:
    """LoraConfig's arguments: all linear layers, or q and v, the usual choice of tutorials."""
    return dict(r=16, lora_alpha=32, task_type="CAUSAL_LM",
                target_modules=["q_proj", "v_proj"] if way == "stock" else "all-linear")


def largest(fits, sizes) -> int | None:
    """The largest of `sizes` (ascending) for which fits(size) is true, stopping at the first that is not; None if none."""
    best = None
    for size in sizes:
        if not fits(size):
            break
        best = size
    return best


def summary(seconds: list[float], losses: list[float], peak: int) -> dict:
    """One case's outcome. seconds, losses: one a step; the first three steps (warm-up) are left out of the median."""
    return {"step_seconds": round(statistics.median(seconds[3:] or seconds), 4), "peak_gib": round(peak / GIB, 3),
            "steps": len(losses), "finite": all(map(math.isfinite, losses)), "first_loss": losses[0], "last_loss": losses[-1]}


def verdict(ours: dict, stock: dict, cap: float) -> dict:
    """The goal for one model: fits under the cap, every loss finite, and time or memory at most 0.8 of stock's."""
    if "step_seconds" not in ours:
        return {"met": False, "why": ours.get("error", "did not run")}
    if "step_seconds" not in stock:  # stock did not fit where ours does
        return {"met": ours["finite"] and ours["peak_gib"] <= cap, "why": f"stock: {stock.get('error', 'did not run')}"}
    time_ratio, memory_ratio = ours["step_seconds"] / stock["step_seconds"], ours["peak_gib"] / stock["peak_gib"]
    met = ours["finite"] and ours["peak_gib"] <= cap and min(time_ratio, memory_ratio) <= 0.8
    return {"met": met, "time_ratio": round(time_ratio, 3), "memory_ratio": round(memory_ratio, 3)}


def table(rows: list[dict]) -> str:
    """The outcomes as Markdown."""
    names = ["model", "way", "step_seconds", "peak_gib", "finite", "largest_batch", "largest_length", "error"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(str(row.get(n, "")) for n in names) + " |" for row in rows])


# ---------------------------------------------------------------- what needs the GPU
def load(name: str, way: str):
    """The model in 4 bits as `way` loads it, and a tokenizer. Gemma 3 1B: its published shape with random weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    here = machine_of(way)
    if MODELS[name] == "real weights":
        return models.load(name, machine=here)
    place = runtime.cache_dir() / f"{name}-random"
    if not (place / "config.json").exists():
        kind, changes = registry.CONFIGURATIONS[name]
        import transformers

        torch.manual_seed(0)
        config = getattr(transformers, kind)(**changes)
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(place)
    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                              bnb_4bit_compute_dtype=getattr(torch, here.precision.compute))
    model = AutoModelForCausalLM.from_pretrained(place, dtype=getattr(torch, here.precision.dtype), device_map={"": "cuda"},
                                                 quantization_config=four)
    return model, AutoTokenizer.from_pretrained(registry.local_copy("smollm2-135m"))


def trainer_of(name: str, way: str, batch: int, length: int, steps: int):
    """TRL's trainer over random token ids: every row is `length` tokens long, a quarter of them graded (stock: all)."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    model, tokenizer = load(name, way)
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(10, 40_000, (batch * 8, length), generator=draw).tolist()
    mask = [0] * (length - length // 4) + [1] * (length // 4)
    rows = [{"input_ids": row} | ({} if way == "stock" else {"completion_mask": mask}) for row in ids]
    config = SFTConfig(**arguments(way, batch, length, steps, str(runtime.runs_dir() / "gpu_policies")))
    trainer = SFTTrainer(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                         peft_config=LoraConfig(**adapters(way)))
    if way != "stock":
        models.adapters_to_float32(trainer.model)
    return trainer


class StepTimes:
    """Seconds of each optimiser step. wait: called before the clock is read, so that the GPU has finished."""

    def __init__(self, wait):
        self.wait, self.seconds, self.began = wait, [], 0.0

    def callback(self):
        from transformers import TrainerCallback

        times = self

        class Watch(TrainerCallback):
            def on_step_begin(self, *_, **__):
                times.began = time.perf_counter()

            def on_step_end(self, *_, **__):
                times.wait()
                times.seconds.append(time.perf_counter() - times.began)

        return Watch()


def measure(name: str, way: str, batch: int, length: int, steps: int) -> dict:
    """Trains; returns `summary`, or {"error"} when memory runs out or a library refuses."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    try:
        trainer = trainer_of(name, way, batch, length, steps)
        watch = StepTimes(torch.cuda.synchronize)
        trainer.add_callback(watch.callback())
        trainer.train()
        losses = [h["loss"] for h in trainer.state.log_history if "loss" in h]
        return summary(watch.seconds, losses, torch.cuda.max_memory_allocated())
    except Exception as error:
        memory.release()
        return {"error": "out of memory" if memory.is_out_of_memory(error) else f"{type(error).__name__}: {str(error)[:150]}"}


def case(name: str, way: str, steps: int) -> dict:
    """One model trained one way at SHAPE, then the largest batch and length that fit (three steps each)."""
    out = measure(name, way, *SHAPE, steps)
    out["largest_length"] = largest(lambda n: "error" not in measure(name, way, SHAPE[0], n, 3), LENGTHS)
    out["largest_batch"] = largest(lambda n: "error" not in measure(name, way, n, SHAPE[1], 3), BATCHES)
    return {"model": name, "weights": MODELS[name], "way": way, **out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cap", type=float, default=14.5, help="GiB of GPU memory to allow")
    parser.add_argument("--only", choices=WAYS, action="append")
    parser.add_argument("--child", nargs=2, metavar=("MODEL", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("not run: no GPU")
        return
    runtime.quiet()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, options.cap * GIB / total))
    if options.child:
        print("ROW " + json.dumps(case(*options.child, options.steps)), flush=True)
        return
    os.environ.setdefault("COURSE_SCALE", "colab")
    rows = []
    for name in MODELS:
        for way in options.only or WAYS:
            command = [sys.executable, __file__, "--child", name, way, "--steps", str(options.steps), "--cap", str(options.cap)]
            out = subprocess.run(command, capture_output=True, text=True)
            said = [line for line in out.stdout.splitlines() if line.startswith("ROW ")]
            failed = {"model": name, "way": way, "error": out.stderr[-300:]}
            rows.append(json.loads(said[0][4:]) if said else failed)
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(rows))
    record(rows, options)


def record(rows: list[dict], options) -> None:
    """Keeps the table and, for each model, the goal's outcome for the T4 policy against stock."""
    found = {(row["model"], row["way"]): row for row in rows}
    goals = {f"{m} {w}": verdict(found[m, w], found[m, "stock"], options.cap)
             for m in MODELS for w in ("T4-safe", "T4-fast", "sm80") if (m, w) in found and (m, "stock") in found}
    how = f"memory capped at {options.cap} GiB; batch {SHAPE[0]}, {SHAPE[1]} tokens; one run of {options.steps} steps"
    results.record("gpu_policies", sum(g["met"] for g in goals.values()), "goals met", n=len(goals), notebook="benchmarks",
                   code=CODE, method=how, split="random tokens", series=rows, goals=goals)


if __name__ == "__main__":
    main()
