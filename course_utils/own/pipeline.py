"""Bring your own data. Two columns -> audit -> split -> train at the machine's scale -> test -> adapter, card, zip.

`run(path)` does it all and goes on where it was interrupted. Labels are scored by the model's own label probabilities; free texts
are written and compared. Whatever the machine has no time for is left out by a stated rule, and said.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .. import answering, evaluation, models, results, runtime, statistics, training
from ..runtime import CourseError
from . import card, checks, duplicates, files, report
from .audit import Audit, audit

MODEL = {"quick": "smollm2-135m", "laptop": "smollm2-135m", "colab": "gemma-3-1b-it"}
# What fits the minutes: tokens read in training, rows tested, longest row, tokens written in an answer.
BUDGET = {"quick": (1_500, 12, 256, 16), "laptop": (30_000, 100, 400, 120), "colab": (1_500_000, 500, 1024, 300)}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NEEDED = 10  # rows


@dataclass(frozen=True)
class TextTask:
    """A Task for free texts: rows have `text` and `target`."""

    instruction: str
    name: str = "your own texts"

    def prompt(self, row: dict) -> list[dict]:
        """The chat messages shown to the model."""
        return [{"role": "system", "content": self.instruction}, {"role": "user", "content": row["text"]}]

    def answer(self, row: dict) -> str:
        """The target."""
        return row["target"]

    def parse(self, text: str) -> str | None:
        """The text itself; None when nothing was written."""
        return text.strip() or None


@dataclass
class Job:
    """A learner's data, ready to train: the audit, the parts, the Task, and what was left out and why."""

    name: str
    audit: Audit
    parts: dict[str, list[dict]]
    task: evaluation.LabelTask | TextTask
    labels: dict[str, str] | None  # what the model writes -> the learner's own label
    folder: Path
    notes: list[str] = field(default_factory=list)

    def __str__(self):
        sizes = ", ".join(f"{len(rows):,} {part}" for part, rows in self.parts.items())
        return "\n".join([str(self.audit), f"Parts: {sizes} rows.", *self.notes])


# ---------------------------------------------------------------- preparing
def prepare(source: str | Path | list[dict] | files.OwnFile, name: str = "", text: str | None = None,
            target: str | None = None, instruction: str = "", licence: str = "", tokenizer=None) -> Job:
    """Reads, audits and splits. source: a file, or rows with `text` and `target`. Nothing is trained.

    Texts that are the same or nearly so stay in one part. Rows with an empty cell and rows too long for the machine are left out
    and counted in `notes`. Raises CourseError for a file that cannot be used.
    """
    given = files.read(source, text, target) if isinstance(source, str | Path) else source
    rows = given.rows if isinstance(given, files.OwnFile) else given
    name = name or (Path(given.name).stem if isinstance(given, files.OwnFile) else "own data")
    notes = list(given.notes) if isinstance(given, files.OwnFile) else []
    longest = BUDGET[runtime.scale()][2]
    count = (lambda words: len(tokenizer.encode(words))) if tokenizer and len(rows) <= 20_000 else None
    audited = audit(rows, name, count_tokens=count, context=longest, licence=licence)
    kept = [{"id": i, **row} for i, (row, size) in enumerate(zip(rows, audited.lengths, strict=True))
            if row["text"].strip() and row["target"].strip() and size <= longest - 60]
    if len(kept) < len(rows):
        gone = f"{len(rows) - len(kept):,} of {len(rows):,}"
        notes.append(f"{gone} rows are left out: an empty cell, or too long for this machine.")
    if len(kept) < NEEDED:
        raise CourseError(f"{len(kept)} rows can be used; {NEEDED} are the least. {notes[-1] if notes else ''}".strip(),
                          "collect more rows (50 or more), or shorten the texts.")
    kinds = sorted({row["target"] for row in kept}) if audited.labels is not None else None
    if kinds is not None and len(kinds) < 2:
        raise CourseError(f"Every row has the same target, {kinds[0]!r}: nothing to learn.", "add rows with other labels.")
    task, names = _task(kinds, instruction, tokenizer)
    kept = [{**row, "label": next(k for k, v in names.items() if v == row["target"])} if names else row for row in kept]
    parts = _split(kept)
    content = json.dumps([[row["text"], row["target"]] for row in rows] + [task.instruction])
    folder = runtime.runs_dir() / "own" / f"{_safe(name)}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    return Job(name, audited, parts, task, names, folder, notes)


def _safe(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())[:40].strip("-") or "own"


def _task(kinds: list[str] | None, instruction: str, tokenizer):
    if kinds is None:
        return TextTask(instruction or "Answer as in the examples you were trained on."), None
    names = {kind.lower().strip(): kind for kind in kinds}
    try:
        if len(names) < len(kinds):
            raise CourseError("two labels differ in capitals only", "")
        task = evaluation.LabelTask("your own labels", tuple(names), instruction or f"Classify: {', '.join(names)}.")
        if tokenizer:
            evaluation.label_tokens(tokenizer, task)
        return task, names
    except CourseError:  # two labels begin alike: the model answers with a letter instead
        names = dict(zip(LETTERS, kinds, strict=False))
        listed = "; ".join(f"{letter} = {kind}" for letter, kind in names.items())
        told = f"{instruction or 'Classify.'} Answer with a letter. {listed}"
        return evaluation.LabelTask("your own labels", tuple(names), told), names


def _split(rows: list[dict]) -> dict[str, list[dict]]:
    """70 % train, 10 % validation, 20 % test by the hash of a family of alike texts, evenly over labels."""
    rows = sorted(rows, key=lambda r: hashlib.sha256((r["text"] + r["target"]).encode()).hexdigest())
    pairs, _, _ = duplicates.near_pairs([row["text"] for row in rows])
    seen: dict[str, int] = {}
    pairs += [(seen[key], i) for i, row in enumerate(rows) if seen.setdefault(key := checks.tidy(row["text"]), i) != i]
    family = duplicates.families(len(rows), pairs)
    groups: dict[int, list[dict]] = {}
    for row, number in zip(rows, family, strict=True):
        groups.setdefault(number, []).append(row)
    order = sorted(groups.values(), key=lambda group: group[0].get("label", ""))
    parts: dict[str, list[dict]] = {"train": [], "validation": [], "test": []}
    for place, group in enumerate(order):
        turn = place % 10
        parts["test" if turn in (0, 5) else "validation" if turn == 3 else "train"] += group
    return {part: sorted(found, key=lambda r: hashlib.sha256(r["text"].encode()).hexdigest()) for part, found in parts.items()}


# ---------------------------------------------------------------- training and testing
def run(source, name: str = "", text: str | None = None, target: str | None = None, instruction: str = "", licence: str = "",
        despite_stop: bool = False, watch=None, say=print) -> dict:
    """Everything, from the file to the zip. Returns the outcome: scores, baselines, places of report, card and zip.

    despite_stop: go on although the audit says stop. A run that was interrupted goes on; one that is done returns at once.
    """
    model_name = MODEL[runtime.scale()]
    model, tokenizer = models.load(model_name)
    job = prepare(source, name, text, target, instruction, licence, tokenizer)
    page = report.save(job.audit, job.folder)
    say(job)
    if job.audit.verdict == "stop" and not despite_stop:
        raise CourseError(f"The audit says stop: {job.audit.reasons[0].what} The report is {runtime.short(page)}.",
                          job.audit.reasons[0].next_action or "repair the data and run again.")
    done = job.folder / f"outcome-{runtime.scale()}.json"
    if done.exists():
        say("This data was trained on before with these settings; here is that outcome.")
        return json.loads(done.read_text(encoding="utf-8"))
    rows, settings = _plan(job, tokenizer)
    say(f"Training on {len(rows):,} of {len(job.parts['train']):,} rows, {settings.epochs:g} times over.")
    model = models.attach_lora(model)
    trained = training.fit(model, tokenizer, job.task, rows, settings, job.folder / "checkpoints", watch=watch)
    test = job.parts["test"][:BUDGET[runtime.scale()][1]]
    scores = _test_labels(job, model, tokenizer, rows, test) if job.labels else _test_texts(job, model, tokenizer, rows, test)
    outcome = {"name": job.name, "model": model_name, "rows": len(rows), "tested": len(test), "tokens": trained.tokens,
               "train_seconds": round(trained.seconds, 1), "loss": trained.loss, "scale": runtime.scale(),
               "device": runtime.machine().name, "verdict": job.audit.verdict, "settings": asdict(settings), "scores": scores,
               "notes": job.notes, "report": runtime.short(page)}
    outcome["zip"] = runtime.short(_pack(job, model, model_name, outcome))
    results.write_json(done, outcome)
    return outcome


def _plan(job: Job, tokenizer) -> tuple[list[dict], training.Settings]:
    """As many rows as the budget of tokens lets the model read twice (thrice for few rows)."""
    budget, _, longest, _ = BUDGET[runtime.scale()]
    train = job.parts["train"]
    some = train[:200]
    size = sum(len(evaluation.prompt_tokens(tokenizer, job.task, row)) + len(tokenizer.encode(job.task.answer(row)))
               for row in some) / len(some)
    fits = max(8, int(budget / size))
    epochs = 3.0 if 3 * len(train) <= fits else 2.0 if 2 * len(train) <= fits else 1.0
    settings = training.Settings(epochs=epochs, batch=8 if len(train) >= 64 else 4, max_length=longest + 200, checkpoint_every=10)
    return train[:int(fits / epochs)], settings


def _line(system: str, right: list[float], **more) -> dict:
    low, high = statistics.accuracy_interval(int(sum(right)), len(right))
    return {"system": system, "n": len(right), "accuracy": sum(right) / len(right), "low": low, "high": high, **more}


def _test_labels(job, model, tokenizer, train, test) -> list[dict]:
    tuned = evaluation.classify(model, tokenizer, job.task, test, "fine-tuned")
    with model.disable_adapter():
        prior = evaluation.label_prior(evaluation.label_scores(model, tokenizer, job.task, train[:60]))
        before = evaluation.classify(model, tokenizer, job.task, test, "untrained, calibrated", prior=prior)
    rivals = [evaluation.majority(train, test, job.task.labels), before]
    if len({row["label"] for row in train}) > 1:
        rivals.append(evaluation.tfidf(train, test, job.task.labels))
    if len(train) < len(job.parts["train"]):  # the classic has time for all rows: hiding that would flatter the model
        rivals.append(evaluation.tfidf(job.parts["train"], test, job.task.labels))
        rivals[-1].system += f", all {len(job.parts['train']):,} rows"
    lines = [_line(e.system, e.right.tolist(), macro_f1=e.macro_f1) for e in [*rivals, tuned]]
    best = max(rivals, key=lambda e: e.accuracy)
    gap = statistics.paired_bootstrap(tuned.right, best.right)
    lines[-1]["gain"] = {"over": best.system, **gap}
    return lines


def _test_texts(job, model, tokenizer, train, test) -> list[dict]:
    def answers(dense, rows):  # dense copies write several times faster than four bits
        return [w.text for w in answering.write(dense, tokenizer, job.task, rows, 16, BUDGET[runtime.scale()][3])]

    few = test[:max(4, len(test) // 4)]  # an untrained model seldom stops by itself: it gets a quarter of the rows
    written = {"fine-tuned": answers(models.merged(model), test)}
    untrained, _ = models.load(model.course_name, four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))
    before = answers(untrained, few)
    rivals = {"most frequent target": [Counter(r["target"] for r in train).most_common(1)[0][0]] * len(test),
              "target of the likest text": nearest(train, test)}
    lines = [_text_line("untrained", before, few)]
    return lines + [_text_line(system, texts, test) for system, texts in (rivals | written).items()]


def _text_line(system, texts, rows) -> dict:
    exact = [float(checks.tidy(a) == checks.tidy(r["target"])) for a, r in zip(texts, rows, strict=True)]
    return _line(system, exact, word_f1=sum(word_f1(a, r["target"]) for a, r in zip(texts, rows, strict=True)) / len(rows))


def nearest(train: list[dict], test: list[dict]) -> list[str]:
    """For each test row the target of the training text most like it (TF-IDF cosine): the baseline that only looks up."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    read = TfidfVectorizer(token_pattern=r"(?u)\w+").fit([r["text"] for r in train])
    likeness = read.transform([r["text"] for r in test]) @ read.transform([r["text"] for r in train]).T
    return [train[int(i)]["target"] for i in likeness.toarray().argmax(1)]


def word_f1(given: str, wanted: str) -> float:
    """F1 of the words that two texts share, each counted as often as it occurs (Rajpurkar et al., 2016)."""
    a, b = Counter(checks.tidy(given).split()), Counter(checks.tidy(wanted).split())
    shared = sum((a & b).values())
    return 2 * shared / max(1, sum(a.values()) + sum(b.values()))


# ---------------------------------------------------------------- what the learner takes home
def _pack(job: Job, model, model_name: str, outcome: dict) -> Path:
    adapter = models.save_adapter(model, job.folder / "adapter", model_name, half=True, task=job.task.name,
                                  instruction=job.task.instruction, labels=job.labels)
    page = job.folder / "README.md"
    with runtime.clear_disk_errors(page):
        page.write_text(card.text(job, outcome), encoding="utf-8")
        place = job.folder / f"{job.folder.name}.zip"
        with zipfile.ZipFile(place.with_suffix(".half"), "w", zipfile.ZIP_DEFLATED) as pack:
            for file in [page, job.folder / "audit.html", *sorted(adapter.iterdir())]:
                pack.write(file, file.relative_to(job.folder))
        place.with_suffix(".half").replace(place)
    return place
