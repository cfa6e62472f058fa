"""What the study `benchmarks/studies/retail.py` has kept, read back as scored systems. Whatever was not run is left out."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .. import runtime, studies
from ..evaluation import Evaluation
from . import customers, data, rules, scoring, voice

STUDY = "retail"
ARMS = ("extraction-swapped", "extraction-plain")
NAMES = {"extraction-base": "untrained, full instruction", "extraction-base-constrained": "untrained, bound to the schema",
         "extraction-few": "untrained, two examples", "extraction-plain": "fine-tuned, the same rows each pass",
         "extraction-swapped": "fine-tuned, other values each pass",
         "extraction-tuned-constrained": "fine-tuned, bound to the schema"}
THEMES = {"majority": "majority", "words": "word list", "zero": "untrained, calibrated", "tfidf": "TF-IDF + logistic regression",
          "tuned": "fine-tuned"}


def adapter(name: str) -> Path | None:
    """The folder of a saved adapter (`extraction`, `voice-1`, `voice-2`): the course's, else this machine's, else None."""
    own = chosen_arm() if name == "extraction" else name
    places = (runtime.ROOT / "data" / "adapters" / f"retail-{name}", runtime.runs_dir() / "adapters" / STUDY / own)
    return next((place for place in places if (place / "adapter_model.safetensors").exists()), None)


@cache
def training_words() -> rules.Lexicon:
    """What the fair rules know: the words that the training texts hold."""
    return rules.ALL.seen_in([row["text"] for row in data.products()["train"]])


def extractions(rows: list[dict]) -> dict[str, scoring.Extraction]:
    """Unit -> that system's kept answers to `rows` (test rows of the products), after the two kinds of rules."""
    found = {"rules": rules.system(rows),
             "rules-train-words": rules.system(rows, training_words(), "regular expressions, training words only")}
    for unit, name in NAMES.items():
        if kept := studies.outcome(STUDY, unit):
            share = kept["seconds"] * len(rows) / len(kept["answers"])
            found[unit] = scoring.Extraction(name, rows, [kept["answers"][row["id"]] for row in rows], share)
    return found


def validation_f1(arm: str) -> float | None:
    """F1 of a kept training on the validation rows; None for one that was not run."""
    kept, rows = studies.outcome(STUDY, arm), data.products()["validation"]
    return scoring.Extraction(arm, rows, [kept["validation"][row["id"]] for row in rows]).f1 if kept else None


def chosen_arm() -> str:
    """The training that counts as "fine-tuned": the better one on the validation rows."""
    return max(ARMS, key=lambda arm: validation_f1(arm) or -1.0)


def voices(arm: str, crossed: bool = False) -> list[voice.VoiceScore]:
    """The scores of both houses' kept texts. arm: `tuned` or `few`. crossed: texts on the other house's products."""
    parts = data.voices()
    classifier, scores = voice.StyleClassifier(parts), []
    for number, house in enumerate(parts, 1):
        kept = studies.outcome(STUDY, f"voice-{arm}-{number}")
        rows = [row for other, part in parts.items() for row in part["test"] if (other != house) == crossed]
        if kept:
            name = {"tuned": "fine-tuned", "few": "two examples"}[arm]
            scores.append(voice.score(name, house, [kept["answers"][row["id"]] for row in rows], rows, classifier))
    return scores


def themes() -> dict[str, Evaluation]:
    """Unit -> that system's kept answers to the test messages."""
    kept = {name: studies.outcome(STUDY, f"customers-{name}") for name in THEMES}
    return {name: Evaluation(THEMES[name], customers.THEMES, k["truth"], k["guess"]) for name, k in kept.items() if k}


def copilot_answers(arm: str) -> dict[str, str]:
    """Id -> the untrained model's kept answer. arm: `zero` or `few`; empty when it was not run."""
    return (studies.outcome(STUDY, f"copilot-{arm}") or {"answers": {}})["answers"]
