"""Study behind notebook 05's search: which passages are found, by which method, and at what cost.

    python benchmarks/studies/retrieval.py

Settings are chosen on the questions of the training and validation parts, in both wordings, by one measure: does the answer stand
in what a prompt has room for? What is reported is recall@5 on all answerable questions, and on the test part alone. Each part's
outcome is kept in runs/studies/retrieval and not measured again while this file stays the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from retrieval_texts import ATTACKS, TRANSLATED  # noqa: E402

from course_utils import results, runtime  # noqa: E402
from course_utils.choosing import documents, embedding, quoting, search, systems, tasks  # noqa: E402
from course_utils.choosing.index import open_index  # noqa: E402

CODE = results.code_hash(Path(__file__).read_text(encoding="utf-8"))
ABOUT = {"notebook": "05", "code": CODE}
SIZES = (20, 30, 60, 120, 240)
WORDINGS = ("question", "paraphrase")
PLACE = "retrieval"


def part(name: str, measure):
    """The outcome of one part, from its file or measured now."""
    path = runtime.runs_dir() / "studies" / PLACE / f"{name}.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["code"] == CODE:
            return kept["outcome"]
    outcome = measure()
    results.write_json(path, {"code": CODE, "outcome": outcome})
    print(name, "done", flush=True)
    return outcome


def index(words: int):
    """The index of the course's documents in chunks of `words` words; kept on disk between runs."""
    pieces = documents.chunks(documents.course_documents(), words)
    return open_index(runtime.runs_dir() / PLACE / f"words-{words}", pieces)


def tuning() -> set[str]:
    return {q["id"] for name in ("train", "validation") for q in tasks.questions()[name] if q["documents"]}


def in_prompt(find, wording: str) -> list[tuple[str, bool]]:
    """(question, does its answer stand in the passages that a prompt has room for?)"""
    answerable = [q for q in tasks.read("questions") if q["documents"]]
    return [(q["id"], tasks.answerable_from(q, systems.shown(find(q[wording], search.DEPTH)))) for q in answerable]


# ---------------------------------------------------------------- sizes and methods
def one_setting(words: int, method: str) -> dict:
    """Recall@5 over documents and over chunks, and answers in the prompt, for both wordings; rows for every question."""
    whole, kept, found = search.Search(index(words), method), {}, {"words": words, "method": method}

    def find(question: str, k: int):  # one search serves all three measures
        if question not in kept:
            kept[question] = whole(question, search.DEPTH)
        return kept[question][:k]

    for wording in WORDINGS:
        for unit in ("documents", "chunks"):
            found[f"{wording} {unit}"] = search.recall_at(find, tasks.read("questions"), 5, wording, unit)
        found[f"{wording} in prompt"] = in_prompt(find, wording)
    return found


def share(rows, keep=None) -> float:
    kept = [ok for name, ok in rows if keep is None or name in keep]
    return sum(kept) / len(kept)


def tuned_score(setting: dict) -> float:
    """What settings are chosen by: answers in the prompt on the tuning questions, mean over both wordings."""
    return sum(share(setting[f"{w} in prompt"], tuning()) for w in WORDINGS) / 2


def settings() -> list[dict]:
    return [part(f"setting-{words}-{method}", lambda w=words, m=method: one_setting(w, m))
            for words in SIZES for method in search.METHODS]


def summary(setting: dict) -> dict:
    rows = {"words": setting["words"], "method": setting["method"], "tuned_on": tuned_score(setting)}
    for wording in WORDINGS:
        rows |= {f"{wording}_recall": setting[f"{wording} documents"]["value"],
                 f"{wording}_recall_chunks": setting[f"{wording} chunks"]["value"],
                 f"{wording}_in_prompt": share(setting[f"{wording} in prompt"])}
    return rows


def record_recall(name: str, setting: dict) -> None:
    """Recall@5 of one setting: on all answerable questions, on the paraphrases, and on the test part alone in both wordings."""
    how = f"{setting['method']}, chunks of {setting['words']} words; five documents, each placed by its best chunk; Wilson 95 %"
    for wording in WORDINGS:
        got, suffix = setting[f"{wording} documents"], "" if wording == "question" else "_paraphrase"
        results.record(name + suffix, got["value"], n=got["n"], low=got["low"], high=got["high"], method=how,
                       split=f"all answerable questions, {wording}", **ABOUT)
        test = [ok for row, ok in got["rows"] if row not in tuning()]
        low, high = search.accuracy_interval(sum(test), len(test))
        results.record(f"{name}{suffix}_test", sum(test) / len(test), n=len(test), low=low, high=high, method=how,
                       split=f"test part, {wording}", **ABOUT)
        strict = setting[f"{wording} chunks"]
        results.record(f"{name}{suffix}_chunks", strict["value"], n=strict["n"], low=strict["low"], high=strict["high"],
                       method="the same, counted over five chunks, which may share a document", **ABOUT)
        held = setting[f"{wording} in prompt"]
        low, high = search.accuracy_interval(sum(ok for _, ok in held), len(held))
        results.record(f"answer_in_prompt{name.removeprefix('recall_at_5')}{suffix}", share(held), n=len(held), low=low,
                       high=high, method=f"{how.split(';')[0]}; the answer stands in {systems.WORDS_SHOWN} words", **ABOUT)


def compare() -> dict:
    """Chooses chunk size and method; records recall@5 of the chosen, and of each method at its own best size."""
    measured = settings()
    best = max(measured, key=tuned_score)
    results.record("retrieval_settings", [summary(s) for s in measured], method="recall@5; tuned_on: answers in the prompt, "
                   "tuning questions, both wordings", chosen=f"{best['method']}, {best['words']} words", **ABOUT)
    record_recall("recall_at_5", best)
    for method in search.METHODS:
        mine = [s for s in measured if s["method"] == method]
        own = max(mine, key=lambda s: sum(share(s[f"{w} documents"]["rows"], tuning()) for w in WORDINGS))
        record_recall(f"recall_at_5_{method}", own)
    kinds = {q["id"]: q["kind"] for q in tasks.read("questions")}
    missed = {w: [f"{row} ({kinds[row]})" for row, ok in best[f"{w} documents"]["rows"] if not ok] for w in WORDINGS}
    results.record("retrieval_missed", missed, method="questions not all of whose documents are among the five", **ABOUT)
    return best


# ---------------------------------------------------------------- other languages, hidden orders, cost
def languages(best: dict) -> None:
    """The same questions in English, German and French."""
    def measure():
        find, rows = search.Search(index(best["words"]), best["method"]), {q["id"]: q for q in tasks.read("questions")}
        asked = [rows[name] | texts for name, texts in TRANSLATED.items()]
        return {name: search.recall_at(find, asked, 5, wording)
                for name, wording in (("English", "question"), ("German", "German"), ("French", "French"))} | {
                "noticed": sum(search.language(q[w]) == w for q in asked for w in ("German", "French")) / (2 * len(asked))}

    found = part("languages", measure)
    for name in ("English", "German", "French"):
        got = found[name]
        results.record(f"recall_at_5_in_{name.lower()}", got["value"], n=got["n"], low=got["low"], high=got["high"],
                       method=f"{best['method']}; translations by a large language model", split="20 questions", **ABOUT)
    results.record("language_noticed", found["noticed"], n=2 * len(TRANSLATED), method="German and French questions warned of",
                   **ABOUT)


def hidden_orders() -> None:
    """The filter's two errors: orders that pass it, and honest texts that it flags."""
    for kind, texts in ATTACKS.items():
        hits = sum(bool(quoting.orders_in(t)) for t in texts)
        low, high = search.accuracy_interval(hits, len(texts))
        results.record(f"orders_flagged_{kind}", hits / len(texts), n=len(texts), low=low, high=high,
                       method="share of planted orders that the word filter flags; orders by a large language model", **ABOUT)
    honest = [d.text for d in documents.course_documents()] + [q[w] for q in tasks.read("questions") for w in WORDINGS]
    results.record("orders_false_alarms", sum(bool(quoting.orders_in(t)) for t in honest), n=len(honest),
                   method="documents and questions of the course that the filter flags", **ABOUT)


def cost(best: dict) -> None:
    """Seconds to build, open and change the index, milliseconds a question, bytes on disk."""
    def measure():
        import shutil

        place = runtime.runs_dir() / PLACE / "cost"
        shutil.rmtree(place, ignore_errors=True)
        texts = documents.course_documents()
        pieces, took = documents.chunks(texts, best["words"]), {}

        def timed(name, work):
            start = time.perf_counter()
            outcome = work()
            took[name] = time.perf_counter() - start
            return outcome

        embedding.embed(["loads the model"])
        made = timed("index_build_seconds", lambda: open_index(place, pieces))
        timed("index_open_seconds", lambda: open_index(place, pieces))
        new = documents.changed(texts[9], "Ninety", "Thirty", "2026-01-01")
        timed("fact_change_seconds", lambda: made.replace(documents.chunks([new], best["words"])))
        find, asked = search.Search(made, best["method"]), [q["question"] for q in tasks.read("questions")[:50]]
        find(asked[0])
        timed("all", lambda: [find(q) for q in asked])
        took["search_milliseconds"] = 1000 * took.pop("all") / len(asked)
        took["index_bytes"] = sum(p.stat().st_size for p in place.rglob("*") if p.is_file())
        return took | {"chunks": len(pieces)}

    found = part("cost", measure)
    units = {"search_milliseconds": "ms", "index_bytes": "bytes"}
    for name in ("index_build_seconds", "index_open_seconds", "fact_change_seconds", "search_milliseconds", "index_bytes"):
        results.record(name, found[name], units.get(name, "s"), n=found["chunks"],
                       method="66 documents; model already loaded", **ABOUT)


def main() -> None:
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    hidden_orders()
    best = compare()
    for row in results.yours("retrieval_settings", "05")["value"]:
        print(*(f"{k}={v:.3f}" if isinstance(v, float) else v for k, v in row.items()))
    languages(best)
    cost(best)


if __name__ == "__main__":
    main()
