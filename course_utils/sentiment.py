"""Floor 4: the sentiment domain: the course's own sentences, FinancialPhraseBank, any CSV of your own, and the Task."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import runtime
from .evaluation import LabelTask
from .runtime import CourseError

LABELS = ("positive", "negative", "neutral")
TASK = LabelTask("financial sentiment", LABELS, "Classify sentiment: positive, negative or neutral.")
OWN = runtime.ROOT / "data" / "sentiment"
WORDS = {
    "positive": set(
        "rose rise rises increased increase increases grew grow growth up higher gain gains improved improve improvement "
        "record doubled tripled jumped climbed soared strong stronger profit-raising beat beats exceeded raised upgrade "
        "upgraded won wins awarded narrowed recovered recovery rebound surged better best expand profitable boosted".split()),
    "negative": set(
        "fell fall falls decreased decrease decreases declined decline down lower loss losses dropped drop plunged slid "
        "weak weaker worsened missed cut cuts layoffs redundancies downgrade downgraded lawsuit fined fine default recall "
        "warned warning widened halted bankruptcy delayed shrank slump slumped worse worst impairment writedown".split()),
}


@dataclass
class Loaded:
    """Rows that were kept, and what was dropped and why."""

    rows: list[dict]
    dropped: Counter = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def __str__(self):
        gone = ", ".join(f"{n} {why}" for why, n in self.dropped.items()) or "none"
        return "\n".join([f"{len(self.rows)} rows kept; dropped: {gone}.", *self.notes])


def split(rows: list[dict], train: int, validation: int) -> dict[str, list[dict]]:
    """A fixed split that does not depend on the order of the file: rows sorted by their text's SHA-256."""
    order = sorted(rows, key=lambda r: hashlib.sha256(r["text"].encode()).hexdigest())
    return {"train": order[:train], "validation": order[train:train + validation], "test": order[train + validation:]}


# ---------------------------------------------------------------- the course's own sentences
def own(part: str = "train") -> list[dict]:
    """The course's own sentences: part is train, validation or test. Each row: text, label, topic, sector, hard ..."""
    path = OWN / f"{part}.jsonl"
    if not path.exists():
        raise CourseError(f"There is no part {part!r} of the course's sentences.", "use train, validation or test.")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def stratified(rows: list[dict], n: int) -> list[dict]:
    """The first n rows with the labels in the proportions of all rows: a fixed subset, the same for everyone."""
    n = min(n, len(rows))
    quota = {label: round(n * count / len(rows)) for label, count in Counter(r["label"] for r in rows).items()}
    taken: Counter = Counter()
    picked = []
    for row in rows:
        if taken[row["label"]] < quota[row["label"]]:
            taken[row["label"]] += 1
            picked.append(row)
    return picked[:n]


# ---------------------------------------------------------------- FinancialPhraseBank
def phrasebank(path: str | Path | None = None) -> Loaded:
    """FinancialPhraseBank, sentences on which all annotators agree ("all-agree, the easy subset"; Malo et al., 2014).

    path: its zip; default the variable COURSE_PHRASEBANK, else the hub. CC BY-NC-SA 3.0: loaded at run time, never
    bundled. Each line is `sentence@label` in latin-1; damaged, empty and duplicate lines are counted and dropped.
    """
    path = path or os.environ.get("COURSE_PHRASEBANK") or _phrasebank_from_hub()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith("allagree.txt") and "__MACOSX" not in n]
            if not names:
                raise CourseError(f"{path} holds no file named ...AllAgree.txt.", "give the zip of FinancialPhraseBank-v1.0.")
            lines = archive.read(names[0]).decode("latin-1").splitlines()
    except FileNotFoundError as error:
        raise CourseError(f"There is no file {path}.", "check the path in COURSE_PHRASEBANK.") from error
    except zipfile.BadZipFile as error:
        raise CourseError(f"{path} is not a whole zip file.", "download it again.") from error
    pairs = [(text, label) for text, _, label in (line.rpartition("@") for line in lines)]
    return _clean(pairs, LABELS)


def _phrasebank_from_hub() -> str:
    from huggingface_hub import hf_hub_download

    try:
        return hf_hub_download("takala/financial_phrasebank", "data/FinancialPhraseBank-v1.0.zip", repo_type="dataset")
    except Exception as error:
        raise CourseError(f"FinancialPhraseBank could not be fetched from the hub ({type(error).__name__}).",
                          "set COURSE_PHRASEBANK to its zip, or train on the course's own sentences.") from error


def phrasebank_split(path: str | Path | None = None) -> dict[str, list[dict]]:
    """The fixed split of the all-agree rows: 400 train, 150 validation, the rest test."""
    return split(phrasebank(path).rows, 400, 150)


# ---------------------------------------------------------------- any CSV of your own
def read_csv(path: str | Path, text: str = "text", label: str = "label", labels: tuple[str, ...] | None = LABELS,
             max_rows: int = 20_000) -> Loaded:
    """Rows of a CSV file with a text and a label column, in any usual encoding and delimiter, read as a stream.

    labels: the labels allowed (others are dropped and counted), or None to take what the file holds.
    """
    path = Path(path)
    if not path.exists():
        raise CourseError(f"There is no file {path}.", "check its name and folder.")
    encoding, notes = _encoding(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        sample = file.read(8192)
        if not sample.strip():
            raise CourseError(f"{path} is empty.", "export it again with a header and rows.")
        file.seek(0)
        rows = csv.DictReader(file, delimiter=_delimiter(sample))
        header = {(h or "").strip().lower(): h for h in rows.fieldnames or []}
        missing = [name for name in (text, label) if name.lower() not in header]
        if missing:
            raise CourseError(f"{path.name} has no column {' and no column '.join(map(repr, missing))}; it has "
                              f"{', '.join(repr(h) for h in rows.fieldnames or [])}.",
                              "rename the columns, or pass text= and label= with the names you have.")
        columns = header[text.lower()], header[label.lower()]
        loaded = _clean(((r[columns[0]], r[columns[1]]) for r in rows), labels, max_rows)
    loaded.notes = notes + loaded.notes
    if not loaded.rows:
        raise CourseError(f"No row of {path.name} can be used ({loaded}).",
                          f"use the labels {', '.join(labels)}." if labels else "fill both columns.")
    return loaded


def _encoding(path: Path) -> tuple[str, list[str]]:
    """UTF-8, or UTF-16 by its mark, else Windows-1252; the notes say so when it is not UTF-8."""
    with path.open("rb") as file:
        start = file.read(1 << 20)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", ["The file is UTF-16; it was read as such."]
    try:
        start[:-4].decode("utf-8") if len(start) == 1 << 20 else start.decode("utf-8")
        return "utf-8-sig", []
    except UnicodeDecodeError:
        return "cp1252", ["The file is not UTF-8; it was read as Windows-1252. Check names with accents."]


def _delimiter(sample: str) -> str:
    head = sample.splitlines()[0]
    return max(",;\t|", key=head.count)


def _clean(pairs, labels, max_rows: int = 1 << 30) -> Loaded:
    loaded, seen = Loaded([]), set()
    try:
        for text, label in pairs:
            if len(loaded.rows) >= max_rows:
                loaded.notes.append(f"Reading stopped after {max_rows:,} rows; pass max_rows= to read more.")
                break
            text, label = " ".join((text or "").split()), (label or "").strip().lower()
            why = ("empty" if not text else "without a label" if not label
                   else "with an unknown label" if labels and label not in labels else "duplicate" if text in seen else "")
            if why:
                loaded.dropped[why] += 1
                continue
            seen.add(text)
            loaded.rows.append({"text": text, "label": label})
    except csv.Error as error:
        raise CourseError(f"The file cannot be read as CSV after {len(loaded.rows)} rows ({error}).",
                          "save it as CSV again; quotes may be unbalanced.") from error
    return loaded


# ---------------------------------------------------------------- how repetitive is a set of sentences?
def masked_words(text: str, known: set[str]) -> list[str]:
    """Lower-case words with names and digits masked: what is left is the skeleton.

    known: words seen in lower case somewhere; a capitalised word is a name unless it opens the text and is known.
    """
    words = re.findall(r"[^\W\d_]+|\d[\d.,]*", text)

    def mask(i, word):
        if word[0].isdigit():
            return "#"
        return "@" if word[0].isupper() and (i or word.lower() not in known) else word.lower()

    return [mask(i, word) for i, word in enumerate(words)]


def variety(rows: list[dict]) -> dict[str, float]:
    """Repetition figures: share of distinct masked 4-grams, and similarity of each sentence to its nearest neighbour.

    Similarity is the cosine of TF-IDF vectors of masked words and word pairs; 1 means the same skeleton.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = {word for r in rows for word in re.findall(r"[^\W\d_]+", r["text"]) if word.islower()}
    masked = [masked_words(r["text"], known) for r in rows]
    grams = [tuple(w[i:i + 4]) for w in masked for i in range(len(w) - 3)]
    vectors = TfidfVectorizer(analyzer=lambda w: w + [" ".join(p) for p in zip(w, w[1:], strict=False)]).fit_transform(masked)
    likeness = (vectors @ vectors.T).toarray()
    np.fill_diagonal(likeness, 0)
    nearest = likeness.max(1)
    return {"distinct_4grams": len(set(grams)) / len(grams), "nearest_median": float(np.median(nearest)),
            "nearest_95": float(np.quantile(nearest, 0.95)), "near_duplicates": int((nearest > 0.8).sum())}
