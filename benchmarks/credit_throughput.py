"""Training throughput on the credit cases: the course's settings against TRL's, the same work on the same machine in one run.

    python benchmarks/credit_throughput.py [--steps 8]

The work: reasoning examples with the calculator, 4 cases a step, LoRA of rank 16 on all linear layers of SmolLM2-135M.
"ours": as notebook 04 trains on this machine (a laptop: unquantised in bfloat16, 1 case at a time). "stock 4-bit" and "stock":
TRL with its defaults, the 4 cases of a step padded to the longest, the base in NF4 or as TRL loads it (float32 on a CPU).
Tokens a second: tokens of the cases without padding, by the seconds of the steps after the first. Each way runs in a process
of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from course_utils import models, registry, results, runtime, training  # noqa: E402
from course_utils.credit.task import CreditTask, load  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
WAYS = ("ours", "stock 4-bit", "stock")
TASK, BATCH, RATE = CreditTask("calculator"), 4, 1e-3


class Clock:
    """Seconds of each optimiser step, as a trainer's callback."""

    def __init__(self):
        self.seconds, self.began = [], 0.0

    def callback(self):
        from transformers import TrainerCallback

        clock = self

        class Watch(TrainerCallback):
            def on_step_begin(self, *_, **__):
                clock.began = time.perf_counter()

            def on_step_end(self, *_, **__):
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                clock.seconds.append(time.perf_counter() - clock.began)

        return Watch()


def ours(rows: list[dict], steps: int) -> list[float]:
    """Notebook 04's settings; the seconds of each step."""
    here = runtime.machine()
    gpu = here.device == "cuda"
    model, tokenizer = models.load("smollm2-135m", four_bit=gpu, dtype=None if gpu else runtime.answering_dtype(here))
    model = models.attach_lora(model)
    settings = training.Settings(learning_rate=RATE, epochs=1, steps=steps, batch=2 if gpu else 1, accumulate=2 if gpu else BATCH,
                                 max_length=1024, checkpoint_every=0)
    ends = [0.0, *(h["seconds"] for h in training.fit(model, tokenizer, TASK, rows, settings).history)]
    return [b - a for a, b in zip(ends, ends[1:], strict=False)]


def stock(rows: list[dict], steps: int, four_bit: bool) -> list[float]:
    """TRL's defaults where they say something; the same adapters and cases a step."""
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    here = runtime.machine()
    model, tokenizer = models.load("smollm2-135m")
    if not four_bit:
        model = AutoModelForCausalLM.from_pretrained(registry.local_copy("smollm2-135m"), dtype=torch.float32)
    config = SFTConfig(output_dir=str(runtime.runs_dir() / "unsaved"), max_steps=steps, per_device_train_batch_size=BATCH,
                       learning_rate=RATE, bf16=here.precision.bf16, use_cpu=here.device == "cpu", report_to="none",
                       save_strategy="no", logging_steps=1, disable_tqdm=True)
    trainer = SFTTrainer(model=model, args=config, train_dataset=training.examples(TASK, rows), processing_class=tokenizer,
                         peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
    clock = Clock()
    trainer.add_callback(clock.callback())
    trainer.train()
    return clock.seconds


def child(way: str, steps: int) -> None:
    """One way, measured; printed as JSON on the last line. Both ways read the same cases, all of them once."""
    rows = load("train", BATCH * steps)
    seconds = ours(rows, steps) if way == "ours" else stock(rows, steps, way == "stock 4-bit")
    _, tokenizer = models.load("smollm2-135m", four_bit=False)
    tokens = sum(training._lengths(tokenizer, TASK, rows, 4096)) * (steps - 1) / steps  # of the steps that are counted
    print(json.dumps({"way": way, "tokens_a_second": tokens / sum(seconds[1:]), "peak_memory": runtime.peak_memory() / 1e9,
                      "step_seconds": seconds}), flush=True)


def record(found: list[dict], steps: int) -> None:
    speed = {made["way"]: made["tokens_a_second"] for made in found}
    about = {"notebook": "04", "code": CODE, "split": "training cases", "n": BATCH * steps}
    threads = f"{steps} steps of {BATCH} cases, one run, {torch.get_num_threads()} threads"
    results.record("throughput", speed, "tokens/s", method=threads, **about)
    results.record("throughput_peak_memory", {made["way"]: made["peak_memory"] for made in found}, "GB", method=threads, **about)
    for rival in WAYS[1:]:
        results.record(f"throughput_against_{rival.replace(' ', '_').replace('-', '')}", speed["ours"] / speed[rival], "times",
                       method=threads, **about)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    if options.child:
        return child(options.child, options.steps)
    found = []
    for way in WAYS:
        made = subprocess.run([sys.executable, __file__, "--child", way, "--steps", str(options.steps)], check=True, text=True,
                              stdout=subprocess.PIPE)
        found.append(json.loads(made.stdout.strip().splitlines()[-1]))
        print(f"{way:12s} {found[-1]['tokens_a_second']:.0f} tokens/s, peak {found[-1]['peak_memory']:.1f} GB", flush=True)
    record(found, options.steps)


if __name__ == "__main__":
    main()
