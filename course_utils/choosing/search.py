"""Floor 4: finding passages by meaning (dense), by words (BM25, the baseline) or by both, and measuring how often it works."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import lru_cache

from ..runtime import CourseError
from ..statistics import accuracy_interval
from .documents import Chunk
from .index import Hit, Index

METHODS = ("dense", "bm25", "hybrid")
DEPTH = 100  # places of each ranking that the hybrid and recall look at
CONSTANT = 60  # of reciprocal rank fusion, as in Cormack, Clarke and Buettcher (2009)


class Bm25:
    """Word search over chunks: BM25 with English stop words left out and words cut to their stems (bm25s, in memory)."""

    def __init__(self, chunks: list[Chunk]):
        import bm25s

        self.chunks = chunks
        self._retriever = bm25s.BM25()
        self._retriever.index(_tokens([c.with_title for c in chunks]), show_progress=False)

    def search(self, question: str, k: int = 5) -> list[Hit]:
        """The k chunks with the highest BM25 score, best first; fewer where fewer share a word with the question."""
        words = [w for w in _tokens([question])[0] if w in self._retriever.vocab_dict]
        if not words:
            return []
        k = min(k, len(self.chunks))
        found, scores = self._retriever.retrieve([words], k=k, show_progress=False)
        return [Hit(**vars(self.chunks[i]), score=float(s)) for i, s in zip(found[0], scores[0], strict=True) if s > 0]


def _tokens(texts: list[str]) -> list[list[str]]:
    import bm25s

    return bm25s.tokenize(texts, stopwords="en_plus", stemmer=_stemmer(), return_ids=False, show_progress=False)


@lru_cache
def _stemmer():
    import Stemmer

    return Stemmer.Stemmer("english")


def fuse(rankings: list[list[Hit]], k: int = 5, constant: int = CONSTANT) -> list[Hit]:
    """Reciprocal rank fusion: a chunk's score is the sum over rankings of 1 / (constant + its place there, from 1)."""
    scores, hits = Counter(), {}
    for ranking in rankings:
        for place, hit in enumerate(ranking, 1):
            scores[hit.key] += 1 / (constant + place)
            hits[hit.key] = hit
    return [replace(hits[key], score=score) for key, score in scores.most_common(k)]


class Search:
    """Search over an index by one of METHODS. Follows changes of the index by itself."""

    def __init__(self, index: Index, method: str = "dense"):
        if method not in METHODS:
            raise CourseError(f"There is no search method {method!r}.", f"choose one of {', '.join(METHODS)}.")
        self.index, self.method, self._state, self._bm25 = index, method, None, None

    def __call__(self, question: str, k: int = 5) -> list[Hit]:
        """The k best chunks for a question. Raises CourseError for an empty question or k below 1."""
        if not question.strip() or k < 1:
            raise CourseError(f"A search for {k} chunks on {question!r} is empty.", "ask a question, for 1 chunk or more.")
        if self.method == "dense":
            return self.index.search(question, k)
        if self.method == "bm25":
            return self.words().search(question, k)
        return fuse([self.index.search(question, DEPTH), self.words().search(question, DEPTH)], k)

    def words(self) -> Bm25:
        """The word index over the chunks as they are now."""
        if self._state != self.index.card["documents"]:
            self._bm25, self._state = Bm25(self.index.chunks()), self.index.card["documents"]
        return self._bm25


# ---------------------------------------------------------------- measuring
def documents_of(hits: list[Hit], k: int = 5) -> list[str]:
    """The first k different documents of a ranking of chunks: a document stands where its best chunk stands."""
    return list(dict.fromkeys(h.document for h in hits))[:k]


def recall_at(search, questions, k: int = 5, wording: str = "question", unit: str = "documents") -> dict:
    """Recall@k: the share of answerable questions all of whose documents are among the first k documents found.

    search: (question, how many) -> hits. wording: the field that is asked, `question` or `paraphrase`. unit: `documents`, or
    `chunks` for the stricter count over the first k chunks, which may share a document. Returns value, low, high (Wilson, 95 %),
    n and rows ((the question's id, found) each). Questions without a document are left out.
    """
    depth, rows = (DEPTH if unit == "documents" else k), []
    for question in (q for q in questions if q["documents"]):
        found = documents_of(search(question[wording], depth), k)
        rows.append((question["id"], set(question["documents"]) <= set(found)))
    right = sum(ok for _, ok in rows)
    low, high = accuracy_interval(right, len(rows))
    return {"value": right / len(rows), "low": low, "high": high, "n": len(rows), "rows": rows}


# ---------------------------------------------------------------- other languages
@lru_cache
def _stop_words() -> dict[str, frozenset[str]]:
    from bm25s import stopwords

    others = ("German", "French", "Spanish", "Italian", "Portuguese", "Dutch", "Swedish")
    known = {name: frozenset(getattr(stopwords, f"STOPWORDS_{name.upper()}")) for name in others}
    return {"English": frozenset(stopwords.STOPWORDS_EN_PLUS), **known}


def language(text: str) -> str:
    """The language with the most stop words in a text, English where none leads: a rough guess, for a warning only."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {name: sum(w in known for w in words) for name, known in _stop_words().items()}
    best = max(counts, key=counts.get)
    return best if counts[best] > counts["English"] else "English"


def language_note(question: str) -> str:
    """A warning for a question that does not look English, else "". The search goes on either way."""
    guess = language(question)
    if guess == "English":
        return ""
    return (f"This question looks {guess}. The search model learned English only and finds far less: ask in English, or use a "
            "multilingual embedding model.")
