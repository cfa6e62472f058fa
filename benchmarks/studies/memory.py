"""Study behind notebook 02: does the memory calculator predict what training really takes?

    python benchmarks/studies/memory.py

Each case trains SmolLM2-135M's real weights for two steps in a process of its own. Measured is the most that torch held at
one time: the weights' bytes plus the peak of all its allocations, read from torch's own profiler (on a GPU the figure is
torch.cuda.max_memory_allocated). What the whole process held is given beside it: Python, the libraries and the memory
allocator's gaps come on top, about half a gigabyte and more. float32 on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import models, notebooks, results, runtime  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
NAME = "smollm2-135m"
CASES = [  # method, batch, tokens, checkpointing
    ("full", 4, 64, False), ("full", 8, 128, False), ("LoRA", 8, 64, False), ("LoRA", 4, 256, False),
    ("LoRA", 8, 256, True), ("QLoRA", 8, 64, False), ("QLoRA", 4, 256, False), ("QLoRA", 8, 256, True),
]


def process_peak() -> int:
    """The most this process has held so far, in bytes."""
    return runtime.peak_memory()


def allocated_peak(profile) -> int:
    """The largest sum of live allocations during a profile, in bytes, beyond what was live when it began."""
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def measure(method: str, batch: int, tokens: int, checkpointing: bool) -> tuple[int, int]:
    """Bytes that torch held at the peak of two training steps, and bytes that the process held."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    torch.manual_seed(0)
    model, tokenizer = models.load(NAME, four_bit=method == "QLoRA")
    if method != "full":
        model = models.attach_lora(model)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5, foreach=False)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        for _ in range(2):
            ids = torch.randint(10, 40_000, (batch, tokens))
            model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return sum(models.weight_bytes(model).values()) + allocated_peak(trace), process_peak()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    if options.case is not None:
        print("BYTES", *measure(*CASES[options.case]))
        return
    calculated, table = notebooks.definitions("02").memory, []
    for i, (method, batch, tokens, checkpointing) in enumerate(CASES):
        out = subprocess.run([sys.executable, __file__, "--case", str(i)], capture_output=True, text=True, check=True).stdout
        measured, process = map(int, re.search(r"BYTES (\d+) (\d+)", out).groups())
        expected = calculated(NAME, method, batch, tokens, number=4, checkpointing=checkpointing)["peak"]
        table.append({"method": method, "batch": batch, "tokens": tokens, "checkpointing": checkpointing,
                      "measured GB": round(measured / 1e9, 3), "calculated GB": round(expected / 1e9, 3),
                      "error": round(expected / measured - 1, 3), "process GB": round(process / 1e9, 2)})
        print(json.dumps(table[-1]), flush=True)
    worst = max(abs(row["error"]) for row in table)
    results.record("memory_calculator_error", worst, "share", n=len(table), method="largest of |calculated / measured - 1|",
                   split=f"{NAME}, float32, two training steps", notebook="02", code=CODE, series=table)


if __name__ == "__main__":
    main()
