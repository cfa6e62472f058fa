"""Floor 4: the seven systems that notebook 05 compares: what each is shown, and what each is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import sentiment
from ..evaluation import LabelTask
from . import documents, tasks
from .quoting import RULE, quoted

Retrieve = Callable[[str, int], list]  # question, how many -> chunks, best first: .text .document .title .date .score
ORDER = ("Answer questions about the handbook of Hallmere Capital and about company filings. Reply in two lines:\n"
         "Source: the document's number, or none\nAnswer: as short as possible, or not in the documents")
SHORT = "Answer from the documents of Hallmere Capital."  # for tuned models: the format is learned, not asked for
SKILL = """# Skill: answering from the documents of Hallmere Capital

When: a colleague asks for a fact from the handbook (HB-01 to HB-30) or from a company filing (FI-01 to FI-36).

How:
1. Find the one document that settles the question. If two disagree, the later date wins.
2. Take the figure, name or date from it. Keep its unit and currency. Do not round and do not calculate unless asked.
3. If no document settles it, say so. A wrong answer costs more than none.

Reply in exactly two lines, nothing else:
Source: the document's number, or none
Answer: as short as possible, or not in the documents"""
WORDS_SHOWN = 260  # at most, in one prompt
NEGATIVES = 2  # silent passages a training question is shown with
METHOD, CHUNK_WORDS = "dense", documents.WORDS  # of the search behind all RAG systems: chosen by the study of retrieval
PASSAGES = 8  # read for one question: with the rule and the titles about 550 tokens, as many as a small model copes with


@dataclass(frozen=True)
class System:
    """One of the seven. engine: base, closed (tuned without passages), open (tuned with them) or scratch.

    prompt: zero-shot, few-shot, or short (for models that learned the job). passages: how many are read, 0 for none; apart:
    each by itself, then one of them is answered from. leaves: what of a question leaves the machine.
    """

    name: str
    engine: str
    prompt: str
    passages: int = 0
    apart: bool = False
    leaves: str = "nothing"


SYSTEMS = {s.name: s for s in (
    System("zero-shot prompt", "base", "zero-shot"),
    System("few-shot prompt with a skill", "base", "few-shot"),
    System("RAG", "base", "zero-shot", PASSAGES),
    System("fine-tuned", "closed", "short"),
    System("RAG + fine-tuned", "open", "short", PASSAGES, apart=True),
    System("from scratch", "scratch", "short"),
    System("from scratch + RAG", "scratch", "short", PASSAGES, apart=True),
)}


# ---------------------------------------------------------------- what a system is shown
def shown(chunks: list, most: int = WORDS_SHOWN) -> list:
    """The best chunks that fit into `most` words (the first always)."""
    kept, used = [], 0
    for chunk in chunks:
        used += len(chunk.text.split())
        if kept and used > most:
            break
        kept.append(chunk)
    return kept


def examples() -> list[dict]:
    """The solved questions of the few-shot prompt, from the training part: a fact, a fixed form, one without an answer."""
    rows = tasks.questions()["train"]
    return [next(q for q in rows if q["kind"] == kind) for kind in ("fact", "format", "unanswerable")]


def chat(question: str, prompt: str = "short", chunks: list | None = None) -> list[dict]:
    """The messages for one question. chunks: passages to read, or None for a system that has none."""
    instruction = {"zero-shot": ORDER, "few-shot": SKILL, "short": SHORT}.get(prompt)
    if instruction is None:
        raise ValueError(f"prompt is {prompt!r}; it must be zero-shot, few-shot or short")
    solved = [m for q in (examples() if prompt == "few-shot" else ()) for m in (
        {"role": "user", "content": f"Question: {q['question']}"},
        {"role": "assistant", "content": tasks.house(q["answer"], q["documents"])})]
    text = f"{quoted(shown(chunks))}\n\n" if chunks else ""
    instruction += f"\n{RULE}" if chunks and prompt != "short" else ""
    return [{"role": "system", "content": instruction}, *solved, {"role": "user", "content": f"{text}Question: {question}"}]


# ---------------------------------------------------------------- what a system is trained on
@dataclass(frozen=True)
class Lessons:
    """A Task for `training.fit` whose rows bring their own messages and reply, so that several jobs train one adapter."""

    name: str = "lessons"

    def prompt(self, row):
        """The chat."""
        return row["messages"]

    def answer(self, row):
        """What the model should write."""
        return row["reply"]

    def parse(self, text):
        """The reply as it is."""
        return text.strip() or None


def training_questions(part: str = "train") -> list[dict]:
    """Questions of one part in both wordings, with the handbook facts of its documents in all four: `asked` is the wording."""
    rows = [{**q, "asked": wording} for q in tasks.questions()[part] for wording in (q["question"], q["paraphrase"])]
    for fact in tasks.read("facts"):
        if tasks.document_parts()[fact["document"]] == part:
            common = {"answer": fact["answer"], "documents": [fact["document"]], "kind": "fact", "accept": []}
            rows += [{**common, "question": w, "asked": w} for w in (fact["question"], *fact["paraphrases"])]
    return rows


def closed_lessons() -> list[dict]:
    """Training rows without passages: questions with their replies in the house format."""
    return [{"messages": chat(q["asked"]), "reply": tasks.house(q["answer"], q["documents"])} for q in training_questions()]


def open_lessons(retrieve: Retrieve, deep: int = 30) -> list[dict]:
    """Training rows with one passage each: the best-placed passage that holds the answer, and the best that do not.

    To a silent passage the reply declines; such rows come from what the search really finds (Karpukhin et al., 2020). Questions
    that need two documents are left out: no single passage answers them.
    """
    rows = []
    for question in training_questions():
        found = [] if question["kind"] == "two-documents" else retrieve(question["asked"], deep)
        holds = [c for c in found if tasks.answerable_from(question, [c])]
        silent = [c for c in found if c not in holds]
        rows += [open_lesson(question, c) for c in holds[:1] + silent[:NEGATIVES]]
    return rows


def open_lesson(question: dict, chunk) -> dict:
    """One training row: the passage shown, and the reply that it allows."""
    documents = question["documents"] if tasks.answerable_from(question, [chunk]) else []
    return {"messages": chat(question["asked"], "short", [chunk]), "reply": tasks.house(question["answer"], documents)}


def sentiment_lessons(n: int) -> list[dict]:
    """`n` labelled sentences of the course, with the labels in their natural proportions."""
    rows = sentiment.stratified(sentiment.own("train"), n)
    return [{"messages": sentiment.TASK.prompt(r), "reply": r["label"]} for r in rows]


def general_lessons(copies: int = 3) -> list[dict]:
    """General questions with their right options, to mix in against forgetting; none of those that measure it."""
    return [{"messages": general_chat(r), "reply": r["options"][r["answer"]]} for r in tasks.general("mixed")] * copies


def sentiment_task(prompt: str) -> LabelTask:
    """The sentiment task as a system words it: few-shot adds the label guide's gist and six solved sentences."""
    if prompt != "few-shot":
        return sentiment.TASK
    rows = sentiment.own("train")
    six = [r for label in sentiment.LABELS for r in [x for x in rows if x["label"] == label][:2]]
    told = "Judge as a holder of the share: better than before or than expected is positive, worse is negative, else neutral."
    return LabelTask(sentiment.TASK.name, sentiment.LABELS, f"{sentiment.TASK.instruction} {told}", tuple(six))


# ---------------------------------------------------------------- general skills
def general_chat(row: dict) -> list[dict]:
    """A general question, without its options: they are weighed, not shown."""
    return [{"role": "system", "content": "Answer the question."}, {"role": "user", "content": row["question"]}]


def general_scores(engine, rows: list[dict]) -> dict:
    """Multiple choice by likelihood: the option with the highest mean log-probability a token.

    Returns right (n,) and surprise (n,), the loss a token on the right option: it moves before the choice flips.
    """
    right, surprise = [], []
    for row in rows:
        total = engine.weigh(general_chat(row), row["options"])
        mean = total[:, 0] / total[:, 1]
        right.append(float(mean.argmax() == row["answer"]))
        surprise.append(float(-mean[row["answer"]]))
    return {"right": right, "surprise": surprise}
