"""Blind ratings by people (claim R10): two anonymous answers to one case, marked side by side, and what the marks say.

No widget stands here (see `rating_view`). A rater's file is replaced after every mark, whole or not at all. Its rows name no
system: only whoever has the pairs and the seed can resolve their `code`. A mark that nobody gave stays empty.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import hashlib
import io
import os
import random
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from .. import runtime
from ..runtime import CourseError
from .task import RUBRIC, text_of

CHOICES = ("1", "equal", "2")  # the answer shown first, neither, the one shown second
MARKS = tuple(f"{criterion}_{place}" for place in (1, 2) for criterion in RUBRIC)
COLUMNS = ("rater", "pair", "saved", *MARKS, "preferred", "code")  # the code is last, so that a cut row shows
ALLOWED = {**dict.fromkeys(MARKS, (1, 2, 3, 4, 5)), "preferred": CHOICES}


# ---------------------------------------------------------------- what is rated
@dataclass(frozen=True)
class Pair:
    """A case and what two systems answered. answers: ((system, text), (system, text))."""

    id: str
    case: str
    answers: tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True)
class Blind:
    """A pair as a rater sees it: two texts without names, and the code that stands for their order."""

    pair: str
    case: str
    texts: tuple[str, str]
    code: str


def pairs_of(rows: list[dict], answers: dict[str, list[str]]) -> list[Pair]:
    """Pairs to rate. rows: cases or gold tasks; answers: for each of two systems its answers, in the order of `rows`.

    Raises CourseError unless there are two systems with an answer to every row, and every row has an id of its own.
    """
    if len(answers) != 2 or {len(texts) for texts in answers.values()} != {len(rows)} or not rows:
        found = ", ".join(f"{system}: {len(texts)}" for system, texts in answers.items()) or "none"
        raise CourseError(f"A comparison needs the answers of two systems to the same {len(rows)} cases (found {found}).",
                          "pass one list of answers for each of two systems, in the order of the cases.")
    ids = [str(row.get("id", "")) for row in rows]
    bad = next((name for name in ids if len(name.splitlines()) != 1 or ids.count(name) > 1), None)
    if bad is not None:
        raise CourseError(f"The id {bad!r} is empty, has a line break or is given twice.", "give each case an id of its own.")
    (one, first), (two, second) = answers.items()
    return [Pair(name, text_of(row), ((one, a), (two, b))) for name, row, a, b in zip(ids, rows, first, second, strict=True)]


def rater_code(name: str) -> str:
    """The name under which a rater's file is kept: lower case, hyphens for what is neither letter nor digit."""
    code = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", name).casefold())[:40].strip("-")
    if not code:
        raise CourseError("The name has no letter and no digit.", "type your name, or a code such as r07.")
    return code


def code_of(pair: Pair, swapped: bool, rater: str, seed: int) -> str:
    """Stands for the order in which a rater sees a pair. Other texts, another rater or seed: another code."""
    order = pair.answers[::-1] if swapped else pair.answers
    parts = [str(seed), rater, pair.id, *(part for answer in order for part in answer)]
    return "r" + hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:10]


def blinded(pairs: list[Pair], rater: str, seed: int) -> list[Blind]:
    """The pairs in an order drawn for this rater; each system stands first in half of them."""
    draw = random.Random(f"{seed}/{rater}")
    swaps = [place % 2 == 1 for place in range(len(pairs))]
    draw.shuffle(swaps)
    out = []
    for pair, swapped in zip(pairs, swaps, strict=True):
        (_, a), (_, b) = pair.answers
        out.append(Blind(pair.id, pair.case, (b, a) if swapped else (a, b), code_of(pair, swapped, rater, seed)))
    draw.shuffle(out)
    return out


# ---------------------------------------------------------------- files
@dataclass(frozen=True)
class Read:
    """What a file of ratings holds. rows: code -> row; kept and dropped count its lines; replaced: by a later row."""

    rows: dict[str, dict]
    kept: int = 0
    dropped: int = 0
    replaced: int = 0


def read(place: Path) -> Read:
    """Reads a rater's file as far as it is whole: every line that is a full row is kept, every other one counted.

    A file that a spreadsheet saved again (semicolons, byte-order mark) is read, too. No file: no rows.
    """
    if not place.exists():
        return Read({})
    with runtime.clear_disk_errors(place):
        lines = place.read_bytes().decode("utf-8-sig", "replace").splitlines()
    mark = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    found = [cells for cells in (_cells(line, mark) for line in lines if line.strip()) if cells != list(COLUMNS)]
    rows, whole = {}, [row for row in map(_row, found) if row]
    for row in whole:
        if row["code"] not in rows or row["saved"] >= rows[row["code"]]["saved"]:
            rows[row["code"]] = row
    return Read(rows, len(whole), len(found) - len(whole), len(whole) - len(rows))


def _cells(line: str, mark: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=mark, strict=True), [])
    except csv.Error:
        return []


def _row(cells: list[str]) -> dict | None:
    """A row with its marks as numbers and None for a mark not given; None if any cell is not what it should be."""
    if len(cells) != len(COLUMNS) or "\ufffd" in "".join(cells):
        return None
    row = dict(zip(COLUMNS, cells, strict=True))
    try:
        datetime.datetime.fromisoformat(row["saved"])
    except ValueError:
        return None
    for column, allowed in ALLOWED.items():
        choices = {"": None, **{str(value): value for value in allowed}}
        if row[column] not in choices:
            return None
        row[column] = choices[row[column]]
    whole = row["pair"] and re.fullmatch(r"[^\W_]+(-[^\W_]+)*", row["rater"]) and re.fullmatch(r"r[0-9a-f]{10}", row["code"])
    return row if whole else None


def _write(place: Path, rows: dict[str, dict]) -> None:
    """Replaces the file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    half = place.with_name(f"{place.name}.{os.getpid()}.half")
    with runtime.clear_disk_errors(place.parent):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(half, "w", encoding="utf-8", newline="") as file:
                file.write(text.getvalue())
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, place)
        except OSError as error:
            with contextlib.suppress(OSError):
                half.unlink()
            if runtime.is_disk_full(error):
                raise
            raise CourseError(f"{runtime.short(place)} cannot be written ({error.strerror}). The marks are kept on this page.",
                              "close the file in other programs (a spreadsheet locks it), then give the next mark.") from error


def _set_aside(place: Path) -> Path:
    """Copies a damaged file beside itself before it is replaced."""
    number = 1
    while (copy := place.with_name(f"{place.name}.damaged-{number}")).exists():
        number += 1
    with runtime.clear_disk_errors(place.parent):
        shutil.copy2(place, copy)
    return copy


def folder_of(folder: Path | None = None) -> Path:
    """Where ratings lie: `folder`, or ratings/ in the runs folder."""
    return Path(folder) if folder else runtime.runs_dir() / "ratings"


# ---------------------------------------------------------------- one rater at work
class Session:
    """One rater's way through the pairs: where they are, what they gave, and the file it is saved in after every mark.

    Goes on at the first pair without all marks. `kept` and `dropped` count the rows found in an earlier file. Raises CourseError
    for a name without letters or a file that cannot be read.
    """

    def __init__(self, pairs: list[Pair], rater: str, folder: Path | None = None, seed: int = 0):
        if not pairs:
            raise CourseError("There are no pairs to rate.", "make pairs with `ratings.pairs_of` first.")
        self.rater = rater_code(rater)
        self.place = folder_of(folder) / f"ratings-{self.rater}.csv"
        self.items = blinded(pairs, self.rater, seed)
        earlier = read(self.place)
        self.rows, self.kept, self.dropped = earlier.rows, earlier.kept, earlier.dropped
        self.at = next((place for place in range(len(self.items)) if self.missing(place)), len(self.items) - 1)

    @property
    def item(self) -> Blind:
        """The pair that is shown now."""
        return self.items[self.at]

    def marks(self, at: int | None = None) -> dict[str, int | str | None]:
        """Column -> what the rater gave, None where nothing yet. at: another pair than the present one."""
        row = self.rows.get(self.items[self.at if at is None else at].code, {})
        return {column: row.get(column) for column in ALLOWED}

    def missing(self, at: int | None = None) -> int:
        """How many marks the pair still lacks."""
        return sum(value is None for value in self.marks(at).values())

    @property
    def complete(self) -> int:
        """How many pairs have all their marks."""
        return sum(not self.missing(place) for place in range(len(self.items)))

    def rate(self, column: str, value: int | str | None) -> None:
        """Takes one mark of the present pair and saves; None takes a mark back.

        Raises CourseError when the file cannot be written: the mark is then kept here and written with the next one.
        """
        if column not in ALLOWED or (value is not None and value not in ALLOWED[column]):
            raise ValueError(f"{column}={value!r} is no mark of this tool")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        marks = {**self.marks(), column: value}
        self.rows[self.item.code] = {"rater": self.rater, "pair": self.item.pair, "saved": now, **marks, "code": self.item.code}
        self._save()

    def _save(self) -> None:
        """Writes all rows. What the file holds beyond ours, from another window, stays; damaged lines are set aside first."""
        found = read(self.place)
        if found.dropped:
            _set_aside(self.place)
        for code, row in found.rows.items():
            if code not in self.rows or row["saved"] > self.rows[code]["saved"]:
                self.rows[code] = row
        _write(self.place, self.rows)

    def next(self) -> bool:
        """Goes to the next pair; False at the last."""
        return self._go(1)

    def back(self) -> bool:
        """Goes to the pair before; False at the first."""
        return self._go(-1)

    def _go(self, step: int) -> bool:
        before, self.at = self.at, min(max(self.at + step, 0), len(self.items) - 1)
        return self.at != before
