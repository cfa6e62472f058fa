"""Floor 4: the tasks of notebook 05 and how answers are judged: look-up with declining, house format, general skills.

Every answer is checked by rule, none by another model. A look-up reply has two lines, the house format:

    Source: HB-23
    Answer: 12 business days
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from .. import runtime
from ..runtime import CourseError

FOLDER = runtime.ROOT / "data" / "choosing"
DECLINED = "not in the documents"
SHARES = {"answerable": {"train": 0.4, "validation": 0.2, "test": 0.4},
          "unanswerable": {"train": 0.25, "validation": 0.25, "test": 0.5}}
NUMBERS = {w: str(i) for i, w in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty".split())}
REFUSALS = ("not in the documents", "not in the document", "do not say", "does not say", "not stated", "not mentioned",
            "not provided", "not specified", "not answerable", "no information", "no answer", "cannot answer",
            "can't answer", "unable to",
            "do not have", "don't have", "don't know", "do not know", "unknown", "cannot provide", "can't provide")
LAYOUT = re.compile(r"Source: (?P<source>none|[A-Z]{2}-\d\d(?:, [A-Z]{2}-\d\d)*)\nAnswer: (?P<answer>\S[^\n]*)\s*")


# ---------------------------------------------------------------- the material
@lru_cache
def read(name: str) -> tuple[dict, ...]:
    """The rows of data/choosing/NAME.jsonl: documents, questions, general or facts."""
    path = FOLDER / f"{name}.jsonl"
    if not path.exists():
        raise CourseError(f"There is no file {runtime.short(path)}.", "restore the folder data/choosing from the repository.")
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _place(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _groups() -> dict[str, str]:
    """Document -> the group that must stay in one part: a firm's filings, and documents that one question joins."""
    group = {d["id"]: d["firm"] or d["id"] for d in read("documents")}
    for question in read("questions"):
        joined = {group[d] for d in question["documents"]}
        if len(joined) > 1:
            group = {d: min(joined) if g in joined else g for d, g in group.items()}
    return group


@lru_cache
def document_parts() -> dict[str, str]:
    """Document -> train, validation or test. A firm's filings, and documents that one question joins, share a part.

    So no fact, wording or firm that a test question asks about was seen in training.
    """
    group, weight = _groups(), Counter()
    for question in read("questions"):
        if question["documents"]:
            weight[group[question["documents"][0]]] += 1
    shares, filled, part = SHARES["answerable"], Counter(), {}
    for name in sorted(set(group.values()), key=lambda g: (-weight[g], _place(g))):
        part[name] = max(shares, key=lambda p: shares[p] * sum(weight.values()) - filled[p])
        filled[part[name]] += weight[name]
    return {document: part[g] for document, g in group.items()}


@lru_cache
def questions() -> dict[str, tuple[dict, ...]]:
    """{"train", "validation", "test"}: the questions by the part of their documents; those without a document by a fixed draw."""
    parts: dict[str, list[dict]] = {name: [] for name in SHARES["answerable"]}
    loose = sorted((q for q in read("questions") if not q["documents"]), key=lambda q: _place(q["id"]))
    for question in read("questions"):
        if question["documents"]:
            parts[document_parts()[question["documents"][0]]].append(question)
    start = 0
    for name, share in SHARES["unanswerable"].items():
        end = start + round(share * len(loose))
        parts[name] += loose[start:end]
        start = end
    return {name: tuple(rows) for name, rows in parts.items()}


def general(part: str) -> list[dict]:
    """General-skill items: `mixed` (6 of each skill, to mix into training) or `held` (the other 84, to measure forgetting)."""
    taken, parts = Counter(), {"mixed": [], "held": []}
    for row in read("general"):
        parts["mixed" if taken[row["skill"]] < 6 else "held"].append(row)
        taken[row["skill"]] += 1
    return parts[part]


def document_text(identity: str) -> str:
    """The text of one document."""
    return next(d["text"] for d in read("documents") if d["id"] == identity)


# ---------------------------------------------------------------- reading a reply
def house(answer: str, documents: list[str] | tuple[str, ...] = ()) -> str:
    """An answer in the house format; without documents it is the declining answer."""
    return f"Source: {', '.join(documents) or 'none'}\nAnswer: {answer if documents else DECLINED}"


@dataclass(frozen=True)
class Reading:
    """A reply as read: its answer (None: declined, "": nothing there), its sources, and whether it keeps the house format."""

    answer: str | None
    sources: tuple[str, ...]
    in_format: bool


def parse(text: str) -> Reading:
    """Reads a reply, in the house format or not. Outside it the answer is the line after "Answer:", else the first line."""
    text = text.strip()
    whole = LAYOUT.fullmatch(text)
    sources = tuple(dict.fromkeys(re.findall(r"\b[A-Z]{2}-\d\d\b", text)))
    found = re.search(r"Answer:\s*([^\n]+)", text)
    line = whole["answer"] if whole else found[1] if found else next((s for s in text.splitlines() if s.strip()), "")
    line = line.strip().strip("*").strip()
    declined = any(phrase in line.lower().replace("’", "'") for phrase in REFUSALS)
    return Reading(None if declined else line, sources, whole is not None and (whole["source"] == "none") == declined)


def words(text: str) -> list[str]:
    """Lower-case words and numbers in one spelling: 60,000 is 60000, % is percent, three is 3, € is eur."""
    text = unicodedata.normalize("NFKC", text).lower()
    for sign, word in (("%", " percent "), ("per cent", "percent"), ("€", " eur "), ("£", " gbp "), ("$", " usd ")):
        text = text.replace(sign, word)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    return [NUMBERS.get(w, w) for w in re.findall(r"\d+(?:[.:/-]\d+)*|[^\W\d_]+", text)]


def _contains(longer: list[str], shorter: list[str]) -> bool:
    return any(longer[i:i + len(shorter)] == shorter for i in range(len(longer) - len(shorter) + 1))


def _figures(tokens: list[str]) -> set[str]:
    return {w for w in tokens if w[0].isdigit()}


def matches(answer: str, question: dict) -> bool:
    """Is the answer right? It must hold an accepted form, word for word, and no figure from elsewhere.

    A question of kind `format` wants the form exactly; a yes or no must come first.
    """
    forms = [question["answer"], *question.get("accept", ())]
    if question["kind"] == "format":
        return answer.strip().rstrip(".") == question["answer"]
    given, known = words(answer), [words(form) for form in forms]
    if known[0][0] in ("yes", "no"):
        return bool(given) and (given[0] == known[0][0] or any(_contains(given, k) for k in known if k[0] not in ("yes", "no")))
    allowed = set().union(*map(_figures, known), _figures(words(question["question"])))
    return any(_contains(given, form) for form in known) and _figures(given) <= allowed


def supported(answer: str, texts: list[str], question: str = "") -> bool:
    """Do all figures and longer words of the answer stand in `texts` (or in the question)?"""
    known = set(words(" ".join([*texts, question])))
    return all(w in known for w in words(answer) if w[0].isdigit() or len(w) > 3)


OUTCOMES = ("right", "declined", "misread", "invented", "empty")


def judge(question: dict, reading: Reading, texts: list[str] | None = None) -> str:
    """One of OUTCOMES. Declining an unanswerable question is right; any answer to it is invented.

    A wrong answer is invented when its figures or words do not stand in the question's documents (or `texts`), else misread.
    """
    if reading.answer is None:
        return "declined" if question["documents"] else "right"
    if not question["documents"]:
        return "invented"
    if not words(reading.answer):
        return "empty"
    if matches(reading.answer, question):
        return "right"
    texts = texts if texts is not None else [document_text(d) for d in question["documents"]]
    return "misread" if supported(reading.answer, texts, question["question"]) else "invented"


def answerable_from(question: dict, chunks: list) -> bool:
    """Could the question be answered from these chunks? All its documents are there, and the answer where it stands verbatim."""
    shown = {c.document: "" for c in chunks}
    for chunk in chunks:
        shown[chunk.document] += " " + chunk.text
    if not question["documents"] or not set(question["documents"]) <= set(shown):
        return False
    forms = [words(f) for f in (question["answer"], *question.get("accept", ()))]

    def stands(text):
        return any(_contains(words(text), form) for form in forms)

    verbatim = any(stands(document_text(d)) for d in question["documents"])
    return not verbatim or any(stands(shown[d]) for d in question["documents"])
