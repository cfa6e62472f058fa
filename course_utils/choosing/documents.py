"""Floor 4: documents for search, the course's own or a folder of the learner's, and their cutting into chunks.

Every document has an id, a title and a date: an answer names its source, and of two that contradict
each other the later one wins.
"""

from __future__ import annotations

import codecs
import datetime
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..runtime import CourseError
from . import tasks

KINDS = (".txt", ".md", ".pdf", ".jsonl")
FILE_LIMIT = 5_000_000  # bytes of text read from one file: about 1,500 pages
FOLDER_LIMIT = 20_000_000  # and from all files together: already half an hour of embedding on a laptop
WORDS = 30  # of a chunk: chosen on the tuning questions by benchmarks/studies/retrieval.py
ENCODINGS = ("cp1252", "cp1250", "cp1251", "cp1253", "cp932", "gb18030", "big5", "cp949")  # tried where a text is not UTF-8
DATED = re.compile(r"^\W*date\W+(\d{4}-\d\d-\d\d)\b", re.I | re.M)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'“(]?[A-Z0-9])|\n+")


@dataclass(frozen=True)
class Document:
    """One text. date: ISO, "" where unknown. kind and firm: as the course's documents say, else empty."""

    id: str
    title: str
    date: str
    text: str
    kind: str = ""
    firm: str = ""


@dataclass(frozen=True)
class Chunk:
    """A passage of a document: its `place` among the document's chunks (from 0), and what an answer must name."""

    document: str
    place: int
    title: str
    date: str
    text: str

    @property
    def key(self) -> str:
        return f"{self.document}#{self.place}"

    @property
    def with_title(self) -> str:
        """What is searched: a passage in the middle of a text rarely says of whom it speaks, its title does."""
        return f"{self.title}\n{self.text}"


@dataclass(frozen=True)
class Folder:
    """What reading a folder gave: documents, and a note on every file that was not taken whole or as it stands."""

    documents: tuple[Document, ...]
    notes: tuple[str, ...]


def course_documents() -> list[Document]:
    """The 66 documents of data/choosing: 30 handbook sections and 36 filing extracts of invented firms."""
    return [_from_row(row, row["id"]) for row in tasks.read("documents")]


def _from_row(row: dict, name: str, date: str = "") -> Document:
    def field(key, otherwise=""):
        return str(row.get(key) or otherwise)

    text = field("text")
    title = field("title", _title(text, name))
    return Document(field("id", name), title, field("date", date), text, field("kind"), field("firm"))


# ---------------------------------------------------------------- a learner's own folder
def read_folder(folder: Path | str, file_limit: int = FILE_LIMIT) -> Folder:
    """Reads the .txt, .md, .pdf and .jsonl files of a folder and of the folders in it, in the order of their names.

    A line of a .jsonl file is an object with `text` and, as one likes, `id`, `title`, `date`. A text's date is a line such as
    "date: 2025-03-03" in it, else the day its file was last changed. From one file at most `file_limit` bytes of text are read
    and held in memory. What is scanned, damaged, locked, empty, no text, read in part or there twice stands in the notes.
    Raises CourseError when there is no such folder, when it holds nothing to read, and past 20 MB of text altogether.
    """
    folder, notes = Path(folder), []
    if not folder.is_dir():
        raise CourseError(f"There is no folder {folder}.", "check its name, or make it and put your documents in.")
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    wanted = [p for p in files if p.suffix.lower() in KINDS]
    if other := len(files) - len(wanted):
        notes.append(f"{other} files of other kinds were left out: only {', '.join(KINDS)} are read.")
    found, size = [], 0
    for path in wanted:
        new, said = _read_file(path, path.relative_to(folder).as_posix(), file_limit)
        found, notes, size = found + new, notes + said, size + sum(len(d.text) for d in new)
        if size > FOLDER_LIMIT:
            raise CourseError(f"{folder} holds more than {FOLDER_LIMIT / 1e6:.0f} MB of text: too much to embed here.",
                              "choose the documents that matter and put them into a folder of their own.")
    kept, said = _without_doubles(found)
    notes += said
    if not kept:
        why = "\n    ".join(notes) or "It is empty."
        next_action = f"put {', '.join(KINDS)} files with text into it."
        raise CourseError(f"There is nothing to search in {folder}.\n    {why}", next_action)
    return Folder(tuple(kept), tuple(notes))


def _read_file(path: Path, name: str, limit: int) -> tuple[list[Document], list[str]]:
    try:
        if path.suffix.lower() == ".pdf":
            return _read_pdf(path, name, limit)
        text, notes = _read_text(path, name, limit)
    except OSError as error:
        return [], [f"{name} cannot be read ({error.strerror or type(error).__name__}): left out."]
    if text is None:
        return [], notes
    if path.suffix.lower() == ".jsonl":
        rows, said = _read_rows(text, name, _changed(path))
        return rows, notes + said
    if not text.strip():
        return [], [*notes, f"{name} is empty: left out."]
    return [Document(name, _title(text, path.stem), _date(text, path), text)], notes


def _read_text(path: Path, name: str, limit: int) -> tuple[str | None, list[str]]:
    """The file's text, or None where it is no text. UTF-8 and UTF-16 are known by rule, other encodings are guessed, and said."""
    notes, size = [], path.stat().st_size
    with path.open("rb") as file:
        raw = file.read(limit)
    if size > limit:
        notes.append(f"{name} is long: only the first {limit / 1e6:.1f} of {size / 1e6:.1f} MB were read. Answers from the rest "
                     "cannot be found. Split it, or raise file_limit.")
        if path.suffix.lower() == ".jsonl":
            raw = raw[:raw.rfind(b"\n") + 1]
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace"), notes
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(raw), notes  # a letter cut at the limit is no error
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    if b"\0" in raw:
        return None, [f"{name} is not text, whatever its name says: left out."]
    best = from_bytes(raw[:200_000], cp_isolation=list(ENCODINGS)).best() if len(raw) > 100 else None  # less tells nothing
    encoding = best.encoding if best else ENCODINGS[0]
    notes.append(f"{name} is not in UTF-8: read as {encoding}, a guess. Look at its accents.")
    return raw.decode(encoding, errors="replace"), notes


def _read_rows(text: str, name: str, date: str) -> tuple[list[Document], list[str]]:
    rows, bad = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            whole = isinstance(row, dict) and str(row.get("text") or "").strip()
        except ValueError:
            whole = False
        if whole:
            rows.append(_from_row(row, f"{name}:{number}", date))
        else:
            bad.append(number)
    said = [f"{name}: {len(bad)} lines without an object with `text` were left out (the first is line {bad[0]})."] if bad else []
    return rows, said


def _read_pdf(path: Path, name: str, limit: int) -> tuple[list[Document], list[str]]:
    import logging

    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its complaints about a damaged file are said once, in our words
    pages, length, empty, cut = [], 0, 0, False
    try:
        reader = PdfReader(path)
        for page in reader.pages:
            pages.append((page.extract_text() or "").encode("utf-8", "replace").decode())  # lone surrogates occur in odd fonts
            empty, length = empty + (not pages[-1].strip()), length + len(pages[-1])
            if cut := length > limit:
                break
        title, date = _pdf_card(reader)
    except (FileNotDecryptedError, DependencyError):
        return [], [f"{name} is locked with a password: left out. Save a copy without one."]
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged file fails in pypdf in many ways
        return [], [f"{name} is damaged ({type(error).__name__}): left out. Open it and save it anew."]
    if empty == len(pages):
        return [], [f"{name} is a scan: {len(pages)} pages, no text in them. Left out. Run text recognition (OCR) on it first."]
    text = "\n".join(pages)[:limit]
    notes = [f"{name}: {empty} of {len(pages)} pages hold no text (pictures or scans)."] if empty else []
    notes += [f"{name} is long: only the first {limit / 1e6:.1f} MB of its text were read."] if cut else []
    return [Document(name, title or _title(text, path.stem), date or _date(text, path), text)], notes


def _pdf_card(reader) -> tuple[str, str]:
    """Title and date as the PDF itself gives them; empty where it does not, or wrongly."""
    try:
        card = reader.metadata
        day = card and (card.modification_date or card.creation_date)
        return str(card and card.title or "").strip(), day.date().isoformat() if day else ""
    except Exception:
        return "", ""


def _title(text: str, otherwise: str) -> str:
    lines = (line.strip().lstrip("#").strip() for line in text[:4000].splitlines()[:20])
    first = next((line for line in lines if line), "")
    return first if 0 < len(first) <= 100 else otherwise


def _changed(path: Path) -> str:
    return datetime.date.fromtimestamp(path.stat().st_mtime).isoformat()


def _date(text: str, path: Path) -> str:
    found = DATED.search(text[:1000])
    return found[1] if found else _changed(path)


def _without_doubles(documents: list[Document]) -> tuple[list[Document], list[str]]:
    """Each text once, and of one id the version with the latest date."""
    notes, texts, kept = [], {}, {}
    for document in documents:
        bare = document.text.translate(dict.fromkeys(map(ord, " \t\r\n\f\u00a0")))  # split() would hold a million words
        print_of_it = hashlib.sha256(bare.encode()).hexdigest()
        if first := texts.get(print_of_it):
            notes.append(f"{document.id} holds the same text as {first}: left out.")
            continue
        texts[print_of_it] = document.id
        if older := kept.get(document.id):
            document, older = (document, older) if document.date >= older.date else (older, document)
            notes.append(f"{document.id} is there twice: the version of {document.date} was kept, that of {older.date} left out.")
        kept[document.id] = document
    return list(kept.values()), notes


# ---------------------------------------------------------------- chunks
def split(text: str, words: int = WORDS, overlap: int = 0) -> list[str]:
    """Cuts a text into passages of at most `words` words, at the ends of sentences and lines.

    Each passage begins with the last `overlap` sentences of the one before. A sentence longer than `words` is cut inside.
    Raises CourseError for fewer than 10 words.
    """
    if words < 10:
        raise CourseError(f"Chunks of {words} words are too short.", "choose 10 words or more; 30 to 240 are usual.")
    passages, now = [], []
    for sentence in _sentences(text, words):
        if now and sum(len(s.split()) for s in now) + len(sentence.split()) > words:
            passages.append(" ".join(now))
            now = now[-overlap:] if overlap else []
            while now and sum(len(s.split()) for s in now) + len(sentence.split()) > words:
                now = now[1:]
        now.append(sentence)
    return [*passages, " ".join(now)] if now else passages


def _sentences(text: str, words: int):
    for sentence in SENTENCE_END.split(text):
        pieces = sentence.split()
        for start in range(0, len(pieces), words):
            yield " ".join(pieces[start:start + words])


def chunks(documents, words: int = WORDS, overlap: int = 0) -> list[Chunk]:
    """The chunks of many documents, in order; each carries its document's id, title and date."""
    return [Chunk(d.id, place, d.title, d.date, passage)
            for d in documents for place, passage in enumerate(split(d.text, words, overlap))]


def changed(document: Document, old: str, new: str, date: str) -> Document:
    """The document with one fact changed, under a new date. Raises CourseError where `old` does not stand in it."""
    if old not in document.text:
        raise CourseError(f"{document.id} does not say {old!r}.", "copy the wording to be changed from the document.")
    return replace(document, text=document.text.replace(old, new), date=date)
