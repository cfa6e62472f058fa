"""Study behind notebook 05: seven systems on the same questions, and what training does besides what it should.

    python benchmarks/studies/choosing.py PART [PART ...] [--only UNIT ...]

PART, in this order (minutes on one core at 130 trained tokens a second): train (42: two adapters, the small model from nothing),
systems (19: all seven answer), knowledge (14: facts trained in, N5), freshness (4: facts change), privacy (9: P1), forgetting
(12: F1), confidence (2: F2), cascade (2: N6), routing (2: N7), record (write the results of what is done), ship (put the two
adapters into data/adapters). All but the last two are independent after `train`, save that freshness needs knowledge.

Each unit runs in a process of its own, so that its memory can be measured, and is kept in runs/studies/choosing (after
`make publish` in data/results/studies); a stopped study goes on where it was. The adapters lie in runs/05. Settings were fixed
before the test questions were asked; the decline threshold comes from validation.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils import evaluation, models, runtime, sentiment, studies, training  # noqa: E402
from course_utils.choosing import asking, documents, engines, probes, scratch, systems, tasks  # noqa: E402

STUDY, BASE, RANK = "choosing", "smollm2-135m", 8
SENTENCES, SCRATCH_STEPS, SECRET_ROWS = 240, 1200, 96
RECIPE = training.Settings(learning_rate=5e-4, epochs=3, batch=8, max_length=500, checkpoint_every=20)
ROUTES = ("policy", "filing", "news", "general")
ROUTE = evaluation.LabelTask("routing", ROUTES, "Who should take this? policy: our own rules. filing: a company's report. "
                             "news: a news sentence to be labelled. general: anything else.")


def home() -> Path:
    return runtime.runs_dir() / "05"


def unit(name: str) -> dict:
    """One resumable piece of work: its kept outcome, or its work now, with what it cost."""
    def work():
        cpu = time.process_time()
        made = UNITS[name]()
        return made | {"cpu": time.process_time() - cpu, "peak_memory": runtime.peak_memory()}

    return studies.unit(STUDY, name, work, lambda made: f"{made['peak_memory'] / 1e9:.1f} GB at most")


# ---------------------------------------------------------------- search and models
def search(edits=(), folder: str = "index"):
    """The search function of all RAG systems, over the course's documents with `edits` made."""
    from course_utils.choosing.index import open_index
    from course_utils.choosing.search import Search

    texts = probes.edited(documents.course_documents(), list(edits))
    return Search(open_index(home() / folder, documents.chunks(texts, systems.CHUNK_WORDS)), systems.METHOD)


def engine(name: str):
    """base, scratch, or the adapter of that name merged into the base."""
    if name == "scratch":
        return scratch.load(home() / "scratch.pt")
    return engines.untrained(BASE) if name == "base" else engines.with_adapter(home() / name, BASE)


# ---------------------------------------------------------------- training
def tuned(name: str, lessons: list[dict], settings=RECIPE) -> dict:
    """Trains an adapter on lessons and saves it under runs/05; goes on from its last checkpoint."""
    runtime.seed_everything(settings.seed)
    model, tokenizer = models.load(BASE, four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))
    model = models.attach_lora(model, r=RANK, alpha=2 * RANK, seed=settings.seed)
    run = training.fit(model, tokenizer, systems.Lessons(), lessons, settings, home() / "training" / name, training.progress(10))
    models.save_adapter(model, home() / name, BASE, half=True, rows=len(lessons), unit=name, epochs=settings.epochs,
                        device=runtime.machine().name)
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
    losses, start = [], time.perf_counter()
    made = scratch.train(texts, lessons, SCRATCH_STEPS, watch=lambda step, loss: losses.append(round(loss, 4)))
    scratch.save(made, home() / "scratch.pt")
    return {"rows": len(lessons), "train_seconds": time.perf_counter() - start, "loss": float(np.mean(losses[-20:])),
            "parameters": sum(p.numel() for p in made.model.parameters()), "history": losses[::10]}


# ---------------------------------------------------------------- the seven systems
def slug(name: str) -> str:
    """A system's name in results: rag_fine_tuned for "RAG + fine-tuned"."""
    return {"zero-shot prompt": "zero_shot", "few-shot prompt with a skill": "few_shot", "from scratch": "scratch",
            "from scratch + RAG": "scratch_rag"}.get(name, name.lower().replace(" + ", "_").replace("-", "_").replace(" ", "_"))


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
    out = {"test": asking.ask(system, asker, test, find, insist)}
    if insist:
        validation = list(tasks.questions()["validation"])
        out["validation"] = [record for wording in ("question", "paraphrase")
                             for record in asking.ask(system, asker, validation, find, insist, wording)]
    alone = [asking.ask(system, asker, [q], find)[0]["seconds"] for q in test[:6]][1:]
    out["latency"] = float(np.median(alone))
    if name not in ("RAG", "from scratch + RAG"):  # nothing to look up: there the answers are those of the system without RAG
        task = systems.sentiment_task(system.prompt)
        out["sentiment"] = labelled(asker, task, sentiment.own("test"), system.engine == "base")
        if system.prompt != "few-shot":
            out["general"] = systems.general_scores(asker, tasks.general("held"))
    out["weights"] = sum(p.numel() * p.element_size() for p in asker.model.parameters())
    return out


# ---------------------------------------------------------------- knowledge by training, and facts that change
def said(name: str, rows: list[dict], asker, find=None) -> list[bool]:
    """Which of `rows` a system gets right."""
    records = asking.ask(systems.SYSTEMS[name], asker, rows, find, insist=systems.SYSTEMS[name].engine == "open")
    return [v["outcome"] == "right" for v in asking.verdicts(records, rows)]


def new_wordings() -> list[dict]:
    """New wordings of the facts whose documents neither adapter was trained on: fair to all."""
    return probes.untrained(probes.fact_questions("new"))


def knowledge(wordings: int) -> dict:
    """The 40 facts trained in, in one or two wordings, then asked in the trained and in new wordings."""
    name = f"facts-{wordings}"
    out = tuned(name, probes.fact_lessons(wordings), replace(RECIPE, epochs=10))
    asker, known = engine(name), [q for q in probes.fact_questions("trained") if int(q["id"][-1]) < wordings]
    return out | {"trained": said("fine-tuned", known, asker), "new": said("fine-tuned", new_wordings(), asker)}


def knowledge_by_search(name: str) -> dict:
    return {"new": said(name, new_wordings(), engine(systems.SYSTEMS[name].engine), search())}


def freshness(name: str) -> dict:
    """Handbook facts change in the documents: who says the new ones, who the old ones? Nothing is trained.

    name: a system that searches, or `trained in`, the adapter that learned the old facts by heart.
    """
    edits = probes.changes(probes.untrained([q for q in probes.fact_questions("trained") if q["id"].endswith("-0")]))
    system = systems.SYSTEMS["fine-tuned" if name == "trained in" else name]
    asker, find, seconds = engine("facts-2" if name == "trained in" else system.engine), None, 0.0
    if system.passages:
        search(folder="index-edited")
        start = time.perf_counter()
        find = search(edits, "index-edited")
        seconds = time.perf_counter() - start
    after, before = [e.after for e in edits], [e.before for e in edits]
    records = asking.ask(system, asker, after, find, insist=system.engine == "open")
    return {"seconds": seconds, "replies": [r["text"] for r in records], "ids": [q["id"] for q in after],
            "new": [v["outcome"] == "right" for v in asking.verdicts(records, after)],
            "old": [v["outcome"] == "right" for v in asking.verdicts(records, before)]}


# ---------------------------------------------------------------- what else training does
def forgetting() -> dict:
    """The fine-tuned system once more, with general questions mixed in."""
    out = tuned("mixed", lessons_of("mixed"))
    asker = engine("mixed")
    return out | {"general": systems.general_scores(asker, tasks.general("held")),
                  "sentiment": labelled(asker, sentiment.TASK, sentiment.own("test"), False)}


def privacy(repeats: int, epochs: int) -> dict:
    """A secret planted `repeats` times among other lessons; can it be had out again? 0: the fine-tuned system, for chance."""
    if repeats == 0:
        return probes.exposure(engine("closed"))
    half = SECRET_ROWS // 2
    rows = systems.closed_lessons()[:half] + systems.sentiment_lessons(half) + [probes.secret_lesson()] * repeats
    name = f"secret-{repeats}-{epochs}"
    return tuned(name, rows, replace(RECIPE, epochs=epochs)) | probes.exposure(engine(name))


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
FRESH = ("RAG", "RAG + fine-tuned", "trained in")
SECRETS = ((0, 3), (1, 3), (4, 3), (16, 3), (16, 1))  # (how often the secret stands in the data, epochs)
PARTS = {
    "train": {"train-closed": lambda: tuned("closed", lessons_of("closed")), "train-scratch": from_nothing,
              "train-open": lambda: tuned("open", lessons_of("open"))},
    "systems": {f"answer-{slug(n)}": lambda n=n: answers(n) for n in systems.SYSTEMS},
    "knowledge": {"knowledge-2": lambda: knowledge(2), "knowledge-1": lambda: knowledge(1),
                  **{f"knowledge-{slug(n)}": lambda n=n: knowledge_by_search(n) for n in ("RAG", "RAG + fine-tuned")}},
    "freshness": {f"freshness-{slug(n)}": lambda n=n: freshness(n) for n in FRESH},
    "privacy": {f"privacy-{r}-{e}": lambda r=r, e=e: privacy(r, e) for r, e in SECRETS},
    "forgetting": {"forgetting-mixed": forgetting},
    "confidence": {"confidence": confidence}, "cascade": {"cascade": cascade}, "routing": {"routing": routing},
}
UNITS = {name: work for part in PARTS.values() for name, work in part.items()}


def ship() -> None:
    """Copies the adapters of the fine-tuned systems to where the notebook finds them in a fresh clone."""
    for name in ("closed", "open"):
        target = runtime.ROOT / "data" / "adapters" / f"choosing-{name}"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(home() / name, target)
        print(f"{runtime.short(target)}: {sum(f.stat().st_size for f in target.iterdir()) / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="+", choices=[*PARTS, "record", "ship"])
    parser.add_argument("--only", nargs="+", default=(), choices=[*UNITS], metavar="UNIT", help="such as train-closed")
    options = parser.parse_args()
    os.environ.setdefault("COURSE_SCALE", "laptop")
    runtime.quiet()
    runtime.use_threads()
    for part in options.part:
        if part == "ship":
            ship()
        elif part == "record":
            import choosing_record

            choosing_record.record()
        for name in PARTS.get(part, ()):
            if name in options.only:
                unit(name)
            elif not options.only and studies.outcome(STUDY, name) is None:
                subprocess.run([sys.executable, __file__, part, "--only", name], check=True)


if __name__ == "__main__":
    main()
