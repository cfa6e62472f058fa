"""Floor 4: asking a system of notebook 05: its replies, when an answer is withdrawn, and what the replies are worth."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from .. import runtime, studies
from ..runtime import CourseError
from . import engines, tasks
from .systems import SYSTEMS, Retrieve, System, chat, shown


def adapter(name: str) -> Path | None:
    """Where the adapter `closed` or `open` lies: trained on this machine, else shipped with the course; None if neither."""
    places = (runtime.runs_dir() / "05" / name, runtime.ROOT / "data" / "adapters" / f"choosing-{name}")
    return next((p for p in places if (p / "adapter_model.safetensors").exists()), None)


def tuned(name: str, base: engines.ChatModel) -> engines.ChatModel:
    """The model with the saved adapter of that name; where there is none, the untrained one stands in, and it is said."""
    at = adapter(name)
    print(f"{name}:", f"saved adapter {runtime.short(at)}" if at else "no saved adapter here; the untrained model stands in")
    return engines.with_adapter(at, base.model.course_name) if at else base


@contextlib.contextmanager
def offline():
    """While it is open, a connection or a look-up by Python beyond this machine is a CourseError."""
    connect, look_up, here = socket.socket.connect, socket.getaddrinfo, ("127.0.0.1", "::1", "localhost", None, "")

    def refuse(host):
        raise CourseError(f"A connection to {host} was tried.", "find the call that made it: nothing here needs a network.")

    def only_here(sock, address):
        return refuse(address[0]) if isinstance(address, tuple) and address[0] not in here else connect(sock, address)

    def known_here(host, *more, **named):
        return look_up(host, *more, **named) if host in here else refuse(host)

    socket.socket.connect, socket.getaddrinfo = only_here, known_here
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = connect, look_up


# ---------------------------------------------------------------- asking
def ask(system: System, engine, questions: list[dict], retrieve: Retrieve | None = None, insist: bool = False,
        wording: str = "question") -> list[dict]:
    """One record a question: id, kind, wording, text, confidence, doubt, seconds, shown, held, grounded.

    insist: write an answer even where the model would decline; `DeclineRule` decides afterwards. shown: the documents read.
    held: could the question be answered from all passages that were found? grounded: do the figures and longer words of the
    answer stand in what was read? (None without passages.) seconds: of finding, choosing and writing.
    Raises CourseError when the system has nothing to retrieve from.
    """
    if system.passages and retrieve is None:
        raise CourseError(f"{system.name} needs documents to search.", "build the index first and pass its search function.")
    start = time.perf_counter()
    found = [shown(retrieve(q[wording], system.passages)) if system.passages else [] for q in questions]
    read = [surest(engine, q[wording], c) for q, c in zip(questions, found, strict=True)] if system.apart else found
    finding = (time.perf_counter() - start) / max(1, len(questions))
    chats = [chat(q[wording], system.prompt, chunks) for q, chunks in zip(questions, read, strict=True)]
    replies = engine.write(chats, insist=insist)
    records = []
    for question, reply, all_found, chunks in zip(questions, replies, found, read, strict=True):
        more = {"shown": list(dict.fromkeys(c.document for c in chunks)), "held": None, "grounded": None}
        if system.passages:
            texts = [f"{c.title} {c.date} {c.text}" for c in chunks]
            more["held"] = tasks.answerable_from(question, all_found)
            more["grounded"] = tasks.supported(tasks.parse(reply.text).answer or "", texts, question[wording])
        records.append({"id": question["id"], "kind": question["kind"], "wording": wording, **asdict(reply), **more,
                        "seconds": reply.seconds + finding})
    return records


def surest(engine, question: str, chunks: list) -> list:
    """The one passage after which the model doubts least that there is an answer; each is read by itself. [] for no chunks."""
    doubts = engine.doubts([chat(question, "short", [c]) for c in chunks])
    return [chunks[int(np.argmin(doubts))]] if chunks else []


# ---------------------------------------------------------------- withdrawing an answer
@dataclass
class DeclineRule:
    """Withdraws answers that are likely to be wrong: a logistic regression on three signs, its threshold set on validation.

    The signs: the model's doubt, the confidence of its answer, and whether the answer is grounded in what was read.
    most_wrong: the share of answerable questions that may be declined on validation.
    """

    most_wrong: float = 0.1
    threshold: float = 1.1
    model: object = field(default=None, repr=False)

    @staticmethod
    def signs(records: list[dict]) -> np.ndarray:
        """(n, 3); a sign that a reply does not have counts as 0."""
        raw = [[r["doubt"] or 0.0, r["confidence"], r["grounded"] or 0.0] for r in records]
        return np.nan_to_num(np.array(raw, float).reshape(-1, 3), neginf=-20.0)

    def fit(self, records: list[dict]) -> DeclineRule:
        """Learns from validation records. Raises CourseError unless both kinds of question are there."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        none = np.array([r["kind"] == "unanswerable" for r in records])
        if none.all() or not none.any():
            raise CourseError("The decline threshold needs answerable and unanswerable validation questions.",
                              "pass the records of the whole validation part.")
        self.model = make_pipeline(StandardScaler(), LogisticRegression()).fit(self.signs(records), none)
        chance = self.chances(records)
        allowed = int(self.most_wrong * (~none).sum())
        kept = np.sort(chance[~none])[::-1]
        self.threshold = float(kept[allowed]) if allowed < len(kept) else 0.0
        return self

    def chances(self, records: list[dict]) -> np.ndarray:
        """(n,) the chance that the question has no answer in the documents, as the rule sees it."""
        return self.model.predict_proba(self.signs(records))[:, 1]

    def declines(self, records: list[dict]) -> np.ndarray:
        """(n,) True where the answer is withdrawn."""
        return self.chances(records) > self.threshold

    def apply(self, records: list[dict]) -> list[dict]:
        """The records with the replies as given out: withdrawn ones become the declining reply."""
        return [{**r, "text": tasks.house("")} if no else r for r, no in zip(records, self.declines(records), strict=True)]


def saved_rule() -> DeclineRule | None:
    """The rule learned from the study's validation replies; None where the study was not run."""
    kept = studies.outcome("choosing", "answer-rag_fine_tuned")
    return DeclineRule().fit(kept["validation"]) if kept else None


# ---------------------------------------------------------------- what the replies are worth
def try_system(name: str, engine, questions: list[dict], retrieve: Retrieve | None = None,
               rule: DeclineRule | None = None) -> list[dict]:
    """The judged replies of one of SYSTEMS, run on `engine`. rule: withdraws answers before they are judged."""
    system = SYSTEMS[name]
    records = ask(system, engine, questions, retrieve, insist=system.engine == "open")
    return verdicts(rule.apply(records) if rule else records, questions)


def share_right(judged: list[dict]) -> float:
    """The share of right replies."""
    return sum(r["outcome"] == "right" for r in judged) / len(judged)


def verdicts(records: list[dict], questions: list[dict]) -> list[dict]:
    """Each record with its outcome, whether it keeps the house format and whether it names a right source."""
    by_id = {q["id"]: q for q in questions}
    judged = []
    for record in records:
        question, reading = by_id[record["id"]], tasks.parse(record["text"])
        named = set(reading.sources) & set(question["documents"])
        judged.append({**record, "outcome": tasks.judge(question, reading), "in_format": reading.in_format,
                       "source_right": bool(named)})
    return judged


def summary(judged: list[dict]) -> dict[str, tuple[int, int]]:
    """Counts (hits, of how many): right answers, declined, wrongly declined, invented, in the house format, right source."""
    with_answer = [r for r in judged if r["kind"] != "unanswerable"]
    without = [r for r in judged if r["kind"] == "unanswerable"]

    def count(rows, test):
        return sum(bool(test(r)) for r in rows), len(rows)

    return {"facts_right": count(with_answer, lambda r: r["outcome"] == "right"),
            "declined_unanswerable": count(without, lambda r: r["outcome"] == "right"),
            "declined_answerable": count(with_answer, lambda r: r["outcome"] == "declined"),
            "invented": count(judged, lambda r: r["outcome"] == "invented"),
            "in_format": count(judged, lambda r: r["in_format"]),
            "source_right": count(with_answer, lambda r: r["source_right"])}


KINDS = ("right", "rightly declined", "wrongly declined", "wrong")


def kinds(judged: list[dict]) -> dict[str, int]:
    """How many replies are of each of KINDS: what a business counts. Misread, invented and empty answers are all wrong."""
    def kind(record):
        if record["outcome"] == "right":
            return "rightly declined" if record["kind"] == "unanswerable" else "right"
        return "wrongly declined" if record["outcome"] == "declined" else "wrong"

    found = Counter(map(kind, judged))
    return {name: found[name] for name in KINDS}


def told(judged: list[dict]) -> str:
    """The counts of `kinds` in words."""
    return ", ".join(f"{n} {name}" for name, n in kinds(judged).items())


def lost(judged: list[dict]) -> dict[str, int]:
    """Where a RAG system's answerable questions end: the search found nothing, or it did and the reader failed, or right."""
    found: Counter = Counter()
    for record in (r for r in judged if r["kind"] != "unanswerable"):
        right = record["outcome"] == "right"
        found["right" if right else "found, but not read rightly" if record["held"] else "not found"] += 1
    return {name: found[name] for name in ("right", "found, but not read rightly", "not found")}
