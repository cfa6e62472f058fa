"""Study behind notebook 07: extraction, brand voice, customer themes and the co-pilot's question, each beside its rivals.

    python benchmarks/studies/retail.py PART [PART ...] [--only UNIT ...] [--trial]

PART: extraction, voice, customers, copilot, record (write the results). Every unit of work is kept in runs/studies (after
`make publish` in data/results/studies) with its answers row by row; a stopped study goes on where it was, also inside a training.
Adapters go to runs/adapters/retail. --trial: three steps and eight rows a unit, kept nowhere, to learn how long it will take.
Settings were fixed before the test rows were looked at; each unit looks at them once. One seed: the hours do not allow more.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import answering, evaluation, models, results, runtime, statistics, training  # noqa: E402
from course_utils.retail import copilot, customers, data, extraction, rules, scoring, voice, writing  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
MODEL = "smollm2-135m"
COMMON = {"learning_rate": 5e-4, "batch": 8, "checkpoint_every": 20}
SETTINGS = {"extraction": training.Settings(epochs=6, **COMMON), "voice": training.Settings(epochs=4, **COMMON),
            "customers": training.Settings(epochs=4, **COMMON)}
RANK = {"extraction": 16, "voice": 8, "customers": 16}
TRIAL = False


def places() -> tuple[Path, Path]:
    """Where outcomes of units are looked for: this machine's runs, then the published ones."""
    return runtime.runs_dir() / "studies" / "retail", results.PUBLISHED / "studies" / "retail"


def kept(name: str) -> dict | None:
    return next((json.loads((p / f"{name}.json").read_text()) for p in places() if (p / f"{name}.json").exists()), None)


def unit(name: str, work) -> None:
    """One resumable piece of work: its stored outcome, or `work()` now."""
    if not TRIAL and kept(name):
        return
    start = time.time()
    outcome = work() | {"wall": time.time() - start, "device": runtime.machine().name}
    if not TRIAL:
        results.write_json(places()[0] / f"{name}.json", outcome)
    said = {k: v for k, v in outcome.items() if isinstance(v, int | float | str)}
    print(name, {k: round(v, 3) if isinstance(v, float) else v for k, v in said.items()}, flush=True)


def some(rows: list[dict]) -> list[dict]:
    return rows[:8] if TRIAL else rows


def plain():
    """The untrained model, as it answers fastest: dense, in the format of merged models."""
    import torch

    model, tokenizer = models.load(MODEL, four_bit=False)
    return model.to(getattr(torch, runtime.answering_dtype(runtime.machine()))), tokenizer


def tuned(kind: str, name: str, task, rows: list[dict]):
    """A freshly trained adapter, merged for answering, and what training took."""
    model, tokenizer = models.load(MODEL, four_bit=True)
    model = models.attach_lora(model, r=RANK[kind], alpha=2 * RANK[kind])
    settings = dataclasses.replace(SETTINGS[kind], steps=3, checkpoint_every=0) if TRIAL else SETTINGS[kind]
    run = training.fit(model, tokenizer, task, rows, settings, runtime.runs_dir() / "checkpoints" / "retail" / name,
                       watch=training.progress(25))
    took = {"train_seconds": run.seconds, "tokens": run.tokens, "loss": run.loss, "tokens_a_second": run.tokens / run.seconds}
    if not TRIAL:
        models.save_adapter(model, runtime.runs_dir() / "adapters" / "retail" / name, MODEL, half=True, task=task.name,
                            trained_on=len(rows))
    return model, tokenizer, took


# ---------------------------------------------------------------- extraction
def product_rows() -> list[dict]:
    parts = data.products()
    return some(parts["test_products"] + parts["test_suppliers"])


def extracted(model, tokenizer, task, constrained=False, **more) -> dict:
    rows, start = product_rows(), time.time()
    texts = writing.write(model, tokenizer, task, rows, constrained)
    one = scoring.Extraction("", rows, texts, time.time() - start)
    return {"answers": dict(zip([row["id"] for row in rows], texts, strict=True)), "f1": one.f1, "valid": float(one.valid.mean()),
            "exact": float(one.exact.mean()), "seconds": one.seconds, **more}


def extraction_units():
    train = data.products()["train"]
    zero, few = extraction.ExtractionTask(extraction.FULL), extraction.few_shot(train)
    task = extraction.ExtractionTask()

    def train_once():
        model, tokenizer, took = tuned("extraction", "extraction", task, train)
        return extracted(models.merged(model), tokenizer, task, **took)

    def constrained():
        model, tokenizer = models.load(MODEL, four_bit=True)
        model = models.attach_lora(model, r=2) if TRIAL else models.load_adapter(
            model, runtime.runs_dir() / "adapters" / "retail" / "extraction", MODEL)
        model.course_name = MODEL
        return extracted(models.merged(model), tokenizer, task, True)

    return [("extraction-base", lambda: extracted(*plain(), zero)),
            ("extraction-base-constrained", lambda: extracted(*plain(), zero, True)),
            ("extraction-few", lambda: extracted(*plain(), few)),
            ("extraction-tuned", train_once), ("extraction-tuned-constrained", constrained)]


# ---------------------------------------------------------------- voice
def voiced(model, tokenizer, task, house, **more) -> dict:
    """Texts for this house's test products and for the other house's, which its adapter has never met the like of."""
    rows = [row for part in data.voices().values() for row in some(part["test"])]
    texts = [w.text for w in answering.write(model, tokenizer, task, rows, 16, 130)]
    return {"house": house, "answers": dict(zip([row["id"] for row in rows], texts, strict=True)), **more}


def voice_units():
    units = []
    for number, (house, parts) in enumerate(data.voices().items(), 1):
        def train_once(house=house, parts=parts, number=number):
            task = voice.VoiceTask(house)
            model, tokenizer, took = tuned("voice", f"voice-{number}", task, parts["train"])
            return voiced(models.merged(model), tokenizer, task, house, **took)

        def few(house=house, parts=parts):
            return voiced(*plain(), voice.VoiceTask(house, tuple(parts["train"][:2])), house)

        units += [(f"voice-few-{number}", few), (f"voice-tuned-{number}", train_once)]
    return units


# ---------------------------------------------------------------- customers and co-pilot
def themed(answers: evaluation.Evaluation, **more) -> dict:
    return {"accuracy": answers.accuracy, "macro_f1": answers.macro_f1, "misplaced": customers.misplaced(answers),
            "truth": answers.truth, "guess": answers.guess, **more}


def customer_units():
    parts = data.customers()
    train, test, task = parts["train"], some(parts["test"]), customers.TASK

    def zero():
        model, tokenizer = models.load(MODEL)
        prior = evaluation.label_prior(evaluation.label_scores(model, tokenizer, task, some(train[:100])))
        return themed(evaluation.classify(model, tokenizer, task, test, prior=prior))

    def train_once():
        model, tokenizer, took = tuned("customers", "customers", task, train)
        return themed(evaluation.classify(model, tokenizer, task, test), **took)

    other = customers.most_common(train)
    return [("customers-majority", lambda: themed(evaluation.majority(train, test, task.labels))),
            ("customers-words", lambda: themed(evaluation.word_list(customers.KEYWORDS, test, task.labels, other))),
            ("customers-tfidf", lambda: themed(evaluation.tfidf(train, test, task.labels))),
            ("customers-zero", zero), ("customers-tuned", train_once)]


def copilot_units():
    parts = data.copilot()
    rows = some(parts["test"])

    def ask(shots=()):
        model, tokenizer = plain()
        texts = [w.text for w in answering.write(model, tokenizer, copilot.CopilotTask(tuple(shots)), rows, 8, 260)]
        found = [copilot.check(row, text) for row, text in zip(rows, texts, strict=True)]
        return {"answers": dict(zip([row["id"] for row in rows], texts, strict=True)), "right": sum(c.right for c in found),
                "sound": sum(c.sound for c in found), "arithmetic": sum(c.arithmetic for c in found) / len(found)}

    return [("copilot-zero", ask), ("copilot-few", lambda: ask(parts["shots"]))]


# ---------------------------------------------------------------- recording
def note(name: str, value, n: int, split: str, low=None, high=None, method: str = "", **more) -> None:
    results.record(name, value, n=n, low=low, high=high, method=method, split=split, notebook="07", code=CODE, **more)


def share(name: str, right, split: str, **more) -> None:
    right = list(map(float, right))
    low, high = statistics.accuracy_interval(round(sum(right)), len(right))
    note(name, sum(right) / len(right), len(right), split, low, high, "Wilson 95 %", **more)


def record_extraction() -> None:
    parts = data.products()
    rows = parts["test_products"] + parts["test_suppliers"]
    tests = {"": (rows, "unseen products and suppliers"),
             "_products": (parts["test_products"], "unseen products of known suppliers"),
             "_suppliers": (parts["test_suppliers"], "suppliers never trained on")}
    names = {"extraction_f1": "tuned", "extraction_f1_constrained": "tuned-constrained", "extraction_f1_base": "base",
             "extraction_f1_base_constrained": "base-constrained", "extraction_f1_few": "few", "extraction_f1_regex": None}
    whole = {}
    for name, key in names.items():
        found = kept(f"extraction-{key}") if key else None
        if key and not found:
            continue
        for suffix, (part, split) in tests.items():
            answers = [found["answers"][row["id"]] for row in part] if key else [rules.extract(row["text"]) for row in part]
            one = scoring.Extraction(key or "regex", part, answers)
            low, high = one.interval()
            note(name + suffix, one.f1, one.n, split, low, high, "bootstrap over suppliers, 95 %",
                 by_field=one.by_field()["F1"].to_dict(), exact=float(one.exact.mean()))
            if not suffix:
                whole[name] = one
                if one.valid is not None:
                    share(name.replace("extraction_f1", "valid_json"), one.valid, split)
    for rival in ("extraction_f1_regex", "extraction_f1_few", "extraction_f1_constrained"):
        if rival in whole and "extraction_f1" in whole:
            gap = scoring.gain(whole["extraction_f1"], whole[rival])
            note(f"tuned_minus_{rival.removeprefix('extraction_f1_')}", gap["value"], len(rows), tests[""][1],
                 gap["low"], gap["high"], "paired bootstrap over suppliers, 95 %")


def record_voice() -> None:
    parts = data.voices()
    classifier = voice.StyleClassifier(parts)
    own = {house: [row["id"] for row in part["test"]] for house, part in parts.items()}
    rows = {row["id"]: row for part in parts.values() for row in part["test"]}
    human = [found == house for house, part in parts.items()
             for found in classifier.houses([r["text"] for r in part["test"]], part["test"])]
    share("style_classifier_on_house_texts", human, "the houses' own held-out texts")
    untouched = [found == house for house, part in parts.items()
                 for found in classifier.houses([r["plain"] for r in part["test"]], part["test"])]
    share("style_accuracy_plain", untouched, "the plain descriptions, unchanged")
    for arm, suffix in (("tuned", ""), ("few", "_few")):
        done = [found for k in (1, 2) if (found := kept(f"voice-{arm}-{k}"))]
        if len(done) < 2:
            continue
        for crossed in (False, True):
            scores = []
            for found in done:
                ids = [i for i in found["answers"] if (i in own[found["house"]]) != crossed]
                texts = [found["answers"][i] for i in ids]
                scores.append(voice.score(arm, found["house"], texts, [rows[i] for i in ids], classifier))
            end = suffix + "_crossed" * crossed
            split = "the other house's products" if crossed else "held-out products of the house"
            share(f"style_accuracy{end}", [x for s in scores for x in s.style], split)
            kept_facts = [x for s in scores for x in s.facts]
            spread = statistics.paired_bootstrap(kept_facts, [0.0] * len(kept_facts))
            note(f"facts_kept{end}", spread["value"], len(kept_facts), split, spread["low"], spread["high"],
                 "bootstrap over texts, 95 %")
            share(f"house_rules_kept{end}", [x for s in scores for x in s.clean], split)


def record_rest() -> None:
    for name in ("majority", "words", "tfidf", "zero", "tuned"):
        if found := kept(f"customers-{name}"):
            right = list(map(str.__eq__, found["truth"], found["guess"]))
            share(f"themes_{name}", right, "customer messages, test", macro_f1=found["macro_f1"], misplaced=found["misplaced"])
    for name in ("zero", "few"):
        if found := kept(f"copilot-{name}"):
            for figure in ("right", "sound"):
                n = len(found["answers"])
                right = [1.0] * found[figure] + [0.0] * (n - found[figure])
                share(f"copilot_{figure}_{name}", right, "risk questions, described")


PARTS = {"extraction": extraction_units, "voice": voice_units, "customers": customer_units, "copilot": copilot_units}


def main() -> None:
    global TRIAL
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=[*PARTS, "record"])
    parser.add_argument("--only", nargs="+", default=(), help="names of units, such as voice-tuned-1")
    parser.add_argument("--trial", action="store_true", help="three steps and eight rows a unit, kept nowhere")
    options = parser.parse_args()
    TRIAL = options.trial
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    for part in options.part:
        if part == "record":
            for step in (record_extraction, record_voice, record_rest):
                step()
            continue
        for name, work in PARTS[part]():
            if not options.only or name in options.only:
                unit(name, work)


if __name__ == "__main__":
    main()
