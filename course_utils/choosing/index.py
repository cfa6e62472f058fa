"""Floor 4: an embedded vector database on disk, LanceDB, that notices when it was left half-written and is then built again.

Why LanceDB (compared in November 2026, by installing or downloading each):

- LanceDB 0.40: 75 MB wheel, 180 MB installed, three small packages beside it; one wheel for Python 3.10 and up on Windows, Linux
  and Apple silicon; text, vectors and dates in one table; each write is one transaction; no server, no usage reports.
- Chroma 1.5: 22 MB wheel, but 40 more packages, among them onnxruntime, gRPC and a Kubernetes client; its usage reports were on
  by default for years.
- sqlite-vec 0.1: 0.3 MB, but needs an SQLite that loads extensions; the Python of many Macs and Linuxes has none. Not yet 1.0.
- hnswlib 0.8: no wheels (a compiler is needed), no release since 2023; vectors only.
- FAISS 1.15: 5 to 19 MB, well kept, but a search structure: no texts, no transactions, rewritten as a whole on every change.

What speaks against it: a young interface (0.x, so the version is bounded), no wheel for Intel Macs (torch has none either). At
this size it compares the question with every vector, exactly; an approximate index pays from about 100,000 chunks.

On disk: `card.json` names the one valid build folder, with the SHA-256 of each of its files, the prints of the documents and the
embedding model. A build becomes valid when the card is replaced, in one step, after everything else was written.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import results, runtime
from ..runtime import CourseError
from . import embedding
from .documents import Chunk

LAYOUT = 1  # of the table and the card; raise it when either changes
TABLE = "chunks"
AT_ONCE = 256  # chunks embedded and written at a time


@dataclass(frozen=True)
class Hit(Chunk):
    """A chunk that was found. score: the cosine for dense search, else the method's own; higher is better."""

    score: float = 0.0


class Index:
    """An open index. `said`: what opening it did, in words."""

    def __init__(self, folder: Path, table, card: dict, said: str):
        self.folder, self._table, self.card, self.said = folder, table, card, said

    def __repr__(self):
        return f"<Index of {self.card['chunks']} chunks, {len(self.card['documents'])} documents in {runtime.short(self.folder)}>"

    def chunks(self) -> list[Chunk]:
        """All chunks, by document and place."""
        rows = self._table.search().select(list(Chunk.__dataclass_fields__)).limit(self.card["chunks"] + 1).to_list()
        return sorted((Chunk(**_fields(r)) for r in rows), key=lambda c: (c.document, c.place))

    def search(self, question: str | np.ndarray, k: int = 5) -> list[Hit]:
        """The k chunks whose vectors have the highest cosine with the question's (a text, or its vector (384,)), best first."""
        vector = embedding.embed_one(question) if isinstance(question, str) else question
        rows = self._table.search(vector).distance_type("cosine").limit(k).to_list()
        return [Hit(**_fields(r), score=1 - r["_distance"]) for r in rows]

    def replace(self, chunks: list[Chunk]) -> str:
        """Puts the chunks of one or more documents in, in place of what the index had of these documents. Returns what it did.

        Only these are embedded. The old text is also wiped from the disk. An interruption is noticed when the index is opened.
        """
        new = _prints(chunks)
        if not new:
            raise CourseError("There is no chunk to put in.", "give the chunks of a document that has text.")
        known = len(new.keys() & self.card["documents"].keys())
        with runtime.clear_disk_errors(self.folder):
            merge = self._table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all()
            merge.when_not_matched_by_source_delete(_of(new)).execute(_rows(chunks))
            self._finish(self.card["documents"] | new)
        return f"{known} documents replaced, {len(new) - known} added: {len(chunks)} chunks embedded"

    def remove(self, document: str) -> None:
        """Takes one document out; its text is also wiped from the disk. Raises CourseError when it is not there."""
        if document not in self.card["documents"]:
            raise CourseError(f"The index holds no document {document!r}.", "look at index.card['documents'] for those it holds.")
        with runtime.clear_disk_errors(self.folder):
            self._table.delete(_of([document]))
            self._finish({d: p for d, p in self.card["documents"].items() if d != document})

    def _finish(self, prints: dict[str, str]) -> None:
        _compact(self._table)
        self.card = _write_card(self.folder, self.folder / self.card["build"], self._table.count_rows(), prints)


# ---------------------------------------------------------------- opening and building
def open_index(folder: Path | str, chunks: list[Chunk] | None = None, vectors: np.ndarray | None = None) -> Index:
    """Opens the index in `folder` and, given the chunks it should hold, brings it to exactly these.

    Whole and current: opened as it is. Some documents changed: these alone are embedded. Missing, half-written, damaged, or made
    with another embedding model: built anew. Without `chunks` an index that is not whole is a CourseError. vectors: those of the
    chunks with their titles (n, 384), where `embedding.embed` has made them already; a build then spares that time.
    """
    folder = Path(folder)
    if vectors is not None and vectors.shape != (len(chunks or ()), embedding.SIZE):
        raise ValueError(f"vectors have the shape {vectors.shape}; wanted is {(len(chunks or ()), embedding.SIZE)}")
    card, trouble = _read_card(folder)
    if trouble:
        if chunks is None:
            raise CourseError(f"The index in {folder} cannot be used: {trouble}.", "open it with the chunks: it is built anew.")
        return _build(folder, chunks, trouble, vectors=vectors)
    index = Index(folder, _connect(folder / card["build"]).open_table(TABLE), card, "opened: nothing had changed")
    if chunks is None:
        return index
    wanted = _prints(chunks)
    gone = [d for d in card["documents"] if d not in wanted]
    stale = {d for d, p in wanted.items() if card["documents"].get(d) != p}
    if len(stale) + len(gone) > len(wanted) / 2:
        return _build(folder, chunks, "most of the documents had changed", card["build"], vectors)
    for document in gone:
        index.remove(document)
    if stale or gone:
        done = index.replace([c for c in chunks if c.document in stale]) if stale else "none replaced"
        index.said = f"opened and brought up to date: {done}, {len(gone)} taken out"
    return index


def _build(folder: Path, chunks: list[Chunk], why: str, old: str | None = None, vectors: np.ndarray | None = None) -> Index:
    """A new build; `old`, a build that is still valid, stays until the new one is."""
    prints = _prints(chunks)
    if not prints:
        raise CourseError("There is no chunk to index.", "load documents with text first.")
    with runtime.clear_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        runtime.require_space(folder, 6000 * len(chunks))
        _clear_builds(folder, keep=old)
        place = Path(tempfile.mkdtemp(prefix=f"build-{os.getpid()}-", dir=folder))
        table = _connect(place).create_table(TABLE, schema=_schema())
        for start in range(0, len(chunks), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            table.add(_rows(chunks[part], None if vectors is None else vectors[part]))
        _compact(table)
        card = _write_card(folder, place, len(chunks), prints)
        _clear_builds(folder, keep=place.name)
    return Index(folder, table, card, f"built: {len(chunks)} chunks of {len(prints)} documents ({why})")


def _clear_builds(folder: Path, keep: str | None) -> None:
    """Removes builds that no card names, save those on which another living process works."""
    import psutil

    for place in folder.glob("build-*-*"):
        maker = int(place.name.split("-")[1])
        if place.name != keep and (maker == os.getpid() or not psutil.pid_exists(maker)):
            shutil.rmtree(place, ignore_errors=True)


def _connect(place: Path):
    import lancedb

    return lancedb.connect(str(place))


def _compact(table) -> None:
    """Writes the table anew as one file and deletes all former versions, so that what was taken out is no longer on the disk.

    LanceDB's own clean-up keeps deleted rows in the file until they are a tenth of it.
    """
    table.add(table.to_arrow(), mode="overwrite")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "removes every version except the latest": the purpose here
        table.optimize(cleanup_older_than=datetime.timedelta(0), delete_unverified=True)


# ---------------------------------------------------------------- the card
def _print_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(place: Path) -> dict[str, str]:
    return {p.relative_to(place).as_posix(): _print_of(p) for p in sorted(place.rglob("*")) if p.is_file()}


def _write_card(folder: Path, place: Path, chunks: int, prints: dict[str, str]) -> dict:
    card = {"layout": LAYOUT, "embedding": embedding.fingerprint(), "build": place.name, "chunks": chunks, "documents": prints,
            "files": _files(place)}
    results.write_json(folder / "card.json", card)
    return card


def _read_card(folder: Path) -> tuple[dict, str]:
    """(the card, what is wrong with the index: "" when nothing)."""
    path = folder / "card.json"
    if not path.exists():
        begun = any(folder.glob("build-*-*"))
        return {}, "a build was interrupted and left half-written" if begun else "there was none"
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["layout"] != LAYOUT:
            return {}, "it was made by another version of the course"
        if card["embedding"] != embedding.fingerprint():
            return {}, "it was made with another embedding model"
        if card["files"] != _files(folder / card["build"]):
            return {}, "its files are not those that were written: an interrupted change, or damage"
    except (OSError, ValueError, KeyError, TypeError):
        return {}, "its card is damaged"
    return card, ""


def _prints(chunks: list[Chunk]) -> dict[str, str]:
    """Document -> fingerprint over all its chunks: text, title, date and cutting."""
    digests: dict[str, hashlib._Hash] = {}
    for chunk in chunks:
        digest = digests.setdefault(chunk.document, hashlib.sha256())
        digest.update(json.dumps([chunk.place, chunk.title, chunk.date, chunk.text]).encode())
    return {document: digest.hexdigest()[:24] for document, digest in digests.items()}


# ---------------------------------------------------------------- rows
def _schema():
    import pyarrow as pa

    text = [(name, pa.string()) for name in ("key", "document", "title", "date", "text")]
    return pa.schema([*text, ("place", pa.int32()), ("vector", pa.list_(pa.float32(), embedding.SIZE))])


def _rows(chunks: list[Chunk], vectors: np.ndarray | None = None):
    import pyarrow as pa

    vectors = embedding.embed([c.with_title for c in chunks]) if vectors is None else vectors
    columns = {name: [getattr(c, name) for c in chunks] for name in ("key", "document", "title", "date", "text", "place")}
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), embedding.SIZE)
    return pa.table(columns, schema=_schema())


def _fields(row: dict) -> dict:
    return {name: row[name] for name in Chunk.__dataclass_fields__}


def _of(documents) -> str:
    names = ", ".join("'" + d.replace("'", "''") + "'" for d in documents)
    return f"document IN ({names})"
