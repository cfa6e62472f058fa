"""Floor 4: the short instructions of notebook 01: four questions of a trading desk, with answers that cannot be copied.

`pairs()` lists (instruction, answer, kind) in three parts: to train on, to test on, and a harder test of the rule itself.
"""

from __future__ import annotations

import itertools
import random

RISES = ("rise", "grow", "climb", "soar")
FALLS = ("fall", "drop", "shrink", "sink")
LIKED = ("profits", "sales", "orders", "margins", "exports")
FEARED = ("losses", "debts", "costs", "fines", "delays")
GRADES = {"investment": ("AAA", "AA", "A", "BBB"), "junk": ("BB", "B", "CCC", "CC")}
WORDINGS = {
    "mood": ("{}: mood?", "how is it if {}?", "headline: {}. mood?", "{}. what mood?"),
    "move": ("from {} to {}: move?", "{} then {}. which way?", "it was {}, it is {}. move?", "price {} to {}?"),
    "size": ("sales of {} m: size?", "a firm with {} m. size?", "{} m in sales. how big?", "size at {} m?"),
    "grade": ("rated {}: grade?", "grade of a {} bond?", "bond {}. which grade?", "is {} safe? grade?"),
}


def _mood(draw):
    for noun, verb in itertools.product(LIKED + FEARED, RISES + FALLS):
        yield (f"{noun} {verb}",), "good" if (noun in LIKED) == (verb in RISES) else "bad"


def _move(draw):
    for _ in range(900):
        a, b = draw.randrange(10, 100), draw.randrange(10, 100)
        b = a if draw.random() < 0.2 else b
        yield (a, b), "up" if b > a else "down" if b < a else "flat"


def _size(draw):
    for amount in draw.sample(range(10, 1000), 600):
        yield (amount,), "small" if amount < 100 else "middle" if amount < 500 else "large"


def _grade(draw):
    for grade, letters in GRADES.items():
        for letter, sign in itertools.product(letters, ("", "+", "-")):
            yield (letter + sign,), grade


def pairs(seed: int = 0, held_out: float = 0.2) -> dict[str, list[dict]]:
    """{"train": [...], "test": [...], "rule": [...]} of {"instruction", "answer", "kind"}, shuffled, none in two parts.

    A test instruction is new: in its numbers (move, size), or in the combination of fact and wording (mood, grade: their
    facts are few). "rule" holds moods of word pairs that training never shows together, in any wording: only who has the
    rule (a feared thing that falls is good) and not the pairs by heart gets them right.
    """
    draw = random.Random(seed)
    parts: dict[str, list[dict]] = {"train": [], "test": [], "rule": []}
    for kind, facts in (("mood", _mood), ("move", _move), ("size", _size), ("grade", _grade)):
        seen = set()
        for fact, answer in facts(draw):
            whole = draw.random() < held_out
            for wording in WORDINGS[kind]:
                alone = draw.random() < held_out if kind in ("mood", "grade") else whole
                part = "rule" if whole and kind == "mood" else "test" if alone else "train"
                text = wording.format(*fact)
                if text not in seen:
                    seen.add(text)
                    parts[part].append({"instruction": text, "answer": answer, "kind": kind})
    for rows in parts.values():
        draw.shuffle(rows)
    return parts


def balanced(rows: list[dict], n: int, seed: int = 0) -> list[dict]:
    """`n` rows, about evenly over kinds; short kinds are repeated."""
    draw, kinds = random.Random(seed), sorted({r["kind"] for r in rows})
    of = {k: [r for r in rows if r["kind"] == k] for k in kinds}
    picked = [draw.choice(of[kinds[i % len(kinds)]]) for i in range(n)]
    draw.shuffle(picked)
    return picked


def first_of_each(rows: list[dict], n: int) -> list[dict]:
    """The first `n` rows of each kind (fewer where there are fewer), none twice."""
    seen: dict[str, int] = {}
    picked = []
    for row in rows:
        seen[row["kind"]] = seen.get(row["kind"], 0) + 1
        if seen[row["kind"]] <= n:
            picked.append(row)
    return picked
