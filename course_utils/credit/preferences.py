"""Preference pairs: a right answer beside one with a named fault.

    python -m course_utils.credit.preferences --seed 0

Faults of calculation are worked into the sheet of a case before it is written, so that all that follows from them is consistent,
the decision too. The independent grader checks both sides of every pair; what it does not confirm is dropped and counted.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from . import confident, dataset, writing
from .cases import Case
from .faults import UNITS, Alter, decided, misread, retold, slip, tell, unaltered
from .grader import Grade, grade
from .policy import ACTIONS, FOLDER, TESTS, written
from .steps import Calc, Sheet
from .teacher import verify

FAULTS = ("wrong arithmetic", "wrong unit", "ignored covenant", "contradiction", "no recommendation", "over-confidence")
PLACE = FOLDER / "preferences.jsonl.gz"


# ---------------------------------------------------------------- one rejected answer a fault
def _sheets(case: Case, at: int, alter: Alter, skip: str = "") -> list[Sheet]:
    return [retold(o.facts, case.shock, alter if k == at else unaltered, skip) for k, o in enumerate(case.obligors)]


def _altered(case: Case, rng: random.Random, choices: Callable) -> tuple[str, str]:
    """An answer with one calculation altered, if possible so that the decision changes; and what was altered."""
    right, at = case.judged()[0], "AB".index(case.judged()[0].weaker or "A")
    want_change, best = rng.random() < 0.7, None
    for _ in range(25):
        seen: list[tuple[str, Calc]] = []
        _sheets(case, at, lambda key, calc, seen=seen: seen.append((key, calc)) or calc)
        key, old, new, detail = choices(seen, rng)
        sheets = _sheets(case, at, lambda k, calc, key=key, old=old, new=new: new if (k, calc) == (key, old) else calc)
        best = best or (sheets, detail)
        if not want_change or decided(sheets)[0] != right:
            best = sheets, detail
            break
    sheets, detail = best
    return tell(case, sheets, rng), detail


def _slipped(seen: list, rng: random.Random) -> tuple:
    key, calc = rng.choice(seen)
    wrong = slip(calc, rng)
    return key, calc, wrong, f"{wrong.plain} (right: {written(calc.result)}{'%' if calc.percent else ''})"


def _mistaken(seen: list, rng: random.Random) -> tuple:
    key, calc = rng.choice([(k, c) for k, c in seen if k in UNITS])
    fault = rng.choice(UNITS[key])
    wrong = misread(key, calc, fault)
    return key, calc, wrong, f"{fault[0]}: {wrong.plain}"


def wrong_arithmetic(row: dict, case: Case, rng: random.Random) -> tuple[str, str]:
    """One result is wrong, and all that follows is consistent with it."""
    return _altered(case, rng, _slipped)


def wrong_unit(row: dict, case: Case, rng: random.Random) -> tuple[str, str]:
    """A percentage, a multiple or a rise in rates is read in a wrong unit; the sums are then right."""
    return _altered(case, rng, _mistaken)


def ignored_covenant(row: dict, case: Case, rng: random.Random) -> tuple[str, str]:
    """One test is left out, if possible one that matters, and the decision is made without it."""
    decision, tests = case.judged()
    at = "AB".index(decision.weaker or "A")
    names = [t.name for t in tests[at] if t.verdict == "breach"] or [t.name for t in tests[at] if t.verdict == "tight"]
    skip = rng.choice(names or [name for name in TESTS if name != "liquidity"])
    return tell(case, _sheets(case, at, unaltered, skip), rng), f"{skip} not checked"


def contradiction(row: dict, case: Case, rng: random.Random) -> tuple[str, str]:
    """The analysis is right and the decision is another one, alone or with ratings and breaches to suit it."""
    right, _ = case.judged()
    action = rng.choice([a for a in ACTIONS if a != right.action])
    wrong = replace(right, action=action)
    if rng.random() < 0.5:
        wrong = replace(confident.suited(action, rng), weaker=right.weaker)
    return tell(case, _sheets(case, 0, unaltered), rng, wrong), f"the analysis leads to {right.action}, the decision is {action}"


def no_recommendation(row: dict, case: Case, rng: random.Random) -> tuple[str, str]:
    """The chosen answer without its decision, and a vague ending in its place."""
    right, _ = case.judged()
    text = row["reasoning"].rsplit("\n", 1)[0]
    for o in case.obligors:
        for closing in writing.phrases("closings")[right.action]:
            text = text.replace(closing.format(name=o.name, place=o.place), "")
    text = re.sub(r" +(?=\n|$)", "", text).strip()
    return f"{text}\n{confident.vague(case, rng)}", "no decision"


def over_confidence(row: dict, case: Case, rng: random.Random) -> tuple[str, str]:
    """Sweeping claims without a single figure, and a decision in full confidence."""
    right, _ = case.judged()
    action = right.action if rng.random() < 0.25 else rng.choice([a for a in ACTIONS if a != right.action])
    decision = replace(confident.suited(action, rng), weaker=rng.choice("AB") if right.weaker else None)
    return f"{confident.claims(case, decision, rng)}\n{decision.block}", "no figure checked"


WRITERS = dict(zip(FAULTS, (wrong_arithmetic, wrong_unit, ignored_covenant, contradiction, no_recommendation, over_confidence),
                   strict=True))
SHOWS: dict[str, Callable[[Grade], bool]] = {  # what the grader must see for a fault to be the one that is named
    "wrong arithmetic": lambda g: not all(s.ok for s in g.stated) and g.consistent is not False,
    "wrong unit": lambda g: all(s.ok for s in g.stated) and g.arithmetic < 1 and g.consistent is not False,
    "ignored covenant": lambda g: g.parsed and all(s.ok for s in g.stated) and g.consistent is not False,
    "contradiction": lambda g: g.parsed and g.arithmetic == 1 and g.consistent is False,
    "no recommendation": lambda g: not g.parsed and g.arithmetic == 1,
    "over-confidence": lambda g: g.parsed and g.arithmetic == 0 and not g.stated,
}


# ---------------------------------------------------------------- the file
def make(seed: int = 0, each: int = 80) -> tuple[list[dict], Counter]:
    """(pairs, what was dropped and why): `each` pairs a fault, each from another training case. The order is shuffled."""
    draw = random.Random(f"{seed}/preferences")
    rows = dataset.load("train")
    draw.shuffle(rows)
    pairs, dropped, waiting = [], Counter(), iter(rows)
    for fault in FAULTS:
        found = 0
        while found < each:
            pair, why = _one(next(waiting), fault, random.Random(f"{seed}/{fault}/{found}/{dropped.total()}"))
            dropped.update(why)
            pairs += [pair] if pair else []
            found += pair is not None
    draw.shuffle(pairs)
    return [{"id": f"pair-{k:04d}", **pair} for k, pair in enumerate(pairs)], dropped


def _one(row: dict, fault: str, rng: random.Random) -> tuple[dict | None, list[str]]:
    rejected, detail = WRITERS[fault](row, dataset.case_of(row), rng)
    chosen, bad = verify(row, row["reasoning"]), verify(row, rejected)
    if not chosen.accepted:
        return None, [f"{fault}: the chosen answer is not right"]
    if bad.accepted:
        return None, [f"{fault}: the rejected answer is right"]
    if not SHOWS[fault](grade(row["text"], rejected)):
        return None, [f"{fault}: the grader sees another fault"]
    return {"case": row["id"], "fault": fault, "detail": detail, "prompt": row["text"], "chosen": row["reasoning"],
            "rejected": rejected}, []


def load_pairs(place: Path | None = None) -> list[dict]:
    """The recorded pairs: `prompt`, `chosen`, `rejected`, `fault`, `detail`. Raises CourseError for a missing or damaged file."""
    return dataset.read_lines(Path(place or PLACE), "python -m course_utils.credit.preferences --seed 0")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=80, help="pairs for each of the six faults")
    parser.add_argument("--out", type=Path, default=PLACE)
    given = parser.parse_args()
    pairs, dropped = make(given.seed, given.each)
    dataset.save(pairs, given.out)
    print(f"{len(pairs)} pairs; dropped: {dict(dropped) or 'none'}")


if __name__ == "__main__":
    main()
