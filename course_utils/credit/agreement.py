"""How far the grader agrees with verdicts that were made by reading, answer by answer."""

from __future__ import annotations

import json
from pathlib import Path

from .. import runtime
from .grader import grade

FOLDER = runtime.ROOT / "data" / "credit"
FIELDS = ("parsed", "action", "action_right", "rating_right", "calculations_wrong", "required_right", "required", "consistent")


def verdict(case_text: str, answer: str) -> dict:
    """The grader's verdict in the fields of the hand-made ones."""
    g = grade(case_text, answer)
    return {"parsed": g.parsed, "action": g.action, "action_right": g.action_right, "rating_right": g.rating_right,
            "calculations_wrong": sum(not s.ok for s in g.stated), "required": len(g.required),
            "required_right": sum(r.status == "right" for r in g.required), "consistent": g.consistent}


def agreement(name: str = "hand_graded", folder: Path = FOLDER) -> dict:
    """{"value", "n", "answers", "differ"}: the share of hand-made verdicts that the grader shares; null ones are not scored."""
    hand = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    same, differ = 0, []
    for row in hand["answers"]:
        found = verdict(hand["cases"][row["case"]]["text"], row["answer"])
        for field in FIELDS:
            by_hand = row["verdict"][field]
            if by_hand is not None and found[field] == by_hand:
                same += 1
            elif by_hand is not None:
                differ.append(f"case {row['case']}, {row['what_it_is']}: {field} by hand {by_hand}, grader {found[field]}")
    return {"value": same / (same + len(differ)), "n": same + len(differ), "answers": len(hand["answers"]), "differ": differ}
