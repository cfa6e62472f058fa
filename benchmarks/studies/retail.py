"""Study behind notebook 07: extraction, brand voice, customer themes, the co-pilot's question and two files brought along.

    python benchmarks/studies/retail.py PART [PART ...] [--only UNIT ...] [--trial]

Every unit of work is kept in runs/studies/retail (after `make publish` in data/results/studies) with its answers row by row; a
stopped study goes on where it was, also inside a training. Adapters go to runs/adapters/retail. --trial: three steps and eight
rows a unit, kept nowhere. Expected minutes on one core, in the order in which to run them:

    extraction  55  two trainings of the same length: rows with other values in each pass, and the same rows again and again
    voice       19  an adapter a house, and the untrained model with two examples
    rivals      23  extraction by the untrained model, with a full instruction, with examples, bound to the schema
    customers   11  themes of messages
    copilot      6  risk questions, untrained model only
    own         11  the bring-your-own path on chats and on COURSE_PHRASEBANK (its zip; left out where that is not set)
    record       -  writes the results of notebook 07
    ship         -  copies the adapters that the notebook loads to data/adapters

Short of time: `extraction --only extraction-swapped`, voice, rivals, customers (80 minutes). Which of the two trainings counts as
"tuned" is decided by F1 on the 20 validation rows. All other settings were fixed before any test row was answered. One seed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import answering, evaluation, models, runtime, studies, training  # noqa: E402
from course_utils.own import pipeline  # noqa: E402
from course_utils.retail import augment, copilot, customers, data, extraction, scoring, voice, writing  # noqa: E402
from course_utils.retail.recorded import ARMS, STUDY, chosen_arm  # noqa: E402

MODEL = "smollm2-135m"
PASSES = 5
COMMON = {"learning_rate": 5e-4, "batch": 8, "checkpoint_every": 20}
SETTINGS = {"extraction": training.Settings(epochs=1, **COMMON), "voice": training.Settings(epochs=4, **COMMON),
            "customers": training.Settings(epochs=3, **COMMON)}
RANK = {"extraction": 16, "voice": 8, "customers": 16}
TRIAL = False


def unit(name: str, work) -> None:
    """One resumable piece of work."""
    if TRIAL:
        start = time.time()
        print(name, said(work()), f"{time.time() - start:.0f} s", flush=True)
    else:
        studies.unit(STUDY, name, work, said)


def said(outcome: dict) -> str:
    return ", ".join(f"{k} {v:.3f}" for k, v in outcome.items() if isinstance(v, float))


def some(rows: list[dict]) -> list[dict]:
    return rows[:8] if TRIAL else rows


def adapter_folder(name: str) -> Path:
    return runtime.runs_dir() / "adapters" / STUDY / name


def plain():
    """The untrained model, as it answers fastest: dense, in the format of merged models."""
    model, tokenizer = models.load(MODEL, four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))
    model.set_attn_implementation("sdpa")
    return model, tokenizer


def tuned(kind: str, name: str, task, rows: list[dict]):
    """A freshly trained adapter on its 4-bit base, and what training took."""
    model, tokenizer = models.load(MODEL, four_bit=True)
    model = models.attach_lora(model, r=RANK[kind], alpha=2 * RANK[kind])
    settings = dataclasses.replace(SETTINGS[kind], steps=3, checkpoint_every=0) if TRIAL else SETTINGS[kind]
    run = training.fit(model, tokenizer, task, rows, settings, runtime.runs_dir() / "checkpoints" / STUDY / name,
                       watch=training.progress(25))
    took = {"train_seconds": run.seconds, "tokens": run.tokens, "loss": run.loss, "tokens_a_second": run.tokens / run.seconds}
    if not TRIAL:
        models.save_adapter(model, adapter_folder(name), MODEL, half=True, task=task.name, rows=len(rows), tokens=run.tokens,
                            minutes=round(run.seconds / 60, 1), device=runtime.machine().name)
    return model, tokenizer, took


def by_id(rows: list[dict], texts: list[str]) -> dict[str, str]:
    return dict(zip([row["id"] for row in rows], texts, strict=True))


# ---------------------------------------------------------------- extraction
def extracted(model, tokenizer, task, rows, constrained=False, **more) -> dict:
    start = time.time()
    texts = writing.write(model, tokenizer, task, rows, constrained, max_new_tokens=115)
    one = scoring.Extraction("", rows, texts, time.time() - start)
    return {"answers": by_id(rows, texts), "f1": one.f1, "valid": float(one.valid.mean()), "seconds": one.seconds, **more}


def product_rows() -> list[dict]:
    parts = data.products()
    return some(parts["test_products"] + parts["test_suppliers"])


def extraction_units():
    train, check, task = data.products()["train"], data.products()["validation"], extraction.ExtractionTask()
    rows = {"extraction-swapped": augment.variants(train, PASSES), "extraction-plain": train * PASSES}

    def train_once(name):
        model, tokenizer, took = tuned("extraction", name, task, rows[name])
        dense = models.merged(model)
        checked = extracted(dense, tokenizer, task, some(check))["answers"]
        return extracted(dense, tokenizer, task, product_rows(), validation=checked, **took)

    return [(name, lambda name=name: train_once(name)) for name in ARMS]


def rival_units():
    zero, few = extraction.ExtractionTask(extraction.FULL), extraction.few_shot(data.products()["train"], 2)

    def constrained():
        model, tokenizer = plain() if TRIAL else models.merged_file(adapter_folder(chosen_arm()), MODEL)
        return extracted(model, tokenizer, extraction.ExtractionTask(), product_rows(), True, arm=chosen_arm())

    return [("extraction-base", lambda: extracted(*plain(), zero, product_rows())),
            ("extraction-few", lambda: extracted(*plain(), few, product_rows())),
            ("extraction-tuned-constrained", constrained),
            ("extraction-base-constrained", lambda: extracted(*plain(), zero, product_rows(), True))]


# ---------------------------------------------------------------- voice
def voice_units():
    houses = data.voices()
    both = [row for parts in houses.values() for row in some(parts["test"])]  # the other house's goods too
    units = []
    for number, (house, parts) in enumerate(houses.items(), 1):
        def train_once(house=house, parts=parts, number=number):
            task = voice.VoiceTask(house)
            model, tokenizer, took = tuned("voice", f"voice-{number}", task, parts["train"])
            texts = [w.text for w in answering.write(models.merged(model), tokenizer, task, both, 16, 130)]
            return {"house": house, "answers": by_id(both, texts), **took}

        def few(house=house, parts=parts):
            task, rows = voice.VoiceTask(house, tuple(parts["train"][:2])), some(parts["test"])
            return {"house": house, "answers": by_id(rows, [w.text for w in answering.write(*plain(), task, rows, 16, 130)])}

        units += [(f"voice-tuned-{number}", train_once), (f"voice-few-{number}", few)]
    return units


# ---------------------------------------------------------------- customers and co-pilot
def themed(answers: evaluation.Evaluation, **more) -> dict:
    return {"accuracy": answers.accuracy, "macro_f1": answers.macro_f1, "misplaced": customers.misplaced(answers),
            "truth": answers.truth, "guess": answers.guess, **more}


def customer_units():
    parts = data.customers()
    train, test, task = parts["train"], some(parts["test"]), customers.TASK

    def zero():
        model, tokenizer = plain()
        prior = evaluation.label_prior(evaluation.label_scores(model, tokenizer, task, some(train[:100])))
        return themed(evaluation.classify(model, tokenizer, task, test, prior=prior))

    def train_once():
        model, tokenizer, took = tuned("customers", "customers", task, train)
        return themed(evaluation.classify(models.merged(model), tokenizer, task, test), **took)

    other = customers.most_common(train)
    return [("customers-majority", lambda: themed(evaluation.majority(train, test, task.labels))),
            ("customers-words", lambda: themed(evaluation.word_list(customers.KEYWORDS, test, task.labels, other))),
            ("customers-tfidf", lambda: themed(evaluation.tfidf(train, test, task.labels))),
            ("customers-zero", zero), ("customers-tuned", train_once)]


def copilot_units():
    parts = data.copilot()
    rows = some(parts["test"])

    def ask(shots=()):
        texts = [w.text for w in answering.write(*plain(), copilot.CopilotTask(tuple(shots)), rows, 8, 260)]
        found = [copilot.check(row, text) for row, text in zip(rows, texts, strict=True)]
        return {"answers": by_id(rows, texts), "right": sum(c.right for c in found), "sound": sum(c.sound for c in found),
                "arithmetic": sum(c.arithmetic for c in found) / len(found)}

    return [("copilot-zero", ask), ("copilot-few", lambda: ask(parts["shots"]))]


# ---------------------------------------------------------------- files that a learner may bring
def own_units():
    def bring(path: Path, licence: str) -> dict:
        return {"outcome": pipeline.run(path, licence=licence, watch=training.progress(25))}

    def chats() -> dict:
        lines = [{"messages": [{"role": "system", "content": "Write in our voice."}, {"role": "user", "content": row["plain"]},
                               {"role": "assistant", "content": row["text"]}]} for row in data.rows("voice_2")]
        place = runtime.runs_dir() / "own" / "chats.jsonl"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
        return bring(place, "CC BY 4.0, the course's own")

    bank = os.environ.get("COURSE_PHRASEBANK")
    units = [("own-phrasebank", lambda: bring(Path(bank), "CC BY-NC-SA 3.0, Malo et al. 2014"))] if bank else []
    return [("own-chats", chats), *units]


# ---------------------------------------------------------------- shipping
def ship() -> None:
    """The adapters that notebook 07 loads, to data/adapters/retail-NAME."""
    for name, short in ((chosen_arm(), "extraction"), ("voice-1", "voice-1"), ("voice-2", "voice-2")):
        if adapter_folder(name).exists():
            shutil.copytree(adapter_folder(name), runtime.ROOT / "data" / "adapters" / f"retail-{short}", dirs_exist_ok=True)
            print(f"{name} -> data/adapters/retail-{short}")


PARTS = {"extraction": extraction_units, "voice": voice_units, "rivals": rival_units, "customers": customer_units,
         "copilot": copilot_units, "own": own_units}


def main() -> None:
    global TRIAL
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=[*PARTS, "record", "ship"])
    parser.add_argument("--only", nargs="+", default=(), help="names of units, such as voice-tuned-1")
    parser.add_argument("--trial", action="store_true", help="three steps and eight rows a unit, kept nowhere")
    options = parser.parse_args()
    TRIAL = options.trial
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    for part in options.part:
        if part == "record":
            import retail_record

            retail_record.main()
        elif part == "ship":
            ship()
        else:
            for name, work in PARTS[part]():
                if not options.only or name in options.only:
                    unit(name, work)


if __name__ == "__main__":
    main()
