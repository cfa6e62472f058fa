"""Study behind notebook 04: does training on reasoning beat training on labels, and what does each setting do?

    python benchmarks/studies/credit_reasoning.py PART [PART ...] [--only UNIT ...]

PART: central (answer-only, reasoning, calculator; three seeds), curve (how much data: D6), rates (R3), ranks (R8),
targets (R9), batches (N2), mixtures (D7, D8, N4), epochs (R2, F3), temperature (R4). `credit_record.py` records them.
Every unit is kept in runs/studies/credit (after `make publish` in data/results/studies), its training in checkpoints: a
stopped study goes on where it was. Settings were chosen on the validation cases. On a CPU the base is unquantised in bfloat16:
twice as fast as 4 bits there, and the loss falls alike. Answers are in the house form, but for the unit "five forms" (D8).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import answering, models, results, runtime, studies, training  # noqa: E402
from course_utils.credit import calculator  # noqa: E402
from course_utils.credit.dataset import in_house_form  # noqa: E402
from course_utils.credit.task import STYLES, CreditTask, gold, load, mix  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
CASES, SEEDS = 1000, (0, 1, 2)
RECIPE = training.Settings(learning_rate=1e-3, epochs=1, batch=2, accumulate=2, max_length=1024, checkpoint_every=20)
SMALL = 300  # cases in the experiments on one setting
LONGEST = {"answer-only": 60, "reasoning": 640, "calculator": 640}  # tokens an answer may have; the longest reference has 619


@dataclass(frozen=True)
class Plan:
    """One unit: what to train on and how, and which cases to answer. check: the split and number of cases to answer."""

    name: str
    style: str
    cases: int
    seed: int = 0
    settings: training.Settings = RECIPE
    lora: dict = field(default_factory=dict)
    core: float = 0.1
    change: str = ""
    checks: tuple = (("test", 300),)


def rows_for(plan: Plan) -> list[dict]:
    """The training rows of a plan: cases drawn by its seed, the core corpus mixed in."""
    rows = load("train")
    random.Random(f"{plan.seed}/cases").shuffle(rows)
    if plan.change == "skewed":  # most cases from three clusters, as a firm's own archive might be
        few = sorted({r["cluster"] for r in rows})[:3]
        rows = [r for r in rows if r["cluster"] in few] + [r for r in rows if r["cluster"] not in few]
    rows = rows[:plan.cases]
    return mix(rows if plan.change == "five forms" else list(map(in_house_form, rows)), plan.core, plan.seed)


def trained(plan: Plan, check=None, check_every: int = 0):
    """A base with the plan's adapter trained on it; goes on from its last checkpoint."""
    runtime.seed_everything(plan.seed)
    model, tokenizer = models.load(four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))
    model = models.attach_lora(model, seed=plan.seed, **plan.lora)
    settings = replace(plan.settings, seed=plan.seed)
    run = training.fit(model, tokenizer, CreditTask(plan.style), rows_for(plan), settings,
                       folder=runtime.runs_dir() / "credit" / "training" / plan.name, watch=training.progress(10),
                       check=check, check_every=check_every)
    return model, tokenizer, run


def answered(model, tokenizer, style: str, rows: list[dict], temperature: float = 0.0) -> list[dict]:
    """What the grader says of the model's answers, one dict a case, with the answer itself."""
    tool = calculator.tool if style == "calculator" else None
    texts = answering.write(model, tokenizer, CreditTask(style), rows, max_new_tokens=LONGEST[style],
                            temperature=temperature, tool=tool)
    return [graded(style, row, text) for row, text in zip(rows, texts, strict=True)]


def graded(style: str, row: dict, answer: answering.Written) -> dict:
    grade, truth = CreditTask(style).grade(row, answer.text), (row.get("truth") or row["decision"])["action"]
    return {"id": row["id"], "cluster": row["cluster"], "type": row["type"], "truth": truth, "action": grade.action,
            "right": grade.action_right, "parsed": grade.parsed, "rating": grade.rating_right, "breaches": grade.breaches_right,
            "arithmetic": grade.arithmetic, "consistent": grade.consistent, "cost": grade.cost,
            "repetition": grade.repetition, "ended": answer.ended, "tokens": answer.tokens, "text": answer.text}


def part_rows(split: str, n: int) -> list[dict]:
    return gold()[:n] if split == "gold" else load(split, n)


# ---------------------------------------------------------------- units
def run(plan: Plan) -> dict:
    """Trains, saves the adapter, answers and grades; returns what is kept of it."""
    model, tokenizer, training_run = trained(plan)
    folder = models.save_adapter(model, runtime.runs_dir() / "credit" / "adapters" / plan.name, "smollm2-135m", half=True,
                                 plan=str(plan), code=CODE)
    dense, _ = models.merged_file(folder)  # what is measured is the file that is shipped
    out = {"loss": training_run.loss, "tokens": training_run.tokens, "train_seconds": training_run.seconds, "splits": {}}
    for split, n in plan.checks:
        began = time.time()
        out["splits"][split] = keep(plan.name, split, answered(dense, tokenizer, plan.style, part_rows(split, n)))
        out["splits"][split]["seconds"] = time.time() - began
        print(plan.name, split, summary(out["splits"][split]), flush=True)
    return out | {"plan": str(plan)}


def keep(name: str, split: str, grades: list[dict]) -> dict:
    """Columns of figures for the outcome; the texts go beside it, packed."""
    place = runtime.runs_dir() / "credit" / "answers" / f"{name}-{split}.jsonl.gz"
    place.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(place, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(g, ensure_ascii=False) + "\n" for g in grades)
    return {name: [g[name] for g in grades] for name in grades[0] if name != "text"}


def summary(kept: dict) -> str:
    figures = {k: np.mean([float(x) for x in kept[k]]) for k in ("right", "parsed", "arithmetic", "cost", "ended")}
    return "  ".join(f"{k} {v:.3f}" for k, v in figures.items())


def unit(name: str, work) -> dict:
    return studies.unit("credit", name, work)


ELSEWHERE = (("heldout_sector", 100), ("heldout_cluster", 100), ("gold", 30))


def central():
    for seed in SEEDS:
        yield from (Plan(f"{style}-{CASES}-{seed}", style, CASES, seed) for style in reversed(STYLES))
        equal = replace(RECIPE, epochs=2.25)  # its rows are shorter
        yield Plan(f"answer-only-equal-tokens-{seed}", "answer-only", CASES, seed, equal)


def elsewhere(plan: Plan) -> dict:
    """The saved adapter of a central unit on the sector and the scenario never seen, and on the gold tasks."""
    model, tokenizer = models.merged_file(runtime.runs_dir() / "credit" / "adapters" / plan.name)
    return {"splits": {split: keep(plan.name, split, answered(model, tokenizer, plan.style, part_rows(split, n)))
                       for split, n in ELSEWHERE}}


def small(name: str, style: str = "calculator", settings=None, **more) -> Plan:
    return Plan(name, style, SMALL, 0, replace(RECIPE, **(settings or {})), checks=(("validation", 100),), **more)


def curve():
    return [Plan(f"curve-{n}-0", "calculator", n, 0, checks=(("test", 300),)) for n in (75, 300, 3000)]


def rates():
    return [small(f"rate-{rate:g}", settings={"learning_rate": rate}) for rate in (2e-4, 1e-3, 2e-3, 5e-3)]


def ranks():
    return [small(f"rank-{r}", lora={"r": r, "alpha": 2 * r}) for r in (2, 32, 64)]


def targets():
    """Attention alone at r = 42 has about the weights of all linear layers at r = 16."""
    four = ["q_proj", "k_proj", "v_proj", "o_proj"]
    return [small("attention-42", lora={"r": 42, "alpha": 84, "targets": four}),
            small("attention-16", lora={"r": 16, "alpha": 32, "targets": four})]


def batches():
    return [small(f"batch-{4 * k}", settings={"accumulate": 2 * k}) for k in (2, 4, 8, 16)]


def mixtures():
    return [small("skewed", change="skewed"), small("no-core", core=0.0),
            Plan(f"five-forms-{CASES}-0", "calculator", CASES, change="five forms")]


def by_epoch() -> dict:
    """150 cases seen up to seven times at a constant rate: 40 validation and 40 training cases answered after each pass."""
    plan = Plan("epochs", "calculator", 150, settings=replace(RECIPE, epochs=7, schedule="constant_with_warmup"), core=0.0)
    seen, fresh, checks = rows_for(plan)[:40], load("validation", 40), []

    def check(model, step):
        dense, tokenizer = models.merged(model), models.load(four_bit=False)[1]
        kept = {which: answered(dense, tokenizer, plan.style, rows) for which, rows in (("seen", seen), ("fresh", fresh))}
        checks.append({which: keep(f"epochs-{step}", which, grades) for which, grades in kept.items()})
        return {}

    _, _, run = trained(plan, check, -(-plan.cases // 4))
    return {"checks": checks, "losses": [h["loss"] for h in run.history], "tokens": run.tokens}


def by_temperature() -> dict:
    """The central calculator adapter, 60 validation cases answered at each temperature; greedy at 0."""
    model, tokenizer = models.merged_file(runtime.runs_dir() / "credit" / "adapters" / f"calculator-{CASES}-0")
    rows, out = load("validation", 60), {}
    for t in (0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2):
        out[f"{t:g}"] = keep(f"temperature-{t:g}", "validation", answered(model, tokenizer, "calculator", rows, t))
    return {"checks": out}


PARTS = {"central": central, "curve": curve, "rates": rates, "ranks": ranks, "targets": targets, "batches": batches,
         "mixtures": mixtures}
SINGLE = {"epochs": by_epoch, "temperature": by_temperature}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=[*PARTS, *SINGLE])
    parser.add_argument("--only", nargs="+", default=(), help="names of units, such as calculator-500-0")
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    for part in options.part:
        if part in SINGLE:
            unit(part, SINGLE[part])
            continue
        for plan in PARTS[part]():
            if not options.only or plan.name in options.only:
                unit(plan.name, lambda plan=plan: run(plan))
                if part == "central":
                    unit(f"elsewhere-{plan.name}", lambda plan=plan: elsewhere(plan))


if __name__ == "__main__":
    main()
