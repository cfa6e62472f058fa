"""Study behind notebook 03: what the recipe reaches over seeds, on real text, with little data and with wrong labels.

    python benchmarks/studies/sentiment.py PART [PART ...] [--only UNIT ...]

PART: seeds (QLoRA, five seeds), lora (the same without 4-bit: claim Q4), own (trained on the course's sentences only: D5),
ship (the adapter of notebook 00), baselines, grid (0 to 400 examples, 0, 10 and 30 % flipped labels: D1, D2; base unquantised in
bfloat16, twice as fast on a CPU), record.
Needs FinancialPhraseBank: the variable COURSE_PHRASEBANK names its zip. Every unit of work is kept in runs/studies (after
`make publish` in data/results/studies); a stopped study goes on where it was. Settings were chosen on the 150 validation
rows; each unit looks at the test rows once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import evaluation, models, results, runtime, sentiment, statistics, studies, training  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
SIZES, FLIPS, GRID_SEEDS = (20, 50, 100, 200, 400), (0.0, 0.1, 0.3), (0, 1, 2)
EPOCHS = {20: 8, 50: 4, 100: 3, 200: 2, 400: 2}
RECIPE = training.Settings(learning_rate=5e-4, epochs=3, batch=8, checkpoint_every=0)
GRID_TEST = 300
SHIPPED = runtime.ROOT / "data" / "adapters" / "sentiment"
CHOSEN = "all-agree, the easy subset"


def unit(name: str, work) -> dict:
    return studies.unit("sentiment", name, work, lambda made: f"accuracy {made['accuracy']:.3f}")


def measured(answers: evaluation.Evaluation, **more) -> dict:
    """An outcome to keep: answers row by row as one character each (the label's place in LABELS, - if unparsed)."""
    def letters(labels):
        return "".join(str(sentiment.LABELS.index(x)) if x in sentiment.LABELS else "-" for x in labels)

    return {"accuracy": answers.accuracy, "macro_f1": answers.macro_f1, "guess": letters(answers.guess),
            "truth": letters(answers.truth), "answer_seconds": answers.seconds, **more}


def half_base():
    return models.load(four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))


def train_and_test(rows, test, settings, four_bit=True, validation=(), half=False):
    """Trains a fresh adapter on `rows`; returns its answers on `test`. half: unquantised in 16 bits, answers merged."""
    model, tokenizer = half_base() if half else models.load(four_bit=four_bit)
    model = models.attach_lora(model, seed=settings.seed)
    run = training.fit(model, tokenizer, sentiment.TASK, rows, settings)
    model = models.merged(model) if half else model
    chosen = evaluation.classify(model, tokenizer, sentiment.TASK, list(validation)).accuracy if validation else None
    answers = evaluation.classify(model, tokenizer, sentiment.TASK, test)
    return measured(answers, train_seconds=run.seconds, loss=run.loss, tokens=run.tokens, validation=chosen)


def with_seed(seed: int, **changes) -> training.Settings:
    return training.Settings(**{**RECIPE.__dict__, "seed": seed, **changes})


def flipped(rows: list[dict], share: float, seed: int) -> list[dict]:
    """The same rows with `share` of the labels replaced by another label."""
    draw = np.random.default_rng(1000 + seed)
    wrong = set(draw.permutation(len(rows))[:round(share * len(rows))].tolist())
    other = {label: [x for x in sentiment.LABELS if x != label] for label in sentiment.LABELS}
    return [{**r, "label": str(draw.choice(other[r["label"]]))} if i in wrong else r for i, r in enumerate(rows)]


def seeds(parts, four_bit=True):
    name = "qlora" if four_bit else "lora"
    return [(f"{name}-{s}", lambda s=s: train_and_test(
        parts["train"], parts["test"], with_seed(s), four_bit, parts["validation"])) for s in range(5)]


def ship(parts):
    """The adapter of notebook 00: trained on the course's sentences, saved in 16 bits, measured from that file."""
    def work():
        model, tokenizer = models.load()
        model = models.attach_lora(model, seed=0)
        run = training.fit(model, tokenizer, sentiment.TASK, sentiment.own("train"), with_seed(0, epochs=1))
        about = {"data": "data/sentiment, training part", "rows": len(sentiment.own("train")), "code": CODE,
                 "settings": str(with_seed(0, epochs=1)), "device": runtime.machine().name, "tokens": run.tokens,
                 "minutes": round(run.seconds / 60, 1), "licence": "Apache-2.0", "what": "LoRA adapter, bfloat16"}
        models.save_adapter(model, SHIPPED, "smollm2-135m", half=True, **about)
        dense, _ = models.merged_file(SHIPPED)
        found = {"FinancialPhraseBank, test": parts["test"], "own sentences, test": sentiment.own("test")}
        found = {name: measured(evaluation.classify(dense, tokenizer, sentiment.TASK, rows)) for name, rows in found.items()}
        card = json.loads((SHIPPED / "card.json").read_text())
        card["measured from this file"] = {name: {"n": len(one["truth"]), "accuracy": round(one["accuracy"], 4)}
                                           for name, one in found.items()}
        results.write_json(SHIPPED / "card.json", card)
        return found["FinancialPhraseBank, test"] | {"own": found["own sentences, test"]["accuracy"]}

    return [("shipped", work)]


def own(parts):
    rows = sentiment.own("train")
    return [(f"own-{s}", lambda s=s: train_and_test(rows, parts["test"], with_seed(s, epochs=1), validation=parts["validation"]))
            for s in range(3)]


def grid(parts):
    def draw_rows(size, seed):
        order = np.random.default_rng(seed).permutation(len(parts["train"]))
        return [parts["train"][i] for i in order[:size]]

    def untrained():
        model, tokenizer = half_base()
        prior = evaluation.label_prior(evaluation.label_scores(model, tokenizer, sentiment.TASK, parts["train"][:100]))
        return measured(evaluation.classify(model, tokenizer, sentiment.TASK, parts["test"][:GRID_TEST], prior=prior))

    return [("grid-0-0-0", untrained)] + [(f"grid-{n}-{int(100 * share)}-{s}", lambda n=n, share=share, s=s: train_and_test(
        flipped(draw_rows(n, s), share, s), parts["test"][:GRID_TEST], with_seed(s, epochs=EPOCHS[n]), half=True))
        for s, share, n in itertools.product(GRID_SEEDS, FLIPS, SIZES)]


def baselines(parts):
    train, test, task = parts["train"], parts["test"], sentiment.TASK

    def ask(shots=(), calibrate=False):
        model, tokenizer = models.load()
        here = evaluation.LabelTask(task.name, task.labels, task.instruction, tuple(shots))
        prior = None
        if calibrate:
            prior = evaluation.label_prior(evaluation.label_scores(model, tokenizer, here, train[:100]))
        return measured(evaluation.classify(model, tokenizer, here, test, prior=prior))

    shots = [r for label in sentiment.LABELS for r in [x for x in train if x["label"] == label][:2]]
    return [
        ("majority", lambda: measured(evaluation.majority(train, test, task.labels))),
        ("words", lambda: measured(evaluation.word_list(sentiment.WORDS, test, task.labels, "neutral"))),
        ("tfidf", lambda: measured(evaluation.tfidf(train, test, task.labels))),
        ("tfidf-own", lambda: measured(evaluation.tfidf(sentiment.own("train"), test, task.labels))),
        ("zero-shot", ask), ("zero-shot-calibrated", lambda: ask(calibrate=True)),
        ("few-shot-calibrated", lambda: ask(shots, calibrate=True)),
    ]


# ---------------------------------------------------------------- recording
def done(pattern: str) -> list[dict]:
    return studies.outcomes("sentiment", pattern)


def note(name, units, key="accuracy", **more):
    """Records the mean over units (seeds) of one figure, with its spread."""
    if not units:
        return
    spread, n = statistics.over_seeds([u[key] for u in units]), len(units[0]["truth"])
    low = high = None
    if key == "accuracy":
        low, high = statistics.accuracy_interval(round(spread["value"] * n), n)
    results.record(name, spread["value"], n=n, low=low, high=high, seed_low=spread["low"], seed_high=spread["high"],
                   seed_sd=spread["sd"], notebook="03", code=CODE, seeds=range(len(units)),
                   method="mean over seeds; low to high: Wilson 95 % of that mean; seed_low to seed_high: over seeds",
                   split=f"FinancialPhraseBank {CHOSEN}, test", **more)


def record():
    for kind in ("qlora", "lora", "own"):
        base = {"qlora": "phrasebank", "lora": "phrasebank_lora", "own": "transfer"}[kind]
        note(f"{base}_accuracy", done(f"{kind}-[0-9]"))
        note(f"{base}_macro_f1", done(f"{kind}-[0-9]"), "macro_f1")
        if kind != "lora":  # its one run shared the machine with other work
            note(f"{base}_train_seconds", done(f"{kind}-[0-9]"), "train_seconds", unit="s")
        note(f"{base}_validation", [u for u in done(f"{kind}-[0-9]") if u["validation"]], "validation")
    names = ("majority", "words", "tfidf", "tfidf-own", "zero-shot", "zero-shot-calibrated", "few-shot-calibrated", "shipped")
    for name in names:
        for one in done(name):
            low, high = statistics.accuracy_interval(sum(map(str.__eq__, one["truth"], one["guess"])), len(one["truth"]))
            about = {"n": len(one["truth"]), "notebook": "03", "code": CODE, "split": f"FinancialPhraseBank {CHOSEN}, test"}
            label = "phrasebank_" + name.replace("-", "_")
            results.record(label, one["accuracy"], low=low, high=high, method="Wilson 95 %", **about)
            results.record(f"{label}_f1", one["macro_f1"], **about)
    record_grid()
    record_pairs()


def record_grid():
    cells = []
    for share, size in [(0.0, 0), *itertools.product(FLIPS, SIZES)]:
        runs = done(f"grid-{size}-{int(100 * share)}-[0-9]")
        if runs:
            cells.append({"examples": size, "flipped": share, "seeds": len(runs),
                          **statistics.over_seeds([u["accuracy"] for u in runs])})
    if cells:
        seeds_run = range(max(cell["seeds"] for cell in cells))
        results.record("examples_grid", cells, n=GRID_TEST, notebook="03", code=CODE, seeds=seeds_run,
                       method="mean over seeds; low and high are the smallest and largest; LoRA on the base in bfloat16",
                       split=f"FinancialPhraseBank {CHOSEN}, the first {GRID_TEST} test rows")


def record_pairs():
    """Pairs of systems compared row by row, each averaged over its seeds (claims Q4, D5)."""
    def right(units):
        return np.mean([np.equal(list(u["truth"]), list(u["guess"])) for u in units], axis=0)

    pairs = {"qlora_minus_lora": ("qlora-[0-9]", "lora-[0-9]"), "transfer_minus_zero_shot": ("own-[0-9]", "zero-shot-calibrated"),
             "transfer_minus_tfidf_own": ("own-[0-9]", "tfidf-own"), "phrasebank_minus_tfidf": ("qlora-[0-9]", "tfidf"),
             "transfer_minus_words": ("own-[0-9]", "words"), "phrasebank_minus_words": ("qlora-[0-9]", "words")}
    for name, (first, second) in pairs.items():
        a, b = done(first), done(second)
        if second.endswith("[0-9]"):  # the seeds that both have run
            a, b = a[:min(len(a), len(b))], b[:min(len(a), len(b))]
        if a and b:
            gap = statistics.paired_bootstrap(right(a), right(b))
            results.record(name, gap["value"], low=gap["low"], high=gap["high"], n=len(a[0]["truth"]), notebook="03", code=CODE,
                           seeds=range(len(a)), method="paired bootstrap over rows, 95 %",
                           split=f"FinancialPhraseBank {CHOSEN}, test")


PARTS = {"seeds": seeds, "lora": lambda p: seeds(p, four_bit=False), "own": own, "ship": ship, "baselines": baselines,
         "grid": grid}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=[*PARTS, "record"])
    parser.add_argument("--only", nargs="+", default=(), help="names of units, such as qlora-3 (to share work out)")
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    rows = sentiment.phrasebank_split()
    for part in options.part:
        if part == "record":
            record()
            continue
        for name, work in PARTS[part](rows):
            if not options.only or name in options.only:
                unit(name, work)


if __name__ == "__main__":
    main()
