"""Read what a learner brings: CSV from any spreadsheet, JSON Lines, chats, in any usual encoding.

Cells are read as text and never as formulas. Nothing is dropped in silence: rows without a target are kept for the audit to name,
and lines that cannot be read are counted in the notes.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..runtime import CourseError

TEXTS = ("text", "prompt", "instruction", "input", "question", "sentence", "message", "review", "comment", "description",
         "content", "body", "utterance", "query", "texte", "testo", "kommentar", "nachricht")
TARGETS = ("target", "label", "completion", "output", "answer", "response", "category", "class", "theme", "topic", "sentiment",
           "intent", "kategorie", "thema", "catégorie", "categoria", "étiquette", "summary", "tag")
MOST_ROWS = 500_000
LONGEST_CELL = 10_000_000
LARGEST = 2_000_000_000  # bytes
ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".json")


@dataclass
class OwnFile:
    """A file as read. rows: `text` and `target`, both str. columns: all names. chosen: the two used. notes: what was done."""

    name: str
    rows: list[dict]
    columns: list[str]
    chosen: tuple[str, str]
    notes: list[str] = field(default_factory=list)

    def __str__(self):
        head = f"{self.name}: {len(self.rows):,} rows; text from {self.chosen[0]!r}, target from {self.chosen[1]!r}."
        return "\n".join([head, *self.notes])


def read(path: str | Path, text: str | None = None, target: str | None = None) -> OwnFile:
    """Reads a .csv, .tsv, .txt or .jsonl file. text, target: names of its two columns; without them they are guessed and said.

    Raises CourseError, with the next action, for a file that is missing, empty, an Excel workbook, or without two columns.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise CourseError(f"{path} is larger than {LARGEST / 1e9:.0f} GB.", "cut it to the rows you need.")
        raw = path.read_bytes()
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({type(error).__name__}).", "check its name and folder.") from error
    return from_bytes(path.name, raw, text, target)


def from_bytes(name: str, raw: bytes, text: str | None = None, target: str | None = None) -> OwnFile:
    """As `read`, for an uploaded file's name and content."""
    raw, opened = _unpacked(name, raw)
    content, notes = decoded(raw)
    notes = opened + notes
    if not content.strip():
        raise CourseError(f"{name} is empty.", "export it again with a header and rows.")
    lines = content.lstrip()
    if lines[0] in "{[":
        table, more = _json_rows(name, lines)
    else:
        table, more = _table_rows(name, content)
    columns = list(dict.fromkeys(key for row in table[:1000] for key in row))
    chosen = (_named(name, columns, text), _named(name, columns, target))
    guessed = _guess(name, table, columns, *chosen)
    if None in chosen:
        more.append("Columns were guessed; name them with text= and target= if that is wrong.")
    rows = [{"text": row.get(guessed[0], ""), "target": row.get(guessed[1], "")} for row in table]
    return OwnFile(name, rows, columns, guessed, notes + more)


def _unpacked(name: str, raw: bytes) -> tuple[bytes, list[str]]:
    """The one data file of a zip; anything else as it is. An Excel workbook is a zip too, or an old compound file."""
    workbook = CourseError(f"{name} is an Excel workbook, whatever its name says.",
                           "open it in the spreadsheet and save it as CSV UTF-8.")
    if raw.startswith(OLD_EXCEL):
        raise workbook
    if not raw.startswith(ZIP):
        return raw, []
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as pack:
            names = [n for n in pack.namelist() if not n.endswith("/")]
            if any(n.startswith("xl/") for n in names):
                raise workbook
            data = [n for n in names if n.lower().endswith(ENDINGS) and "__MACOSX" not in n
                    and not re.search(r"licen|readme", n, re.I)]
            if len(data) != 1:
                raise CourseError(f"{name} holds {len(data)} data files.", "unpack it and give one CSV or JSONL file.")
            if pack.getinfo(data[0]).file_size > LARGEST:
                raise CourseError(f"{data[0]} is larger than {LARGEST / 1e9:.0f} GB.", "cut it to the rows you need.")
            return pack.read(data[0]), [f"Read {data[0]} from the zip."]
    except zipfile.BadZipFile as error:
        raise CourseError(f"{name} is not a whole zip file.", "download or save it again.") from error


def decoded(raw: bytes) -> tuple[str, list[str]]:
    """The text of a file, and notes on its encoding: UTF-8 or UTF-16, each with or without a mark, else Windows-1252."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace"), ["The file is UTF-16; it was read as such."]
    if raw[1:400:2].count(0) > 0.8 * len(raw[1:400:2]) > 2:
        return raw.decode("utf-16-le", errors="replace"), ["The file is UTF-16 without a mark; it was read as such."]
    try:
        marked = raw.startswith(b"\xef\xbb\xbf")
        return raw.decode("utf-8-sig"), ["The file begins with a byte-order mark; it was left out."] if marked else []
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace"), ["The file is not UTF-8; it was read as Windows-1252. Check accents."]


# ---------------------------------------------------------------- tables
def _table_rows(name: str, content: str) -> tuple[list[dict], list[str]]:
    content = content.replace("\x00", "")
    notes: list[str] = []
    if first := re.match(r"sep=(.)\r?\n", content, re.I):  # a line that Excel writes for itself
        mark, content = first[1], content[first.end():]
    else:
        mark = _delimiter(content)
    if mark == "@":
        notes.append("Each line was read as text@label.")
        cut = [line.rpartition("@") for line in content.splitlines() if line.strip()]
        return [{"text": a.strip(), "label": b.strip()} for a, _, b in cut], notes
    usual = csv.field_size_limit(LONGEST_CELL)
    rows, ragged, header = [], 0, []
    try:
        for cells in csv.reader(io.StringIO(content, newline=""), delimiter=mark):
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(cells)
                continue
            ragged += len(cells) != len(header)
            rows.append(dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False)))
            if len(rows) >= MOST_ROWS:
                notes.append(f"Reading stopped after {MOST_ROWS:,} rows.")
                break
    except csv.Error as error:
        raise CourseError(f"{name} cannot be read as CSV after {len(rows)} rows ({error}).",
                          "save it as CSV again; a quotation mark may be missing.") from error
    finally:
        csv.field_size_limit(usual)  # one setting for the whole process: others rely on it
    if len(header) < 2 or not rows:
        raise CourseError(f"{name} has {len(header)} column and {len(rows)} rows below its header.",
                          "give it a header line and two columns, a text and a target.")
    if mark != ",":
        notes.append(f"Columns are separated by {mark!r}.")
    if ragged:
        notes.append(f"{ragged:,} rows have more or fewer cells than the header; missing cells are empty, further ones not read.")
    return rows, notes


def _delimiter(content: str) -> str:
    lines = content.splitlines()[:50]
    if len(lines) > 3 and all(re.fullmatch(r".*@\w{1,20}\s*", line) for line in lines if line.strip()):
        return "@"
    head = next((line for line in lines if line.strip()), "")
    return max(",;\t|", key=head.count)


def _header(cells: list[str]) -> list[str]:
    seen: Counter = Counter()
    names = []
    for place, cell in enumerate(cells, 1):
        name = " ".join(cell.split()) or f"column {place}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


# ---------------------------------------------------------------- JSON
def _json_rows(name: str, content: str) -> tuple[list[dict], list[str]]:
    bad, rows = 0, []
    try:
        items = json.loads(content) if content[0] == "[" else None
        items = items if isinstance(items, list) else None
    except ValueError:
        items = None
    for line in ([json.dumps(i) for i in items] if items is not None else content.splitlines()):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(_flat(row))
        else:
            bad += 1
    if not rows:
        raise CourseError(f"{name} holds no JSON object that can be read.", "write one object a line, with two keys.")
    return rows, [f"{bad:,} lines are no JSON object; they are left out."] if bad else []


def _flat(row: dict) -> dict:
    """A row with every value as text; a chat becomes its last answer and all that was said before."""
    said = next((row[k] for k in ("messages", "conversations", "conversation") if isinstance(row.get(k), list)), None)
    if said is not None:
        turns = [(str(t.get("role") or t.get("from") or ""), str(t.get("content") or t.get("value") or ""))
                 for t in said if isinstance(t, dict)]
        last = max((i for i, (role, _) in enumerate(turns) if role.lower() in ("assistant", "gpt", "model", "bot")), default=None)
        before = turns[:last] if last is not None else turns
        plain = len(before) == 1
        return {"text": "\n".join(words if plain else f"{role}: {words}" for role, words in before),
                "target": turns[last][1] if last is not None else ""}
    return {str(k): v if isinstance(v, str) else "" if v is None else json.dumps(v, ensure_ascii=False, separators=(",", ":"))
            for k, v in row.items()}


# ---------------------------------------------------------------- which two columns?
def _named(name: str, columns: list[str], wanted: str | None) -> str | None:
    if wanted is None:
        return None
    found = next((c for c in columns if c.strip().lower() == wanted.strip().lower()), None)
    if found is None:
        listed = ", ".join(map(repr, columns[:12]))
        raise CourseError(f"{name} has no column {wanted!r}; it has {listed}.", "name one of these.")
    return found


def _guess(name, table, columns, text, target) -> tuple[str, str]:
    """Columns by their names, else by their content: the longest is the text, the one that repeats most the target."""
    if len(columns) < 2:
        raise CourseError(f"{name} has {len(columns)} column{': ' if columns else 's'}{''.join(columns)}.", "add a second one.")
    some = table[:2000]
    length = {c: sum(len(row.get(c, "")) for row in some) / len(some) for c in columns}
    kinds = {c: len({row.get(c, "") for row in some if row.get(c, "").strip()}) for c in columns}
    lower = {c.lower(): c for c in columns}
    if text is None:
        left = [c for c in columns if c != target]
        named = [lower[w] for w in TEXTS if lower.get(w) in left]
        text = named[0] if named else max(left, key=lambda c: length[c])
    if target is None:
        left = [c for c in columns if c != text]
        named = [lower[w] for w in TARGETS if lower.get(w) in left]
        repeating = [c for c in left if 2 <= kinds[c] <= max(2, min(26, len(some) // 3)) and length[c] > 1.5]
        found = min(repeating, key=lambda c: kinds[c]) if repeating else max(left, key=lambda c: length[c])
        target = named[0] if named else found
    return text, target
