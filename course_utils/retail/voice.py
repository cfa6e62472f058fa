"""Brand voice: two invented houses. A small adapter a house turns a plain description into the house's own text.

Three measures: does a classifier that never met the adapters recognise the house, do the product's facts survive, and does the
text keep the house's own rules (data/retail/voice_guide.md)?
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from .data import HOUSES

ARDEVAUX, SOLENNE = HOUSES.values()
NEITHER = "a plain description"


@dataclass(frozen=True)
class VoiceTask:
    """A Task (see `course_utils.evaluation`). Rows have `plain` and `text`. shots: rows shown as solved examples."""

    house: str
    shots: tuple[dict, ...] = ()

    @property
    def name(self) -> str:
        """`voice, Maison Ardevaux`."""
        return f"voice, {self.house}"

    def prompt(self, row: dict) -> list[dict]:
        """The chat messages: which house, then the plain description."""
        messages = [{"role": "system", "content": f"Rewrite the product text in the voice of {self.house}. Keep every fact."}]
        for shot in self.shots:
            messages += [{"role": "user", "content": shot["plain"]}, {"role": "assistant", "content": shot["text"]}]
        return [*messages, {"role": "user", "content": row["plain"]}]

    def answer(self, row: dict) -> str:
        """The house's text."""
        return row["text"]

    def parse(self, text: str) -> str | None:
        """The text itself; None when nothing was written."""
        return text.strip() or None


# ---------------------------------------------------------------- facts
def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").replace("‑", "-").lower().split())


def facts_kept(text: str, facts: dict[str, str]) -> dict[str, bool]:
    """Fact -> does its wording stand in the text? Capitals, quotation marks and line breaks do not matter; digits do.

    A fact that begins or ends with a digit must not run into further digits: "1 cm" does not stand in "11 cm".
    """
    where = _plain(text)
    return {name: re.search(rf"(?<![\d.,]){re.escape(_plain(fact))}(?!\d)" if fact[:1].isdigit()
                            else rf"(?<!\w){re.escape(_plain(fact))}", where) is not None for name, fact in facts.items()}


def new_numbers(text: str, row: dict) -> list[str]:
    """Numbers in `text` that the plain description does not have: invented measurements."""
    known = set(re.findall(r"\d+(?:[.,]\d+)?", row["plain"]))
    return [n for n in re.findall(r"\d+(?:[.,]\d+)?", text) if n not in known]


# ---------------------------------------------------------------- the houses' rules
PRAISE = re.compile(r"\b(?:beautiful|elegant|exquisite|perfect|timeless|iconic|finest|luxur\w+)\b", re.I)
BRITISH = re.compile(r"\b(?:colou?r|grey|centre|mould\w*|travelling|jewellery|honour|favourite|harbour)\b", re.I)
AMERICAN = re.compile(r"\b(?:color\w*|gray|center\w*|mold\w*|traveling|jewelry|honor|favorite|harbor)\b", re.I)


def sentences(text: str) -> list[str]:
    """Sentences, split after a full stop, a question or an exclamation mark."""
    return [s for s in re.split(r"(?<=[.!?])\s+", text.strip()) if s]


def broken_rules(text: str, house: str) -> list[str]:
    """Which rules of the house a text breaks, in words. Only those that a script can check."""
    marks = text.count("?") + text.count("!")
    if house == ARDEVAUX:
        checks = {"praise": PRAISE.search(text), "a question, exclamation or semicolon": marks or ";" in text,
                  "a sentence of 12 words or more": any(len(s.split()) >= 12 for s in sentences(text)),
                  "you, we or I": re.search(r"\b(?:you|your|we|our|us|I|my)\b", text),
                  "past or future": re.search(r"\b(?:was|were|had|will|would)\b", text),
                  "American spelling": AMERICAN.search(text)}
    else:
        checks = {"not exactly one question or exclamation": marks != 1,
                  "the reader is left out": not re.search(r"\byou(?:r|rs)?\b", text, re.I),
                  "British spelling": re.search(r"\b(?:colour|grey|centre|jewellery|harbour)\b", text, re.I)}
    return [rule for rule, broken in checks.items() if broken]


# ---------------------------------------------------------------- whose voice is it?
def without_facts(text: str, facts: dict[str, str]) -> str:
    """The text with each fact's words masked, so that leather or silk cannot tell the house."""
    masked = _plain(text)
    for fact in sorted(facts.values(), key=len, reverse=True):
        masked = masked.replace(_plain(fact), " fact ")
    return masked


class StyleClassifier:
    """TF-IDF of words and word pairs with logistic regression: which house wrote this, or neither?

    Trained on texts that no adapter saw; facts are masked and punctuation is not read, so that neither the goods nor
    one habitual question mark decides. The third class are the plain descriptions: between two houses alone a mere copy of the
    facts would be taken for one of them.
    """

    def __init__(self, parts: dict[str, dict[str, list[dict]]]):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        rows = [(row, house) for house, part in parts.items() for row in part["classifier"]]
        texts = [(row["text"], row, house) for row, house in rows] + [(row["plain"], row, NEITHER) for row, _ in rows]
        features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        self.model = make_pipeline(features, LogisticRegression(C=10, max_iter=1000))
        self.model.fit([without_facts(text, row["facts"]) for text, row, _ in texts], [house for *_, house in texts])

    def houses(self, texts: list[str], rows: list[dict]) -> list[str]:
        """The house each text is taken for, or NEITHER. rows: whose facts to mask."""
        masked = [without_facts(text, row["facts"]) for text, row in zip(texts, rows, strict=True)]
        return [str(house) for house in self.model.predict(masked)]


@dataclass
class VoiceScore:
    """One system's texts on fixed rows of one house. style, facts, clean: (n,) shares between 0 and 1."""

    system: str
    house: str
    texts: list[str]
    style: np.ndarray
    facts: np.ndarray
    clean: np.ndarray
    invented: int

    def line(self) -> dict:
        """The figures as one line of a table."""
        return {"system": self.system, "house": self.house, "taken for the house": round(float(self.style.mean()), 3),
                "facts kept": round(float(self.facts.mean()), 3), "all facts kept": round(float((self.facts == 1).mean()), 3),
                "no rule broken": round(float(self.clean.mean()), 3), "invented numbers": self.invented}


def score(system: str, house: str, texts: list[str], rows: list[dict], classifier: StyleClassifier) -> VoiceScore:
    """Scores `texts`, written for `rows` in the voice of `house`."""
    taken = np.array([float(found == house) for found in classifier.houses(texts, rows)])
    kept = np.array([np.mean(list(facts_kept(text, row["facts"]).values())) for text, row in zip(texts, rows, strict=True)])
    clean = np.array([float(not broken_rules(text, house)) for text in texts])
    invented = sum(len(new_numbers(text, row)) for text, row in zip(texts, rows, strict=True))
    return VoiceScore(system, house, texts, taken, kept, clean, invented)
