"""Study behind notebook 05: seven systems on the same questions, and what training does besides what it should.

    python benchmarks/studies/choosing.py PART [PART ...] [--only UNIT ...]

PART: train (two adapters, the small model from nothing), systems (all seven answer), freshness (facts change), knowledge (N5),
forgetting (F1), privacy (P1), confidence (F2), cascade (N6), routing (N7), record (write the results of what is done).
Each unit runs in a process of its own, so that its memory can be measured, and is kept in runs/studies/choosing (after
`make publish` in data/results/studies); a stopped study goes on where it was. The adapters lie in runs/05. Settings were
fixed before the test questions were asked; the decline threshold comes from validation.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import evaluation, models, results, runtime, sentiment, training  # noqa: E402
from course_utils.choosing import documents, engines, probes, scratch, systems, tasks  # noqa: E402

BASE = "smollm2-135m"
SENTENCES, SCRATCH_STEPS, SECRET_ROWS = 240, 1200, 96
RECIPE = training.Settings(learning_rate=5e-4, epochs=3, batch=8, max_length=500, checkpoint_every=20)
OPEN = training.Settings(**{**RECIPE.__dict__, "epochs": 2})
FACTS = training.Settings(**{**RECIPE.__dict__, "epochs": 10})
ROUTES = ("policy", "filing", "news", "general")
ROUTE = evaluation.LabelTask("routing", ROUTES, "Who should take this? policy: our own rules. filing: a company's report. "
                             "news: a news sentence to be labelled. general: anything else.")


# ---------------------------------------------------------------- units
def places() -> tuple[Path, Path]:
    """Where outcomes are looked for: this machine's runs, then the published ones."""
    return runtime.runs_dir() / "studies" / "choosing", results.PUBLISHED / "studies" / "choosing"


def done(name: str) -> dict | None:
    """A unit's stored outcome, or None."""
    found = next((p / f"{name}.json" for p in places() if (p / f"{name}.json").exists()), None)
    return json.loads(found.read_text(encoding="utf-8")) if found else None


def unit(name: str) -> dict:
    """One resumable piece of work: its stored outcome, or its work now."""
    if stored := done(name):
        return stored
    start, cpu = time.time(), time.process_time()
    outcome = UNITS[name]()
    outcome |= {"wall": time.time() - start, "cpu": time.process_time() - cpu, "peak_memory": runtime.peak_memory(),
                "device": runtime.machine().name}
    results.write_json(places()[0] / f"{name}.json", outcome)
    print(f"{name}: {outcome['wall']:.0f} s, {outcome['peak_memory'] / 1e9:.1f} GB at most", flush=True)
    return outcome


def home() -> Path:
    return runtime.runs_dir() / "05"


# ---------------------------------------------------------------- search
def search(edits=(), folder: str = "index"):
    """The search function of all RAG systems, over the course's documents with `edits` made."""
    from course_utils.choosing.index import open_index
    from course_utils.choosing.search import Search

    texts = probes.edited(documents.course_documents(), list(edits))
    return Search(open_index(home() / folder, documents.chunks(texts, systems.CHUNK_WORDS)), "hybrid")


# ---------------------------------------------------------------- training
def dense():
    """The base model for training and answering: unquantised, in the machine's fastest format."""
    return models.load(BASE, four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))


def tuned(name: str, lessons: list[dict], settings=RECIPE) -> dict:
    """Trains an adapter on lessons and saves it under runs/05; goes on from its last checkpoint."""
    runtime.seed_everything(settings.seed)
    model, tokenizer = dense()
    model = models.attach_lora(model, seed=settings.seed)
    run = training.fit(model, tokenizer, systems.Lessons(), lessons, settings, home() / "training" / name, training.progress(10))
    models.save_adapter(model, home() / name, BASE, half=True, rows=len(lessons), unit=name)
    return {"rows": len(lessons), "tokens": run.tokens, "train_seconds": run.seconds, "loss": run.loss,
            "history": [round(h["loss"], 4) for h in run.history]}


def lessons_of(name: str) -> list[dict]:
    """The training rows of an adapter: closed (no passages), open (with passages) or mixed (closed and general questions)."""
    sentences = systems.sentiment_lessons(SENTENCES)
    if name == "open":
        return systems.open_lessons(search()) + sentences
    return systems.closed_lessons() + sentences + (systems.general_lessons() if name == "mixed" else [])


def from_nothing() -> dict:
    lessons = systems.closed_lessons() + systems.open_lessons(search()) + 2 * systems.sentiment_lessons(1000)
    texts = [f"{d.title}\n{d.text}" for d in documents.course_documents()]
    losses, start = [], time.process_time()
    engine = scratch.train(texts, lessons, SCRATCH_STEPS, watch=lambda step, loss: losses.append(round(loss, 4)))
    scratch.save(engine, home() / "scratch.pt")
    return {"rows": len(lessons), "train_seconds": time.process_time() - start, "loss": float(np.mean(losses[-20:])),
            "parameters": sum(p.numel() for p in engine.model.parameters()), "history": losses[::10]}


def engine(name: str):
    """base, scratch, or the adapter of that name merged into the base."""
    if name == "scratch":
        return scratch.load(home() / "scratch.pt")
    if name == "base":
        return engines.ChatModel(*dense())
    model, tokenizer = models.load(BASE, four_bit=False)
    return engines.ChatModel(models.merged(models.load_adapter(model, home() / name, BASE)), tokenizer)


# ---------------------------------------------------------------- the seven systems
def slug(name: str) -> str:
    """A system's name in results: rag_fine_tuned for "RAG + fine-tuned"."""
    return {"zero-shot prompt": "zero_shot", "few-shot prompt with a skill": "few_shot", "from scratch": "scratch",
            "from scratch + RAG": "scratch_rag"}.get(name, name.lower().replace(" + ", "_").replace("-", "_"))


def labelled(asker, task, rows: list[dict], calibrate: bool) -> dict:
    """Sentiment labels: guesses and truth as places in LABELS, with the normalised log-probabilities."""
    start = time.perf_counter()
    scores = asker.labels(task, rows)
    seconds = (time.perf_counter() - start) / len(rows)
    if calibrate:
        scores = scores - evaluation.label_prior(asker.labels(task, sentiment.own("train")[:100]))
    scores = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return {"guess": scores.argmax(1).tolist(), "truth": [task.labels.index(r["label"]) for r in rows], "seconds": seconds,
            "logs": np.round(scores, 4).tolist()}


def answers(name: str) -> dict:
    """Everything that one system is asked: test questions (and validation, for the decline rule), sentences, general items."""
    system = systems.SYSTEMS[name]
    asker, find = engine(system.engine), search() if system.passages else None
    insist = system.engine == "open"
    test = list(tasks.questions()["test"])
    out = {"test": systems.ask(system, asker, test, find, insist)}
    if insist:
        validation = list(tasks.questions()["validation"])
        out["validation"] = [record for wording in ("question", "paraphrase")
                             for record in systems.ask(system, asker, validation, find, insist, wording)]
    alone = [systems.ask(system, asker, [q], find)[0]["seconds"] for q in test[:6]][1:]
    out["latency"] = float(np.median(alone))
    if name not in ("RAG", "from scratch + RAG"):  # nothing to look up: there the answers are those of the system without RAG
        task = systems.sentiment_task(system.prompt)
        out["sentiment"] = labelled(asker, task, sentiment.own("test"), system.engine == "base")
        if system.prompt != "few-shot":
            out["general"] = systems.general_scores(asker, tasks.general("held"))
    out["weights"] = sum(p.numel() * p.element_size() for p in asker.model.parameters())
    return out


# ---------------------------------------------------------------- what else training does
def freshness(name: str) -> dict:
    """Facts change in the documents: does the system say the new ones? Nothing is trained."""
    system, edits = systems.SYSTEMS[name], probes.changes()
    asker, find, seconds = engine(system.engine), None, 0.0
    if system.passages:
        search(folder="index-edited")
        start = time.perf_counter()
        find = search(edits, "index-edited")
        seconds = time.perf_counter() - start
    after = [e.question for e in edits]
    before = [next(q for q in tasks.questions()["test"] if q["id"] == e["id"]) for e in after]
    records = systems.ask(system, asker, after, find, insist=system.engine == "open")
    return {"seconds": seconds, "replies": [r["text"] for r in records], "ids": [q["id"] for q in after],
            "new": [v["outcome"] == "right" for v in systems.verdicts(records, after)],
            "old": [v["outcome"] == "right" for v in systems.verdicts(records, before)]}


def said(name: str, rows: list[dict], asker, find=None) -> list[bool]:
    """Which of `rows` a system gets right."""
    records = systems.ask(systems.SYSTEMS[name], asker, rows, find, insist=systems.SYSTEMS[name].engine == "open")
    return [v["outcome"] == "right" for v in systems.verdicts(records, rows)]


def new_facts() -> list[dict]:
    """New wordings of the facts whose documents no adapter was trained on: fair to all."""
    return [q for q in probes.fact_questions("new") if tasks.document_parts()[q["documents"][0]] != "train"]


def knowledge(wordings: int) -> dict:
    """The 40 facts trained in, then asked in the trained and in new wordings."""
    out = tuned(f"facts-{wordings}", probes.fact_lessons(wordings), FACTS)
    asker = engine(f"facts-{wordings}")
    return out | {"trained": said("fine-tuned", probes.fact_questions("trained"), asker),
                  "new": said("fine-tuned", new_facts(), asker)}


def knowledge_by_search(name: str) -> dict:
    return {"new": said(name, new_facts(), engine(systems.SYSTEMS[name].engine), search())}


def general_of(name: str) -> dict:
    asker = engine(name)
    return {"general": systems.general_scores(asker, tasks.general("held")),
            "sentiment": labelled(asker, sentiment.TASK, sentiment.own("test"), name == "base"),
            "test": systems.ask(systems.SYSTEMS["fine-tuned"], asker, list(tasks.questions()["test"]))}


def forgetting() -> dict:
    """The fine-tuned system once more, with general questions mixed in."""
    return tuned("mixed", lessons_of("mixed")) | general_of("mixed")


def privacy(repeats: int, epochs: int) -> dict:
    """A secret planted `repeats` times among closed lessons; can it be had out again?"""
    half = SECRET_ROWS // 2
    rows = systems.closed_lessons()[:half] + systems.sentiment_lessons(half) + [probes.secret_lesson()] * repeats
    name = f"secret-{repeats}-{epochs}"
    out = tuned(name, rows, training.Settings(**{**RECIPE.__dict__, "epochs": epochs}))
    return out | probes.exposure(engine(name))


def confidence() -> dict:
    """How sure of a sentiment label, on sentences and on general questions, before and after training."""
    odd = [{"text": r["question"], "label": "neutral"} for r in tasks.general("held")]
    rows = {"in": sentiment.own("test"), "out": odd}
    return {name: {part: labelled(asker, sentiment.TASK, some, False) for part, some in rows.items()}
            for name in ("base", "closed") for asker in [engine(name)]}


def cascade() -> dict:
    """Label probabilities of the small and the big classifier on validation and test, and the seconds a sentence takes."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = sentiment.stratified(sentiment.own("train"), SENTENCES)
    small = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=30, max_iter=2000))
    small.fit([r["text"] for r in rows], [sentiment.LABELS.index(r["label"]) for r in rows])
    askers, out = {"scratch": engine("scratch"), "closed": engine("closed")}, {}
    for part in ("validation", "test"):
        sentences, start = sentiment.own(part), time.perf_counter()
        logs = small.predict_log_proba([r["text"] for r in sentences])
        seconds = (time.perf_counter() - start) / len(sentences)
        truth = [sentiment.LABELS.index(r["label"]) for r in sentences]
        out[part] = {"tfidf": {"logs": np.round(logs, 4).tolist(), "truth": truth, "seconds": seconds}} | {
            name: labelled(asker, sentiment.TASK, sentences, False) for name, asker in askers.items()}
    return out


def route_rows(part: str, each: int) -> list[dict]:
    """`each` rows of each route from one part of the data: questions on handbook and filings, sentences, general questions."""
    asked = [(q["question"], "policy" if q["documents"][0].startswith("HB") else "filing")
             for q in tasks.questions()[part] if q["documents"]]
    asked += [(r["text"], "news") for r in sentiment.own("train" if part == "train" else "test")]
    asked += [(r["question"], "general") for r in tasks.general("mixed" if part == "train" else "held")]
    return [{"text": text, "label": label} for route in ROUTES for text, label in [a for a in asked if a[1] == route][:each]]


def routing() -> dict:
    """Four-way routing, a step that agents repeat: untrained, TF-IDF, and fine-tuned on the same rows."""
    train, test = route_rows("train", 20), route_rows("test", 20)
    asker = engine("base")
    prior = evaluation.label_prior(asker.labels(ROUTE, train))
    out = {"zero_shot": (asker.labels(ROUTE, test) - prior).argmax(1).tolist(), "truth": [ROUTES.index(r["label"]) for r in test],
           "tfidf": [ROUTES.index(g) for g in evaluation.tfidf(train, test, ROUTES).guess]}
    out |= tuned("routing", [{"messages": ROUTE.prompt(r), "reply": r["label"]} for r in train])
    return out | {"tuned": engine("routing").labels(ROUTE, test).argmax(1).tolist()}


# ---------------------------------------------------------------- the list of units
FRESH = ("RAG", "RAG + fine-tuned", "fine-tuned")
PARTS = {
    "train": {"train-closed": lambda: tuned("closed", lessons_of("closed")), "train-scratch": from_nothing,
              "train-open": lambda: tuned("open", lessons_of("open"), OPEN)},
    "systems": {f"answer-{slug(n)}": lambda n=n: answers(n) for n in systems.SYSTEMS},
    "freshness": {f"freshness-{slug(n)}": lambda n=n: freshness(n) for n in FRESH},
    "knowledge": {"knowledge-1": lambda: knowledge(1), "knowledge-2": lambda: knowledge(2),
                  "knowledge-rag": lambda: knowledge_by_search("RAG"),
                  "knowledge-rag_fine_tuned": lambda: knowledge_by_search("RAG + fine-tuned")},
    "forgetting": {"forgetting-mixed": forgetting},
    "privacy": {f"privacy-{r}-{e}": lambda r=r, e=e: privacy(r, e) for r, e in ((0, 3), (1, 3), (4, 3), (16, 3), (16, 1))},
    "confidence": {"confidence": confidence}, "cascade": {"cascade": cascade}, "routing": {"routing": routing},
}
UNITS = {name: work for part in PARTS.values() for name, work in part.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=[*PARTS, "record"])
    parser.add_argument("--only", nargs="+", default=(), choices=[*UNITS], metavar="UNIT", help="such as train-closed")
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    for part in options.part:
        if part == "record":
            import choosing_record

            choosing_record.record()
            continue
        for name in PARTS[part]:
            if options.only:
                if name in options.only:
                    unit(name)
            elif done(name) is None:
                subprocess.run([sys.executable, __file__, part, "--only", name], check=True)


if __name__ == "__main__":
    main()
