"""Turns the units of the study `retail.py` into the results of notebook 07. Run it through that study's part `record`."""

from __future__ import annotations

from pathlib import Path

from course_utils import results, statistics, studies
from course_utils.retail import copilot, data, recorded, scoring, voice

HERE = Path(__file__)
CODE = results.code_hash(HERE.with_name("retail.py").read_text(encoding="utf-8"))
PARTS = data.products()
TESTS = {"": (PARTS["test_products"] + PARTS["test_suppliers"], "unseen products and suppliers"),
         "_products": (PARTS["test_products"], "unseen products of known suppliers"),
         "_suppliers": (PARTS["test_suppliers"], "suppliers never trained on")}
NAMES = {"rules": "_regex", "rules-train-words": "_regex_train_words", "extraction-base": "_base", "extraction-few": "_few",
         "extraction-base-constrained": "_base_constrained", "extraction-tuned-constrained": "_constrained",
         "extraction-swapped": "_swapped", "extraction-plain": "_plain"}


def note(name: str, value, n: int, split: str, low=None, high=None, method: str = "", **more) -> None:
    results.record(name, value, n=n, low=low, high=high, method=method, split=split, notebook="07", code=CODE, **more)


def share(name: str, right, split: str, **more) -> None:
    right = list(map(float, right))
    low, high = statistics.accuracy_interval(round(sum(right)), len(right))
    note(name, sum(right) / len(right), len(right), split, low, high, "Wilson 95 %", **more)


# ---------------------------------------------------------------- extraction
def record_extraction() -> None:
    for suffix, (rows, split) in TESTS.items():
        systems = recorded.extractions(rows)
        named = {NAMES[unit]: one for unit, one in systems.items()}
        if recorded.chosen_arm() in systems:
            named[""] = systems[recorded.chosen_arm()]
        for ending, one in named.items():
            low, high = one.interval()
            note(f"extraction_f1{ending}{suffix}", one.f1, one.n, split, low, high, "bootstrap over suppliers, 95 %",
                 by_field=one.by_field()["F1"].to_dict(), exact=float(one.exact.mean()))
            if not suffix and one.valid is not None:
                share(f"valid_json{ending}", one.valid, split)
        if not suffix:
            record_gaps(named, split)


def record_gaps(named: dict, split: str) -> None:
    pairs = [("", rival) for rival in ("_regex", "_regex_train_words", "_few", "_constrained")] + [("_swapped", "_plain")]
    for a, b in pairs:
        if a in named and b in named:
            found = scoring.gain(named[a], named[b])
            note(f"{a.lstrip('_') or 'tuned'}_minus{b}", found["value"], named[a].n, split, found["low"], found["high"],
                 "paired bootstrap over suppliers, 95 %")
    if "" in named:
        note("extraction_arm", recorded.chosen_arm().removeprefix("extraction-"), len(PARTS["validation"]), "validation",
             validation={arm: recorded.validation_f1(arm) for arm in recorded.ARMS})


# ---------------------------------------------------------------- voice
def record_voice() -> None:
    parts = data.voices()
    classifier = voice.StyleClassifier(parts)
    for name, column, split in (("style_classifier_on_house_texts", "text", "the houses' own held-out texts"),
                                ("style_accuracy_plain", "plain", "the plain descriptions, unchanged")):
        share(name, [found == house for house, part in parts.items()
                     for found in classifier.houses([r[column] for r in part["test"]], part["test"])], split)
    for arm, ending, crossed in (("tuned", "", False), ("tuned", "_crossed", True), ("few", "_few", False)):
        scores = recorded.voices(arm, crossed)
        if len(scores) == len(parts):
            record_scores(scores, ending, "the other house's products" if crossed else "held-out products of the house")


def record_scores(scores: list, ending: str, split: str) -> None:
    share(f"style_accuracy{ending}", [x for s in scores for x in s.style], split, by_house={s.house: s.line() for s in scores})
    kept = [x for s in scores for x in s.facts]
    spread = statistics.paired_bootstrap(kept, [0.0] * len(kept))
    note(f"facts_kept{ending}", spread["value"], len(kept), split, spread["low"], spread["high"], "bootstrap over texts, 95 %")
    share(f"house_rules_kept{ending}", [x for s in scores for x in s.clean], split)


# ---------------------------------------------------------------- the rest
def record_themes() -> None:
    for name, one in recorded.themes().items():
        kept = studies.outcome(recorded.STUDY, f"customers-{name}")
        share(f"themes_{name}", one.right, "customer messages, test", macro_f1=one.macro_f1, misplaced=kept["misplaced"])


def record_copilot() -> None:
    rows = {row["id"]: row for row in data.copilot()["test"]}
    for arm in ("zero", "few"):
        found = [copilot.check(rows[key], text) for key, text in recorded.copilot_answers(arm).items()]
        for figure in ("right", "sound") if found else ():
            share(f"copilot_{figure}_{arm}", [getattr(one, figure) for one in found], "risk questions, described")


def record_own() -> None:
    for name in ("chats", "phrasebank"):
        if kept := studies.outcome(recorded.STUDY, f"own-{name}"):
            outcome = kept["outcome"]
            line = outcome["scores"][-1]
            note(f"own_{name}", line["accuracy"], line["n"], f"{outcome['name']}, test rows", line["low"], line["high"],
                 "Wilson 95 %", scores=outcome["scores"], verdict=outcome["verdict"], rows=outcome["rows"],
                 seconds=outcome["train_seconds"])


def main() -> None:
    for step in (record_extraction, record_voice, record_themes, record_copilot, record_own):
        step()
