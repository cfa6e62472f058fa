"""Study behind notebook 06: what is worth doing to the saved credit adapter before it becomes a product?

    python benchmarks/studies/product.py PART [PART ...] [--unit calculator-500-0] [--ship]

PART, the most telling first, with minutes on one core: preferences (R6: DPO, 45), forms (L5: merged and rounded, 15), sectors
(R7: three adapters and their cross matrix, 50), rerank (R6, 13), system_line (R5, 6), names (fairness, 7), record. Every unit
is kept in runs/studies/product (after `make publish` in data/results/studies), its training in checkpoints: a stopped study
goes on where it was. All start from data/adapters/credit-calculator, whose answers to the test cases are those of --unit in
the study of notebook 04. One seed each: exploratory. --ship copies the sector adapters to data/adapters.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import credit_reasoning as credit  # noqa: E402

from course_utils import answering, evaluation, models, results, runtime, studies, training  # noqa: E402
from course_utils.choosing import engines, systems, tasks  # noqa: E402
from course_utils.credit import calculator  # noqa: E402
from course_utils.credit.policy import ACTIONS  # noqa: E402
from course_utils.credit.task import CreditTask, gold, load  # noqa: E402
from course_utils.product import adapters, merging, monitoring, preferences, reranking  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
BASE, STYLE, START = "smollm2-135m", "calculator", "credit-calculator"
TYPES = ("corporate", "sovereign", "structured")
EACH, HELD_EACH = 40, 8  # pairs of each fault, to train on and held out
DPO = preferences.Settings(learning_rate=1e-4, batch=2, accumulate=2, checkpoint_every=5)
SECTOR_CASES, SECTOR_TESTS = 120, 30
SECTOR = training.Settings(learning_rate=1e-3, epochs=1, batch=2, accumulate=2, max_length=1024, checkpoint_every=10)
SAMPLED, SAMPLES = 60, 4
SMALL = 30  # cases where a figure only describes
LINE = "You are a senior credit analyst at a large bank. Be precise, sober and decisive."  # source 004 names no wording


@dataclass(frozen=True)
class Spoken(CreditTask):
    """The credit task with one more line in front of its instruction."""

    line: str = ""

    def prompt(self, row: dict, style: str | None = None) -> list[dict]:
        first, *rest = super().prompt(row, style)
        return [first | {"content": f"{self.line} {first['content']}".strip()}, *rest]


# ---------------------------------------------------------------- what it starts from
def unit(name: str, work, say=lambda _: "") -> dict:
    return studies.unit("product", name, work, say)


def place() -> Path:
    return runtime.runs_dir() / "product"


@cache
def before(name: str) -> dict:
    """The outcome of the unit whose adapter is shipped. Raises CourseError where the two do not belong together."""
    found, card = studies.outcome("credit", name), adapters.SHIPPED / START / "card.json"
    if found is None or not card.exists():
        raise runtime.CourseError(f"There is no outcome {name}, or no data/adapters/{START}.",
                                  f"run credit_reasoning.py, then credit_record.py --ship {name}.")
    if json.loads(card.read_text(encoding="utf-8"))["tokens"] != found["tokens"]:
        raise runtime.CourseError(f"data/adapters/{START} was not made by {name}.", "name its unit with --unit.")
    return found


def written(model, tokenizer, task: CreditTask, rows: list[dict], limit: int = 640) -> list[dict]:
    tool = calculator.tool if task.style == STYLE else None
    texts = answering.write(model, tokenizer, task, rows, max_new_tokens=limit, tool=tool)
    return [credit.graded(task.style, row, text) for row, text in zip(rows, texts, strict=True)]


def answered(folder: Path, rows: list[dict], name: str) -> dict:
    """Columns of grades of a saved adapter's answers; the texts are kept beside them."""
    return credit.keep(f"product-{name}", "answers", written(*models.merged_file(folder, BASE), CreditTask(STYLE), rows))


def share(kept: dict) -> str:
    return credit.summary(kept)


# ---------------------------------------------------------------- preferences (R6)
def chosen_pairs() -> tuple[list[dict], list[dict]]:
    """(pairs to train on, pairs held out): of each fault the shorter ones, so that an hour suffices; shuffled."""
    draw, train, held = random.Random("0/product"), [], []
    rows = preferences.pairs(STYLE)
    for fault in sorted({row["fault"] for row in rows}):
        mine = [row for row in rows if row["fault"] == fault]
        mine = sorted(mine, key=lambda r: len(r["prompt"][-1]["content"]) + len(r["chosen"]))[:EACH + HELD_EACH]
        draw.shuffle(mine)
        train, held = train + mine[:EACH], held + mine[EACH:]
    draw.shuffle(train)
    return train, held


def weighed(model, tokenizer, rows: list[dict]) -> list[list[float]]:
    """For each pair the mean log-probability a token of the chosen and of the rejected answer."""
    return [[float(np.mean(preferences.log_probabilities(model, tokenizer, pair, side))) for side in preferences.SIDES]
            for pair in rows]


def dpo() -> dict:
    runtime.seed_everything(0)
    base, tokenizer = models.load(BASE, four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))
    model = models.load_adapter(base, adapters.SHIPPED / START, BASE)
    rows, held = chosen_pairs()
    run = preferences.fit(model, tokenizer, rows, DPO, place() / "dpo-training", watch=training.progress(5))
    models.save_adapter(model, place() / "dpo", BASE, half=True, settings=str(DPO), pairs=len(rows), code=CODE)
    now = weighed(model, tokenizer, held)
    with preferences.as_reference(model):
        then = weighed(model, tokenizer, held)
    faults = [pair["fault"] for pair in held]
    return {"history": run.history, "tokens": run.tokens, "train_seconds": run.seconds, "settings": str(DPO), "pairs": len(rows),
            "held": {"now": now, "then": then, "fault": faults}}


def general(folder: Path) -> dict:
    """General knowledge and language, multiple choice: what the training may have cost."""
    return systems.general_scores(engines.ChatModel(*models.merged_file(folder, BASE)), tasks.general("held"))


def part_preferences(name: str) -> None:
    before(name)
    unit("dpo", dpo)
    for split, n in (("test", 300), ("gold", 30)):
        rows = gold()[:n] if split == "gold" else load(split, n)
        unit(f"dpo-{split}", partial(answered, place() / "dpo", rows, f"dpo-{split}"), share)
    for kind, folder in (("before", adapters.SHIPPED / START), ("after", place() / "dpo")):
        unit(f"general-{kind}", partial(general, folder), lambda o: f"{np.mean(o['right']):.3f}")


# ---------------------------------------------------------------- choosing among samples (R6)
def rerank() -> dict:
    rows, task = load("test", SAMPLED), CreditTask(STYLE)
    model, tokenizer = models.merged_file(adapters.SHIPPED / START, BASE)
    samples = reranking.sample(model, tokenizer, task, rows, SAMPLES, tool=calculator.tool)
    results.write_json(place() / "samples.json", samples)
    return {"marks": reranking.compare(task, rows, samples), "samples": SAMPLES, "rows": len(rows)}


# ---------------------------------------------------------------- sectors (R7)
def sector(kind: str) -> dict:
    runtime.seed_everything(0)
    rows = [row for row in load("train") if row["type"] == kind]
    random.Random(f"0/{kind}").shuffle(rows)
    model, tokenizer = models.load(BASE, four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))
    model = models.attach_lora(model, r=8, alpha=16)
    run = training.fit(model, tokenizer, CreditTask(STYLE), rows[:SECTOR_CASES], SECTOR, place() / f"{kind}-training",
                       watch=training.progress(10))
    models.save_adapter(model, place() / kind, BASE, half=True, data=f"data/credit/train.jsonl.gz, {kind} cases",
                        cases=SECTOR_CASES, tokens=run.tokens, settings=str(SECTOR), code=CODE, licence="Apache-2.0")
    return {"loss": run.loss, "tokens": run.tokens, "train_seconds": run.seconds}


def sector_rows() -> list[dict]:
    """The first test cases of each type, among the 300 that the shipped adapter has answered."""
    rows = load("test", 300)
    return [row for kind in TYPES for row in [r for r in rows if r["type"] == kind][:SECTOR_TESTS]]


def mixed() -> dict:
    """The three adapters added up with equal weights, merged and asked like the others."""
    import torch

    base, tokenizer = models.load(BASE, four_bit=False)
    model = adapters.load_several(base, {kind: place() / kind for kind in TYPES}, BASE)
    adapters.combine(model, dict.fromkeys(TYPES, 1 / 3), "mix")
    dense = model.merge_and_unload(adapter_names=["mix"]).to(getattr(torch, runtime.answering_dtype(runtime.machine())))
    dense.set_attn_implementation("sdpa")
    return credit.keep("product-mix", "answers", written(dense.eval(), tokenizer, CreditTask(STYLE), sector_rows()))


def part_sectors(name: str) -> None:
    for kind in TYPES:
        unit(f"sector-{kind}", partial(sector, kind))
        unit(f"matrix-{kind}", partial(answered, place() / kind, sector_rows(), f"matrix-{kind}"), share)
    unit("matrix-mix", mixed, share)


def ship() -> None:
    for kind in TYPES:
        folder = adapters.SHIPPED / f"credit-{kind}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(place() / kind, folder)


# ---------------------------------------------------------------- a system line (R5), forms (L5), names
def system_line(tuned: bool, line: str) -> dict:
    task = Spoken(STYLE if tuned else "reasoning", line)
    dtype = runtime.answering_dtype(runtime.machine())
    model, tokenizer = models.merged_file(adapters.SHIPPED / START, BASE) if tuned else models.load(BASE, False, dtype=dtype)
    name = f"line-{'tuned' if tuned else 'base'}-{'with' if line else 'without'}"
    grades = written(model.eval(), tokenizer, task, load("test", SMALL), 640 if tuned else 320)
    return credit.keep(f"product-{name}", "answers", grades)


def part_system_line(name: str) -> None:
    for tuned in (True, False):
        for said, line in (("without", ""), ("with", LINE)):
            unit(f"line-{'tuned' if tuned else 'base'}-{said}", partial(system_line, tuned, line), share)


def forms() -> dict:
    def answer(model, tokenizer, rows):
        grades = written(model, tokenizer, CreditTask(STYLE), rows)
        return evaluation.Evaluation("form", ACTIONS, [g["truth"] for g in grades], [g["action"] for g in grades])

    found = merging.forms(adapters.SHIPPED / START, BASE, place() / "merged-credit", CreditTask(STYLE), load("test", SMALL),
                          answer=answer)
    rows = merging.drift_table(found).reset_index().to_dict("records")
    return {"table": rows, "guess": {form.name: form.answers.guess for form in found}, "n": SMALL}


def names() -> dict:
    """Do the shipped adapter's actions move with a borrower's name or place? Each wording is answered once."""
    rows = load("test", 40)
    model, tokenizer = models.merged_file(adapters.SHIPPED / START, BASE)
    known: dict[str, str | None] = {}

    def actions(these):
        fresh = [row for row in these if row["text"] not in known]
        known.update((row["text"], g["action"]) for row, g in
                     zip(fresh, written(model, tokenizer, CreditTask(STYLE), fresh), strict=True))
        return [known[row["text"]] for row in these]

    out = {}
    for what, change in monitoring.credit_twins(rows).items():
        found = monitoring.counterfactual(rows, change, actions)
        out[what] = {k: found[k] for k in ("value", "low", "high", "n")}
    return out


PARTS = {
    "preferences": part_preferences, "forms": lambda _: unit("forms", forms), "sectors": part_sectors,
    "rerank": lambda _: unit("rerank", rerank), "system_line": part_system_line, "names": lambda _: unit("names", names),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=[*PARTS, "record"])
    parser.add_argument("--unit", default=f"{STYLE}-{credit.CASES}-0", help="the unit whose adapter is shipped")
    parser.add_argument("--ship", action="store_true", help="copy the sector adapters to data/adapters")
    asked = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    for part in asked.part:
        if part == "record":
            import product_record

            product_record.record(asked.unit)
        else:
            PARTS[part](asked.unit)
    if asked.ship:
        ship()


if __name__ == "__main__":
    main()
