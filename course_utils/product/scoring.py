"""Scores a large file of headlines: restartable, one output row an input row, in order, memory flat in the file's size.

    python -m course_utils.product.scoring in.csv out/ [--adapter FOLDER] [--column text]

The file is read as a stream (`datasets`) and scored shard by shard. A shard is written under another name, then renamed, so
a kill at any moment leaves whole shards or nothing. A restart keeps the whole ones and does the rest.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .. import evaluation, results, runtime, sentiment
from ..runtime import CourseError

FIELDS = ("row", "text", "label", "confidence", "note")
SHARD_ROWS = 5_000


class Scorer(Protocol):
    """What labels texts. name: says which scorer and which version of it; a folder holds the scores of one only."""

    name: str

    def __call__(self, texts: list[str]) -> list[tuple[str, float, str]]:
        """(label, confidence between 0 and 1, note) of each text, in order. The note says why a label is empty."""


# ---------------------------------------------------------------- scorers
class WordList:
    """The cheap scorer: counts words of the two lists of `sentiment`. A million headlines in about a minute."""

    name = "word list"

    def __call__(self, texts):
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> tuple[str, float, str]:
        words = text.lower().replace(",", " ").replace(".", " ").split()
        good, bad = (sum(word in sentiment.WORDS[label] for word in words) for label in ("positive", "negative"))
        label = "positive" if good > bad else "negative" if bad > good else "neutral"
        return label, (1 + abs(good - bad)) / (2 + good + bad), ""


class ModelScorer:
    """A fine-tuned model: the most probable label, with its probability among the labels."""

    def __init__(self, model, tokenizer, name: str, task=sentiment.TASK, batch: int = 32, limit: int = 512):
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.task, self.batch, self.limit = task, batch, limit

    def __call__(self, texts):
        import numpy as np

        fits = [len(self.tokenizer.encode(text)) <= self.limit for text in texts]
        rows = [{"text": text} for text, fit in zip(texts, fits, strict=True) if fit]
        scores = evaluation.label_scores(self.model, self.tokenizer, self.task, rows, self.batch)
        share = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
        found = iter([(self.task.labels[k], float(p[k]), "") for p, k in zip(share, share.argmax(1), strict=True)])
        return [next(found) if fit else ("", 0.0, f"longer than {self.limit} tokens") for fit in fits]


def from_adapter(folder: Path, base: str = "smollm2-135m") -> ModelScorer:
    """The scorer of a saved sentiment adapter, on the unquantised base. Raises CourseError for a wrong or missing adapter."""
    from . import merging

    model, tokenizer = merging.merged(folder, base)
    return ModelScorer(model, tokenizer, f"{base} with {Path(folder).name} {merging.checksum(Path(folder))[:12]}")


# ---------------------------------------------------------------- the job
@dataclass(frozen=True)
class Report:
    """What a run did. shards_kept: whole ones found from an earlier run; unscored: rows without a label, with a note instead."""

    rows: int
    shards: int
    shards_kept: int
    unscored: int
    file: Path


def score_file(source: Path, folder: Path, scorer: Scorer, column: str = "text", shard_rows: int = SHARD_ROWS,
               watch: Callable[[int, int], None] | None = None) -> Report:
    """Scores every row of a CSV file into `folder`/scores.csv, with one shard in memory at a time.

    The output has the columns of `FIELDS`; `row` counts from 0. An empty or too long text gets an empty label and a note.
    watch(shard, rows so far): called after every shard. Raises CourseError for a file that is missing, empty, without the
    column or no CSV, and for a folder that holds scores of another file, scorer or size of shard.
    """
    source, folder = Path(source), Path(folder)
    layout = _layout(source, column)
    with runtime.clear_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("*.half"):
            left.unlink()
        _claim(folder, {"source": _fingerprint(source), "column": column, "scorer": scorer.name, "shard_rows": shard_rows})
        counts, kept = [], 0
        for number, texts in enumerate(_shards(source, column, layout, shard_rows)):
            place = folder / f"part-{number:05d}.csv"
            if place.exists():
                kept += 1
            else:
                _write_part(place, number * shard_rows, texts, scorer)
            counts.append(len(texts))
            if watch:
                watch(number, sum(counts))
        if not counts:
            raise CourseError(f"{source} has a header but no rows.", "export it again with its rows.")
        unscored = _join(folder, counts)
    return Report(sum(counts), len(counts), kept, unscored, folder / "scores.csv")


def _layout(source: Path, column: str) -> dict:
    """Encoding, delimiter and column names, found as `sentiment.read_csv` finds them."""
    if not source.is_file():
        raise CourseError(f"There is no file {source}.", "check its name and folder.")
    encoding, _ = sentiment._encoding(source)
    with source.open(encoding=encoding, errors="replace", newline="") as file:
        start = file.read(8192)
        if not start.strip():
            raise CourseError(f"{source} is empty.", "export it again with a header and rows.")
        file.seek(0)
        separator = sentiment._delimiter(start)
        names = next(csv.reader(file, delimiter=separator))
    if column not in names:
        raise CourseError(f"{source.name} has no column {column!r}; it has {', '.join(map(repr, names))}.",
                          "name the column that holds the headlines (column=, or --column on the command line).")
    return {"encoding": encoding, "sep": separator, "names": names}


def _shards(source: Path, column: str, layout: dict, shard_rows: int) -> Iterator[list[str]]:
    """The column's texts, `shard_rows` at a time. Every line counts, also an empty one and a text such as NA."""
    import datasets

    features = datasets.Features({name: datasets.Value("string") for name in layout["names"]})
    stream = datasets.load_dataset(
        "csv", data_files=str(source), split="train", streaming=True, features=features, chunksize=shard_rows,
        sep=layout["sep"], encoding=layout["encoding"], encoding_errors="replace", keep_default_na=False,
        na_filter=False, skip_blank_lines=False)
    seen = 0
    try:
        for table in stream.select_columns([column]).with_format("arrow").iter(batch_size=shard_rows):
            texts = [text or "" for text in table[column].to_pylist()]
            seen += len(texts)
            yield texts
    except (ValueError, csv.Error) as error:  # pandas' ParserError is a ValueError
        raise CourseError(f"{source.name} cannot be read as CSV after {seen:,} rows ({error}).",
                          "save it as CSV again; quotes or the number of columns do not match.") from error


def _write_part(place: Path, first: int, texts: list[str], scorer: Scorer) -> None:
    asked = [text for text in texts if text.strip()]
    answers = scorer(asked)
    if len(answers) != len(asked):
        raise ValueError(f"the scorer gave {len(answers)} answers to {len(asked)} texts")
    found = iter(answers)
    half = place.with_suffix(".half")
    with half.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        for number, text in enumerate(texts, first):
            label, confidence, note = next(found) if text.strip() else ("", 0.0, "empty")
            out.writerow([number, text, label, f"{confidence:.4f}", note])
        file.flush()
        os.fsync(file.fileno())
    os.replace(half, place)


def _join(folder: Path, counts: list[int]) -> int:
    """Checks every part and joins them into scores.csv. Returns the rows without a label."""
    expected, unscored, half = 0, 0, folder / "scores.half"
    with half.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerow(FIELDS)
        for number, count in enumerate(counts):
            place = folder / f"part-{number:05d}.csv"
            with place.open(encoding="utf-8", newline="") as part:
                for row in csv.reader(part):
                    if len(row) != len(FIELDS) or row[0] != str(expected):
                        raise CourseError(f"{place} is damaged near row {expected}.", "delete that file and start again.")
                    unscored, expected = unscored + (not row[2]), expected + 1
            if expected != sum(counts[:number + 1]):
                raise CourseError(f"{place} does not hold its {count} rows.", "delete that file and start again.")
            with place.open(encoding="utf-8", newline="") as part:
                shutil.copyfileobj(part, out)
    os.replace(half, folder / "scores.csv")
    return unscored


def _fingerprint(source: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _claim(folder: Path, job: dict) -> None:
    """Notes whose scores the folder holds; refuses another job's."""
    note = folder / "job.json"
    if not note.exists():
        if any(folder.glob("part-*.csv")):
            raise CourseError(f"{folder} holds parts of an unknown job.", "choose an empty folder.")
        results.write_json(note, job)
        return
    old = json.loads(note.read_text(encoding="utf-8"))
    changed = [name for name in job if old.get(name) != job[name]]
    if changed:
        raise CourseError(f"{folder} holds scores of another job: another {', '.join(changed).replace('_', ' ')}.",
                          "choose another folder, or empty this one.")


def start(source: Path, folder: Path, shard_rows: int = SHARD_ROWS) -> subprocess.Popen:
    """The same job with the word list in a process of its own, which may be killed."""
    command = [sys.executable, "-m", "course_utils.product.scoring", str(Path(source).resolve()), str(Path(folder).resolve()),
               "--shard-rows", str(shard_rows)]
    return subprocess.Popen(command, cwd=runtime.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--adapter", type=Path, help="a saved sentiment adapter; without it the word list scores")
    parser.add_argument("--base", default="smollm2-135m", help="the adapter's base model")
    parser.add_argument("--column", default="text")
    parser.add_argument("--shard-rows", type=int, default=SHARD_ROWS)
    asked = parser.parse_args()
    runtime.quiet()
    try:
        scorer = from_adapter(asked.adapter, asked.base) if asked.adapter else WordList()
        report = score_file(asked.source, asked.folder, scorer, asked.column, asked.shard_rows,
                            lambda shard, rows: print(f"{rows:,} rows", flush=True))
    except CourseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{report.rows:,} rows in {report.shards} shards ({report.shards_kept} kept from before), "
          f"{report.unscored} without a label: {report.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
